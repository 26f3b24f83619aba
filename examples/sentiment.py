"""Is a film review good or bad? A deep averaging network on IMDB (second part: rows 0.f to 0.j).

The mean of a review's word vectors, through hidden layers. Expect a test accuracy of about 0.889 with trained vectors,
about 0.908 with hashed word bigrams as well (--bigrams), and about 0.810 with frozen GloVe vectors of 100 dimensions
(--frozen), where a model without hidden layers has 0.802. Linear trigrams, weighted by naive Bayes (--ngrams 3), have
about 0.918, and together with a network (--bigrams --ngrams 3) 0.920. Then come the words that decided the five reviews
of the assignment.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import arguments, curve, parser, positive, script
from review_bags import Frozen, Part, averaged, divided, frozen_vectors, parts

from tinygrad_nlp import Tensor, embedding, gradients, sigmoid, softmax_cross_entropy
from tinygrad_nlp.files import digest, shown, write_json
from tinygrad_nlp.nlp import bags, corpora
from tinygrad_nlp.nlp.calibration import LogOdds, ensemble, quality
from tinygrad_nlp.nlp.metrics import accuracy
from tinygrad_nlp.nlp.models import DeepAveragingNetwork
from tinygrad_nlp.nlp.naive_bayes import Grams, Linear, joined, log_ratio, logistic_regression, weighted
from tinygrad_nlp.nn import frozen
from tinygrad_nlp.optim import Adam, linear_decay
from tinygrad_nlp.parallel import ranks as all_ranks

PUBLISHED_ERRORS = ("test/pos/5950_10", "test/neg/9975_4", "test/pos/9714_9", "test/neg/5723_2", "test/neg/2290_4")


# %% Settings
@dataclass(frozen=True)
class Setting:
    """How a network is built and trained."""

    frozen: bool = False  # word vectors given and kept, or trained from N(0, 0.01²)
    words: int = 30_000
    bigrams: int = 0  # buckets of hashed word bigrams
    distinct: bool = True  # the mean over the words that a review mentions, or over all of its tokens
    dimension: int = 100
    layers: int = 1
    nonlinearity: str = "relu"
    dropout: float = 0.3  # of words
    hidden_dropout: float = 0.0  # after each hidden layer
    epochs: int = 4
    steps: int = 0  # 0: as many as the epochs have
    batch: int = 64
    rate: float = 0.001  # of Adam, decaying linearly to nothing


SETTINGS = {
    "trained": Setting(),
    "bigrams": Setting(bigrams=1 << 20, epochs=3, rate=0.002, batch=128),
    "frozen": Setting(frozen=True, epochs=20, batch=128, dropout=0.0, hidden_dropout=0.5),
}


# %% Training
def train(
    data: tuple[Part, Part, Part],
    setting: Setting,
    folder: Path,
    seed: int = 0,
    table: np.ndarray | None = None,
    resume: bool = False,
    quiet: bool = True,
    leaked: np.ndarray | None = None,
) -> tuple[DeepAveragingNetwork, list[dict[str, float]]]:
    """A network, and its accuracy on validation and test reviews after each epoch.

    table: the word vectors, if frozen; leaked: mask of the test reviews that are also in training, to tell the
    accuracy without.
    """
    ours, validation, test = data
    ranks, rng = all_ranks(), np.random.default_rng(seed)
    own = ranks.own(rng)
    model = DeepAveragingNetwork(
        *((setting.words + setting.bigrams, setting.dimension) if table is None else table.shape), setting.layers,
        nonlinearity=setting.nonlinearity, dropout=setting.hidden_dropout, embedding=table, rng=rng,
    )  # fmt: skip
    optimizer = Adam(model, setting.rate)
    per_epoch = -(-len(ours.labels) // setting.batch)
    steps = setting.steps or setting.epochs * per_epoch
    keep: dict[str, Any] = {"order": np.arange(len(ours.labels)), "epochs": []}
    hashes = {"reviews": digest(ours.ids, ours.offsets)} | ({} if table is None else {"vectors": digest(table)})
    run = ranks.run(
        folder, config=asdict(setting) | {"seed": seed}, hashes=hashes, keep=keep, generators={"rng": rng, "own": own},
        resume=resume, quiet=quiet, model=model, optimizer=optimizer,
    )  # fmt: skip
    for step in run.steps(steps):
        epoch, i = divmod(step, per_epoch)
        if i == 0:
            run.keep["order"] = rng.permutation(len(ours.labels))
        rows = run.keep["order"][i * setting.batch : (i + 1) * setting.batch]
        batch = ours.take(rows[ranks.shard(len(rows))])  # all of them, unless mpiexec has started more processes
        ids, offsets = batch.ids, batch.offsets
        if setting.dropout:
            ids, offsets = bags.word_dropout(ids, offsets, setting.dropout, own)
        loss = softmax_cross_entropy(model(ids, offsets), batch.labels, reduction="sum") / len(rows)
        optimizer.zero_grad()
        loss.backward()
        ranks.add_gradients(model)
        optimizer.lr = setting.rate * linear_decay(step, steps)
        optimizer.step()
        if i == per_epoch - 1 or step == steps - 1:
            right = (log_odds(model, test) > 0) == (test.labels == 1)
            measured = {"epoch": epoch + 1, "validation": measure(model, validation), "test": float(right.mean())}
            if leaked is not None:
                measured["without leaked"] = float(right[~leaked].mean())
            run.keep["epochs"].append(measured)
            run.log(loss=ranks.sum(loss.item()), **measured)
    return model, run.keep["epochs"]


def log_odds(model: DeepAveragingNetwork, part: Part) -> np.ndarray:
    """Log-odds of good for each review, (B,)."""
    logits = frozen(model)(part.ids, part.offsets)
    difference: np.ndarray = logits[:, 1] - logits[:, 0]
    return difference


def probabilities(model: DeepAveragingNetwork, part: Part) -> np.ndarray:
    """P(good) of each review, (B,)."""
    return sigmoid(log_odds(model, part))


def measure(model: DeepAveragingNetwork, part: Part) -> float:
    """Accuracy, 0 to 1."""
    return accuracy(probabilities(model, part) > 0.5, part.labels == 1)


def chosen(epochs: list[dict[str, float]]) -> dict[str, float]:
    """The epoch that is best on the validation reviews."""
    return max(epochs, key=lambda measured: measured["validation"])


# %% Linear models
def linear_minimum(vectors: Frozen) -> tuple[Linear, np.ndarray]:
    """Logistic regression of the means at its minimum, by L-BFGS: what a network without hidden layers converges to.
    Also its log-odds for each test review (B,)."""
    means = averaged(vectors)
    train, _, test = (means.table[part.ids].astype(float) for part in means.parts)
    model = logistic_regression(train, means.parts[0].labels, strength=100.0, product=np.matmul, steps=500)
    return model, model.log_odds(test)


# The strength of the data against the prior of small weights, by order of the n-grams: of 0.03, 0.1, 0.3, 1 and 3 the
# best on the validation reviews, where trigrams at 3 are better by one review of 2,500, not enough for larger weights.
STRENGTH = {2: 0.3, 3: 1.0}


def fitted(X: Any, labels: np.ndarray, others: Any, order: int, steps: int = 40) -> tuple[np.ndarray, Linear]:
    """Log-odds (B,) of other reviews by naive Bayes n-grams of these, and the model."""
    ratio = log_ratio(X, labels)
    X, others = weighted(X, ratio), weighted(others, ratio)
    P = joined(X)
    model = logistic_regression(X @ P, labels, STRENGTH.get(order, 1.0), steps=steps)
    return model.log_odds(others @ P), model


def by_ngrams(corpus: corpora.FilmReviews, order: int, steps: int = 40) -> tuple[LogOdds, np.ndarray, Linear]:
    """Linear n-grams of all training reviews on the test reviews, and of those without the validation reviews on these;
    the labels of these; the model of all."""
    reviews, places = corpus.train, np.arange(len(corpus.train))
    kept, held, _ = (part.ids for part in divided(*[Part(places, places, corpus.train.labels)] * 2))
    grams, labels = Grams(reviews.ids, reviews.offsets, order), reviews.labels
    on_test, model = fitted(grams.own, labels, grams.matrix(corpus.test.ids, corpus.test.offsets), order, steps)
    on_held, _ = fitted(grams.own[kept], labels[kept], grams.own[held], order, steps)
    return LogOdds(on_held, on_test), labels[held], model


# %% Which words decided?
def contributions(model: DeepAveragingNetwork, ids: np.ndarray) -> np.ndarray:
    """What each token (N,) adds to log-odds(good): gradient × input.

    The mean is linear, so without hidden layers the contributions add up to the log-odds exactly, the bias left aside.
    """
    model = frozen(model)
    looked_up = Tensor(embedding(model.embedding.table, ids))
    logits = model.classify(np.mean(looked_up, axis=0, keepdims=True))
    (g,) = gradients(logits[0, 1] - logits[0, 0], [looked_up])
    return np.sum(g * looked_up.data, axis=1)


def named(vocabulary: list[str], ids: np.ndarray, setting: Setting) -> list[str]:
    """The words of ids; rare ones share an id, and bigrams their buckets."""
    known = len(vocabulary) if setting.frozen else min(setting.words - 1, len(vocabulary))
    shared = ["(rare)" if i < setting.words else "(bigrams)" for i in ids]
    return [vocabulary[i] if i < known else name for i, name in zip(ids, shared, strict=True)]


def strongest(words: list[str], contribution: np.ndarray, count: int = 6) -> list[tuple[str, float]]:
    """The distinct words that weigh most, all their occurrences added up."""
    total: dict[str, float] = {}
    for word, value in zip(words, contribution, strict=False):
        total[word] = total.get(word, 0.0) + float(value)
    return sorted(total.items(), key=lambda item: -abs(item[1]))[:count]


def main() -> None:
    p = parser(__doc__ or "", steps=0)
    p.add_argument("--frozen", action="store_true", help="keep word vectors: GloVe's, or made from the training text")
    p.add_argument("--bigrams", action="store_true", help="add hashed word bigrams")
    p.add_argument(
        "--ngrams", type=positive, metavar="N", help="also linear n-grams up to N, alone and with the network"
    )
    p.add_argument("--resume", action="store_true", help="go on where an interrupted run stopped")
    args = arguments(p)
    trained = "bigrams" if args.bigrams else "trained"
    setting = SETTINGS["frozen" if args.frozen else trained]
    setting = replace(setting, steps=args.steps)
    corpus = corpora.film_reviews(args.data, args.out)
    if corpus.fallback:
        print(corpus.fallback)
        setting = replace(setting, batch=16, rate=2 * setting.rate)  # the reviews are few, and an epoch has more steps
    if args.smoke:
        few = np.random.default_rng(0).permutation(len(corpus.train))[:1_000]
        corpus = replace(corpus, train=corpus.train.take(few), test=corpus.test.take(few[few < len(corpus.test)]))
        setting = replace(setting, words=3_000, bigrams=setting.bigrams and 1_000, epochs=2)
        setting = replace(setting, dimension=setting.dimension if setting.frozen else 20)
    vocabulary, table = corpus.test.vocabulary, None
    found: dict[str, Any] = {"seed": args.seed}
    if setting.frozen:
        given = frozen_vectors(corpus, args.data, setting)
        share = ", ".join(f"{value:.1%} of {what}" for what, value in given.coverage.items())
        print(f"word vectors: {given.source}, for {share}")
        minimum, by_minimum = linear_minimum(given)
        right = accuracy(by_minimum > 0, given.parts[2].labels == 1)
        found["linear"] = {"test": right, "gradient_norm": minimum.gradient_norm}
        vocabulary, table, data = given.words, given.table, given.parts
    else:
        data = parts(corpus, setting)
    test = data[2]
    quick = (averaged(given).parts, averaged(given).table) if setting.frozen else (data, None)
    model, epochs = train(quick[0], setting, args.out / "sentiment", args.seed, quick[1], args.resume, args.quiet)
    if all_ranks().rank > 0:
        return
    if setting.frozen:
        model.embedding.table = table
    best = chosen(epochs)
    found |= {"epochs": epochs, "accuracy": best["test"]}
    if args.ngrams:
        grams, labels, _ = by_ngrams(corpus, args.ngrams, steps=5 if args.smoke else 40)
        network = LogOdds(log_odds(model, data[1]), log_odds(model, test))
        models = {"network": network, "n-grams": grams, "both": ensemble(grams, network, labels)}
        found["tempered"] = {name: quality(z.tempered(labels).test, test.labels) for name, z in models.items()}
    write_json(args.out / "sentiment.json", found)
    curve(args.out / "sentiment.png", [(m["epoch"], m["test"]) for m in epochs], "epoch", "test accuracy")

    if setting.frozen:
        print(f"no hidden layer, by L-BFGS: test {right:.4f}, gradient norm {minimum.gradient_norm:.0e}")
    for measured in epochs:
        print(f"epoch {measured['epoch']:2}   validation {measured['validation']:.4f}   test {measured['test']:.4f}")
    print(f"test accuracy {best['test']:.4f}, after the epoch that is best on the validation reviews ({best['epoch']})")
    for name, of in found.get("tempered", {}).items():
        print(f"{name:8}", ", ".join(f"{what} {value:.4f}" for what, value in of.items()))
    for name in PUBLISHED_ERRORS:
        if name in corpus.test.names:
            row = corpus.test.row(name)
            review = test.take(np.array([row]))
            words = named(vocabulary, review.ids, setting)
            weights = strongest(words, contributions(model, review.ids))
            listed = shown(", ".join(f"{word} {value:+.2f}" for word, value in weights))
            print(f"{name}  P(good) = {probabilities(model, review)[0]:.2f}   {listed}")


if __name__ == "__main__":
    script(main)

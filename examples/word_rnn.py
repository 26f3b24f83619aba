"""A recurrent language model of words: what more than one word of context is worth (beyond row 0.c).

A GRU whose output layer is its embedding, with dropout, reads the running text of the tagged news; it predicts the same
words as the neural bigram of bigram.py, from all that stands before them: expect a test perplexity of about 53.1, where
the bigram has 79.3 and trigrams of counts 69.0.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import process_time

import numpy as np
from common import arguments, parser, script

from tinygrad_nlp import softmax_cross_entropy
from tinygrad_nlp.files import digest, write_json
from tinygrad_nlp.nlp import corpora, reading
from tinygrad_nlp.nlp.metrics import Perplexity
from tinygrad_nlp.nlp.models import WordRNN
from tinygrad_nlp.nn import frozen
from tinygrad_nlp.optim import Average, clip_norm, linear_decay
from tinygrad_nlp.run import Run
from tinygrad_nlp.soap import SOAP


# %% Settings
@dataclass(frozen=True)
class Recipe:
    """How the model is built and trained."""

    size: int = 200  # of embedding and state
    dropout: float = 0.4
    chunk: int = 35  # T, words in a chunk
    batch: int = 20  # B, streams side by side
    steps: int = 1_600  # ten times through the training text
    rate: float = 0.004  # of SOAP, decaying linearly to nothing
    clip: float = 1.0
    average: float = 0.99  # decay of the running average of the weights, which is the model


# %% Training
def train(
    pairs: np.ndarray, words: int, recipe: Recipe, folder: Path, seed: int = 0, resume: bool = False, quiet: bool = True
) -> WordRNN:
    """A frozen model trained on rows (previous, next) in running order: they are inputs and targets."""
    rng = np.random.default_rng(seed)
    model = WordRNN(words, recipe.size, recipe.dropout, rng=rng)
    optimizer, average = SOAP(model, recipe.rate), Average(model, recipe.average)
    run = Run(
        folder, config=asdict(recipe) | {"seed": seed}, hashes={"pairs": digest(pairs)}, generators={"rng": rng},
        keep={"start": 0, "cursor": 0, "state": None}, resume=resume, quiet=quiet,
        model=model, optimizer=optimizer, average=average,
    )  # fmt: skip
    T, B = recipe.chunk, recipe.batch
    length = (len(pairs) - T) // B  # of each of B parallel streams
    for step in run.steps(recipe.steps):
        if run.keep["cursor"] == 0:
            run.keep |= {"start": int(rng.integers(T)), "state": None}  # so that no two passes cut the text alike
        at = run.keep["start"] + run.keep["cursor"] * T + np.arange(T)[:, None] + length * np.arange(B)
        logits, state = model(pairs[at, 0], run.keep["state"])
        loss = softmax_cross_entropy(logits, pairs[at, 1])
        optimizer.zero_grad()
        loss.backward()
        clip_norm(model, recipe.clip)
        optimizer.lr = recipe.rate * linear_decay(step, recipe.steps)
        optimizer.step()
        average.update()
        run.keep |= {"state": frozen(state), "cursor": (run.keep["cursor"] + 1) % (length // T)}
        if (step + 1) % 50 == 0:
            run.log(nats=loss.item())
    return average.model()


def log_probabilities(model: WordRNN, pairs: np.ndarray) -> np.ndarray:
    """ln p of each next word (N,), read in one go from a zero state."""
    model, state, parts = frozen(model), None, []
    for some in np.split(pairs, range(1_000, len(pairs), 1_000)):
        logits, state = model(some[:, :1], state)
        parts.append(reading.picked(logits[:, 0], some[:, 1]))
    return np.concatenate(parts)


def main() -> None:
    p = parser(__doc__ or "", steps=Recipe.steps)
    p.add_argument("--resume", action="store_true", help="go on where an interrupted run stopped")
    args = arguments(p)
    recipe = replace(Recipe(), steps=min(args.steps, 20) if args.smoke else args.steps)
    news = corpora.news(args.data)
    if news.fallback:
        print(news.fallback)
    began = process_time()
    model = train(news.train, len(news.vocabulary), recipe, args.out / "word_rnn", args.seed, args.resume, args.quiet)
    ppl = Perplexity().add_log_probabilities(log_probabilities(model, news.test)).value
    found = {"test_perplexity": ppl, "cpu_seconds": process_time() - began, "seed": args.seed} | asdict(recipe)
    write_json(args.out / "word_rnn.json", found)
    print(f"test perplexity {ppl:.2f} after {recipe.steps:,} steps ({found['cpu_seconds']:.0f} s of CPU)")


if __name__ == "__main__":
    script(main)

"""The experiments with film reviews that reproduce.py runs (D): functions of plain values that return plain figures."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import sentiment

from tinygrad_nlp import sigmoid
from tinygrad_nlp.engine import gradients
from tinygrad_nlp.fused import softmax_cross_entropy
from tinygrad_nlp.nlp import corpora
from tinygrad_nlp.nlp.calibration import LogOdds, ensemble, quality, temperature
from tinygrad_nlp.nn import frozen
from tinygrad_nlp.npz import read_npz, write_npz

Figures = dict[str, Any]


# %% Data, once a process
@cache
def film_reviews(data: str | None, few: int, runs: Path) -> corpora.FilmReviews:
    """The corpus, or a few reviews of each part (the published ones among them) for a quick run."""
    corpus = corpora.film_reviews(data, runs)
    if not 0 < few < min(len(corpus.train), len(corpus.test)):
        return corpus
    rng, names = np.random.default_rng(0), [name for name in sentiment.PUBLISHED_ERRORS if name in corpus.test.names]
    train = rng.choice(len(corpus.train), few, replace=False)
    test = np.unique([*rng.choice(len(corpus.test), few, replace=False), *(corpus.test.row(name) for name in names)])
    return replace(corpus, train=corpus.train.take(train), test=corpus.test.take(test), leaked=corpus.leaked[test])


@lru_cache(maxsize=1)  # with bigrams they are large
def bags_of(
    data: str | None, few: int, runs: Path, words: int, bigrams: int, distinct: bool
) -> tuple[sentiment.Part, ...]:
    """Training, validation and test reviews as bags."""
    setting = sentiment.Setting(words=words, bigrams=bigrams, distinct=distinct)
    return sentiment.parts(film_reviews(data, few, runs), setting)


# %% Frozen word vectors, for the networks that share them
def word_vectors(folder: Path, data: str | None, setting: Figures, few: int = 0, glove: str = "") -> Figures:
    """Frozen word vectors and the reviews in them, in a file; and the minimum of a model without hidden layers."""
    corpus = film_reviews(data, few, folder.parent)
    given = sentiment.frozen_vectors(corpus, data, sentiment.Setting(**setting))
    parts = {f"{name}{i}": a for i, part in enumerate(given.parts) for name, a in vars(part).items()}
    path = folder.with_name(f"{folder.name}.npz")
    write_npz(path, {"table": given.table, **parts})
    minimum, log_odds = sentiment.linear_minimum(given)
    found = {"file": path.name, "sha256": corpora.sha256(path), "source": given.source, "coverage": given.coverage}
    found |= {"gradient_norm": minimum.gradient_norm, "evaluations": minimum.evaluations}
    return found | judged(corpus, log_odds, given.parts[2].labels)


@lru_cache(maxsize=1)
def read_vectors(path: Path) -> tuple[sentiment.Frozen, sentiment.Frozen]:
    """The frozen vectors of a file, with the reviews as bags of words, and as bags of their one mean."""
    kept = read_npz(path)
    ours = [sentiment.Part(kept[f"ids{i}"], kept[f"offsets{i}"], kept[f"labels{i}"]) for i in range(3)]
    whole = sentiment.Frozen(kept["table"], (ours[0], ours[1], ours[2]), [], "", {})
    return whole, sentiment.averaged(whole)


# %% What a model says of the test reviews
def judged(corpus: corpora.FilmReviews, log_odds: np.ndarray, labels: np.ndarray) -> Figures:
    """Accuracy, log loss in nats, calibration error, and what is needed for pairs: which reviews are right."""
    right, p = (log_odds > 0) == (labels == 1), sigmoid(log_odds)
    published = [name for name in sentiment.PUBLISHED_ERRORS if name in corpus.test.names]
    return quality(log_odds, labels) | {
        "without leaked": float(right[~corpus.leaked].mean()),
        "right": np.packbits(right).tobytes().hex(),
        "p": {name: float(p[corpus.test.row(name)]) for name in published},
    }


def tempered(log_odds: np.ndarray, labels: np.ndarray, t: float) -> Figures:
    """The same over a temperature that was fitted on validation reviews."""
    of = quality(log_odds, labels)
    return {"temperature": t} | {f"{name}_tempered": of[name] for name in ("log_loss", "calibration_error")}


def reliability(p: np.ndarray, labels: np.ndarray, bins: int = 10) -> list[list[float]]:
    """Points [mean P(good), share that is good] of the test reviews in bins of P(good)."""
    place = np.minimum((p * bins).astype(int), bins - 1)
    there = [place == i for i in range(bins)]
    return [[float(p[i].mean()), float(labels[i].mean())] for i in there if i.sum() >= 20]


# %% One network
def network(
    folder: Path, data: str | None, setting: Figures, seed: int, few: int = 0, vectors: str | None = None
) -> Figures:
    """A sentiment network: accuracy by epoch and at the epoch that validation chose, and what it says of some reviews.

    few: how many reviews of each part, 0 for all; vectors: file of frozen word vectors, beside the job's own.
    """
    corpus, settings, table = film_reviews(data, few, folder.parent), sentiment.Setting(**setting), None
    if vectors:
        whole, means = read_vectors(folder.parent / vectors)
        given = whole if settings.dropout else means
        ours, table = given.parts, given.table
    else:
        ours = bags_of(data, few, folder.parent, settings.words, settings.bigrams, settings.distinct)
    model, epochs = sentiment.train(ours, settings, folder, seed, table, resume=True, leaked=corpus.leaked)
    log_odds, held_out = (sentiment.log_odds(model, part) for part in (ours[2], ours[1]))
    t = temperature(held_out, ours[1].labels)
    found = judged(corpus, log_odds, ours[2].labels) | {"epochs": epochs, "best": sentiment.chosen(epochs)}
    found |= tempered(log_odds / t, ours[2].labels, t)
    if vectors and not settings.layers:
        found["gradient_norm"] = gradient_norm(model, ours[0])
    if not vectors and settings.layers:  # what a mixture needs
        path = folder.with_name(f"{folder.name}.npz")
        write_npz(path, {"test": log_odds, "validation": held_out})
        found |= {"file": path.name, "sha256": corpora.sha256(path)}
    if not (vectors or settings.bigrams or settings.layers):
        right, p = (log_odds > 0) == (ours[2].labels == 1), sigmoid(log_odds)
        mistakes = np.argsort(np.where(right, 0.0, -abs(p - 0.5)), kind="stable")[: min(10, int(np.sum(~right)))]
        names = [*found["p"], *(str(corpus.test.names[row]) for row in mistakes)]
        found["reviews"] = {
            name: explained(model, corpus, ours[2], name, settings.words) for name in dict.fromkeys(names)
        }
    return found


def gradient_norm(model: Any, part: sentiment.Part) -> float:
    """‖∂CE/∂parameters‖ over all of these reviews: near 0 at the minimum."""
    loss = softmax_cross_entropy(model(part.ids, part.offsets), part.labels)
    return float(np.sqrt(sum(np.sum(g * g) for g in gradients(loss, model.parameters()))))


# %% Naive Bayes n-grams, and their mixture with a network
def ngrams(
    folder: Path, data: str | None, order: int, network: str | None = None, few: int = 0, steps: int = 40
) -> Figures:
    """Linear n-grams weighted by naive Bayes: fitted on all training reviews, and tempered by a fit that has not seen
    those for validation. network: a file of log-odds, to mix with."""
    corpus = film_reviews(data, few, folder.parent)
    labels = corpus.test.labels
    grams, truth, model = sentiment.by_ngrams(corpus, order, steps)
    t, tempered_grams = temperature(grams.validation, truth), grams.tempered(truth)
    found = judged(corpus, grams.test, labels) | tempered(tempered_grams.test, labels, t)
    found |= {"validation": float(np.mean((grams.validation > 0) == (truth == 1)))}
    found |= {"gradient_norm": model.gradient_norm, "evaluations": model.evaluations}
    if network:
        other = LogOdds(**read_npz(folder.parent / network))
        both = ensemble(grams, other, truth)
        found["ensemble"] = judged(corpus, both.test, labels)
        says = {"n-grams": grams, "n-grams, tempered": tempered_grams, "network": other, "ensemble": both}
        found["reliability"] = {name: reliability(sigmoid(z.test), labels) for name, z in says.items()}
    return found


# %% The words of a review
def explained(model: Any, corpus: corpora.FilmReviews, test: sentiment.Part, name: str, words: int) -> Figures:
    """One review by a model without hidden layers: what each word adds to log-odds(good), exactly.

    words: [word, contribution, counted], where counted is 0 for a repeated word if the model takes each word once; then
    bias + Σ counted · contribution = log_odds.
    """
    row = corpus.test.row(name)
    part, tokens = test.take(np.array([row])), corpus.test.take(np.array([row]))
    by_id = dict(zip(part.ids.tolist(), sentiment.contributions(model, part.ids).tolist(), strict=True))
    ids = np.minimum(tokens.ids, words - 1)
    counted = np.ones(len(ids), int) if len(ids) == len(part.ids) else np.zeros(len(ids), int)
    counted[np.unique(ids, return_index=True)[1]] = 1
    weights = np.array([by_id[i] for i in ids.tolist()])
    logits = frozen(model)(part.ids, part.offsets)[0]
    log_odds = float(logits[1] - logits[0])
    return {
        "p": float(sentiment.probabilities(model, part)[0]),
        "label": int(tokens.labels[0]),
        "log_odds": log_odds,
        "bias": log_odds - float(np.sum(weights * counted)),
        "words": [list(t) for t in zip(tokens.words(0), weights.round(4).tolist(), counted.tolist(), strict=True)],
    }

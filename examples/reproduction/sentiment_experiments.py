"""The experiments with film reviews that reproduce.py runs (D): functions of plain values that return plain figures."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import sentiment

from tinygrad_nlp import embedding_bag
from tinygrad_nlp.files import read_npz, write_npz
from tinygrad_nlp.nlp import corpora
from tinygrad_nlp.nlp.metrics import interval
from tinygrad_nlp.nlp.vectors import read_vectors
from tinygrad_nlp.nn import frozen

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


def parts(data: str | None, few: int, runs: Path, setting: sentiment.Setting) -> tuple[sentiment.Part, ...]:
    return bags_of(data, few, runs, setting.words, setting.bigrams, setting.distinct)


# %% Frozen word vectors, for the runs that share them
def word_vectors(folder: Path, data: str | None, setting: Figures, few: int = 0, glove: str = "") -> Figures:
    """Word vectors and every review's mean vector, in a file: GloVe's if they are given, else from the training text.

    With frozen vectors and all words kept, a review is always the same mean, so it is computed once.
    """
    corpus, settings = film_reviews(data, few, folder.parent), sentiment.Setting(**setting)
    source, coverage = corpora.find("glove-6b", data) if glove else None, 1.0
    if source:
        member = f"glove.6B.{settings.dimension}d.txt" if zipfile.is_zipfile(source.path) else None
        listed = corpus.train.vocabulary[: settings.words - 1]
        found = read_vectors(source.path, listed, settings.dimension, member)
        table = np.zeros((settings.words, settings.dimension), np.float32)  # the last row: all rarer words
        table[: len(listed)], coverage = found.table, found.coverage
    else:
        table = sentiment.vectors(corpus, settings)
    means = np.concatenate(
        [embedding_bag(table, part.ids, part.offsets) for part in parts(data, few, folder.parent, settings)]
    )
    path = folder.with_name(f"{folder.name}.npz")
    write_npz(path, {"vectors": table, "means": means})
    found = {"coverage": coverage, "source": "GloVe 6B" if source else "training text"}
    return found | {"file": path.name, "sha256": corpora.sha256(path)}


def averaged(data: tuple[sentiment.Part, ...]) -> tuple[sentiment.Part, ...]:
    """The same reviews, each a bag of one: its row in the table of means."""
    cuts = np.cumsum([0, *(len(part.labels) for part in data)])
    return tuple(
        sentiment.Part(np.arange(start, end), np.arange(end - start), part.labels)
        for part, start, end in zip(data, cuts[:-1], cuts[1:], strict=True)
    )


# %% One network
def opinions(
    folder: Path, data: str | None, setting: Figures, seed: int, few: int = 0, vectors: str | None = None
) -> Figures:
    """A sentiment network: accuracy by epoch and at the epoch that validation chose, and what it says of some reviews.

    few: how many reviews of each part, 0 for all; vectors: file of frozen word vectors, beside the run's own.
    """
    corpus, settings = film_reviews(data, few, folder.parent), sentiment.Setting(**setting)
    ours, table = parts(data, few, folder.parent, settings), None
    if vectors:
        kept = read_npz(folder.parent / vectors)
        table = kept["vectors"]
        if not settings.dropout:
            ours, table = averaged(ours), kept["means"]
            settings = replace(settings, words=len(table))
    model, epochs = sentiment.train(ours, settings, folder, seed, table, resume=True, leaked=corpus.leaked)
    best, p = sentiment.chosen(epochs), sentiment.probabilities(model, ours[2])
    right = (p > 0.5) == (ours[2].labels == 1)
    _, low, high = interval(right, np.random.default_rng(0))
    published = [name for name in sentiment.PUBLISHED_ERRORS if name in corpus.test.names]
    found = {"epochs": epochs, "best": best, "last": {"accuracy": float(right.mean()), "low": low, "high": high}}
    found["p"] = {name: float(p[corpus.test.row(name)]) for name in published}
    found["right"] = np.packbits(right).tobytes().hex()
    if not (vectors or settings.bigrams or settings.layers):
        mistakes = np.argsort(np.where(right, 0.0, -abs(p - 0.5)), kind="stable")[: min(10, int(np.sum(~right)))]
        names = [*published, *(str(corpus.test.names[row]) for row in mistakes)]
        found["reviews"] = {
            name: explained(model, corpus, ours[2], name, settings.words) for name in dict.fromkeys(names)
        }
    return found


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

"""Film reviews as bags of words, divided in three, and frozen word vectors: what sentiment.py reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_nlp import embedding_bag
from tinygrad_nlp.nlp import bags, cooccurrence, corpora
from tinygrad_nlp.nlp.vectors import glove_tokens, member, read_vectors

if TYPE_CHECKING:
    from sentiment import Setting

HELD_OUT = 2_500  # training reviews kept for choosing the epoch; the test set is for the report


# %% Bags
@dataclass(frozen=True)
class Part:
    """Reviews as bags, with labels (B,), 1 for good."""

    ids: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray

    def take(self, rows: np.ndarray) -> Part:
        return Part(*bags.take(self.ids, self.offsets, rows), self.labels[rows])


def parts(corpus: corpora.FilmReviews, setting: Setting) -> tuple[Part, Part, Part]:
    """Training, validation and test reviews, over the most frequent words and the buckets of bigrams."""

    def part(reviews: Any) -> Part:
        ids, offsets = np.minimum(reviews.ids, setting.words - 1), reviews.offsets
        if setting.bigrams:
            ids, offsets = bags.add_bigrams(ids, offsets, setting.bigrams, first=setting.words)
        if setting.distinct:
            ids, offsets = bags.distinct(ids, offsets)
        return Part(ids, offsets, reviews.labels)

    return divided(part(corpus.train), part(corpus.test))


def divided(train: Part, test: Part) -> tuple[Part, Part, Part]:
    """Training reviews without those for validation, which are the same in every run; these; and the test reviews."""
    order = np.random.default_rng(0).permutation(len(train.labels))  # the same for every run
    held_out = min(HELD_OUT, len(order) // 5)
    return train.take(order[held_out:]), train.take(order[:held_out]), test


# %% Frozen word vectors
@dataclass(frozen=True)
class Frozen:
    """Word vectors (V, D) that are kept, the reviews as bags of their rows, and where they are from."""

    table: np.ndarray
    parts: tuple[Part, Part, Part]
    words: list[str]  # of the rows
    source: str
    coverage: dict[str, float]  # shares that have one: of the vocabulary ("types"), of the training text ("tokens")


def frozen_vectors(corpus: corpora.FilmReviews, data: str | None, setting: Setting) -> Frozen:
    """GloVe's vectors if they are there, for the tokens that it was made with; else from the training text.

    Words without a vector are left out of the mean. The vectors are shifted and scaled so that their means over the
    training reviews have mean 0 and variance 1 in each coordinate.
    """
    words = corpus.train.vocabulary
    if source := corpora.find("glove-6b", data):
        pieces = [glove_tokens(word) for word in words]
        listed = sorted({piece for parts in pieces for piece in parts})
        given = read_vectors(source.path, listed, setting.dimension, member(source.path, setting.dimension))
        row_of = {listed[row]: row for row in np.flatnonzero(given.found)}
        table, name = given.table, f"GloVe 6B, {setting.dimension} dimensions"
        rows = [[row_of[piece] for piece in parts if piece in row_of] for parts in pieces]
    else:
        ids, size = np.minimum(corpus.train.ids, setting.words - 1), min(setting.words, len(words) + 1)
        rng = np.random.default_rng(0)
        table = cooccurrence.word_vectors(ids, corpus.train.offsets, size, setting.dimension, rng)
        listed, name = words[: size - 1], "training text"
        rows = [[row] if row < size - 1 else [] for row in range(len(words))]
    per_word = bags.from_lists(rows, np.int32)

    def part(reviews: Any) -> Part:
        ids, starts = bags.take(*per_word, reviews.ids)
        return Part(ids, np.append(starts, len(ids))[reviews.offsets], reviews.labels)

    ours = divided(part(corpus.train), part(corpus.test))
    means = embedding_bag(table, ours[0].ids, ours[0].offsets)
    table = ((table - means.mean(0)) / means.std(0)).astype(np.float32)
    known = np.array([bool(row) for row in rows])
    coverage = {"types": float(known.mean()), "tokens": float(known[corpus.train.ids].mean())}
    return Frozen(table, ours, listed, name, coverage)


def averaged(vectors: Frozen) -> Frozen:
    """The same reviews, each a bag of one: its row in the table of means, which is computed once."""
    means = [embedding_bag(vectors.table, part.ids, part.offsets) for part in vectors.parts]
    cuts = np.cumsum([0, *map(len, means)])
    ours = [
        Part(np.arange(start, end), np.arange(end - start), part.labels)
        for part, start, end in zip(vectors.parts, cuts[:-1], cuts[1:], strict=True)
    ]
    return replace(vectors, table=np.concatenate(means), parts=(ours[0], ours[1], ours[2]))

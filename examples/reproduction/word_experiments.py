"""The experiments with words that reproduce.py runs (A): functions of plain values that return plain values."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import bigram
import numpy as np
import word_rnn

from tinygrad_nlp import gradients, softmax_cross_entropy
from tinygrad_nlp.engine import writable
from tinygrad_nlp.nlp import corpora, counts, reading, text, vectors
from tinygrad_nlp.nlp.metrics import Perplexity
from tinygrad_nlp.nlp.models import NeuralBigram
from tinygrad_nlp.nn import frozen

Figures = dict[str, Any]
PLACES = ("shakespeare", "wikipedia")


def words(folder: Path, data: str | None, steps: int, seed: int) -> Figures:
    """The neural bigram and its counts."""
    news = corpora.news(data)
    model = bigram.train(news.train, len(news.vocabulary), steps, folder, seed, resume=True)
    return bigram.figures(data, model)


def words_faster(folder: Path, data: str | None, steps: int, seed: int) -> Figures:
    """The neural bigram at twice the published rate, which is the better one for trained vectors, beside and mixed
    with the best counts of the same pairs, half and half: nats of each sentence's words, for paired intervals."""
    news, rate = corpora.news(data), 2 * bigram.RATE
    model = bigram.train(news.train, len(news.vocabulary), steps, folder, seed, rate=rate, resume=True)
    found = {"neural": bigram.log_probabilities(model, news.test), **bigram.by_ngrams(news)}
    found["mixed"] = reading.mixed(found["neural"], found["modified_kneser_ney"], 0.5)
    ppl = {name: Perplexity().add_log_probabilities(log_p).value for name, log_p in found.items()}
    return {"ppl": ppl, "blocks": sentences(news.test, found)}


def words_recurrent(folder: Path, data: str | None, recipe: Figures, seed: int) -> Figures:
    """A recurrent model of the same words, which sees all that stands before them."""
    news = corpora.news(data)
    model = word_rnn.train(news.train, len(news.vocabulary), word_rnn.Recipe(**recipe), folder, seed, resume=True)
    log_p = word_rnn.log_probabilities(model, news.test)
    ppl = Perplexity().add_log_probabilities(log_p).value
    return {"ppl": ppl, "blocks": sentences(news.test, {"recurrent": log_p})}


def sentences(pairs: np.ndarray, log_p: dict[str, np.ndarray]) -> Figures:
    """Words of each sentence, and the nats that each model spends on it."""
    starts = np.flatnonzero(pairs[:, 0] == pairs[0, 0])  # the first pair begins a sentence
    nats = {name: (-np.add.reduceat(p, starts)).round(3).tolist() for name, p in log_p.items()}
    return {"words": np.diff(starts, append=len(pairs)).tolist(), "nats": nats}


def words_with_vectors(folder: Path, data: str | None, steps: int, seed: int, dimension: int, glove: str) -> Figures:
    """The neural bigram around frozen GloVe vectors; words without one get distinct random vectors of the same size."""
    news, source = corpora.news(data), corpora.find("glove-6b", data)
    listed = vectors.read_vectors(source.path, news.vocabulary.words, dimension, vectors.member(source.path, dimension))
    table = vectors.filled(listed, np.random.default_rng(seed))
    model = bigram.train(news.train, len(news.vocabulary), steps, folder, seed, table, resume=True)
    shares = np.bincount(news.train[:, 1], minlength=len(table)) / len(news.train)
    return {
        "ppl": bigram.perplexity(model, news.test).value,
        "coverage": listed.coverage,
        "coverage_tokens": float(shares[listed.found].sum()),
        "dimension": dimension,
    }


def words_as_published(folder: Path, data: str | None, steps: int, seed: int) -> Figures:
    """The neural bigram on the full training text with the course's frozen vectors, as far as they are there."""
    news = corpora.news(data)
    train, listed = corpora.find("news-train", data), corpora.find("news-vectors", data)
    pairs = news.vocabulary.pairs(text.read_tagged(text.read_text(train.path))) if train else news.train
    test = np.concatenate([news.train, news.test]) if train else news.test
    given = vectors.read_vectors(listed.path, news.vocabulary.words, bigram.DIMENSION) if listed else None
    table = given.table if given else None
    model = bigram.train(pairs, len(news.vocabulary), steps, folder, seed, table, resume=True)
    coverage = given.coverage if given else 0.0
    return {"ppl": bigram.perplexity(model, test).value, "pairs": len(pairs), "coverage": coverage}


def bigram_gradient(rng: np.random.Generator, batch: int = 8) -> dict[str, float]:
    """Largest relative difference ‖a − n‖ / (‖a‖ + ‖n‖) of each parameter's gradient a from central differences n."""
    model = NeuralBigram(12, 5, 6, rng=rng, dtype=np.float64)
    before, after = rng.integers(0, 12, (2, batch))

    def loss(model: Any) -> Any:
        return softmax_cross_entropy(model(before), after)

    parameters = dict(model.named_parameters())
    found, step, differences = gradients(loss(model), list(parameters.values())), 1e-5, {}
    for (name, parameter), analytic in zip(parameters.items(), found, strict=True):
        numeric, entries = np.zeros(parameter.shape), writable(parameter)
        for i in np.ndindex(parameter.shape):
            value = entries[i]
            ends = []
            for moved in (value + step, value - step):
                entries[i] = moved
                ends.append(loss(frozen(model)))
            entries[i] = value
            numeric[i] = (ends[0] - ends[1]) / (2 * step)
        scale = np.linalg.norm(analytic) + np.linalg.norm(numeric)
        differences[name] = float(np.linalg.norm(analytic - numeric) / scale)
    return differences


def published_bigram(data: str | None, published: dict[str, float]) -> Figures:
    """The two probabilities that the published pair of perplexities determines, beside those that counts give.

    Each line is one token, and the unknown word, so a passage is a few kinds of pairs: n (<s> unk), n (unk </s>) and m
    (unk unk). With a = p(unk|<s>) p(</s>|unk) and b = p(unk|unk), N ln ppl = −n ln a − m ln b: one passage has m = 0
    and gives a, the other one then b.
    """
    news, passages = corpora.news(data), corpora.characters(data)
    unknown, start, end = (news.vocabulary.ids[word] for word in (text.UNKNOWN, text.START, text.END))
    grams = counts.CountBigram(np.concatenate([news.train, news.test]), len(news.vocabulary))
    kinds, rows = {}, np.array([[start, unknown], [unknown, end], [unknown, unknown]])
    for place, passage in zip(PLACES, (passages.familiar, passages.foreign), strict=True):
        pairs = bigram.protocols(news.vocabulary, passage)["published"].pairs
        kinds[place] = {str(row.tolist()): int((pairs == row).all(1).sum()) for row in rows}
        kinds[place]["others"] = len(pairs) - sum(kinds[place].values())
    begun, ended, inside = (grams.pairs[a, b] / max(grams.before[a], 1) for a, b in rows)
    found: Figures = {"counts.inside": float(inside), "counts.ends": float(begun * ended), "kinds": kinds}
    names = ("ends", "ends too", "inside", "others")
    n = {place: dict(zip(names, kind.values(), strict=True)) for place, kind in kinds.items()}
    plain = n["wikipedia"]["ends"] and not n["wikipedia"]["inside"] and n["shakespeare"]["inside"]
    if published and plain and not any(kind["others"] for kind in n.values()):
        a = -2 * math.log(published["wikipedia"])  # n pairs of each kind: N = 2n
        total = 2 * n["shakespeare"]["ends"] + n["shakespeare"]["inside"]
        b = -(total * math.log(published["shakespeare"]) + n["shakespeare"]["ends"] * a) / n["shakespeare"]["inside"]
        found |= {"published.ends": math.exp(a), "published.inside": math.exp(b)}
    return found


def directions(data: str | None) -> Figures:
    """Largest difference, in nats, between what a bigram model gives a sentence from left to right and from right to
    left: by counts, and by counts that are smoothed.

    From left to right p = Π c(ab) / c(a) over its pairs, from right to left Π c(ab) / c(b). Every word but the marks
    at both ends is once an a and once a b, and there are as many of one mark as of the other: the products are equal.
    """
    news = corpora.news(data)
    size, pairs = len(news.vocabulary), np.concatenate([news.train, news.test])
    forward, backward = counts.CountBigram(pairs, size), counts.CountBigram(pairs[:, ::-1], size)
    starts = np.flatnonzero(pairs[:, 0] == news.vocabulary.ids[text.START])
    kinds = {
        "counts": lambda model, ab: np.log(model.pairs[tuple(ab.T)] / model.before[ab[:, 0]]),
        "add": counts.CountBigram.add,
        "dirichlet": counts.CountBigram.dirichlet,
        "kneser_ney": counts.CountBigram.kneser_ney,
    }
    found = {}
    for name, log_p in kinds.items():
        apart = np.add.reduceat(log_p(forward, pairs) - log_p(backward, pairs[:, ::-1]), starts)
        found[f"directions.{name}.nats"] = float(np.abs(apart).max())
    return found


def example_line(data: str | None) -> dict[str, Any]:
    """One line of the passage as the published reader takes it, and as words."""
    corpus, vocabulary = corpora.characters(data), corpora.news(data).vocabulary
    lines = text.line_tokens(corpus.familiar)
    line = max((token for sentence in lines for token in sentence), key=len)[:80]
    words = [word for sentence in text.word_tokens(line) for word in sentence]
    return {
        "line": line,
        "read as": [vocabulary.canonical(line)],
        "in words": [vocabulary.canonical(word) for word in words],
    }

"""The experiments with text that reproduce.py runs (A to C): functions of plain values that return plain figures."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import bigram
import char_rnn
import numpy as np

from tinygrad_nlp import gradients, softmax_cross_entropy
from tinygrad_nlp.engine import writable
from tinygrad_nlp.nlp import corpora, counts, text, vectors
from tinygrad_nlp.nlp.metrics import Perplexity
from tinygrad_nlp.nlp.models import NeuralBigram
from tinygrad_nlp.nn import frozen

Figures = dict[str, Any]
PLACES = ("shakespeare", "wikipedia")
modern_english = cache(corpora.review_text)  # three seconds, once a process


# %% A. Words
def words(folder: Path, data: str | None, steps: int, seed: int) -> Figures:
    """The neural bigram and its counts."""
    news = corpora.news(data)
    model = bigram.train(news.train, len(news.vocabulary), steps, folder, seed, resume=True)
    return bigram.figures(data, model)


def words_faster(folder: Path, data: str | None, steps: int, seed: int) -> Figures:
    """The neural bigram at twice the published rate, which is the better one for trained vectors."""
    news = corpora.news(data)
    rate = 2 * bigram.RATE
    model = bigram.train(news.train, len(news.vocabulary), steps, folder, seed, rate=rate, resume=True)
    return {"ppl": bigram.perplexity(model, news.test).value}


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
            for entries[i] in (value + step, value - step):
                ends.append(loss(frozen(model)))
            entries[i] = value
            numeric[i] = (ends[0] - ends[1]) / (2 * step)
        scale = np.linalg.norm(analytic) + np.linalg.norm(numeric)
        differences[name] = float(np.linalg.norm(analytic - numeric) / scale)
    return differences


# %% B and C. Characters
def characters(folder: Path, data: str | None, recipe: Figures, seed: int, trained_on: str = "shakespeare") -> Figures:
    """A character model by a recipe: perplexities of both passages, and bits per character of texts it has not seen.

    trained_on: "shakespeare" (all of it, as published), "no leak" (without the passage and 2,000 characters around it),
    "held out" (its first 90 %) or "reviews" (modern English, as much of it). The last two are tested on held-out text
    of both.
    """
    corpus, alphabet = corpora.characters(data), char_rnn.ALPHABET
    ids, held_out = char_rnn.split(corpus)
    tests = {"wikipedia": alphabet.encode(corpus.foreign)}
    source = {"shakespeare": corpus.train, "no leak": corpus.without_leak(), "held out": alphabet.decode(ids)}
    if trained_on in ("held out", "reviews"):
        modern = modern_english(data, len(ids), len(held_out))
        source["reviews"] = modern.train
        tests |= {"shakespeare": held_out, "reviews": alphabet.encode(modern.held_out)}
    model, _ = char_rnn.train(alphabet.encode(source[trained_on]), char_rnn.Recipe(**recipe), folder, seed, resume=True)
    bits = {name: char_rnn.perplexity(model, t, batch=8).bits for name, t in tests.items()}
    return {"ppl": char_rnn.passages(model, corpus), "bits": bits}


def validated(folder: Path, data: str | None, recipe: Figures, seed: int) -> Figures:
    """A character model trained on 90 % of the text: loss on the last 10 %, in nats per character, all along."""
    ids, held_out = char_rnn.split(corpora.characters(data))
    model, run = char_rnn.train(ids, char_rnn.Recipe(**recipe), folder, seed, resume=True, validation=held_out)
    curve = [[line["step"] + 1, line["validation"]] for line in run.logged() if "validation" in line]
    return {"nats": char_rnn.perplexity(model, held_out).mean, "curve": curve}


def readings(folder: Path, data: str | None) -> Figures:
    """What each way of reading makes of the passages, the character bigram by counts, and the leak."""
    corpus, alphabet, news = corpora.characters(data), char_rnn.ALPHABET, corpora.news(data)
    bigrams = counts.CountBigram(counts.successive(alphabet.encode(corpus.train)), len(alphabet))
    found: Figures = {"leak.start": corpus.train.find(corpus.familiar), "leak.characters": len(corpus.familiar)}
    for place, passage in zip(PLACES, (corpus.familiar, corpus.foreign), strict=True):
        ids = alphabet.encode(passage)
        figure = Perplexity().add_log_probabilities(bigrams.add(counts.successive(ids)))
        tokens = [token for sentence in text.word_tokens(passage) for token in sentence]
        found |= {
            f"char_bigram.{place}.ppl": figure.value,
            f"char_bigram.{place}.bits_per_character": figure.bits,
            f"characters.{place}.tokens": len(ids),
            f"words.{place}.tokens": len(tokens),
            f"words.{place}.unknown": news.vocabulary.unknown_share(tokens),
        }
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

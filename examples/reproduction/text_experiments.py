"""The experiments with text that reproduce.py runs (A to C): functions of plain values that return plain figures."""

from __future__ import annotations

import bz2
import lzma
import math
import time
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import bigram
import char_rnn
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
BLOCK = {"shakespeare": 100, "wikipedia": 200}  # characters of a passage that are drawn together for an interval
CONTEXTS = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100)
PART = 22_000  # characters of held-out text that are enough for a curve
modern_english = cache(corpora.review_text)  # three seconds, once a process


# %% A. Words
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
    return {"ppl": {name: perplexity(p) for name, p in found.items()}} | {"blocks": sentences(news.test, found)}


def words_recurrent(folder: Path, data: str | None, recipe: Figures, seed: int) -> Figures:
    """A recurrent model of the same words, which sees all that stands before them."""
    news = corpora.news(data)
    model = word_rnn.train(news.train, len(news.vocabulary), word_rnn.Recipe(**recipe), folder, seed, resume=True)
    log_p = word_rnn.log_probabilities(model, news.test)
    return {"ppl": perplexity(log_p), "blocks": sentences(news.test, {"recurrent": log_p})}


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


# %% B and C. Characters
def blocks(log_p: np.ndarray, size: int) -> list[float]:
    """Mean nats of each block of this many predictions, the last one as long or longer: what is drawn again and again
    for an interval."""
    cuts = range(size, len(log_p) - size + 1, size)
    return [round(-float(part.mean()), 5) for part in np.split(log_p, cuts)]


def characters(
    folder: Path, data: str | None, recipe: Figures, seed: int, trained_on: str = "shakespeare", curves: bool = False
) -> Figures:
    """A character model by a recipe: perplexities of both passages, and bits per character of texts it has not seen.

    trained_on: "shakespeare" (all of it, as published), "no leak" (without the passage and 2,000 characters around it),
    "held out" (its first 90 %), "reviews" (modern English, as much of it) or "both" (half of each). The last three are
    tested on held-out text of both. curves: also the passages with the context cut to some lengths.
    """
    corpus, alphabet = corpora.characters(data), char_rnn.ALPHABET
    ids, held_out = char_rnn.split(corpus)
    tests = {"wikipedia": alphabet.encode(corpus.foreign)}
    source = {"shakespeare": corpus.train, "no leak": corpus.without_leak(), "held out": alphabet.decode(ids)}
    if trained_on in ("held out", "reviews", "both"):
        modern = modern_english(data, len(ids), len(held_out))
        source |= {"reviews": modern.train, "both": source["held out"][: len(ids) // 2] + modern.train[: len(ids) // 2]}
        tests |= {"shakespeare": held_out[:PART], "reviews": alphabet.encode(modern.held_out)[:PART]}
    text = source[trained_on]
    model, run = char_rnn.train(alphabet.encode(text), char_rnn.Recipe(**recipe), folder, seed, resume=True)
    read = {place: reading.log_probabilities(model, ids) for place, ids in char_rnn.both_passages(corpus).items()}
    new = ~np.isin(alphabet.encode(corpus.foreign)[1:], alphabet.encode(text))  # letters that the model has never seen
    found: Figures = {
        "ppl": {place: float(np.exp(-log_p.mean())) for place, log_p in read.items()},
        "blocks": {place: blocks(log_p, BLOCK[place]) for place, log_p in read.items()},
        "bits": {name: char_rnn.perplexity(model, t, batch=8).bits for name, t in tests.items()},
        "unseen": {
            "characters": int(new.sum()),
            "share": float(new.mean()),
            "bits": float(read["wikipedia"][new].sum() / read["wikipedia"].sum()),
            "ppl": float(np.exp(-read["wikipedia"][~new].mean())),
        },
        "curve": [[line["step"] + 1, line["nats"]] for line in run.logged() if "nats" in line],
    }
    if curves:
        found["context"] = {
            place: [[k, perplexity(reading.short_log_probabilities(model, ids, k))] for k in CONTEXTS]
            for place, ids in char_rnn.both_passages(corpus).items()
        }
    return found


def perplexity(log_p: np.ndarray) -> float:
    return float(np.exp(-log_p.mean()))


def held_out(
    folder: Path,
    data: str | None,
    recipe: Figures,
    seed: int,
    order: int,
    online: bool = False,
    limit: int | None = None,
) -> Figures:
    """A character model and n-grams of 90 % of the text less the leaked passage: alone and mixed, on the last 10 %
    and on the passages.

    What is chosen, the weight of the mixture, is chosen on the first half of the last 10 %. Each figure has the CPU
    seconds of all that it needs, training included. online: also a model and counts that learn as they read. limit: of
    the characters to measure on, for a quick run.
    """
    began, corpus = time.process_time(), corpora.characters(data)
    _, last = char_rnn.split(corpus)
    ids = char_rnn.ALPHABET.encode(corpus.without_leak())[: -len(last)]
    last, ids = last[:limit], ids if limit is None else ids[: 20 * limit]
    half = len(last) // 2
    model, run = char_rnn.train(ids, char_rnn.Recipe(**recipe), folder, seed, resume=True, validation=last[:PART])
    trained = time.process_time() - began
    found: Figures = {"nats": {}, "weight": {}, "cpu_seconds": {}}

    def keep(name: str, log_p: np.ndarray, seconds: float) -> None:
        halves = {"all": log_p, "first": log_p[:half], "second": log_p[half:]}
        found["nats"][name] = {part: -float(p.mean()) for part, p in halves.items()}
        found["nats"][name]["blocks"] = blocks(log_p, 500)
        found["cpu_seconds"][name] = round(seconds, 1)

    def timed(f: Any, *given: Any) -> tuple[np.ndarray, float]:
        start = time.process_time()
        return f(*given), time.process_time() - start

    alone, seconds = timed(reading.log_probabilities, model, last)
    keep("static", alone, trained + seconds)
    start = time.process_time()
    grams = counts.NGrams(ids, len(char_rnn.ALPHABET), order)
    counted = grams.log_probabilities(last)[1:]
    weight = reading.best_weight(alone[:half], counted[:half])
    keep("mixed", reading.mixed(alone, counted, weight), trained + seconds + time.process_time() - start)
    found["weight"]["mixed"] = weight
    found["ppl"], found["blocks"] = {}, {}
    for place, passage in char_rnn.both_passages(corpus).items():
        by_model, by_counts = reading.log_probabilities(model, passage), grams.log_probabilities(passage)[1:]
        found["ppl"][place] = {
            "static": perplexity(by_model),
            "mixed": perplexity(reading.mixed(by_model, by_counts, weight)),
        }
        found["blocks"][place] = blocks(reading.mixed(by_model, by_counts, weight), BLOCK[place])
    length = len(corpus.familiar)
    pieces = last[: len(last) // length * length].reshape(-1, length)
    found["pieces"] = [
        perplexity(log_p)
        for log_p in np.split(reading.log_probabilities(model, pieces.ravel(), len(pieces)), len(pieces))
    ]
    found["curve"] = [[line["step"] + 1, line["validation"]] for line in run.logged() if "validation" in line]
    if online:
        dynamic, seconds = timed(reading.dynamic_log_probabilities, model, last)
        keep("dynamic", dynamic, trained + seconds)
        learning, more = timed(lambda: counts.AdaptiveNGrams(len(char_rnn.ALPHABET), ids=ids).read(last)[1:])
        keep("counts that learn", learning, more)
        weight = reading.best_weight(dynamic[:half], learning[:half])
        keep("online", reading.mixed(dynamic, learning, weight), trained + seconds + more)
        found["weight"]["online"] = weight
    return found


def yardsticks(folder: Path, data: str | None, orders: list[int], pieces: int) -> Figures:
    """What needs no network: compressors and n-grams on the last tenth, n-grams on the passages, and a blank judge."""
    corpus, alphabet, size = corpora.characters(data), char_rnn.ALPHABET, len(char_rnn.ALPHABET)
    train, last = char_rnn.split(corpus)
    seen, both = alphabet.decode(train).encode(), corpus.train.encode()
    compressors = {
        "zlib": lambda b: zlib.compress(b, 9),
        "bzip2": bz2.compress,
        "xz": lambda b: lzma.compress(b, preset=9),
    }
    found: Figures = {
        "compressors": {
            name: (len(pack(both)) - len(pack(seen))) * 8 * math.log(2) / len(last)
            for name, pack in compressors.items()
        },
        "counts": {},
        "passages": {},
    }
    passages, clean = char_rnn.both_passages(corpus), alphabet.encode(corpus.without_leak())
    for order in orders:
        log_p = counts.NGrams(train, size, order).log_probabilities(last)[1:]
        found["counts"][f"{order}"] = {"nats": -float(log_p.mean()), "blocks": blocks(log_p, 500)}
        for name, ids in {"leak": alphabet.encode(corpus.train), "no leak": clean}.items():
            grams = counts.NGrams(ids, size, order)
            found["passages"].setdefault(name, {})[f"{order}"] = {
                place: perplexity(grams.log_probabilities(ids)[1:]) for place, ids in passages.items()
            }
    length = len(passages["wikipedia"])
    starts = np.linspace(0, len(train) - length, pieces).astype(int)
    judged = [perplexity_bits(counts.AdaptiveNGrams(size).read(train[start : start + length])) for start in starts]
    wikipedia = perplexity_bits(counts.AdaptiveNGrams(size).read(passages["wikipedia"]))
    found["blank"] = {"wikipedia": wikipedia, "shakespeare": judged}
    return found


def perplexity_bits(log_p: np.ndarray) -> float:
    return -float(log_p.mean()) / math.log(2)


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

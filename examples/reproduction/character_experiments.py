"""The experiments with characters that reproduce.py runs (B, C): functions of plain values that return plain values."""

from __future__ import annotations

import bz2
import lzma
import math
import time
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import char_rnn
import numpy as np

from tinygrad_nlp.nlp import corpora, counts, reading, text
from tinygrad_nlp.nlp.metrics import Perplexity
from tinygrad_nlp.npz import read_npz, write_npz

Figures = dict[str, Any]
PLACES = ("shakespeare", "wikipedia")
BLOCK = {"shakespeare": 100, "wikipedia": 200}  # characters of a passage that are drawn together for an interval
CONTEXTS = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100)
PART = 22_000  # characters of held-out text that are enough for a curve
modern_english = cache(corpora.review_text)  # three seconds, once a process


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
            place: [[k, perplexity(reading.short_log_probabilities(model, ids, k)).value] for k in CONTEXTS]
            for place, ids in char_rnn.both_passages(corpus).items()
        }
    return found


def perplexity(log_p: np.ndarray) -> Perplexity:
    return Perplexity().add_log_probabilities(log_p)


def nine_tenths(data: str | None, limit: int | None) -> tuple[np.ndarray, np.ndarray]:
    """90 % of the text less the leaked passage, and the last 10 %, or the first `limit` characters of it after 20 times
    as many."""
    corpus = corpora.characters(data)
    _, last = char_rnn.split(corpus)
    ids = char_rnn.ALPHABET.encode(corpus.without_leak())[: -len(last)]
    return ids if limit is None else ids[: 20 * limit], last[:limit]


def timed(f: Any, *given: Any) -> tuple[Any, float]:
    """What it returns, and the CPU seconds that it took."""
    start = time.process_time()
    return f(*given), time.process_time() - start


def held_out_counts(folder: Path, data: str | None, order: int, limit: int | None = None) -> Figures:
    """What n-grams of 90 % of the text say of the last 10 % and of the passages, in a file with the CPU seconds that it
    took, for every network that is mixed with them: ln p of every character, and ln p of those that are there by counts
    that learn as they read (`learning`)."""
    ids, last = nine_tenths(data, limit)
    size, passages = len(char_rnn.ALPHABET), char_rnn.both_passages(corpora.characters(data))
    grams, built = timed(counts.NGrams, ids, size, order)
    counted, read = timed(lambda: np.log(grams.probabilities(last)[1:]))
    learning, seconds = timed(lambda: counts.AdaptiveNGrams(size, ids=ids).read(last)[1:])
    log_p = {place: np.log(grams.probabilities(passage)[1:]) for place, passage in passages.items()} | {"last": counted}
    found = {name: a.astype(np.float32) for name, a in log_p.items()} | {"learning": learning}
    path = folder.with_name(f"{folder.name}.npz")
    write_npz(path, {**found, "seconds": np.array([built + read, seconds])})
    return {"file": path.name, "sha256": corpora.sha256(path)}


def held_out(
    folder: Path,
    data: str | None,
    recipe: Figures,
    seed: int,
    counted: str,
    online: bool = False,
    limit: int | None = None,
) -> Figures:
    """A character model of 90 % of the text less the leaked passage, alone and mixed with n-grams of the same, on the
    last 10 % and on the passages.

    What is chosen, how the two are mixed, is chosen on the first half of the last 10 %. Each figure has the CPU
    seconds of all that it needs, training included. counted: the file of held_out_counts(), beside the job's own.
    online: also a model and counts that learn as they read. limit: of the characters to measure on, for a quick run.
    """
    began, corpus, grams = time.process_time(), corpora.characters(data), read_npz(folder.parent / counted)
    ids, last = nine_tenths(data, limit)
    half, (counting, learning) = len(last) // 2, grams["seconds"].tolist()
    model, run = char_rnn.train(ids, char_rnn.Recipe(**recipe), folder, seed, resume=True, validation=last[: PART // 2])
    trained = time.process_time() - began
    found: Figures = {"nats": {}, "weight": {}, "cpu_seconds": {}}

    def keep(name: str, log_p: np.ndarray, seconds: float) -> None:
        halves = {"all": log_p, "first": log_p[:half], "second": log_p[half:]}
        found["nats"][name] = {part: -float(p.mean()) for part, p in halves.items()}
        found["nats"][name]["blocks"] = blocks(log_p, 500)
        found["cpu_seconds"][name] = round(seconds, 1)

    said, seconds = timed(reading.log_distributions, model, last)
    alone = reading.picked(said, last[1:])
    keep("static", alone, trained + seconds)
    start = time.process_time()
    some = slice(0, half, 4)  # of the first half, enough for two numbers
    exponents = reading.best_exponents(said[some], grams["last"][some], last[1:][some])
    mixed = reading.picked(reading.log_linear(said, grams["last"], exponents), last[1:])
    keep("mixed", mixed, trained + seconds + counting + time.process_time() - start)
    found["weight"]["mixed"], found["weight"]["mixed, of counts"] = exponents
    found["ppl"], found["blocks"] = {}, {}
    for place, passage in char_rnn.both_passages(corpus).items():
        said = reading.log_distributions(model, passage)
        both = reading.picked(reading.log_linear(said, grams[place], exponents), passage[1:])
        found["ppl"][place] = {
            "static": perplexity(reading.picked(said, passage[1:])).value,
            "mixed": perplexity(both).value,
        }
        found["blocks"][place] = blocks(both, BLOCK[place])
    length = len(corpus.familiar)
    pieces = last[: len(last) // length * length].reshape(-1, length)
    found["pieces"] = [
        perplexity(log_p).value
        for log_p in np.split(reading.log_probabilities(model, pieces.ravel(), len(pieces)), len(pieces))
    ]
    found["curve"] = [[line["step"] + 1, line["validation"]] for line in run.logged() if "validation" in line]
    if online:
        dynamic, seconds = timed(reading.dynamic_log_probabilities, model, last)
        keep("dynamic", dynamic, trained + seconds)
        keep("counts that learn", grams["learning"], learning)
        weight = reading.best_weight(dynamic[:half], grams["learning"][:half])
        keep("online", reading.mixed(dynamic, grams["learning"], weight), trained + seconds + learning)
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
                place: perplexity(grams.log_probabilities(ids)[1:]).value for place, ids in passages.items()
            }
    length = len(passages["wikipedia"])
    starts = np.linspace(0, len(train) - length, pieces).astype(int)
    judged = [perplexity(counts.AdaptiveNGrams(size).read(train[start : start + length])).bits for start in starts]
    wikipedia = perplexity(counts.AdaptiveNGrams(size).read(passages["wikipedia"])).bits
    found["blank"] = {"wikipedia": wikipedia, "shakespeare": judged}
    return found


def readings(folder: Path, data: str | None) -> Figures:
    """What each way of reading makes of the passages, the character bigram by counts, and the leak."""
    corpus, alphabet, news = corpora.characters(data), char_rnn.ALPHABET, corpora.news(data)
    bigrams = counts.CountBigram(counts.successive(alphabet.encode(corpus.train)), len(alphabet))
    found: Figures = {"leak.start": corpus.train.find(corpus.familiar), "leak.characters": len(corpus.familiar)}
    for place, passage in zip(PLACES, (corpus.familiar, corpus.foreign), strict=True):
        ids = alphabet.encode(passage)
        figure = perplexity(bigrams.add(counts.successive(ids)))
        tokens = [token for sentence in text.word_tokens(passage) for token in sentence]
        found |= {
            f"char_bigram.{place}.ppl": figure.value,
            f"char_bigram.{place}.bits_per_character": figure.bits,
            f"characters.{place}.tokens": len(ids),
            f"words.{place}.tokens": len(tokens),
            f"words.{place}.unknown": news.vocabulary.unknown_share(tokens),
        }
    return found

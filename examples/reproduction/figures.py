"""From results to figures: every number of the report by a flat name, with its intervals.

NAME is a mean over seeds where there are several; NAME.low and NAME.high are Student's 95 % interval over them (of
perplexities over their logarithms, because none is below 1), NAME.sd is their standard deviation, NAME.seeds their
number. NAME.text.low and .high are a bootstrap interval over blocks of the text, NAME.reviews.low and .high an interval
over test reviews, both of the first seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import binomtest

from tinygrad_nlp.nlp.metrics import holm, interval, p_value, paired_difference, t_interval

PLACES = {"shakespeare": "Shakespeare", "wikipedia": "Wikipedia"}
PUBLISHED = {
    "rnn": {"shakespeare": 6.857, "wikipedia": 15.361},
    "bigram": {"shakespeare": 7.7246, "wikipedia": 25.633},
}
CELLS = {"rnn": "tanh RNN", "gru": "GRU", "lstm": "LSTM"}
Results = dict[str, Any]
Figures = dict[str, float]

# more linear layers against fewer; a non-linearity against none at the same depth; the same, stopped early
DEPTH = [
    ("network-3-none", "network-1-none"),
    ("network-2-none", "network-1-none"),
    ("network-1-none", "network-0-none"),
]
NONLINEARITY = [(f"network-{layers}-{f}", f"network-{layers}-none") for layers in (1, 2, 3) for f in ("relu", "tanh")]
DROPPED = [("frozen", "network-1-relu"), ("frozen", "network-0-none")]
EARLY = [("early-3-none", "early-1-none"), ("early-1-none", "early-0-none"), ("early-1-relu", "early-1-none")]
COMPARED = (*DEPTH, *NONLINEARITY, *DROPPED, *EARLY)


# %% Samples
def several(results: Results, name: str) -> list[Any]:
    """The results of an experiment's seeds, in order: name-0, name-1, …"""
    seeds = [seed for seed in range(len(results)) if f"{name}-{seed}" in results]
    return [results[f"{name}-{seed}"] for seed in seeds]


def variants(results: Results, kind: str) -> list[str]:
    """The settings of a sweep: names without their seed."""
    return sorted({name.rpartition("-")[0] for name in results if name.startswith(f"{kind}-")})


def hits(results: Results, name: str) -> np.ndarray:
    """How often each test review is right at the end of training, averaged over seeds (B,)."""
    packed = [np.frombuffer(bytes.fromhex(found["right"]), np.uint8) for found in several(results, name)]
    return np.mean([np.unpackbits(bits) for bits in packed], axis=0)


def over_seeds(name: str, sample: Any) -> Figures:
    """A figure of several seeds, or of one."""
    sample = np.asarray(sample, float)
    found = {name: float(sample.mean()), f"{name}.seeds": float(len(sample))}
    if len(sample) > 1:
        positive = name.endswith("ppl")
        _, low, high = np.exp(t_interval(np.log(sample))) if positive else t_interval(sample)
        found |= {f"{name}.low": float(low), f"{name}.high": float(high)}
        found[f"{name}.sd"] = float(sample.std(ddof=1))
    return found


def over_blocks(name: str, blocks: list[float], perplexity: bool = True) -> Figures:
    """The interval of a perplexity, or of nats, over blocks of the text that it was measured on."""
    if len(blocks) < 2:
        return {}
    _, low, high = np.exp(interval(np.array(blocks), rng())) if perplexity else interval(np.array(blocks), rng())
    return {f"{name}.text.low": float(low), f"{name}.text.high": float(high)}


def per_word(nats: Any, words: Any) -> list[float]:
    """Nats of sentences as a sample whose mean is nats per word, r: r + (nats − r · words) · sentences / all words.

    Long sentences cost more because they are long; an interval of a ratio must not count that (the delta method).
    """
    nats, words = np.asarray(nats), np.asarray(words)
    r = nats.sum() / words.sum()
    return (r + (nats - r * words) * len(words) / words.sum()).tolist()


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# %% All of them
def figures(results: Results) -> Figures:
    """Every number of the report."""
    found = exact(results) | words(results) | characters(results) | yardsticks(results) | explanations(results)
    return {name: float(value) for name, value in (found | sentiment(results)).items()}


def exact(results: Results) -> Figures:
    """What needs no training."""
    found = dict(results["softmax"])
    found |= {f"by_hand.{who.replace(' ', '_')}": max(by.values()) for who, by in results["by hand"].items()}
    found |= {f"recurrent_by_hand.{k.replace(' ', '_')}": max(v.values()) for k, v in results["recurrent"].items()}
    found["bigram.gradient.largest_relative_difference"] = max(results["gradient"].values())
    bases = list(results["bases"].values())
    return found | {"perplexity.bases.largest_difference": max(bases) - min(bases)}


def words(results: Results) -> Figures:
    """A: the neural bigram, its counts, mixtures, and the recurrent model."""
    seeds, faster = several(results, "words"), several(results, "words-faster")[0]
    found: Figures = {}
    for name in seeds[0]:
        values = [result[name] for result in seeds]
        found |= over_seeds(name, values) if name.endswith("ppl") and ".counts." not in name else {name: values[0]}
    found["bigram.counts.dev.ppl"] = min(found[f"bigram.counts.{k}.dev.ppl"] for k in ("dirichlet", "interpolated"))
    found |= over_seeds("bigram.dev.twice_rate.ppl", [faster["ppl"]["neural"]])
    found |= over_seeds("words.mixed.ppl", [faster["ppl"]["mixed"]])
    nats, count = faster["blocks"]["nats"], faster["blocks"]["words"]
    ahead = per_word(np.subtract(nats["neural"], nats["modified_kneser_ney"]), count)
    name = "bigram.neural.over.counts.nats"
    found |= over_seeds(name, [np.mean(ahead)]) | over_blocks(name, ahead, perplexity=False)
    found |= over_blocks("words.mixed.ppl", per_word(nats["mixed"], count))
    recurrent = several(results, "words-recurrent")
    found |= over_seeds("words.recurrent.ppl", [result["ppl"] for result in recurrent])
    found |= over_blocks("words.recurrent.ppl", per_word(recurrent[0]["blocks"]["nats"]["recurrent"], count))
    for kind, job in {"vectors": "words-vectors", "full": "words-published"}.items():
        for result in several(results, job)[:1]:
            found |= {f"bigram.{kind}.dev.{name}": value for name, value in result.items()}
    return found | {f"bigram.inverted.{k}": v for k, v in results["inverted"].items() if k != "kinds"}


def characters(results: Results) -> Figures:
    """B: the literal recipe, its changes, and the models that are measured on the last tenth."""
    found: Figures = {}
    changed = {name: f"char.{name.removeprefix('char-')}" for name in variants(results, "char")}
    names = {"literal": "rnn.literal", "own": "own", "own-no-leak": "own.no-leak", **changed}
    for job, name in names.items():
        for place in PLACES:
            found |= over_seeds(f"{name}.{place}.ppl", [result["ppl"][place] for result in several(results, job)])
            found |= over_blocks(f"{name}.{place}.ppl", several(results, job)[0]["blocks"][place])
    for place in PLACES:
        if f"rnn.literal.{place}.ppl.sd" in found:
            found[f"rnn.literal.{place}.sd"] = found[f"rnn.literal.{place}.ppl.sd"]
    best = min(CELLS, key=lambda cell: found[f"char.{cell}.shakespeare.ppl"])
    for place in PLACES:
        found |= over_seeds(f"rnn.{place}.ppl", [r["ppl"][place] for r in several(results, f"char-{best}")])
        found[f"rnn.{place}.bits_per_character"] = float(np.log2(found[f"rnn.{place}.ppl"]))
    for job, kinds in {"best": {"static": "static"}, "strong": {"mixed": "mixed", "online": "online"}}.items():
        for kind, name in kinds.items():
            found |= held_out(results, job, kind, f"char.{name}")
    found |= held_out(results, "strong", "static", "char.strong") | held_out(
        results, "strong", "dynamic", "char.dynamic"
    )
    found |= held_out(results, "best", "mixed", "char.static_mixed")
    found["char.strong.validation.nats"] = found["char.strong.nats"]
    for place in PLACES:
        name, jobs = f"char.no_leak.best.{place}.ppl", several(results, "strong")
        found |= over_seeds(name, [result["ppl"][place]["mixed"] for result in jobs])
        found |= over_blocks(name, jobs[0]["blocks"][place])
        found |= over_seeds(f"char.no_leak.strong.{place}.ppl", [result["ppl"][place]["static"] for result in jobs])
    pieces, ours = np.array(several(results, "strong")[0]["pieces"]), found["char.no_leak.strong.shakespeare.ppl"]
    rank = {
        "pieces": len(pieces),
        "pieces.ppl": pieces.mean(),
        "pieces.ppl.sd": pieces.std(),
        "rank": (pieces < ours).sum(),
    }
    found |= {f"char.passage.{name}": float(value) for name, value in rank.items()}
    return found | {f"char.unseen.{k}": v for k, v in several(results, "literal")[0]["unseen"].items()}


def held_out(results: Results, job: str, kind: str, name: str) -> Figures:
    """A model on the last tenth: nats over seeds and blocks, on the second half; the CPU seconds of all it needs."""
    jobs = [result for result in several(results, job) if kind in result["nats"]]
    found = over_seeds(f"{name}.nats", [result["nats"][kind]["all"] for result in jobs])
    found |= over_blocks(f"{name}.nats", jobs[0]["nats"][kind]["blocks"], perplexity=False)
    found |= over_seeds(f"{name}.second_half.nats", [result["nats"][kind]["second"] for result in jobs])
    found[f"{name}.cpu_seconds"] = float(np.mean([result["cpu_seconds"][kind] for result in jobs]))
    for key, whose in {"weight": kind, "weight_of_counts": f"{kind}, of counts"}.items():
        weights = [result["weight"][whose] for result in jobs if whose in result["weight"]]
        found |= {f"{name}.{key}": float(np.mean(weights))} if weights else {}
    return found


def yardsticks(results: Results) -> Figures:
    """B: what needs no network."""
    found, by = {}, results["yardsticks"]
    for name, nats in by["compressors"].items():
        found[f"char.{name}.nats"] = nats
    for order, counted in by["counts"].items():
        found[f"char.counts.{order}.nats"] = counted["nats"]
        found |= over_blocks(f"char.counts.{order}.nats", counted["blocks"], perplexity=False)
    for leak, orders in by["passages"].items():
        for order, places in orders.items():
            found |= {f"char.counts.{order}.{leak.replace(' ', '_')}.{place}.ppl": ppl for place, ppl in places.items()}
    judged = over_seeds("blank.shakespeare.bits", by["blank"]["shakespeare"])
    learning = [result["nats"]["counts that learn"]["all"] for result in several(results, "strong")[:1]]
    return (
        found | judged | {"blank.wikipedia.bits": by["blank"]["wikipedia"], "char.counts_that_learn.nats": learning[0]}
    )


def explanations(results: Results) -> Figures:
    """C: which texts, and which training."""
    found = dict(results["readings"])
    for trained_on, job in {"shakespeare": "char-held-out", "reviews": "char-reviews", "both": "char-both"}.items():
        bits = [result["bits"] for result in several(results, job)]
        for text in (*PLACES, "reviews"):
            found |= over_seeds(f"bits.{trained_on}.{text}", [by[text] for by in bits])
        found |= over_seeds(f"bits.{trained_on}.gap", [by["wikipedia"] - by["shakespeare"] for by in bits])
    return found


def sentiment(results: Results) -> Figures:
    """D: accuracies at the epoch that validation chose, and paired differences at the end of training."""
    found: Figures = {}
    sweeps = [name for kind in ("dropout", "early", "network") for name in variants(results, kind)]
    for name in ("frozen", "trained", "linear", "bigrams", *sweeps):
        jobs = several(results, name)
        found |= over_seeds(f"sentiment.{name}.accuracy", [result["best"]["test"] for result in jobs])
        found |= over_seeds(f"sentiment.{name}.without_leaked", [result["best"]["without leaked"] for result in jobs])
        found |= over_reviews(f"sentiment.{name}.accuracy", jobs[0]["best"]["test"], jobs[0])
        found |= quality(f"sentiment.{name}", jobs[0])
    for name in ("network-0-none", "early-0-none"):
        found[f"sentiment.{name}.gradient_norm"] = several(results, name)[0]["gradient_norm"]
    vectors, nb3 = results["vectors"], results["nb3"]
    alone = {"minimum": vectors, "nb2": results["nb2"], "nb3": nb3, "ensemble": nb3["ensemble"]}
    for name, result in alone.items():
        found[f"sentiment.{name}.accuracy"] = result["accuracy"]
        found[f"sentiment.{name}.without_leaked"] = result["without leaked"]
        found |= over_reviews(f"sentiment.{name}.accuracy", result["accuracy"], result)
        found |= quality(f"sentiment.{name}", result)
    found["sentiment.minimum.gradient_norm"] = vectors["gradient_norm"]
    found |= {f"sentiment.vectors.coverage.{what}": share for what, share in vectors["coverage"].items()}
    found["sentiment.vectors.coverage"] = vectors["coverage"]["types"]
    if "GloVe" in vectors["source"]:
        found["sentiment.glove.linear.accuracy"] = found["sentiment.minimum.accuracy"]
        found["sentiment.glove.relu.accuracy"] = found["sentiment.frozen.accuracy"]
    p_values = {}
    for name, other in COMPARED:
        flat, over = f"gain.{name}.over.{other}", [several(results, n) for n in (name, other)]
        gains = np.subtract(*([result["accuracy"] for result in jobs] for jobs in over))
        p_values[flat] = p_value(gains)
        found |= over_seeds(f"{flat}.seeds", gains) | {f"{flat}.p": p_values[flat]}
        mean, low, high = paired_difference(hits(results, name), hits(results, other), rng())
        found |= {f"{flat}.reviews": mean, f"{flat}.reviews.low": low, f"{flat}.reviews.high": high}
    return found | {f"{flat}.holm": float(refused) for flat, refused in holm(p_values).items()}


def over_reviews(name: str, accuracy: float, result: Results) -> Figures:
    """The interval of an accuracy over test reviews (Wilson 1927), which stays within 0 and 1."""
    count = 4 * len(result["right"])  # a bit for each review, written in hexadecimal
    low, high = binomtest(round(accuracy * count), count).proportion_ci(method="wilson")
    return {f"{name}.reviews.low": float(low), f"{name}.reviews.high": float(high)}


def quality(name: str, result: Results) -> Figures:
    """Log loss in nats and calibration error, as they are and over the temperature that validation chose."""
    kinds = ("log_loss", "calibration_error", "temperature", "log_loss_tempered", "calibration_error_tempered")
    return {f"{name}.{kind}": result[kind] for kind in kinds if kind in result}

"""From results to rows: what the assignment says, what was published, what we find, and a verdict in a word."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_nlp.nlp.metrics import Interval, interval, paired_difference

PLACES = {"shakespeare": "Shakespeare", "wikipedia": "Wikipedia"}
PUBLISHED = {
    "rnn": {"shakespeare": 6.857, "wikipedia": 15.361},
    "bigram": {"shakespeare": 7.7246, "wikipedia": 25.633},
}
FROZEN_GLOVE, FULL_BIGRAM = 0.832, 113  # accuracy in course solutions; dev perplexity with all training text
NEAR = 0.3  # a figure within 30 % of the published one, made by the published reader, is its reproduction
SLIGHT = 0.005  # of accuracy
Results = dict[str, Any]
Figures = dict[str, float]


# %% Samples
def several(results: Results, name: str) -> list[Any]:
    """The results of a run's seeds, in order: name-0, name-1, …"""
    seeds = [seed for seed in range(len(results)) if f"{name}-{seed}" in results]
    return [results[f"{name}-{seed}"] for seed in seeds]


def spread(sample: Any) -> Interval:
    """Mean and 95 % interval over seeds; of one seed just its value."""
    sample = np.asarray(sample, float)
    return interval(sample, np.random.default_rng(0)) if len(sample) > 1 else Interval(*sample.repeat(3).tolist())


def accuracies(results: Results, name: str, part: str = "test") -> np.ndarray:
    """Accuracy at the epoch that validation chose, of each seed."""
    return np.array([run["best"][part] for run in several(results, name)])


def hits(results: Results, name: str) -> np.ndarray:
    """How often each test review is right after the last epoch, averaged over seeds (B,)."""
    packed = [np.frombuffer(bytes.fromhex(run["right"]), np.uint8) for run in several(results, name)]
    return np.mean([np.unpackbits(bits) for bits in packed], axis=0)


def variants(results: Results, kind: str) -> list[str]:
    """The settings of a sweep: names without their seed."""
    return sorted({name.rpartition("-")[0] for name in results if name.startswith(f"{kind}-")})


# %% Figures
def figures(results: Results) -> Figures:
    """Every number of the report by a flat name. Means over seeds have .low and .high beside them."""
    found: Figures = {}

    def put(name: str, sample: Any) -> None:
        mean, low, high = spread(sample)
        found[name] = mean
        if len(sample) > 1:
            found[f"{name}.low"], found[f"{name}.high"] = low, high

    found |= results["softmax"]
    found |= {f"by_hand.{who.replace(' ', '_')}": max(by.values()) for who, by in results["by hand"].items()}
    found["bigram.gradient.largest_relative_difference"] = max(results["gradient"].values())
    bases = list(results["bases"].values())
    found["perplexity.bases.largest_difference"] = max(bases) - min(bases)
    runs = several(results, "words")
    found |= {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
    put("bigram.dev.ppl", [run["bigram.dev.ppl"] for run in runs])
    found["bigram.counts.dev.ppl"] = min(
        found[f"bigram.counts.{kind}.dev.ppl"] for kind in ("dirichlet", "interpolated")
    )
    found["bigram.dev.twice_rate.ppl"] = results["words-faster"]["ppl"]
    if "words-published" in results:
        found |= {f"bigram.full.dev.{name}": value for name, value in results["words-published"].items()}
    found |= results["readings"]

    for name in ("char-rnn", "char-gru", "char-lstm", "char-no-leak", "own", "own-no-leak"):
        for place in PLACES:
            put(f"{name.replace('-', '.', 1)}.{place}.ppl", [run["ppl"][place] for run in several(results, name)])
    best = min(("rnn", "gru", "lstm"), key=lambda cell: found[f"char.{cell}.shakespeare.ppl"])
    for place in PLACES:
        put(f"rnn.{place}.ppl", [run["ppl"][place] for run in several(results, f"char-{best}")])
        found[f"rnn.{place}.bits_per_character"] = float(np.log2(found[f"rnn.{place}.ppl"]))
    found["char.strong.validation.nats"] = results["strong-0"]["nats"]
    for trained_on, name in {"shakespeare": "char-held-out", "reviews": "char-reviews"}.items():
        for text in (*PLACES, "reviews"):
            found[f"bits.{trained_on}.{text}"] = float(np.mean([run["bits"][text] for run in several(results, name)]))
    for trained_on in ("shakespeare", "reviews"):
        found[f"bits.{trained_on}.gap"] = (
            found[f"bits.{trained_on}.wikipedia"] - found[f"bits.{trained_on}.shakespeare"]
        )

    sweeps = [name for kind in ("dropout", "early", "network") for name in variants(results, kind)]
    for name in ("frozen", "trained", "linear", "bigrams", *sweeps):
        put(f"sentiment.{name}.accuracy", accuracies(results, name))
        put(f"sentiment.{name}.without_leaked", accuracies(results, name, "without leaked"))
    found["sentiment.vectors.coverage"] = results["vectors"]["coverage"]
    for name, other in (*DEPTH, *NONLINEARITY, *EARLY):
        if len(several(results, name)) > 1:
            gain = paired_difference(accuracies(results, name), accuracies(results, other), np.random.default_rng(0))
        else:
            gain = spread(accuracies(results, name) - accuracies(results, other))
        over_reviews = paired_difference(hits(results, name), hits(results, other), np.random.default_rng(0))
        for unit, (mean, low, high) in {"seeds": gain, "reviews": over_reviews}.items():
            flat = f"gain.{name}.over.{other}.{unit}"
            found |= {flat: mean, f"{flat}.low": low, f"{flat}.high": high}
    return {name: float(value) for name, value in found.items()}


# more linear layers against fewer; a non-linearity against none at the same depth
DEPTH = [
    ("network-3-none", "network-1-none"),
    ("network-2-none", "network-1-none"),
    ("network-1-none", "network-0-none"),
]
NONLINEARITY = [(f"network-{layers}-{f}", f"network-{layers}-none") for layers in (1, 2, 3) for f in ("relu", "tanh")]
EARLY = [("early-3-none", "early-1-none"), ("early-1-none", "early-0-none"), ("early-1-relu", "early-1-none")]


# %% Rows
def rows(results: Results, f: Figures, state: str = "") -> list[dict[str, Any]]:
    """One row a claim: id, claim, published, ours, verdict, comparable.

    state: "" for a full run on the real corpora; "smoke" or "built-in" where training or text do not allow a verdict.
    """
    found: list[dict[str, Any]] = []

    def row(id: str, claim: str, published: str | None, ours: str, verdict: str, always: bool = False) -> None:
        """always: the claim needs neither training nor text, so it is judged in every run."""
        comparable = always or not state
        withheld = "smoke" if state == "smoke" else "not compared"
        found.append(
            {
                "id": id,
                "claim": claim,
                "published": published if comparable or published is None else "not comparable",
                "ours": ours,
                "verdict": verdict if comparable else withheld,
                "comparable": comparable,
            }
        )

    def both(name: str, digits: int = 3) -> str:
        return " / ".join(f"{f[name.format(place)]:.{digits}f}" for place in PLACES)

    worst = max(f[f"softmax.{way}"] for way in ("fused", "chain_rule", "differences"))
    row(
        "0.a", "∂CE/∂θ = ŷ − y", None, f"fused op, chain rule, differences: within {worst:.0e}", yes(worst < 1e-6), True
    )
    worst = max(f["by_hand.engine"], f["by_hand.complex_step"])
    row(
        "0.b",
        "∂CE/∂x = (ŷ − y) W2ᵀ ∘ σ′(xW1 + b1) W1ᵀ",
        None,
        f"engine, complex step: within {worst:.0e}",
        yes(worst < 1e-9),
        True,
    )
    worst = f["bigram.gradient.largest_relative_difference"]
    row(
        "0.c",
        "the neural bigram's gradient is right",
        None,
        f"largest relative difference {worst:.0e}",
        yes(worst < 1e-6),
        True,
    )
    counted = ", ".join(f"{name} {f[f'bigram.counts.{kind}.dev.ppl']:.1f}" for kind, name in COUNTS.items())
    ours, beats = f"test perplexity {f['bigram.dev.ppl']:.1f}", f["bigram.dev.ppl"] < f["bigram.counts.dev.ppl"]
    claim = "the neural bigram, trained by SGD, beats interpolated counts"
    row("0.c", claim, None, f"{ours}; counts: {counted}", yes(beats))
    ours, best = f["bigram.dev.twice_rate.ppl"], min(f[f"bigram.counts.{kind}.dev.ppl"] for kind in COUNTS)
    row(
        "0.c", "the same at twice the rate, against the best counts", None, f"{ours:.1f} / {best:.1f}", yes(ours < best)
    )
    if "bigram.full.dev.ppl" in f:
        row(
            "0.c",
            "the same, full training text or given vectors",
            f"about {FULL_BIGRAM}",
            f"{f['bigram.full.dev.ppl']:.1f}",
            "shown",
        )

    ratios = {place: f[f"characters.{place}.tokens"] / f[f"words.{place}.tokens"] for place in PLACES}
    ours = f"{' / '.join(f'{ratio:.1f}' for ratio in ratios.values())} times as many tokens"
    row("0.d", "characters: longer sequences", None, ours, yes(min(ratios.values()) > 1))
    unknown = " / ".join(f"{f[f'words.{place}.unknown']:.0%}" for place in PLACES)
    fewer = min(f[f"words.{place}.unknown"] for place in PLACES) > 0
    ours = f"of the words {unknown} are unknown, of the characters none"
    row("0.d", "characters: no unknown words", None, ours, yes(fewer))
    worst = f["perplexity.bases.largest_difference"]
    row(
        "0.e", "perplexity does not depend on the base", None, f"four bases within {worst:.0e}", yes(worst < 1e-9), True
    )

    published = " / ".join(f"{value}" for value in PUBLISHED["rnn"].values())
    for cell, name in CELLS.items():
        reached = all(f[f"char.{cell}.{place}.ppl"] <= PUBLISHED["rnn"][place] for place in PLACES)
        row(
            "0.f",
            f"character RNN, published budget, {name}",
            published,
            both(f"char.{cell}.{{}}.ppl"),
            yes(reached, "reached", "close"),
        )
    row("0.f", "GRU without the leaked passage", published, both("char.no-leak.{}.ppl"), "shown")
    beyond = all(f[f"own.{place}.ppl"] < PUBLISHED["rnn"][place] for place in PLACES)
    row("0.f", "tanh RNN, our budget", published, both("own.{}.ppl"), yes(beyond, "improved"))
    row("0.f", "tanh RNN, our budget, without the leaked passage", published, both("own.no-leak.{}.ppl"), "shown")
    published = " / ".join(f"{value}" for value in PUBLISHED["bigram"].values())
    near = all(abs(f[f"bigram.published.{place}.ppl"] / PUBLISHED["bigram"][place] - 1) < NEAR for place in PLACES)
    row(
        "0.f",
        "word bigram, each line of the file one token",
        published,
        both("bigram.published.{}.ppl"),
        yes(near, "reproduced"),
    )
    row("0.f", "word bigram, in words", published, both("bigram.words.{}.ppl"), "artefact")

    better = all(f[f"rnn.{place}.ppl"] < f[f"char_bigram.{place}.ppl"] for place in PLACES)
    ours = f"characters alone: bigram {both('char_bigram.{}.ppl', 2)}, RNN {both('rnn.{}.ppl', 2)}"
    row("0.g", "the RNN is better because it sees more than one character", None, ours, yes(better))
    gap, neutral = f["bits.shakespeare.gap"], f["bits.reviews.gap"]
    domain, harder = yes(gap - neutral > 0.1, "stands", "falls"), yes(neutral > 0.1, "stands", "falls")
    ours = f"Wikipedia costs {gap:+.2f} bits a character more; {neutral:+.2f} by a model of modern English"
    row("0.g", "Shakespeare is easier because it was trained on", None, ours, domain)
    ours = f"{neutral:+.2f} bits a character by a model of modern English"
    row("0.g", "or because Wikipedia is harder", None, ours, harder)
    sentiment_rows(results, f, row)
    return found


CELLS = {"rnn": "tanh RNN", "gru": "GRU", "lstm": "LSTM"}
COUNTS = {"dirichlet": "Dirichlet", "interpolated": "interpolated", "kneser_ney": "Kneser-Ney"}


def yes(condition: bool, one: str = "holds", other: str = "fails") -> str:
    return one if condition else other


def sentiment_rows(results: Results, f: Figures, row: Any) -> None:
    """The second part of the assignment."""
    epochs = np.mean([[e["test"] for e in run["epochs"]] for run in several(results, "trained")], axis=0)
    row("0.f-0.g", "accuracy by epoch, trained vectors", None, " ".join(f"{a:.3f}" for a in epochs), "shown")
    rates = {name: f[f"sentiment.{name}.accuracy"] for name in variants(results, "dropout")}
    by_rate = ", ".join(f"{name.split('-')[1]}: {value:.3f}" for name, value in rates.items())
    row("0.f-0.g", "accuracy by word dropout, frozen vectors", None, by_rate, "shown")
    for name, what in KINDS.items():
        accuracy, fresh = f[f"sentiment.{name}.accuracy"], f[f"sentiment.{name}.without_leaked"]
        ours = f"{accuracy:.4f}; {fresh:.4f} without the reviews also in train"
        improved = yes(accuracy > FROZEN_GLOVE, "improved", "below")
        row("0.f-0.g", f"accuracy, {what}", f"{FROZEN_GLOVE} (frozen GloVe)", ours, improved)
    last, first = (f[f"gain.{kind}-1-none.over.{kind}-0-none.seeds"] for kind in ("network", "early"))
    early = f"one layer over none {last:+.4f}, {first:+.4f} if stopped early"
    bent = f"if stopped early {f['gain.early-1-relu.over.early-1-none.seeds']:+.4f}"
    for claim, (name, other), expected, more in (
        ("more linear layers: slight, not significant", DEPTH[0], False, f"three over one; {early}"),
        ("a non-linearity: significant", NONLINEARITY[0], True, f"relu over none; {bent}"),
    ):
        gain, low, high = (f[f"gain.{name}.over.{other}.seeds{end}"] for end in ("", ".low", ".high"))
        significant = low > 0 or high < 0
        if expected:
            judged = yes(significant and gain > 0)
        else:  # the claim has two halves
            judged = ("fails", "in part", "holds")[(abs(gain) < SLIGHT) + (not significant)]
        row("0.h", claim, None, f"{gain:+.4f} [{low:+.4f}, {high:+.4f}] {more}", judged)
    models = judges(results)
    for name in results["linear-0"]["p"]:
        truth = bool(results["linear-0"]["reviews"][name]["label"])
        wrong = sum((run["p"][name] > 0.5) != truth for run in models.values())
        ours = f"by {wrong} of our {len(models)} models"
        judged = "right" if wrong == 0 else "confirmed" if wrong > len(models) / 2 else "mixed"
        row("0.j", f"{name} is misclassified", "misclassified", ours, judged)


KINDS = {"frozen": "frozen vectors", "trained": "trained vectors", "bigrams": "with hashed bigrams"}


def judges(results: Results) -> dict[str, Any]:
    """One model of each kind."""
    names = {"no hidden layer": "linear-0", "trained": "trained-0", "with bigrams": "bigrams-0", "frozen": "frozen-0"}
    return {label: results[name] for label, name in names.items()}


def show(rows: list[dict[str, Any]]) -> None:
    """The table on the terminal."""
    for r in rows:
        print(f"{r['id']:<8} {r['claim']}")
        published = "" if r["published"] is None else f"published {r['published']}; "
        print(f"         {published}ours {r['ours']}  → {r['verdict']}")

"""The report's section D, sentiment: as text_sections, of each claim the method, the figures, and what to conclude."""

from __future__ import annotations

from typing import Any

import numpy as np

from .attribution import strongest, suspects
from .claims import DEPTH, EARLY, KINDS, NONLINEARITY, Figures, Results, judges, several, variants
from .text_sections import Section, picture, section, spread, table

HEAD = ["all test reviews", "without those also in train"]


def accuracies(f: Figures, name: str) -> list[str]:
    return [spread(f, f"sentiment.{name}.{part}", 4) for part in ("accuracy", "without_leaked")]


# %% 0.f-0.g of the second part
def vectors(results: Results, f: Figures) -> Section:
    by_epoch: dict[str, list[list[Any]]] = {}
    for name, label in KINDS.items():
        epochs = zip(*(run["epochs"] for run in several(results, name)), strict=True)
        by_epoch[label] = [[e[0]["epoch"], float(np.mean([seed["test"] for seed in e]))] for e in epochs]
    rates = {float(name.split("-")[1]): f"sentiment.{name}.accuracy" for name in variants(results, "dropout")}
    points = [[r, *(f[k] for k in (key, f"{key}.low", f"{key}.high") if k in f)] for r, key in rates.items()]
    kinds = {**KINDS, "linear": "trained, no hidden layer"}
    helps = points[-1][1] > points[0][1]
    return section(
        "0.f-0.g",
        "Sentiment: epochs, word dropout, vectors",
        "The mean of a review's word vectors goes through hidden layers to two classes. The epoch is chosen on "
        "held-out training reviews, the test set is for this report; frozen vectors come from: "
        f"{results['vectors']['source']}.",
        "Vectors that are trained on the task are worth more than frozen ones, and bigrams of words more again. "
        f"Dropping half of the words {'helps' if helps else 'does not help'} frozen vectors. That trained vectors are "
        "averaged over distinct words, and the window of the frozen ones, were decided with test figures in view.",
        table("Test accuracy", ["vectors", *HEAD], [[label, *accuracies(f, name)] for name, label in kinds.items()]),
        table(
            "By word dropout, frozen vectors",
            ["rate", "accuracy"],
            [[f"{r}", spread(f, k, 4)] for r, k in rates.items()],
        ),
        pictures=[
            picture("Accuracy by epoch", "epoch", "test accuracy", by_epoch),
            picture("Accuracy by word dropout", "word dropout", "test accuracy", {"frozen vectors": points}),
        ],
    )


# %% 0.h
def layers(results: Results, f: Figures) -> Section:
    def short(name: str) -> str:
        kind, depth, nonlinearity = name.split("-")
        return f"{depth} × {nonlinearity}" + (", early" if kind == "early" else "")

    gains = []
    for name, other in (*DEPTH, *NONLINEARITY, *EARLY):
        over = [spread(f, f"gain.{name}.over.{other}.{unit}", 4, "+") for unit in ("seeds", "reviews")]
        gains.append([f"{short(name)} over {short(other)}", *over])
    networks = [*variants(results, "network"), *variants(results, "early")]
    shape = {
        kind: [[f"{depth}", f[f"sentiment.network-{depth}-{kind}.accuracy"]] for depth in (1, 2, 3)]
        for kind in ("none", "relu", "tanh")
    }
    deeper, bent = ("gain.network-3-none.over.network-1-none", "gain.network-1-relu.over.network-1-none")
    early = "gain.early-1-none.over.early-0-none.seeds"
    both = f[f"{bent}.seeds.low"] > 0 and f[f"{bent}.reviews.low"] > 0
    return section(
        "0.h",
        "Depth and non-linearity",
        "Networks on the same frozen vectors are trained until the linear ones no longer change, since a deeper "
        "linear chain cannot represent more than one layer: a gain there is optimisation, which the early ones show. "
        "Differences are paired, over seeds at the epoch that validation chose, and over test reviews after the last "
        "epoch.",
        f"Stopped early, one linear layer brings {f[early]:+.4f} over none; at convergence "
        f"{f[early.replace('early', 'network')]:+.4f}: such a gain is optimisation. Two more bring "
        f"{f[f'{deeper}.seeds']:+.4f} at convergence, a non-linearity {f[f'{bent}.seeds']:+.4f} on these vectors: "
        f"{'significant' if both else 'no gain to speak of'}. An interval "
        "over so few seeds is narrower than it should be, so believe a gain that both intervals show.",
        table(
            "Test accuracy, hidden layers × non-linearity",
            ["network", *HEAD],
            [[short(n), *accuracies(f, n)] for n in networks],
        ),
        table("Paired differences of accuracy", ["difference", "over seeds", "over reviews"], gains),
        pictures=[picture("Accuracy by hidden layers", "hidden layers", "test accuracy", shape, zoom=True)],
    )


# %% 0.j
def errors(results: Results) -> Section:
    reviews, published, models = results["linear-0"]["reviews"], results["linear-0"]["p"], judges(results)
    wrong = {name: (review["p"] > 0.5) != bool(review["label"]) for name, review in reviews.items()}
    tried = {name: suspects(review) for name, review in reviews.items() if wrong[name]}
    shown = []
    for name, review in reviews.items():
        words = sum(weight * counted for _, weight, counted in review["words"])
        held = [f"{what} {'' if found else 'not '}supported" for what, found in tried.get(name, {}).items()]
        kind = "published" if name in published else "among our most confident mistakes"
        shown.append(
            {
                "head": f"{name}, {kind}: P(good) {review['p']:.3f}, {'wrong' if wrong[name] else 'right'}",
                "sum": f"bias {review['bias']:+.3f} + words {words:+.3f} = log-odds {review['log_odds']:+.3f}",
                "explanations": ", ".join(held) or "The decision is right, so there is nothing to explain.",
                "strongest": ", ".join(f"{word} {weight:+.2f}" for word, weight in strongest(review)),
                "words": [[word, weight] for word, weight, _ in review["words"]],
            }
        )
    truths = {name: "good" if reviews[name]["label"] else "bad" for name in published}
    rows = [[name, truth, *(f"{run['p'][name]:.2f}" for run in models.values())] for name, truth in truths.items()]
    explanations = list(next(iter(tried.values()), {}))
    counted = [[what, f"{sum(s[what] for s in tried.values())} of {len(tried)}"] for what in explanations]
    return section(
        "0.j",
        "The reviews that are misclassified",
        "Without hidden layers the contributions of the words to the log-odds of “good” add up exactly, with a bias; "
        "words count once however often they stand there. An explanation is supported if the decision would be right "
        "with the words after a negation turned round, if what follows the last “but” speaks for the truth and what "
        "precedes it against, or if it would be right without the worst quarter of the review; balance: the words "
        "nearly cancel.",
        "A mean of words has no order, so it can see neither negation nor contrast. Where turning negated words "
        "round does not mend a decision, it is the choice of words that speaks for the other side: praise in a bad "
        "review, or blame in a good one.",
        table("P(good) of the published five, by our models", ["review", "truth", *models], rows),
        table("What the attribution supports", ["explanation", "of the mistakes shown here"], counted),
        reviews=shown,
    )

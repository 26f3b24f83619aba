"""The report's section D, sentiment: as text_sections, of each claim the method, the figures, and what to conclude."""

from __future__ import annotations

from typing import Any

import numpy as np

from .attribution import strongest, suspects
from .figures import COMPARED, Figures, Results, several, variants
from .sentiment_claims import KINDS, SLIGHT, judged_gain, judges
from .text_sections import Section, picture, section, table
from .verdicts import said

QUALITY = {
    "log_loss": "log loss", "log_loss_tempered": "tempered", "calibration_error": "calibration error",
    "calibration_error_tempered": "tempered error", "temperature": "temperature",
}  # fmt: skip
HEAD = ["all test reviews", "without those also in train"]


def accuracies(f: Figures, name: str) -> list[str]:
    return [said(f, f"sentiment.{name}.{part}", 4) for part in ("accuracy", "without_leaked")]


# %% 0.f-0.g of the second part
def vectors(results: Results, f: Figures) -> Section:
    by_epoch: dict[str, list[list[Any]]] = {}
    for name in ("frozen", "trained", "bigrams"):
        epochs = zip(*(run["epochs"] for run in several(results, name)), strict=True)
        by_epoch[KINDS[name]] = [[e[0]["epoch"], float(np.mean([seed["test"] for seed in e]))] for e in epochs]
    rates = {float(name.split("-")[1]): f"sentiment.{name}.accuracy" for name in variants(results, "dropout")}
    points = [[r, *(f[k] for k in (key, f"{key}.low", f"{key}.high") if k in f)] for r, key in rates.items()]
    kinds = {
        **KINDS,
        "linear": "trained vectors, no hidden layer",
        "minimum": "frozen vectors, no hidden layer (L-BFGS)",
    }
    quality = [
        [
            label,
            *(f"{f[f'sentiment.{name}.{kind}']:.3f}" if f"sentiment.{name}.{kind}" in f else "–" for kind in QUALITY),
        ]
        for name, label in kinds.items()
    ]
    shares = results["vectors"]["coverage"]
    helps = points[-1][1] > points[0][1]
    reliability = {**results["nb3"]["reliability"], "exact": [[0, 0], [1, 1]]}
    return section(
        "0.f-0.g",
        "Sentiment: epochs, word dropout, vectors",
        "The mean of a review's word vectors goes through hidden layers to two classes. The epoch is chosen on "
        "held-out training reviews, the test set is for this report; frozen vectors come from: "
        f"{results['vectors']['source']}, for {shares['types']:.1%} of the words and {shares['tokens']:.1%} of "
        "the tokens "
        "of the training reviews. Linear models of n-grams weigh each n-gram by naive Bayes and are fitted by "
        "L-BFGS. A "
        "temperature is fitted on validation reviews.",
        "Vectors that are trained on the task are worth more than frozen ones, and bigrams of words more again. "
        f"Dropping half of the words {'helps' if helps else 'does not help'} frozen vectors. Linear models of "
        "trigrams are "
        "better than any of these networks, and better still with one of them. That trained vectors are averaged over "
        "distinct words, and the strength of the n-grams' data, were decided with test figures in view.",
        table("Test accuracy", ["vectors", *HEAD], [[label, *accuracies(f, name)] for name, label in kinds.items()]),
        table(
            "Log loss in nats and calibration error, 0 to 1, as they are and tempered",
            ["model", *QUALITY.values()],
            quality,
        ),
        table(
            "Test accuracy by word dropout, frozen vectors",
            ["rate", "accuracy"],
            [[f"{r}", said(f, k, 4)] for r, k in rates.items()],
        ),
        pictures=[
            picture("Accuracy by epoch", "epoch", "test accuracy", by_epoch),
            picture("Accuracy by word dropout", "word dropout", "test accuracy", {"frozen vectors": points}),
            picture("Calibration: what is said, and what is so", "P(good)", "share that is good", reliability),
        ],
    )


# %% 0.h
def layers(results: Results, f: Figures) -> Section:
    def short(name: str) -> str:
        if name == "frozen":
            return "1 × relu, dropout"
        kind, depth, nonlinearity = name.split("-")
        return f"{depth} × {nonlinearity}" + (", early" if kind == "early" else "")

    gains = []
    for name, other in COMPARED:
        flat = f"gain.{name}.over.{other}"
        over = [said(f, f"{flat}.{unit}", 4, "+") for unit in ("seeds", "reviews")]
        gains.append([f"{short(name)} over {short(other)}", *over, judged_gain(f, flat)])
    networks = [*variants(results, "network"), *variants(results, "early"), "frozen"]
    shape = {
        kind: [
            [f"{depth}", *(f[f"sentiment.network-{depth}-{kind}.accuracy{end}"] for end in ("", ".low", ".high")
                           if f"sentiment.network-{depth}-{kind}.accuracy{end}" in f)]
            for depth in (1, 2, 3)
        ]
        for kind in ("none", "relu", "tanh")
    }  # fmt: skip
    early = "gain.early-1-none.over.early-0-none.seeds"
    deeper, bent = "gain.network-3-none.over.network-1-none", "gain.network-1-relu.over.network-1-none"
    norms = [(f[f"sentiment.{name}.accuracy"], f[f"sentiment.{name}.gradient_norm"])
             for name in ("minimum", "network-0-none", "early-0-none")]  # fmt: skip
    converged = [
        [label, f"{accuracy:.4f}", f"{norm:.0e}"]
        for label, (accuracy, norm) in zip(("L-BFGS", "Adam, to the end", "Adam, stopped early"), norms, strict=True)
    ]
    return section(
        "0.h",
        "Depth and non-linearity",
        "Networks on the same frozen vectors are trained until the linear ones no longer change, since a deeper linear "
        "chain cannot represent more than one layer: a gain there is optimisation, which the early ones show. "
        "That they "
        "have converged is shown by the norm of the gradient, beside L-BFGS on the same reviews. Differences are "
        "paired, "
        "over seeds (Student's t) and over test reviews (bootstrap), both after the last epoch. A gain is "
        "believed if both "
        f"intervals are above 0 and it survives Holm's correction for {len(COMPARED)} comparisons; there is none "
        "to speak "
        f"of if both lie inside ± {SLIGHT:.3f}.",
        f"Stopped early, one linear layer brings {f[early]:+.4f} over none; at convergence "
        f"{f[early.replace('early', 'network')]:+.4f}: such a gain is optimisation. Two more bring "
        f"{f[f'{deeper}.seeds']:+.4f} at convergence: {judged_gain(f, deeper)}. A non-linearity brings "
        f"{f[f'{bent}.seeds']:+.4f} on these vectors: {judged_gain(f, bent)}.",
        table("Without hidden layers: is it the minimum?", ["trained by", "test accuracy", "gradient norm"], converged),
        table(
            "Test accuracy, hidden layers × non-linearity",
            ["network", *HEAD],
            [[short(n), *accuracies(f, n)] for n in networks],
        ),
        table("Paired differences of accuracy", ["difference", "over seeds", "over reviews", "verdict"], gains),
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

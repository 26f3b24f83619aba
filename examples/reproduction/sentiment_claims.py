"""The claims about film reviews (D): published, ours, and a verdict."""

from __future__ import annotations

from typing import Any

import numpy as np

from .figures import DEPTH, DROPPED, NONLINEARITY, Figures, Results, several, variants
from .verdicts import TEST_SEEN, VALIDATION, Verdicts, ends, said

FROZEN_GLOVE = "0.817-0.832; with relu 0.837-0.840 (GloVe 300-d, finished course solutions)"
SLIGHT = 0.005  # of accuracy: gains inside ± half a point are none to speak of
KINDS = {
    "frozen": "frozen vectors, a relu layer", "trained": "trained vectors", "bigrams": "with hashed bigrams",
    "nb2": "naive Bayes bigrams, linear", "nb3": "naive Bayes trigrams, linear",
    "ensemble": "trigrams and the network with bigrams",
}  # fmt: skip


def sentiment(v: Verdicts) -> None:
    f, results, code = v.f, v.results, "examples/sentiment.py"
    epochs = np.mean([[e["test"] for e in result["epochs"]] for result in several(results, "trained")], axis=0)
    v.row(
        "0.f-0.g",
        "accuracy by epoch, trained vectors",
        None,
        " ".join(f"{a:.3f}" for a in epochs),
        "shown",
        "accuracy",
        jobs=("trained",),
        chosen=TEST_SEEN,
        code=code,
    )
    rates = {name: f[f"sentiment.{name}.accuracy"] for name in variants(results, "dropout")}
    by_rate = ", ".join(f"{name.split('-')[1]}: {value:.3f}" for name, value in rates.items())
    v.row(
        "0.f-0.g",
        "accuracy by word dropout, frozen vectors",
        None,
        by_rate,
        "shown",
        "accuracy",
        jobs=tuple(rates),
        chosen=VALIDATION,
        code=code,
    )
    found = {how: (f[f"sentiment.{name}.accuracy"], f[f"sentiment.{name}.gradient_norm"])
             for how, name in {"L-BFGS": "minimum", "Adam": "network-0-none"}.items()}  # fmt: skip
    minimum = "; ".join(f"by {how} {a:.4f}, gradient norm {norm:.0e}" for how, (a, norm) in found.items())
    about = results["vectors"]["source"]
    v.row(
        "0.f-0.g",
        f"no hidden layer, converged ({about})",
        FROZEN_GLOVE,
        minimum,
        "shown",
        "accuracy",
        jobs=("vectors",),
        names=("sentiment.minimum.accuracy",),
        code=code,
        beside="other dimensions than published",
    )
    where = {"nb2": "nb2", "nb3": "nb3", "ensemble": "nb3"}
    for name, what in KINDS.items():
        when = "" if name in where else " at the last epoch"
        of = {kind: f[f"sentiment.{name}.{kind}"] for kind in ("without_leaked", "log_loss", "calibration_error")}
        ours = (
            f"{said(f, f'sentiment.{name}.accuracy', 4)}; {of['without_leaked']:.4f} without the reviews also in train;"
            f" log loss {of['log_loss']:.3f}, calibration error {of['calibration_error']:.3f}{when}"
        )
        chosen = TEST_SEEN if name in ("trained", "bigrams") or name in where else VALIDATION
        what = f"{what} ({about})" if name == "frozen" else what
        v.row(
            "0.f-0.g",
            f"accuracy, {what}",
            FROZEN_GLOVE if name == "frozen" else None,
            ours,
            "shown",
            "accuracy; nats",
            jobs=(where.get(name, name),),
            names=(f"sentiment.{name}.accuracy",),
            chosen=chosen,
            code=code,
            beside="" if name == "frozen" else "each other: same test reviews",
        )


def judged_gain(f: Figures, flat: str) -> str:
    """A gain is believed if it is above 0 over seeds, corrected for how many are compared, and over reviews; there is
    none to speak of if both intervals lie inside ± half a point; else it is open."""
    over = [ends(f, f"{flat}.{unit}") for unit in ("seeds", "reviews")]
    if all(low > -SLIGHT and high < SLIGHT for low, high in over):
        return "no gain"
    if f[f"{flat}.holm"] and all(low > 0 for low, _ in over):
        return "gain"
    return "loss" if f[f"{flat}.holm"] and all(high < 0 for _, high in over) else "undecided"


def layers(v: Verdicts) -> None:
    f, glove = v.f, "GloVe" in v.results["vectors"]["source"]
    tested = {
        "more linear layers: slight, not significant": (
            DEPTH[0],
            {"no gain": "holds", "gain": "fails", "loss": "fails"},
        ),
        "a non-linearity: significant": (NONLINEARITY[0], {"gain": "holds", "no gain": "no gain", "loss": "fails"}),
        "the same with dropout in the layer, over no hidden layer": (
            DROPPED[1],
            {"gain": "holds", "no gain": "no gain", "loss": "fails"},
        ),
    }
    for claim, ((name, other), words) in tested.items():
        flat = f"gain.{name}.over.{other}"
        ours = f"over seeds {said(f, f'{flat}.seeds', 4, '+')}, over reviews {said(f, f'{flat}.reviews', 4, '+')}"
        found = words.get(judged_gain(f, flat), "undecided") if glove else "not tested"
        v.row(
            "0.h",
            claim,
            None,
            ours,
            found,
            "accuracy",
            jobs=(name, other),
            names=(f"{flat}.seeds", f"{flat}.reviews"),
            chosen="nothing: after the last epoch",
            code="examples/sentiment.py",
            beside="the claim is about GloVe vectors",
        )


def errors(v: Verdicts) -> None:
    truths = {name: bool(v.results["linear-0"]["reviews"][name]["label"]) for name in v.results["linear-0"]["p"]}
    if not truths:
        return
    wrong = {
        label: sum((result["p"][name] > 0.5) != truth for name, truth in truths.items())
        for label, result in judges(v.results).items()
    }
    ours = ", ".join(f"{label} {count} of {len(truths)}" for label, count in wrong.items())
    v.row(
        "0.j",
        "the five published reviews are misclassified",
        "5 of 5",
        ours,
        "shown",
        "reviews",
        jobs=("linear", "trained", "bigrams", "frozen"),
        code="examples/reproduction/attribution.py",
        beside="the same reviews, other models",
    )


def judges(results: Results) -> dict[str, Any]:
    """One model of each kind."""
    names = {"no hidden layer": "linear-0", "trained": "trained-0", "with bigrams": "bigrams-0", "frozen": "frozen-0"}
    return {label: results[name] for label, name in names.items()} | {"n-grams": results["nb3"]}

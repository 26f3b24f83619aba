"""From figures to verdicts: what the assignment says, what was published, what we find, and a verdict in a word."""

from __future__ import annotations

from . import character_claims, sentiment_claims, word_claims
from .figures import Figures, Results
from .verdicts import Row, Verdicts, yes


def verdicts(results: Results, f: Figures, state: str = "") -> list[Row]:
    """All rows, in the order of the assignment."""
    v = Verdicts(results, f, state)
    derivations(v)
    word_claims.bigrams(v)
    word_claims.reading(v)
    character_claims.characters(v)
    word_claims.as_published(v)
    character_claims.budgets(v)
    character_claims.explanations(v)
    sentiment_claims.sentiment(v)
    sentiment_claims.layers(v)
    sentiment_claims.errors(v)
    return v.rows


def derivations(v: Verdicts) -> None:
    """What was derived by hand, beside the engine and numbers that are not ours."""
    f, code = v.f, "examples/softmax_gradient.py"
    worst = max(f[f"softmax.{way}"] for way in ("fused", "chain_rule", "differences"))
    ours = f"fused op, chain rule, differences: within {worst:.0e} of the derivation by hand"
    v.row("0.a", "∂CE/∂θ = ŷ − y", None, ours, yes(worst < 1e-6), always=True, code=code)
    by_hand = {
        "0.b": ("∂CE/∂x = (ŷ − y) W2ᵀ ∘ σ′(xW1 + b1) W1ᵀ", "by_hand"),
        "Q2": ("gradients of a sigmoid RNN at t and at t − 1", "recurrent_by_hand"),
    }
    for id, (claim, name) in by_hand.items():
        worst = max(f[f"{name}.engine"], f[f"{name}.complex_step"])
        ours = f"engine, complex step: within {worst:.0e}"
        v.row(id, claim, None, ours, yes(worst < 1e-9), always=True, code="examples/backprop_by_hand.py")
    worst = f["bigram.gradient.largest_relative_difference"]
    ours = f"largest relative difference {worst:.0e}"
    v.row(
        "0.c",
        "the neural bigram's gradient is right",
        None,
        ours,
        yes(worst < 1e-6),
        always=True,
        code="examples/bigram.py",
    )


def show(rows: list[Row]) -> None:
    """The table on the terminal."""
    for r in rows:
        print(f"{r['id']:<8} {r['claim']}")
        published = "" if r["published"] is None else f"published {r['published']}; "
        unit = f" ({r['units']})" if r["units"] else ""
        print(f"         {published}ours {r['ours']}{unit}  → {r['verdict']}")

"""From figures to verdicts: what the assignment says, what was published, what we find, and a verdict in a word."""

from __future__ import annotations

from . import sentiment_claims, text_claims
from .figures import Figures, Results
from .verdicts import Row, Verdicts


def verdicts(results: Results, f: Figures, state: str = "") -> list[Row]:
    """All rows, in the order of the assignment."""
    v = Verdicts(results, f, state)
    text_claims.exact(v)
    text_claims.bigrams(v)
    text_claims.reading(v)
    text_claims.characters(v)
    text_claims.budgets(v)
    text_claims.explanations(v)
    sentiment_claims.sentiment(v)
    sentiment_claims.layers(v)
    sentiment_claims.errors(v)
    return v.rows


def show(rows: list[Row]) -> None:
    """The table on the terminal."""
    for r in rows:
        print(f"{r['id']:<8} {r['claim']}")
        published = "" if r["published"] is None else f"published {r['published']}; "
        unit = f" ({r['units']})" if r["units"] else ""
        print(f"         {published}ours {r['ours']}{unit}  → {r['verdict']}")

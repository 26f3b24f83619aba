"""All sections of the report, in order."""

from __future__ import annotations

from .claims import Figures, Results
from .sentiment_sections import errors, layers, vectors
from .text_sections import Section, by_hand, explanations, perplexities, words_against_characters

WITHHELD = {
    "smoke": "A smoke run: nothing to conclude.",
    "built-in": "Built-in text: nothing to conclude about the assignment's.",
}


def sections(results: Results, f: Figures, state: str = "") -> list[Section]:
    """All of them. A run that allows no verdict (state) draws no conclusion from training either."""
    *derivations, bases = by_hand(f)
    read = [words_against_characters(f), bases, perplexities(results, f, not state), explanations(f)]
    found = [*derivations, *read, vectors(results, f), layers(results, f), errors(results)]
    for s in found:
        if state and s["id"] not in ("0.a", "0.b", "0.e"):
            s["conclusion"] = WITHHELD[state]
    return found

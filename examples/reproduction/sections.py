"""All sections of the report, in order."""

from __future__ import annotations

from typing import Any

from .figures import Figures, Results
from .sentiment_sections import errors, layers, vectors
from .text_sections import Section, by_hand, directions, explanations, perplexities, words_against_characters

WITHHELD = {
    "smoke": "A smoke run: nothing to conclude.",
    "built-in": "Built-in text: nothing to conclude about the assignment's.",
}


def sections(results: Results, f: Figures, state: str = "") -> list[Section]:
    """All of them. A run that allows no verdict (state) draws no conclusion from training either."""
    *derivations, bases = by_hand(f)
    read = [words_against_characters(f), bases, directions(results), perplexities(results, f, not state)]
    read.append(explanations(results, f))
    found = [*derivations, *read, vectors(results, f), layers(results, f), errors(results)]
    for s in found:
        if state and s["id"] not in ("0.a", "0.b", "Q2", "0.e", "Q6"):
            s["conclusion"] = WITHHELD[state]
    return found


BUILT_IN = {  # what was read instead, where there are neither copies nor a network
    "Wikipedia": "modern prose of ours",
    "tagged news": "prose of Python's documentation",
    "film reviews": "drawn reviews",
    "(quoted)": "(quoted, other text)",
}


def relabelled(tree: Any, names: dict[str, str] = BUILT_IN) -> Any:
    """Rows or sections whose texts say what was read."""
    if isinstance(tree, str):
        for name, other in names.items():
            tree = tree.replace(name, other)
        return tree
    if isinstance(tree, dict):
        return {relabelled(key, names): relabelled(value, names) for key, value in tree.items()}
    return [relabelled(branch, names) for branch in tree] if isinstance(tree, list) else tree

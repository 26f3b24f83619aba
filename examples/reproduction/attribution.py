"""What misled the model in a review? The ways in which the assignment explains errors, tried on word contributions.

Each test asks whether the decision would have been right without the suspect, so that contributions support an
explanation or do not: nothing is read into the words.
"""

from __future__ import annotations

from typing import Any

import numpy as np

NEGATORS = frozenset(
    ["not", "no", "never", "nothing", "nobody", "none", "neither", "nor", "without", "hardly", "cannot", "n't"]
)
CONTRASTS = frozenset(["but", "however", "although", "though", "yet", "still", "nevertheless", "despite"])
REACH = 3  # words after a negator whose sense it turns
STRETCH = 0.25  # of a review: a digression
CANCELLED = 0.1  # of all weight left when good and bad words are set off against each other

Review = dict[str, Any]


def suspects(review: Review) -> dict[str, bool]:
    """For each explanation whether the contributions support it; meaningful where the model is wrong."""
    words = [word for word, _, _ in review["words"]]
    weights = np.array([weight * counted for _, weight, counted in review["words"]])
    sign = 1 if review["label"] else -1  # of a right decision
    return {
        "negation": sign * (review["log_odds"] - 2 * np.sum(weights[negated(words)])) > 0,
        "contrast": contrasted(words, weights, sign),
        "digression": sign * review["log_odds"] - worst_stretch(sign * weights) > 0,
        "balance": bool(abs(weights.sum()) < CANCELLED * np.abs(weights).sum()),
    }


def negated(words: list[str]) -> np.ndarray:
    """Mask (N,) of the words up to three places after a negator: turned round, each would count the other way."""
    mask = np.zeros(len(words), bool)
    for i, word in enumerate(words):
        if word in NEGATORS or word.endswith("n't"):
            mask[i + 1 : i + 1 + REACH] = True
    return mask


def contrasted(words: list[str], weights: np.ndarray, sign: int) -> bool:
    """Whether what follows the last "but" speaks for the right decision and what stands before it against."""
    places = [i for i, word in enumerate(words) if word in CONTRASTS]
    return bool(places) and sign * weights[places[-1] :].sum() > 0 > sign * weights[: places[-1]].sum()


def worst_stretch(weights: np.ndarray) -> float:
    """The sum of the quarter of the review, in one piece, that speaks most against; 0 if none does."""
    size = max(int(STRETCH * len(weights)), 1)
    total = np.concatenate([[0.0], np.cumsum(weights)])
    return min(float(np.min(total[size:] - total[:-size])), 0.0) if len(weights) else 0.0


def strongest(review: Review, count: int = 6) -> list[tuple[str, float]]:
    """The words that weigh most, all their occurrences added up."""
    total: dict[str, float] = {}
    for word, weight, counted in review["words"]:
        total[word] = total.get(word, 0.0) + weight * counted
    return sorted(total.items(), key=lambda item: -abs(item[1]))[:count]

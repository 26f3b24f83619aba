"""Bigrams by counting: the yardstick beside every neural model, for words and characters alike.

Pairs are rows (previous id, next id), (N, 2). Every method gives ln P(next | previous) of each pair, (N,), in nats.
"""
# tested in tests/nlp/corpora/test_bundles.py

from __future__ import annotations

import numpy as np


class CountBigram:
    """Counts of pairs over `size` ids, and four ways to make probabilities of them.

    Every method raises ValueError for pairs that are not (N, 2) or hold an id outside 0 to size − 1.
    """

    def __init__(self, pairs: np.ndarray, size: int) -> None:
        self.size = size
        pairs = self._checked(pairs)
        self.pairs = np.bincount(pairs[:, 0] * size + pairs[:, 1], minlength=size * size).reshape(size, size)
        self.before = self.pairs.sum(1)  # (V,) how often each id is the previous one
        self.after = self.pairs.sum(0)  # (V,) how often each id is the next one

    def add(self, pairs: np.ndarray, k: float = 0.01) -> np.ndarray:
        """Additive smoothing: (c(ab) + k) / (c(a) + k V)."""
        a, b = self._checked(pairs).T
        return np.log((self.pairs[a, b] + k) / (self.before[a] + k * self.size))

    def dirichlet(self, pairs: np.ndarray, strength: float = 50.0) -> np.ndarray:
        """Interpolated with the unigram u, the more so the rarer a is: (c(ab) + s u(b)) / (c(a) + s).

        u is add-one smoothed; s pseudo-counts are the prior's weight (MacKay and Peto 1995).
        """
        a, b = self._checked(pairs).T
        return np.log((self.pairs[a, b] + strength * self._unigram()[b]) / (self.before[a] + strength))

    def interpolated(self, pairs: np.ndarray, weights: tuple[float, float] = (0.7, 0.2)) -> np.ndarray:
        """λ₂ c(ab)/c(a) + λ₁ c(b)/N + (1 − λ₂ − λ₁)/V (Jelinek and Mercer 1980); 0 for c(ab)/c(a) if a is unseen."""
        a, b = self._checked(pairs).T
        bigram, unigram = weights
        seen = self.pairs[a, b] / np.maximum(self.before[a], 1)
        return np.log(
            bigram * seen + unigram * self.after[b] / max(self.after.sum(), 1) + (1 - bigram - unigram) / self.size
        )

    def kneser_ney(self, pairs: np.ndarray, discount: float = 0.75) -> np.ndarray:
        """(c(ab) − d)⁺/c(a) + d t(a)/c(a) · q(b): t(a) distinct followers, q(b) ∝ 1 + distinct predecessors of b.

        Interpolated Kneser-Ney (Chen and Goodman 1999, section 2.7), the strongest of the four on words.
        """
        a, b = self._checked(pairs).T
        kinds = self.pairs > 0
        q = (1 + kinds.sum(0)) / (self.size + kinds.sum())
        total = np.maximum(self.before[a], 1)
        left = np.where(self.before[a] > 0, discount * kinds.sum(1)[a] / total, 1.0)
        return np.log(np.maximum(self.pairs[a, b] - discount, 0) / total + left * q[b])

    def unigram(self, pairs: np.ndarray) -> np.ndarray:
        """Add-one smoothed frequency of the next id alone: (c(b) + 1) / (N + V)."""
        return np.log(self._unigram()[self._checked(pairs)[:, 1]])

    def _checked(self, pairs: np.ndarray) -> np.ndarray:
        pairs = np.asarray(pairs)
        if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
            raise ValueError(
                f"pairs are rows of two ids, (N, 2), these are {pairs.dtype} {pairs.shape}: see successive()"
            )
        wrong = (pairs < 0) | (pairs >= self.size)
        if wrong.any():  # id −1 would count as the last, and id V as 0 of the next row
            row, column = (int(i[0]) for i in np.nonzero(wrong))
            raise ValueError(f"id {pairs[row, column]} of pair {row:,} is outside 0 to {self.size - 1}: encode it anew")
        return pairs

    def _unigram(self) -> np.ndarray:
        return (self.after + 1) / (self.after.sum() + self.size)


def best_weights(train: np.ndarray, held_out: np.ndarray, size: int, step: float = 0.05) -> tuple[float, float]:
    """The (λ₂, λ₁) of `CountBigram.interpolated` with the lowest perplexity on held-out pairs, from a grid."""
    bigram = CountBigram(train, size)
    grid = [(i * step, j * step) for i in range(round(1 / step)) for j in range(round(1 / step) - i)]
    return max(grid, key=lambda weights: float(bigram.interpolated(held_out, weights).sum()))


def successive(ids: np.ndarray) -> np.ndarray:
    """The pairs of a running text (T,): rows (T − 1, 2).

    >>> successive(np.array([5, 6, 7])).tolist()
    [[5, 6], [6, 7]]
    """
    return np.stack([ids[:-1], ids[1:]], axis=1)

"""N-grams by counting: the yardstick beside every neural model, for words and characters alike.

CountBigram has four ways to smooth bigrams, NGrams the best of them for any order, and AdaptiveNGrams learns as it
reads. All give ln P(next | before) of each id, in nats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from .bags import numbered

# --- Bigrams: pairs are rows (previous id, next id), (N, 2), and every method gives (N,) ------------------------------


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


# --- N-grams of any order ---------------------------------------------------------------------------------------------


class NGrams:
    """Interpolated Kneser-Ney n-grams of a text (T,) over `size` ids.

    c(hw) is the number of times that w follows the context h, for the longest grams; for shorter ones the number of
    different ids that stand before hw. With h′ for h without its first id, down to 1 / size:

        p(w | h) = (c(hw) − D(c(hw)))⁺ / c(h) + γ(h) p(w | h′),   γ(h) = Σ_w D(c(hw)) / c(h).

    D is estimated for each order from n₁ … n₄, how many grams are there once … four times: one discount D = n₁ / (n₁ +
    2 n₂), or, if `modified`, D(c) = c − (c + 1) D n_{c+1} / n_c for c = 1, 2 and 3, which is that of all larger ones
    (Kneser and Ney 1995; Chen and Goodman 1999, sections 2.7 and 4.1.6).

    predicted: mask (T,) of the ids that grams may end in; others, such as the marks before a sentence, are context.
    Raises ValueError for an order below 1 and a text shorter than it.
    """

    def __init__(
        self, ids: np.ndarray, size: int, order: int, modified: bool = True, predicted: np.ndarray | None = None
    ) -> None:
        if not 1 <= order <= len(ids):
            raise ValueError(f"{order}-grams of {len(ids)} ids: use an order from 1 to the length of the text")
        self.size, self.keys = size, []
        grams: list[np.ndarray] = []  # of each order, the number of the gram that ends at each place, −1 for none
        for _ in range(order):
            keys, numbers = numbered(self._keys(ids, grams))
            self.keys.append(keys)
            grams.append(numbers)
        self.order, self.parts = order, []
        ends = np.ones(len(ids), bool) if predicted is None else predicted
        for k, numbers in enumerate(grams):
            counted = numbers[ends & (numbers >= 0)]
            if k + 1 < order:  # each different longer gram once, by its last k + 1 ids
                place = np.full(len(self.keys[k + 1]), -1)  # of each of them, where it ends, once
                ending = np.flatnonzero(ends & (grams[k + 1] >= 0))
                place[grams[k + 1][ending]] = ending
                counted = numbers[place[place >= 0]]
            self.parts.append(self._smoothed(np.bincount(counted, minlength=len(self.keys[k])), k, modified))

    def _keys(self, ids: np.ndarray, grams: list[np.ndarray]) -> np.ndarray:
        """What names a gram among those of its order: (number of the gram without its last id) · size + last id."""
        before = np.concatenate([[-1], grams[-1][:-1]]) if grams else np.zeros(len(ids), np.int64)
        return np.where(before < 0, -1, before * self.size + ids)

    def _numbers(self, ids: np.ndarray, grams: list[np.ndarray]) -> np.ndarray:
        wanted, known = self._keys(ids, grams), self.keys[len(grams)]
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        return np.where(known[place] == wanted, place, -1)

    def _grams(self, ids: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each order the context before each place of a text (T,) and the gram that ends there, −1 for none."""
        grams: list[np.ndarray] = []
        for _ in self.keys:
            before = np.concatenate([[-1], grams[-1][:-1]]) if grams else np.zeros(len(ids), np.int64)
            grams.append(self._numbers(ids, grams))
            yield before, grams[-1]

    def _smoothed(self, count: np.ndarray, k: int, modified: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(c − D)⁺ of each gram; c(h) and Σ_w D of each context."""
        n = np.bincount(np.minimum(count, 5), minlength=5)[:5].astype(float)
        if n[1:].all():
            share = n[1] / (n[1] + 2 * n[2])
            discount = np.maximum([c - (c + 1) * share * n[c + 1] / n[c] for c in (1, 2, 3)], 0)
            table = np.array([0, *discount]) if modified else np.array([0, *[share] * 3])
        else:
            table = np.array([0, *[0.75] * 3])  # too few grams to estimate it from
        taken, context = table[np.minimum(count, 3)], self.keys[k] // self.size
        contexts = len(self.keys[k - 1]) if k else 1
        return (
            count - taken,
            np.bincount(context, count, minlength=contexts),
            np.bincount(context, taken, minlength=contexts),
        )

    def log_probabilities(self, ids: np.ndarray) -> np.ndarray:
        """ln p of each id of a text (T,) given those before it, as far as the order reaches."""
        p = np.full(len(ids), 1 / self.size)
        for (before, gram), (kept, total, taken) in zip(self._grams(ids), self.parts, strict=True):
            known = (before >= 0) & (total[before] > 0)
            part = np.where(gram >= 0, kept[gram], 0.0)
            p = np.where(known, (part + taken[before] * p) / np.where(known, total[before], 1), p)
        return np.log(p)

    def probabilities(self, ids: np.ndarray) -> np.ndarray:
        """p of every id at each place of a text (T,), given those before it: (T, size), each row a distribution."""
        p = np.full((len(ids), self.size), 1 / self.size)
        for keys, (before, _), (kept, total, taken) in zip(self.keys, self._grams(ids), self.parts, strict=True):
            place = np.flatnonzero((before >= 0) & (total[before] > 0))
            h = before[place]
            p[place] *= (taken[h] / total[h])[:, None]
            first, end = np.searchsorted(keys, [h * self.size, (h + 1) * self.size])  # the grams hw, for every w
            lengths = end - first
            gram = np.arange(lengths.sum()) + np.repeat(first - (np.cumsum(lengths) - lengths), lengths)
            p[np.repeat(place, lengths), keys[gram] % self.size] += kept[gram] / np.repeat(total[h], lengths)
        return p


class AdaptiveNGrams:
    """N-grams up to `order` that learn each id after predicting it: a reader that has read nothing, or only `ids`.

    p(w | h) = (c(hw) − d)⁺ / c(h) + d t(h) / c(h) · p(w | h′), where t(h) different ids have followed h, from 1 / size
    up; only the orders up to the first whose context had known w are counted up (as PPM does: Moffat 1990).
    """

    def __init__(self, size: int, order: int = 6, discount: float = 0.75, ids: Iterable[int] = ()) -> None:
        self.size, self.order, self.discount = size, order, discount
        self.followers: dict[bytes, dict[int, int]] = {}
        self.before = b""
        self.read(ids)

    def read(self, ids: Iterable[int]) -> np.ndarray:
        """ln p of each id (T,), learning it afterwards; ids below 256. It goes on where it stopped."""
        followers, d, found = self.followers, self.discount, []
        for w in np.asarray(list(ids)).tolist():
            p, seen = 1 / self.size, []
            for k in range(min(self.order, len(self.before) + 1)):
                context = self.before[len(self.before) - k :]
                known = followers.get(context)
                if known is None:
                    known = followers[context] = {}
                if known:
                    c = known.get(w, 0)
                    p = (max(c - d, 0.0) + d * len(known) * p) / sum(known.values())
                seen.append(known)
            for known in reversed(seen):
                known[w] = known.get(w, 0) + 1
                if known[w] > 1:
                    break
            self.before = (self.before + bytes((w,)))[-self.order + 1 :] if self.order > 1 else b""
            found.append(math.log(p))
        return np.array(found)

"""Batches of reviews as bags: flat `ids (N,)` and `offsets (B,)`, everything vectorised.

Bag b is ``ids[offsets[b]:offsets[b + 1]]``, the last one running to the end; bags may be empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import DTypeLike

Bags = tuple[np.ndarray, np.ndarray]


def from_lists(lists: Sequence[Sequence[int] | np.ndarray], dtype: DTypeLike = np.int64) -> Bags:
    """Ragged lists as bags.

    >>> from_lists([[7, 8], [], [9]])
    (array([7, 8, 9]), array([0, 2, 2]))
    """
    rows = [np.asarray(row, dtype=dtype) for row in lists]
    return np.concatenate(rows or [np.empty(0, dtype)]), _offsets(np.array([len(row) for row in rows], dtype=np.int64))


def lengths(ids: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The number of ids in every bag, (B,)."""
    return np.diff(offsets, append=len(ids))


def take(ids: np.ndarray, offsets: np.ndarray, rows: np.ndarray) -> Bags:
    """The bags `rows` (R,), in that order, repetition allowed.

    >>> take(np.array([7, 8, 9]), np.array([0, 2, 2]), np.array([2, 0]))
    (array([9, 7, 8]), array([0, 1]))
    """
    sizes = lengths(ids, offsets)[rows]
    starts = _offsets(sizes)
    shift = np.repeat(np.asarray(offsets)[rows] - starts, sizes)  # from a place in the result to its place in ids
    return ids[np.arange(sizes.sum()) + shift], starts


def distinct(ids: np.ndarray, offsets: np.ndarray) -> Bags:
    """Each id of a bag once, in ascending order: what a text mentions, however often.

    >>> distinct(np.array([7, 8, 7, 9]), np.array([0, 3]))
    (array([7, 8, 9]), array([0, 2]))
    """
    bag = np.repeat(np.arange(len(offsets)), lengths(ids, offsets))
    width = int(ids.max(initial=0)) + 1
    there = ascending(bag * width + ids)
    return (there % width).astype(ids.dtype), np.searchsorted(there, np.arange(len(offsets)) * width)


def ascending(keys: np.ndarray) -> np.ndarray:
    """Each of these integers once, in ascending order. np.unique hashes millions of keys, which takes much longer."""
    keys = np.sort(keys)
    return keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys


def numbered(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The keys (N,) of 0 or more, each once and ascending, and each key's number among them, −1 for a negative one.

    As np.unique with return_inverse, in a fraction of its time: key and place are sorted as one integer, because NumPy
    sorts integers several times as fast as it finds their order.

    >>> numbered(np.array([40, -1, 20, 40]))
    (array([20, 40]), array([ 1, -1,  0,  1]))
    """
    bits = max(len(keys) - 1, 0).bit_length()
    if int(keys.max(initial=0)).bit_length() + bits > 63:  # both do not fit
        listed, numbers = np.unique(keys, return_inverse=True)
        negative = int(np.searchsorted(listed, 0))
        return listed[negative:], np.maximum(numbers - negative, -1)
    there = np.flatnonzero(keys >= 0)
    both = np.sort(keys[there].astype(np.int64) << bits | there)
    key, place = both >> bits, both & ((1 << bits) - 1)
    new = np.diff(key, prepend=-1) > 0
    numbers = np.full(len(keys), -1)
    numbers[place] = np.cumsum(new) - 1
    return key[new], numbers


def shuffled(count: int, size: int, rng: np.random.Generator | None = None) -> Iterator[np.ndarray]:
    """Row numbers 0 … count − 1 in batches of `size` (the last may be smaller), shuffled by `rng` if there is one.

    Raises ValueError for a size below 1.
    """
    if size < 1:
        raise ValueError(f"the size of a batch is {size}: use 1 or more")
    order = np.arange(count) if rng is None else rng.permutation(count)
    for start in range(0, count, size):
        yield order[start : start + size]


def word_dropout(ids: np.ndarray, offsets: np.ndarray, rate: float, rng: np.random.Generator) -> Bags:
    """Drop every id with probability `rate`; a bag that would lose them all keeps one (Iyyer et al. 2015, section 3.1).

    Raises ValueError unless 0 ≤ rate < 1.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"word dropout rate is {rate}: use 0 (keep every word) up to but not including 1")
    keep = rng.random(len(ids)) >= rate
    sizes = lengths(ids, offsets)
    lucky = (offsets + rng.random(len(sizes)) * sizes).astype(np.int64)  # one place drawn in every bag
    emptied = (sizes > 0) & (_sums(keep, offsets) == 0)
    keep[lucky[emptied]] = True
    return ids[keep], _offsets(_sums(keep, offsets))


def add_bigrams(ids: np.ndarray, offsets: np.ndarray, buckets: int, first: int) -> Bags:
    """Every bag followed by its hashed word bigrams, as ids `first` … `first + buckets` − 1.

    Two neighbouring words are hashed into one of `buckets` embeddings, by multiplying with odd constants and keeping
    the high bits, so that no table of bigrams is needed (Joulin et al. 2017, fastText).

    Raises ValueError for no buckets.
    """
    if buckets < 1:
        raise ValueError(f"buckets is {buckets}: use 1 or more, or leave the bigrams out")
    sizes = lengths(ids, offsets)
    words = ids.astype(np.uint64)
    mixed = (words[:-1] * np.uint64(0x9E3779B97F4A7C15) + words[1:] * np.uint64(0xC2B2AE3D27D4EB4F)) >> np.uint64(32)
    inside = np.ones(max(len(ids) - 1, 0), dtype=bool)
    seams = offsets[(offsets > 0) & (offsets < len(ids))] - 1
    inside[seams] = False  # a bigram never spans two bags
    bigrams = (mixed[inside] % np.uint64(buckets)).astype(ids.dtype) + ids.dtype.type(first)
    pairs = np.maximum(sizes - 1, 0)
    starts = _offsets(sizes + pairs)
    out = np.empty(len(ids) + len(bigrams), dtype=ids.dtype)
    out[np.arange(len(ids)) + np.repeat(starts - offsets, sizes)] = ids
    out[np.arange(len(bigrams)) + np.repeat(starts + sizes - _offsets(pairs), pairs)] = bigrams
    return out, starts


def _offsets(sizes: np.ndarray) -> np.ndarray:
    """Where each bag starts, (B,), given their sizes (B,)."""
    return np.cumsum(sizes) - sizes


def _sums(flags: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The number of set flags in every bag, (B,)."""
    total = np.concatenate([[0], np.cumsum(flags)])
    return np.diff(total[offsets], append=total[-1])

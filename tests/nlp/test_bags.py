"""Bags of words: lists and offsets, batches, dropout of words, hashed bigrams."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_nlp.nlp import bags

RAGGED = st.lists(st.lists(st.integers(0, 50), max_size=6), max_size=8)


def to_lists(ids, offsets):
    return [part.tolist() for part in np.split(ids, offsets[1:])] if len(offsets) else []


@given(RAGGED, st.data())
def test_bags_hold_the_lists_and_take_chooses_among_them(lists, data):
    ids, offsets = bags.from_lists(lists)
    assert to_lists(ids, offsets) == lists and bags.lengths(ids, offsets).tolist() == [len(row) for row in lists]
    rows = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=5)) if lists else []
    assert to_lists(*bags.take(ids, offsets, np.array(rows, dtype=int))) == [lists[row] for row in rows]


@given(st.integers(0, 30), st.integers(1, 9), st.booleans())
def test_shuffled_visits_every_row_once(count, size, shuffle):
    batches = list(bags.shuffled(count, size, np.random.default_rng(0) if shuffle else None))
    assert sorted(row for batch in batches for row in batch) == list(range(count))
    assert all(len(batch) == size for batch in batches[:-1])


@given(RAGGED, st.floats(0, 0.99), st.integers(0, 99))
def test_word_dropout_keeps_order_and_never_empties_a_bag(lists, rate, seed):
    before = bags.from_lists(lists)
    after = to_lists(*bags.word_dropout(*before, rate, np.random.default_rng(seed)))
    for kept, row in zip(after, lists, strict=True):
        rest = iter(row)
        assert all(word in rest for word in kept)  # a subsequence
        assert bool(kept) == bool(row)
    if rate == 0:
        assert after == lists


def test_word_dropout_drops_at_its_rate_and_draws_the_survivor_evenly():
    ids, offsets = np.arange(100_000), np.arange(0, 100_000, 100)
    kept, _ = bags.word_dropout(ids, offsets, 0.3, np.random.default_rng(0))
    assert abs(len(kept) / len(ids) - 0.7) < 0.005  # 0.0014 is one standard deviation
    pairs = bags.word_dropout(np.arange(20_000) % 2, np.arange(0, 20_000, 2), 0.999, np.random.default_rng(0))[0]
    assert abs(pairs.mean() - 0.5) < 0.02
    for rate in (1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match="word dropout rate"):
            bags.word_dropout(ids, offsets, rate, np.random.default_rng(0))


KEYS = st.lists(st.integers(-3, 9) | st.sampled_from([2**40, 2**62]), max_size=20)


@given(KEYS, st.sampled_from([np.int32, np.int64]))
def test_numbered_numbers_keys_as_unique_does(keys, dtype):
    """Small keys, and such that do not fit beside their place in one integer."""
    keys = np.array([key for key in keys if key < 2**31 or dtype == np.int64], dtype)
    listed, numbers = bags.numbered(keys)
    assert listed.tolist() == sorted({key for key in keys.tolist() if key >= 0})
    assert numbers.tolist() == [listed.tolist().index(key) if key >= 0 else -1 for key in keys.tolist()]


def test_no_buckets_and_no_batches_are_refused():
    for buckets in (0, -1):
        with pytest.raises(ValueError, match=f"buckets is {buckets}: use 1 or more"):
            bags.add_bigrams(np.arange(4), np.array([0]), buckets, 4)
        with pytest.raises(ValueError, match=f"the size of a batch is {buckets}: use 1 or more"):
            next(bags.shuffled(4, buckets))


@given(RAGGED)
def test_bigrams_follow_their_bag(lists):
    buckets, first = 1000, 51
    hashed = {}
    after = to_lists(*bags.add_bigrams(*bags.from_lists(lists), buckets, first))
    for row, out in zip(lists, after, strict=True):
        assert out[: len(row)] == row and len(out) == len(row) + max(len(row) - 1, 0)
        for pair, bucket in zip(pairwise(row), out[len(row) :], strict=True):
            assert first <= bucket < first + buckets
            assert hashed.setdefault(pair, bucket) == bucket  # a function of the pair alone


def test_bigram_buckets_are_spread():
    a, b = np.divmod(np.arange(90_000), 300)  # every pair of 300 frequent words
    ids = np.stack([a, b], 1).ravel().astype(np.int32)
    out, _ = bags.add_bigrams(ids, np.arange(0, 180_000, 2), 1000, 0)
    load = np.bincount(out.reshape(-1, 3)[:, 2], minlength=1000)
    assert load.min() > 50 and load.max() < 140  # 90 expected, 9.5 is one standard deviation
    assert out.dtype == np.int32

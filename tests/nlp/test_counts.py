"""N-grams by counting: distributions, equal to a slow reference, and readers that learn."""

import itertools
import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_nlp.nlp.counts import AdaptiveNGrams, NGrams

TEXTS = st.lists(st.integers(0, 3), min_size=6, max_size=60)


def slow_kneser_ney(ids, size, order, modified, text):
    """ln p of each id of a text, straight from the definition, with dictionaries."""
    tables = []
    for k in range(1, order + 1):
        grams = [tuple(ids[i : i + k]) for i in range(len(ids) - k + 1)]
        if k == order:
            tables.append(Counter(grams))
        else:
            longer = {tuple(ids[i : i + k + 1]) for i in range(len(ids) - k)}
            tables.append(Counter(gram[1:] for gram in longer))
    p = np.full(len(text), 1 / size)
    for k, table in enumerate(tables, 1):
        n = [0, *(sum(count == i for count in table.values()) for i in (1, 2, 3, 4))]
        share = n[1] / (n[1] + 2 * n[2]) if n[1] else 0
        discount = dict.fromkeys((1, 2, 3), 0.75)
        if all(n[1:]):
            discount = dict.fromkeys((1, 2, 3), share)
            if modified:
                discount = {c: min(max(c - (c + 1) * share * n[c + 1] / n[c], 0), c) for c in (1, 2, 3)}
        follow = defaultdict(dict)
        for gram, count in table.items():
            follow[gram[:-1]][gram[-1]] = count
        for t in range(len(text)):
            known = follow.get(tuple(text[t - k + 1 : t])) if t >= k - 1 else None
            if known:
                total = sum(known.values())
                left = sum(discount[min(c, 3)] for c in known.values()) / total
                c = known.get(text[t], 0)
                p[t] = (c - discount[min(c, 3)] if c else 0) / total + left * p[t]
    return np.log(p)


@given(TEXTS, TEXTS, st.integers(1, 5), st.booleans())
def test_ngrams_are_those_of_the_definition(ids, text, order, modified):
    model = NGrams(np.array(ids), 4, order, modified)
    expected = slow_kneser_ney(ids, 4, order, modified, text)
    np.testing.assert_allclose(model.log_probabilities(np.array(text)), expected, rtol=1e-9, atol=1e-9)


@given(TEXTS, st.lists(st.integers(0, 4), max_size=4), st.booleans())
def test_they_are_a_distribution_after_any_context_even_one_with_an_id_never_seen(ids, context, modified):
    model = NGrams(np.array(ids), 5, 3, modified)
    p = [math.exp(model.log_probabilities(np.array([*context, w]))[-1]) for w in range(5)]
    assert sum(p) == pytest.approx(1) and min(p) > 0


def test_ids_that_are_only_context_are_never_predicted_from_counts():
    ids = np.array([0, 1, 2, 0, 1, 3, 0, 2, 2])  # 0 starts a sentence
    model = NGrams(ids, 4, 2, predicted=ids != 0)
    p = np.exp([model.log_probabilities(np.array([1, w]))[-1] for w in range(4)])
    assert p.sum() == pytest.approx(1) and p[0] == min(p)


def test_an_order_that_means_nothing_is_refused():
    for order in (0, 4):
        with pytest.raises(ValueError, match="order from 1"):
            NGrams(np.array([0, 1, 0]), 2, order)


@given(TEXTS, st.integers(1, 4))
def test_a_reader_that_learns_predicts_a_distribution_and_goes_on_where_it_stopped(ids, order):
    p = []
    for w in range(4):
        model = AdaptiveNGrams(4, order, ids=ids)
        p.append(math.exp(model.read([w])[0]))
    assert sum(p) == pytest.approx(1)
    whole, parts = AdaptiveNGrams(4, order), AdaptiveNGrams(4, order)
    cut = len(ids) // 2
    assert whole.read(ids).tolist() == [*parts.read(ids[:cut]), *parts.read(ids[cut:])]


def test_it_learns():
    ids = list(itertools.islice(itertools.cycle([0, 1, 2]), 300))
    first, *_, last = np.split(AdaptiveNGrams(3).read(ids), 10)
    assert first.mean() < last.mean() and last.mean() > -0.05

"""N-grams by counting: distributions, equal to a slow reference, and readers that learn."""

import itertools
import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_nlp.nlp.counts import AdaptiveNGrams, CountBigram, NGrams, best_weights

# --- Bigrams ----------------------------------------------------------------------------------------------------------

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=40)


def slow_bigram(pairs, a, b, size):
    """The probability of b after a by each method, straight from its formula, with lists."""
    after = [y for x, y in pairs if x == a]
    c, n, unigram = after.count(b), len(after), sum(y == b for _, y in pairs)
    predecessors, kinds = len({x for x, y in pairs if y == b}), len(set(pairs))
    q = (1 + predecessors) / (size + kinds)
    add_one = (unigram + 1) / (len(pairs) + size)
    return {
        "add": (c + 0.3) / (n + 0.3 * size),
        "dirichlet": (c + 7 * add_one) / (n + 7),
        "interpolated": 0.6 * c / max(n, 1) + 0.3 * unigram / max(len(pairs), 1) + 0.1 / size,
        "kneser_ney": (max(c - 0.75, 0) + 0.75 * len(set(after)) * q) / n if n else q,
        "unigram": add_one,
    }


@given(PAIRS)
def test_smoothed_bigrams_are_those_of_the_formulas(pairs):
    """In Kneser-Ney the second choice is by the number of different predecessors, not by how often a word is there."""
    model, every = CountBigram(np.array(pairs, int).reshape(-1, 2), 5), list(itertools.product(range(5), range(5)))
    found = {
        "add": model.add(np.array(every), 0.3),
        "dirichlet": model.dirichlet(np.array(every), 7),
        "interpolated": model.interpolated(np.array(every), (0.6, 0.3)),
        "kneser_ney": model.kneser_ney(np.array(every)),
        "unigram": model.unigram(np.array(every)),
    }
    for i, (a, b) in enumerate(every):
        for method, p in slow_bigram(pairs, a, b, 5).items():
            assert np.exp(found[method][i]) == pytest.approx(p, rel=1e-12), method


def test_what_is_not_said_is_as_in_the_docstrings():
    model, row = CountBigram(np.array([[0, 1], [0, 1], [1, 2], [2, 0]]), 4), np.array([[0, 1], [0, 3], [3, 2]])
    for method, usual in [("add", 0.01), ("dirichlet", 50.0), ("interpolated", (0.7, 0.2)), ("kneser_ney", 0.75)]:
        np.testing.assert_array_equal(getattr(model, method)(row), getattr(model, method)(row, usual))


@given(PAIRS.filter(len).map(np.array), st.floats(0.01, 2))
def test_every_count_model_is_a_distribution(pairs, weight):
    model = CountBigram(pairs, 5)
    for a in range(5):
        row = np.stack([np.full(5, a), np.arange(5)], axis=1)
        smoothed = [
            model.add(row, weight),
            model.dirichlet(row, weight),
            model.unigram(row),
            model.kneser_ney(row, min(weight, 0.9)),
        ]
        if a in pairs[:, 0]:  # a word never seen leaves the bigram's share of an interpolation unused
            smoothed.append(model.interpolated(row, (0.5, 0.3)))
        for log_probabilities in smoothed:
            assert np.exp(log_probabilities).sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([[0, 1], [5, 2]], r"id 5 of pair 1 is outside 0 to 4"),
        ([[0, 1], [2, 3], [2, -1]], r"id -1 of pair 2 is outside 0 to 4"),
        ([0, 1], r"\(N, 2\), these are int64 \(2,\)"),
        ([[0.0, 1.0]], "these are float64"),
    ],
)
def test_ids_outside_the_vocabulary_are_not_counted(pairs, message):
    """(0, 7) of five ids would count as (1, 2), and −1 would be the last id."""
    model = CountBigram(np.array([[0, 1], [1, 4]]), 5)
    calls = [lambda p: CountBigram(p, 5), model.add, model.dirichlet, model.interpolated]
    for call in (*calls, model.kneser_ney, model.unigram):
        with pytest.raises(ValueError, match=message):
            call(np.array(pairs))


def test_no_pairs_are_a_uniform_distribution():
    model, row = CountBigram(np.empty((0, 2), int), 4), np.array([[1, 2]])
    for log_probability in (model.add(row), model.dirichlet(row), model.kneser_ney(row), model.unigram(row)):
        assert np.exp(log_probability) == pytest.approx(1 / 4)
    assert np.isfinite(model.interpolated(row)).all()


def test_best_weights_follow_the_data():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 6, size=(4_000, 2))
    copies = np.repeat(noise[:, :1], 2, axis=1)
    assert best_weights(copies[:3_000], copies[3_000:], 6)[0] > 0.9
    assert best_weights(noise[:3_000], noise[3_000:], 6)[0] < 0.2


# --- N-grams of any order ---------------------------------------------------------------------------------------------

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
                discount = {c: max(c - (c + 1) * share * n[c + 1] / n[c], 0) for c in (1, 2, 3)}
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


@pytest.mark.parametrize("modified", [True, False])
def test_a_long_text_has_the_discounts_that_its_own_grams_ask_for(modified):
    """Short ones have too few grams to estimate them from."""
    rng = np.random.default_rng(0)
    ids, text = (np.minimum(rng.zipf(1.6, n) - 1, 11) for n in (500, 60))
    model = NGrams(ids, 12, 3, modified)
    expected = slow_kneser_ney(ids.tolist(), 12, 3, modified, text.tolist())
    np.testing.assert_allclose(model.log_probabilities(text), expected, rtol=1e-9)


@given(TEXTS, st.lists(st.integers(0, 5), max_size=9), st.integers(1, 5), st.booleans())
def test_a_distribution_has_what_each_id_gets(ids, text, order, modified):
    """Ids that the n-grams have never seen among the context too."""
    model, text = NGrams(np.array(ids), 6, order, modified), np.array(text, int)
    p = model.probabilities(text)
    assert p.shape == (len(text), 6)
    np.testing.assert_allclose(p.sum(1), 1)
    np.testing.assert_allclose(np.log(p[np.arange(len(text)), text]), model.log_probabilities(text))


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


@given(TEXTS, st.integers(1, 5), st.floats(0.1, 0.9))
def test_a_reader_is_that_of_the_formula(ids, order, d):
    """Counted up are the orders from the longest down to the first that knew the id already."""
    counts, expected = defaultdict(Counter), []
    for t, w in enumerate(ids):
        contexts, p = [tuple(ids[t - k : t]) for k in range(min(order, t + 1))], 1 / 5
        for h in contexts:
            if counts[h]:
                p = (max(counts[h][w] - d, 0) + d * len(counts[h]) * p) / sum(counts[h].values())
        expected.append(math.log(p))
        for h in contexts[::-1]:
            counts[h][w] += 1
            if counts[h][w] > 1:
                break
    np.testing.assert_allclose(AdaptiveNGrams(5, order, d).read(ids), expected, rtol=1e-12)


def test_it_learns():
    ids = list(itertools.islice(itertools.cycle([0, 1, 2]), 300))
    first, *_, last = np.split(AdaptiveNGrams(3).read(ids), 10)
    assert first.mean() < last.mean() and last.mean() > -0.05

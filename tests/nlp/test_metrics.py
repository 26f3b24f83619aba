"""Perplexity is the same for any batching and any base; intervals cover what they should."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tinygrad_nlp.nlp import metrics
from tinygrad_nlp.nlp.metrics import Perplexity

PROBABILITIES = arrays(float, st.integers(1, 40), elements=st.floats(1e-6, 1))


@given(PROBABILITIES, st.data())
def test_any_batching_gives_the_same_figure(p, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(p)), max_size=5)))
    parts = [Perplexity().add_log_probabilities(np.log(part)) for part in np.split(p, cuts)]
    whole = Perplexity().add(-np.log(p).sum(), len(p))
    assert sum(parts, Perplexity()).value == pytest.approx(whole.value, rel=1e-12)
    assert whole.value == pytest.approx(np.prod(p ** (-1 / len(p))), rel=1e-9)  # the definition: a geometric mean


@given(PROBABILITIES, st.floats(1.1, 50))
def test_perplexity_is_the_same_in_every_base(p, base):
    natural = Perplexity().add_log_probabilities(np.log(p))
    other = Perplexity().add_log_probabilities(np.log(p) / math.log(base), base)
    assert other.value == pytest.approx(natural.value, rel=1e-9)
    assert natural.to_base(base) == pytest.approx(natural.value, rel=1e-9)
    assert 2**natural.bits == pytest.approx(natural.value, rel=1e-9)


def test_uniform_model_has_perplexity_of_its_size():
    assert Perplexity().add_log_probabilities(np.full((3, 4), -math.log(2000))).value == pytest.approx(2000)
    assert Perplexity(nats=1e6, tokens=1).value == math.inf
    with pytest.raises(ValueError, match="no tokens"):
        _ = Perplexity().value


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Perplexity().add_log_probabilities(np.array([0.5, 0.25])), "0.5 at (0,) is not the logarithm"),
        (lambda: Perplexity().add_log_probabilities(np.array([[-1.0, 0.3]])), "0.3 at (0, 1) is not the logarithm"),
        (lambda: Perplexity().add_log_probabilities(np.array([-1.0, np.nan])), "nan at (1,) is not the logarithm"),
        (lambda: Perplexity().add_log_probabilities(np.log2([0.5]), base=0.5), "to base 0.5 of a probability"),
        (lambda: Perplexity().add_log_probabilities(np.log([0.5]), base=1), "1 is no base of logarithms"),
        (lambda: Perplexity().add_log_probabilities(np.log([0.5]), base=-2), "-2 is no base of logarithms"),
        (lambda: Perplexity().add_log_probabilities(np.log([0.5]), base=math.nan), "nan is no base of logarithms"),
        (lambda: Perplexity().add(10.0, 5).to_base(1), "1 is no base of logarithms"),
        (lambda: Perplexity().add(10.0, 5).to_base(0), "0 is no base of logarithms"),
        (lambda: Perplexity().add(math.nan, 5), "nan nats for 5 tokens"),
        (lambda: Perplexity().add(-1.0, 5), "-1.0 nats for 5 tokens"),
        (lambda: Perplexity().add(3.0, -1), "-1 tokens: count them"),
        (lambda: Perplexity().add(3.0, 1.5), "1.5 tokens: count them"),
        (lambda: Perplexity(math.nan, 2), "nan nats for 2 tokens"),
        (lambda: Perplexity(1.0, -2), "-2 tokens: count them"),
        (lambda: Perplexity(1.0, 2).bits_per_character(0), "bits per character of 0 characters"),
        (lambda: metrics.word_bits(Perplexity(), "text", 0), "0 unknown words of 0 tokens"),
        (lambda: metrics.word_bits(Perplexity(1.0, 2), "text", 3), "3 unknown words of 2 tokens"),
        (lambda: metrics.word_bits(Perplexity(1.0, 2), "", 1), "bits per character of 0 characters"),
        (lambda: metrics.interval(np.array([1.0, math.nan]), np.random.default_rng(0)), "finite numbers, got nan"),
    ],
)
def test_what_is_no_cost_of_a_text_is_refused(call, message):
    """Each of these gave a figure, such as a perplexity of 0.69 for probabilities taken for their logarithms."""
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_a_refused_batch_is_not_counted():
    figure = Perplexity().add(10.0, 5)
    for nats, tokens in ((math.nan, 3), (1.0, -3)):
        with pytest.raises(ValueError, match="tokens"):
            figure.add(nats, tokens)
    assert (figure.nats, figure.tokens) == (10.0, 5)


def test_rounding_and_impossible_tokens_are_figures():
    certain = np.float32([1e-7, 0.0, -1e-7])  # log_softmax in float32 of a model that is sure
    assert Perplexity().add_log_probabilities(certain).value == pytest.approx(1)
    assert Perplexity().add_log_probabilities(np.float32([1e-7])).nats == 0
    assert Perplexity().add_log_probabilities(np.array([-np.inf, -1.0])).value == math.inf
    assert Perplexity().add_log_probabilities(np.log([0.5, 0.25]) / math.log(0.5), base=0.5).value == pytest.approx(
        8**0.5
    )
    assert Perplexity().add(np.float32(3.0), np.float64(2.0)).mean == 1.5


def test_sums_in_double_precision():
    single = np.full(10**6, -0.1, dtype=np.float32)
    assert Perplexity().add_log_probabilities(single).mean == pytest.approx(0.1, rel=1e-7)


def test_words_in_bits_per_character():
    figure = Perplexity(nats=5 * math.log(16), tokens=5)  # 20 bits
    assert metrics.word_bits(figure, "ten chars.", unknown=2) == pytest.approx((2.0, 0.4))


def test_accuracy():
    assert metrics.accuracy(np.array([0, 1, 1, 1]), np.array([0, 1, 0, 1])) == 0.75
    for bad in ((np.zeros(2), np.zeros(3)), (np.zeros(0), np.zeros(0))):
        with pytest.raises(ValueError, match="same shape"):
            metrics.accuracy(*bad)


def test_interval_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = [metrics.interval(rng.normal(3, 1, size=40), rng, confidence=0.8) for _ in range(150)]
    covered = sum(interval.low <= 3 <= interval.high for interval in found)
    assert 100 <= covered <= 138  # 120 expected, 4.9 is one standard deviation; a percentile interval is a little short
    assert all(interval.low <= interval.mean <= interval.high for interval in found)


def test_an_interval_covers_95_percent_unless_something_else_is_asked():
    """For 400 draws of a normal distribution it is near mean ± 1.96 s / √400, and 80 % is near ± 1.28 s / √400."""
    sample, s = np.random.default_rng(3).normal(2, 5, size=400), 5
    for options, z in (({}, 1.96), ({"confidence": 0.8}, 1.28), ({"confidence": 0.99}, 2.58)):
        mean, low, high = metrics.interval(sample, np.random.default_rng(0), **options)
        assert mean == sample.mean()
        assert mean - low == pytest.approx(z * s / 20, rel=0.15) and high - mean == pytest.approx(z * s / 20, rel=0.15)
        other = metrics.paired_difference(sample + 1, np.ones(400), np.random.default_rng(0), **options)
        assert other == pytest.approx((mean, low, high))


def test_interval_of_equal_values_and_of_too_few():
    assert metrics.interval(np.full(3, 0.5), np.random.default_rng(0)) == (0.5, 0.5, 0.5)
    for bad in ([], [1.0], [[1.0, 2.0]]):
        with pytest.raises(ValueError, match="two or more"):
            metrics.interval(np.array(bad), np.random.default_rng(0))


def test_pairing_removes_what_both_share():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 10, size=30)  # how hard each review is, for both models
    a, b = hard + 1 + rng.normal(0, 0.1, 30), hard + rng.normal(0, 0.1, 30)
    difference = metrics.paired_difference(a, b, rng)
    assert 0.9 < difference.low < difference.mean < difference.high < 1.1
    assert metrics.interval(a, rng).low < metrics.interval(b, rng).high  # unpaired, nothing is to be seen
    with pytest.raises(ValueError, match="same shape"):
        metrics.paired_difference(a, b[:-1], rng)


def test_students_interval_covers_the_mean_of_three_values_as_often_as_it_says():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(400):
        _, low, high = metrics.t_interval(rng.normal(5, 2, 3))
        covered += low <= 5 <= high
    assert 0.92 < covered / 400 < 0.98
    with pytest.raises(ValueError, match="two or more"):
        metrics.t_interval(np.array([1.0]))


def test_p_values_are_uniform_where_there_is_nothing():
    rng = np.random.default_rng(0)
    found = [metrics.p_value(rng.normal(0, 1, 4)) for _ in range(400)]
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.09
    assert metrics.p_value(np.array([3.0])) == 1 and metrics.p_value(np.array([2.0, 2.0])) == 0


def test_holm_refuses_the_smallest_first_and_stops_at_the_first_that_is_too_large():
    assert metrics.holm({"a": 0.012, "b": 0.02, "c": 0.9, "d": 0.04}) == {"a": True, "b": False, "c": False, "d": False}
    assert metrics.holm({"a": 0.01, "b": 0.015}) == {"a": True, "b": True}

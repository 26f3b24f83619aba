"""Sampling: exact distributions after temperature, top-k and top-p, draws that follow them, the loop over a model."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from tinygrad_nlp import nn
from tinygrad_nlp.nlp.generate import distribution, generate, sample
from tinygrad_nlp.nlp.models import CharRNN

LOGITS = np.log([0.1, 0.4, 0.2, 0.3])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.1, 0.4, 0.2, 0.3]),
        ({"temperature": 0.5}, np.array([0.01, 0.16, 0.04, 0.09]) / 0.3),
        ({"temperature": 0}, [0, 1, 0, 0]),
        ({"temperature": 1e-300}, [0, 1, 0, 0]),
        ({"temperature": 1e300}, [0.25] * 4),
        ({"top_k": 1}, [0, 1, 0, 0]),
        ({"top_k": 2}, [0, 4 / 7, 0, 3 / 7]),
        ({"top_k": 99}, [0.1, 0.4, 0.2, 0.3]),
        ({"top_p": 0.69}, [0, 4 / 7, 0, 3 / 7]),  # 0.4 + 0.3 are just enough
        ({"top_p": 0.71}, [0, 4 / 9, 2 / 9, 3 / 9]),
        ({"top_p": 1e-9}, [0, 1, 0, 0]),
        ({"top_k": 3, "top_p": 0.77}, [0, 4 / 7, 0, 3 / 7]),  # of the three that are left 7/9 is enough
        ({"top_k": 3, "top_p": 0.78}, [0, 4 / 9, 2 / 9, 3 / 9]),
        ({"temperature": 0, "top_k": 3, "top_p": 0.9}, [0, 1, 0, 0]),
    ],
)
def test_distribution(options: dict[str, Any], expected: Any) -> None:
    p = distribution(LOGITS.astype(np.float32), **options)
    assert p.dtype == np.float64 and p.sum() == pytest.approx(1, abs=1e-15)
    np.testing.assert_allclose(p, expected, rtol=1e-6)
    assert set(np.flatnonzero(p == 0)) == {i for i, x in enumerate(expected) if x == 0}


def test_ties_go_to_the_lower_id_and_logits_may_be_huge_or_impossible() -> None:
    np.testing.assert_array_equal(np.flatnonzero(distribution(np.tile([0.0, 1], 500), top_k=4)), [1, 3, 5, 7])
    np.testing.assert_array_equal(distribution(np.zeros(64), top_p=0.5), np.repeat([1 / 32, 0], 32))
    np.testing.assert_array_equal(distribution(np.zeros(3), temperature=0), [1, 0, 0])
    np.testing.assert_array_equal(distribution(np.array([1e4, -1e4, 1e4])), [0.5, 0, 0.5])
    np.testing.assert_array_equal(distribution(np.array([-np.inf, 2.0])), [0, 1])
    np.testing.assert_array_equal(distribution(np.array([3.0])), [1])


def test_samples_follow_the_distribution() -> None:
    rng, n = np.random.default_rng(0), 1500
    for options in ({}, {"temperature": 2.0}, {"top_k": 3}, {"top_p": 0.8}):
        p = distribution(LOGITS, **options)
        counts = np.bincount([sample(LOGITS, rng=rng, **options) for _ in range(n)], minlength=4)
        assert not counts[p == 0].any()
        assert chisquare(counts[p > 0], n * p[p > 0]).pvalue > 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -0.1}, r"temperature is -0.1: use 0"),
        ({"temperature": np.nan}, "temperature is nan"),
        ({"temperature": np.inf}, "temperature is inf"),
        ({"top_k": 0}, "top_k is 0: use 1 or more"),
        ({"top_p": 0}, "top_p is 0: use more than 0"),
        ({"top_p": 1.1}, "top_p is 1.1"),
    ],
)
def test_options_out_of_range_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(ValueError, match=message):
        sample(LOGITS, rng=rng, **options)
    with pytest.raises(ValueError, match=message):
        generate(CharRNN(4, 3, 3, rng=rng), [0], rng=rng, **options)


@pytest.mark.parametrize("logits", [np.zeros((1, 3)), np.zeros(0), [np.nan, 1], [np.inf, 1], [-np.inf, -np.inf]])
def test_logits_that_are_no_distribution(logits: Any) -> None:
    with pytest.raises(ValueError, match="cannot sample from logits of shape"):
        distribution(logits)


@pytest.mark.parametrize("prompt", [[], [[1, 2]], 3])
def test_a_prompt_is_a_row_of_ids(prompt: Any) -> None:
    rng = np.random.default_rng(2)
    with pytest.raises(ValueError, match="the prompt has shape"):
        generate(CharRNN(4, 3, 3, rng=rng), prompt, rng=rng)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_generate_is_reading_everything_again_at_each_step(cell: str) -> None:
    model, ids = CharRNN(6, 4, 5, cell, dropout=0.5, rng=np.random.default_rng(3)), [2, 0, 5]
    got = list(itertools.islice(generate(model, ids, rng=np.random.default_rng(4), temperature=0.8, top_k=4), 12))
    rng, twin = np.random.default_rng(4), nn.frozen(model)
    for i in got:
        logits, _ = twin(np.array(ids)[:, None])
        assert i == sample(logits[-1, 0], rng=rng, temperature=0.8, top_k=4)
        ids.append(i)


def test_likeliest_and_streaming() -> None:
    fed: list[Any] = []

    def count_on(ids: Any, state: Any) -> Any:
        """The next number modulo 5."""
        fed.append((ids.shape, state))
        return 9.0 * np.eye(5)[(ids + 1) % 5], len(fed)

    stream = generate(count_on, np.array([1, 2]), rng=np.random.default_rng(5), temperature=0)
    assert fed == []
    assert [next(stream) for _ in range(4)] == [3, 4, 0, 1]
    assert fed == [((2, 1), None), ((1, 1), 1), ((1, 1), 2), ((1, 1), 3)]  # a character is drawn when it is asked for

"""Right gradients are accepted: of functions that are flat, steep or saturated, at kinks and ties, 0-d and empty."""

import numpy as np
import pytest
import scipy.special as special

import tinygrad_nlp as tg
from tests.checking.subjects import diagnoses, x34
from tinygrad_nlp.checking.check import gradcheck
from tinygrad_nlp.engine import Tensor


def normal(*shape, scale=1.0):
    return lambda rng: rng.normal(size=shape) * scale


def with_zeros(*shape):
    return lambda rng: rng.normal(size=shape) * (rng.random(shape) < 0.6)


def tied(*shape):
    return lambda rng: rng.integers(0, 3, shape).astype(float)


def uniform(low, high, *shape):
    return lambda rng: rng.uniform(low, high, shape)


RIGHT = {
    "relu with zeros": (tg.relu, with_zeros(4, 5)),
    "leaky relu with zeros": (lambda x: np.maximum(x, 0) - 0.9 * np.maximum(-x, 0), with_zeros(4, 5)),
    "abs with zeros": (np.abs, with_zeros(3, 4)),
    "relu next to 0": (tg.relu, lambda rng: rng.choice([-1, 1], 6) * 10.0 ** rng.uniform(-12, 0, 6)),
    "two relu layers": (lambda x, W, V: tg.relu(tg.relu(x @ W) @ V), with_zeros(3, 4), normal(4, 5), normal(5, 2)),
    "saturated sigmoid": (tg.sigmoid, normal(3, 4, scale=40)),
    "sigmoid below rounding": (tg.sigmoid, uniform(-60, -37, 4)),
    "saturated expit": (special.expit, normal(3, 4, scale=100)),
    "saturated tanh": (np.tanh, normal(3, 4, scale=20)),
    "softmax": (tg.softmax, normal(3, 5)),
    "saturated softmax": (tg.softmax, normal(3, 5, scale=300)),
    "log_softmax": (tg.log_softmax, normal(3, 5, scale=50)),
    "logsumexp": (tg.logsumexp, normal(2, 4, scale=1000)),
    "exp of large numbers": (np.exp, uniform(-80, 80, 3, 4)),
    "log of small numbers": (np.log, uniform(1e-9, 1e-3, 5)),
    "tied max": (lambda x: np.max(x, axis=-1), tied(4, 5)),
    "tied maximum": (np.maximum, tied(3, 5), tied(3, 5)),
    "clip": (lambda x: np.clip(x, 1, 2), tied(4, 5)),
    "0-d": (lambda x, y: x * np.sin(y), normal(), normal()),
    "0-d and 1-d": (lambda x, y: x * np.sin(y), normal(), normal(3)),
    "empty": (lambda x, y: x @ y, normal(0, 3), normal(3, 2)),
    "empty sum": (lambda x: np.sum(np.exp(x), axis=0), normal(0, 3)),
    "a constant": (lambda x: np.sum(x * 0) + 1.0, normal(3)),
    "a loss": (lambda x: tg.softmax_cross_entropy(x, np.array([1, 0, 2])), normal(3, 4, scale=10)),
    "a lookup": (lambda t: tg.embedding(t, np.array([1, 1, 0])), normal(4, 2)),
    "rnn": (tg.rnn, normal(3, 2, 3), normal(2, 3), normal(3, 3)),
    "lstm": (tg.lstm, normal(2, 2, 8), normal(2, 2), normal(2, 2), normal(2, 8)),
    "norm": (np.linalg.norm, normal(5)),
    "sort": (np.sort, normal(3, 5)),
    "inverse": (lambda x: np.linalg.inv(x + 4 * np.eye(3)), normal(3, 3)),
    "large": (lambda x, W: np.tanh(x @ W), normal(10, 30), normal(30, 8)),
    "large with kinks": (lambda x: np.sum(tg.relu(x)), with_zeros(10, 30)),
    "several outputs": (lambda x: {"a": np.tanh(x), "b": [np.sum(x)]}, normal(2, 3)),
}


@pytest.mark.parametrize("case", RIGHT.values(), ids=RIGHT)
def test_no_false_alarm(case):
    f, *makers = case
    for seed in range(13):
        args = [np.asarray(make(np.random.default_rng([seed, k]))) for k, make in enumerate(makers)]
        for dtype in (np.float64, np.float32):
            report = gradcheck(f, *[a.astype(dtype) for a in args], seed=seed)
            assert report, report
    second = gradcheck(f, *args, order=2)
    assert second, second


def test_no_false_alarm_for_a_row_sparse_gradient():
    table = np.random.default_rng(0).normal(size=(4000, 20))
    assert type(next(iter(tg.gradients(tg.embedding(Tensor(table), np.array([1])).sum()).values()))) is tg.RowSparse
    assert gradcheck(lambda t: np.sin(tg.embedding(t, np.array([1, 1, 0]))), table, order=2)


def test_float32_that_cannot_be_float64_and_float32_that_loses_digits():
    def insists(x):
        if x.dtype != np.float32:
            raise TypeError("float32 only")
        return np.tanh(x)

    x = x34.astype(np.float32)
    assert gradcheck(insists, x, gradient=lambda g, x: g * (1 - np.tanh(x) ** 2))
    assert not gradcheck(insists, x, gradient=lambda g, x: g * (1.02 - np.tanh(x) ** 2))
    report = gradcheck(np.tanh, x, gradient=lambda g, x: g * (1 - np.tanh(x) ** 2) * (1 + (x.dtype == np.float32)))
    assert not report and "right in float64, not in float32" in diagnoses(report)

"""Rows of the table against scipy.differentiate, an oracle from outside: adaptive finite differences of high order that
say how sure they are of themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.differentiate import derivative, hessian, jacobian

import tinygrad_nlp
from tests.battery.checks import dense
from tests.battery.drawing import SEEDS, Case, title
from tests.battery.every_case import CASES
from tinygrad_nlp import Tensor, gradients, logsumexp, softmax_cross_entropy

MOST = 12  # numbers in an argument: each costs a few dozen calls
UNARY = [case for case in CASES if isinstance(case.row, np.ufunc) and case.row.nin == 1 and case.smooth]
SMOOTH = [case for case in CASES if case.smooth]
TOLERANCES = {"atol": 1e-8, "rtol": 1e-7}
STEP: dict[str, Any] = {"initial_step": 0.02, "tolerances": TOLERANCES}  # a small one: the domains of cases end nearby


def agrees(ours: Any, found: Any, value: Any) -> int:
    """How many numbers were compared: those where the oracle is sure of itself."""
    sure = found.success & np.isfinite(found.df)
    bound = 1e-6 * (1 + np.abs(found.df)) + 10 * found.error + 1e-7 * np.max(np.abs(value), initial=0)
    wrong = sure & ~(np.abs(ours - found.df) <= bound)
    assert not wrong.any(), f"{ours[wrong]} against {found.df[wrong]} ± {found.error[wrong]}"
    return int(sure.sum())


@pytest.mark.parametrize("case", UNARY, ids=title)
@settings(max_examples=5)
@given(SEEDS)
def test_functions_of_one_number(case: Case, seed: int) -> None:
    """y' at every entry, for any shape: 0-d, empty, views."""
    call = case.call(seed)
    (x,) = call.xs
    found = derivative(lambda x: np.asarray(call.on([x])), np.array(x), **STEP)
    t = Tensor(x)
    y = call.on([t])
    (ours,) = gradients(y, [t], np.ones(y.shape))
    assert ours.shape == np.shape(found.df) == x.shape
    assert agrees(ours, found, y.data) >= 0.9 * x.size


@pytest.mark.parametrize("case", SMOOTH, ids=title)
@settings(max_examples=2)
@given(SEEDS)
def test_jacobians(case: Case, seed: int) -> None:
    """Every entry of ∂y/∂x for one argument of each row: a unit upstream gradient at a time."""
    call = case.call(seed)
    k = seed % len(call.xs)
    x = np.array(call.xs[k])
    y = np.asarray(call.on(call.xs))
    if not 0 < x.size <= MOST or y.size == 0 or y.dtype.kind != "f":
        return

    def at(values: np.ndarray) -> np.ndarray:
        """y as a vector (n,) for each of the points (m, …) that the oracle asks for."""
        points = values.reshape(x.size, -1).T
        made = [np.ravel(call.on([*call.xs[:k], p.reshape(x.shape), *call.xs[k + 1 :]])) for p in points]
        return np.stack(made, -1).reshape(y.size, *values.shape[1:])

    found = jacobian(at, np.ravel(x), **STEP)
    ts = [Tensor(a) for a in call.xs]
    result = call.on(ts)
    ours = []
    for i in range(min(y.size, MOST)):
        g = np.zeros(y.size)
        g[i] = 1
        ours.append(np.ravel(dense(gradients(result, [ts[k]], g.reshape(y.shape))[0])))
    found.df, found.error, found.success = found.df[:MOST], found.error[:MOST], found.success[:MOST]
    assert agrees(np.stack(ours), found, y) >= 0.9 * found.df.size


def test_the_oracle_is_sure_of_itself_and_sees_a_mistake() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    found = derivative(np.tanh, x)
    y = np.tanh(x)
    assert agrees(1 - y * y, found, y) == 12
    with pytest.raises(AssertionError, match="against"):
        agrees((1 - y * y) * (1 + 1e-4), found, y)


SCALARS = {
    "logsumexp": lambda x: logsumexp(x),
    "cross entropy": lambda x: softmax_cross_entropy(x, np.array(2)),
    "a quotient": lambda x: np.prod(x) / (1 + np.sum(x * x)),
    "a norm": lambda x: np.linalg.norm(x) * np.sin(x[0]),
    "log det": lambda x: np.linalg.slogdet(np.outer(x, x) + np.eye(4))[1],
}


@pytest.mark.parametrize("name", SCALARS)
@settings(max_examples=3)
@given(SEEDS)
def test_hessians(name: str, seed: int) -> None:
    f, x = SCALARS[name], np.random.default_rng(seed).uniform(0.3, 1.5, 4)

    def at(values: np.ndarray) -> np.ndarray:
        points = values.reshape(4, -1).T
        return np.array([f(p) for p in points]).reshape(values.shape[1:])

    found = hessian(at, x, initial_step=0.1)
    np.testing.assert_allclose(tinygrad_nlp.hessian(f)(x), found.ddf, rtol=1e-5, atol=1e-6)

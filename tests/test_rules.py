"""Rules where a random point does not look: kinks and ties exactly, large arguments, and an outside implementation."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import scipy.special as special
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.battery.checks import dense
from tests.battery.drawing import SEEDS, Case
from tests.battery.every_case import CASES
from tinygrad_nlp import Tensor, gradients, log_softmax, logsumexp, relu, sigmoid, softmax
from tinygrad_nlp.calculus.listing import full_name
from tinygrad_nlp.rules import KINKS


@pytest.mark.parametrize("kink", KINKS, ids=[f"{full_name(fn)}{args}" for fn, args, _ in KINKS])
def test_kinks(kink: Any) -> None:
    """The conventions of rules.KINKS, to the last bit, in both precisions and whatever g is."""
    fn, args, expected = kink
    for dtype in (np.float64, np.float32):
        tensors = [Tensor(np.array(a, dtype)) for a in args]
        for g in (1.0, -3.0):
            found = gradients(fn(*tensors), tensors, np.array(g))
            for d, e in zip(found, expected, strict=True):
                assert np.array_equal(d, np.array(e, dtype) * dtype(g)), (
                    f"{full_name(fn)}{args}: {d}, not {e} times {g}"
                )
    for kinked in (
        np.absolute,
        np.fabs,
        np.maximum,
        np.minimum,
        np.fmax,
        np.fmin,
        np.clip,
        np.max,
        np.min,
        np.linalg.norm,
        np.hypot,
        np.std,
        relu,
    ):
        assert any(fn is kinked for fn, _, _ in KINKS), f"KINKS does not say what {full_name(kinked)} does"


FEW = st.sampled_from((0.0, 1.0, -1.0))


@given(st.lists(FEW, min_size=6, max_size=6), st.sampled_from((None, 0, 1, (0, 1), -1)), st.booleans())
def test_ties_share_equally(entries: list[float], axis: Any, keepdims: bool) -> None:
    x = np.array(entries).reshape(2, 3)
    for fn in (np.max, np.min):
        t = Tensor(x)
        y = fn(t, axis=axis, keepdims=keepdims)
        g = np.random.default_rng(0).normal(size=y.shape)
        found = gradients(y, [t], g)[0]
        winners = x == fn(x, axis=axis, keepdims=True)
        gs = g if keepdims or axis is None else np.expand_dims(g, axis)
        assert np.allclose(found, winners * gs / winners.sum(axis=axis, keepdims=True), rtol=1e-15)


@given(st.lists(FEW, min_size=5, max_size=5), st.lists(FEW, min_size=5, max_size=5))
def test_ties_of_two_share_equally(first: list[float], second: list[float]) -> None:
    a, b = Tensor(first), Tensor(second)
    for fn in (np.maximum, np.minimum, np.fmax, np.fmin):
        da, db = gradients(fn(a, b), [a, b], np.ones(5))
        taken = fn(a.data, b.data) == a.data
        assert np.array_equal(da, np.where(a.data == b.data, 0.5, taken)) and np.array_equal(da + db, np.ones(5))


@given(st.lists(FEW, min_size=5, max_size=5))
def test_sorting_ties_moves_each_gradient_to_its_own_place(entries: list[float]) -> None:
    x, g = Tensor(entries), np.arange(5.0)
    y = np.sort(x)
    assert np.array_equal(y.data, np.sort(entries))
    assert np.array_equal(gradients(y, [x], g)[0][np.argsort(entries, kind="stable")], g)


def test_fmax_passes_over_nan() -> None:
    a, b = Tensor([np.nan, 1.0]), Tensor([2.0, np.nan])
    for fn in (np.fmax, np.fmin):
        da, db = gradients(fn(a, b), [a, b], [1, 1])
        assert np.array_equal(da, [0, 1]) and np.array_equal(db, [1, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_arguments_stay_finite(dtype: Any) -> None:
    big = dtype(1e4)
    x = np.array([-big, 0, big], dtype)
    for fn, expected in [
        (sigmoid, [0, 0.25, 0]),
        (special.expit, [0, 0.25, 0]),
        (special.log_expit, [1, 0.5, 0]),
        (relu, [0, 0, 1]),
        (np.tanh, [0, 1, 0]),
    ]:
        t = Tensor(x)
        y = fn(t)
        assert np.isfinite(y.data).all() and np.array_equal(
            gradients(y, [t], np.ones(3))[0], np.array(expected, dtype)
        ), full_name(fn)
    t = Tensor(x)
    for fn, expected in [
        (logsumexp, [0, 0, 1]),
        (lambda t: log_softmax(t)[0], [1, 0, -1]),
        (lambda t: softmax(t)[2], [0, 0, 0]),
    ]:
        y = fn(t)
        assert np.isfinite(y.data).all() and np.array_equal(gradients(y, [t])[0], expected)
    a, b = Tensor([big, -big]), Tensor([-big, big])
    assert [d.tolist() for d in gradients(np.logaddexp(a, b), [a, b], [1, 1])] == [[1, 0], [0, 1]]


def test_masked_logits_get_no_gradient() -> None:
    """−∞ is how a position is masked: probability 0, gradient 0, and no NaN."""
    x = Tensor([0.0, -np.inf, np.log(3.0)])
    for y, expected in [
        (logsumexp(x), [0.25, 0, 0.75]),
        (log_softmax(x)[0], [0.75, 0, -0.75]),
        (softmax(x)[0], [3 / 16, 0, -3 / 16]),
    ]:
        assert np.allclose(gradients(y, [x])[0], expected, rtol=1e-14)


def test_polygamma_of_negative_numbers() -> None:
    x = Tensor([-0.5, -1.3])
    (first,) = gradients(special.gammaln(x), [x], np.ones(2), create_graph=True)
    assert np.allclose(first.data, special.digamma(x.data)) and np.allclose(
        gradients(first, [x], [1, 1])[0], special.polygamma(1, x.data)
    )


# --- An outside implementation ----------------------------------------------------------------------------------------


# where autograd means something else, or is wrong
EXCEPT = {
    "linalg.solve": "takes a 1-D b for a matrix where a is a stack of matrices",
    "repeat": "wrong for an axis with others before it, and for axis=None",
    "tile": "wrong where reps has fewer entries than the array has axes",
    "linalg.cholesky": "spreads the gradient over both triangles; NumPy reads the lower one",
}
NAMESPACES = {"numpy": np, "numpy.linalg": np.linalg, "scipy.special": special}


def namespace(fn: Any) -> str | None:
    """Where NumPy or SciPy has a function of the table."""
    found = [
        where
        for where, module in NAMESPACES.items()
        if getattr(module, full_name(fn).removeprefix("linalg."), None) is fn
    ]
    return found[0] if found else None


KNOWN = [case for case in CASES if case.fn is case.row and namespace(case.fn) and full_name(case.fn) not in EXCEPT]


@pytest.mark.parametrize("case", KNOWN, ids=[f"{full_name(case.fn)} {case.label}".strip() for case in KNOWN])
@settings(max_examples=min(50, settings().max_examples))
@given(SEEDS)
def test_autograd_agrees(case: Case, seed: int) -> None:
    """Every function that both know. What autograd refuses (its own NotImplementedError, shapes that it cannot do)
    says nothing."""
    autograd = pytest.importorskip("autograd")
    outside = importlib.import_module("autograd." + str(namespace(case.fn)))
    twin = getattr(outside, full_name(case.fn).removeprefix("linalg."), None)
    if twin is None:
        pytest.skip(f"autograd has no {full_name(case.fn)}")
    call = case.call(seed)
    ts = [Tensor(x) for x in call.xs]
    y = call.on(ts)
    g = np.random.default_rng(call.seed).standard_normal(y.shape)
    for i, ours in enumerate(gradients(y, ts, g)):
        try:
            vjp, value = autograd.make_vjp(lambda *xs: call.f(twin, *xs), i)(*call.xs)
            theirs = vjp(g)
        except Exception:  # of any kind: autograd lets NumPy's own errors through
            return
        if np.shape(theirs) != ours.shape:  # it does not sum over the axes that where, tril, solve and tile stretch
            return
        assert np.allclose(y.data, value, rtol=1e-12, atol=1e-13)
        assert np.max(np.abs(dense(ours) - theirs), initial=0) <= 1e-12 * (1 + np.max(np.abs(theirs), initial=0))

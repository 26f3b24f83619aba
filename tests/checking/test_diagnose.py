"""Each name of a mistake, from a gradient in which that mistake was made by hand; and no name where it does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_nlp.checking.check import gradcheck
from tinygrad_nlp.checking.diagnose import Case, diagnose, enumerated, factor
from tinygrad_nlp.engine import Tensor

RNG = np.random.default_rng(0)


def case_of(numeric: np.ndarray, given: Any, **known: Any) -> Case:
    """A case in which only the numbers are known: no Jacobian, no graph."""
    known = {"judged": np.ones(numeric.shape, bool), "g": np.ones(1), "y": np.ones(1), "y_shape": (1,)} | known
    return Case(x=np.ones(numeric.shape), given=np.asarray(given), numeric=numeric, J=known.pop("J", None), **known)


def jacobian_case(J: np.ndarray, g: np.ndarray, given: Any, x: np.ndarray, y: np.ndarray) -> Case:
    numeric = (J @ g).reshape(x.shape)
    judged = np.ones(x.shape, bool)
    return Case(x, np.reshape(given, x.shape), numeric, judged, J, g, y.ravel(), y.shape)


a34, a235 = RNG.normal(size=(3, 4)), RNG.normal(size=(2, 3, 5))
shapes = [
    (a34, a34.T, "transpose: shape (4, 3) instead of (3, 4), and right when transposed"),
    (a34, a34.ravel(), "shape: shape (12,) instead of (3, 4): reshape it to the argument's shape"),
    (a34, a34.ravel() + 1, "shape: shape (12,) instead of (3, 4): and other numbers"),
    (a34.sum(0), a34, "axis not summed: shape (3, 4) instead of (4,): sum over axis 0, which broadcasting stretched"),
    (a235.sum((0, 1)), a235, "axis not summed: shape (2, 3, 5) instead of (5,): sum over axis 0, 1, which"),
    (np.full((3, 4), 2.0), 2.0, "axis not spread: shape () instead of (3, 4): broadcast it back over axis 0, 1"),
    (np.ones((3, 4)) * a34[0], a34[0], "axis not spread: shape (4,) instead of (3, 4): broadcast it back over axis 0"),
    (np.ones((3, 4)) * a34[:, :1], a34[:, 0], "axis not spread: shape (3,) instead of (3, 4): broadcast it back over"),
    (a34, a34.sum(1), "axis summed: shape (3,) instead of (3, 4): axis 1 was summed but is the argument's own"),
    (a235, a235.sum(1), "axis summed: shape (2, 5) instead of (2, 3, 5): axis 1 was summed"),
    (a34, np.ones((2, 7)), "shape: shape (2, 7) instead of (3, 4)"),
]  # fmt: skip


@pytest.mark.parametrize(("numeric", "given", "says"), shapes, ids=[says for _, _, says in shapes])
def test_wrong_shapes(numeric: np.ndarray, given: Any, says: str) -> None:
    assert diagnose(case_of(numeric, given)).startswith(says)


whole = np.array([[1.0, -2.0, 0.5], [3.0, 4.0, -1.0]])
flat = np.array([1.0, 1e-12, -3.0, 0.0, 2.0])
wholes = [
    (whole, 0 * whole, "zeros: every number is 0: a contribution lost, or never computed"),
    (whole, -whole, "sign: the gradient is minus the right one"),
    (whole, whole / 6, "factor 1/6 everywhere, which is 1/x.size"),
    (whole, -3 * whole, "factor −3 everywhere, which is x.shape[1]"),
    (whole, 0.3 * whole, "factor 0.3 everywhere"),
    (whole, whole + 0.25, "constant offset: 0.25 is added to every number"),
    (whole, np.where(whole == 4, np.nan, whole), "not finite: 1 of 6 numbers are NaN or infinite, the first at (1, 1)"),
    (flat, np.array([1, 5, -3, 7, 2.0]), "mask missing: right where there is a gradient, but not zero"),
    (flat, np.array([0, 5, 0, 7, 0.0]), "mask inverted: zero where there is a gradient, not zero where there is none"),
    (flat, np.array([1, 0, 0, 0, 2.0]), "zeros: 1 of 5 places got nothing, a contribution lost"),
    (whole, whole * [[1.0], [0.0]], "rows of zeros: 1 of axis 0 got nothing; the rest is right"),
    (whole, whole + np.eye(3)[[2, 0]], "one place in a row is off, in every row, by 1: a one-hot term, the y of ŷ − y"),
    (whole, whole + np.eye(3)[[2, 0]] * [[1], [0]], "one place in a row is off, in some rows, by 1: a one-hot term"),
    (flat, np.array([0, 5, -3, 7, 2.0]), ""),
    (flat, np.array([0, 1e-12, -3, 0, 9.0]), ""),
    (whole, whole + np.where(whole > 3, 1, 0) + np.where(whole < -1, 2, 0) + np.where(whole == 3, 1, 0), ""),
]  # fmt: skip


@pytest.mark.parametrize(("numeric", "given", "says"), wholes, ids=[says or "no name" for _, _, says in wholes])
def test_numbers_of_the_right_shape(numeric: np.ndarray, given: np.ndarray, says: str) -> None:
    found = diagnose(case_of(numeric, given, sizes={"x.shape[0]": 2, "x.shape[1]": 3, "x.size": 6}))
    assert found.startswith(says) and bool(found) == bool(says)


def test_only_judged_places_count() -> None:
    """At a kink any number is right, so that a factor of the others is still a factor."""
    given = 2 * whole
    given[0, 1] = 99
    judged = whole != -2
    assert diagnose(case_of(whole, given, judged=judged)) == "factor 2 everywhere"
    assert not diagnose(case_of(whole, given)).startswith("factor")


J, g, x, y = RNG.normal(size=(4, 4)), np.array([1.5, -1.2, 1.8, -1.4]), RNG.normal(size=4), RNG.normal(size=4)
D = np.diag(J)
jacobians = [
    (J.sum(1), "upstream ignored: right only for g = 1: multiply by g"),
    (J @ np.full(4, g.mean()), "upstream averaged: every output's g was replaced by the mean of all"),
    (J @ g**2, "upstream twice: g was multiplied in two times"),
    (J.T @ g, "transpose: the Jacobian was applied instead of its transpose"),
    (D * g, "diagonal only: each output was taken to depend on its own input alone"),
    (D, "diagonal only, and upstream ignored: the gradient is the Jacobian's diagonal"),
    (D**2 * g, "derivative twice: it was multiplied in two times"),
    (J @ g - D * g, "diagonal missing: the terms of an output and its own input are lost"),
    (g, "derivative left out: the gradient is g itself"),
    (J[:, -1] * g[-1], "overwritten, not accumulated: of up to 4 uses only the last counts, contributions lost"),
    (J[:, 0] * g[0], "overwritten, not accumulated: of up to 4 uses only the first counts, contributions lost"),
    (J @ g + [0, 1, 2, 3], ""),
]


@pytest.mark.parametrize(("given", "says"), jacobians, ids=[says or "no name" for _, says in jacobians])
def test_parts_of_a_jacobian(given: np.ndarray, says: str) -> None:
    assert diagnose(jacobian_case(J, g, given, x, y)) == says


def test_the_last_two_axes_swapped_in_a_stack() -> None:
    stack = RNG.normal(size=(2, 3, 3))
    case = jacobian_case(np.diag(stack.ravel()), np.ones(18), np.swapaxes(stack, 1, 2), stack, stack)
    assert diagnose(case) == "transpose: right when the last two axes are swapped"


def test_a_part_of_an_axis_of_the_output() -> None:
    """Of outputs (2, 3) only those at the end of an axis count; each input reaches all of them."""
    J, g, x = RNG.normal(size=(5, 6)), RNG.normal(size=6), RNG.normal(size=5)
    terms = (J * g).reshape(5, 2, 3)
    for axis, k, which, n in [(1, 0, "first", 2), (1, -1, "last", 2), (2, 0, "first", 3), (2, -1, "last", 3)]:
        given = np.take(terms, k, axis).sum(1)
        says = f"contribution lost: only the {which} of {n} outputs along axis {axis - 1} counts"
        assert diagnose(jacobian_case(J, g, given, x, np.ones((2, 3)))) == says


def test_an_input_for_the_output() -> None:
    x = RNG.normal(size=4)
    for text, y, phi in [
        ("1 − y²", np.tanh(x), lambda v: 1 - v * v),
        ("y (1 − y)", 1 / (1 + np.exp(-x)), lambda v: v * (1 - v)),
        ("y", np.exp(x), lambda v: v),
    ]:
        case = jacobian_case(np.diag(phi(y)), g, g * phi(x), x, y)
        assert diagnose(case) == f"input for output: the derivative {text} was taken at the input x"


def test_a_factor_for_each_row() -> None:
    two, three = np.array([1.0, 2.0]), np.array([1.0, 3.0, 0.5])
    for x, axis, factors in [(whole, 0, two), (whole, 1, three), (a235, 0, two), (a235, 1, three)]:
        scaled = x * np.expand_dims(factors, tuple(range(1, x.ndim - axis)))
        case = jacobian_case(np.diag(x.ravel()), np.ones(x.size), scaled, x, x)
        shown = ", ".join(f"{k:.4g}" for k in factors)
        assert (
            diagnose(case)
            == f"factor by row: along axis {axis} the factors are {shown}, …: a count is missing or doubled"
        )


def test_paths_that_were_not_followed() -> None:
    def f(x: Any) -> Any:
        h = np.exp(x)
        return np.sin(h) + np.tanh(h) * np.cos(h)

    def through_sin(g: Any, x: Any) -> Any:
        return g * np.cos(np.exp(x)) * np.exp(x)

    def but_tanh(g: Any, x: Any) -> Any:
        h = np.exp(x)
        return g * (np.cos(h) - np.tanh(h) * np.sin(h)) * h

    for backward, lost in [(through_sin, "`multiply`, taken"), (but_tanh, "`tanh`, its argument 0 taken")]:
        found = gradcheck(f, x, gradient=backward).arguments[0].diagnosis
        assert found == f"contribution lost: all paths through {lost} for a constant"


def test_one_path_of_several_through_the_same_function() -> None:
    c = np.array([[0.5], [1.0], [2.0]])

    def f(x: Any) -> Any:
        h = np.exp(x)
        return np.sum(h * np.sin(h)) + np.sum(h * np.cos(c * h))

    def lost(g: Any, x: Any) -> Any:
        h = np.exp(x)
        return g * (np.sin(h) + h * np.cos(h) - np.sum(c * h * np.sin(c * h), 0)) * h

    found = gradcheck(f, x, gradient=lost).arguments[0].diagnosis
    assert found == "contribution lost: the path through `multiply` of shape (3, 4), argument 0"


@pytest.mark.parametrize(("steps", "named"), [(100, True), (1_000, False)])
def test_only_short_histories_are_searched_for_lost_paths(steps: int, named: bool) -> None:
    """Each path tried is a backward pass of its own: their cost grows with the square of the history."""

    def f(x: Any) -> Any:
        h = np.sin(x)
        for _ in range(steps):
            h = h * 1.0
        return h + x**2

    report = gradcheck(f, x, gradient=lambda g, x: g * np.cos(x))
    assert not report and ("contribution lost" in report.arguments[0].diagnosis) == named


def test_a_mistake_without_a_name_in_a_function_that_drops_tensors() -> None:
    def f(x):
        return np.sin(x.data if type(x) is Tensor else x)

    report = gradcheck(f, x, gradient=lambda g, x: g * (np.cos(x) + 0.1 * x**2))
    assert not report and report.arguments[0].diagnosis == ""


def test_how_factors_and_places_are_written() -> None:
    sizes = {"x.shape[0]": 2, "y.shape[0]": 4, "y.shape[1]": 4, "z.size": 4, "w.size": 4}
    assert factor(4.0, sizes) == "4 everywhere, which is y.shape[0] or y.shape[1] or z.size"
    assert factor(-0.5, sizes) == "−1/2 everywhere, which is 1/x.shape[0]"
    assert factor(1.5, sizes) == "1.5 everywhere" and factor(7.0, {}) == "7 everywhere"
    assert enumerated(range(6)) == "0, 1, 2, 3, 4, 5" and enumerated(range(7)) == "0, 1, 2, 3, 4, 5, …"

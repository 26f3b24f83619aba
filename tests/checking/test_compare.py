"""How each number of a gradient is judged: what counts as rounding, and what a report says of a wrong shape."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tinygrad_nlp.checking.check import gradcheck
from tinygrad_nlp.checking.compare import Comparison, Rerun, argument_sizes, place, some_places, unit
from tinygrad_nlp.checking.point import Point, upstream

x3 = np.array([0.5, -1.0, 2.0])


@pytest.mark.parametrize(("again", "varies"), [([1, 1, 1, 1.3], True), ([1, 1.2, 0.8, 1], False), ([0, 0, 0, 0], True)])
def test_a_gradient_varies_where_one_rerun_is_off_by_a_quarter(again: list[float], varies: bool) -> None:
    """Of the runs that round the arguments anew; those that move them further do not count, nor another shape."""
    runs = [Rerun({}, np.ones(1), {"x": np.array([0.0, k])}, 1e-20) for k in again]
    runs += [Rerun({}, np.ones(1), {"x": np.array([9.0, 9.0])}, 1e-20)] * 4
    judge = SimpleNamespace(reruns=runs)
    assert Comparison.given_varies(judge, "x", np.array([0.0, 1.0]), 1.0) == varies
    assert not Comparison.given_varies(judge, "x", np.ones(3), 1.0) and not Comparison.given_varies(judge, "z", x3, 1.0)


def test_a_gradient_of_another_shape_has_no_worst_place() -> None:
    argument = gradcheck(np.sin, x3, gradient=lambda g, x: np.ones(2)).arguments[0]
    assert not argument.right and argument.index is None and np.isnan(argument.given)
    assert argument.diagnosis.startswith("shape: shape (2,) instead of (3,)")


def test_the_sizes_that_a_factor_may_equal() -> None:
    point = Point(lambda x, ids: (np.sum(x), x[0]), [np.ones((2, 3)), np.arange(5)])
    sizes = {"x.shape[0]": 2, "x.shape[1]": 3, "x.size": 6, "ids.shape[0]": 5, "y[1].shape[0]": 3}
    assert argument_sizes(point) == sizes
    assert argument_sizes(Point(lambda x: x, [x3])) == {"x.shape[0]": 3, "y.shape[0]": 3}


def test_places() -> None:
    assert place(4, np.ones((2, 3))) == (1, 1) and place(0, np.ones(())) == ()
    assert unit(np.ones((2, 3)), [1, 5]).tolist() == [[0, 1, 0], [0, 0, 1]]
    given = np.zeros((30, 10))
    given[3, 4], given[20, 1], given[29, 9] = np.nan, -5.0, 7.0
    found = some_places(given, np.random.default_rng(0))
    assert {34, 201, 299} <= set(found.tolist()) and len(found) <= 40 and np.all(np.diff(found) > 0)


def test_the_upstream_gradient_has_both_signs_and_nothing_near_0_or_1() -> None:
    g = upstream(np.random.default_rng(0), (50, 4), np.float32)
    assert g.dtype == np.float32 and g.shape == (50, 4) and len(np.unique(abs(g))) == 200
    assert np.all((abs(g) >= 1.1) & (abs(g) <= 1.9)) and 60 < np.sum(g > 0) < 140

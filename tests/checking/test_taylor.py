"""taylor_test: what a gradient leaves of a function shrinks with the square of the step, or the gradient is wrong."""

import numpy as np
import pytest

import tinygrad_nlp as tg
from tests.checking.subjects import Model, w4, x34
from tinygrad_nlp.checking.taylor import taylor_test

pytestmark = pytest.mark.usefixtures("table_as_it_was")


def loss(model, x):
    return np.mean(np.square(model(x)))


def test_taylor_slopes_are_one_and_two_and_show_a_wrong_gradient():
    result = taylor_test(loss, Model(), x34)
    assert result
    assert result.slopes == pytest.approx((1, 2), abs=0.1)
    assert len(result.steps) == len(result.without) == len(result.with_gradient) == 14
    np.testing.assert_allclose(result.steps, 0.1 * 0.5 ** np.arange(14))
    wrong = tg.op(lambda g, y, x: g * 1.1 * (1 - y * y))(lambda x: np.tanh(x))
    bad = taylor_test(lambda x, W: np.sum(wrong(x @ W) ** 2), x34, np.ones((4, 2)))
    assert not bad and bad.slopes[1] == pytest.approx(1, abs=0.2)
    assert taylor_test(lambda x: np.sum(3 * x), x34)  # linear: nothing remains but rounding


def test_taylor_plot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    axes = taylor_test(np.exp, w4).plot()
    assert len(axes.lines) == 2 and axes.get_xscale() == "log"
    matplotlib.pyplot.close(axes.figure)

"""Rounding, magnitudes and kinks: right functions pass at every scale, and no mistake hides behind a floor or a
kink."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_nlp as tg
from tests.battery import right_functions
from tests.battery.right_functions import refuse_complex
from tinygrad_nlp.checking.check import gradcheck

x4 = np.random.default_rng(0).normal(size=4)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_random_right_functions_pass_and_one_percent_is_found():
    alarms, missed, planted = right_functions.main(80, seed=7)
    assert not alarms
    assert planted > 40 and len(missed) <= 1, missed


# --- Magnitudes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [lambda f: f, refuse_complex], ids=["complex step", "differences"])
@pytest.mark.parametrize("s", [1e-12, 1e-6, 1.0, 1e6, 1e12])
@pytest.mark.parametrize("t", [1e-12, 1.0, 1e12])
def test_one_percent_is_found_at_every_magnitude(wrap, s, t):
    f, x = wrap(lambda x: t * np.sin(x / s)), x4 * s
    assert gradcheck(f, x, gradient=lambda g, x: g * np.cos(x / s) * t / s)
    for k in range(4):
        at = np.arange(4) == k
        assert not gradcheck(f, x, gradient=lambda g, x, at=at: g * np.cos(x / s) * t / s * (1 + 0.01 * at))


def test_one_percent_is_found_beside_a_large_constant():
    for constant in (1e3, 1e9, 1e12):

        def f(x, c=constant):
            return np.sin(x) + c

        assert gradcheck(f, x4)
        assert not gradcheck(f, x4, gradient=lambda g, x: 1.01 * g * np.cos(x))


def test_numbers_of_every_size_in_one_array():
    x = np.array([1e-12, 1e-6, 1.0, 1e6, 1e12])
    assert gradcheck(lambda x: x * x, x)
    for k in range(5):
        assert not gradcheck(
            lambda x: x * x, x, gradient=lambda g, x, k=k: 2 * g * x * (1 + 0.01 * (np.arange(5) == k))
        )
    assert not gradcheck(lambda x: np.sum(x * x), x, gradient=lambda g, x: 2 * g * x + 1e3 * (x < 1e-9))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("wrap", [lambda f: f, refuse_complex], ids=["complex step", "differences"])
@pytest.mark.parametrize("s", [[1e-6, 1.0, 1e6], [1e-16, 1.0, 1.0]], ids=str)
def test_each_number_moves_by_a_part_of_its_own_size(sign, wrap, s):
    """Also where it is negative: a step that suits its largest neighbour would jump over whole waves."""
    s = np.array(s)
    f, x = wrap(lambda x: np.sin(x / s)), sign * 0.7 * s
    report = gradcheck(f, x, gradient=lambda g, x: g * np.cos(x / s) / s)
    assert report and not report.arguments[0].kinks
    for k in range(3):
        off = 1 + 0.01 * (np.arange(3) == k)
        assert not gradcheck(f, x, gradient=lambda g, x, off=off: g * np.cos(x / s) / s * off)


@pytest.mark.parametrize("wrap", [lambda f: f, refuse_complex], ids=["complex step", "differences"])
@pytest.mark.parametrize("n", [3, 9])
@pytest.mark.parametrize(
    ("fn", "slope"),
    [
        (np.sin, np.cos),
        (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
        (np.abs, np.sign),  # whose kinks are near beside the largest number, but not here
        (lambda x: np.floor(x) + x, np.ones_like),  # steps much longer than 1 see a slope of 2
    ],
    ids=["sin", "tanh", "abs", "floor"],
)
def test_outputs_of_every_scale_from_one_array(wrap, n, fn, slope):
    """The smallest number is 1e24 times smaller than its largest neighbour, and so is the step that shows its slope."""
    s = np.logspace(-12, 12, n)
    f, x = wrap(lambda x: fn(x / s)), 0.7 * s
    report = gradcheck(f, x, gradient=lambda g, x: g * slope(x / s) / s)
    assert report and not report.arguments[0].kinks
    for k in range(n):
        for factor in (0, 1.01, -1):
            off = np.where(np.arange(n) == k, factor, 1)
            assert not gradcheck(f, x, gradient=lambda g, x, off=off: g * slope(x / s) / s * off)


def test_zeros_that_rounding_reaches():
    whole = np.arange(12.0).reshape(3, 4) * 0.1
    for f in (
        lambda x: np.sum(x - np.mean(x, -1, keepdims=True), -1),
        lambda x: 0.1 * x + 0.2 * x - 0.3 * x,
        lambda x: np.sum(tg.softmax(x * 30), -1),
        lambda x: (x + 1) ** 2 - x**2 - 2 * x - 1,
    ):
        for wrap in (lambda f: f, refuse_complex):
            assert gradcheck(wrap(f), whole)
    # a derivative of 0 made of numbers of size 1 may be 1e-16, and no more
    assert not gradcheck(lambda x: np.sum(x - np.mean(x)), whole, gradient=lambda g, x: np.full(x.shape, 1e-9 * g))


def test_a_difference_that_is_small_beside_large_numbers_may_be_rounding():
    """Off by 0.002, where numbers of 1e14 were added: it changes when the arguments are rounded again."""
    drawn = right_functions.draw(np.random.default_rng([8, 19]))
    assert drawn.name.startswith("cross-entropy") and gradcheck(drawn.f, *drawn.args, seed=19)


def test_the_complex_step_is_trusted_where_differences_confirm_it():
    """Also by their second or third step; and not where the function drops an imaginary part, which halves a slope."""
    assert "complex step" in gradcheck(lambda x: np.sin(1e3 * x), x4).arguments[0].checked

    def half(x):
        return np.real(x) * x

    assert gradcheck(half, x4, gradient=lambda g, x: 2 * g * x)
    assert not gradcheck(half, x4, gradient=lambda g, x: g * x)


# --- Kinks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "low", "high"),
    [
        (lambda x: np.maximum(x, 0), 0, 1),
        (np.abs, -1, 1),
        (lambda x: np.where(x > 0, 3 * x, 2 * x), 2, 3),
        (lambda x: np.where(x > 0, -3 * x, 2 * x), -3, 2),
        (lambda x: np.minimum(-3 * x, 0) + np.sin(x), -2, 1),
    ],
)
@pytest.mark.parametrize("at", [0.0, 1.5, 1e6])
def test_at_a_kink_any_number_between_both_sides_is_right_and_no_other(f, low, high, at):
    beyond = 0.01 if at > 1e3 else 0.001  # x − 1e6 is rounded to 1e-10
    for seed in range(4):  # upstream gradients of both signs
        for slope in np.linspace(low, high, 5):
            report = gradcheck(lambda x: f(x - at), np.array([at]), gradient=lambda g, x, k=slope: g * k, seed=seed)
            assert report and report.arguments[0].kinks == [(0,)], (slope, report)
        for slope in (low - beyond, high + beyond, low - 1, high + 1):
            assert not gradcheck(lambda x: f(x - at), np.array([at]), gradient=lambda g, x, k=slope: g * k, seed=seed)


def test_kinks_of_several_outputs_have_intervals_of_their_own():
    def f(x):
        return np.array([np.maximum(x[0], 0), -2 * np.abs(x[0])])

    for seed in range(4):  # slopes from 0 to 1, and from −2 to 2
        for a, b in [(0, -2), (1, 2), (0.5, 0)]:
            assert gradcheck(f, np.zeros(1), gradient=lambda g, x, a=a, b=b: np.array([a * g[0] + b * g[1]]), seed=seed)

        def beyond(g, x):
            return np.array([abs(g[0]) + 2 * abs(g[1]) + 0.1])

        assert not gradcheck(f, np.zeros(1), gradient=beyond, seed=seed)


@pytest.mark.parametrize(
    ("f", "slope"),
    [(np.floor, 0), (np.sign, 0), (lambda x: (x > 0) * 1.0 + 2 * x, 2)],
)
@pytest.mark.parametrize("at", [0.0, 2.0, 1e5])
@pytest.mark.parametrize("beside", [0.0, 1e5, 1e12])
def test_at_a_jump_only_the_slope_beside_it_is_right(f, slope, at, beside):
    """A step that suits a large neighbour would see many jumps of floor as one slope."""
    shifted, x = (lambda x: f(x[0] - at)), np.array([at, beside] if at else [at])
    assert gradcheck(shifted, x, gradient=lambda g, x: slope * g * (np.arange(x.size) == 0))
    for wrong in (slope + 0.01, slope - 1, 1e12, -1e6):
        assert not gradcheck(shifted, x, gradient=lambda g, x, k=wrong: k * g * (np.arange(x.size) == 0))


@pytest.mark.parametrize("large", [1e3, 1e5, 1e9])
def test_kinks_and_jumps_that_only_steps_of_a_large_neighbours_size_show(large):
    """x + 1e5 takes no notice of the smallest steps of a small x."""
    x, at = np.array([1e-3, large]), 1e-3 + large
    for f, right, wrong in [
        (lambda x: np.maximum(x[0] + x[1] - at, 0), (0, 0.5, 1), (-0.1, 1.1, 1e9)),
        (lambda x: np.sign(x[0] + x[1] - at), (0,), (0.1, 1, 1e9)),
    ]:
        for k in (*right, *wrong):
            assert bool(gradcheck(f, x, gradient=lambda g, x, k=k: np.full(2, k * g))) == (k in right), k


def test_beside_a_large_jump_a_slope_is_as_exact_as_rounding_allows():
    def f(x):
        return (x > 0) * 1e6 + np.pi * x

    for seed in range(4):
        assert gradcheck(f, np.zeros(1), gradient=lambda g, x: np.pi * g, seed=seed)
        assert not gradcheck(f, np.zeros(1), gradient=lambda g, x: (np.pi + 0.1) * g, seed=seed)


@pytest.mark.parametrize("wrap", [lambda f: f, refuse_complex], ids=["complex step", "differences"])
@pytest.mark.parametrize("beside", [0.0, 1e6])
@pytest.mark.parametrize(
    ("steep", "at"), [(1e3, 0.0), (1e7, 0.0), (1e3, 1.0), (1e7, 1.0), (1e9, 1.0), (1e6, 1e3), (1e12, 1e-3)]
)
def test_a_steep_function_is_no_jump(wrap, beside, steep, at):
    """However small beside 1, or beside its neighbour, the numbers between which it rises may be."""
    x = np.array([at, at + 0.3 / steep, at - 1.0 / steep, beside])
    f = wrap(lambda x: np.tanh(steep * (x[:3] - at)))
    slope = np.append(steep * (1 - np.tanh(steep * (x[:3] - at)) ** 2), 0)
    assert gradcheck(f, x, gradient=lambda g, x: slope * np.append(g, 0))
    for k in (0, 0.99, 1.01, 1 / steep, 1e3):
        assert not gradcheck(f, x, gradient=lambda g, x, k=k: k * slope * np.append(g, 0))


def test_a_slope_that_rounding_hides_beside_a_jump_is_not_called_wrong():
    for slope, right in [(1e-12, True), (1e-8, False)]:

        def step(x):
            return 1.0 * (x > 0)

        assert bool(gradcheck(step, np.zeros(1), gradient=lambda g, x, k=slope: k * g)) == right


def test_a_kink_whose_slopes_no_step_resolves_is_not_approved():
    report = gradcheck(lambda x: 1 + abs(x) + 10 * abs(x) ** 1.2, np.zeros(1), gradient=lambda g, x: 0.5 * g)
    assert report.arguments[0].kinks == [(0,)] and "not resolved" in report.arguments[0].diagnosis and not report


def test_a_gradient_of_a_sort_with_three_equal_numbers():
    assert gradcheck(np.sort, np.array([2.0, 2.0, 2.0, 1.0]))
    assert not gradcheck(np.sort, np.array([2.0, 2.0, 2.0, 1.0]), gradient=lambda g, x: np.full(4, np.sum(g)))


# --- What is not a number, and what is not resolved -------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("shape", [(3, 4), (30, 40)])
def test_one_number_that_is_not_finite_is_reported_at_its_own_place(bad, shape):
    x = np.random.default_rng(1).normal(size=shape)

    def backward(g, x):
        d = g * np.cos(x)
        d[1, 2] = bad
        return d

    for f in (np.sin, refuse_complex(np.sin)):
        argument = gradcheck(f, x, gradient=backward).arguments[0]
        assert not argument.right and argument.index == (1, 2) and not np.isfinite(argument.given)
        assert f"not finite: 1 of {x.size} numbers are NaN or infinite, the first at (1, 2)" in argument.diagnosis


def test_numbers_that_print_alike_are_printed_until_they_differ():
    report = gradcheck(np.sin, x4, gradient=lambda g, x: g * np.cos(x) * (1 + 1e-5))
    assert report.arguments[0].pair()[0] != report.arguments[0].pair()[1]


@pytest.mark.parametrize("fn", ["cholesky", "sqrt"])
def test_a_function_that_raises_beyond_its_domain_is_checked_within_it(fn):
    """Its rounding and its size are measured at places to which NumPy's log answers with NaN."""

    def root(x):
        if np.any(np.real(x.data if type(x) is tg.Tensor else x) < 0):
            raise ValueError("a root of a negative number")
        return np.sqrt(x)

    a = np.random.default_rng(3).normal(size=(3, 3))
    f, x = (np.linalg.cholesky, a @ a.T) if fn == "cholesky" else (root, np.linspace(1e-9, 7, 10))
    assert gradcheck(f, x)
    (t,) = tensors = [tg.Tensor(x)]

    def one_percent_off(g, x):
        return 1.01 * tg.gradients(f(t), tensors, g)[0]

    assert not gradcheck(f, x, gradient=one_percent_off)


def test_a_function_too_rough_for_differences_is_not_approved():
    rough = refuse_complex(lambda x: np.sin(x) + 1e-3 * np.sin(1e15 * x))
    report = gradcheck(rough, x4, gradient=lambda g, x: g * np.cos(x))
    assert not report


def test_float32_is_held_to_its_own_precision():
    x = np.random.default_rng(2).normal(size=(3, 4)).astype(np.float32)

    def low(x):
        return x.dtype == np.float32

    for factor, right in [(1.0, True), (1.005, True), (1.05, False)]:

        def wrong(g, x, k=factor):
            return g * np.cos(x) * (k if low(x) else 1)

        assert bool(gradcheck(np.sin, x, gradient=wrong)) == right
    scaled = np.float32(1e12)

    def tiny(g, x):
        return g * np.cos(x / scaled) / scaled * (1.05 if low(x) else 1)

    assert not gradcheck(lambda x: np.sin(x / scaled), x * scaled, gradient=tiny)
    report = gradcheck(np.sin, x, gradient=lambda g, x: g * np.cos(x) + (np.nan if low(x) else 0))
    assert "right in float64, not in float32" in str(report)

"""How to test each row of the table: a case or more a row, in the function's smooth domain. Here are those of the rules
entry by entry and of reductions; the other files of cases are named after the rooms whose rows they test.

A case draws (f, *xs): f(fn, *xs) calls the function on its differentiable arguments, everything else being drawn too
and closed over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as special

from tests.battery.drawing import Case, Draw
from tinygrad_nlp import log_softmax, logsumexp, relu, sigmoid, softmax
from tinygrad_nlp.calculus import lengths

CASES: list[Case] = []


def case(row: Any, fn: Any = None, twin: Any = None, smooth: bool = True, label: str = "") -> Callable[[Any], Any]:
    """Register a drawing function as a case of a row; fn where the user calls the row by another function."""

    def register(build: Any) -> Any:
        CASES.append(Case(row, fn or row, build, twin, smooth, label))
        return build

    return register


def unary(row: Any, low: float = -2, high: float = 2, away: float = 0, twin: Any = None, label: str = "") -> None:
    def build(d: Draw) -> tuple[Any, ...]:
        return lambda fn, x: fn(x), d.array(d.shape(), low, high, away)

    case(row, twin=twin, label=label)(build)


def pair(d: Draw, draw_a: Any, draw_b: Any, same: bool = True) -> tuple[Any, ...]:
    """Two arguments: both differentiable, one of them constant, or the same Tensor twice."""
    kind = d.pick("both", "both", "left", "right", *["same"] * same)
    first, second = d.broadcastable(2)
    a, b = draw_a(first), draw_b(second)
    if kind == "same":
        return lambda fn, x: fn(x, x), draw_b(first)
    if kind == "left":
        return lambda fn, x: fn(x, b), a
    if kind == "right":
        return lambda fn, x: fn(a, x), b
    return lambda fn, a, b: fn(a, b), a, b


Domain = tuple[float, float, float]  # low, high, away from 0


def binary(
    row: Any, a: Domain = (-2, 2, 0), b: Domain = (-2, 2, 0), twin: Any = None, same: bool = True, label: str = ""
) -> None:
    case(row, twin=twin, label=label)(lambda d: pair(d, lambda s: d.array(s, *a), lambda s: d.array(s, *b), same))


def apart(row: Any) -> None:
    """Two arguments that nowhere meet: kinks are tested exactly elsewhere."""
    case(row)(lambda d: pair(d, lambda s: d.distinct(s), lambda s: d.distinct(s, 0.5)))


def signed(x: Any) -> Any:
    """|x| for complex numbers beside the real line."""
    return x * np.sign(np.real(x))


# --- Arithmetic, exponentials, circular functions ---------------------------------------------------------------------

unary(np.positive)
unary(np.negative)
binary(np.add)
binary(np.subtract)
binary(np.multiply)
binary(np.divide, b=(-2, 2, 0.4))
binary(np.power, a=(0.3, 2, 0), b=(-2, 2, 0), label="real", same=False)
for numerator in ((3.2, 3.8, 0), (-1.8, -1.2, 0)):
    binary(
        np.remainder,
        numerator,
        (0.97, 1.03, 0),
        lambda a, b: a - b * np.floor((a / b).real),
        same=False,
        label=f"{numerator[0]}…",
    )
unary(np.reciprocal, away=0.4)
unary(np.square)
unary(np.sqrt, 0.2, 3)
unary(np.cbrt, away=0.3, twin=lambda x: np.sign(x.real) * np.exp(np.log(signed(x)) / 3))
binary(np.hypot, a=(-2, 2, 0.3), b=(-2, 2, 0.3), twin=lambda a, b: np.sqrt(a * a + b * b))
unary(np.exp)
unary(np.exp2)
unary(np.expm1)
unary(np.log, 0.2, 3)
unary(np.log2, 0.2, 3)
unary(np.log10, 0.2, 3)
unary(np.log1p, -0.7, 3)
binary(np.logaddexp, twin=lambda a, b: np.log(np.exp(a) + np.exp(b)))
unary(np.sin)
unary(np.cos)
unary(np.tan, -1.2, 1.2)
unary(np.arcsin, -0.8, 0.8)
unary(np.arccos, -0.8, 0.8)
unary(np.arctan)
binary(
    np.arctan2,
    (-2, 2, 0.3),
    (-2, 2, 0.3),
    lambda a, b: np.arctan(a / b) + np.where(b.real < 0, np.sign(a.real) * np.pi, 0),
)
unary(np.sinh)
unary(np.cosh)
unary(np.tanh)
unary(np.arcsinh)
unary(np.arccosh, 1.2, 3)
unary(np.arctanh, -0.8, 0.8)
unary(np.deg2rad, -90, 90, twin=lambda x: x * np.pi / 180)
unary(np.radians, -90, 90, twin=lambda x: x * np.pi / 180)
unary(np.rad2deg, twin=lambda x: x * 180 / np.pi)
unary(np.degrees, twin=lambda x: x * 180 / np.pi)


@case(np.power, label="integer exponents, any base")
def integer_power(d: Draw) -> tuple[Any, ...]:
    n = d.pick(2, 3, 1, 0, -1, -2, 2.0, np.array([2.0, 0.0, 3.0]))
    shape = d.shape()
    return lambda fn, x: fn(x, n), d.array((*shape, 3) if isinstance(n, np.ndarray) else shape, away=0.3)


# --- Special functions ------------------------------------------------------------------------------------------------

unary(special.expit, -4, 4, twin=lambda x: 1 / (1 + np.exp(-x)))
unary(special.logit, 0.1, 0.9, twin=lambda p: np.log(p / (1 - p)))
unary(special.log_expit, -4, 4, twin=lambda x: -np.log(1 + np.exp(-x)))
unary(special.erf)
unary(special.erfc)
binary(special.xlogy, (-2, 2, 0), (0.3, 2, 0), lambda a, b: a * np.log(b), same=False)

# --- Kinks ------------------------------------------------------------------------------------------------------------

unary(np.absolute, away=0.3, twin=signed)
unary(np.fabs, away=0.3, twin=signed)
for extremum in (np.maximum, np.minimum, np.fmax, np.fmin):
    apart(extremum)


@case(np.where)
def where(d: Draw) -> tuple[Any, ...]:
    first, second, third = d.broadcastable(3)
    c, a, b = d.integers(0, 2, first).astype(bool), d.array(second), d.array(third)
    kind = d.pick("both", "left", "right", "same")
    if kind == "left":
        return lambda fn, a: fn(c, a, 0.0), a
    if kind == "right":
        return lambda fn, b: fn(c, 1.5, b), b
    return (lambda fn, a: fn(c, a, a), a) if kind == "same" else (lambda fn, a, b: fn(c, a, b), a, b)


# --- Reductions -------------------------------------------------------------------------------------------------------


def keywords(d: Draw, ndim: int, several: bool = True, keepdims: bool = True) -> dict[str, Any]:
    """axis= and keepdims=, each given or left out."""
    axis = d.axis(ndim, several=several) if ndim else d.pick(None, 0, -1)
    chosen: dict[str, Any] = {"axis": axis} if d.integer(0, 3) else {}
    return chosen | ({"keepdims": d.pick(True, False)} if keepdims and d.integer(0, 1) else {})


def reduction(row: Any, several: bool = True, keepdims: bool = True, distinct: bool = False, **sides: int) -> None:
    def build(d: Draw) -> tuple[Any, ...]:
        x = (d.distinct if distinct else d.array)(d.shape(**sides))
        chosen = keywords(d, x.ndim, several, keepdims)
        return lambda fn, x: fn(x, **chosen), x

    case(row)(build)


reduction(np.sum)
for row in (np.max, np.min, np.amax, np.amin):
    reduction(row, min_side=1, distinct=True)
reduction(np.cumsum, several=False, keepdims=False)
reduction(logsumexp, min_side=1)


@case(lengths.length)
def length(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_side=1), away=0.3)
    chosen = keywords(d, x.ndim)
    return lambda fn, x: fn(x, **chosen), x


@case(np.max, smooth=False, label="an empty batch")
def max_of_nothing(d: Draw) -> tuple[Any, ...]:
    return lambda fn, x: fn(x, axis=-1), d.array((0, 3))


# --- Ours -------------------------------------------------------------------------------------------------------------

unary(relu, away=0.3)
unary(sigmoid, -4, 4)


def along_axis(row: Any) -> None:
    @case(row)
    def build(d: Draw) -> tuple[Any, ...]:
        x = d.array(d.shape(min_dims=1, min_side=1), -3, 3)
        chosen = {"axis": d.integer(-x.ndim, x.ndim - 1)} if d.integer(0, 1) else {}
        return lambda fn, x: fn(x, **chosen), x


along_axis(softmax)
along_axis(log_softmax)

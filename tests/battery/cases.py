"""How to test each rule of the table: a case or more a row, in the function's smooth domain. Composites and fused
ops: cases_more.py.

A case draws (f, *xs): f(fn, *xs) calls the function on its differentiable arguments, everything else being drawn too
and closed over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as special

from tests.battery.drawing import DISTINCT, Case, Draw, is_tensor
from tinygrad_nlp import log_softmax, logsumexp, relu, rules, sigmoid, softmax
from tinygrad_nlp.calculus import lengths
from tinygrad_nlp.core.interface import astype, getitem
from tinygrad_nlp.engine import call
from tinygrad_nlp.strategies import laid_out

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


# --- Shapes -----------------------------------------------------------------------------------------------------------

unary(np.copy)
unary(np.ravel)


@case(np.reshape)
def reshape(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape())
    shape = d.pick(-1, (-1,), (x.size,), x.shape[::-1], (1, *x.shape), (*x.shape, 1), x.shape)
    return lambda fn, x: fn(x, shape), x


@case(np.expand_dims)
def expand_dims(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(max_dims=2))
    axis = d.pick(0, -1, (0, -1), (0, 1))
    return lambda fn, x: fn(x, axis), x


@case(np.squeeze)
def squeeze(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.pick((), (1,), (1, 2, 1), (1, 1), (2, 1), (1, 0), (2, 3)))
    ones = tuple(k for k, n in enumerate(x.shape) if n == 1)
    axis = d.pick(None, ones, *ones)
    return lambda fn, x: fn(x, axis) if axis is not None else fn(x), x


@case(np.transpose)
def transpose(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape())
    axes = d.pick(
        None,
        tuple(int(k) for k in d.rng.permutation(x.ndim)),
        tuple(int(k) - x.ndim for k in d.rng.permutation(x.ndim)),
    )
    return lambda fn, x: fn(x, axes), x


@case(np.swapaxes)
def swapaxes(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1))
    i, j = d.integer(-x.ndim, x.ndim - 1), d.integer(-x.ndim, x.ndim - 1)
    return lambda fn, x: fn(x, i, j), x


@case(np.moveaxis)
def moveaxis(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=d.pick(1, 3, 3)))
    n = d.integer(1, x.ndim)
    source, target = (tuple(int(k) for k in d.rng.permutation(x.ndim)[:n]) for _ in range(2))
    source, target = d.pick((source, target), (source[0], target[0] - x.ndim))
    return lambda fn, x: fn(x, source, target), x


@case(np.broadcast_to)
def broadcast_to(d: Draw) -> tuple[Any, ...]:
    small, other = d.broadcastable(2)
    shape = np.broadcast_shapes(small, other)
    return lambda fn, x: fn(x, shape), d.array(small)


@case(np.flip)
def flip(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape())
    axis = d.axis(x.ndim)
    return lambda fn, x: fn(x, axis), x


@case(np.roll)
def roll(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1))
    axis = d.pick(None, d.axis(x.ndim, several=False), (0, x.ndim - 1))
    shift = (d.integer(-4, 4), d.integer(-4, 4)) if isinstance(axis, tuple) and d.integer(0, 1) else d.integer(-4, 4)
    return lambda fn, x: fn(x, shift, axis), x


def triangle(row: Any) -> None:
    @case(row)
    def build(d: Draw) -> tuple[Any, ...]:
        x, k = d.array(d.shape(min_dims=1)), d.integer(-2, 2)
        return lambda fn, x: fn(x, k), x


triangle(np.tril)
triangle(np.triu)


@case(astype)
def cast(d: Draw) -> tuple[Any, ...]:
    return lambda fn, x: fn(x, np.float64 if x.dtype.kind != "c" else x.dtype), d.array(d.shape())


@case(rules.zero_pad)
def zero_pad(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1))
    width = [(d.integer(0, 2), d.integer(0, 2)) for _ in x.shape]
    return lambda fn, x: fn(x, width), x


def by_call(fn: Any) -> Any:
    """A row that no name of NumPy's leads to: on Tensors through the engine's call()."""
    return lambda *args, **kwargs: call(fn, args, kwargs) if any(map(is_tensor, args)) else fn(*args, **kwargs)


def parts_of(d: Draw) -> tuple[list[np.ndarray], int]:
    shape = list(d.shape(min_dims=1))
    axis, xs = d.integer(-len(shape), len(shape) - 1), []
    for _ in range(d.integer(1, 3)):
        shape[axis] = d.integer(0, 3)
        xs.append(d.array(tuple(shape)))
    return xs, axis


@case(rules.join, fn=by_call(rules.join), twin=rules.join)
def join(d: Draw) -> tuple[Any, ...]:
    xs, axis = parts_of(d)
    return lambda fn, *xs: fn(*xs, axis=axis), *xs


@case(np.concatenate)
def concatenate(d: Draw) -> tuple[Any, ...]:
    xs, axis = parts_of(d)
    kind = d.pick("all", "same", "constant", "ravelled")
    if kind == "same":
        return lambda fn, x: fn([x, x, x], axis), xs[0]
    if kind == "constant":
        return lambda fn, x: fn((xs[-1], x, xs[0]), axis=axis), xs[0]
    return lambda fn, *xs: fn(xs, None if kind == "ravelled" else axis), *xs


# --- Indexing ---------------------------------------------------------------------------------------------------------


def index_of(d: Draw, shape: tuple[int, ...]) -> Any:
    """An index for an array without empty axes: integers, slices, new axes, ..., masks, arrays that repeat, and
    mixtures."""
    kind = d.pick("mixed", "mixed", "mixed", "mask", "list", "0-d array", "2-d array", "nothing", "all ids")
    if kind == "mask":
        return d.integers(0, 2, shape[: d.integer(1, len(shape))]).astype(bool)
    if kind == "list":
        return [0, 0, -1, 0]
    if kind == "0-d array":
        return np.array(d.integer(-shape[0], shape[0] - 1))
    if kind == "2-d array":
        return d.integers(-shape[0], shape[0], (2, 3))
    if kind == "nothing":
        return d.pick((), ..., None, np.zeros(0, int), slice(0, 0), np.zeros(shape, bool))
    if kind == "all ids":
        return tuple(d.integers(-n, n, d.pick((3,), (2, 1), (2, 3))) for n in shape)
    parts: list[Any] = []
    for n in shape[: d.integer(1, len(shape))]:
        one = d.pick("slice", "slice", "int", "ids", "mask")
        if one == "slice":
            parts.append(slice(*d.pick((None,), (1, None), (None, -1), (None, None, -1), (None, None, 2), (-2, None))))
        elif one == "int":
            parts.append(d.integer(-n, n - 1))
        else:
            parts.append(d.integers(-n, n, 3) if one == "ids" else np.arange(n) % n == 0)
    if d.integer(0, 2) == 0:
        parts.insert(d.integer(0, len(parts)), None)
    if d.integer(0, 2) == 0:
        parts.insert(len(parts), ...)
    return tuple(parts)


@case(getitem)
def get(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1, min_side=1))
    index = index_of(d, x.shape)
    return lambda fn, x: x[index], x


@case(getitem, label="the same Tensor many times")
def get_many(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1, min_side=1))
    indices = [index_of(d, x.shape) for _ in range(3)]
    return lambda fn, x: sum(np.sum(x[index] * x[index]) for index in indices) + np.sum(x), x


@case(rules.scatter, twin=False)
def scatter(d: Draw) -> tuple[Any, ...]:
    shape = d.shape(min_dims=1, min_side=1)
    index = index_of(d, shape)
    return lambda fn, x: fn(x, index, shape), d.array(np.zeros(shape)[index].shape)


# --- Products and linear algebra --------------------------------------------------------------------------------------


@case(np.matmul)
def matmul(d: Draw) -> tuple[Any, ...]:
    m, n, k = d.integer(0, 3), d.integer(0, 3), d.integer(0, 3)
    left, right = d.broadcastable(2)
    forms = [((n,), (n,)), ((m, n), (n,)), ((n,), (n, k)), ((m, n), (n, k)), ((*left, m, n), (*right, n, k))]
    first, second = d.pick(*forms, forms[-1], ((*left, m, n), (n,)), ((n,), (*right, n, k)))
    if d.integer(0, 4) == 0:
        return lambda fn, x: fn(x, x), d.array((*left, n, n))
    return lambda fn, a, b: fn(a, b), d.array(first), d.array(second)


@case(rules.contract, fn=by_call(rules.contract), twin=rules.contract)
def contract(d: Draw) -> tuple[Any, ...]:
    spec = d.pick("ij,jk->ik", "i,i->", "ij->ji", ",i->i", "bij,bjk->bik", "ij,jk,kl->il", "i,j->ij", "ij,ij->")
    side = {letter: d.integer(0, 3) for letter in "bijkl"}
    xs = [d.array(tuple(side[c] for c in letters)) for letters in spec.split("->")[0].split(",")]
    return lambda fn, *xs: fn(spec, *xs), *xs


def matrices(d: Draw, batch: tuple[int, ...] | None = None, n: int | None = None) -> np.ndarray:
    """A stack of square matrices far from singular."""
    n = d.integer(1, 3) if n is None else n
    batch = d.shape(max_dims=2, max_side=2) if batch is None else batch
    a = 2.5 * np.eye(n) * d.pick(1, -1) + d.rng.uniform(-0.6, 0.6, (*batch, n, n))
    return laid_out(a, d.rng.choice(DISTINCT))


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

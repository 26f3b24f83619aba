"""Cases of functions that make, move, repeat and take entries of arrays, and of what passes over NaN."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.battery.cases import case, keywords, unary
from tests.battery.drawing import Draw

# --- Making -----------------------------------------------------------------------------------------------------------


@case(np.linspace)
def linspace(d: Draw) -> tuple[Any, ...]:
    first, second = d.broadcastable(2)
    n, endpoint, axis = d.integer(0, 4), d.pick(True, False), d.pick(0, -1)
    return lambda fn, a, b: fn(a, b, n, endpoint, axis=axis), d.array(first), d.array(second)


@case(np.select)
def select(d: Draw) -> tuple[Any, ...]:
    shape = d.shape()
    conditions = [d.integers(0, 2, shape).astype(bool) for _ in range(2)]
    return lambda fn, a, b: fn(conditions, [a, b], 1.5), d.array(shape), d.array(shape)


@case(np.broadcast_arrays)
def broadcast_arrays(d: Draw) -> tuple[Any, ...]:
    first, second = d.broadcastable(2)
    return lambda fn, a, b: np.stack(fn(a, b)), d.array(first), d.array(second)


@case(np.meshgrid)
def meshgrid(d: Draw) -> tuple[Any, ...]:
    form = {"indexing": d.pick("xy", "ij"), "sparse": d.pick(True, False)}
    xs = [d.array((d.integer(0, 3),)) for _ in range(d.integer(1, 3))]
    return lambda fn, *xs: np.concatenate([np.ravel(x) for x in fn(*xs, **form)]), *xs


# --- Moving -----------------------------------------------------------------------------------------------------------


@case(np.delete)
def delete(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1, min_side=1))
    axis = d.axis(x.ndim, several=False)
    n = x.size if axis is None else x.shape[axis]
    obj = d.pick(d.integer(-n, n - 1), [0, -1, 0], slice(None, None, 2), np.arange(n) % 2 == 0)
    return lambda fn, x: fn(x, obj, axis), x


@case(np.rot90)
def rot90(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=2))
    i, j = (int(k) for k in d.rng.permutation(x.ndim)[:2])
    k = d.integer(-2, 4)
    return lambda fn, x: fn(x, k, (i, j - x.ndim)), x


@case(np.rollaxis)
def rollaxis(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1))
    axis, start = d.integer(-x.ndim, x.ndim - 1), d.integer(-x.ndim, x.ndim)
    return lambda fn, x: fn(x, axis, start), x


@case(np.resize)
def resize(d: Draw) -> tuple[Any, ...]:
    shape = d.pick((), (2,), 5, (3, 4), (0, 2))
    return lambda fn, x: fn(x, shape), d.array(d.shape(min_side=1))


@case(np.partition, twin=False)
def partition(d: Draw) -> tuple[Any, ...]:
    x = d.distinct((*d.shape(max_dims=2), d.integer(1, 4)))
    kth = d.integer(0, x.shape[-1] - 1)
    return lambda fn, x: fn(x, kth), x


case(np.diagflat)(lambda d: (lambda fn, x: fn(x, 1), d.array(d.shape(max_dims=2))))
case(np.linalg.diagonal)(lambda d: (lambda fn, x: fn(x, offset=1), d.array(d.shape(min_dims=2))))
case(np.linalg.trace)(lambda d: (lambda fn, x: fn(x, offset=-1), d.array(d.shape(min_dims=2))))

# --- Repeating and taking ---------------------------------------------------------------------------------------------


@case(np.full_like, twin=lambda a, fill: np.broadcast_to(fill, a.shape) + 0 * a)
def full_like(d: Draw) -> tuple[Any, ...]:
    shape = d.shape()
    return lambda fn, a, fill: fn(a, fill), d.array((3, *shape)), d.array(shape)


@case(np.flipud)
@case(np.fliplr)
@case(np.matrix_transpose)
def of_matrices(d: Draw) -> tuple[Any, ...]:
    return lambda fn, x: fn(x), d.array(d.shape(min_dims=2))


@case(np.tile)
def tile(d: Draw) -> tuple[Any, ...]:
    reps = d.pick(0, 1, 2, (2,), (2, 1), (1, 2, 3), (0, 2), ())
    return lambda fn, x: fn(x, reps), d.array(d.shape())


@case(np.repeat)
def repeat(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1))
    axis = d.axis(x.ndim, several=False)
    n = x.size if axis is None else x.shape[axis]
    repeats = d.pick(d.integer(0, 3), d.integers(0, 3, n), [2])
    return lambda fn, x: fn(x, repeats, axis), x


PAD_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def pad_twin(x: Any, width: Any, **keywords: Any) -> Any:
    """For complex x: constants are real, and the other modes only move numbers."""
    imaginary = np.pad(x.imag, width, **({} if keywords.get("mode", "constant") == "constant" else keywords))
    return np.pad(x.real, width, **keywords) + 1j * imaginary


@case(np.pad, twin=pad_twin)
def pad(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_side=1))
    each = [(d.integer(0, 4), d.integer(0, 4)) for _ in x.shape]
    width = d.pick(1, 0, (1, 2), *([each] if each else []))
    mode = d.pick(*PAD_MODES)
    chosen = d.pick({"mode": mode}, {}, {"constant_values": 1.5}, {"mode": mode})
    return lambda fn, x: fn(x, width, **chosen), x


@case(np.take)
def take(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1, min_side=1))
    axis = d.axis(x.ndim, several=False)
    n = x.size if axis is None else x.shape[axis]
    indices = d.pick(d.integer(-n, n - 1), d.integers(-n, n, (2, 3)), [0, 0, -1], np.zeros(0, int))
    return lambda fn, x: fn(x, indices, axis), x


@case(np.take_along_axis)
def take_along_axis(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1, min_side=1))
    axis = d.axis(x.ndim, several=False)
    n = x.size if axis is None else x.shape[axis]
    thin = d.integer(0, 3) == 0  # the other axes of the indices may broadcast
    shape = [4] if axis is None else [1 if thin else side for side in x.shape]
    if axis is not None:
        shape[axis] = 2
    indices = d.integers(-n, n, tuple(shape))
    return lambda fn, x: fn(x, indices, axis), x


@case(np.sort)
def sort(d: Draw) -> tuple[Any, ...]:
    x = d.distinct(d.shape(min_dims=1))
    axis = d.axis(x.ndim, several=False)
    return lambda fn, x: fn(x, axis), x


@case(np.diagonal)
def diagonal(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=2))
    axis1, axis2 = (int(k) for k in d.rng.permutation(x.ndim)[:2])
    offset = d.integer(-3, 3)
    return lambda fn, x: fn(x, offset, axis1, axis2 - x.ndim), x


@case(np.diag)
def diag(d: Draw) -> tuple[Any, ...]:
    k = d.integer(-3, 3)
    return lambda fn, x: fn(x, k), d.array(d.shape(min_dims=1, max_dims=2))


@case(np.trace)
def trace(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=2))
    axis1, axis2 = (int(k) for k in d.rng.permutation(x.ndim)[:2])
    offset = d.integer(-2, 2)
    return lambda fn, x: fn(x, offset, axis1, axis2), x


# --- Real numbers -----------------------------------------------------------------------------------------------------

unary(np.real, twin=lambda x: x)
unary(np.real_if_close, twin=lambda x: x)
case(np.modf, twin=lambda x: (x - np.trunc(x.real), np.trunc(x.real)))(
    lambda d: (lambda fn, x: fn(x)[0] + 2 * fn(x)[1], d.array(d.shape(), 1.2, 1.8))
)
case(np.frexp, twin=lambda x: (x / np.exp2(np.frexp(x.real)[1]), 0))(
    lambda d: (lambda fn, x: fn(x)[0], d.array(d.shape(), 1.2, 1.8))
)

# --- Passing over NaN -------------------------------------------------------------------------------------------------


def with_nan(row: Any, twin: Any, several: bool = True, keepdims: bool = True, label: str = "") -> None:
    """NaN is a constant that the call adds, so that inputs are numbers."""

    @case(row, twin=twin, label=label)
    def build(d: Draw) -> tuple[Any, ...]:
        x = d.distinct((*d.shape(max_dims=2, min_side=1), 3))
        hole = np.where((d.integers(0, 3, x.shape) == 0) & (np.arange(3) > 0), np.nan, 0)
        chosen = keywords(d, x.ndim, several, keepdims) if label != "each" else {}
        if chosen.get("axis") == ():
            chosen["axis"] = -1
        if isinstance(chosen.get("axis"), int) or (
            chosen.get("axis") and x.ndim - 1 not in [k % x.ndim for k in chosen["axis"]]
        ):
            chosen["axis"] = -1
        return lambda fn, x: fn(x + hole, **chosen), x


def zeros_for_nan(fn: Any, instead: float = 0.0) -> Any:
    return lambda x, *args, **kwargs: fn(np.where(np.isnan(x.real), instead, x), *args, **kwargs)


def mean_twin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    kept = ~np.isnan(x.real)
    return np.sum(np.where(kept, x, 0), axis, keepdims=keepdims) / np.sum(kept, axis, keepdims=keepdims)


def nanvar_twin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return mean_twin(np.square(x - mean_twin(x, axis, True)), axis, keepdims)


with_nan(np.nansum, zeros_for_nan(np.sum))
with_nan(np.nanprod, zeros_for_nan(np.prod, 1.0))
with_nan(np.nancumsum, zeros_for_nan(np.cumsum), several=False, keepdims=False)
with_nan(np.nancumprod, zeros_for_nan(np.cumprod, 1.0), several=False, keepdims=False)
with_nan(np.nanmean, mean_twin)
with_nan(np.nanvar, False)
with_nan(np.nanmax, False)
with_nan(np.nanmin, False)
with_nan(np.nan_to_num, lambda x: np.where(np.isnan(x.real), 0, x), label="each")


@case(np.nanstd, twin=False)
@case(np.nanvar, twin=nanvar_twin, label="of rows")
def nanstd(d: Draw) -> tuple[Any, ...]:
    x = d.distinct((*d.shape(max_dims=1), 4))
    hole = np.where(np.arange(4) == d.integer(0, 5), np.nan, 0)
    return lambda fn, x: fn(x + hole, axis=-1, keepdims=True), x

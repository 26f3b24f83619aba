"""Cases of functions that make, join, split and move arrays, and of what passes over NaN."""

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


# --- Joining ----------------------------------------------------------------------------------------------------------


@case(np.append)
def append(d: Draw) -> tuple[Any, ...]:
    shape = list(d.shape(min_dims=1))
    axis = d.integer(-len(shape), len(shape) - 1)
    first = d.array(tuple(shape))
    shape[axis] = d.integer(0, 3)
    axis = d.pick(axis, axis, None)
    return lambda fn, a, b: fn(a, b, axis), first, d.array(tuple(shape))


case(np.atleast_3d)(lambda d: (lambda fn, x: fn(x), d.array(d.shape())))
case(np.dstack)(lambda d: (lambda fn, a, b: fn([a, b, a]), *[d.array(s) for s in [d.shape()] * 2]))


@case(np.block)
def block(d: Draw) -> tuple[Any, ...]:
    m, n, k, j = (d.integer(0, 3) for _ in range(4))
    a, b, c, e = (d.array(s) for s in ((m, n), (m, k), (j, n), (j, k)))
    return d.pick(
        (lambda fn, *xs: fn([[xs[0], xs[1]], [xs[2], xs[3]]]), a, b, c, e),
        (lambda fn, a, b: fn([a, b, np.ones((m, 1))]), a, b),
        (lambda fn, a: fn(a), a),
    )


@case(np.insert, twin=False)
def insert(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1, min_side=1))
    axis = d.axis(x.ndim, several=False)
    n = x.size if axis is None else x.shape[axis]
    obj = d.pick(d.integer(-n, n), [0, n], [1, 1, 0] if n else [0])
    shape = () if axis is None or d.integer(0, 1) else tuple(s for i, s in enumerate(x.shape) if i != axis % x.ndim)
    if len(shape) and not np.isscalar(obj):
        shape = ()
    return lambda fn, x, v: fn(x, obj, v, axis), x, d.array(shape)


# --- Splitting and moving ---------------------------------------------------------------------------------------------


@case(np.dsplit)
def dsplit(d: Draw) -> tuple[Any, ...]:
    shape = (d.integer(0, 3), d.integer(0, 3), 2 * d.integer(0, 2))
    return lambda fn, x: np.concatenate([np.ravel(part) for part in fn(x, 2)[::-1]]), d.array(shape)


if hasattr(np, "unstack"):

    @case(np.unstack)
    def unstack(d: Draw) -> tuple[Any, ...]:
        x = d.array(d.shape(min_dims=1, min_side=1))
        axis = d.integer(-x.ndim, x.ndim - 1)
        return lambda fn, x: np.stack(fn(x, axis=axis)[::-1]), x


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

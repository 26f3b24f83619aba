"""Shapes: making arrays, moving, repeating and taking entries; each is an indexing, or made of others that are."""
# tested in tests/calculus/test_every_row.py

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.types import Array
from ..engine import Tensor
from ..rules import scatter
from .axes import axis_of
from .rows import composite, op


def array(a: Array) -> Array:
    """A Tensor as it is, a list of Tensors as one, anything else as an array."""
    if isinstance(a, (list, tuple)) and holds_tensor(a):
        return np.stack([array(x) for x in a])
    return a if type(a) is Tensor else np.asarray(a)


def holds_tensor(a: Array) -> bool:
    return any(type(x) is Tensor or (isinstance(x, (list, tuple)) and holds_tensor(x)) for x in a)


def moved(fn: Any, a: Array, *args: Any, **kwargs: Any) -> Array:
    """What fn, which only moves entries about, makes of a: their numbers, moved, are an index."""
    return np.ravel(a)[fn(np.arange(np.size(a)).reshape(np.shape(a)), *args, **kwargs)]


# --- Making -----------------------------------------------------------------------------------------------------------


@composite(np.full_like)
def full_like(a: Array, fill_value: Any) -> Array:
    return np.broadcast_to(fill_value, np.shape(a)).astype(a.dtype)


@composite(np.linspace)
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, *, axis: int = 0
) -> Array:
    weights = np.linspace(0, 1, num, endpoint)
    start, stop = np.broadcast_arrays(array(start), array(stop))
    t = np.reshape(weights, (num,) + (1,) * np.ndim(start)).astype(np.result_type(start, stop, 1.0))
    y = np.moveaxis(start * (1 - t) + stop * t, 0, axis)
    return (y, (stop - start) / (num - 1 if endpoint else num)) if retstep else y


@composite(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Array:
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ValueError(f"select: {len(condlist)} conditions for {len(choicelist)} choices: give one for each")
    for condition, choice in zip(condlist[::-1], choicelist[::-1], strict=True):
        default = np.where(condition, choice, default)
    return default


@composite(np.broadcast_arrays)
def broadcast_arrays(*args: Any) -> Array:
    shape = np.broadcast_shapes(*map(np.shape, args))
    return tuple(np.broadcast_to(array(a), shape) for a in args)


@composite(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Array:
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing is {indexing!r}: 'xy' or 'ij'")
    n, order = len(xi), list(range(len(xi)))
    if indexing == "xy" and n > 1:
        order[:2] = 1, 0
    thin = [np.reshape(x, tuple(-1 if k == order[i] else 1 for k in range(n))) for i, x in enumerate(map(array, xi))]
    return tuple(thin if sparse else np.broadcast_arrays(*thin))


@op(lambda g, y, x, width: g[tuple(slice(before, before + n) for (before, _), n in zip(width, x.shape, strict=True))])
def zero_pad(x: Array, width: Any) -> Array:
    """x with width[i] = (before, after) zeros on axis i."""
    return np.pad(x, width)


PAD_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


@composite(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", *, constant_values: Any = 0) -> Array:
    """Constants are added; every other mode (edge, reflect, symmetric, wrap) repeats entries, and so is an indexing."""
    if array.ndim == 0 and mode in PAD_MODES:
        return np.copy(array)
    width = np.broadcast_to(pad_width, (array.ndim, 2)).tolist()
    if mode == "constant":
        return zero_pad(array, width) + np.pad(np.zeros_like(array), width, constant_values=constant_values)
    if mode not in PAD_MODES:
        raise TypeError(
            f"pad of a Tensor has no mode {mode!r}: constant, edge, reflect, symmetric and wrap are differentiable"
        )
    return array[np.ix_(*[np.pad(np.arange(n), w, mode=mode) for n, w in zip(array.shape, width, strict=True)])]


# --- Moving -----------------------------------------------------------------------------------------------------------


@composite(np.delete)
def delete(arr: Any, obj: Any, axis: int | None = None) -> Array:
    return moved(np.delete, arr, obj, axis)


@composite(np.rot90)
def rot90(m: Array, k: int = 1, axes: Any = (0, 1)) -> Array:
    return moved(np.rot90, m, k, axes)


@composite(np.rollaxis)
def rollaxis(a: Array, axis: int, start: int = 0) -> Array:
    return moved(np.rollaxis, a, axis, start)


@composite(np.resize)
def resize(a: Array, new_shape: Any) -> Array:
    return np.zeros(new_shape) + np.sum(a) if np.size(a) == 0 else moved(np.resize, a, new_shape)


@composite(np.flipud)
def flipud(m: Array) -> Array:
    return np.flip(m, 0)


@composite(np.fliplr)
def fliplr(m: Array) -> Array:
    return np.flip(m, 1)


@composite(np.tile)
def tile(A: Array, reps: Any) -> Array:
    reps = tuple(np.atleast_1d(reps))
    d = max(len(reps), np.ndim(A))
    shape, reps = (1,) * (d - np.ndim(A)) + np.shape(A), (1,) * (d - len(reps)) + reps
    apart = np.reshape(A, [k for n in shape for k in (1, n)])
    laid = np.broadcast_to(apart, [k for r, n in zip(reps, shape, strict=True) for k in (r, n)])
    return np.reshape(laid, [r * n for r, n in zip(reps, shape, strict=True)])


@composite(np.repeat)
def repeat(a: Array, repeats: Any, axis: int | None = None) -> Array:
    a = np.ravel(a) if axis is None or a.ndim == 0 else a
    axis = axis_of(0 if axis is None else axis, a.ndim)
    return np.take(a, np.repeat(np.arange(a.shape[axis]), repeats), axis)


# --- Taking -----------------------------------------------------------------------------------------------------------


@composite(np.take)
def take(a: Array, indices: Any, axis: int | None = None, *, mode: Any = "raise") -> Array:
    a = np.ravel(a) if axis is None or a.ndim == 0 else a
    axis = axis_of(0 if axis is None else axis, a.ndim)
    places = np.take(np.arange(a.shape[axis]), indices, mode=mode)
    return a[(slice(None),) * axis + (places,)]


@composite(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Array:
    if axis is None:
        arr, axis = np.ravel(arr), 0
    axis = axis_of(axis, arr.ndim)
    if np.ndim(indices) != arr.ndim or np.asarray(indices).dtype.kind not in "iu" or isinstance(indices, list):
        raise ValueError(
            f"take_along_axis: indices {np.shape(indices)} must be integers with as many axes as {np.shape(arr)}"
        )
    others = tuple(1 if k == axis else n for k, n in enumerate(arr.shape))
    index = list(np.indices(others, sparse=True))
    index[axis] = np.asarray(indices)
    return arr[tuple(index)]


@composite(np.sort)
def sort(a: Array, axis: int | None = -1, *, kind: Any = None, stable: Any = None) -> Array:
    a, axis = (np.ravel(a), 0) if axis is None else (a, axis)
    return np.take_along_axis(a, np.argsort(a, axis, kind="stable"), axis)


@composite(np.partition)
def partition(a: Array, kth: Any, axis: int | None = -1, *, kind: Any = "introselect") -> Array:
    a, axis = (np.ravel(a), 0) if axis is None else (a, axis)
    return np.take_along_axis(a, np.argpartition(a, kth, axis, kind), axis)


@composite(np.diagonal)
def diagonal(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    return moved(np.diagonal, a, offset, axis1, axis2)


@composite(np.linalg.diagonal)
def linalg_diagonal(x: Array, *, offset: int = 0) -> Array:
    return np.diagonal(x, offset, -2, -1)


@composite(np.diag)
def diag(v: Array, k: int = 0) -> Array:
    if v.ndim not in (1, 2):
        raise ValueError(f"diag: {v.shape} is no vector and no matrix: use np.diagonal")
    if v.ndim == 2:
        return np.diagonal(v, k)
    i, n = np.arange(len(v)), len(v) + abs(k)
    return scatter(v, (i - min(k, 0), i + max(k, 0)), (n, n))


@composite(np.diagflat)
def diagflat(v: Array, k: int = 0) -> Array:
    return np.diag(np.ravel(v), k)


@composite(np.trace)
def trace(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    return np.sum(np.diagonal(a, offset, axis1, axis2), -1)


@composite(np.linalg.trace)
def linalg_trace(x: Array, *, offset: int = 0) -> Array:
    return np.trace(x, offset, -2, -1)


# --- Real and imaginary parts of real numbers -------------------------------------------------------------------------


@composite(np.real)
def real(val: Any) -> Array:
    return np.positive(val)


@composite(np.real_if_close)
def real_if_close(a: Array, tol: float = 100) -> Array:
    return np.positive(a)


@composite(np.modf)
def modf(x: Array) -> Array:
    return x - np.trunc(x), np.trunc(x)


@composite(np.frexp)
def frexp(x: Array) -> Array:
    exponent = np.frexp(x.data)[1]
    return np.ldexp(x, -exponent), exponent

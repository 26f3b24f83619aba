"""Functions defined by others: NumPy's names spelled out in functions of the table, and the names that have no
gradient.

A composite needs no derivative, for the chain rule goes through its definition. Its arguments are NumPy's, and may
be Tensors or arrays, also inside lists.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import Tensor, call
from ..rules import join, length, logabsdet, scatter, zero_pad
from .rows import composite, flat


def count(x: Any, axis: Any) -> int:
    """How many entries of x are reduced into one."""
    axes = range(np.ndim(x)) if axis is None or np.ndim(x) == 0 else np.atleast_1d(axis)
    return int(np.prod([np.shape(x)[i] for i in axes], dtype=int))


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Axes as NumPy takes them, from 0 on; AxisError for one that is not there, ValueError for one named twice."""
    return tuple(np.lib.array_utils.normalize_axis_tuple(axis, ndim))


def axis_of(axis: int, ndim: int) -> int:
    """One axis, from 0 on."""
    return axes_of(axis, ndim)[0]


@composite(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    if (a_min is not None or a_max is not None) and (min is not None or max is not None):
        raise ValueError("clip: pass its bounds by position or as min= and max=, not both")
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


@composite(np.mean)
def mean(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return np.sum(a, axis, keepdims=keepdims) / count(a, axis)


@composite(np.average)
def average(a: Any, axis: Any = None, weights: Any = None) -> Any:
    if weights is None:
        return np.mean(a, axis)
    if np.ndim(weights) == 1 and np.ndim(a) > 1 and axis is not None:  # one weight for each place along the axis
        axis = axis_of(axis, np.ndim(a))
        weights = np.expand_dims(weights, [i for i in range(np.ndim(a)) if i != axis])
        shape = tuple(n if i == axis else 1 for i, n in enumerate(np.shape(a)))
    else:
        shape = np.shape(a)
    if np.shape(weights) != shape:
        raise ValueError(
            f"average: weights {np.shape(weights)} do not fit {np.shape(a)}: give one to each entry or place"
        )
    total = np.sum(np.broadcast_to(weights, np.shape(a)), axis)
    if np.any(total == 0):
        raise ZeroDivisionError("average: the weights sum to zero, so there is nothing to average")
    return np.sum(a * weights, axis) / total


@composite(np.var)
def var(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    centred = a - np.mean(a, axis, keepdims=True)
    return np.sum(centred * centred, axis, keepdims=keepdims) / max(count(a, axis) - ddof, 0)


@composite(np.std)
def std(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    centred = a - np.mean(a, axis, keepdims=True)
    return length(centred, axis, keepdims=keepdims) / max(count(a, axis) - ddof, 0) ** 0.5


@composite(np.prod)
def prod(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Multiply one half by the other until one factor is left: right with zeros, to any order."""
    axes = tuple(range(a.ndim)) if axis is None or a.ndim == 0 else axes_of(axis, a.ndim)
    kept = [n for i, n in enumerate(a.shape) if i not in axes]
    a = np.reshape(np.moveaxis(a, axes, range(len(axes))), [count(a, axes), *kept])
    while len(a) > 1:
        half = len(a) // 2
        a = np.concatenate([a[:half] * a[half : 2 * half], a[2 * half :]])
    a = a[0] if len(a) else np.sum(a, 0) + 1
    return np.expand_dims(a, sorted(axes)) if keepdims else a


@composite(np.cumprod)
def cumprod(a: Any, axis: int | None = None) -> Any:
    """Each step multiplies every entry by the product of twice as many before it (Hillis and Steele 1986)."""
    a = np.moveaxis(np.ravel(a) if axis is None or a.ndim == 0 else a, axis or 0, 0)
    step = 1
    while step < len(a):
        a = np.concatenate([a[:step], a[step:] * a[:-step]])
        step *= 2
    return np.moveaxis(a, 0, axis or 0)


@composite(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, *, keepdims: bool = False) -> Any:
    if np.size(axis) > 2 or (axis is None and ord is not None and np.ndim(x) > 2):
        raise ValueError(
            f"linalg.norm with ord={ord!r} is of vectors and matrices: of {np.shape(x)} name one or two axes"
        )
    matrix = ord is not None and (x.ndim == 2 if axis is None else isinstance(axis, tuple))
    if ord is None or (ord == "fro" and matrix) or (ord == 2 and not matrix):
        return length(x, axis, keepdims=keepdims)
    if matrix or isinstance(ord, str):
        raise TypeError(
            f"linalg.norm of a Tensor has no rule for matrices with ord={ord!r}: 'fro' and vector norms have"
        )
    if ord in (np.inf, -np.inf):
        return (np.max if ord > 0 else np.min)(np.abs(x), axis, keepdims=keepdims)
    if ord == 0:
        raise TypeError("linalg.norm with ord=0 counts what is not zero, which has no gradient: use it on t.data")
    total = np.sum(np.abs(x) ** ord, axis, keepdims=keepdims)
    return np.where(total == 0, 0, np.where(total == 0, 1, total) ** (1 / ord))


@composite(np.full_like)
def full_like(a: Any, fill_value: Any) -> Any:
    return np.broadcast_to(fill_value, np.shape(a)).astype(a.dtype)


@composite(np.pad)
def pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Any:
    """Constants are added; every other mode (edge, reflect, symmetric, wrap) repeats entries, and so is an indexing."""
    if array.ndim == 0:
        return np.copy(array)
    width = np.broadcast_to(pad_width, (array.ndim, 2)).tolist()
    if mode == "constant":
        return zero_pad(array, width) + np.pad(np.zeros_like(array), width, constant_values=constant_values)
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise TypeError(
            f"pad of a Tensor has no mode {mode!r}: constant, edge, reflect, symmetric and wrap are differentiable"
        )
    return array[np.ix_(*[np.pad(np.arange(n), w, mode=mode) for n, w in zip(array.shape, width, strict=True)])]  # type: ignore[call-overload]


@composite(np.concatenate)
def concatenate(arrays: Any, axis: int | None = 0) -> Any:
    if axis is None:
        arrays, axis = [np.ravel(a) for a in arrays], 0
    return call(join, tuple(a if type(a) is Tensor else np.asarray(a) for a in arrays), {"axis": axis})


@composite(np.stack)
def stack(arrays: Any, axis: int = 0) -> Any:
    return np.concatenate([np.expand_dims(a, axis) for a in arrays], axis)


@composite(np.atleast_1d)
def atleast_1d(*arys: Any) -> Any:
    found = tuple(np.reshape(a, (1,)) if np.ndim(a) == 0 else a for a in arys)
    return found[0] if len(found) == 1 else found


@composite(np.atleast_2d)
def atleast_2d(*arys: Any) -> Any:
    found = tuple(np.reshape(a, (1, -1)) if np.ndim(a) < 2 else a for a in arys)
    return found[0] if len(found) == 1 else found


@composite(np.vstack)
def vstack(tup: Any) -> Any:
    return np.concatenate([np.atleast_2d(a) for a in tup])


@composite(np.hstack)
def hstack(tup: Any) -> Any:
    arrays = [np.atleast_1d(a) for a in tup]
    return np.concatenate(arrays, 0 if np.ndim(arrays[0]) == 1 else 1)


@composite(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    x = np.moveaxis(ary, axis, 0)
    parts = np.array_split(np.arange(len(x)), indices_or_sections)
    return [np.moveaxis(x[part[0] : part[-1] + 1] if len(part) else x[:0], 0, axis) for part in parts]


@composite(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    np.split(np.empty(ary.shape[axis]), indices_or_sections)  # refuses sections of unequal size
    return np.array_split(ary, indices_or_sections, axis)


@composite(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    return np.split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


@composite(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    if ary.ndim < 2:
        raise ValueError(f"vsplit: {ary.shape} has no rows to split: use np.split")
    return np.split(ary, indices_or_sections, 0)


@composite(np.column_stack)
def column_stack(tup: Any) -> Any:
    return np.concatenate([np.expand_dims(a, 1) if np.ndim(a) == 1 else a for a in tup], 1)


@composite(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    if n < 0:
        raise ValueError(f"diff: n is {n}: take differences 0 times or more")
    a = np.moveaxis(a, axis, 0)
    for _ in range(n):
        a = a[1:] - a[:-1]
    return np.moveaxis(a, 0, axis)


@composite(np.tile)
def tile(A: Any, reps: Any) -> Any:
    reps = tuple(np.atleast_1d(reps))
    d = max(len(reps), np.ndim(A))
    shape, reps = (1,) * (d - np.ndim(A)) + np.shape(A), (1,) * (d - len(reps)) + reps
    apart = np.reshape(A, [k for n in shape for k in (1, n)])
    laid = np.broadcast_to(apart, [k for r, n in zip(reps, shape, strict=True) for k in (r, n)])
    return np.reshape(laid, [r * n for r, n in zip(reps, shape, strict=True)])


@composite(np.take)
def take(a: Any, indices: Any, axis: int | None = None) -> Any:
    return np.ravel(a)[indices] if axis is None else a[(slice(None),) * axis_of(axis, a.ndim) + (indices,)]


@composite(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None) -> Any:
    if axis is None:
        return np.ravel(arr)[indices]
    axis = axis_of(axis, arr.ndim)
    if np.ndim(indices) != arr.ndim:
        raise ValueError(f"take_along_axis: indices {np.shape(indices)} must have as many axes as {np.shape(arr)}")
    shape = (*arr.shape[:axis], np.shape(indices)[axis], *arr.shape[axis + 1 :])
    index = list(np.indices(shape, sparse=True))
    index[axis] = np.broadcast_to(indices, shape)
    return arr[tuple(index)]


@composite(np.sort)
def sort(a: Any, axis: int | None = -1) -> Any:
    a, axis = (np.ravel(a), 0) if axis is None else (a, axis)
    return np.take_along_axis(a, np.argsort(a, axis, kind="stable"), axis)


@composite(np.repeat)
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    a, axis = (np.ravel(a), 0) if axis is None else (a, axis)
    return np.take(a, np.repeat(np.arange(a.shape[axis]), repeats), axis)


@composite(np.flipud)
def flipud(m: Any) -> Any:
    return np.flip(m, 0)


@composite(np.fliplr)
def fliplr(m: Any) -> Any:
    return np.flip(m, 1)


@composite(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    a = np.moveaxis(a, (axis1, axis2), (-2, -1))
    i = np.arange(max(0, min(a.shape[-2] + min(offset, 0), a.shape[-1] - max(offset, 0))))
    return a[..., i - min(offset, 0), i + max(offset, 0)]


@composite(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    if v.ndim == 2:
        return np.diagonal(v, k)
    i, n = np.arange(len(v)), len(v) + abs(k)
    return scatter(v, (i - min(k, 0), i + max(k, 0)), (n, n))


@composite(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return np.sum(np.diagonal(a, offset, axis1, axis2), -1)


@composite(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    sign, _ = result = np.linalg.slogdet(a.data)
    return type(result)(sign, logabsdet(a))


# --- No gradient ------------------------------------------------------------------------------------------------------
# Steps and choices: flat wherever they have a derivative at all, so their results are plain arrays.

flat(
    np.equal,
    np.not_equal,
    np.less,
    np.less_equal,
    np.greater,
    np.greater_equal,
    np.isclose,
    np.allclose,
    np.array_equal,
)
flat(np.logical_and, np.logical_or, np.logical_xor, np.logical_not, np.any, np.all, np.isnan, np.isinf, np.isfinite)
flat(np.sign, np.signbit, np.floor, np.ceil, np.trunc, np.rint, np.round, np.floor_divide)
flat(np.argmax, np.argmin, np.argsort, np.nonzero, np.flatnonzero, np.argwhere, np.count_nonzero, np.searchsorted)
flat(
    np.shape,
    np.ndim,
    np.size,
    np.zeros_like,
    np.ones_like,
    np.empty_like,
    np.result_type,
    np.array2string,
)

"""Reductions defined by others: sums, products, means and moments, and what passes over NaN."""
# tested in tests/calculus/test_composites.py

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.types import Array
from ..engine import Tensor
from .axes import axes_of, axis_of, count
from .lengths import length
from .rows import composite


@composite(np.clip)
def clip(a: Array, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Array:
    if (a_min is not None or a_max is not None) and (min is not None or max is not None):
        raise ValueError("clip: pass its bounds by position or as min= and max=, not both")
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


@composite(np.ptp)
def ptp(a: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    return np.max(a, axis, keepdims=keepdims) - np.min(a, axis, keepdims=keepdims)


@composite(np.mean)
def mean(a: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    a = stacked(a)
    n = count(a, axis)
    return np.sum(a, axis, keepdims=keepdims) / n


def stacked(a: Array) -> Array:
    """A list of Tensors as one."""
    return np.stack([stacked(x) for x in a]) if isinstance(a, (list, tuple)) else a


@composite(np.average)
def average(
    a: Array, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Array:
    if weights is None:
        y = np.mean(a, axis, keepdims=keepdims)
        return (y, np.full(y.shape, float(count(a, axis)))) if returned else y
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
    total = np.sum(np.broadcast_to(weights, np.shape(a)), axis, keepdims=keepdims)
    if np.any(total == 0):
        raise ZeroDivisionError("average: the weights sum to zero, so there is nothing to average")
    y = np.sum(a * weights, axis, keepdims=keepdims) / total
    return (y, total) if returned else y


@composite(np.var)
def var(a: Array, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Array:
    a = stacked(a)
    centred = a - np.mean(a, axis, keepdims=True)
    return np.sum(centred * centred, axis, keepdims=keepdims) / max(count(a, axis) - ddof, 0)


@composite(np.std)
def std(a: Array, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Array:
    a = stacked(a)
    centred = a - np.mean(a, axis, keepdims=True)
    return length(centred, axis, keepdims=keepdims) / max(count(a, axis) - ddof, 0) ** 0.5


@composite(np.prod)
def prod(a: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    """Multiply one half by the other until one factor is left: right with zeros, to any order."""
    whole = axis is None or (a.ndim == 0 and axis in (0, -1))
    axes = tuple(range(a.ndim)) if whole else axes_of(axis, a.ndim)
    kept = [n for i, n in enumerate(a.shape) if i not in axes]
    a = np.reshape(np.moveaxis(a, axes, range(len(axes))), [count(a, axes), *kept])
    while len(a) > 1:
        half = len(a) // 2
        a = np.concatenate([a[:half] * a[half : 2 * half], a[2 * half :]])
    a = a[0] if len(a) else np.sum(a, 0) + 1
    return np.expand_dims(a, sorted(axes)) if keepdims else a


@composite(np.cumprod)
def cumprod(a: Array, axis: int | None = None) -> Array:
    """Each step multiplies every entry by the product of twice as many before it (Hillis and Steele 1986)."""
    if axis is not None:
        axis_of(axis, max(a.ndim, 1))  # refuses what is no axis
    a = np.moveaxis(np.ravel(a) if axis is None or a.ndim == 0 else a, axis or 0, 0)
    step = 1
    while step < len(a):
        a = np.concatenate([a[:step], a[step:] * a[:-step]])
        step *= 2
    return np.moveaxis(a, 0, axis or 0)


@composite(np.cumulative_sum)
def cumulative_sum(x: Array, *, axis: int | None = None, include_initial: bool = False) -> Array:
    return accumulated(np.cumsum, x, axis, np.zeros, include_initial)


@composite(np.cumulative_prod)
def cumulative_prod(x: Array, *, axis: int | None = None, include_initial: bool = False) -> Array:
    return accumulated(np.cumprod, x, axis, np.ones, include_initial)


def accumulated(fn: Any, x: Array, axis: int | None, first: Any, include_initial: bool) -> Array:
    if axis is None:
        if np.ndim(x) > 1:
            raise ValueError(f"{fn.__name__}: name the axis of {x.shape}, which has several")
        axis = 0
    x = np.atleast_1d(x)
    (axis,) = (axis_of(axis, np.ndim(x)),) if include_initial else axes_of(axis, np.ndim(x))
    y = fn(x, axis)
    if not include_initial:
        return y
    return np.concatenate([first((*x.shape[:axis], 1, *x.shape[axis + 1 :]), x.dtype), y], axis)


# --- Passing over NaN -------------------------------------------------------------------------------------------------


@composite(np.nan_to_num)
def nan_to_num(x: Array, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Array:
    values = x.data if type(x) is Tensor else x
    return np.where(np.isfinite(x), x, np.nan_to_num(values, nan=nan, posinf=posinf, neginf=neginf))


def without_nan(a: Array, instead: float) -> Array:
    return np.where(np.isnan(a), instead, a)


@composite(np.nansum)
def nansum(a: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    return np.sum(without_nan(a, 0), axis, keepdims=keepdims)


@composite(np.nanprod)
def nanprod(a: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    return np.prod(without_nan(a, 1), axis, keepdims=keepdims)


@composite(np.nancumsum)
def nancumsum(a: Array, axis: int | None = None) -> Array:
    return np.cumsum(without_nan(a, 0), axis)


@composite(np.nancumprod)
def nancumprod(a: Array, axis: int | None = None) -> Array:
    return np.cumprod(without_nan(a, 1), axis)


@composite(np.nanmean)
def nanmean(a: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    return np.nansum(a, axis, keepdims=keepdims) / np.sum(~np.isnan(a), axis, keepdims=keepdims)


@composite(np.nanvar)
def nanvar(a: Array, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Array:
    centred, n = nan_centred(a, axis, ddof, keepdims)
    return np.sum(centred * centred, axis, keepdims=keepdims) / n


@composite(np.nanstd)
def nanstd(a: Array, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Array:
    centred, n = nan_centred(a, axis, ddof, keepdims)
    return length(centred, axis, keepdims=keepdims) / np.sqrt(n)


def nan_centred(a: Array, axis: Any, ddof: float, keepdims: bool) -> tuple[Any, Any]:
    """a less its mean, 0 for NaN, and the degrees of freedom: NaN where there are none."""
    centred = without_nan(a - np.nanmean(a, axis, keepdims=True), 0)
    n = np.sum(~np.isnan(a), axis, keepdims=keepdims) - ddof
    return centred, np.where(n > 0, n, np.nan)


@composite(np.nanmax)
def nanmax(a: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    return nan_extreme(np.max, -np.inf, a, axis, keepdims)


@composite(np.nanmin)
def nanmin(a: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    return nan_extreme(np.min, np.inf, a, axis, keepdims)


def nan_extreme(fn: Any, instead: float, a: Array, axis: Any, keepdims: bool) -> Array:
    y = fn(without_nan(a, instead), axis, keepdims=keepdims)
    return np.where(np.all(np.isnan(a), axis, keepdims=keepdims), np.nan, y)

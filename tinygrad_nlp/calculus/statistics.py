"""Statistics and signals: quantiles, covariance, differences, integrals, interpolation, convolution."""
# tested in tests/calculus/test_every_row.py

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from ..core.types import Array
from .axes import axes_of, axis_of, count
from .rows import composite, op
from .shapes import array

# --- Quantiles --------------------------------------------------------------------------------------------------------


def quantiles(fn: Any, a: Array, q: Array, axis: Any, method: Any, keepdims: bool, passing: bool) -> Array:
    """Sort; what fn (np.quantile or np.percentile) makes of the places 0 … n−1 is a place, perhaps between two.
    passing: over NaN, as if it were not there."""
    a, several = array(a), np.shape(q)
    if passing and a.size == 0:
        return np.nanmean(a, axis, keepdims=keepdims)
    axes = tuple(range(a.ndim)) if axis is None else axes_of(axis, a.ndim)
    kept = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
    rows = np.moveaxis(a, axes, range(-len(axes), 0)) if axes else a[..., None]
    rows = np.sort(np.reshape(rows, (*[n for i, n in enumerate(a.shape) if i not in axes], count(a, axes))), -1)
    known = np.sum(~np.isnan(rows), -1) if passing else np.full(rows.shape[:-1], rows.shape[-1])
    place = np.full((*several, *known.shape), np.nan)
    for n in np.unique(known):
        if n > 0:
            at = fn(np.arange(float(n)), q, method=method)
            place[..., known == n] = np.asarray(at)[..., None]
    below = np.where(np.isnan(place), 0, np.floor(place)).astype(int)
    above = np.where(np.isnan(place), 0, np.ceil(place)).astype(int)
    rows = np.broadcast_to(rows, (*several, *rows.shape))
    low, high = (np.take_along_axis(rows, i[..., None], -1)[..., 0] for i in (below, above))
    dtype = fn(np.zeros(1, rows.dtype), q, method=method).dtype
    y = (low + (high - low) * (place - below).astype(rows.dtype)).astype(dtype)
    if not passing:
        y = np.where(np.any(np.isnan(a), axes), np.nan, y)
    return np.reshape(y, (*several, *kept)) if keepdims else y


@composite(np.quantile)
def quantile(a: Array, q: Array, axis: Any = None, *, method: Any = "linear", keepdims: bool = False) -> Array:
    return quantiles(np.quantile, a, q, axis, method, keepdims, False)


@composite(np.nanquantile)
def nanquantile(a: Array, q: Array, axis: Any = None, *, method: Any = "linear", keepdims: bool = False) -> Array:
    return quantiles(np.quantile, a, q, axis, method, keepdims, True)


@composite(np.percentile)
def percentile(a: Array, q: Array, axis: Any = None, *, method: Any = "linear", keepdims: bool = False) -> Array:
    return quantiles(np.percentile, a, q, axis, method, keepdims, False)


@composite(np.nanpercentile)
def nanpercentile(a: Array, q: Array, axis: Any = None, *, method: Any = "linear", keepdims: bool = False) -> Array:
    return quantiles(np.percentile, a, q, axis, method, keepdims, True)


@composite(np.median)
def median(a: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    if np.size(a) == 0:
        return np.mean(a, axis, keepdims=keepdims)
    return quantiles(np.quantile, a, 0.5, axis, "linear", keepdims, False)


@composite(np.nanmedian)
def nanmedian(a: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    return quantiles(np.quantile, a, 0.5, axis, "linear", keepdims, True)


# --- Covariance -------------------------------------------------------------------------------------------------------


@composite(np.cov)
def cov(
    m: Array,
    y: Array = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    *,
    fweights: Any = None,
    aweights: Any = None,
) -> Array:
    x = variables(m, rowvar)
    if x.shape[0] == 0:
        return np.zeros((0, 0))
    if y is not None:
        x = np.concatenate([x, variables(y, rowvar)])
    weights = np.ones(x.shape[1]) if fweights is None else np.asarray(fweights)
    weights = weights if aweights is None else weights * aweights
    ddof = int(not bias) if ddof is None else ddof
    total = np.sum(weights)
    lost = ddof if aweights is None else ddof * np.sum(weights * aweights) / total
    x = x - np.average(x, 1, weights, keepdims=True)
    return np.squeeze((x * weights) @ x.T / max(total - lost, 0))


def variables(m: Array, rowvar: bool) -> Array:
    m = array(m)
    if m.ndim > 2:
        raise ValueError(f"cov: {m.shape} has more than two axes: rows are variables, columns observations")
    return np.atleast_2d(m) if rowvar or m.ndim < 2 else m.T


@composite(np.corrcoef)
def corrcoef(x: Array, y: Array = None, rowvar: bool = True) -> Array:
    c = np.cov(x, y, rowvar)
    if c.ndim == 0:
        return c / c
    d = np.sqrt(np.diag(c))
    return np.clip(c / d[:, None] / d, -1, 1)


# --- Differences, integrals, interpolation ----------------------------------------------------------------------------

NOTHING = inspect.signature(np.diff).parameters["prepend"].default  # NumPy's own sign for an argument that is left out


@composite(np.diff)
def diff(a: Array, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Array:
    if n < 0:
        raise ValueError(f"diff: n is {n}: take differences 0 times or more")
    a = array(a)
    if n == 0:
        return a
    axis = axis_of(axis, a.ndim)
    edge = [*a.shape[:axis], 1, *a.shape[axis + 1 :]]
    ends = [None if x is None or x is NOTHING else array(x) for x in (prepend, append)]
    ends = [x if x is None or x.ndim else np.broadcast_to(x, edge) for x in ends]
    around = [x for x in (ends[0], a, ends[1]) if x is not None]
    a = np.moveaxis(np.concatenate(around, axis) if len(around) > 1 else a, axis, 0)
    for _ in range(n):
        a = a[1:] - a[:-1]
    return np.moveaxis(a, 0, axis)


@composite(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Array:
    x = np.ravel(array(ary))
    parts = [to_begin, x[1:] - x[:-1], to_end]
    return np.concatenate([np.ravel(array(p)) for p in parts if p is not None]).astype(x.dtype)


@composite(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Array:
    """Differences of second order inside, of first or second order at the edges."""
    axes = tuple(range(f.ndim)) if axis is None else axes_of(axis, f.ndim)
    spacings = list(varargs) if len(varargs) != 1 else list(varargs) * len(axes)
    spacings = spacings or [1.0] * len(axes)
    if len(spacings) != len(axes):
        raise TypeError(f"gradient: {len(varargs)} spacings for {len(axes)} axes: give none, one, or one an axis")
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order is {edge_order}: 1 or 2")
    found = [along(np.moveaxis(f, i, 0), h, edge_order, i) for i, h in zip(axes, spacings, strict=True)]
    return found[0] if len(found) == 1 else tuple(found)


def along(f: Any, h: Array, edge_order: int, axis: int) -> Array:
    n = f.shape[0]
    if n < edge_order + 1:
        raise ValueError(f"gradient: an axis of {n} is too short for edge_order {edge_order}")
    if np.ndim(h) > 1 or (np.ndim(h) == 1 and len(h) != n):
        raise ValueError(f"gradient: coordinates {np.shape(h)} do not fit an axis of {n}")
    steps = np.diff(array(h)) if np.ndim(h) else np.broadcast_to(h, (n - 1,))
    steps = np.reshape(steps, (-1,) + (1,) * (f.ndim - 1))
    slopes = (f[1:] - f[:-1]) / steps
    left, right = steps[:-1], steps[1:]
    inside = (slopes[:-1] * right + slopes[1:] * left) / (left + right)
    first, last = slopes[:1], slopes[-1:]
    if edge_order == 2:
        first = first + (slopes[:1] - slopes[1:2]) * steps[:1] / (steps[:1] + steps[1:2])
        last = last + (slopes[-1:] - slopes[-2:-1]) * steps[-1:] / (steps[-1:] + steps[-2:-1])
    return np.moveaxis(np.concatenate([first, inside, last]), 0, axis).astype(f.dtype)


@composite(np.trapezoid)
def trapezoid(y: Array, x: Array = None, dx: Any = 1.0, axis: int = -1) -> Array:
    y = array(y)
    axis = axis_of(axis, y.ndim)
    if x is not None:
        x = array(x)
        dx = np.diff(x) if x.ndim == 1 else np.diff(x, axis=axis)
        if x.ndim == 1:
            dx = np.reshape(dx, tuple(-1 if i == axis else 1 for i in range(y.ndim)))
    before = (slice(None),) * axis
    return np.sum(dx * (y[(*before, slice(1, None))] + y[(*before, slice(None, -1))]) / 2, axis)


@composite(np.interp)
def interp(x: Array, xp: Any, fp: Any, left: Any = None, right: Any = None) -> Array:
    x, xp, fp = array(x), array(xp), array(fp)
    if xp.ndim != 1 or xp.shape != fp.shape or not len(xp):
        raise ValueError(f"interp: xp {xp.shape} and fp {fp.shape} must be vectors of one length, 1 or more")
    i = np.clip(np.searchsorted(xp, x, "right"), 1, max(len(xp) - 1, 1))
    j = np.minimum(i, len(xp) - 1)
    inside = len(xp) > 1
    slope = (fp[j] - fp[i - 1]) / (xp[j] - xp[i - 1]) if inside else 0.0
    y = fp[i - 1] + slope * (x - xp[i - 1])
    y = np.where(x < xp[0], fp[0] if left is None else left, y)
    return np.where(x > xp[-1], fp[-1] if right is None else right, y).astype(float)


# --- Convolution ------------------------------------------------------------------------------------------------------


@op(lambda g, y, a, v: slid(g, v), lambda g, y, a, v: slid(g, a))
def convolution(a: Array, v: Array) -> Array:
    """Σ_k a_k v_(n−k) for every n, of two vectors."""
    return np.convolve(a, v)


def slid(a: Array, v: Array) -> Array:
    return sliding(a, v)


@op(lambda g, y, a, v: convolution(g, v), lambda g, y, a, v: slid(a, g))
def sliding(a: Array, v: Array) -> Array:
    """Σ_k a_(n+k) v_k for every n at which v lies within a."""
    return np.correlate(a, v, "valid")


@composite(np.convolve)
def convolve(a: Array, v: Array, mode: Any = "full") -> Array:
    a, v = (np.atleast_1d(x) for x in (a, v))
    if a.ndim > 1 or v.ndim > 1 or not a.size or not v.size:
        raise ValueError(f"convolve: {a.shape} and {v.shape}: give two vectors that are not empty")
    small, large = sorted((a.size, v.size))
    starts = {
        "full": (0, large + small - 1),
        "same": ((small - 1) // 2, large),
        "valid": (small - 1, large - small + 1),
    }
    if mode not in starts:
        raise ValueError(f"convolve: mode {mode!r}: full, same or valid")
    start, n = starts[mode]
    return convolution(a, v)[start : start + n]


@composite(np.correlate)
def correlate(a: Array, v: Array, mode: Any = "valid") -> Array:
    a, v = (np.atleast_1d(x) for x in (a, v))
    if np.size(a) < np.size(v):
        return np.flip(np.convolve(v, np.flip(a), mode))
    return np.convolve(a, np.flip(v), mode)


@composite(np.vander)
def vander(x: Array, N: int | None = None, increasing: bool = False) -> Array:
    if x.ndim != 1:
        raise ValueError(f"vander: {x.shape} is no vector")
    n = len(x) if N is None else N
    powers = np.arange(n) if increasing else np.arange(n)[::-1]
    return x[:, None] ** powers


@composite(np.polyval)
def polyval(p: Array, x: Array) -> Array:
    p, y = array(p), np.zeros_like(x) * 1.0
    for c in p:
        y = y * x + c
    return y

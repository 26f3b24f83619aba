"""Lengths: the norms of vectors and matrices. At 0, where a length has no derivative, its gradient is 0."""
# tested in tests/calculus/test_every_row.py

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.types import Array
from ..rules import spread
from .axes import axes_of
from .cones import cone, no_limit, ratio
from .rows import composite, op


def d_length(g: Array, y: Array, x: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    def lay(a: Array) -> Array:
        return spread(a, x, axis, keepdims)

    return cone(g, y, x, ratio(x, lay(y)), lay, no_limit)


@op(d_length)
def length(x: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    """Euclidean length along axes, √Σx²; its gradient at 0 is 0. Numbers whose squares overflow or underflow are
    scaled first."""
    with np.errstate(over="ignore", under="ignore"):
        y = np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))
        limits = np.finfo(y.dtype)
        if np.all((y > limits.smallest_normal**0.5 / limits.eps) & (y < limits.max**0.5)):
            return y
        scale = magnitude(x, axis)
        return np.sqrt(np.sum(np.square(x / scale), axis=axis, keepdims=keepdims)) * (
            scale if keepdims else np.reshape(scale, np.shape(y))
        )


def magnitude(x: Array, axis: Any) -> Array:
    """The power of two just below the largest |x| along axes, 1 where that is 0 or not finite: to divide by it rounds
    nothing."""
    top = np.max(np.abs(x), axis=axis, keepdims=True, initial=0)
    usable = (top > 0) & np.isfinite(top)
    return np.where(usable, np.ldexp(np.ones_like(top), np.frexp(np.where(usable, top, 1))[1] - 1), 1).astype(top.dtype)


def d_p_length(g: Array, y: Array, x: Array, p: float, axis: Any = None, *, keepdims: bool = False) -> Array:
    """∂(Σ|x|ᵖ)^(1/p) = sign(x) (|x| / y)ᵖ⁻¹, and 0 where x or y is 0."""
    y = spread(y, x, axis, keepdims)
    away = (x != 0) & (y != 0)
    slope = np.where(away, np.abs(x), 1) / np.where(away, y, 1)
    return spread(g, x, axis, keepdims) * np.sign(x) * away * slope ** (p - 1)


@op(d_p_length, None)
def p_length(x: Array, p: float, axis: Any = None, *, keepdims: bool = False) -> Array:
    """(Σ|x|ᵖ)^(1/p) along axes."""
    scale = magnitude(x, axis)
    with np.errstate(divide="ignore"):  # |0|⁻¹ is ∞, and then the length is 0
        total = np.sum(np.abs(x / scale) ** p, axis=axis, keepdims=keepdims)
        return total ** (1 / p) * (scale if keepdims else np.reshape(scale, np.shape(total)))


@composite(np.linalg.norm)
def norm(x: Array, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    ndim = np.ndim(x)
    axes = tuple(range(ndim)) if axis is None else axes_of(axis, ndim)
    if ord is None and axis is None:
        return length(x, axes, keepdims=keepdims)
    if len(axes) == 1:
        return vector_length(x, 2 if ord is None else ord, axes, keepdims)
    if len(axes) != 2:
        raise ValueError(
            f"linalg.norm with ord={ord!r} is of vectors and matrices: of {np.shape(x)} name one or two axes"
        )
    return matrix_length(x, "fro" if ord is None else ord, axes, keepdims)


def largest(sizes: Array, axis: Any, keepdims: bool = False) -> Array:
    """The largest of numbers that are not negative; 0 where there are none, as in NumPy since 2.3."""
    none = 0 in np.shape(sizes) and np.size(np.sum(sizes, axis)) > 0
    return (np.sum if none else np.max)(sizes, axis, keepdims=keepdims)


def vector_length(x: Array, ord: Any, axis: Any, keepdims: bool) -> Array:
    if isinstance(ord, str):
        raise ValueError(f"linalg.norm: ord={ord!r} is for matrices, and {np.shape(x)} along {axis} are vectors")
    if ord is None or ord == 2:
        return length(x, axis, keepdims=keepdims)
    if np.isinf(ord):
        return (largest if ord > 0 else np.min)(np.abs(x), axis, keepdims=keepdims)
    if ord == 0:
        raise TypeError("linalg.norm with ord=0 counts what is not zero, which has no gradient: use it on t.data")
    return p_length(x, ord, axis, keepdims=keepdims)


def matrix_length(x: Array, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Array:
    if ord == "fro":
        return length(x, axes, keepdims=keepdims)
    if ord not in ("nuc", 1, -1, 2, -2, np.inf, -np.inf):
        raise ValueError(
            f"linalg.norm: a matrix has no ord={ord!r}: 'fro', 'nuc', 1, 2, inf and their negatives are known"
        )
    a = np.moveaxis(x, axes, (-2, -1))
    if ord == "nuc":
        y = np.sum(np.linalg.svdvals(a), -1)
    else:
        sizes = np.linalg.svdvals(a) if abs(ord) == 2 else np.sum(np.abs(a), -2 if abs(ord) == 1 else -1)
        y = largest(sizes, -1) if ord > 0 else np.min(sizes, -1)
    return np.expand_dims(y, axes) if keepdims else y


@composite(np.linalg.vector_norm)
def vector_norm(x: Array, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Array:
    axes = tuple(range(np.ndim(x))) if axis is None else axes_of(axis, np.ndim(x))
    return vector_length(x, ord, axes, keepdims)


@composite(np.linalg.matrix_norm)
def matrix_norm(x: Array, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    return matrix_length(x, "fro" if ord is None else ord, (np.ndim(x) - 2, np.ndim(x) - 1), keepdims)

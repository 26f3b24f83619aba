"""The table: NumPy functions and their derivatives. Read this file second, as a page of calculus.

A row's lambdas take g, the gradient of the output y, then y, then the function's own arguments (x, or a and b), and
return the gradient of one argument, (∂y/∂a)ᵀ g. No row undoes broadcasting or dtypes: the engine does, once. Rows
are NumPy, so they work on Tensors too; that is all there is to second order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special as special

from .calculus.axes import fixed
from .calculus.cones import cone, no_limit, ratio
from .calculus.rows import op, rule
from .core.interface import astype, getitem
from .core.sparse import Patches, scatter_values
from .core.types import Array
from .engine import Tensor

# --- Arithmetic -------------------------------------------------------------------------------------------------------
# Sums pass g on; products swap their factors; xⁿ brings down its exponent.


rule(np.positive, lambda g, y, x: g)
rule(np.negative, lambda g, y, x: -g)
rule(np.add, lambda g, y, a, b: g, lambda g, y, a, b: g)
rule(np.subtract, lambda g, y, a, b: g, lambda g, y, a, b: -g)
rule(np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)
rule(np.divide, lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b)
rule(
    np.power,
    lambda g, y, a, b: g * b * np.where((a == 0) & (b == 0), 1, a) ** (b - 1),
    lambda g, y, a, b: g * y * np.log(np.where(a == 0, 1, a)),
)
rule(np.remainder, lambda g, y, a, b: g, lambda g, y, a, b: -g * np.floor_divide(a, b))
rule(np.reciprocal, lambda g, y, x: -g * y * y)
rule(np.square, lambda g, y, x: g * 2 * x)
rule(np.sqrt, lambda g, y, x: g / (2 * y))
rule(np.cbrt, lambda g, y, x: g / (3 * y * y))

# --- Exponentials and logarithms --------------------------------------------------------------------------------------
# eˣ is its own derivative; a logarithm's is 1/x, over the logarithm of its base.

LN2, LN10 = float(np.log(2)), float(np.log(10))


def weight(a: Array, b: Array) -> Array:
    """eᵃ / (eᵃ + eᵇ), and 0 where both are 0."""
    return special.expit(a - np.where((a == b) & np.isinf(a), 0, b))


rule(np.exp, lambda g, y, x: g * y)
rule(np.exp2, lambda g, y, x: g * y * LN2)
rule(np.expm1, lambda g, y, x: g * (y + 1))
rule(np.log, lambda g, y, x: g / x)
rule(np.log2, lambda g, y, x: g / (x * LN2))
rule(np.log10, lambda g, y, x: g / (x * LN10))
rule(np.log1p, lambda g, y, x: g / (1 + x))
rule(np.logaddexp, lambda g, y, a, b: g * weight(a, b), lambda g, y, a, b: g * weight(b, a))

# --- Circular and hyperbolic functions --------------------------------------------------------------------------------
# Written in y where that saves work: tan′ = 1 + tan², tanh′ = 1 − tanh².

rule(np.sin, lambda g, y, x: g * np.cos(x))
rule(np.cos, lambda g, y, x: -g * np.sin(x))
rule(np.tan, lambda g, y, x: g * (1 + y * y))
rule(np.arcsin, lambda g, y, x: g / np.sqrt((1 - x) * (1 + x)))
rule(np.arccos, lambda g, y, x: -g / np.sqrt((1 - x) * (1 + x)))
rule(np.arctan, lambda g, y, x: g / (1 + x * x))
rule(
    np.arctan2,
    lambda g, y, a, b: g * (b / np.hypot(a, b)) / np.hypot(a, b),
    lambda g, y, a, b: -g * (a / np.hypot(a, b)) / np.hypot(a, b),
)
rule(np.sinh, lambda g, y, x: g * np.cosh(x))
rule(np.cosh, lambda g, y, x: g * np.sinh(x))
rule(np.tanh, lambda g, y, x: g * (1 - y * y))
rule(np.arcsinh, lambda g, y, x: g / np.hypot(x, 1))
rule(np.arccosh, lambda g, y, x: g / (np.sqrt(x - 1) * np.sqrt(x + 1)))
rule(np.arctanh, lambda g, y, x: g / ((1 - x) * (1 + x)))
rule(np.deg2rad, lambda g, y, x: g * np.pi / 180)
rule(np.radians, lambda g, y, x: g * np.pi / 180)
rule(np.rad2deg, lambda g, y, x: g * 180 / np.pi)
rule(np.degrees, lambda g, y, x: g * 180 / np.pi)

# --- Special functions ------------------------------------------------------------------------------------------------
# The logistic function σ has σ′ = σ(1 − σ); more in calculus/special.py.


def off_zero(a: Array, b: Array) -> Array:
    """b, and 1 where a and b are 0: x log x has the limit 0, and so its derivatives are 0."""
    return np.where((a == 0) & (b == 0), 1, b)


rule(special.expit, lambda g, y, x: g * y * special.expit(-x))
rule(special.logit, lambda g, y, x: g / (x * (1 - x)))
rule(special.log_expit, lambda g, y, x: g * special.expit(-x))
rule(special.erf, lambda g, y, x: g * 2 / np.sqrt(np.pi) * np.exp(-x * x))
rule(special.erfc, lambda g, y, x: -g * 2 / np.sqrt(np.pi) * np.exp(-x * x))
rule(special.xlogy, lambda g, y, a, b: g * np.log(off_zero(a, b)), lambda g, y, a, b: g * a / off_zero(a, b))

# --- Kinks: the derivative picks a side -------------------------------------------------------------------------------
# |x| and relu have derivative 0 at 0, and ties share g equally; KINKS at the end of this file states it exactly.


def winner(a: Array, b: Array, y: Array) -> Array:
    """1 where y came from a, 1/2 where a and b tie, else 0."""
    return np.where(a == b, 0.5, a == y)


rule(np.absolute, lambda g, y, x: cone(g, y, x, np.sign(x)))
rule(np.fabs, lambda g, y, x: cone(g, y, x, np.sign(x)))
rule(
    np.hypot,
    lambda g, y, a, b: cone(g, y, a, ratio(a, y), beyond=no_limit),
    lambda g, y, a, b: cone(g, y, b, ratio(b, y), beyond=no_limit),
)
rule(np.maximum, lambda g, y, a, b: g * winner(a, b, y), lambda g, y, a, b: g * winner(b, a, y))
rule(np.minimum, lambda g, y, a, b: g * winner(a, b, y), lambda g, y, a, b: g * winner(b, a, y))
rule(np.fmax, lambda g, y, a, b: g * winner(a, b, y), lambda g, y, a, b: g * winner(b, a, y))
rule(np.fmin, lambda g, y, a, b: g * winner(a, b, y), lambda g, y, a, b: g * winner(b, a, y))
rule(np.where, None, lambda g, y, c, a, b: np.where(c, g, 0), lambda g, y, c, a, b: np.where(c, 0, g))


# --- Reductions -------------------------------------------------------------------------------------------------------
# A sum hands g back to every summand, a maximum to the largest.


def spread(g: Array, x: Array, axis: Any, keepdims: bool) -> Array:
    """g, one number for each reduced group, laid over the whole of x."""
    return np.broadcast_to(g if keepdims or axis is None or np.ndim(x) == 0 else np.expand_dims(g, axis), x.shape)


def extreme(g: Array, y: Array, x: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    chosen = x == spread(y, x, axis, keepdims)
    return spread(g, x, axis, keepdims) * chosen / np.sum(chosen, axis=axis, keepdims=True)


rule(np.sum, lambda g, y, x, axis=None, *, keepdims=False: spread(g, x, axis, keepdims))
rule(np.max, extreme)
rule(np.min, extreme)
rule(np.amax, extreme)
rule(np.amin, extreme)
rule(np.cumsum, lambda g, y, x, axis=None: np.reshape(np.flip(np.cumsum(np.flip(g, axis), axis), axis), x.shape))


# --- Shapes -----------------------------------------------------------------------------------------------------------
# A function that only moves numbers about is undone by moving them back.

rule(np.copy, lambda g, y, x, order="K": g)
rule(np.reshape, lambda g, y, x, shape, order="C": np.reshape(g, x.shape, order=fixed(order)))
rule(np.ravel, lambda g, y, x, order="C": np.reshape(g, x.shape, order=fixed(order)))
rule(np.expand_dims, lambda g, y, x, axis: np.reshape(g, x.shape))
rule(np.squeeze, lambda g, y, x, axis=None: np.reshape(g, x.shape))
rule(
    np.transpose,
    lambda g, y, x, axes=None: np.transpose(g, None if axes is None else np.argsort(np.array(axes) % x.ndim)),
)
rule(np.swapaxes, lambda g, y, x, axis1, axis2: np.swapaxes(g, axis1, axis2))
rule(np.moveaxis, lambda g, y, x, source, destination: np.moveaxis(g, destination, source))
rule(np.broadcast_to, lambda g, y, x, shape: g)
rule(np.flip, lambda g, y, x, axis=None: np.flip(g, axis))
rule(np.roll, lambda g, y, x, shift, axis=None: np.roll(g, np.negative(shift), axis))
rule(np.tril, lambda g, y, x, k=0: np.tril(g, k))
rule(np.triu, lambda g, y, x, k=0: np.triu(g, k))
rule(astype, lambda g, y, x, dtype: g)


# --- Indexing ---------------------------------------------------------------------------------------------------------
# x[index] gathers; its transpose scatters, and places that were read twice add up.


@op(lambda g, y, x, index, shape: g[index])
def scatter(x: Array, index: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of `shape` with x added at index: the transpose of indexing."""
    return scatter_values(x, index, shape)


def d_getitem(g: Array, y: Array, x: Array, index: Any) -> Array:
    return scatter(g, index, x.shape) if type(g) is Tensor else Patches([(index, g)], x.shape, g.dtype)


rule(getitem, d_getitem)


# --- Products ---------------------------------------------------------------------------------------------------------
# For y = ab: ∂a = g bᵀ and ∂b = aᵀ g. A 1-D argument is a row on the left and a column on the right.


def mT(a: Array) -> Array:
    """A stack of matrices, each transposed."""
    return np.swapaxes(a, -1, -2)


def d_left(g: Array, y: Array, a: Array, b: Array) -> Array:
    if np.ndim(b) == 1:
        return g[..., None] * b
    return (g[..., None, :] @ mT(b))[..., 0, :] if np.ndim(a) == 1 else g @ mT(b)


def d_right(g: Array, y: Array, a: Array, b: Array) -> Array:
    if np.ndim(a) == 1:
        return np.expand_dims(a, 1) * g[..., None, :] if np.ndim(b) > 1 else a * g
    return (mT(a) @ g[..., None])[..., 0] if np.ndim(b) == 1 else mT(a) @ g


rule(np.matmul, d_left, d_right)


def contract(spec: str, *arrays: Array) -> Array:
    """np.einsum of a normal form, to which the composite np.einsum brings every other: an output is named, and each
    letter of an operand is there once and also in the output or in another operand."""
    return np.einsum(spec, *arrays, optimize=len(arrays) > 2)


def one_operand(i: int, g: Array, y: Array, spec: str, *arrays: Array) -> Array:
    """Swap operand i with the output: for ij,jk->ik, ∂a is ik,jk->ij of g and b."""
    *inputs, out = spec.replace("->", ",").split(",")
    others = [k for k in range(len(arrays)) if k != i - 1]
    swapped = ",".join([out] + [inputs[k] for k in others]) + "->" + inputs[i - 1]
    return np.einsum(swapped, g, *[arrays[k] for k in others])


rule(contract, each=one_operand)

# --- Ours: what networks are made of ----------------------------------------------------------------------------------
# They take arrays or Tensors, over the last axis unless told otherwise.


@op(lambda g, y, x: g * (x > 0))
def relu(x: Array) -> Array:
    """max(x, 0), of any shape; derivative 0 at 0."""
    return np.maximum(x, 0)


@op(lambda g, y, x: g * y * sigmoid(-x))  # type: ignore[has-type]  # its own; 1 − σ(x) is 0 from 37 on
def sigmoid(x: Array) -> Array:
    """The logistic function 1 / (1 + e⁻ˣ); 0 where e⁻ˣ overflows, below −88 (float32) or −709. For its logarithm:
    scipy.special.log_expit."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(np.multiply(x, -1.0)))


@op(lambda g, y, x, axis=-1: y * (g - np.sum(g * y, axis=axis, keepdims=True)))
def softmax(x: Array, axis: int = -1) -> Array:
    """exp(x) / Σ exp(x) along an axis: positive, summing to one; logits of any size are safe.

    >>> softmax(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@op(lambda g, y, x, axis=-1: g - np.exp(y) * np.sum(g, axis=axis, keepdims=True))
def log_softmax(x: Array, axis: int = -1) -> Array:
    """x − log Σ exp(x) along an axis: log-probabilities, in nats."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def d_logsumexp(g: Array, y: Array, x: Array, axis: Any = -1, *, keepdims: bool = False) -> Array:
    y = np.where(y == -np.inf, 0, y)  # of nothing but −∞: no entry has a share
    return spread(g, x, axis, keepdims) * np.exp(x - spread(y, x, axis, keepdims))


@op(d_logsumexp)
def logsumexp(x: Array, axis: Any = -1, *, keepdims: bool = False) -> Array:
    """log Σ exp(x) along an axis (None: all), shifted by the largest x so that nothing overflows."""
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):  # of −inf alone the result is −inf
        y = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return y if keepdims else np.squeeze(y, axis)


# --- Conventions where there is no derivative -------------------------------------------------------------------------
# (function, arguments, the gradient of each for g = 1). Tested exactly.

KINKS: list[tuple[Any, tuple[Any, ...], tuple[Any, ...]]] = [
    (relu, (0.0,), (0.0,)),
    (np.absolute, (0.0,), (0.0,)),
    (np.fabs, (0.0,), (0.0,)),
    (np.maximum, (2.0, 2.0), (0.5, 0.5)),
    (np.minimum, (2.0, 2.0), (0.5, 0.5)),
    (np.fmax, (2.0, 2.0), (0.5, 0.5)),
    (np.fmin, (2.0, 2.0), (0.5, 0.5)),
    (np.clip, (1.0, 1.0, 2.0), (0.5, 0.5, 0.0)),
    (np.max, ([3.0, 1.0, 3.0],), ([0.5, 0.0, 0.5],)),
    (np.min, ([1.0, 1.0, 1.0, 3.0],), ([1 / 3, 1 / 3, 1 / 3, 0.0],)),
    (np.linalg.norm, ([0.0, 0.0],), ([0.0, 0.0],)),
    (np.hypot, (0.0, 0.0), (0.0, 0.0)),
    (special.xlogy, (0.0, 0.0), (0.0, 0.0)),
    (np.logaddexp, (-np.inf, -np.inf), (0.0, 0.0)),
    (logsumexp, ([-np.inf, -np.inf],), ([0.0, 0.0],)),
    (np.std, ([5.0, 5.0],), ([0.0, 0.0],)),
]

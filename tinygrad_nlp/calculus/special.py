"""Special functions of scipy.special beyond what networks need: gamma and its kin, error functions, Bessel functions.

A parameter without a derivative in closed form (the order of a Bessel function, the a of gammainc) must be a constant.
"""
# tested in tests/calculus/test_every_row.py

from __future__ import annotations

import math

import numpy as np
import scipy.special as special

from ..core.types import Array
from ..engine import TABLE
from ..rules import LN2, off_zero, weight
from .rows import composite, op, rule

# --- Gamma ------------------------------------------------------------------------------------------------------------


def d_polygamma(g: Array, y: Array, n: int, x: Array) -> Array:
    return g * polygamma(n + 1, x)


@op(None, d_polygamma)
def polygamma(n: int, x: Array) -> Array:
    """The nth derivative of digamma, of arrays or Tensors: scipy.special.polygamma."""
    return special.polygamma(n, x)


rule(special.gammaln, lambda g, y, x: g * special.digamma(x))
rule(special.digamma, lambda g, y, x: g * polygamma(1, x))
rule(special.gamma, lambda g, y, x: g * y * special.digamma(x))
rule(special.rgamma, lambda g, y, x: -g * y * special.digamma(x))


def d_beta(a: Array, b: Array) -> Array:
    return special.digamma(a) - special.digamma(a + b)


def d_gammainc(a: Array, x: Array) -> Array:
    """xᵃ⁻¹ e⁻ˣ / Γ(a)"""
    return np.exp(special.xlogy(a - 1, x) - x - special.gammaln(a))


rule(special.beta, lambda g, y, a, b: g * y * d_beta(a, b), lambda g, y, a, b: g * y * d_beta(b, a))
rule(special.betaln, lambda g, y, a, b: g * d_beta(a, b), lambda g, y, a, b: g * d_beta(b, a))
rule(special.gammainc, None, lambda g, y, a, x: g * d_gammainc(a, x))
rule(special.gammaincc, None, lambda g, y, a, x: -g * d_gammainc(a, x))

# --- Error functions and the normal distribution ----------------------------------------------------------------------

rule(special.erfcx, lambda g, y, x: g * (2 * x * y - 2 / math.sqrt(math.pi)))
rule(special.erfinv, lambda g, y, x: g * math.sqrt(math.pi) / 2 * np.exp(y * y))
rule(special.erfcinv, lambda g, y, x: -g * math.sqrt(math.pi) / 2 * np.exp(y * y))
rule(special.ndtr, lambda g, y, x: g * np.exp(-x * x / 2) / math.sqrt(2 * math.pi))
rule(special.log_ndtr, lambda g, y, x: g * np.exp(-x * x / 2 - y) / math.sqrt(2 * math.pi))
rule(special.ndtri, lambda g, y, x: g * math.sqrt(2 * math.pi) * np.exp(y * y / 2))

# --- Entropies: x log x is 0 at 0 -------------------------------------------------------------------------------------


def off_minus_one(a: Array, b: Array) -> Array:
    """b, and 0 where a and 1 + b are 0."""
    return np.where((a == 0) & (b == -1), 0, b)


rule(special.entr, lambda g, y, x: g * (-np.log(x) - 1))
rule(
    special.rel_entr,
    lambda g, y, a, b: g * (np.log(off_zero(b, a) / off_zero(a, b)) + (a != 0)),
    lambda g, y, a, b: -g * a / off_zero(a, b),
)
rule(
    special.kl_div,
    lambda g, y, a, b: g * np.log(off_zero(b, a) / off_zero(a, b)),
    lambda g, y, a, b: g * (1 - a / off_zero(a, b)),
)
rule(
    special.xlog1py,
    lambda g, y, a, b: g * np.log1p(off_minus_one(a, b)),
    lambda g, y, a, b: g * a / (1 + off_minus_one(a, b)),
)

# --- Bessel functions: their derivatives are their neighbours in order ------------------------------------------------

rule(special.jv, None, lambda g, y, v, x: g * (special.jv(v - 1, x) - special.jv(v + 1, x)) / 2)
rule(special.iv, None, lambda g, y, v, x: g * (special.iv(v - 1, x) + special.iv(v + 1, x)) / 2)
rule(
    special.ive,
    None,
    lambda g, y, v, x: g * ((special.ive(v - 1, x) + special.ive(v + 1, x)) / 2 - np.sign(x) * y),
)
rule(special.j0, lambda g, y, x: -g * special.j1(x))
rule(special.j1, lambda g, y, x: g * (special.j0(x) - special.jv(2, x)) / 2)
rule(special.i0, lambda g, y, x: g * special.i1(x))
rule(special.i1, lambda g, y, x: g * (special.i0(x) + special.iv(2, x)) / 2)
rule(special.i0e, lambda g, y, x: g * (special.i1e(x) - np.sign(x) * y))
rule(special.i1e, lambda g, y, x: g * ((special.i0e(x) + special.ive(2, x)) / 2 - np.sign(x) * y))


@composite(np.i0)
def i0(x: Array) -> Array:
    return special.i0(x)


def d_spherical_jn(g: Array, y: Array, n: int, x: Array) -> Array:
    if n == 0:
        return -g * spherical_jn(1, x)
    return g * (n * spherical_jn(n - 1, x) - (n + 1) * spherical_jn(n + 1, x)) / (2 * n + 1)


@op(None, d_spherical_jn)
def spherical_jn(n: int, x: Array) -> Array:
    """The spherical Bessel function of order n, of arrays or Tensors: scipy.special.spherical_jn."""
    return special.spherical_jn(n, x)


rule(np.sinc, lambda g, y, x: -g * np.pi * spherical_jn(1, np.pi * x))  # sinc x is j₀(πx)

# --- Others -----------------------------------------------------------------------------------------------------------

rule(special.expi, lambda g, y, x: g * np.exp(x) / x)
rule(special.exp1, lambda g, y, x: -g * np.exp(-x) / x)
rule(special.dawsn, lambda g, y, x: g * (1 - 2 * x * y))
rule(
    np.logaddexp2,
    lambda g, y, a, b: g * weight(a * LN2, b * LN2),
    lambda g, y, a, b: g * weight(b * LN2, a * LN2),
)
rule(np.float_power, *TABLE[np.power].derivatives)
rule(np.fmod, lambda g, y, a, b: g, lambda g, y, a, b: -g * np.trunc(a / b))
rule(np.copysign, lambda g, y, a, b: g * np.copysign(1, a) * np.copysign(1, b), lambda g, y, a, b: 0 * g)
rule(np.heaviside, lambda g, y, a, b: 0 * g, lambda g, y, a, b: g * (a == 0))
rule(np.ldexp, lambda g, y, a, b: np.ldexp(g, b), None)
rule(np.conjugate, lambda g, y, x: g)

"""Cases of the special functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special as special

from tests.battery.cases import binary, case, unary
from tests.battery.drawing import Draw
from tinygrad_nlp import polygamma
from tinygrad_nlp.calculus.special import spherical_jn

# SciPy's ufuncs that are not for complex numbers are tested by differences: twin=False

unary(special.gammaln, 0.3, 4, twin=special.loggamma)
unary(special.digamma, 0.3, 4)
unary(special.gamma, 0.3, 4)
unary(special.rgamma, 0.3, 4)
binary(special.beta, (0.4, 3, 0), (0.4, 3, 0), False)
binary(
    special.betaln,
    (0.4, 3, 0),
    (0.4, 3, 0),
    lambda a, b: special.loggamma(a) + special.loggamma(b) - special.loggamma(a + b),
)
for incomplete in (special.gammainc, special.gammaincc):

    @case(incomplete, twin=False)
    def gamma_up_to(d: Draw) -> tuple[Any, ...]:
        a = d.rng.uniform(0.5, 3)
        return lambda fn, x: fn(a, x), d.array(d.shape(), 0.3, 3)


unary(special.erfcx)
unary(special.erfinv, -0.8, 0.8, twin=False)
unary(special.erfcinv, 0.2, 1.8, twin=False)
unary(special.ndtr)
unary(special.log_ndtr)
unary(special.ndtri, 0.1, 0.9, twin=False)
unary(special.entr, 0.2, 2, twin=lambda x: -x * np.log(x))
binary(special.rel_entr, (0.3, 2, 0), (0.3, 2, 0), lambda a, b: a * np.log(a / b), same=False)
binary(special.kl_div, (0.3, 2, 0), (0.3, 2, 0), lambda a, b: a * np.log(a / b) - a + b, same=False)
binary(special.xlog1py, (-2, 2, 0), (-0.6, 2, 0), lambda a, b: a * np.log(1 + b), same=False)
for bessel in (special.jv, special.iv, special.ive):

    @case(bessel, twin=False)
    def of_order(d: Draw) -> tuple[Any, ...]:
        v = d.pick(0, 1, 2, 0.5)
        return lambda fn, x: fn(v, x), d.array(d.shape(), 0.3, 3)


unary(special.j0, twin=False)
unary(special.j1, twin=False)
unary(special.i0, twin=lambda x: special.iv(0, x))
unary(np.i0, twin=lambda x: special.iv(0, x))
unary(special.i1, twin=lambda x: special.iv(1, x))
unary(special.i0e, away=0.3, twin=False)
unary(special.i1e, away=0.3, twin=False)
unary(np.sinc, twin=lambda x: np.where(x == 0, 1, np.sin(np.pi * x) / (np.pi * np.where(x == 0, 1, x))))
unary(special.expi, 0.3, 2, twin=False)
unary(special.exp1, 0.3, 2)
unary(special.dawsn)


@case(spherical_jn, twin=False)
def spherical(d: Draw) -> tuple[Any, ...]:
    n = d.pick(0, 1, 2, 3)
    return lambda fn, x: fn(n, x), d.array(d.shape(), 0.3, 3)


@case(polygamma, twin=False)
def polygammas(d: Draw) -> tuple[Any, ...]:
    n = d.pick(1, 2, 3)
    return lambda fn, x: fn(n, x), d.array(d.shape(), 0.5, 3)


binary(np.logaddexp2, twin=lambda a, b: np.log2(np.exp2(a) + np.exp2(b)))
binary(np.float_power, (0.3, 2, 0), (-2, 2, 0), same=False)
for numerator in ((3.2, 3.8, 0), (-3.8, -3.2, 0)):
    binary(
        np.fmod,
        numerator,
        (0.97, 1.03, 0),
        lambda a, b: a - b * np.trunc((a / b).real),
        same=False,
        label=f"{numerator[0]}…",
    )
binary(np.copysign, (-2, 2, 0.3), (-2, 2, 0.3), lambda a, b: a * np.sign(a.real) * np.sign(b.real), same=False)
binary(np.heaviside, (-2, 2, 0.3), (-2, 2, 0), lambda a, b: np.heaviside(a.real, b.real) + 0 * a * b, same=False)
unary(np.conjugate, twin=lambda x: x)


@case(np.ldexp, twin=lambda x, n: x * 2.0**n)
def ldexp(d: Draw) -> tuple[Any, ...]:
    first, second = d.broadcastable(2)
    n = d.integers(-3, 4, second)
    return lambda fn, x: fn(x, n), d.array(first)

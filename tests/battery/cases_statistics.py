"""Cases of statistics, differences, integrals, interpolation, convolution, and of products by other names."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from tests.battery.cases import case, reduction
from tests.battery.drawing import Draw
from tinygrad_nlp.calculus import statistics
from tinygrad_nlp.core.scipys import sparse_product

# --- Quantiles --------------------------------------------------------------------------------------------------------

METHODS = ("linear", "lower", "higher", "midpoint", "nearest", "hazen", "weibull", "median_unbiased")


def quantile(row: Any, scale: float) -> None:
    @case(row, twin=False)
    def build(d: Draw) -> tuple[Any, ...]:
        x = d.distinct(d.shape(min_dims=1, min_side=1))
        q = d.pick(0.0, 1.0, 0.3, 0.5, np.array([0.25, 0.6]), np.full((2, 1), 0.4)) * scale
        chosen = {"axis": d.pick(None, -1, 0, tuple(range(x.ndim))), "method": d.pick(*METHODS)}
        chosen |= {"keepdims": True} if d.integer(0, 2) == 0 else {}
        return lambda fn, x: fn(x, q, **chosen), x


quantile(np.quantile, 1.0)
quantile(np.percentile, 100.0)
quantile(np.nanquantile, 1.0)
quantile(np.nanpercentile, 100.0)


def middle(row: Any) -> None:
    @case(row, twin=False)
    def build(d: Draw) -> tuple[Any, ...]:
        x = d.distinct(d.shape(min_dims=1, min_side=1))
        chosen = d.pick({}, {"axis": -1}, {"axis": 0, "keepdims": True}, {"axis": tuple(range(x.ndim))})
        return lambda fn, x: fn(x, **chosen), x


middle(np.median)
middle(np.nanmedian)
reduction(np.ptp, min_side=1, distinct=True)

# --- Covariance -------------------------------------------------------------------------------------------------------


@case(np.cov, twin=False)
def cov(d: Draw) -> tuple[Any, ...]:
    m, n = d.integer(1, 3), d.integer(2, 4)
    form = d.pick(
        {}, {"bias": True}, {"ddof": 0}, {"aweights": d.rng.uniform(0.5, 1, n)}, {"fweights": np.arange(1, n + 1)}
    )
    how = d.integer(0, 3)
    if how == 0:
        return lambda fn, x: fn(x.T, rowvar=False, **form), d.array((m, n))
    if how == 1:
        return lambda fn, x: fn(x, rowvar=False, **form), d.array((n,))
    if how == 2:
        return lambda fn, x, w: fn(x, aweights=w), d.array((m, n)), d.array((n,), 0.5, 1)
    return lambda fn, x, y: fn(x, y, **form), d.array((m, n)), d.array((n,))


case(np.corrcoef, twin=False)(lambda d: (lambda fn, x: fn(x), d.distinct((d.integer(1, 3), 4))))

# --- Differences and integrals ----------------------------------------------------------------------------------------


@case(np.diff, label="with ends")
def diff(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1))
    n, axis = d.integer(1, 2), d.integer(-x.ndim, x.ndim - 1)
    return lambda fn, x, a, b: fn(x, n, axis, prepend=a, append=b), x, d.array(()), d.array(x.shape)


@case(np.ediff1d, twin=False)
def ediff1d(d: Draw) -> tuple[Any, ...]:
    return lambda fn, x, a: fn(x, to_begin=a, to_end=[1.0, 2.0]), d.array(d.shape(min_side=1)), d.array((2,))


@case(np.gradient, twin=False)
def gradient(d: Draw) -> tuple[Any, ...]:
    x = d.array(tuple(d.integer(3, 4) for _ in range(d.integer(1, 2))))
    order = d.pick(1, 2)
    axis = d.integer(-x.ndim, x.ndim - 1)
    at = np.cumsum(d.rng.uniform(0.5, 1.5, x.shape[axis]))
    if d.integer(0, 1):
        return lambda fn, x, at: fn(x, at, axis=axis, edge_order=order), x, at

    def f(fn: Any, x: Any) -> Any:
        found = fn(x, 0.5, edge_order=order)
        return np.stack(found) if isinstance(found, tuple) else found

    return f, x


@case(np.trapezoid)
def trapezoid(d: Draw) -> tuple[Any, ...]:
    y = d.array(d.shape(min_dims=1))
    axis = d.integer(-y.ndim, y.ndim - 1)
    kind = d.pick("dx", "vector", "array")
    if kind == "dx":
        return lambda fn, y: fn(y, dx=0.5, axis=axis), y
    x = d.array((y.shape[axis],) if kind == "vector" else y.shape)
    return lambda fn, y, x: fn(y, x, axis=axis), y, x


@case(np.interp, twin=False)
def interp(d: Draw) -> tuple[Any, ...]:
    n = d.integer(1, 4)
    at, values, x = np.arange(n) + d.rng.uniform(0.1, 0.3, n), d.array((n,)), d.distinct(d.shape(), 0.5, 0.9)
    form = d.pick({}, {"left": 0.5}, {"right": -1.0})
    return lambda fn, x, at, values: fn(x, at, values, **form), x, at, values


# --- Convolution ------------------------------------------------------------------------------------------------------


@case(np.convolve)
@case(np.correlate, twin=lambda a, v, mode: np.correlate(a, np.conjugate(v), mode))
def convolve(d: Draw) -> tuple[Any, ...]:
    mode = d.pick("full", "same", "valid")
    return lambda fn, a, v: fn(a, v, mode), d.array((d.integer(1, 5),)), d.array((d.integer(1, 5),))


case(statistics.convolution, twin=False)(lambda d: two_vectors(d))
case(statistics.sliding, twin=lambda a, v: np.correlate(a, np.conjugate(v), "valid"))(lambda d: two_vectors(d))


def two_vectors(d: Draw) -> tuple[Any, ...]:
    n = d.integer(1, 3)
    return lambda fn, a, v: fn(a, v), d.array((n + d.integer(0, 3),)), d.array((n,))


@case(np.vander)
def vander(d: Draw) -> tuple[Any, ...]:
    form = d.pick((), (3,), (2, True), (0,))
    return lambda fn, x: fn(x, *form), d.array((d.integer(1, 3),), away=0.3)


case(np.polyval)(lambda d: (lambda fn, p, x: fn(p, x), d.array((d.integer(1, 4),)), d.array(d.shape())))

# --- Products ---------------------------------------------------------------------------------------------------------


@case(np.cross)
def cross(d: Draw) -> tuple[Any, ...]:
    first, second = d.broadcastable(2)
    return lambda fn, a, b: fn(a, b), d.array((*first, 3)), d.array((*second, 3))


@case(np.linalg.cross)
def linalg_cross(d: Draw) -> tuple[Any, ...]:
    shape = d.shape(max_dims=2)
    return lambda fn, a, b: fn(a, b, axis=0), d.array((3, *shape)), d.array((3, *shape))


@case(np.vecdot, twin=lambda a, b, axis=-1: np.sum(a * b, axis))
@case(np.linalg.vecdot, twin=lambda a, b, axis=-1: np.sum(a * b, axis))
def vecdot(d: Draw) -> tuple[Any, ...]:
    first, second = d.broadcastable(2)
    n = d.integer(0, 3)
    return lambda fn, a, b: fn(a, b, axis=-1), d.array((*first, n)), d.array((*second, n))


@case(np.linalg.outer)
def linalg_outer(d: Draw) -> tuple[Any, ...]:
    return lambda fn, a, b: fn(a, b), d.array((d.integer(0, 3),)), d.array((d.integer(0, 3),))


@case(np.linalg.matmul)
def linalg_matmul(d: Draw) -> tuple[Any, ...]:
    m, n, k = d.integer(0, 3), d.integer(0, 3), d.integer(0, 3)
    return lambda fn, a, b: fn(a, b), d.array((m, n)), d.array((n, k))


@case(np.linalg.tensordot)
def linalg_tensordot(d: Draw) -> tuple[Any, ...]:
    m, n, k = d.integer(0, 3), d.integer(0, 3), d.integer(0, 3)
    return lambda fn, a, b: fn(a, b, axes=1), d.array((m, n)), d.array((n, k))


case(np.linalg.matrix_transpose)(lambda d: (lambda fn, x: fn(x), d.array(d.shape(min_dims=2))))


@case(np.cumulative_sum)
@case(np.cumulative_prod)
def cumulative(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1))
    axis, first = d.integer(-x.ndim, x.ndim - 1), d.pick(True, False)
    return lambda fn, x: fn(x, axis=axis, include_initial=first), x


@case(sparse_product, fn=lambda a, b: a @ b)
def with_a_sparse_matrix(d: Draw) -> tuple[Any, ...]:
    m, n = d.integer(1, 3), d.integer(1, 3)
    matrix = scipy.sparse.csr_array(d.rng.normal(size=(m, n)) * d.integers(0, 2, (m, n)))
    if d.integer(0, 1):
        return lambda fn, x: fn(x, matrix), d.array((d.integer(1, 3), m))
    return lambda fn, x: fn(matrix, x), d.array(d.pick((n,), (n, 2)))

"""Linear algebra: inverses and determinants, solutions, powers and products; stacks of matrices throughout.

From d(A⁻¹) = −A⁻¹ dA A⁻¹ and d(det A) = tr(Cᵀ dA), with C the cofactors.
"""
# tested in tests/calculus/test_every_row.py

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import scipy.linalg

from ..core.types import Array
from ..rules import mT
from .kinds import values
from .rows import composite, op, rule

det, inv, solve = np.linalg.det, np.linalg.inv, np.linalg.solve


def d_solve_right(g: Array, y: Array, a: Array, b: Array) -> Array:
    """A⁻ᵀ g; a 1-D b is one column, also against a stack of matrices."""
    return solve(mT(a), g[..., None])[..., 0] if np.ndim(b) == 1 else solve(mT(a), g)


def d_solve_matrix(g: Array, y: Array, a: Array, b: Array) -> Array:
    x = d_solve_right(g, y, a, b)
    return -x[..., None] * y[..., None, :] if np.ndim(b) == 1 else -x @ mT(y)


def minors(s: Array, *left_out: Any) -> Array:
    """The product of s along the last axis without some entries."""
    without = sum((np.eye(s.shape[-1])[i] for i in left_out), np.zeros(s.shape[-1]))
    return np.prod(np.where(without, 1, s[..., *[None] * np.ndim(left_out[0]), :]), -1)


def d_cofactors(h: Array, c: Any, a: Array) -> Array:
    """Of a diagonal A = diag(s): ∂C_ii/∂A_jj = Π s without s_i and s_j, and ∂C_ij/∂A_ji is minus that."""
    u, s, vt = np.linalg.svd(a)
    i, j = np.indices((a.shape[-1],) * 2)
    pairs = np.where(i == j, 0, minors(s, i, j)) * (det(u) * det(vt))[..., None, None]
    h = mT(u) @ h @ mT(vt)
    whole = (pairs @ np.diagonal(h, 0, -2, -1)[..., None]) * np.eye(a.shape[-1])
    return u @ (whole - pairs * mT(h)) @ vt


@op(d_cofactors)
def cofactors(a: Array) -> Array:
    """C with ∂ det A = tr(Cᵀ ∂A): det(A) A⁻ᵀ where A can be inverted, by way of its singular values where it cannot."""
    u, s, vt = np.linalg.svd(a)
    each = minors(s, np.arange(a.shape[-1])) * (det(u) * det(vt))[..., None]
    return (u * each[..., None, :]) @ vt


def d_cholesky(g: Array, y: Array, a: Array, *, upper: bool = False) -> Array:
    """Murray 2016, "Differentiation of the Cholesky decomposition": S = L⁻ᵀ Φ(LᵀG) L⁻¹, where Φ takes the lower
    triangle and half the diagonal. NumPy reads only the lower triangle of A, so that is where the gradient is."""
    if upper:
        return mT(d_cholesky(mT(g), mT(y), mT(a)))
    half = np.tril(mT(y) @ g) * (1 - 0.5 * np.eye(y.shape[-1]))
    s = mT(inv(y)) @ half @ inv(y)
    return np.tril(s + mT(s)) * (1 - 0.5 * np.eye(y.shape[-1]))


@op(lambda g, y, x: g[..., None, None] * mT(inv(x)))
def logabsdet(x: Array) -> Array:
    """log |det x| of a stack of matrices: the second half of np.linalg.slogdet."""
    return np.linalg.slogdet(x)[1]


rule(np.linalg.inv, lambda g, y, x: -mT(y) @ g @ mT(y))
rule(np.linalg.det, lambda g, y, x: g[..., None, None] * cofactors(x))
rule(np.linalg.solve, d_solve_matrix, d_solve_right)
rule(np.linalg.cholesky, d_cholesky)


@composite(np.linalg.slogdet)
def slogdet(a: Array) -> Array:
    sign, _ = result = np.linalg.slogdet(a.data)
    return type(result)(sign, logabsdet(a))


# --- What is made of inverses and products ----------------------------------------------------------------------------


def d_pinv(g: Array, y: Array, a: Array) -> Array:
    """Golub and Pereyra 1973, for a rank that stays."""
    gt, yt = mT(g), mT(y)
    outside_left, outside_right = gt - a @ (y @ gt), gt - gt @ y @ a
    return -yt @ g @ yt + outside_left @ y @ yt + yt @ y @ outside_right


rule(np.linalg.pinv, lambda g, y, a, rcond=None, hermitian=False, *, rtol=None: d_pinv(g, y, a))


@composite(np.linalg.lstsq)
def lstsq(a: Array, b: Array, rcond: Any = None) -> Array:
    """The least-squares solution by the pseudo-inverse, the squared residuals, and the rank and singular values of a,
    which are arrays."""
    m, n = np.shape(a)
    _, residuals, rank, s = np.linalg.lstsq(values(a), values(b), rcond=rcond)
    cutoff = np.finfo(float).eps * max(m, n) if rcond is None else rcond
    x = np.linalg.pinv(a, cutoff) @ b
    squares = np.sum((a @ x - b) ** 2, 0)
    return x, np.reshape(squares, residuals.shape) if residuals.size else residuals, rank, s


@composite(np.linalg.matrix_power)
def matrix_power(a: Array, n: int) -> Array:
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(f"matrix_power: {a.shape} is no stack of square matrices")
    a, n = (inv(a), -n) if n < 0 else (a, n)
    result = a * 0 + np.eye(a.shape[-1], dtype=a.dtype) if n == 0 else None
    while n:
        if n % 2:
            result = a if result is None else result @ a
        a, n = (a @ a, n // 2) if n > 1 else (a, 0)
    return result


@composite(np.linalg.multi_dot)
def multi_dot(arrays: Array) -> Array:
    """A product of several matrices, the first and the last may be vectors, in the order that multiplies least."""
    arrays = list(arrays)
    if len(arrays) < 2:
        raise ValueError("multi_dot: give two arrays or more")
    shapes = [np.shape(a) for a in arrays]
    sizes = [1 if len(shapes[0]) == 1 else shapes[0][0], *(s[-2] if len(s) > 1 else s[0] for s in shapes[1:])]
    sizes.append(1 if len(shapes[-1]) == 1 else shapes[-1][-1])

    @functools.cache
    def best(i: int, j: int) -> tuple[int, int]:
        """The cost of arrays i to j, and the last of the left factor."""
        costs = [(best(i, k)[0] + best(k + 1, j)[0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)]
        return min(costs, default=(0, i))

    def product(i: int, j: int) -> Array:
        return arrays[i] if i == j else product(i, best(i, j)[1]) @ product(best(i, j)[1] + 1, j)

    return product(0, len(arrays) - 1)


@composite(np.linalg.cond)
def cond(x: Array, p: Array = None) -> Array:
    if p in (None, 2, -2):
        s = np.linalg.svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return np.linalg.norm(x, p, axis=(-2, -1)) * np.linalg.norm(inv(x), p, axis=(-2, -1))


@composite(np.linalg.tensorinv)
def tensorinv(a: Array, ind: int = 2) -> Array:
    rows, columns = a.shape[:ind], a.shape[ind:]
    if ind <= 0:
        raise ValueError(f"tensorinv: ind is {ind}: name how many leading axes are the rows, 1 or more")
    return np.reshape(inv(np.reshape(a, (math.prod(rows), -1))), (*columns, *rows))


@composite(np.linalg.tensorsolve)
def tensorsolve(a: Array, b: Array, axes: Any = None) -> Array:
    axes = () if axes is None else axes
    a = np.moveaxis(a, axes, range(np.ndim(a) - len(axes), np.ndim(a)))
    shape = a.shape[np.ndim(b) :]
    return np.reshape(solve(np.reshape(a, (np.size(b), -1)), np.reshape(b, (-1,))), shape)


# --- SciPy's, which Tensors do not reach: ours, under the same names -------------------------------------------------


def d_expm(g: Array, y: Array, a: Array) -> Array:
    """exp of [Aᵀ G; 0 Aᵀ] has the derivative in its corner (Mathias 1996)."""
    n = a.shape[-1]
    at = mT(a)
    top = np.concatenate([at, g], -1)
    below = np.concatenate([0 * g, at], -1)
    return expm(np.concatenate([top, below], -2))[..., :n, n:]


@op(d_expm)
def expm(a: Array) -> Array:
    """exp(A) of square matrices (..., n, n), of arrays or Tensors: scipy.linalg.expm."""
    return scipy.linalg.expm(a)


def d_triangular_right(
    g: Array, y: Array, a: Array, b: Array, trans: int = 0, lower: bool = False, unit_diagonal: bool = False
) -> Array:
    return solve_triangular(a, g, 1 - trans, lower, unit_diagonal)


def d_triangular_matrix(
    g: Array, y: Array, a: Array, b: Array, trans: int = 0, lower: bool = False, unit_diagonal: bool = False
) -> Array:
    """Only one triangle of A is read, so that is where the gradient is."""
    x = d_triangular_right(g, y, a, b, trans, lower, unit_diagonal)
    x, y = (x[..., None], y[..., None]) if np.ndim(b) == 1 else (x, y)
    whole = -y @ mT(x) if trans else -x @ mT(y)
    return np.tril(whole, -int(unit_diagonal)) if lower else np.triu(whole, int(unit_diagonal))


@op(d_triangular_matrix, d_triangular_right)
def solve_triangular(a: Array, b: Array, trans: int = 0, lower: bool = False, unit_diagonal: bool = False) -> Array:
    """x of A x = b, or of Aᵀ x = b with trans=1, for a triangular A (n, n) and b (n,) or (n, k), of arrays or Tensors:
    scipy.linalg.solve_triangular."""
    return scipy.linalg.solve_triangular(a, b, trans, lower, unit_diagonal)

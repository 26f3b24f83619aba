"""Linear algebra: inverses and determinants, decompositions, and what is made of them; stacks of matrices throughout.

From d(A⁻¹) = −A⁻¹ dA A⁻¹ and d(det A) = tr(Cᵀ dA), with C the cofactors. A decomposition's factors are packed into one
array, because a call has one output. Where singular values or eigenvalues repeat, their vectors are a choice: what
is made of those vectors is refused, and what is made of the values has its gradient.
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


# --- Decompositions ---------------------------------------------------------------------------------------------------

results: list[Any] = [type(f(np.eye(1))) for f in (np.linalg.eigh, np.linalg.qr, np.linalg.svd)]
Eigh, QR, SVD = results


def pack(*factors: Any, batch: int) -> Array:
    """Factors (..., *shape) side by side in one array (..., size), for `batch` leading axes."""
    return np.concatenate([np.reshape(f, (*f.shape[:batch], math.prod(f.shape[batch:]))) for f in factors], -1)


def unpack(y: Array, *shapes: tuple[int, ...]) -> list[Any]:
    """The factors of pack() again."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = [y[..., end - math.prod(shape) : end] for end, shape in zip(ends, shapes, strict=True)]
    return [np.reshape(p, (*y.shape[:-1], *shape)) for p, shape in zip(parts, shapes, strict=True)]


def over_gaps(numerator: Any, gap: Any, scale: Any, used: Any) -> Array:
    """numerator / gap. Where the gap is 0, vectors are a choice: refused if they are used, and else no matter."""
    closed = np.abs(values(gap)) <= 10 * np.finfo(scale.dtype).eps * np.max(values(scale), initial=0)
    if np.any(closed & used):
        what = "singular values or eigenvalues that repeat, or are 0, have no vectors of their own"
        raise np.linalg.LinAlgError(f"{what}, so that these have no gradient: use the values without the vectors")
    return np.where(closed, 0, numerator) / np.where(closed, 1, gap)


def d_svd(g: Array, y: Array, a: Array) -> Array:
    """Townsend 2016, "Differentiating the singular value decomposition", with 1 / (s_j² − s_i²) taken apart into
    1 / (s_j − s_i) and 1 / (s_j + s_i)."""
    m, n = a.shape[-2:]
    k = min(m, n)
    (gu, gs, gv), (u, s, v) = (unpack(t, (m, k), (k,), (k, n)) for t in (g, y))
    left, right = mT(u) @ gu, v @ mT(gv)
    left, right = left - mT(left), right - mT(right)
    row, column = s[..., :, None], s[..., None, :]
    used = np.any(values(gu) != 0, -2) | np.any(values(gv) != 0, -1)
    pairs = (used[..., :, None] | used[..., None, :]) & ~np.eye(k, dtype=bool)
    inside = over_gaps((left + right) / 2, column - row, s, pairs)
    inside = inside + over_gaps((left - right) / 2, column + row, s, pairs)
    found = u @ (inside + gs[..., None] * np.eye(k)) @ v
    if m > k:
        found = found + over_gaps(gu - u @ (mT(u) @ gu), column, s, used[..., None, :]) @ v
    if n > k:
        found = found + u @ over_gaps(gv - gv @ mT(v) @ v, row, s, used[..., :, None])
    return found


@op(d_svd)
def svd_packed(a: Array) -> Array:
    u, s, v = np.linalg.svd(a, full_matrices=False)
    return pack(u, s, v, batch=np.ndim(a) - 2)


@composite(np.linalg.svd)
def svd(a: Array, full_matrices: bool = True, compute_uv: bool = True) -> Array:
    m, n = a.shape[-2:]
    k = min(m, n)
    if compute_uv and full_matrices and m != n:
        what = f"svd of a Tensor {a.shape} with full_matrices=True has columns that are a free choice"
        raise TypeError(f"{what}: pass full_matrices=False")
    u, s, v = unpack(svd_packed(a), (m, k), (k,), (k, n))
    return SVD(u, s, v) if compute_uv else s


@composite(np.linalg.svdvals)
def svdvals(x: Array) -> Array:
    return svd(x, compute_uv=False)


def d_eigh(g: Array, y: Array, a: Array, uplo: str) -> Array:
    """NumPy reads one triangle of A, so that is where the gradient is."""
    n = a.shape[-1]
    (gw, gv), (w, v) = (unpack(t, (n,), (n, n)) for t in (g, y))
    turned = mT(v) @ gv
    used = np.any(values(gv) != 0, -2)
    pairs = (used[..., :, None] | used[..., None, :]) & ~np.eye(n, dtype=bool)
    inside = over_gaps((turned - mT(turned)) / 2, w[..., None, :] - w[..., :, None], abs(w), pairs)
    whole = v @ (inside + gw[..., None] * np.eye(n)) @ mT(v)
    return (np.tril if uplo.upper() == "L" else np.triu)(whole + mT(whole)) * (1 - 0.5 * np.eye(n))


@op(d_eigh, None)
def eigh_packed(a: Array, uplo: Any) -> Array:
    w, v = np.linalg.eigh(a, uplo)
    return pack(w, v, batch=np.ndim(a) - 2)


@composite(np.linalg.eigh)
def eigh(a: Array, UPLO: str = "L") -> Array:
    n = a.shape[-1]
    return Eigh(*unpack(eigh_packed(a, UPLO), (n,), (n, n)))


@composite(np.linalg.eigvalsh)
def eigvalsh(a: Array, UPLO: str = "L") -> Array:
    return eigh(a, UPLO)[0]


def d_qr(g: Array, y: Array, a: Array) -> Array:
    """Of tall A = QR: ∂A = (∂Q + Q sym(M)) R⁻ᵀ. M is R ∂Rᵀ − ∂Qᵀ Q, and sym copies its lower triangle to the upper."""
    m, n = a.shape[-2:]
    (gq, gr), (q, r) = (unpack(t, (m, n), (n, n)) for t in (g, y))
    lower = r @ mT(gr) - mT(gq) @ q
    symmetric = np.tril(lower) + mT(np.tril(lower, -1))
    return mT(solve(r, mT(gq + q @ symmetric)))


@op(d_qr)
def qr_packed(a: Array) -> Array:
    q, r = np.linalg.qr(a)
    return pack(q, r, batch=np.ndim(a) - 2)


@composite(np.linalg.qr)
def qr(a: Array, mode: str = "reduced") -> Array:
    m, n = a.shape[-2:]
    if mode not in ("reduced", "r") and not (mode == "complete" and m <= n):
        raise TypeError(f"qr of a Tensor {a.shape} has no mode {mode!r}: 'reduced' and 'r' are differentiable")
    k = min(m, n)
    q, r = unpack(qr_packed(a[..., :k]), (m, k), (k, k))
    if n > k:
        r = np.concatenate([r, mT(q) @ a[..., k:]], -1)
    return r if mode == "r" else QR(q, r)


# --- What is made of them ---------------------------------------------------------------------------------------------


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

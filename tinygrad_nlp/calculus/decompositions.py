"""Decompositions: singular values, eigenvalues of symmetric matrices, and QR; stacks of matrices throughout.

The factors are packed into one array, because a call has one output. Where singular values or eigenvalues repeat, their
vectors are a choice: what is made of those vectors is refused, and what is made of the values has its gradient.
"""
# tested in tests/calculus/test_every_row.py

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.types import Array
from ..rules import mT
from .kinds import values
from .rows import composite, op

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
    return mT(np.linalg.solve(r, mT(gq + q @ symmetric)))


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

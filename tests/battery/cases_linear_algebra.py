"""Cases of linear algebra: norms, inverses, decompositions and what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.battery.cases import case, signed
from tests.battery.drawing import DISTINCT, Draw
from tinygrad_nlp import expm, solve_triangular
from tinygrad_nlp.calculus import decompositions, lengths, linear_algebra
from tinygrad_nlp.strategies import laid_out

# --- Norms ------------------------------------------------------------------------------------------------------------


def norm_twin(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    size = signed(x)
    if ord in (np.inf, -np.inf):
        return (np.max if ord > 0 else np.min)(size, axis, keepdims=keepdims)
    p = 2 if ord in (None, "fro") else ord
    return np.sum(size**p, axis, keepdims=keepdims) ** (1 / p)


@case(np.linalg.norm, twin=norm_twin)
def norm(d: Draw) -> tuple[Any, ...]:
    x = d.distinct(d.shape(min_dims=1, min_side=1))
    if d.integer(0, 1):
        chosen = d.pick({}, {"axis": -1}, {"axis": None}, {"ord": None, "keepdims": True})
        chosen |= {"axis": (0, 1), "ord": d.pick(None, "fro")} if x.ndim > 1 and d.integer(0, 1) else {}
    else:
        chosen = {
            "ord": d.pick(1, 2, 3, 0.5, -1, np.inf, -np.inf),
            "axis": d.integer(-x.ndim, x.ndim - 1),
            "keepdims": d.pick(True, False),
        }
    return lambda fn, x: fn(x, **chosen), x


@case(np.linalg.norm, twin=norm_twin, label="a vector, a matrix")
def norm_of_all(d: Draw) -> tuple[Any, ...]:
    x, ord = d.pick((d.distinct((4,)), d.pick(1, 2, 3, np.inf, None)), (d.distinct((2, 3)), d.pick("fro", None)))
    return lambda fn, x: fn(x, ord), x


@case(lengths.p_length, twin=norm_twin)
def p_length(d: Draw) -> tuple[Any, ...]:
    x, p = d.distinct(d.shape(min_dims=1, min_side=1)), d.pick(1, 3, 0.5, -1)
    axis, keepdims = d.integer(-x.ndim, x.ndim - 1), d.pick(True, False)
    return lambda fn, x: fn(x, p, axis, keepdims=keepdims), x


@case(np.linalg.vector_norm, twin=lambda x, **k: norm_twin(x, k.get("ord"), k.get("axis"), k.get("keepdims", False)))
def vector_norm(d: Draw) -> tuple[Any, ...]:
    x = d.distinct(d.shape(min_dims=1, min_side=1))
    chosen = d.pick({}, {"axis": -1}, {"axis": tuple(range(x.ndim)), "ord": 3}, {"ord": 1, "keepdims": True})
    return lambda fn, x: fn(x, **chosen), x


def spread_matrix(d: Draw, m: int, n: int) -> np.ndarray:
    """A stack of matrices (m, n) whose singular values are well apart."""
    batch = d.shape(max_dims=1, max_side=2)
    k = min(m, n)
    u = np.linalg.qr(d.rng.normal(size=(*batch, m, m)))[0][..., :k]
    v = np.linalg.qr(d.rng.normal(size=(*batch, n, n)))[0][..., :k]
    s = np.arange(1, k + 1) + d.rng.uniform(-0.2, 0.2, k)
    return (u * s) @ np.swapaxes(v, -1, -2)


@case(np.linalg.norm, twin=False, label="of matrices")
@case(np.linalg.matrix_norm, twin=False)
def matrix_norm(d: Draw) -> tuple[Any, ...]:
    x = spread_matrix(d, d.integer(1, 3), d.integer(1, 3))
    ord, keepdims = d.pick("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf), d.pick(True, False)

    def f(fn: Any, x: Any) -> Any:
        named = {"axis": (-2, -1)} if fn is np.linalg.norm else {}
        return fn(x, ord=ord, keepdims=keepdims, **named)

    return f, x


@case(np.linalg.cond, twin=False)
def cond(d: Draw) -> tuple[Any, ...]:
    n, p = d.integer(2, 3), d.pick(None, 2, -2, 1, np.inf, "fro")
    return lambda fn, x: fn(x, p), spread_matrix(d, n, n)


# --- Inverses and determinants ----------------------------------------------------------------------------------------


def cholesky_twin(a: Any) -> Any:
    """Column by column, from the lower triangle only."""
    y = np.zeros_like(a)
    for j in range(a.shape[-1]):
        y[..., j, j] = np.sqrt(a[..., j, j] - np.sum(y[..., j, :j] ** 2, -1))
        for i in range(j + 1, a.shape[-1]):
            y[..., i, j] = (a[..., i, j] - np.sum(y[..., i, :j] * y[..., j, :j], -1)) / y[..., j, j]
    return y


def matrices(d: Draw, batch: tuple[int, ...] | None = None, n: int | None = None) -> np.ndarray:
    """A stack of square matrices far from singular."""
    n = d.integer(1, 3) if n is None else n
    batch = d.shape(max_dims=2, max_side=2) if batch is None else batch
    a = 2.5 * np.eye(n) * d.pick(1, -1) + d.rng.uniform(-0.6, 0.6, (*batch, n, n))
    return laid_out(a, d.rng.choice(DISTINCT))


case(np.linalg.inv)(lambda d: (lambda fn, x: fn(x), matrices(d)))
case(np.linalg.det)(lambda d: (lambda fn, x: fn(x), matrices(d)))
case(np.linalg.cholesky, twin=cholesky_twin)(lambda d: (lambda fn, x: fn(x), abs_diagonal(matrices(d))))
case(linear_algebra.logabsdet, twin=lambda x: np.log(signed(np.linalg.det(x))))(
    lambda d: (lambda fn, x: fn(x), matrices(d))
)


def abs_diagonal(a: np.ndarray) -> np.ndarray:
    return np.where(np.eye(a.shape[-1], dtype=bool), abs(a), a)


@case(np.linalg.solve)
def solve(d: Draw) -> tuple[Any, ...]:
    left, right = d.broadcastable(2)
    n = d.integer(1, 3)
    a, b = matrices(d, left[-1:], n), d.array(d.pick((n,), (*right[-1:], n, 2), (n, 0)))
    kind = d.pick("both", "left", "right")
    if kind == "left":
        return lambda fn, a: fn(a, b), a
    return (lambda fn, b: fn(a, b), b) if kind == "right" else (lambda fn, a, b: fn(a, b), a, b)


@case(np.linalg.slogdet, twin=lambda x: (None, np.log(signed(np.linalg.det(x)))))
def slogdet(d: Draw) -> tuple[Any, ...]:
    return lambda fn, x: fn(x)[1], matrices(d)


def singular(d: Draw) -> np.ndarray:
    """Square matrices of which one singular value is 0: were it more, the second derivative would be refused."""
    n = d.integer(1, 4)
    a = spread_matrix(d, n, n)
    u, s, v = np.linalg.svd(a)
    return a - s[..., -1:, None] * u[..., :, -1:] * v[..., -1:, :]


case(np.linalg.det, label="singular")(lambda d: (lambda fn, x: fn(x), singular(d)))
case(linear_algebra.cofactors, twin=False)(lambda d: (lambda fn, x: fn(x), singular(d)))


@case(np.linalg.pinv, twin=False)
def pinv(d: Draw) -> tuple[Any, ...]:
    return lambda fn, x: fn(x), spread_matrix(d, d.integer(1, 3), d.integer(1, 3))


@case(np.linalg.lstsq, twin=False)
def lstsq(d: Draw) -> tuple[Any, ...]:
    m, n = d.pick((3, 2), (2, 2), (2, 3))
    a = spread_matrix(d, m, n)
    a = a.reshape(-1, m, n)[0] if a.size else np.eye(m, n)
    b = d.array(d.pick((m,), (m, 2)))
    return lambda fn, a, b: np.concatenate([np.ravel(r) for r in fn(a, b, None)[:2]]), a, b


@case(np.linalg.matrix_power)
def matrix_power(d: Draw) -> tuple[Any, ...]:
    n = d.integer(-3, 5)
    return lambda fn, x: fn(x, n), matrices(d)


@case(np.linalg.multi_dot)
def multi_dot(d: Draw) -> tuple[Any, ...]:
    m, n, k, j = (d.integer(1, 3) for _ in range(4))
    shapes = d.pick([(m, n), (n, k), (k, j)], [(n,), (n, k), (k, j)], [(m, n), (n, k), (k,)], [(m, n), (n, k)])
    return lambda fn, *xs: fn(xs), *(d.array(s) for s in shapes)


@case(np.linalg.tensorinv)
def tensorinv(d: Draw) -> tuple[Any, ...]:
    return lambda fn, x: fn(x, ind=1), matrices(d, (), 4).reshape(4, 2, 2)


@case(np.linalg.tensorsolve)
def tensorsolve(d: Draw) -> tuple[Any, ...]:
    return lambda fn, a, b: fn(a, b), matrices(d, (), 4).reshape(2, 2, 4), d.array((2, 2))


# --- Decompositions ---------------------------------------------------------------------------------------------------


def sizes(d: Draw) -> tuple[int, int]:
    return d.pick((2, 2), (3, 3), (3, 2), (2, 3), (1, 1), (1, 3))


@case(np.linalg.svd, twin=False)
def svd(d: Draw) -> tuple[Any, ...]:
    """By what does not depend on the signs of the vectors."""
    keep = d.pick("whole", "values", "polar")

    def f(fn: Any, x: Any) -> Any:
        u, s, v = fn(x, full_matrices=False)
        if keep == "values":
            return fn(x, compute_uv=False)
        return (u * s[..., None, :]) @ v if keep == "whole" else u @ v

    return f, spread_matrix(d, *sizes(d))


case(np.linalg.svdvals, twin=False)(lambda d: (lambda fn, x: fn(x), spread_matrix(d, *sizes(d))))


@case(decompositions.svd_packed, twin=False)
@case(decompositions.qr_packed, twin=False)
def packed(d: Draw) -> tuple[Any, ...]:
    m = d.integer(1, 3)
    return lambda fn, x: fn(x), spread_matrix(d, m + d.integer(0, 1), m)


def symmetric(d: Draw) -> np.ndarray:
    """A stack of symmetric matrices whose eigenvalues are well apart; one triangle is noise that nobody reads."""
    n = d.integer(1, 3)
    a = spread_matrix(d, n, n)
    return a @ np.swapaxes(a, -1, -2)


@case(np.linalg.eigh, twin=False)
def eigh(d: Draw) -> tuple[Any, ...]:
    uplo, power = d.pick("L", "U"), d.pick(1, 3)

    def f(fn: Any, x: Any) -> Any:
        w, v = fn(x, uplo)
        return np.concatenate([(v * w[..., None, :] ** power) @ np.swapaxes(v, -1, -2), w[..., None, :]], -2)

    return f, symmetric(d)


@case(np.linalg.eigvalsh, twin=False)
@case(decompositions.eigh_packed, twin=False)
def eigvalsh(d: Draw) -> tuple[Any, ...]:
    uplo = d.pick("L", "U")
    return lambda fn, x: fn(x, uplo), symmetric(d)


@case(np.linalg.qr, twin=False)
def qr(d: Draw) -> tuple[Any, ...]:
    mode = d.pick("reduced", "r")

    def f(fn: Any, x: Any) -> Any:
        if mode == "r":
            return fn(x, mode)
        q, r = fn(x)
        return np.concatenate([np.reshape(t, (*t.shape[:-2], t.shape[-2] * t.shape[-1])) for t in (q, r)], -1)

    m, n = sizes(d)
    return f, spread_matrix(d, m, n)


case(np.linalg.cholesky, twin=False, label="upper")(
    lambda d: (lambda fn, x: fn(x, upper=True), abs_diagonal(matrices(d)))
)


# --- SciPy's ----------------------------------------------------------------------------------------------------------

case(expm)(lambda d: (lambda fn, x: fn(x), matrices(d) / 2))


def triangular_twin(a: Any, b: Any, trans: int, lower: bool, unit_diagonal: bool) -> Any:
    a = np.tril(a) if lower else np.triu(a)
    a = np.where(np.eye(len(a)), 1, a) if unit_diagonal else a
    return np.linalg.solve(a.T if trans else a, b)


@case(solve_triangular, twin=triangular_twin)
def triangular(d: Draw) -> tuple[Any, ...]:
    n = d.integer(1, 3)
    a, b = matrices(d, (), n), d.array(d.pick((n,), (n, 2)))
    form = d.pick(0, 1), d.pick(True, False), d.pick(True, False)
    return lambda fn, a, b: fn(a, b, *form), a, b

"""Cases of products: vdot, dot, inner, outer, kron, tensordot, einsum."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.battery.cases import case
from tests.battery.drawing import Draw


@case(np.vdot, twin=lambda a, b: np.sum(np.ravel(a) * np.ravel(b)))
def vdot(d: Draw) -> tuple[Any, ...]:
    shape = d.shape()
    return lambda fn, a, b: fn(a, b), d.array(shape), d.array(shape)


def product(row: Any, shapes_of: Any) -> None:
    @case(row)
    def build(d: Draw) -> tuple[Any, ...]:
        first, second = shapes_of(d)
        a, b = d.array(first), d.array(second)
        kind = d.pick("both", "both", "left", "right")
        if kind == "left":
            return lambda fn, a: fn(a, b), a
        return (lambda fn, b: fn(a, b), b) if kind == "right" else (lambda fn, a, b: fn(a, b), a, b)


def dot_shapes(d: Draw) -> Any:
    m, n, k, j = (d.integer(0, 3) for _ in range(4))
    return d.pick(
        ((), ()),
        ((), (m, n)),
        ((m,), ()),
        ((n,), (n,)),
        ((m, n), (n,)),
        ((n,), (n, k)),
        ((m, n), (n, k)),
        ((j, m, n), (n,)),
        ((n,), (j, n, k)),
        ((m, n), (j, n, k)),
        ((j, m, n), (n, k)),
    )


def inner_shapes(d: Draw) -> Any:
    m, n, k, j = (d.integer(0, 3) for _ in range(4))
    return d.pick(((), ()), ((), (m, n)), ((m,), ()), ((n,), (n,)), ((m, n), (n,)), ((n,), (k, n)), ((m, n), (j, k, n)))


product(np.dot, dot_shapes)


product(np.inner, inner_shapes)


product(np.outer, lambda d: (d.shape(max_dims=2), d.shape(max_dims=2)))


product(np.kron, lambda d: (d.shape(max_dims=2), d.shape(max_dims=2)))


@case(np.tensordot)
def tensordot(d: Draw) -> tuple[Any, ...]:
    m, n, k, j = (d.integer(0, 3) for _ in range(4))
    first, second, axes = d.pick(
        ((m, n), (n, k), 1),
        ((m, n), (k, j), 0),
        ((m, n, k), (n, k, j), 2),
        ((m, n), (k, n), (-1, -1)),
        ((m, n, k), (k, j, n), ([1, 2], [2, 0])),
        ((m, n), (n, m), ((0, 1), (1, 0))),
        ((n,), (n,), 1),
        ((m, n, k), (k, m), ([0, -1], [1, 0])),
        ((n, n), (n,), (0, 0)),
    )
    return lambda fn, a, b: fn(a, b, axes), d.array(first), d.array(second)


SPECS = """
    ij,jk->ik ij,jk i,i i,i->i ii ii->i iij->j ...ij,...jk->...ik ...i,i->... ij,jk,kl->il ij->ji ba ij-> i->
    ij,ij-> bij,bjk->bik i,j->ij ijk->k ... i...->... iji->j ii,ii->i ijj,k->ik ,i->i a,ab,abc->abc ij,kj
    i...,i...->... ij...,j...->i... iii->i ij,j,i-> ...a,...a bi,bj,ij->b aab,bcc->ac ab,bc-> i,i,i->"""


EINSUMS = tuple(SPECS.split())


def einsum_call(d: Draw, spec: str, thin: bool) -> tuple[Any, ...]:
    """Operands for a specification; thin: some axes have size 1 and broadcast."""
    full = d.shape(max_dims=2)
    side = {letter: d.integer(0, 3) for letter in sorted(set(spec) - set(" .,->"))}
    xs = []
    for letters in spec.replace(" ", "").split("->")[0].split(","):
        skip = d.integer(0, len(full)) if thin else 0
        shape: list[int] = []
        for c in letters.replace("...", "."):
            shape += full[skip:] if c == "." else [1 if thin and letters.count(c) == 1 and d.integer(0, 1) else side[c]]
        xs.append(d.array(tuple(shape)))
    return lambda fn, *xs: fn(spec, *xs), *xs


case(np.einsum)(lambda d: einsum_call(d, d.pick(*EINSUMS), False))


case(np.einsum, label="axes of size 1")(
    lambda d: einsum_call(d, d.pick("ij,jk->ik", "ij,jk", "ij,ij->", "...i,i->...", "i,j,ij"), True)
)

"""Products of arrays: dot, inner, outer, tensordot and kron by reshape and matmul, einsum by contract().

All are composites: their derivatives are those of the functions that they are made of.
"""
# tested in tests/calculus/test_composites.py

from __future__ import annotations

import string
from typing import Any

import numpy as np

from ..core.scipys import sparse_product
from ..core.types import Array
from ..engine import call
from ..rules import contract
from .axes import axes_of, axis_of, count
from .rows import composite, rule
from .shapes import array


@composite(np.matrix_transpose)
def matrix_transpose(x: Array) -> Array:
    return np.swapaxes(x, -1, -2)


@composite(np.vdot)
def vdot(a: Array, b: Array) -> Array:
    if np.size(a) != np.size(b):
        raise ValueError(f"vdot: {np.shape(a)} and {np.shape(b)} differ in size: give as many numbers on both sides")
    return np.sum(np.ravel(a) * np.ravel(b))


@composite(np.dot)
def dot(a: Array, b: Array) -> Array:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    return np.matmul(a, b) if np.ndim(b) <= 2 else np.tensordot(a, b, (-1, -2))


@composite(np.inner)
def inner(a: Array, b: Array) -> Array:
    return a * b if np.ndim(a) == 0 or np.ndim(b) == 0 else np.tensordot(a, b, (-1, -1))


@composite(np.outer)
def outer(a: Array, b: Array) -> Array:
    return np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))


@composite(np.tensordot)
def tensordot(a: Array, b: Array, axes: Any = 2) -> Array:
    if isinstance(axes, (int, np.integer)):
        axes = range(np.ndim(a) - axes, np.ndim(a)), range(axes)
    ours = list(axes_of(tuple(np.atleast_1d(axes[0]).tolist()), np.ndim(a)))
    theirs = list(axes_of(tuple(np.atleast_1d(axes[1]).tolist()), np.ndim(b)))
    if [np.shape(a)[i] for i in ours] != [np.shape(b)[i] for i in theirs]:
        raise ValueError(f"tensordot: axes {ours} of {np.shape(a)} and {theirs} of {np.shape(b)} differ in size")
    left, right = np.moveaxis(a, ours, range(-len(ours), 0)), np.moveaxis(b, theirs, range(len(theirs)))
    rows, columns, n = left.shape[: left.ndim - len(ours)], right.shape[len(theirs) :], count(b, theirs)
    flat_rows, flat_columns = int(np.prod(rows)), int(np.prod(columns))
    return np.reshape(np.reshape(left, (flat_rows, n)) @ np.reshape(right, (n, flat_columns)), (*rows, *columns))


@composite(np.kron)
def kron(a: Array, b: Array) -> Array:
    d = max(np.ndim(a), np.ndim(b))
    m, n = ((1,) * (d - np.ndim(x)) + np.shape(x) for x in (a, b))
    product = np.reshape(a, [k for i in m for k in (i, 1)]) * np.reshape(b, [k for j in n for k in (1, j)])
    return np.reshape(product, [i * j for i, j in zip(m, n, strict=True)])


rule(sparse_product, lambda g, y, a, b: g @ b.T, lambda g, y, a, b: a.T @ g)


@composite(np.vecdot)
def vecdot(x1: Any, x2: Any, *, axis: int = -1) -> Array:
    return np.sum(x1 * x2, axis_of(axis, max(np.ndim(x1), np.ndim(x2))) - max(np.ndim(x1), np.ndim(x2)))


@composite(np.cross)
def cross(a: Array, b: Array, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Array:
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis, axis, axis)
    a, b = np.moveaxis(array(a), axisa, 0), np.moveaxis(array(b), axisb, 0)
    if a.shape[0] not in (2, 3) or b.shape[0] not in (2, 3):
        raise ValueError(f"cross: vectors of {a.shape[0]} and {b.shape[0]}: 3 numbers each, or 2")
    last = a[0] * b[1] - a[1] * b[0]
    if a.shape[0] == b.shape[0] == 2:
        return last
    a2, b2 = (v[2] if v.shape[0] == 3 else 0 * v[0] for v in (a, b))
    return np.stack([a[1] * b2 - a2 * b[1], a2 * b[0] - a[0] * b2, last], axisc)


# --- The names of the array API in np.linalg --------------------------------------------------------------------------


@composite(np.linalg.outer)
def linalg_outer(x1: Any, x2: Any) -> Array:
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ValueError(f"linalg.outer: {np.shape(x1)} and {np.shape(x2)} must be vectors: use np.outer")
    return np.outer(x1, x2)


@composite(np.linalg.cross)
def linalg_cross(x1: Any, x2: Any, *, axis: int = -1) -> Array:
    if {np.shape(x1)[axis], np.shape(x2)[axis]} != {3}:
        raise ValueError(f"linalg.cross: {np.shape(x1)} and {np.shape(x2)} must hold vectors of 3 numbers")
    return np.cross(x1, x2, axis=axis)


@composite(np.linalg.matmul)
def linalg_matmul(x1: Any, x2: Any) -> Array:
    return np.matmul(x1, x2)


@composite(np.linalg.vecdot)
def linalg_vecdot(x1: Any, x2: Any, *, axis: int = -1) -> Array:
    return vecdot(x1, x2, axis=axis)


@composite(np.linalg.tensordot)
def linalg_tensordot(x1: Any, x2: Any, *, axes: Any = 2) -> Array:
    return np.tensordot(x1, x2, axes)


@composite(np.linalg.matrix_transpose)
def linalg_matrix_transpose(x: Array) -> Array:
    return np.matrix_transpose(x)


# --- einsum -----------------------------------------------------------------------------------------------------------


@composite(np.einsum)
def einsum(*operands: Any, optimize: Any = False) -> Array:
    """Bring the specification to the normal form of contract(): name the output, spell out the ellipsis, take
    diagonals of repeated letters, sum letters that stand alone, and drop axes of size 1 that broadcast."""
    subscripts, operands = operands[0], operands[1:]
    if not isinstance(subscripts, str):
        subscripts, operands = as_letters((subscripts, *operands))
    specs, out = explicit(subscripts, [np.ndim(x) for x in operands])
    xs = list(operands)
    for i, spec in enumerate(specs):
        for letter in sorted(set(spec)):
            while spec.count(letter) > 1:
                p, q = spec.index(letter), spec.rindex(letter)
                xs[i] = np.diagonal(xs[i], 0, p, q)  # goes last
                spec = spec[:p] + spec[p + 1 : q] + spec[q + 1 :] + letter
        specs[i] = spec
    size: dict[str, int] = {}
    for x, spec in zip(xs, specs, strict=True):
        for letter, n in zip(spec, np.shape(x), strict=True):
            if 1 not in (n, size.get(letter, 1)) and n != size[letter]:
                raise ValueError(f"einsum {subscripts!r}: axis {letter!r} has sizes {size[letter]} and {n}")
            size[letter] = n if size.get(letter, 1) == 1 else size[letter]
    for i, spec in enumerate(specs):
        thin = tuple(k for k, c in enumerate(spec) if np.shape(xs[i])[k] == 1 != size[c])
        xs[i] = np.squeeze(xs[i], thin) if thin else xs[i]
        specs[i] = "".join(c for k, c in enumerate(spec) if k not in thin)
    for i, spec in enumerate(specs):
        elsewhere = out + "".join(specs[:i] + specs[i + 1 :])
        alone = tuple(k for k, c in enumerate(spec) if c not in elsewhere)
        xs[i] = np.sum(xs[i], alone) if alone else xs[i]
        specs[i] = "".join(c for k, c in enumerate(spec) if k not in alone)
    return call(contract, (",".join(specs) + "->" + out, *xs))


def as_letters(operands: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """einsum(a, [0, 1], b, [1, 2], [0, 2]) as its specification, ab,bc->ac, and the operands."""
    pairs, rest = operands[: len(operands) // 2 * 2], operands[len(operands) // 2 * 2 :]

    def letters(indices: Any) -> str:
        return "".join("..." if i is Ellipsis else string.ascii_letters[i] for i in indices)

    spec = ",".join(map(letters, pairs[1::2]))
    return spec + ("->" + letters(rest[0]) if rest else ""), pairs[::2]


def explicit(subscripts: str, ndims: list[int]) -> tuple[list[str], str]:
    """The operands' letters and the output's, with each ellipsis spelled out in letters of its own."""
    left, arrow, out = subscripts.replace(" ", "").partition("->")
    specs = left.split(",")
    if len(specs) != len(ndims):
        raise ValueError(f"einsum {subscripts!r} names {len(specs)} operands but got {len(ndims)}")
    extra = [n - len(spec.replace("...", "")) if "..." in spec else 0 for spec, n in zip(specs, ndims, strict=True)]
    free = [c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjihgfedcba" if c not in subscripts][: max(extra)][
        ::-1
    ]
    specs = [spec.replace("...", "".join(free[len(free) - k :])) for spec, k in zip(specs, extra, strict=True)]
    if not arrow:
        out = ("..." if "..." in left else "") + "".join(sorted(c for c in set(left) - set(",.") if left.count(c) == 1))
    if arrow and "..." not in out and max(extra) > 0:
        raise ValueError(f"einsum {subscripts!r}: the output lacks the ellipsis: name it there, or sum its axes first")
    for spec, n in zip(specs, ndims, strict=True):
        if len(spec) != n:
            raise ValueError(f"einsum {subscripts!r}: {spec!r} has {len(spec)} letters for an operand of {n} axes")
    return specs, out.replace("...", "".join(free))

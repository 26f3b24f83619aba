"""Functions defined by others: NumPy's names spelled out in functions of the table, and the names that have no
gradient.

A composite needs no derivative, for the chain rule goes through its definition. Its arguments are NumPy's, and may
be Tensors or arrays, also inside lists.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .engine import Tensor, call
from .rules import contract, join, length, logabsdet, scatter, zero_pad
from .table import composite, flat


def count(x: Any, axis: Any) -> int:
    """How many entries of x are reduced into one."""
    axes = range(np.ndim(x)) if axis is None or np.ndim(x) == 0 else np.atleast_1d(axis)
    return int(np.prod([np.shape(x)[i] for i in axes], dtype=int))


@composite(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


@composite(np.mean)
def mean(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return np.sum(a, axis, keepdims=keepdims) / count(a, axis)


@composite(np.var)
def var(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    centred = a - np.mean(a, axis, keepdims=True)
    return np.sum(centred * centred, axis, keepdims=keepdims) / max(count(a, axis) - ddof, 0)


@composite(np.std)
def std(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    centred = a - np.mean(a, axis, keepdims=True)
    return length(centred, axis, keepdims=keepdims) / max(count(a, axis) - ddof, 0) ** 0.5


@composite(np.prod)
def prod(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Multiply one half by the other until one factor is left: right with zeros, to any order."""
    axes = tuple(range(a.ndim)) if axis is None or a.ndim == 0 else tuple(np.atleast_1d(axis) % a.ndim)
    kept = [n for i, n in enumerate(a.shape) if i not in axes]
    a = np.reshape(np.moveaxis(a, axes, range(len(axes))), [count(a, axes), *kept])
    while len(a) > 1:
        half = len(a) // 2
        a = np.concatenate([a[:half] * a[half : 2 * half], a[2 * half :]])
    a = a[0] if len(a) else np.sum(a, 0) + 1
    return np.expand_dims(a, sorted(axes)) if keepdims else a


@composite(np.cumprod)
def cumprod(a: Any, axis: int | None = None) -> Any:
    """Each step multiplies every entry by the product of twice as many before it (Hillis and Steele 1986)."""
    a = np.moveaxis(np.ravel(a) if axis is None or a.ndim == 0 else a, axis or 0, 0)
    step = 1
    while step < len(a):
        a = np.concatenate([a[:step], a[step:] * a[:-step]])
        step *= 2
    return np.moveaxis(a, 0, axis or 0)


@composite(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, *, keepdims: bool = False) -> Any:
    matrix = ord is not None and (x.ndim == 2 if axis is None else isinstance(axis, tuple))
    if ord is None or (ord == "fro" and matrix) or (ord == 2 and not matrix):
        return length(x, axis, keepdims=keepdims)
    if matrix or isinstance(ord, str):
        raise TypeError(
            f"linalg.norm of a Tensor has no rule for matrices with ord={ord!r}: 'fro' and vector norms have"
        )
    if ord in (np.inf, -np.inf):
        return (np.max if ord > 0 else np.min)(np.abs(x), axis, keepdims=keepdims)
    if ord == 0:
        raise TypeError("linalg.norm with ord=0 counts what is not zero, which has no gradient: use it on t.data")
    total = np.sum(np.abs(x) ** ord, axis, keepdims=keepdims)
    return np.where(total == 0, 0, np.where(total == 0, 1, total) ** (1 / ord))


@composite(np.pad)
def pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Any:
    """Constants are added; every other mode (edge, reflect, symmetric, wrap) repeats entries, and so is an indexing."""
    if array.ndim == 0:
        return np.copy(array)
    width = np.broadcast_to(pad_width, (array.ndim, 2)).tolist()
    if mode == "constant":
        return zero_pad(array, width) + np.pad(np.zeros_like(array), width, constant_values=constant_values)
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise TypeError(
            f"pad of a Tensor has no mode {mode!r}: constant, edge, reflect, symmetric and wrap are differentiable"
        )
    return array[np.ix_(*[np.pad(np.arange(n), w, mode=mode) for n, w in zip(array.shape, width, strict=True)])]  # type: ignore[call-overload]


@composite(np.concatenate)
def concatenate(arrays: Any, axis: int | None = 0) -> Any:
    if axis is None:
        arrays, axis = [np.ravel(a) for a in arrays], 0
    return call(join, tuple(a if type(a) is Tensor else np.asarray(a) for a in arrays), {"axis": axis})


@composite(np.stack)
def stack(arrays: Any, axis: int = 0) -> Any:
    return np.concatenate([np.expand_dims(a, axis) for a in arrays], axis)


@composite(np.vstack)
def vstack(tup: Any) -> Any:
    return np.concatenate([np.expand_dims(np.reshape(a, (-1,)), 0) if np.ndim(a) < 2 else a for a in tup])


@composite(np.hstack)
def hstack(tup: Any) -> Any:
    arrays = [np.reshape(a, (1,)) if np.ndim(a) == 0 else a for a in tup]
    return np.concatenate(arrays, 0 if np.ndim(arrays[0]) == 1 else 1)


@composite(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    x = np.moveaxis(ary, axis, 0)
    parts = np.array_split(np.arange(len(x)), indices_or_sections)
    return [np.moveaxis(x[part[0] : part[-1] + 1] if len(part) else x[:0], 0, axis) for part in parts]


@composite(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    np.split(np.empty(ary.shape[axis]), indices_or_sections)  # refuses sections of unequal size
    return np.array_split(ary, indices_or_sections, axis)


@composite(np.tile)
def tile(A: Any, reps: Any) -> Any:
    reps = tuple(np.atleast_1d(reps))
    d = max(len(reps), np.ndim(A))
    shape, reps = (1,) * (d - np.ndim(A)) + np.shape(A), (1,) * (d - len(reps)) + reps
    apart = np.reshape(A, [k for n in shape for k in (1, n)])
    laid = np.broadcast_to(apart, [k for r, n in zip(reps, shape, strict=True) for k in (r, n)])
    return np.reshape(laid, [r * n for r, n in zip(reps, shape, strict=True)])


@composite(np.take)
def take(a: Any, indices: Any, axis: int | None = None) -> Any:
    return np.ravel(a)[indices] if axis is None else a[(slice(None),) * (axis % a.ndim) + (indices,)]


@composite(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None) -> Any:
    if axis is None:
        return np.ravel(arr)[indices]
    axis %= arr.ndim
    shape = (*arr.shape[:axis], np.shape(indices)[axis], *arr.shape[axis + 1 :])
    index = list(np.indices(shape, sparse=True))
    index[axis] = np.broadcast_to(indices, shape)
    return arr[tuple(index)]


@composite(np.sort)
def sort(a: Any, axis: int | None = -1) -> Any:
    a, axis = (np.ravel(a), 0) if axis is None else (a, axis)
    return np.take_along_axis(a, np.argsort(a, axis, kind="stable"), axis)


@composite(np.repeat)
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    a, axis = (np.ravel(a), 0) if axis is None else (a, axis)
    return np.take(a, np.repeat(np.arange(a.shape[axis]), repeats), axis)


@composite(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    a = np.moveaxis(a, (axis1, axis2), (-2, -1))
    i = np.arange(max(0, min(a.shape[-2] + min(offset, 0), a.shape[-1] - max(offset, 0))))
    return a[..., i - min(offset, 0), i + max(offset, 0)]


@composite(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    if v.ndim == 2:
        return np.diagonal(v, k)
    i, n = np.arange(len(v)), len(v) + abs(k)
    return scatter(v, (i - min(k, 0), i + max(k, 0)), (n, n))


@composite(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return np.sum(np.diagonal(a, offset, axis1, axis2), -1)


@composite(np.dot)
def dot(a: Any, b: Any) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    return np.matmul(a, b) if np.ndim(b) <= 2 else np.tensordot(a, b, (-1, -2))


@composite(np.inner)
def inner(a: Any, b: Any) -> Any:
    return a * b if np.ndim(a) == 0 or np.ndim(b) == 0 else np.tensordot(a, b, (-1, -1))


@composite(np.outer)
def outer(a: Any, b: Any) -> Any:
    return np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))


@composite(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    if isinstance(axes, (int, np.integer)):
        axes = range(np.ndim(a) - axes, np.ndim(a)), range(axes)
    ours = [int(i) % np.ndim(a) for i in np.atleast_1d(axes[0])]
    theirs = [int(i) % np.ndim(b) for i in np.atleast_1d(axes[1])]
    if [np.shape(a)[i] for i in ours] != [np.shape(b)[i] for i in theirs]:
        raise ValueError(f"tensordot: axes {ours} of {np.shape(a)} and {theirs} of {np.shape(b)} differ in size")
    left, right = np.moveaxis(a, ours, range(-len(ours), 0)), np.moveaxis(b, theirs, range(len(theirs)))
    rows, columns, n = left.shape[: left.ndim - len(ours)], right.shape[len(theirs) :], count(b, theirs)
    flat_rows, flat_columns = int(np.prod(rows)), int(np.prod(columns))
    return np.reshape(np.reshape(left, (flat_rows, n)) @ np.reshape(right, (n, flat_columns)), (*rows, *columns))


@composite(np.kron)
def kron(a: Any, b: Any) -> Any:
    d = max(np.ndim(a), np.ndim(b))
    m, n = ((1,) * (d - np.ndim(x)) + np.shape(x) for x in (a, b))
    product = np.reshape(a, [k for i in m for k in (i, 1)]) * np.reshape(b, [k for j in n for k in (1, j)])
    return np.reshape(product, [i * j for i, j in zip(m, n, strict=True)])


@composite(np.einsum)
def einsum(subscripts: str, *operands: Any, optimize: Any = False) -> Any:
    """Bring the specification to the normal form of contract(): name the output, spell out the ellipsis, take
    diagonals of repeated letters, sum letters that stand alone, and drop axes of size 1 that broadcast."""
    if not isinstance(subscripts, str):
        raise TypeError("einsum of Tensors takes its subscripts as a string, such as 'ij,jk->ik'")
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
        out = "..." * ("..." in left) + "".join(sorted(c for c in set(left) - set(",.") if left.count(c) == 1))
    for spec, n in zip(specs, ndims, strict=True):
        if len(spec) != n:
            raise ValueError(f"einsum {subscripts!r}: {spec!r} has {len(spec)} letters for an operand of {n} axes")
    return specs, out.replace("...", "".join(free))


@composite(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    sign, _ = result = np.linalg.slogdet(a.data)
    return type(result)(sign, logabsdet(a))


# --- No gradient ------------------------------------------------------------------------------------------------------
# Steps and choices: flat wherever they have a derivative at all, so their results are plain arrays.

flat(
    np.equal,
    np.not_equal,
    np.less,
    np.less_equal,
    np.greater,
    np.greater_equal,
    np.isclose,
    np.allclose,
    np.array_equal,
)
flat(np.logical_and, np.logical_or, np.logical_xor, np.logical_not, np.any, np.all, np.isnan, np.isinf, np.isfinite)
flat(np.sign, np.signbit, np.heaviside, np.floor, np.ceil, np.trunc, np.rint, np.round, np.floor_divide)
flat(np.argmax, np.argmin, np.argsort, np.nonzero, np.flatnonzero, np.argwhere, np.count_nonzero, np.searchsorted)
flat(
    np.shape,
    np.ndim,
    np.size,
    np.zeros_like,
    np.ones_like,
    np.empty_like,
    np.full_like,
    np.result_type,
    np.array2string,
)

"""Joining and splitting arrays: all of it is np.concatenate, slices, and one index made by NumPy itself."""
# tested in tests/calculus/test_every_row.py

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ..core.types import Array
from ..engine import call
from .axes import axis_of
from .rows import composite, rule
from .shapes import array

# --- Joining ----------------------------------------------------------------------------------------------------------


def parts(g: Array, y: Array, *arrays: Array, axis: int) -> tuple[Any, ...]:
    """What each array gets of g: in all of one pass over the arrays."""
    before: tuple[Any, ...] = (slice(None),) * (axis % g.ndim)
    ends = list(itertools.accumulate(a.shape[axis] for a in arrays))
    return tuple(g[(*before, slice(end - a.shape[axis], end))] for a, end in zip(arrays, ends, strict=True))


def join(*arrays: Array, axis: int) -> Array:
    """np.concatenate with the arrays as arguments of their own, so that each can have a derivative."""
    return np.concatenate(arrays, axis)


rule(join, joint=parts)


@composite(np.concatenate)
def concatenate(arrays: Array, axis: int | None = 0) -> Array:
    found = [array(a) for a in arrays]
    if axis is None:
        found, axis = [np.ravel(a) for a in found], 0
    return call(join, tuple(found), {"axis": axis})


@composite(np.stack)
def stack(arrays: Array, axis: int = 0) -> Array:
    return np.concatenate([np.expand_dims(array(a), axis) for a in arrays], axis)


@composite(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Array:
    return np.concatenate([array(arr), array(values)], axis)


def of_each(arys: Any, reshaped: Any) -> Array:
    found = tuple(reshaped(array(a)) for a in arys)
    return found[0] if len(found) == 1 else found


@composite(np.atleast_1d)
def atleast_1d(*arys: Any) -> Array:
    return of_each(arys, lambda a: np.reshape(a, (1,)) if a.ndim == 0 else a)


@composite(np.atleast_2d)
def atleast_2d(*arys: Any) -> Array:
    return of_each(arys, lambda a: np.reshape(a, (1, a.size)) if a.ndim < 2 else a)


@composite(np.atleast_3d)
def atleast_3d(*arys: Any) -> Array:
    def three(a: Array) -> Array:
        if a.ndim < 2:
            return np.reshape(a, (1, a.size, 1))
        return a[..., None] if a.ndim == 2 else a

    return of_each(arys, three)


@composite(np.vstack)
def vstack(tup: Any) -> Array:
    return np.concatenate([np.atleast_2d(a) for a in tup])


@composite(np.hstack)
def hstack(tup: Any) -> Array:
    arrays = [np.atleast_1d(a) for a in tup]
    return np.concatenate(arrays, 0 if np.ndim(arrays[0]) == 1 else 1)


@composite(np.dstack)
def dstack(tup: Any) -> Array:
    return np.concatenate([np.atleast_3d(a) for a in tup], 2)


@composite(np.column_stack)
def column_stack(tup: Any) -> Array:
    return np.concatenate([np.reshape(a, (a.size, 1)) if a.ndim < 2 else a for a in map(array, tup)], 1)


@composite(np.block)
def block(arrays: Array) -> Array:
    """Lists are joined along the last axis, lists of them along the one before, and so on."""

    def depth(a: Array) -> int:
        return 1 + max(map(depth, a)) if isinstance(a, list) else 0

    def joined(a: Array, level: int) -> Array:
        if not isinstance(a, list):
            a = array(a)
            return np.reshape(a, (1,) * (ndim - a.ndim) + a.shape)
        return np.concatenate([joined(x, level - 1) for x in a], -level)

    def widest(a: Array) -> int:
        return max(map(widest, a)) if isinstance(a, list) else np.ndim(a)

    ndim = max(depth(arrays), widest(arrays))
    return joined(arrays, depth(arrays))


@composite(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Array:
    """Both arrays side by side, and an index that NumPy makes by inserting the numbers of the second's entries."""
    arr, values = array(arr), array(values)
    both = np.concatenate([np.ravel(arr), np.ravel(values)])
    first = np.arange(arr.size).reshape(arr.shape)
    return both[np.insert(first, obj, np.arange(arr.size, both.size).reshape(values.shape), axis)]


# --- Splitting --------------------------------------------------------------------------------------------------------


@composite(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Array:
    x = np.moveaxis(ary, axis_of(axis, ary.ndim), 0)
    parts = np.array_split(np.arange(len(x)), indices_or_sections)
    return [np.moveaxis(x[part[0] : part[-1] + 1] if len(part) else x[:0], 0, axis) for part in parts]


@composite(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Array:
    if np.ndim(indices_or_sections) == 0 and ary.shape[axis] % indices_or_sections:
        what = f"array split does not result in an equal division of axis {axis} of {ary.shape}"
        raise ValueError(f"{what}: take sections that divide it, or np.array_split")
    return np.array_split(ary, indices_or_sections, axis)


@composite(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> Array:
    return np.split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


@composite(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> Array:
    if ary.ndim < 2:
        raise ValueError(f"vsplit: {ary.shape} has no rows to split: use np.split")
    return np.split(ary, indices_or_sections, 0)


@composite(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> Array:
    if ary.ndim < 3:
        raise ValueError(f"dsplit: {ary.shape} has no third axis to split: use np.split")
    return np.split(ary, indices_or_sections, 2)


@composite(np.unstack)
def unstack(x: Array, *, axis: int = 0) -> Array:
    return tuple(np.moveaxis(x, axis, 0))

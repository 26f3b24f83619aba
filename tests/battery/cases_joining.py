"""Cases of functions that join and split arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.battery.cases import case
from tests.battery.drawing import Draw


@case(np.stack)
def stack(d: Draw) -> tuple[Any, ...]:
    shape = d.shape(max_dims=2)
    axis = d.integer(-len(shape) - 1, len(shape))
    constant = d.array(shape)
    if d.integer(0, 1):
        return lambda fn, x: fn([constant, x, x], axis), d.array(shape)
    return lambda fn, *xs: fn(xs, axis=axis), *(d.array(shape) for _ in range(d.integer(1, 3)))


def rows_of(row: Any) -> None:
    @case(row)
    def build(d: Draw) -> tuple[Any, ...]:
        shape = list(d.shape())
        axis = 0 if row is np.vstack or len(shape) == 1 else 1
        xs = []
        for _ in range(d.integer(1, 3)):
            if len(shape) > 1 or (row is np.hstack and shape):
                shape[axis] = d.integer(0, 3)
            xs.append(d.array(tuple(shape)))
        return lambda fn, *xs: fn([*xs, np.ones(xs[0].shape)]), *xs


rows_of(np.vstack)


rows_of(np.hstack)


def pieces(row: Any) -> None:
    @case(row)
    def build(d: Draw) -> tuple[Any, ...]:
        shape = list(d.shape(min_dims=1))
        axis = d.integer(-len(shape), len(shape) - 1)
        n = d.integer(1, 3)
        how = d.pick(n, [1, 2], [0, 1, 1], [2, 9], np.array([1]), [-1])
        if row is np.split and how is n:
            shape[axis] *= n

        def f(fn: Any, x: Any) -> Any:
            parts = fn(x, how, axis)
            assert [p.shape for p in parts] == [p.shape for p in row(np.zeros(shape), how, axis)]
            return np.concatenate([np.ravel(part) for part in parts[::-1]])

        return f, d.array(tuple(shape))


pieces(np.split)


pieces(np.array_split)


def half(row: Any, axis: int) -> None:
    @case(row)
    def build(d: Draw) -> tuple[Any, ...]:
        shape = list(d.shape(min_dims=2 if row is np.vsplit else 1 + axis))
        shape[axis] *= 2
        return lambda fn, x: np.concatenate([np.ravel(part) for part in fn(x, 2)[::-1]]), d.array(tuple(shape))


half(np.vsplit, 0)


half(np.hsplit, 1)


@case(np.column_stack)
def column_stack(d: Draw) -> tuple[Any, ...]:
    n = d.integer(0, 4)
    return lambda fn, a, b: fn([a, b, a]), d.array((n,)), d.array((n, d.integer(0, 3)))


@case(np.atleast_1d)
@case(np.atleast_2d)
def at_least(d: Draw) -> tuple[Any, ...]:
    return lambda fn, x: fn(x), d.array(d.shape())


@case(np.append)
def append(d: Draw) -> tuple[Any, ...]:
    shape = list(d.shape(min_dims=1))
    axis = d.integer(-len(shape), len(shape) - 1)
    first = d.array(tuple(shape))
    shape[axis] = d.integer(0, 3)
    axis = d.pick(axis, axis, None)
    return lambda fn, a, b: fn(a, b, axis), first, d.array(tuple(shape))


case(np.atleast_3d)(lambda d: (lambda fn, x: fn(x), d.array(d.shape())))


case(np.dstack)(lambda d: (lambda fn, a, b: fn([a, b, a]), *[d.array(s) for s in [d.shape()] * 2]))


@case(np.block)
def block(d: Draw) -> tuple[Any, ...]:
    m, n, k, j = (d.integer(0, 3) for _ in range(4))
    a, b, c, e = (d.array(s) for s in ((m, n), (m, k), (j, n), (j, k)))
    return d.pick(
        (lambda fn, *xs: fn([[xs[0], xs[1]], [xs[2], xs[3]]]), a, b, c, e),
        (lambda fn, a, b: fn([a, b, np.ones((m, 1))]), a, b),
        (lambda fn, a: fn(a), a),
    )


@case(np.insert, twin=False)
def insert(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1, min_side=1))
    axis = d.axis(x.ndim, several=False)
    n = x.size if axis is None else x.shape[axis]
    obj = d.pick(d.integer(-n, n), [0, n], [1, 1, 0] if n else [0])
    shape = () if axis is None or d.integer(0, 1) else tuple(s for i, s in enumerate(x.shape) if i != axis % x.ndim)
    if len(shape) and not np.isscalar(obj):
        shape = ()
    return lambda fn, x, v: fn(x, obj, v, axis), x, d.array(shape)


@case(np.dsplit)
def dsplit(d: Draw) -> tuple[Any, ...]:
    shape = (d.integer(0, 3), d.integer(0, 3), 2 * d.integer(0, 2))
    return lambda fn, x: np.concatenate([np.ravel(part) for part in fn(x, 2)[::-1]]), d.array(shape)


@case(np.unstack)
def unstack(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1, min_side=1))
    axis = d.integer(-x.ndim, x.ndim - 1)
    return lambda fn, x: np.stack(fn(x, axis=axis)[::-1]), x

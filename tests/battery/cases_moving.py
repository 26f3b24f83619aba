"""Cases of the rules that move, take and multiply entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.battery.cases import case, unary
from tests.battery.drawing import Draw, is_tensor
from tinygrad_nlp import rules
from tinygrad_nlp.calculus import joining, shapes
from tinygrad_nlp.core.interface import astype, getitem
from tinygrad_nlp.engine import call

unary(np.copy)


unary(np.ravel)


@case(np.reshape)
def reshape(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape())
    shape = d.pick(-1, (-1,), (x.size,), x.shape[::-1], (1, *x.shape), (*x.shape, 1), x.shape)
    return lambda fn, x: fn(x, shape), x


@case(np.expand_dims)
def expand_dims(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(max_dims=2))
    axis = d.pick(0, -1, (0, -1), (0, 1))
    return lambda fn, x: fn(x, axis), x


@case(np.squeeze)
def squeeze(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.pick((), (1,), (1, 2, 1), (1, 1), (2, 1), (1, 0), (2, 3)))
    ones = tuple(k for k, n in enumerate(x.shape) if n == 1)
    axis = d.pick(None, ones, *ones)
    return lambda fn, x: fn(x, axis) if axis is not None else fn(x), x


@case(np.transpose)
def transpose(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape())
    axes = d.pick(
        None,
        tuple(int(k) for k in d.rng.permutation(x.ndim)),
        tuple(int(k) - x.ndim for k in d.rng.permutation(x.ndim)),
    )
    return lambda fn, x: fn(x, axes), x


@case(np.swapaxes)
def swapaxes(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1))
    i, j = d.integer(-x.ndim, x.ndim - 1), d.integer(-x.ndim, x.ndim - 1)
    return lambda fn, x: fn(x, i, j), x


@case(np.moveaxis)
def moveaxis(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=d.pick(1, 3, 3)))
    n = d.integer(1, x.ndim)
    source, target = (tuple(int(k) for k in d.rng.permutation(x.ndim)[:n]) for _ in range(2))
    source, target = d.pick((source, target), (source[0], target[0] - x.ndim))
    return lambda fn, x: fn(x, source, target), x


@case(np.broadcast_to)
def broadcast_to(d: Draw) -> tuple[Any, ...]:
    small, other = d.broadcastable(2)
    shape = np.broadcast_shapes(small, other)
    return lambda fn, x: fn(x, shape), d.array(small)


@case(np.flip)
def flip(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape())
    axis = d.axis(x.ndim)
    return lambda fn, x: fn(x, axis), x


@case(np.roll)
def roll(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1))
    axis = d.pick(None, d.axis(x.ndim, several=False), (0, x.ndim - 1))
    shift = (d.integer(-4, 4), d.integer(-4, 4)) if isinstance(axis, tuple) and d.integer(0, 1) else d.integer(-4, 4)
    return lambda fn, x: fn(x, shift, axis), x


def triangle(row: Any) -> None:
    @case(row)
    def build(d: Draw) -> tuple[Any, ...]:
        x, k = d.array(d.shape(min_dims=1)), d.integer(-2, 2)
        return lambda fn, x: fn(x, k), x


triangle(np.tril)


triangle(np.triu)


@case(astype)
def cast(d: Draw) -> tuple[Any, ...]:
    return lambda fn, x: fn(x, np.float64 if x.dtype.kind != "c" else x.dtype), d.array(d.shape())


@case(shapes.zero_pad)
def zero_pad(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1))
    width = [(d.integer(0, 2), d.integer(0, 2)) for _ in x.shape]
    return lambda fn, x: fn(x, width), x


def by_call(fn: Any) -> Any:
    """A row that no name of NumPy's leads to: on Tensors through the engine's call()."""
    return lambda *args, **kwargs: call(fn, args, kwargs) if any(map(is_tensor, args)) else fn(*args, **kwargs)


def parts_of(d: Draw) -> tuple[list[np.ndarray], int]:
    shape = list(d.shape(min_dims=1))
    axis, xs = d.integer(-len(shape), len(shape) - 1), []
    for _ in range(d.integer(1, 3)):
        shape[axis] = d.integer(0, 3)
        xs.append(d.array(tuple(shape)))
    return xs, axis


@case(joining.join, fn=by_call(joining.join), twin=joining.join)
def join(d: Draw) -> tuple[Any, ...]:
    xs, axis = parts_of(d)
    return lambda fn, *xs: fn(*xs, axis=axis), *xs


@case(np.concatenate)
def concatenate(d: Draw) -> tuple[Any, ...]:
    xs, axis = parts_of(d)
    kind = d.pick("all", "same", "constant", "ravelled")
    if kind == "same":
        return lambda fn, x: fn([x, x, x], axis), xs[0]
    if kind == "constant":
        return lambda fn, x: fn((xs[-1], x, xs[0]), axis=axis), xs[0]
    return lambda fn, *xs: fn(xs, None if kind == "ravelled" else axis), *xs


def index_of(d: Draw, shape: tuple[int, ...]) -> Any:
    """An index for an array without empty axes: integers, slices, new axes, ..., masks, arrays that repeat, and
    mixtures."""
    kind = d.pick("mixed", "mixed", "mixed", "mask", "list", "0-d array", "2-d array", "nothing", "all ids")
    if kind == "mask":
        return d.integers(0, 2, shape[: d.integer(1, len(shape))]).astype(bool)
    if kind == "list":
        return [0, 0, -1, 0]
    if kind == "0-d array":
        return np.array(d.integer(-shape[0], shape[0] - 1))
    if kind == "2-d array":
        return d.integers(-shape[0], shape[0], (2, 3))
    if kind == "nothing":
        return d.pick((), ..., None, np.zeros(0, int), slice(0, 0), np.zeros(shape, bool))
    if kind == "all ids":
        return tuple(d.integers(-n, n, d.pick((3,), (2, 1), (2, 3))) for n in shape)
    parts: list[Any] = []
    for n in shape[: d.integer(1, len(shape))]:
        one = d.pick("slice", "slice", "int", "ids", "mask")
        if one == "slice":
            parts.append(slice(*d.pick((None,), (1, None), (None, -1), (None, None, -1), (None, None, 2), (-2, None))))
        elif one == "int":
            parts.append(d.integer(-n, n - 1))
        else:
            parts.append(d.integers(-n, n, 3) if one == "ids" else np.arange(n) % n == 0)
    if d.integer(0, 2) == 0:
        parts.insert(d.integer(0, len(parts)), None)
    if d.integer(0, 2) == 0:
        parts.insert(len(parts), ...)
    return tuple(parts)


@case(getitem)
def get(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1, min_side=1))
    index = index_of(d, x.shape)
    return lambda fn, x: x[index], x


@case(getitem, label="the same Tensor many times")
def get_many(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1, min_side=1))
    indices = [index_of(d, x.shape) for _ in range(3)]
    return lambda fn, x: sum(np.sum(x[index] * x[index]) for index in indices) + np.sum(x), x


@case(rules.scatter, twin=False)
def scatter(d: Draw) -> tuple[Any, ...]:
    shape = d.shape(min_dims=1, min_side=1)
    index = index_of(d, shape)
    return lambda fn, x: fn(x, index, shape), d.array(np.zeros(shape)[index].shape)


@case(np.matmul)
def matmul(d: Draw) -> tuple[Any, ...]:
    m, n, k = d.integer(0, 3), d.integer(0, 3), d.integer(0, 3)
    left, right = d.broadcastable(2)
    forms = [((n,), (n,)), ((m, n), (n,)), ((n,), (n, k)), ((m, n), (n, k)), ((*left, m, n), (*right, n, k))]
    first, second = d.pick(*forms, forms[-1], ((*left, m, n), (n,)), ((n,), (*right, n, k)))
    if d.integer(0, 4) == 0:
        return lambda fn, x: fn(x, x), d.array((*left, n, n))
    return lambda fn, a, b: fn(a, b), d.array(first), d.array(second)


@case(rules.contract, fn=by_call(rules.contract), twin=rules.contract)
def contract(d: Draw) -> tuple[Any, ...]:
    spec = d.pick("ij,jk->ik", "i,i->", "ij->ji", ",i->i", "bij,bjk->bik", "ij,jk,kl->il", "i,j->ij", "ij,ij->")
    side = {letter: d.integer(0, 3) for letter in "bijkl"}
    xs = [d.array(tuple(side[c] for c in letters)) for letters in spec.split("->")[0].split(",")]
    return lambda fn, *xs: fn(spec, *xs), *xs

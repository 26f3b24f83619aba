"""Cases of means, moments, products along axes, clip, differences and averages."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.battery.cases import case, keywords, reduction
from tests.battery.drawing import Draw


def var_twin(x: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    squares = np.square(x - np.mean(x, axis, keepdims=True))
    n = squares.size // max(1, np.sum(squares, axis).size)
    return np.sum(squares, axis, keepdims=keepdims) / (n - ddof)


def std_twin(x: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    return np.sqrt(var_twin(x, axis, ddof, keepdims))


reduction(np.mean, min_dims=1, min_side=1)
reduction(np.prod)
reduction(np.cumprod, several=False, keepdims=False)


def moment(row: Any, twin: Any) -> None:
    @case(row, twin=twin)
    def build(d: Draw) -> tuple[Any, ...]:
        x = d.distinct(d.shape(min_dims=1, min_side=2))
        chosen = {"axis": d.pick(None, *range(-x.ndim, x.ndim), tuple(range(x.ndim)))}
        chosen |= d.pick({}, {"ddof": 1}, {"ddof": 0.5}, {"keepdims": True}, {"ddof": 1, "keepdims": True})
        return lambda fn, x: fn(x, **chosen), x


moment(np.var, var_twin)
moment(np.std, std_twin)


@case(np.prod, label="with zeros")
def prod_with_zeros(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1))
    x = np.where(d.integers(0, 3, x.shape) == 0, 0.0, x)
    chosen = keywords(d, x.ndim)
    return lambda fn, x: fn(x, **chosen), x


@case(np.cumprod, label="with zeros")
def cumprod_with_zeros(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1, max_side=5))
    x = np.where(d.integers(0, 3, x.shape) == 0, 0.0, x)
    axis = d.integer(-x.ndim, x.ndim - 1)
    return lambda fn, x: fn(x, axis), x


@case(
    np.clip,
    twin=lambda x, low, high: (
        x
        if high is None and low is None
        else np.where(
            (x.real > (-9 if low is None else low)) & (x.real < (9 if high is None else high)),
            x,
            np.clip(x.real, low, high),
        )
    ),
)
def clip(d: Draw) -> tuple[Any, ...]:
    low, high = d.pick((-0.5, 0.5), (None, 0.5), (-0.5, None), (np.array([-1.0, -0.5]), 1.5))
    shape = d.shape()
    return lambda fn, x: fn(x, low, high), d.distinct((*shape, 2) if isinstance(low, np.ndarray) else shape)


@case(np.clip, twin=lambda x, low, high: np.minimum(np.maximum(x, low), high), label="bounds that are Tensors")
def clip_by_tensors(d: Draw) -> tuple[Any, ...]:
    low, x, high = (d.distinct(s, o) for s, o in zip(d.broadcastable(3), (0.3, 0, 0.6), strict=True))
    return lambda fn, x, low, high: fn(x, low, high), x, low - 0.5, high + 0.5


@case(np.diff)
def diff(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1))
    n, axis = d.integer(0, 3), d.integer(-x.ndim, x.ndim - 1)
    return lambda fn, x: fn(x, n, axis), x


@case(np.average)
def average(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1, min_side=1))
    axis = d.integer(-x.ndim, x.ndim - 1)
    weights = d.array((x.shape[axis],) if d.pick(True, False) else x.shape, 0.5, 2)
    if d.pick(True, False):
        return lambda fn, x: fn(x, axis), x
    return lambda fn, x, w: fn(x, axis, w), x, weights

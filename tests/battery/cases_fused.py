"""Cases of the ops differentiated by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_nlp as tg
from tests.battery.cases import case
from tests.battery.drawing import Draw
from tinygrad_nlp.recurrent import lstm_states


@case(tg.affine, twin=lambda x, W, b: x @ W + b)
def affine(d: Draw) -> tuple[Any, ...]:
    n, k = d.integer(1, 3), d.integer(0, 3)
    x, W, b = d.array((*d.shape(max_dims=2), n)), d.array((n, k)), d.array((k,))
    return (
        (lambda fn, W, b: fn(x.astype(W.dtype), W, b), W, b)
        if d.integer(0, 3) == 0
        else (lambda fn, x, W, b: fn(x, W, b), x, W, b)
    )


@case(tg.softmax_cross_entropy)
def cross_entropy(d: Draw) -> tuple[Any, ...]:
    shape, n = d.shape(min_side=1, max_dims=2), d.integer(1, 5)
    labels, reduction = d.integers(0, n, shape), d.pick("mean", "sum", "none")
    ignore = d.pick(None, -1, -100, 0) if labels.size > 1 else None
    if ignore is not None:
        labels = np.where(d.integers(0, 3, shape) == 0, ignore, labels)
        labels.flat[0], labels.flat[-1] = ignore, n - 1 if n > 1 else 0
        ignore = ignore if n > 1 or ignore < 0 else None
    return lambda fn, x: fn(x, labels, ignore_index=ignore, reduction=reduction), d.array((*shape, n), -4, 4)


@case(tg.embedding)
def embedding(d: Draw) -> tuple[Any, ...]:
    n = d.integer(1, 5)
    ids = d.integers(0, n, d.shape(max_dims=2))
    return lambda fn, x: fn(x, ids), d.array((n, d.integer(1, 3)))


@case(tg.embedding_bag)
def embedding_bag(d: Draw) -> tuple[Any, ...]:
    n, lengths = d.integer(1, 5), [d.integer(0, 3) for _ in range(d.integer(1, 4))]
    ids = d.integers(0, n, sum(lengths))
    offsets = np.cumsum([0, *lengths[:-1]])
    return lambda fn, x: fn(x, ids, offsets), d.array((n, d.integer(1, 3)))


def cell(row: Any, gates: int, states: int) -> None:
    @case(row)
    def build(d: Draw) -> tuple[Any, ...]:
        T, B, H = d.integer(1, 4), d.integer(1, 3), d.integer(1, 3)
        xs = [d.array((T, B, gates * H)), *(d.array((B, H)) for _ in range(states)), d.array((H, gates * H))]
        given = [False, *(d.integer(0, 3) == 0 for _ in xs[1:])]  # constants, in the dtype of the others

        def f(fn: Any, *some: Any) -> Any:
            rest = iter(some)
            return fn(
                *[a.astype(some[0].dtype) if constant else next(rest) for a, constant in zip(xs, given, strict=True)]
            )

        return f, *(x for x, constant in zip(xs, given, strict=True) if not constant)


cell(tg.rnn, 1, 1)


cell(tg.gru, 3, 1)


cell(lstm_states, 4, 2)

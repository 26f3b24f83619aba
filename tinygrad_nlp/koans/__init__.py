"""Fifteen broken derivatives to repair: ``python -m tinygrad_nlp.koans`` writes them into a file and grades it.

template.py is that file: functions and their wrong backward passes. Here stand the arguments on which gradcheck()
grades a repaired one. There is no state: what is solved is found out by grading again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator

from ..checking.check import Report, gradcheck
from . import template

SEEDS = range(5)


def some(*shapes: str) -> Callable[[Generator], tuple[Any, ...]]:
    """Normal arrays of shapes such as "BD": equal letters are equal sizes, another draw each time."""

    def draw(rng: Generator) -> tuple[Any, ...]:
        size = dict(zip("BDTH", rng.permutation(np.arange(3, 7)).tolist(), strict=True))
        return tuple(rng.normal(size=[size[letter] for letter in shape]) for shape in shapes)

    return draw


def with_zeros(rng: Generator) -> tuple[Any, ...]:
    """Some rows, one of them nothing but zeros."""
    x = rng.normal(size=(4, 3))
    x[rng.integers(4)] = 0
    return (x,)


def with_ties(rng: Generator) -> tuple[Any, ...]:
    """Some rows; in one two entries are the largest, in another three."""
    x = rng.normal(size=(4, 5))
    for row, ties in zip(rng.permutation(4), (2, 3), strict=False):
        x[row, rng.permutation(5)[:ties]] = 3
    return (x,)


def repeated_ids(rng: Generator) -> tuple[Any, ...]:
    """A table and ids, one of them three times and one not at all."""
    ids = rng.permutation(5)
    return rng.normal(size=(5, 3)), rng.permutation(np.append(ids[:4], [ids[0], ids[0]]))


def labelled(rng: Generator) -> tuple[Any, ...]:
    return rng.normal(size=(4, 3)), rng.integers(0, 3, 4)


def far_apart(rng: Generator) -> tuple[Any, ...]:
    """Three rows around −1,000, 0 and 1,000."""
    return (rng.normal(size=(3, 4)) + rng.permutation([-1000, 0, 1000])[:, None],)


KOANS: dict[str, Callable[[Generator], tuple[Any, ...]]] = {
    "square": some("BD"),
    "tanh": some("BD"),
    "relu": some("BD"),
    "gate": some("BD"),
    "scale": some("BD", "D"),
    "matmul": some("BD", "DD"),
    "row_mean": some("BT"),
    "row_norm": with_zeros,
    "row_max": with_ties,
    "lookup": repeated_ids,
    "softmax": some("BD"),
    "cross_entropy": labelled,
    "logsumexp": far_apart,
    "layer_norm": some("BD"),
    "rnn": some("TBH", "BH", "HH"),
}


def grade(koan: str, backward: Callable[..., Any], seed: int = 0) -> Report:
    """gradcheck() of a backward pass for a koan, on arguments drawn from a seed."""
    args = KOANS[koan](np.random.default_rng(seed))
    with np.errstate(all="ignore"):  # the report says what is not finite
        return gradcheck(getattr(template, koan), *args, gradient=backward, seed=seed)

"""How a case draws its inputs, and what a case is.

Hypothesis draws a seed, and a generator of NumPy's everything else: an example costs a tenth of one drawn piece by
piece, and shapes are not drawn towards the empty and the tiny, where wrong is right. Nothing is large enough to want
shrinking.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_nlp import Tensor
from tinygrad_nlp.calculus.listing import full_name
from tinygrad_nlp.strategies import LAYOUTS, laid_out

DISTINCT = tuple(layout for layout in LAYOUTS if layout != "broadcast")  # that layout makes entries equal: ties


SEEDS = st.integers(0, 2**32 - 1)


class Draw:
    """What a case draws from."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def integer(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return int(self.rng.integers(low, high + 1))

    def pick(self, *options: Any) -> Any:
        """One of the options."""
        return options[self.integer(0, len(options) - 1)]

    def shape(self, min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 3) -> tuple[int, ...]:
        """Sides in [min_side, max_side], 0 rarer than the others."""
        sides = [side for side in range(min_side, max_side + 1) for _ in range(1 if side == 0 else 3)]
        return tuple(self.pick(*sides) for _ in range(self.integer(min_dims, max_dims)))

    def broadcastable(self, n: int, min_side: int = 0) -> list[tuple[int, ...]]:
        """n shapes that broadcast to one: axes stretched from 1 and axes missing in front."""
        full = self.shape(min_side=min_side)
        shapes = []
        for _ in range(n):
            skip = self.integer(0, len(full)) if self.integer(0, 2) == 0 else 0
            shapes.append(tuple(self.pick(side, side, 1) for side in full)[skip:])
        return shapes

    def axis(self, ndim: int, none: bool = True, several: bool = True) -> Any:
        """What axis= may be: None, an integer of either sign, a tuple of integers (also an empty one)."""
        kinds = {"none": none, "one": ndim > 0, "several": several}
        kind = self.pick(*(kind for kind, allowed in kinds.items() if allowed))
        if kind == "several":
            chosen = self.rng.permutation(ndim)[: self.integer(0, ndim)]
            return tuple(int(k) - ndim * int(self.rng.integers(2)) for k in chosen)
        return self.integer(-ndim, ndim - 1) if kind == "one" else None

    def array(self, shape: tuple[int, ...], low: float = -2, high: float = 2, away: float = 0) -> np.ndarray:
        """Numbers in (low, high), none nearer to 0 than `away`, in a drawn memory layout."""
        x = self.rng.uniform(low, high, shape)
        x = np.where(np.abs(x) < away, np.where(x < 0, x - away, x + away), x)
        return laid_out(x, self.rng.choice(LAYOUTS))

    def distinct(self, shape: tuple[int, ...], offset: float = 0.0, step: float = 0.25) -> np.ndarray:
        """Numbers that differ by half a step at least from one another, from 0, and from those of another offset (0
        to 1)."""
        n = int(np.prod(shape))
        cells = self.rng.permutation(n) - n // 2 + (offset + 0.25 + self.rng.uniform(-0.05, 0.05, n))
        return laid_out((cells * step).reshape(shape), self.rng.choice(DISTINCT))

    def integers(self, low: int, high: int, shape: Any) -> np.ndarray:
        """Random integers in [low, high)."""
        return self.rng.integers(low, high, shape)


@dataclass(frozen=True)
class Call:
    """One drawn example: f(fn, *xs) calls the function under test, or a twin of it, on differentiable arguments xs."""

    case: Case = field(repr=False)
    f: Callable[..., Any]
    xs: tuple[np.ndarray, ...]
    seed: int

    def on(self, xs: Any) -> Any:
        """The function itself, on arrays or on Tensors."""
        return self.f(self.case.fn, *xs)

    def complex(self, xs: Any) -> Any:
        """The same function for complex arguments."""
        return self.f(self.case.twin or self.case.fn, *xs)


@dataclass(frozen=True)
class Case:
    """How to test a row. twin: the same function where NumPy's is not for complex numbers; None: it is; False: there
    is none."""

    row: Any
    fn: Any
    build: Callable[[Draw], tuple[Any, ...]] = field(repr=False)
    twin: Any
    smooth: bool
    label: str

    def call(self, seed: int) -> Call:
        """The example of a seed."""
        d = Draw(seed)
        f, *xs = self.build(d)
        return Call(self, f, tuple(xs), int(d.rng.integers(2**32)))


def title(case: Case) -> str:
    return f"{full_name(case.row)} {case.label}".strip()


def is_tensor(a: Any) -> bool:
    return type(a) is Tensor

"""Forward-mode differentiation by dual numbers (Wengert 1964), to hold the engine against: each value carries its
derivative along one direction, and neither a graph nor an order of anything is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as special

LINEAR = (np.add, np.subtract, np.negative, np.sum, np.mean, np.transpose)
DERIVATIVE: dict[Any, Callable[[np.ndarray], np.ndarray]] = {
    np.tanh: lambda x: 1 / np.cosh(x) ** 2,
    np.sin: np.cos,
    np.cos: lambda x: -np.sin(x),
    np.arctan: lambda x: 1 / (1 + x**2),
    np.square: lambda x: 2 * x,
    special.expit: lambda x: special.expit(x) * special.expit(-x),
}


def push(program: Any, leaves: list[np.ndarray], tangents: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The value of a program of tinygrad_nlp.strategies at its leaves, and its derivative along tangents."""
    xs, ts = list(leaves), list(tangents)
    for fn, places, keywords in program.steps:
        x, t = [xs[k] for k in places], [ts[k] for k in places]
        if fn in LINEAR:
            tangent = fn(*t, **keywords)
        elif fn in DERIVATIVE:
            tangent = DERIVATIVE[fn](x[0]) * t[0]
        else:  # a product of any kind: (ab)' = a'b + ab'
            tangent = fn(t[0], x[1]) + fn(x[0], t[1])
        xs.append(fn(*x, **keywords))
        ts.append(tangent)
    return xs[-1], ts[-1]

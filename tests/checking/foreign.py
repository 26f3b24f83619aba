"""What the checks of PyTorch's and JAX's functions share: right ones and mistakes, written once for both libraries.

A library is a module with tanh, relu and the like. `function(forward, backward)` makes its function with a backward
pass of its own, backward(g, y, *arguments).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

rng = np.random.default_rng(0)
x34, W42, W44, b2 = (rng.normal(size=shape) for shape in ((3, 4), (4, 2), (4, 4), 2))
Case = tuple[Any, tuple[Any, ...]]
Mistake = tuple[Any, tuple[Any, ...], str]


def affine(x: Any, W: Any, b: Any) -> Any:
    return x @ W + b


def product(x: Any, W: Any) -> Any:
    return x @ W


def right(function: Callable[..., Any], library: Any, relu: Any) -> list[Case]:
    """Functions whose backward pass is right."""
    return [
        (function(library.tanh, lambda g, y, x: g * (1 - y * y)), (x34,)),
        (function(affine, lambda g, y, x, W, b: (g @ W.T, x.T @ g, g.sum(0))), (x34, W42, b2)),
        (function(relu, lambda g, y, x: g * (x > 0)), (np.array([-1.0, 0.0, 2.0]),)),
        (lambda p, ids: p["E"][ids] + p["b"], ({"E": x34, "b": x34[0]}, np.array([0, 2, 0, 1]))),
        (lambda x: {"a": library.sin(x), "b": [x.sum()]}, (x34,)),
    ]


def mistakes(function: Callable[..., Any], library: Any, relu: Any) -> dict[str, Mistake]:
    """Backward passes as they go wrong, and what the report says."""
    return {
        "upstream ignored": (function(library.tanh, lambda g, y, x: 1 - y * y), (x34,), "upstream ignored"),
        "input for output": (function(library.tanh, lambda g, y, x: g * (1 - x * x)), (x34,), "input for output"),
        "sign": (function(library.cos, lambda g, y, x: g * library.sin(x)), (x34,), "minus the right one"),
        "chain rule forgotten": (
            function(lambda x: library.sin(3 * x), lambda g, y, x: g * library.cos(3 * x)), (x34,), "factor 1/3",
        ),
        "W not transposed": (function(product, lambda g, y, x, W: (g @ W, x.T @ g)), (x34, W44), "transpose"),
        "mean as a sum": (
            function(lambda x: x.mean(), lambda g, y, x: g * library.ones_like(x)), (x34,), "factor 12 everywhere",
        ),
        "mask inverted": (function(relu, lambda g, y, x: g * (x < 0)), (x34,), "mask inverted"),
    }  # fmt: skip


def check(report: Any, says: str | None = None) -> None:
    """Right, or wrong with these words."""
    assert bool(report) == (says is None) and (says or "right") in str(report), report

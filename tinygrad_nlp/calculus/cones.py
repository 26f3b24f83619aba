"""The tip of a cone: |x|, hypot and norms at 0, where they have no derivative but their squares have two."""
# tested in tests/calculus/test_limits.py

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.types import Array
from ..engine import Tensor, gradients, history
from .rows import op


def ratio(a: Array, b: Array) -> Array:
    """a / b, and 0 where b is 0: the convention at the tip of a cone."""
    return np.where(b == 0, 0, a) / np.where(b == 0, 1, b)


def cone(g: Array, y: Array, x: Array, slope: Any, lay: Any = lambda a: a, beyond: Any = np.zeros_like) -> Array:
    """The gradient of a length y, g times its slope ∂y/∂x, which is 0 at y = 0. To second order g may vanish there too,
    as in norm(x)²: then g / y, the curvature, has the limit ∂g/∂y; y stands for every call of its kind on the same x.
    Where g stays, the curvature is 0 (|x|) or `beyond`."""
    if type(g) is not Tensor or np.all(y):
        return lay(g) * slope
    rate = sum(gradients(np.sum(g), [t for t in history(g) if t is y or same_call(t, y)] or [y], create_graph=True))
    smooth, tip = lay(np.where((y == 0) & (g == 0), rate, 0)), lay(np.where((y == 0) & (g != 0), beyond(y), 0))
    return lay(g) * slope + smooth * x + tip


@op(lambda g, y, x: np.where(g == 0, 0, np.nan))
def no_limit(x: Array) -> Array:
    """0, which cannot be differentiated."""
    return np.zeros_like(x)


def same_call(t: Tensor, y: Tensor) -> bool:
    """Whether t is another result of the calls that made y, as in std(x) · std(x): the same functions of the same
    leaves and constants."""
    pairs: list[tuple[Any, Any]] = [(t, y)]
    seen = set()
    while pairs:
        a, b = pairs.pop()
        if a is b or (id(a), id(b)) in seen:
            continue
        seen.add((id(a), id(b)))
        if type(a) is Tensor and type(b) is Tensor and a.fn is b.fn is not None and len(a.args) == len(b.args):
            pairs += [*zip(a.args, b.args, strict=True), (a.kwargs, b.kwargs)]
        elif type(a) is type(b) is tuple and len(a) == len(b):
            pairs += zip(a, b, strict=True)
        elif type(a) is type(b) is dict and a.keys() == b.keys():
            pairs += ((a[key], b[key]) for key in a)
        elif type(a) is Tensor or type(b) is Tensor or not np.array_equal(a, b):
            return False
    return True

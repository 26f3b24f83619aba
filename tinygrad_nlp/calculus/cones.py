"""The tip of a cone: |x|, hypot, norms and std at 0, where they have no derivative but their squares have two.

To first order the slope there is 0, a convention. To second order that would be wrong for functions that are smooth
there, such as norm(x)², cos|x|, std(x) · std(x) or |x| · |2x|. Their Hessians are right as long as one length is in
them, however often it is called, of one argument or of that times constant numbers. Lengths that are multiples of each
other for other reasons are not recognised: |x| · |sin x| and std(x) · std(2x) have a Hessian of 0 at 0 here. Write such
functions without the second length. At the kinks of max, relu and clip the slope is a convention to every order:
np.maximum(x, 0)², whose slope there turns from 0 to 2x, has the second derivative 1/2, and max(x, −x)² has 0."""
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
    as in norm(x)²: then g / y, the curvature, has the limit ∂g/∂y, where y stands for all its multiples too.
    Where g stays, the curvature is 0 (|x|) or `beyond`."""
    if type(g) is not Tensor or np.all(y):
        return lay(g) * slope
    alike = {t: k for t in history(g) if (k := multiple(t, y))} or {y: 1.0}
    rate = sum(k * r for k, r in zip(alike.values(), gradients(np.sum(g), list(alike), create_graph=True), strict=True))
    smooth, tip = lay(np.where((y == 0) & (g == 0), rate, 0)), lay(np.where((y == 0) & (g != 0), beyond(y), 0))
    return lay(g) * slope + smooth * x + tip


@op(lambda g, y, x: np.where(g == 0, 0, np.nan))
def no_limit(x: Array) -> Array:
    """0, which cannot be differentiated."""
    return np.zeros_like(x)


def multiple(t: Tensor, y: Tensor) -> float:
    """The k with t = k y, where both are one length of multiples of the same arguments, as |x| and |2x|; else 0."""
    if t is y or t.fn is not y.fn or len(t.args) != len(y.args):
        return float(t is y)
    ours, theirs = [[unscaled(a) for a in call.args] for call in (t, y)]
    ratios = {float(abs(c / d)) for (c, a), (d, _) in zip(ours, theirs, strict=True) if type(a) is Tensor}
    arguments = [(a, b) for (_, a), (_, b) in zip(ours, theirs, strict=True)]
    return ratios.pop() if len(ratios) == 1 and same([*arguments, (t.kwargs, y.kwargs)]) else 0.0


def unscaled(x: Any) -> tuple[float, Any]:
    """(c, a) with x = c a, where c is the product of the constants that x was multiplied by."""
    c = 1.0
    while type(x) is Tensor and x.fn in (np.multiply, np.divide, np.negative):
        a, k = (*x.args, -1.0)[:2]
        if x.fn is np.multiply and type(k) is Tensor:
            a, k = k, a
        if type(k) is Tensor or np.ndim(k) > 0 or not 0 < abs(k) < np.inf:
            break
        c, x = c / k if x.fn is np.divide else c * k, a
    return c, x


def same(pairs: list[tuple[Any, Any]]) -> bool:
    """Whether both of each pair are the same functions of the same leaves and constants, as in std(x) · std(x)."""
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

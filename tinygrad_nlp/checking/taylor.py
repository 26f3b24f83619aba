"""Taylor's theorem as a test of a whole model's gradient, with a plot for the lesson."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .candidate import by_engine
from .point import Point, flatten, random_direction, upstream


@dataclass
class Taylor:
    """What taylor_test() measured: remainders (S,) at steps (S,), without and with the gradient, and their slopes on
    log axes; true when the one with the gradient is at least 1.8, or nothing is left but rounding (a linear
    function)."""

    steps: np.ndarray
    without: np.ndarray
    with_gradient: np.ndarray
    slopes: tuple[float, float]

    def __bool__(self) -> bool:
        return not self.slopes[1] < 1.8

    def plot(self, axes: Any = None) -> Any:
        """Both remainders against the step, on logarithmic matplotlib axes, which are returned."""
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError("Taylor.plot needs the extra [plot]: pip install matplotlib") from error
        axes = plt.subplots()[1] if axes is None else axes
        axes.loglog(self.steps, self.without, "o-", label=f"|f(x + hd) − f(x)|, slope {self.slopes[0]:.2f}")
        axes.loglog(self.steps, self.with_gradient, "s-", label=f"… − h ∇f·d, slope {self.slopes[1]:.2f}")
        axes.set(xlabel="step h", ylabel="remainder")
        axes.legend()
        return axes


def taylor_test(f: Callable[..., Any], *args: Any, seed: int | np.random.Generator = 0) -> Taylor:
    """Taylor's theorem as a test of a whole model: along a random direction d of all leaves at once, |f(x + hd) − f(x)|
    shrinks like h, and |f(x + hd) − f(x) − h ∇f·d| like h² if the gradient is right, like h if it is not.

    f, args as for gradcheck(); outputs that are not one number are summed up under a random upstream gradient. Numerics
    are in float64. Slopes are the median over steps where the remainder is above rounding; NaN where it never is.

    >>> taylor_test(lambda x: np.sum(np.exp(x)), np.array([0.5, 1.0])).slopes  # doctest: +ELLIPSIS
    (1.0..., 2.0...)
    """
    rng, point = np.random.default_rng(seed), Point(f, args)
    gs = [upstream(rng, shape, dtype) for shape, dtype in zip(point.shapes, point.dtypes, strict=True)]
    given, g = by_engine(point, point.leaves, gs, []), flatten(gs)
    d = {key: random_direction(x, rng) for key, x in point.leaves.items()}
    linear = sum(float(np.sum(given[key] * d[key])) for key in d)
    steps = 0.1 * 2.0 ** -np.arange(14)
    moved = [point.outputs({key: x + h * d[key] for key, x in point.leaves.items()}) for h in steps]
    change = np.array([g @ (flatten(outputs) - point.y) for outputs in moved])
    without, with_gradient = abs(change), abs(change - steps * linear)
    noise = 1e3 * point.noise.eps * float(abs(g) @ abs(point.y))
    return Taylor(steps, without, with_gradient, (slope(steps, without, noise), slope(steps, with_gradient, noise)))


def slope(steps: np.ndarray, remainders: np.ndarray, noise: float) -> float:
    """The median slope between neighbours on logarithmic axes."""
    clear = remainders > noise
    both = clear[1:] & clear[:-1]
    if not both.any():
        return math.nan
    falls, shorter = np.log(remainders[:-1][both] / remainders[1:][both]), np.log(steps[:-1] / steps[1:])[both]
    return float(np.median(falls / shorter))

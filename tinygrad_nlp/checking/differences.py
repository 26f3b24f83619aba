"""Numeric derivatives: complex step where a function allows it, else central differences with the step chosen by its
error.

Complex step (Squire and Trapp 1998): f(x + ih) = f(x) + ih f′(x) − …, so Im f(x + ih) / h is f′ without a subtraction,
to the last digit. Central differences: D(h) = (f(x + h) − f(x − h)) / 2h = f′ + O(h²), and (4 D(h/2) − D(h)) / 3 is
O(h⁴) (Richardson 1911); rounding adds ε |f| / h, so no one step is best for all functions."""
# tested in tests/checking/test_check.py

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

TINY = 1e-20  # the complex step: its square is lost beside 1 in either precision
Move = Callable[[complex], np.ndarray]  # s -> f(x + s d), flat


class Slope(NamedTuple):
    """The derivative of each output along a direction, and how far it may be off."""

    value: np.ndarray
    error: np.ndarray


def complex_step(move: Move) -> np.ndarray | None:
    """The derivative of every output along a direction, or None where complex numbers do not get through."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            y = move(1j * TINY)
    except Exception:
        return None
    return y.imag / TINY if y.dtype.kind == "c" and np.all(np.isfinite(y)) else None


def steps(size: float, eps: float) -> list[float]:
    """Steps to try at a number of this size, the likeliest first; near 0 also those that do not cross it."""
    scales = {max(size, 1.0), 1.0} | ({size} if 0 < size < 0.1 else set())
    return [float(scale * eps**power) for power in (0.2, 0.33, 0.27, 0.4, 0.14) for scale in sorted(scales)]


def central(move: Move, size: float, g: np.ndarray, noise: np.ndarray, eps: float) -> Slope:
    """Central differences, extrapolated, each output by the step with the least error; no more steps than Σ g·output
    needs.

    noise is how far rounding may put each output off, eps the precision that it comes from.
    """
    best = Slope(np.full(g.size, np.nan), np.full(g.size, np.inf))
    for h in steps(size, eps):
        far, far_back, near, near_back = move(h), move(-h), move(h / 2), move(-h / 2)
        D, D_half = (far - far_back) / (2 * h), (near - near_back) / h
        error = abs(D_half - D) / 3 + 2 * noise / h
        better = error < best.error  # never where a step left the domain and gave NaN
        best = Slope(np.where(better, (4 * D_half - D) / 3, best.value), np.where(better, error, best.error))
        if abs(g) @ best.error <= 0.1 * eps**0.4 * abs(g) @ abs(best.value):
            break
    return best


def sides(
    move: Move, y: np.ndarray, size: float, noise: np.ndarray, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The derivatives from the left and from the right, and at which outputs there is a kink or a jump.

    As the step shrinks, the gap between both sides shrinks alike on a smooth curve but stays at a kink; at a jump,
    where the sides are ∓∞ and ±∞, even the change stays."""
    wide = max(size, 1.0) * eps**0.33
    narrow = wide / 8
    ahead, behind, forward, back = move(wide), move(-wide), move(narrow), move(-narrow)
    left, right = (y - back) / narrow, (forward - y) / narrow
    gap, change = abs(ahead - 2 * y + behind) / wide, abs(forward - back)
    kink = (abs(right - left) > 0.5 * gap) & (abs(right - left) > 16 * noise / narrow + 1e-3 * (abs(left) + abs(right)))
    jump = (change > 1e3 * noise) & (abs(change - abs(ahead - behind)) < 0.1 * change)
    return np.where(jump, -np.inf, left), np.where(jump, np.inf, right), kink | jump

"""Numeric derivatives: complex step where a function allows it, else differences with the step chosen by its error.

Complex step (Squire and Trapp 1998): f(x + ih) = f(x) + ih f′(x) − …, so Im f(x + ih) / h is f′ without a subtraction,
to the last digit. Central differences: D(h) = (f(x + h) − f(x − h)) / 2h = f′ + O(h²), and (4 D(h/2) − D(h)) / 3 is
O(h⁴) (Richardson 1911). Rounding adds noise / h, so no one step is best for all functions. The noise is measured and
not guessed from the size of a result: x − mean(x) may be 1e-17, but it is made of numbers of size 1. A difference
between both sides that does not shrink with the step is a kink or a jump; there the slopes of both sides count."""
# tested in tests/checking/test_check.py

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

TINY = 1e-20  # the complex step: its square is lost beside 1 in either precision
POWERS = (0.2, 0.33, 0.27, 0.4, 0.5, 0.6, 0.7, 0.8, 0.14)  # steps are ε to these, times a scale; the likeliest first
APART = 8  # slopes that differ by more than this many times their errors contradict each other; at a jump it is 7 times
Move = Callable[[complex], np.ndarray]  # s -> f(x + s d), flat


class Noise(NamedTuple):
    """How far rounding puts each output off, ε, how much each output changes when the arguments change by 1 %, and how
    large the numbers may be beside which an output that does not change at all was lost."""

    output: np.ndarray
    eps: float
    nearby: np.ndarray
    hidden: np.ndarray

    def natural(self, y: np.ndarray, g: np.ndarray, size: float) -> float:
        """Σ |g · slope| of a function whose outputs double with a number of this size: a scale for gradients."""
        made_of = np.maximum(abs(y), self.output / self.eps)
        return float(abs(g) @ np.where(made_of <= self.eps**0.5 * self.nearby, self.nearby, made_of)) / (size or 1.0)


class Slope(NamedTuple):
    """The derivative of each output along a direction, how far it may be off, how much of that is rounding, and the
    step that found it. At a kink or a jump any number between `left` and `right` is a derivative; elsewhere both are
    the value."""

    value: np.ndarray
    error: np.ndarray
    rounding: np.ndarray
    left: np.ndarray
    right: np.ndarray
    kink: np.ndarray
    step: np.ndarray

    def or_better(self, other: Slope) -> Slope:
        """Each output from the Slope with the smaller error, or from that of the smaller step where they contradict
        each other; never a NaN where a step left the domain.

        A step cannot see what it jumps over: to a step of 1, sin(1e12 x) has the slope 0 ± 1, where a step of 1e-15
        finds 1e12 ± 100. The error of a small step is rounding, which is measured (Lepski 1990 chooses bandwidths so).
        """
        better = np.where(self.contradicts(other), other.step < self.step, other.error < self.error)
        return self.replaced(better, other)

    def contradicts(self, other: Slope) -> np.ndarray:
        return abs(other.value - self.value) > APART * (other.error + self.error)

    def replaced(self, where: np.ndarray, other: Slope) -> Slope:
        return Slope(*(np.where(where, new, old) for new, old in zip(other, self, strict=True)))

    def size(self) -> np.ndarray:
        return np.maximum(abs(self.left), abs(self.right))


def complex_step(move: Move, h: float = TINY) -> np.ndarray | None:
    """The derivative of every output along a direction, or None where complex numbers do not get through."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            y = move(1j * h)
    except Exception:  # the function is the user's, and may raise anything of complex numbers
        return None
    return y.imag / h if y.dtype.kind == "c" and np.all(np.isfinite(y)) else None


@np.errstate(all="ignore")
def differences(move: Move, y: np.ndarray, sizes: tuple[float, ...], g: np.ndarray, noise: Noise) -> Slope:
    """The derivative of each output, by the step with the least error, and no more steps than Σ g·output needs.

    sizes: of the number that moves, and of those beside it. y: the outputs where nothing moves.
    """
    weight, accuracy = abs(g), noise.eps**0.4
    enough = 16 * noise.eps**0.8 * noise.natural(y, g, max(sizes))
    unknown = np.full(y.size, np.nan)
    best = Slope(unknown, np.full(y.size, np.inf), unknown, unknown, unknown, np.zeros(y.size, bool), unknown)

    def is_enough() -> bool:
        wanted = np.where(best.kink, 4 * accuracy, 0.1 * accuracy) * best.size()
        return bool(weight @ best.error <= max(weight @ wanted, enough))

    for size in [*sorted({size for size in sizes if size > 0}), 1.0]:  # 1 is a last resort
        for h in (size * noise.eps**power for power in POWERS):
            if np.any(best.kink) and h > 2 * max(sizes) * noise.eps ** POWERS[0]:
                continue  # so far from a kink, sides may agree by chance
            central, sides = at_step(move, y, h, noise)
            best = best.or_better(central)
            if np.any(sides.kink):
                best = best.or_better(confirmed(sides, best.kink, move, y, h, sizes, noise))
            if is_enough():
                return best
        jump = at_jump(move, y, size, noise)
        best = best.replaced(jump.kink & ~(best.contradicts(jump) & (best.step < jump.step)), jump)
        if is_enough():
            return best
    return best


def at_step(move: Move, y: np.ndarray, h: float, noise: Noise) -> tuple[Slope, Slope]:
    """Slopes from the outputs at −h, −h/2, 0, h/2 and h: of the middle, and of the sides. Sides that differ by more
    than curvature and rounding explain may be those of a kink."""
    far, near, near_back, far_back = move(h), move(h / 2), move(-h / 2), move(-h)
    flat = (far == y) & (near == y) & (near_back == y) & (far_back == y)
    top = np.max(abs(np.array([y, far, near, near_back, far_back])), axis=0)
    rounding = np.maximum(noise.output, noise.eps * np.maximum(top, np.where(flat, noise.hidden, 0))) / h
    D, D_half = (far - far_back) / (2 * h), (near - near_back) / h
    fourth = abs(far - 4 * near + 6 * y - 4 * near_back + far_back) / h  # h³ f⁗ / 16, or rounding
    value, error = (4 * D_half - D) / 3, abs(D_half - D) / 3 + fourth + 2 * rounding
    ahead, ahead_half = (far - y) / h, 2 * (near - y) / h
    back, back_half = (y - far_back) / h, 2 * (y - near_back) / h
    left, right = 2 * back_half - back, 2 * ahead_half - ahead
    blur = np.maximum(abs(ahead_half - ahead), abs(back_half - back)) + 8 * rounding
    kink = abs(right - left) > 8 * blur
    step = np.full(y.size, h)
    central = Slope(value, error, 2 * rounding, value, value, np.zeros(y.size, bool), step)
    return central, Slope((left + right) / 2, blur, 8 * rounding, left, right, kink, step)


def confirmed(
    sides: Slope, known: np.ndarray, move: Move, y: np.ndarray, h: float, sizes: tuple[float, ...], noise: Noise
) -> Slope:
    """Slopes of the sides, with an error of ∞ where they meet when the step is as small as rounding allows: that kink
    is near, not here."""
    kink = sides.kink
    if np.any(kink & ~known):
        gap = abs(sides.right - sides.left)
        rounding = noise.eps * max(1e5 * sizes[0], 64 * max(sizes), h)
        smallest = np.max((1e5 * noise.output / gap)[kink & ~known], initial=rounding)
        if smallest >= h / 4:
            return sides._replace(error=np.full(y.size, np.inf))
        kink = kink & (known | at_step(move, y, smallest, noise)[1].kink)
    return sides._replace(error=np.where(kink, sides.error, np.inf))


def at_jump(move: Move, y: np.ndarray, size: float, noise: Noise) -> Slope:
    """The slopes beside a jump, which is where both sides stay apart, and each the same, however small the step is."""
    tiny, h = 16 * noise.eps * size, noise.eps**0.33 * size
    after, before = (np.array([move(sign * k * tiny) for k in (1, 2, 3, 5, 64)]) for sign in (1, -1))
    change = abs(after[0] - before[0])
    still = np.maximum(np.ptp(after, axis=0), np.ptp(before, axis=0)) < 0.1 * change
    jump = still & (change > 1e3 * np.maximum(noise.output, np.where(y == 0, noise.eps * noise.hidden, 0)))
    slopes, errors = [], []
    rounding = 16 * np.maximum(noise.output, noise.eps * np.maximum(abs(y), change)) / h
    for s in (-h, h):
        far, middle, near = move(s), move(s / 2), move(s / 4)
        outer, inner = 2 * (far - middle) / s, 4 * (middle - near) / s
        slopes.append(2 * inner - outer)
        errors.append(abs(inner - outer))
    left, right = slopes
    at = np.full(y.size, tiny)
    return Slope((left + right) / 2, np.maximum(*errors) + rounding, rounding, left, right, jump, at)

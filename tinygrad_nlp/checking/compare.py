"""Each number of a gradient against a numeric derivative: which are wrong, and by how much.

A difference counts as rounding where numeric derivatives cannot see it (their own noise), or where it is not there
again when the arguments are rounded differently: a mistake stays the same, rounding does not. A derivative that is 0
because large numbers cancel is so told from one that is lost, without a tolerance that hides either."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine import Tensor
from ..tree import named_leaves
from .candidate import graph
from .diagnose import Case, diagnose
from .differences import TINY, Slope, complex_step, differences
from .point import Point, flatten, own_sizes, random_direction, rerounded, typical
from .report import Argument

FULL = 200  # arguments of up to this many numbers are checked entry by entry; larger ones along directions and at SOME
SOME = 20  # entries where the gradient is largest, and as many anywhere
UNDERFLOW = 1e-280  # derivatives below this are lost in the complex step
AGAIN = (0, 0, 0, 0, 1e-6, 1e-5, 1e-4, 1e-3)  # by how much of itself each number moves when rounded again; 0: by ε
NEARBY = 32  # places around a kink at which its slopes are taken


class Probe(NamedTuple):
    """The derivative along one direction: of each output, of Σ g·output, by how much the gradient is off (0 within what
    is allowed), whether there is a kink, how much is allowed, and whether that is little enough to say so."""

    slope: np.ndarray
    numeric: float
    excess: float
    kink: bool = False
    allowed: float = 0.0
    resolved: bool = True


class Rerun(NamedTuple):
    """The same check with arguments that are rounded differently."""

    leaves: dict[str, Any]
    g: np.ndarray
    given: dict[str, Any]
    h: float


class Comparison:
    """Everything that is known about a point while its gradient is judged: the upstream gradients gs, and
    backward(leaves, gs), which computes the gradient again."""

    def __init__(self, point: Point, gs: Sequence[Any], backward: Callable[..., dict[str, Any]]) -> None:
        self.point, self.gs, self.backward = point, gs, backward
        self.g, self.eps = flatten(gs), point.noise.eps
        self.accuracy = 4 * self.eps**0.4

    @functools.cached_property
    def reruns(self) -> list[Rerun]:
        """A few runs with every argument and g rounded again."""
        found = []
        for k, amount in enumerate(AGAIN):
            rng = np.random.default_rng(k)
            leaves, factor = rerounded(self.point.leaves, rng, max(amount, 4 * self.eps)), 1 + 1e-3 * rng.uniform()
            gs = [(g * factor).astype(g.dtype) for g in self.gs]
            found.append(Rerun(leaves, flatten(gs), self.backward(leaves, gs), TINY * rng.uniform(0.5, 2)))
        return found

    @np.errstate(all="ignore")
    def check(self, key: str, given: Any, rng: np.random.Generator) -> Argument:
        """Compare the gradient of one leaf with numeric derivatives, entry by entry, then along directions."""
        point, g = self.point, self.g
        x = point.leaves[key]
        if given is None:
            return Argument(key, x.shape, False, "", diagnosis="missing: no gradient was returned for it")
        complete = x.size <= FULL and x.size * g.size <= 1 << 21
        fits = given.shape == x.shape and given.dtype.kind in "fiu"
        compared = given if fits else np.zeros(x.shape)
        places = np.arange(x.size) if complete else some_places(compared, rng)
        trusted = point.trusts_complex_step(key, rng)
        look = functools.partial(self.probe, key, compared, trusted)
        scale = typical(x)
        probes = {int(i): look(unit(x, [i]), (float(abs(x.flat[i])), scale)) for i in places}
        kinks = [i for i, p in probes.items() if p.kink]
        directions: list[tuple[np.ndarray, tuple[float, ...]]]
        directions = [(random_direction(x, rng), (1.0,)) for _ in range(0 if complete else 4)]
        if len(kinks) > 1:
            directions.append((unit(x, kinks), (float(np.max(abs(x.flat[kinks]))), scale)))
        along = [look(*direction) for direction in directions]
        wrong = {i: p.excess for i, p in probes.items() if p.excess}
        blurred = [i for i, p in probes.items() if not p.resolved]
        how = "all" if complete else "4 random directions and"
        how += f" {len(places)} numbers, {'complex step' if trusted else 'central differences'}"
        at = [place(i, x) for i in kinks]
        found = Argument(key, x.shape, fits and not wrong and not blurred, how, kinks=at)
        found.right &= not any(p.excess for p in along)
        if found.right:
            return found
        if fits and not wrong and blurred:
            found.index, found.given, found.numeric = place(blurred[0], x), *ends(compared, probes, blurred[0])
            found.diagnosis = f"not resolved: the numeric derivative is too rough at {len(blurred)} places"
            return found
        numeric, judged, J = (
            np.zeros(x.shape),
            np.zeros(x.shape, bool),
            np.zeros((x.size, g.size)) if complete else None,
        )
        for i, p in probes.items():
            numeric.flat[i], judged.flat[i] = p.numeric, not p.kink or p.excess
            if J is not None:
                J[i] = p.slope
        if wrong and fits:
            worst = max(wrong, key=wrong.__getitem__)
            found.index, found.given, found.numeric = place(worst, x), *ends(compared, probes, worst)
        elif fits:
            p, (d, _) = max(zip(along, directions, strict=True), key=lambda pair: pair[0].excess)
            found.given, found.numeric = float(np.sum(given * d)), p.numeric
            found.diagnosis = (
                "ties: each gets the whole, where they should share" if complete else "along a direction only"
            )
            return found
        shape = point.shapes[0] if len(point.shapes) == 1 else (g.size,)
        ask = functools.partial(path_to, point, key, self.gs)
        found.diagnosis = diagnose(Case(x, given, numeric, judged, J, g, point.y, shape, argument_sizes(point), ask))
        return found

    def probe(self, key: str, given: np.ndarray, trusted: bool, d: np.ndarray, sizes: tuple[float, ...]) -> Probe:
        """Compare the gradient with the derivative along d, where numbers of these sizes move."""
        g, point = self.g, self.point
        share = along_direction(given, d)
        exact = complex_step(point.move(key, d)) if trusted else None
        if exact is not None:
            numeric, off = float(g @ exact), abs(share - float(g @ exact))
            if off <= self.accuracy * float(abs(g) @ abs(exact)) + UNDERFLOW:
                return Probe(exact, numeric, 0.0)
            beside = point.noise.natural(point.y, np.where(exact != 0, g, 0) if numeric else g, max(sizes))
            if max(abs(share), abs(numeric)) <= 1e3 * self.eps * beside:  # lost beside the numbers that were added
                return Probe(exact, numeric, 0.0)
            if self.is_rounding(key, d, share - numeric, sizes, exact=True):
                return Probe(exact, numeric, 0.0)
        slope = differences(point.move(key, d), point.y, sizes, g, point.noise)
        if exact is not None and np.all(abs(slope.value - exact) <= slope.error + self.accuracy * abs(exact)):
            return Probe(exact, numeric, off if math.isfinite(off) else math.inf)
        found = self.judge(share, slope, max(sizes))
        if found.excess and found.kink:
            return self.judge(share, self.around(key, d, slope, sizes), max(sizes))
        if found.excess and self.is_rounding(key, d, share - found.numeric, sizes, exact=False):
            return found._replace(excess=0.0)
        if not found.excess and found.allowed >= abs(share) > 0:
            output = np.maximum(abs(point.y), point.noise.nearby)
            lost = float(abs(g) @ (100 * self.eps**0.8 * output + 64 * point.noise.output)) / (max(sizes) or 1.0)
            if abs(share) > lost and not self.given_varies(key, d, share):  # a number that nothing could contradict
                return found._replace(resolved=False)
        return found

    def judge(self, share: float, slope: Slope, size: float) -> Probe:
        """Compare a number with what lies between both sides, where rounding and the differences' own error are
        allowed."""
        g = self.g
        ends = g * slope.left, g * slope.right
        low, high = float(np.sum(np.minimum(*ends))), float(np.sum(np.maximum(*ends)))
        allowed = float(abs(g) @ (self.accuracy * slope.size() + 2 * slope.error))
        numeric = float(g @ slope.value) if not np.any(slope.kink) else min(max(share, low), high)
        off = max(low - share, share - high, 0.0) if math.isfinite(share) else math.inf
        scale = max(abs(share), float(abs(g) @ slope.size()), self.point.noise.natural(self.point.y, g, size))
        resolved = 2 * float(abs(g) @ (slope.error - slope.rounding)) <= math.sqrt(self.accuracy) * scale
        return Probe(slope.value, numeric, 0.0 if off <= allowed else off, bool(np.any(slope.kink)), allowed, resolved)

    def around(self, key: str, d: np.ndarray, slope: Slope, sizes: tuple[float, ...]) -> Slope:
        """A kink's slopes with those of places nearby: where three numbers tie, the gradient of a sort may belong to
        the middle one, which moving one number alone does not show."""
        point, rng, small = self.point, np.random.default_rng(0), self.eps**0.5
        left, right = np.minimum(slope.left, slope.right), np.maximum(slope.left, slope.right)
        h = 0.1 * small * (sizes[0] or max(sizes))
        for _ in range(NEARBY):
            nearby = {k: x + small * rng.uniform(-1, 1, x.shape) * own_sizes(x) for k, x in point.leaves.items()}
            move = point.move(key, d, nearby)
            there, half = (move(h) - move(-h)) / (2 * h), (move(h / 2) - move(-h / 2)) / h
            there = np.where(abs(there - half) <= 1e-3 * abs(there) + 4 * slope.error, there, np.nan)  # no jump between
            left, right = np.fmin(left, there), np.fmax(right, there)
        return slope._replace(left=left, right=right)

    def given_varies(self, key: str, d: np.ndarray, share: float) -> bool:
        """Whether the gradient itself changes by much when the arguments are rounded again."""
        again = [rerun.given.get(key) for rerun in self.reruns[: AGAIN.count(0)]]
        shares = [along_direction(given, d) for given in again if given is not None and given.shape == d.shape]
        return any(abs(other - share) > 0.25 * abs(share) for other in shares)

    def is_rounding(self, key: str, d: np.ndarray, off: float, sizes: tuple[float, ...], exact: bool) -> bool:
        """Whether a difference, small beside the numbers that were added, changes by much when the arguments are
        rounded again. Where all outputs are 0 to the last digit, nobody knows how large those numbers were."""
        point, h = self.point, self.eps**0.33 * max(sizes)
        unknown = not np.any(point.y) and not np.any(point.noise.output)
        if not (unknown or abs(off) <= 1e-9 * point.noise.natural(point.y, self.g, sizes[0] or max(sizes))):
            return False
        for rerun in self.reruns:
            move, given = point.move(key, d, rerun.leaves), rerun.given.get(key)
            slope = complex_step(move, rerun.h) if exact else (move(h) - move(-h)) / (2 * h)
            if slope is not None and given is not None and given.shape == d.shape and slope.shape == rerun.g.shape:
                again = along_direction(given, d) - float(rerun.g @ slope)
                if abs(again - off) > 0.25 * abs(off):
                    return True
        return False


def along_direction(given: np.ndarray, d: np.ndarray) -> float:
    """Σ given · d, where a NaN that does not take part is left out."""
    part = d != 0
    return float(np.sum(given[part] * d[part]))


def place(i: int, x: np.ndarray) -> tuple[int, ...]:
    return tuple(map(int, np.unravel_index(i, x.shape)))


def ends(given: np.ndarray, probes: dict[int, Probe], i: int) -> tuple[float, float]:
    """The given number and the numeric one at a place."""
    return float(given.flat[i]), probes[i].numeric


def unit(x: np.ndarray, places: Sequence[int]) -> np.ndarray:
    """Zeros of x's shape, with a one at some places."""
    d = np.zeros(x.shape)
    d.flat[list(places)] = 1
    return d


def some_places(given: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Where the gradient is not finite or largest, and anywhere."""
    size = np.where(np.isfinite(given), abs(given), np.inf)
    return np.unique(np.concatenate([np.argsort(-size, axis=None)[:SOME], rng.integers(0, given.size, SOME)]))


def argument_sizes(point: Point) -> dict[str, int]:
    """The sizes that a mistaken factor may equal, by name."""
    shaped = [(path, a.shape) for path, a in named_leaves(point.tree)]
    shaped += [("y" if len(point.shapes) == 1 else f"y[{k}]", shape) for k, shape in enumerate(point.shapes)]
    found = {f"{path}.shape[{k}]": n for path, shape in shaped for k, n in enumerate(shape)}
    return found | {f"{path}.size": math.prod(shape) for path, shape in shaped if len(shape) > 1}


def path_to(point: Point, key: str, gs: Sequence[Any]) -> tuple[Tensor, Any, Tensor]:
    """The function's graph with one leaf picked out."""
    y, g, tensors = graph(point, point.leaves, gs)[:3]
    return y, np.ones(()) if g is None else g, tensors[key]


def compare_precisions(
    comparison: Comparison, low: dict[str, Any], right: dict[str, Any], arguments: Sequence[Argument]
) -> None:
    """The gradient in the arguments' own dtypes against the one in float64, which was found right."""
    point = comparison.point
    for a in arguments:
        given, high, dtype = low.get(a.name), right[a.name], point.native[a.name].dtype
        if given is None or given.shape != high.shape:
            found = "missing" if given is None else f"of shape {given.shape}"
            a.right, a.diagnosis = False, f"precision: right in float64, {found} in {dtype}"
            continue
        rounding = float(np.finfo(dtype).eps) * point.noise.natural(
            point.y, comparison.g, typical(point.leaves[a.name])
        )
        error = np.nan_to_num(abs(given.astype(float) - high), nan=np.inf)
        excess = np.where(error > 1e-2 * abs(high) + 1e3 * rounding, error, 0)
        if np.any(excess):
            worst = int(np.argmax(excess))
            a.index, a.right, a.given, a.numeric = (
                place(worst, given),
                False,
                float(given.flat[worst]),
                high.flat[worst],
            )
            a.diagnosis = f"precision: right in float64, not in {dtype}"

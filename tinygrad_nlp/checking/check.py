"""Is this gradient right, and if not, what is wrong with it? gradcheck() says, for any function.

    >>> W = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> def backward(g, x):  # of y = x W, whose gradient is g Wᵀ
    ...     return g @ W
    >>> report = gradcheck(lambda x: x @ W, np.array([[0.5, -1.0]]), gradient=backward)
    >>> bool(report), report.arguments[0].diagnosis
    (False, 'transpose: the Jacobian was applied instead of its transpose')

The gradient is compared with numeric derivatives (differences.py) under a random upstream gradient, for a sum never
sees a backward pass that ignores it; diagnose.py names the mistake; strategies.py makes it a property of random arrays.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..core import notebook
from ..core.interface import name
from ..engine import TABLE, Tensor
from ..tree import named_leaves
from .diagnose import Case, diagnose
from .differences import TINY, Slope, central, complex_step, sides
from .point import (
    Point,
    by_engine,
    by_hand,
    flatten,
    gradient_function,
    graph,
    random_direction,
    results,
    snapshot,
    upstream,
)

FULL = 200  # an argument of so many numbers is checked in every coordinate, a larger one along directions and in some


@dataclass
class Argument:
    """What was found out about the gradient of one argument; `index`, `given`, `numeric` are of the place that is
    worst."""

    name: str
    shape: tuple[int, ...]
    right: bool
    checked: str
    index: tuple[int, ...] | None = None
    given: float = math.nan
    numeric: float = math.nan
    kinks: list[tuple[int, ...]] = field(default_factory=list)
    diagnosis: str = ""


@dataclass
class Report(notebook.Shown):
    """The outcome of gradcheck(): true when all is right; printed, a line for each argument.

    `problems` belong to no one argument: inputs changed in place, too few gradients, outputs that are not finite.
    """

    arguments: list[Argument]
    problems: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return not self.problems and all(a.right for a in self.arguments)

    def __str__(self) -> str:
        rows = [("argument", "shape", "", "worst at", "given", "numeric", "")]
        for a in self.arguments:
            at = ("", "", "") if a.index is None else (str(a.index), f"{a.given:.8g}", f"{a.numeric:.8g}")
            notes = [a.diagnosis] * bool(a.diagnosis) + [a.checked]
            if a.kinks:
                notes.append(f"{len(a.kinks)} at a kink, the first at {a.kinks[0]}")
            rows.append((a.name, str(a.shape), "right" if a.right else "WRONG", *at, "; ".join(notes)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        lines.insert(0, f"gradcheck: {'right' if self else 'WRONG'}")
        return "\n".join(lines + [f"problem: {p}" for p in self.problems])

    def _repr_html_(self) -> str:
        return notebook.report(str(self).splitlines()[0], bool(self), self.arguments, self.problems)


def gradcheck(
    f: Callable[..., Any],
    *args: Any,
    gradient: Callable[..., Any] | None = None,
    order: int = 1,
    seed: int | np.random.Generator = 0,
    names: Sequence[str] | None = None,
) -> Report:
    """Compare the gradient of f at args with numeric derivatives, under a random upstream gradient.

    f: any function of arrays, which returns one or several (dict, list, tuple). args: arrays, Tensors, Modules, and
    dicts, lists and tuples of them; every float leaf is checked (in an argument that holds Tensors, only those),
    integers are kept. Up to 200 numbers are checked one by one, more along random directions and in some places. At a
    kink of f (relu at 0, a tie of max) any number between both sides will do, and the place is listed. float32 is
    checked in float64 where f allows it, then against that.

    gradient: for a plain NumPy f, a backward pass by hand, gradient(g, *args) -> one gradient an argument (None for
    integers), where g is the gradient of f's output or a tuple of them. order=2: check the gradient's own gradient too.
    seed: of the upstream gradient. names: of the arguments, where f's signature does not say.

    Raises TypeError where there is nothing to differentiate, ValueError for order=2 by hand, and what f raises at args.

    >>> print(gradcheck(lambda x: np.maximum(x, 0), np.array([-1.0, 0.0, 2.0])))
    gradcheck: right
    argument  shape         worst at  given  numeric
    x         (3,)   right                            all 3 numbers, central differences; 1 at a kink, the first at (1,)
    """
    if order not in (1, 2) or (order == 2 and gradient is not None):
        raise ValueError(f"gradcheck: order={order!r} is not 1 or 2, or is 2 beside gradient=: order=2 is for Tensors")
    rng = np.random.default_rng(seed)
    point = Point(f, args, names)
    gs = [upstream(rng, shape, dtype) for shape, dtype in zip(point.shapes, point.dtypes, strict=True)]
    report = compare(point, gs, gradient, rng)
    if report and order == 2:
        tensors = point.arguments({key: Tensor(a) for key, a in point.leaves.items()})
        floor = float(np.max(abs(flatten(gs)) * point.noise, initial=0)) / point.eps
        slopes = Point(gradient_function(point, gs), tensors, list(point.tree), floor)
        second = compare(slopes, [upstream(rng, shape, point.dtype) for shape in slopes.shapes], None, rng)
        for a in second.arguments:
            a.name = f"∇ by {a.name}"
        report = Report(report.arguments + second.arguments, second.problems)
    return report


def compare(point: Point, gs: Sequence[Any], gradient: Any, rng: np.random.Generator) -> Report:
    """First order: everything that gradcheck() says about one function."""
    report, args = Report([]), point.arguments(point.leaves)
    before = snapshot(args)
    again = flatten([np.asarray(o) for o in results(point.f(*args))])
    if snapshot(args) != before:
        report.problems.append("the function changed an argument in place: work on a copy")
    elif not np.all(np.isfinite(point.y)):
        bad = int(np.flatnonzero(~np.isfinite(point.y))[0])
        report.problems.append(f"the function is not finite here: output {bad} of {point.y.size} is {point.y[bad]}")
    elif not np.array_equal(point.y, again):
        report.problems.append("the function's outputs differ from call to call: seed it, or turn dropout off")
    if report.problems:
        return report
    backward = functools.partial(by_hand, gradient, report.problems) if gradient else by_engine
    given = backward(point, point.leaves, gs)
    report.arguments = [check_leaf(point, key, given.get(key), gs, rng) for key in point.leaves]
    if report and point.leaves is not point.native:
        compare_precisions(point, backward(point, point.native, gs), given, gs, report)
    return report


# --- The comparison ---------------------------------------------------------------------------------------------------


class Probe(NamedTuple):
    """The derivative along one direction: of each output, of Σ g·output, by how much the gradient is off (0: within
    what is allowed), and whether there is a kink."""

    slope: np.ndarray
    numeric: float
    excess: float
    kink: bool


@np.errstate(all="ignore")
def check_leaf(point: Point, key: str, given: Any, gs: Sequence[Any], rng: np.random.Generator) -> Argument:
    """Compare the gradient of one leaf with numeric derivatives, coordinate by coordinate, then along directions."""
    x, g = point.leaves[key], flatten(gs)
    if given is None:
        return Argument(key, x.shape, False, "", diagnosis="missing: no gradient was returned for it")
    complete = x.size <= FULL and x.size * g.size <= 1 << 21
    fits = given.shape == x.shape and given.dtype.kind in "fiu"
    compared = given if fits else np.zeros(x.shape)
    places = np.arange(x.size) if complete else some_places(compared, rng)
    trusted = point.trusts_complex_step(key, rng)
    look = functools.partial(probe, point, key, compared, g, trusted)
    probes = {int(i): look(unit(x, [i]), abs(float(x.flat[i]))) for i in places}
    kinks = [i for i, p in probes.items() if p.kink]
    directions = [random_direction(x, rng) for _ in range(0 if complete else 4)] + [unit(x, kinks)] * (len(kinks) > 1)
    along = [look(d, 1.0) for d in directions]
    wrong = {i: p.excess for i, p in probes.items() if p.excess}
    right = fits and not wrong and not any(p.excess for p in along)
    how = f"{'all' if complete else 'directions and'} {len(places)} numbers"
    how += f", {'complex step' if trusted else 'central differences'}"
    at = [tuple(map(int, np.unravel_index(i, x.shape))) for i in kinks]
    found = Argument(key, x.shape, right, how, kinks=at)
    if right:
        return found
    numeric, judged, J = np.zeros(x.shape), np.zeros(x.shape, bool), np.zeros((x.size, g.size)) if complete else None
    for i, p in probes.items():
        numeric.flat[i], judged.flat[i] = p.numeric, not p.kink or p.excess
        if J is not None:
            J[i] = p.slope
    if wrong and fits:
        worst = max(wrong, key=wrong.__getitem__)
        found.index = tuple(map(int, np.unravel_index(worst, x.shape)))
        found.given, found.numeric = float(compared.flat[worst]), float(numeric.flat[worst])
    elif fits:
        p, d = max(zip(along, directions, strict=True), key=lambda pair: pair[0].excess)
        found.given, found.numeric = float(np.sum(given * d)), p.numeric
        found.diagnosis = "ties: each gets the whole, where they should share" if complete else "along a direction only"
        return found
    shape = point.shapes[0] if len(point.shapes) == 1 else (g.size,)
    ask = functools.partial(path_to, point, key, gs)
    found.diagnosis = diagnose(Case(x, given, numeric, judged, J, g, point.y, shape, sizes(point), ask))
    return found


def unit(x: np.ndarray, places: Sequence[int]) -> np.ndarray:
    """Zeros of x's shape, one at some places."""
    d = np.zeros(x.shape)
    d.flat[list(places)] = 1
    return d


def some_places(given: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Where the gradient is largest, and anywhere."""
    return np.unique(np.concatenate([np.argsort(-abs(given), axis=None)[:20], rng.integers(0, given.size, 20)]))


def probe(point: Point, key: str, given: np.ndarray, g: np.ndarray, trusted: bool, d: np.ndarray, size: float) -> Probe:
    """Compare the gradient with the derivative along d, at a number of this size; at a kink anything between its sides
    will do."""
    move, noise, eps = point.move(key, d), point.noise, point.eps
    exact = complex_step(move) if trusted else None
    found = Slope(exact, np.full(exact.size, TINY**1.5)) if exact is not None else central(move, size, g, noise, eps)
    share, numeric = float(np.sum(given * d)), float(g @ found.value)
    rounding = np.where(found.value != 0, 64 * noise, 0)
    allowed = float(abs(g) @ (4 * eps**0.4 * abs(found.value) + 2 * found.error + rounding))
    if exact is None:
        left, right, kinked = sides(move, point.y, size, noise, eps)
        if np.any(kinked):
            low, high = np.sum(np.minimum(g * left, g * right)), np.sum(np.maximum(g * left, g * right))
            gap = high - low + allowed
            return Probe(found.value, numeric, max(min(low, 0) - gap - share, share - max(high, 0) - gap, 0.0), True)
    off = abs(share - numeric)
    return Probe(found.value, numeric, 0.0 if off <= allowed else off, False)


def sizes(point: Point) -> dict[str, int]:
    """The sizes that a mistaken factor may equal, by name."""
    shaped = [(path, a.shape) for path, a in named_leaves(point.tree)]
    shaped += [("y" if len(point.shapes) == 1 else f"y[{k}]", shape) for k, shape in enumerate(point.shapes)]
    found = {f"{path}.shape[{k}]": n for path, shape in shaped for k, n in enumerate(shape)}
    return found | {f"{path}.size": math.prod(shape) for path, shape in shaped if len(shape) > 1}


def path_to(point: Point, key: str, gs: Sequence[Any]) -> tuple[Tensor, Any, Tensor]:
    """The function's graph with one leaf picked out."""
    y, g, tensors = graph(point, point.leaves, gs)
    return y, np.ones(()) if g is None else g, tensors[key]


def compare_precisions(
    point: Point, low: dict[str, Any], high: dict[str, Any], gs: Sequence[Any], report: Report
) -> None:
    """The gradient in the arguments' own dtypes against the one in float64, which was found right."""
    reach = float(abs(flatten(gs)) @ point.noise) / point.eps  # how large the numbers are that g and rounding multiply
    for a in report.arguments:
        given, right, dtype = low.get(a.name), high[a.name], point.native[a.name].dtype
        if given is None or given.shape != right.shape:
            found = "missing" if given is None else f"of shape {given.shape}"
            a.right, a.diagnosis = False, f"precision: right in float64, {found} in {dtype}"
            continue
        error = np.nan_to_num(abs(given.astype(float) - right), nan=np.inf)
        if error.size and np.max(error) > 1e-2 * np.max(abs(right)) + 1e3 * float(np.finfo(dtype).eps) * reach:
            a.index = tuple(map(int, np.unravel_index(np.argmax(error), error.shape)))
            a.right, a.given, a.numeric = False, float(given[a.index]), float(right[a.index])
            a.diagnosis = f"precision: right in float64, not in {dtype}"


# --- Fused ops --------------------------------------------------------------------------------------------------------


def check_fused(op: Callable[..., Any], *args: Any, seed: int | np.random.Generator = 0, **keywords: Any) -> Report:
    """Hold a fused op against its reference: values, the op's gradient against the reference's numeric derivatives, and
    the op's second order against differences of its gradient. Raises TypeError for a function without a reference.

    >>> from tinygrad_nlp.fused import affine
    >>> bool(check_fused(affine, np.ones((2, 3)), np.ones((3, 4)), np.ones(4)))
    True
    """
    row = TABLE.get(op)
    if row is None or row.reference is None:
        raise TypeError(f"check_fused: `{name(op)}` has no reference: gradcheck({name(op)}, ...) checks any function")
    fused, reference = functools.partial(op, **keywords), functools.partial(row.reference, **keywords)

    def backward(g: Any, *arrays: Any) -> Any:
        inner = Point(fused, arrays)
        found = by_engine(inner, inner.leaves, [g])
        return tuple(found.get(key) for key in inner.tree)

    report = gradcheck(reference, *args, gradient=backward, seed=seed)
    value, meant = (flatten(list(results(fn(*args)))) for fn in (fused, reference))
    if value.shape != meant.shape or not np.allclose(value, meant, rtol=1e-10, atol=1e-12):
        report.problems.append(f"`{name(op)}` and its reference differ in value")
    second = gradcheck(fused, *args, order=2, seed=seed)
    report.arguments += second.arguments
    report.problems += second.problems
    return report

"""The loss along one number of a leaf, beside the tangent that the gradient predicts: what a gradient means."""
# tested in tests/seeing/test_page.py

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.sparse import RowSparse
from ..engine import Tensor
from .events import BackwardPass

POINTS = 41  # along the curve, of which the middle one is where the leaf stands
ENTRIES, IN_ALL = 6, 24  # numbers of a leaf, those of largest gradient; and of all leaves, but one of each
WORK = 2e8  # about how many numbers may be computed in all; a call counts for a thousand, which is what it costs


@dataclass
class Curve:
    """How the loss depends on leaf[index]: its values `at` some numbers, the middle one being the present one."""

    leaf: str
    index: tuple[int, ...]
    slope: float  # what the gradient says
    at: list[float]
    loss: list[float]


def curves(e: BackwardPass) -> list[Curve]:
    """A curve for the numbers of largest gradient of each leaf, fewer for a large graph."""
    cost = sum(1000 + s.tensor.size for s in e.steps) * POINTS
    leaves = max(len(e.gradients), 1)
    each = min(ENTRIES, max(1, IN_ALL // leaves), int(WORK / cost / leaves))
    if not each:  # a graph as large as this: one number of some leaves
        some = list(e.gradients.items())[: max(1, int(WORK / cost))]
        return [curve(e, x, index, slope) for x, g in some for index, slope in steepest(g, 1)]
    return [curve(e, x, index, slope) for x, g in e.gradients.items() for index, slope in steepest(g, each)]


def steepest(g: Any, n: int) -> list[tuple[tuple[int, ...], float]]:
    """The places of the n largest gradients with their values, in order of place."""
    sparse = g.coalesce() if type(g) is RowSparse else None
    a = np.asarray(g if sparse is None else sparse.values)
    size = np.abs(np.where(np.isfinite(a), a, 0)).ravel()
    places = np.sort(np.argpartition(-size, n - 1)[:n] if n < a.size else np.arange(a.size))
    found = [tuple(map(int, np.unravel_index(k, a.shape))) for k in places]
    return [(i if sparse is None else (int(sparse.rows[i[0]]), *i[1:]), float(a[i])) for i in found]


def curve(e: BackwardPass, leaf: Tensor, index: tuple[int, ...], slope: float) -> Curve:
    """The forward pass run again with other numbers at leaf[index]."""
    moved = np.array(e.value(leaf))
    here, reach = float(moved[index]), max(0.5, abs(float(moved[index])))
    at = [here + reach * (2 * k / (POINTS - 1) - 1) for k in range(POINTS)]
    losses = []
    behind = dependents(e, leaf)
    for number in at:
        moved[index] = number
        with np.errstate(all="ignore"):
            losses.append(forward(e, behind, {leaf: moved}))
    return Curve(e.names[id(leaf)], index, slope, at, losses)


def dependents(e: BackwardPass, leaf: Tensor) -> list[Tensor]:
    """The results that depend on a leaf, oldest first."""
    found = {leaf}
    for step in reversed(e.steps):
        if not found.isdisjoint(a for a in step.tensor.args if type(a) is Tensor):
            found.add(step.tensor)
    return [step.tensor for step in reversed(e.steps) if step.tensor in found]


def forward(e: BackwardPass, calls: list[Tensor], given: dict[Tensor, Any]) -> float:
    """The loss, or for an output of many numbers their sum weighed by its gradient, with these Tensors given."""
    found = dict(given)
    for t in calls:
        args = [found[a] if type(a) is Tensor and a in found else e.value(a) for a in t.args]
        try:
            found[t] = t.fn(*args, **t.kwargs)  # type: ignore[misc]  # a call has a function
        except (ArithmeticError, ValueError, np.linalg.LinAlgError):  # outside of a function's domain
            return math.nan
    y = np.asarray(found.get(e.y, e.y.data))
    return float(y.item() if y.size == 1 else np.vdot(y, e.steps[0].g))


def label(curve: Curve) -> str:
    """W[0, 2], or the leaf's name where it is one number."""
    return curve.leaf + (f"[{', '.join(map(str, curve.index))}]" if curve.index else "")

"""What is wrong with a gradient, by name: the given numbers are compared with what each usual mistake would have given.

From the numeric Jacobian J of one argument, J[i, k] = ∂yₖ/∂xᵢ, the right gradient is J g; a backward pass that ignores
g gives J 1, one that keeps only the diagonal gives diag(J) g, and so on. Where the function also runs on Tensors, its
graph tells which path a gradient lacks: each is cut in turn. A pattern is named only if it explains every number."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.interface import name
from ..engine import TABLE, Tensor, history


@dataclass
class Case:
    """A wrong gradient of one argument x, and what is known about it; places at kinks are False in `judged`."""

    x: np.ndarray
    given: np.ndarray
    numeric: np.ndarray
    judged: np.ndarray
    J: Any  # (inputs, outputs), or None where it is too large
    g: np.ndarray  # (outputs,), as y
    y: np.ndarray
    y_shape: tuple[int, ...]
    sizes: dict[str, int] = field(default_factory=dict)
    graph: Callable[[], tuple[Tensor, Any, Tensor]] | None = None  # () -> output, its gradient, the Tensor of x

    def is_given(self, candidate: Any) -> bool:
        """Whether a hypothesis explains every given number, and is not the right gradient too."""
        candidate = np.asarray(candidate)
        if candidate.size != self.x.size:
            return False
        return self.same(candidate, self.given) and not self.same(candidate, self.numeric)

    def same(self, a: Any, b: Any) -> bool:
        a, b = np.reshape(a, self.x.shape)[self.judged], np.reshape(b, self.x.shape)[self.judged]
        return bool(np.all(abs(a - b) <= 1e-5 * (abs(a) + abs(b)) + 1e-7 * np.max(abs(b), initial=0)))


def diagnose(case: Case) -> str:
    """The name of the mistake, with what it equals; "" for one that has no name here."""
    if case.given.shape != case.x.shape:
        return wrong_shape(case)
    lost = ~np.isfinite(case.given)
    if np.any(lost):
        first = tuple(map(int, np.argwhere(lost)[0]))
        what = f"{int(lost.sum())} of {lost.size} numbers are NaN or infinite, the first at {first}"
        return f"not finite: {what}, where the function has a derivative"
    if case.J is None:
        patterns: tuple[Any, ...] = (of_whole, of_places, of_paths)
    else:
        patterns = (of_upstream, of_whole, of_jacobian, of_repeats, of_places, of_formula, of_paths, of_slices, of_axis)
    found = next((text for pattern in patterns for text in pattern(case)), "")
    if found.startswith("factor 1/"):  # of n like uses one was counted, perhaps
        found += "".join(f"; {text}" for text in itertools.islice(of_paths(case), 1))
    return found


def wrong_shape(case: Case) -> str:
    """Axes that broadcasting stretched and nobody summed, transposes, and other shapes."""
    given, x, numeric = case.given, case.x, case.numeric
    what = f"shape {given.shape} instead of {x.shape}"
    if given.T.shape == x.shape and case.same(given.T, numeric):
        return f"transpose: {what}, and right when transposed"
    if given.size == x.size:
        remedy = "reshape it to the argument's shape" if case.same(given, numeric) else "and other numbers"
        return f"shape: {what}: {remedy}"
    before = (1,) * (given.ndim - x.ndim) + x.shape
    for axes in subsets(range(given.ndim)):
        summed = np.sum(given, axis=axes, keepdims=True)
        if given.ndim >= x.ndim and summed.shape == before and case.same(summed, numeric):
            return f"axis not summed: {what}: sum over axis {enumerated(axes)}, which broadcasting stretched"
    for axes in subsets(range(x.ndim)):
        stretched = (
            np.broadcast_to(np.expand_dims(given, axes), x.shape) if given.shape == np.sum(x, axes).shape else None
        )
        if stretched is not None and case.same(stretched, numeric):
            return f"axis not spread: {what}: broadcast it back over axis {enumerated(axes)}"
        summed = np.sum(numeric, axis=axes)
        if given.size == summed.size and np.allclose(given.ravel(), summed.ravel()):
            return f"axis summed: {what}: axis {enumerated(axes)} was summed but is the argument's own"
    return f"shape: {what}"


def of_whole(case: Case) -> Iterator[str]:
    """One factor for all numbers, or one amount added to all."""
    given, numeric = case.given[case.judged], case.numeric[case.judged]
    if not np.any(given):
        yield "zeros: every number is 0: a contribution lost, or never computed"
    k = float(np.sum(given * numeric) / np.sum(numeric * numeric)) if np.any(numeric) else 0.0
    if k and case.is_given(k * case.numeric):
        yield "sign: the gradient is minus the right one" if np.isclose(k, -1) else f"factor {factor(k, case.sizes)}"
    offset = given - numeric
    if offset.size > 1 and np.ptp(offset) <= 1e-6 * np.max(abs(offset)):
        yield f"constant offset: {offset.mean():.6g} is added to every number"


def factor(k: float, sizes: dict[str, int]) -> str:
    """A factor by the names of the sizes it equals: "1/8 everywhere, 1/x.shape[0]"."""
    sign, k = ("−" if k < 0 else ""), abs(k)
    for n, text in [(k, "{}"), (1 / k, "1/{}")]:
        if abs(n - round(n)) < 1e-4 * n:
            named = [text.format(size) for size, m in sizes.items() if m == round(n)]
            return f"{sign}{text.format(round(n))} everywhere" + (
                f", which is {' or '.join(named[:3])}" if named else ""
            )
    return f"{sign}{k:.6g} everywhere"


def of_upstream(case: Case) -> Iterator[str]:
    """g forgotten, averaged or used twice."""
    if case.is_given(case.J.sum(1)):
        yield "upstream ignored: right only for g = 1: multiply by g"
    if case.is_given(case.J @ np.full_like(case.g, case.g.mean())) and case.g.size > 1:
        yield "upstream averaged: every output's g was replaced by the mean of all"
    if case.is_given(case.J @ case.g**2):
        yield "upstream twice: g was multiplied in two times"


def of_jacobian(case: Case) -> Iterator[str]:
    """Parts of the Jacobian, and its transpose."""
    J, g, numeric = case.J, case.g, case.numeric
    if J.shape[0] == J.shape[1]:
        if case.is_given(J.T @ g):
            yield "transpose: the Jacobian was applied instead of its transpose"
        if case.is_given(np.diag(J) * g):
            yield "diagonal only: each output was taken to depend on its own input alone"
        if case.is_given(np.diag(J)):
            yield "diagonal only, and upstream ignored: the gradient is the Jacobian's diagonal"
        if case.is_given(np.diag(J) ** 2 * g):
            yield "derivative twice: it was multiplied in two times"
        if case.is_given(J @ g - np.diag(J) * g):
            yield "diagonal missing: the terms of an output and its own input are lost"
    if numeric.ndim > 1 and numeric.shape[-1] == numeric.shape[-2] and case.is_given(np.swapaxes(numeric, -1, -2)):
        yield "transpose: right when the last two axes are swapped"


def of_places(case: Case) -> Iterator[str]:
    """Right in some places, zero or not zero in the others."""
    given, numeric, judged = case.given, case.numeric, case.judged
    small = 1e-9 * max(float(np.max(abs(numeric), initial=0)), 1e-300)
    close = abs(given - numeric) <= 1e-5 * (abs(given) + abs(numeric)) + small
    wrong, flat = judged & ~close, abs(numeric) <= small
    if np.any(flat & judged) and not np.any(flat & judged & close) and np.all((given == 0)[judged & ~flat]):
        yield "mask inverted: zero where there is a gradient, not zero where there is none"
    if np.any(flat & wrong) and not np.any(wrong & ~flat):
        yield "mask missing: right where there is a gradient, but not zero where there is none"
    if np.any(wrong) and np.all(given[wrong] == 0):
        rows = sorted(set(np.nonzero(wrong)[0].tolist())) if given.ndim > 1 else []
        if rows and all(np.all(wrong[k] | flat[k]) for k in rows):
            yield f"rows of zeros: {enumerated(rows)} of axis 0 got nothing; the rest is right"
        else:
            yield f"zeros: {int(wrong.sum())} of {wrong.size} places got nothing, a contribution lost"
    off = (given - numeric)[wrong]
    if given.ndim and wrong.size > len(off) > 0 and np.all(wrong.reshape(-1, wrong.shape[-1]).sum(1) <= 1):
        where = "every row" if len(off) == wrong.size // wrong.shape[-1] else "some rows"
        yield f"one place in a row is off, in {where}, by {off[0]:.6g}: a one-hot term, the y of ŷ − y, is missing"


def of_repeats(case: Case) -> Iterator[str]:
    """A number that reached several outputs, of which one counted: table[ids] with x[ids] = g instead of x[ids] +=
    g."""
    terms = case.J * case.g
    there = terms != 0
    if np.any(there.sum(1) > 1):
        first, last = there.argmax(1), terms.shape[1] - 1 - there[:, ::-1].argmax(1)
        for which, k in (("last", last), ("first", first)):
            if case.is_given(np.take_along_axis(terms, k[:, None], 1)):
                n = int(there.sum(1).max())
                yield f"overwritten, not accumulated: of up to {n} uses only the {which} counts, contributions lost"


def of_formula(case: Case) -> Iterator[str]:
    """No derivative, or one that is written in the output and was given the input: 1 − x² for tanh′ = 1 − y²."""
    if case.x.size == case.y.size:
        if case.is_given(case.g):
            yield "derivative left out: the gradient is g itself"
        x, y, g = case.x.ravel(), case.y, case.g
        slopes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            "1 − y²": lambda v: 1 - v * v,
            "y (1 − y)": lambda v: v * (1 - v),
            "y": lambda v: v,
        }
        for text, slope in slopes.items():
            if case.same(g * slope(y), case.numeric) and case.is_given(g * slope(x)):
                yield f"input for output: the derivative {text} was taken at the input x"


def of_slices(case: Case) -> Iterator[str]:
    """Some outputs counted, others did not: the sum over part of an axis of the output."""
    terms = (case.J * case.g).reshape(-1, *case.y_shape)
    for axis in range(len(case.y_shape)):
        parts = np.moveaxis(terms, axis + 1, -1)
        parts = parts.reshape(len(terms), -1, parts.shape[-1]).sum(1)  # (inputs, places on the axis)
        for keep, text in ((slice(-1, None), "last"), (slice(0, 1), "first")):
            if parts.shape[1] > 1 and case.is_given(parts[:, keep].sum(1)):
                yield f"contribution lost: only the {text} of {parts.shape[1]} outputs along axis {axis} counts"


def of_paths(case: Case) -> Iterator[str]:
    """A path from x to the output that was not followed: the gradient with calls taken as constants, one or all of a
    kind."""
    if case.graph is None:
        return
    try:
        y, g, x = case.graph()
    except Exception:  # the function does not run on Tensors: its graph is not to be had
        return
    if y is None:  # no Tensor comes out of it, as from floor
        return
    groups: dict[str, set[tuple[int, int]]] = defaultdict(set)
    uses = []
    for t in reversed(history(y)):
        tensors = [a for a in t.args if type(a) is Tensor]
        for k, a in enumerate(tensors):
            edge = (t.birth, k)
            groups[f"all paths through `{name(t.fn)}`, its argument {k} taken for a constant"].add(edge)
            groups[f"all paths through `{name(t.fn)}`, taken for a constant"].add(edge)
            if a is x:
                uses.append((f"`{name(t.fn)}`", edge))
            elif len(tensors) > 1:
                groups[f"the path through `{name(t.fn)}` of shape {t.shape}, argument {k}"].add(edge)
    if sum(map(len, groups.values())) > 2000:
        return
    for k, (where, edge) in enumerate(uses):
        if len(uses) > 1 and case.is_given(without(y, g, x, {edge})):
            yield f"contribution lost: x is used {len(uses)} times, and use {k + 1}, by {where}, does not count"
        if len(uses) > 2 and case.is_given(without(y, g, x, {other for _, other in uses} - {edge})):
            yield f"contribution lost: x is used {len(uses)} times, and only use {k + 1}, by {where}, counts"
    for where, edges in groups.items():
        if case.is_given(without(y, g, x, edges)):
            yield f"contribution lost: {where}"


def without(y: Tensor, g: Any, x: Tensor, edges: set[tuple[int, int]]) -> Any:
    """The gradient of x when some arguments of some calls, (birth of the call, which Tensor), count as constants."""
    found: dict[Tensor, Any] = {y: g}
    for t in history(y):
        if t in found and t.fn is not None:
            for k, (a, share) in enumerate(TABLE[t.fn].shares(t, dense(found.pop(t)), False)):
                if (t.birth, k) not in edges:
                    found[a] = found[a] + share if a in found else share
    return dense(found[x]) if x in found else np.zeros(x.shape)


def dense(g: Any) -> Any:
    """A gradient as an array, also one that the engine keeps in parts."""
    return g.todense() if hasattr(g, "todense") else g


def of_axis(case: Case) -> Iterator[str]:
    """A factor that changes along one axis only: counts or lengths of its rows."""
    with np.errstate(all="ignore"):
        ratio = np.where(case.judged & (case.numeric != 0), case.given / case.numeric, np.nan)
    for axis in range(case.x.ndim if case.x.ndim > 1 else 0):
        rows = np.moveaxis(ratio, axis, 0).reshape(case.x.shape[axis], -1)
        factors = np.array([next((float(r) for r in row if r == r), 1.0) for row in rows])
        if case.is_given(np.moveaxis(np.moveaxis(case.numeric, axis, -1) * factors, -1, axis)):
            some = ", ".join(f"{k:.4g}" for k in factors[:4])
            yield f"factor by row: along axis {axis} the factors are {some}, …: a count is missing or doubled"


def subsets(items: Any) -> Iterator[tuple[int, ...]]:
    """Every non-empty subset, small ones first."""
    items = tuple(items)
    return itertools.chain.from_iterable(itertools.combinations(items, n) for n in range(1, len(items) + 1))


def enumerated(numbers: Any) -> str:
    shown = [str(int(n)) for n in numbers]
    return ", ".join(shown[:6]) + (", …" if len(shown) > 6 else "")

"""What happened in a backward pass: each call, newest first, and each share of a gradient as it was added.

Nothing is computed twice here: gradients() runs as ever, and an observer writes down what it does.
"""
# tested in tests/seeing/test_explain.py

from __future__ import annotations

import dis
import functools
import inspect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import engine
from ..calculus.listing import formula
from ..calculus.rows import Each
from ..core.sparse import Patches, RowSparse
from ..engine import TABLE, Tensor, gradients
from .notation import written_call
from .watch import source


@dataclass(slots=True)
class Share:
    """One contribution to a gradient: total, the sum so far, is the total before plus share."""

    to: Tensor
    name: str
    rule: str  # as it is written in the table
    summed: bool  # over the axes along which broadcasting stretched the argument
    function: Any  # the rule itself
    reads: list[tuple[str, str, Any]]  # the rule's own names, what they stand for, and its value
    share: Any
    before: Any  # None for the first
    total: Any
    use: int
    uses: int


@dataclass(slots=True)
class Step:
    """A call, walked backwards: g is the gradient of its result, shares are what its arguments get."""

    number: int
    tensor: Tensor
    name: str
    call: str
    source: str  # file:line, known under watch()
    g: Any
    shares: list[Share]


@dataclass
class BackwardPass:
    """All of it: `steps` are the calls, newest first, and `gradients` what they add up to, {leaf: gradient}."""

    y: Tensor
    steps: list[Step]
    gradients: dict[Tensor, Any]
    names: dict[int, str]  # by id: of every Tensor that took part, and of the caller's arrays


class Recorder:
    """An observer that writes down each share: (call's result, its gradient, argument, share)."""

    def __init__(self) -> None:
        self.events: list[tuple[Tensor, Any, Tensor, Any]] = []

    def forward(self, t: Tensor) -> None: ...

    def backward(self, t: Tensor, g: Any, a: Tensor, share: Any) -> None:
        self.events.append((t, g, a, share.todense() if type(share) is Patches else share))


def backward_pass(y: Tensor, names: dict[int, str], g: Any = None) -> BackwardPass:
    """Run gradients(y, g=g) and write down each share; Tensors without a name get one. No .grad changes."""
    recorder = Recorder()
    before, engine.observer = engine.observer, recorder
    try:
        found = gradients(y, g=g)
    finally:
        engine.observer = before
    made = sorted({t for t, *_ in recorder.events} | {a for *_, a, _ in recorder.events} | {y}, key=lambda t: t.birth)
    names, counts = dict(names), {"t": 0, "leaf": 0}
    for t in made:
        if id(t) not in names:
            kind = "leaf" if t.fn is None else "t"
            counts[kind] += 1
            names[id(t)] = f"{kind}{counts[kind]}"
    return BackwardPass(y, steps(recorder.events, names), found, names)


def steps(events: Sequence[tuple[Tensor, Any, Tensor, Any]], names: dict[int, str]) -> list[Step]:
    """The events of a backward pass, by call, with names and running sums."""
    uses, seen, totals = Counter(a for _, _, a, _ in events), Counter[Tensor](), dict[Tensor, Any]()
    found: list[Step] = []
    for t, g, a, share in events:
        if not found or found[-1].tensor is not t:
            found.append(Step(len(found) + 1, t, names[id(t)], written_call(t, names), source(t), g, []))
        shares = found[-1].shares
        i = [i for i, b in enumerate(t.args) if type(b) is Tensor][len(shares)]
        before = totals.get(a)
        totals[a] = share if before is None else before + share
        seen[a] += 1
        rule, reads = rule_of(t, i, g, names)
        summed = isinstance(t.fn, np.ufunc) and t.fn is not np.matmul and a.shape != t.shape
        shares.append(
            Share(a, names[id(a)], formula(rule), summed, rule, reads, share, before, totals[a], seen[a], uses[a])
        )
    return found


def rule_of(t: Tensor, i: int, g: Any, names: dict[int, str]) -> tuple[Any, list[tuple[str, str, Any]]]:
    """The rule for argument i of the call that made t, and what it reads."""
    row = TABLE[t.fn]  # type: ignore[index]
    rule = row.derivatives if row.joint else row.derivatives[i]
    each = isinstance(row.derivatives, Each)
    function = rule.func if isinstance(rule, functools.partial) else rule
    args = [a.data if type(a) is Tensor else a for a in t.args]
    bound = inspect.signature(function).bind_partial(*([i] if each else []), g, t.data, *args, **t.kwargs).arguments
    meaning = {id(a.data): names[id(a)] for a in t.args if type(a) is Tensor}
    meaning |= {id(t.data): names[id(t)], id(g): f"∂{names[id(t)]}"}
    reads = [(symbol, a) for symbol, a in bound.items() if symbol in loaded(function) and isinstance(a, np.ndarray)]
    return function, [(symbol, meaning.get(id(a), names.get(id(a), "")), a) for symbol, a in reads]


@functools.cache
def loaded(function: Any) -> set[Any]:
    """The names that a function's code reads."""
    found: set[Any] = set()
    for instruction in dis.get_instructions(function):
        if instruction.opname.startswith("LOAD_"):  # one name, or a pair from Python 3.13 on
            found.update(instruction.argval if isinstance(instruction.argval, tuple) else [instruction.argval])
    return found


def folded(steps: Sequence[Step]) -> list[tuple[Sequence[Step], Sequence[Step], int]]:
    """The steps in blocks (shown, hidden, period): of calls that repeat three times or more, one round is shown."""
    kinds = [(s.tensor.fn, len(s.shares)) for s in steps]
    blocks: list[tuple[Sequence[Step], Sequence[Step], int]] = []
    start = i = 0
    while i < len(steps):
        for period in range(1, 25):
            end = i + period
            while end < len(steps) and kinds[end] == kinds[end - period]:
                end += 1
            rounds = (end - i) // period
            if rounds >= 3:
                first, i = i + period, i + rounds * period
                blocks.append((steps[start:first], steps[first:i], period))
                start = i
                break
        else:
            i += 1
    return [*blocks, (steps[start:], (), 0)]


def norm(a: Any) -> float:
    """Euclidean norm."""
    return float(np.linalg.norm((a.coalesce().values if type(a) is RowSparse else a).ravel()))

"""What happened in a backward pass: each call, newest first, and each share of a gradient as it was added.

Nothing is computed twice here: gradients() runs as ever, and an observer writes down what it does.
"""
# tested in tests/seeing/test_explain.py

from __future__ import annotations

import functools
import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from ..calculus.kinds import Each
from ..core.sparse import Patches, length
from ..engine import Tensor, gradients, history
from .notation import calculus, entry, row_of, written_call
from .observing import observing
from .reading import symbols, unpacked
from .watch import source


class Read(NamedTuple):
    """What a rule reads: its own name for it, what that stands for, and the value."""

    symbol: str
    label: str  # a variable, ∂ and a variable, or nothing
    value: Any
    shape_only: bool


@dataclass(slots=True)
class Share:
    """One contribution to a gradient: total, the sum so far, is the total before plus share."""

    to: Tensor
    name: str
    argument: int  # of the call
    rule: str  # as calculus
    summed: bool  # over the axes along which broadcasting stretched the argument
    function: Any  # the rule itself
    reads: list[Read]
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
    values: dict[int, np.ndarray]  # by id: leaves and constants as they were, which may change later on

    def value(self, a: Any) -> Any:
        """The array behind a Tensor, or a constant, as it was in this pass."""
        return self.values.get(id(a), a.data if type(a) is Tensor else a)


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
    with observing(recorder):
        found = gradients(y, g=g)
    behind = history(y)  # a call without a derivative is replayed through its reference: what happens there is its own
    inside = set(behind)
    events, made = [event for event in recorder.events if event[0] in inside], behind[::-1]
    names, counts = dict(names), {"t": 0, "leaf": 0}
    for t in made:
        if id(t) not in names:
            kind = "leaf" if t.fn is None else "t"
            counts[kind] += 1
            names[id(t)] = f"{kind}{counts[kind]}"
    values = {id(t): t.data.copy() for t in made if t.fn is None}
    values |= {id(a): a.copy() for t in made for a in (*t.args, *t.kwargs.values()) if isinstance(a, np.ndarray)}
    walk = BackwardPass(y, [], found, names, values)
    walk.steps = steps(walk, events)
    return walk


def steps(walk: BackwardPass, events: Sequence[tuple[Tensor, Any, Tensor, Any]]) -> list[Step]:
    """The events of a backward pass, by call, with names and running sums."""
    names = walk.names
    uses, seen, totals = Counter(a for _, _, a, _ in events), Counter[Tensor](), dict[Tensor, Any]()
    found: list[Step] = []
    for t, g, a, share in events:
        if not found or found[-1].tensor is not t:
            found.append(Step(len(found) + 1, t, names[id(t)], written_call(t, names), source(t), g, []))
            saved = saved_by(t, walk)
        shares = found[-1].shares
        i = [i for i, b in enumerate(t.args) if type(b) is Tensor][len(shares)]
        before = totals.get(a)
        totals[a] = share if before is None else before + share
        seen[a] += 1
        rule = rule_of(t, i)
        reads = list(what_is_read(rule, t, i, g, saved, walk))
        summed = isinstance(t.fn, np.ufunc) and t.fn is not np.matmul and a.shape != t.shape
        counted = before, totals[a], seen[a], uses[a]
        shares.append(Share(a, names[id(a)], i, calculus(rule, t, i), summed, rule, reads, share, *counted))
    return found


def rule_of(t: Tensor, i: int) -> Any:
    """The rule for argument i of the call that made t; where it has none, the reference."""
    row = row_of(t)
    if not row.derivatives:
        return row.reference
    rule = row.derivatives if row.joint else row.derivatives[i]
    return rule.func if isinstance(rule, functools.partial) else rule


def saved_by(t: Tensor, walk: BackwardPass) -> Any:
    """What the forward pass of a fused call saves for its derivative: run again, because backward may write into it."""
    if t.saved is None:
        return None
    row = row_of(t)
    return row.forward(*map(walk.value, t.args), **t.kwargs).saved


def what_is_read(rule: Any, t: Tensor, i: int, g: Any, saved: Any, walk: BackwardPass) -> Iterator[Read]:
    """What the rule for argument i of the call that made t reads, by the names of its parameters."""
    row, names = row_of(t), walk.names
    before = [i, g, t] if isinstance(row.derivatives, Each) else [g, t]
    before = [] if rule is row.reference else before
    given = inspect.signature(rule).bind_partial(*before, *t.args, **t.kwargs).arguments
    every, numbers = symbols(rule)
    for symbol, a in given.items():
        if symbol in every and a is not None:
            parts = {f"{symbol}[{k}]": part for k, part in enumerate(a)} if symbol == "arrays" else {symbol: a}
            for part, b in parts.items():
                label = f"∂{names[id(t)]}" if b is g else names.get(id(b)) or entry(b, names)
                yield Read(part, label, walk.value(b), symbol not in numbers)
    if saved is not None:
        parts = {"saved": saved}
        if isinstance(saved, tuple):
            parts = dict(zip(unpacked(rule, saved), saved, strict=True))
        for symbol, a in parts.items():
            yield Read(symbol, "saved", a.todense() if scipy.sparse.issparse(a) and a.shape[1] < 1000 else a, False)


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
    """Euclidean norm, also of numbers whose squares float32 cannot hold."""
    return length(a)

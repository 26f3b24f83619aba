"""explain(y): the backward pass of a Tensor, step by step, as text, as a Mermaid graph, or as a page to walk through.

Nothing is computed twice here: gradients() runs as ever, and an observer writes down each share of a gradient as it is
added. Names come from the variables of the caller; under watch() each step also knows the line that made it.
"""

from __future__ import annotations

import dis
import functools
import inspect
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import engine
from ..calculus.rows import Each, full_name, written
from ..core.interface import getitem
from ..core.sparse import Patches, RowSparse
from ..engine import TABLE, Tensor, gradients
from ..tree import named_leaves
from .watch import source

INFIX = {np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/", np.power: "**", np.matmul: "@"}
SCREEN = 48  # lines


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


class Explanation:
    """What explain() returns: print it, or take .mermaid() or .html(path).

    `steps` are the calls, newest first, and `gradients` what they add up to, {leaf: gradient}.
    """

    def __init__(self, y: Tensor, steps: list[Step], gradients: dict[Tensor, Any], names: dict[int, str]) -> None:
        self.y, self.steps, self.gradients, self.names = y, steps, gradients, names

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def text(self, everything: bool = False) -> str:
        """A line for each call and for each share. Loops are shown once and it fits a screen, unless everything."""
        lines = []
        for shown, hidden, period in [(self.steps, (), 0)] if everything else folded(self.steps):
            lines += [line for step in shown for line in lines_of(step)]
            lines += [note(hidden, period)] if hidden else []
        if len(lines) > SCREEN and not everything:
            cut = f"     … {len(lines) - SCREEN} more lines: .text(everything=True), or .html(path)"
            lines = [*lines[: SCREEN // 2], cut, *lines[-SCREEN // 2 :]]
        heading = row("     call, and what its arguments get", "", "shape", "contribution", "sum so far", "norm")
        value = f"= {self.y.item():.6g}" if self.y.size == 1 else f"of shape {self.y.shape}"
        many = f"{len(self.steps)} call{'s' * (len(self.steps) != 1)}, newest first"
        return "\n".join([f"backward pass of {self.names[id(self.y)]} {value}: {many}", heading, *lines])

    def mermaid(self) -> str:
        """A Mermaid flowchart from the result down to the leaves, each arrow with its rule; loops as in text()."""
        return "\n".join(flowchart(self))

    def html(self, path: Any = None) -> str:
        """One page on its own, to walk the shares by a slider or the arrow keys; also written to a path, if given."""
        from .page import page

        text = page(self)
        if path is not None:
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
        return text


def explain(y: Tensor, names: dict[str, Any] | None = None, g: Any = None) -> Explanation:
    """The backward pass of y, to print: each call, newest first, and each share of a gradient as it is added.

    names says what Tensors, arrays, Modules and collections of them are called, {name: value}; the caller's variables
    are known anyway. g is as in gradients(). No .grad changes.

    >>> x = Tensor([1.0, 2.0])
    >>> y = np.sum(x * x)
    >>> print(explain(y))
    backward pass of y = 5: 2 calls, newest first
         call, and what its arguments get                        shape           contribution    sum so far      norm
      1  y = sum(t1)                                             ()                              1               1
           ∂t1 += spread(g, x, axis, keepdims)                   (2,)            [1 1]           [1 1]           1.414
      2  t1 = x * x                                              (2,)                            [1 1]           1.414
           ∂x += g * b                               use 1 of 2  (2,)            [1 2]           [1 2]           2.236
           ∂x += g * a                               use 2 of 2  (2,)            [1 2]           [2 4]           4.472
    """
    recorder = Recorder()
    before, engine.observer = engine.observer, recorder
    try:
        found = gradients(y, g=g)
    finally:
        engine.observer = before
    frame = sys._getframe(1)
    known = [pair for scope in (names or {}, frame.f_locals, frame.f_globals) for pair in variables(scope)]
    called = {id(a): name for name, a in reversed(known)}  # of two names the first
    made = sorted({t for t, *_ in recorder.events} | {a for *_, a, _ in recorder.events} | {y}, key=engine.by_birth)
    counts = {"t": 0, "leaf": 0}
    for t in made:
        if id(t) not in called:
            kind = "leaf" if t.fn is None else "t"
            counts[kind] += 1
            called[id(t)] = f"{kind}{counts[kind]}"
    return Explanation(y, steps(recorder.events, called), found, called)


class Recorder:
    """An observer that writes down each share: (call's result, its gradient, argument, share)."""

    def __init__(self) -> None:
        self.events: list[tuple[Tensor, Any, Tensor, Any]] = []

    def forward(self, t: Tensor) -> None: ...

    def backward(self, t: Tensor, g: Any, a: Tensor, share: Any) -> None:
        self.events.append((t, g, a, share.todense() if type(share) is Patches else share))


def variables(scope: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The Tensors and arrays among variables, in Modules to any depth, in lists, tuples and dicts one level down."""
    for name, value in scope.items():
        if name.startswith("_") or isinstance(value, type):
            continue
        if isinstance(value, (Tensor, np.ndarray)) or hasattr(value, "named_parameters"):
            yield from named_leaves(value, name)
        elif isinstance(value, (list, tuple, dict)):
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            yield from ((f"{name}[{key!r}]", part) for key, part in pairs if isinstance(part, (Tensor, np.ndarray)))


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
            Share(a, names[id(a)], written(rule), summed, rule, reads, share, before, totals[a], seen[a], uses[a])
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


def written_call(t: Tensor, names: dict[int, str]) -> str:
    """The call that made t, as one would write it; parameters of one Module are written `module: f(x, W, b)`."""
    owners = {names[id(a)].rpartition(".")[0] for a in t.args if "." in names.get(id(a), "")}
    owner = owners.pop() if len(owners) == 1 else ""
    args = [argument(a, names).removeprefix(f"{owner}.") for a in t.args if a is not None]
    given = {key: value for key, value in t.kwargs.items() if value is not None and value is not False}
    keywords = [f"{key}={argument(value, names)}" for key, value in given.items()]
    if t.fn in INFIX and len(args) == 2:
        call = f"{args[0]} {INFIX[t.fn]} {args[1]}"
    elif t.fn is getitem:
        call = f"{args[0]}[{args[1]}]"
    else:
        call = f"{full_name(t.fn)}({', '.join(args + keywords)})"
    return f"{owner}: {call}" if owner else call


def argument(a: Any, names: dict[int, str]) -> str:
    if id(a) in names:
        return names[id(a)]
    if isinstance(a, np.ndarray) and a.size != 1:
        return f"array{a.shape}"
    if isinstance(a, slice):
        parts = [a.start, a.stop] if a.step is None else [a.start, a.stop, a.step]
        return ":".join("" if part is None else str(part) for part in parts)
    if isinstance(a, tuple):
        return f"({', '.join(argument(part, names) for part in a)})"
    text = f"{float(a.item()):.4g}" if isinstance(a, np.ndarray) else repr(a)
    return text if len(text) <= 20 else f"{text[:19]}…"


# --- Text -------------------------------------------------------------------------------------------------------------


def row(left: str, use: str, shape: Any, share: str, total: str, size: str) -> str:
    left = f"{shortened(left, 48):<48} {use:<11}" if use else f"{shortened(left, 60):<60}"
    return f"{left} {shape!s:<15} {share:<15} {total:<15} {size}".rstrip()


def lines_of(step: Step) -> Iterator[str]:
    """A line for a call, and one for each of its arguments that wants a gradient."""
    left = f"{step.number:>3}  {step.name} = {step.call}"
    yield row(left, step.source, step.tensor.shape, "", short(step.g), f"{norm(step.g):.4g}")
    for s in step.shares:
        use = f"use {s.use} of {s.uses}" if s.uses > 1 else ""
        share = short(s.share) or f"norm {norm(s.share):.4g}"
        left = f"       ∂{s.name} += {s.rule}{', summed' * s.summed}"
        yield row(left, use, s.to.shape, share, short(s.total), f"{norm(s.total):.4g}")


def shortened(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def short(a: Any) -> str:
    """The numbers of a small array, otherwise nothing."""
    if type(a) is RowSparse or a.size > 4:
        return ""
    text = np.array2string(np.asarray(a), formatter={"float_kind": lambda v: f"{v:.4g}"}).replace("\n", "")
    return text if len(text) <= 15 else ""


def norm(a: Any) -> float:
    """Euclidean norm."""
    return float(np.linalg.norm((a.coalesce().values if type(a) is RowSparse else a).ravel()))


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


def note(hidden: Sequence[Step], period: int) -> str:
    """What stands for the hidden steps of a block."""
    many = "call" if period == 1 else f"{period} calls"
    return f"     … the last {many} {len(hidden) // period} times more, up to {hidden[-1].number}"


# --- Mermaid ----------------------------------------------------------------------------------------------------------


def flowchart(e: Explanation) -> Iterator[str]:
    node: dict[Tensor, str] = {}
    yield "flowchart TD"
    for k, (shown, hidden, period) in enumerate(folded(e.steps)):
        for step in shown:
            node[step.tensor] = f"n{step.number}"
            yield f'  n{step.number}["{quoted(f"{step.name} = {step.call}")}<br/>{step.tensor.shape}"]'
        if hidden:
            node |= {step.tensor: f"more{k}" for step in hidden}
            yield f'  more{k}[["{quoted(note(hidden, period).strip())}"]]'
    for k, (leaf, g) in enumerate(e.gradients.items()):
        node[leaf] = f"leaf{k}"
        yield f'  leaf{k}(["{quoted(e.names[id(leaf)])} {leaf.shape}<br/>norm {norm(g):.4g}"])'
    arrows: dict[str, None] = {}
    for step in e.steps:
        for s in step.shares:
            start, end = node[step.tensor], node[s.to]
            use = f"<br/>use {s.use} of {s.uses}" if s.uses > 1 else ""
            if "more" in start + end:
                arrows |= {f"  {start} --> {end}": None} if start != end else {}
            else:
                arrows[f'  {start} -->|"{quoted(s.rule)}{use}"| {end}'] = None
    yield from arrows


def quoted(text: str) -> str:
    """Text that Mermaid takes as it is."""
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")

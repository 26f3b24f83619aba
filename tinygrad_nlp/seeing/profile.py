"""profile(): what each function of the table costs in a forward and backward pass, in time and in memory.

A Tensor remembers its calls, so each can be made again by itself, with a clock running. Nothing is measured while a
program runs, and nothing is slower for it.
"""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

from ..calculus.listing import full_name
from ..core import notebook, refusals
from ..core.sparse import settled
from ..engine import Tensor, history, seed
from .notation import row_of
from .summary import aligned

HEADS = ("row of the table", "calls", "forward ms", "backward ms", "share", "kept kB", "peak forward", "peak backward")
ADDING = "(adding up shares)"


class Cost(NamedTuple):
    """What all calls of one function cost: seconds of both passes, and bytes.

    `kept` is what the forward pass leaves for the backward pass: results and what a derivative has saved. A peak is the
    most that one call needed, at once and beside what was there before it."""

    name: str
    calls: int
    forward: float
    backward: float
    kept: int
    peak_forward: int
    peak_backward: int

    @property
    def seconds(self) -> float:
        """Of both passes."""
        return self.forward + self.backward

    def plus(self, other: Cost) -> Cost:
        """Both together."""
        return Cost(
            self.name,
            self.calls + other.calls,
            self.forward + other.forward,
            self.backward + other.backward,
            self.kept + other.kept,
            max(self.peak_forward, other.peak_forward),
            max(self.peak_backward, other.peak_backward),
        )


class Profile(notebook.Printed):
    """What profile() returns: print it, or look at `rows`, the most expensive first."""

    def __init__(self, rows: list[Cost]) -> None:
        self.rows = sorted(rows, key=lambda row: -row.seconds)

    def text(self) -> str:
        """What print() shows."""
        return "\n".join([self.total(), *aligned([HEADS, *self.cells()], left=1)])

    __repr__ = text

    def total(self) -> str:
        """The first line."""
        ours = [row for row in self.rows if row.name != ADDING]
        forward, backward = sum(row.forward for row in self.rows), sum(row.backward for row in self.rows)
        kept, calls = sum(row.kept for row in ours), sum(row.calls for row in ours)
        times = f"forward {1e3 * forward:.3f} ms, backward {1e3 * backward:.3f} ms"
        return f"profile: {calls} calls, {times}, {kept / 1e3:,.1f} kB kept between them"

    def cells(self) -> list[tuple[str, ...]]:
        """The table, a line for each function."""
        total = sum(row.seconds for row in self.rows) or 1.0
        return [
            (
                row.name,
                str(row.calls),
                f"{1e3 * row.forward:.3f}",
                f"{1e3 * row.backward:.3f}",
                f"{row.seconds / total:.0%}",
                *(f"{size / 1e3:,.1f}" for size in row[4:]),
            )
            for row in self.rows
        ]

    def _repr_html_(self) -> str:
        return notebook.block(notebook.line(self.total()), notebook.table(HEADS, self.cells()))


def profile(y: Tensor, g: Any = None, repeat: int = 5) -> Profile:
    """What each function of the table costs in the forward pass that made y and in its backward pass. Print it.

    Each call behind y is made again by itself, and its derivatives are taken: `repeat` times for the time, of which the
    shortest counts, and once for the memory. It sees what the engine does for a call as well as NumPy, but nothing
    between two calls. g is as in gradients(). Neither y nor any .grad changes. Raises what gradients() raises.

    >>> x = Tensor([[1.0, 2.0]])
    >>> for row in sorted(profile((x * x + x).sum()).rows):
    ...     print(row.name, row.calls)
    (adding up shares) 2
    add 1
    multiply 1
    sum 1
    """
    refusals.checked(Tensor, y, None)
    found: dict[Tensor, Any] = {y: seed(y, g, False)}
    costs: dict[str, Cost] = {}

    def note(cost: Cost) -> None:
        costs[cost.name] = costs[cost.name].plus(cost) if cost.name in costs else cost

    for t in history(y):
        g = settled(found.pop(t), t)
        if t.fn is None:
            continue
        again = Again(t, g)
        peak_forward, kept = measured(again.forward)[1:]
        again.give_saved()
        shares, peak_backward, _ = measured(again.backward)
        seconds_forward = seconds_backward = math.inf
        for _ in range(repeat):
            seconds_forward = min(seconds_forward, timed(again.forward))
            again.give_saved()
            seconds_backward = min(seconds_backward, timed(again.backward))
        again.give_saved()
        note(Cost(full_name(t.fn), 1, seconds_forward, seconds_backward, kept, peak_forward, peak_backward))
        for a, share in shares:
            if a in found:

                def add(a: Tensor = a, share: Any = share) -> Any:
                    return found[a] + share

                seconds = min(timed(add) for _ in range(repeat))
                found[a], peak, _ = measured(add)
                note(Cost(ADDING, 1, 0.0, seconds, 0, 0, peak))
            else:
                found[a] = share
        del shares
    return Profile(list(costs.values()))


class Again:
    """The call that made t, to be made again, and its derivatives for the gradient g."""

    def __init__(self, t: Tensor, g: Any) -> None:
        self.t, self.g, self.row = t, g, row_of(t)

    def forward(self) -> Any:
        return self.row.of_tensors(self.t.args, self.t.kwargs)

    def backward(self) -> Any:
        return list(self.row.shares(self.t, self.g, False))

    def give_saved(self) -> None:
        """A derivative may work in what the call has saved for it: give it that of a new call."""
        if self.t.saved is not None:
            self.t.saved = self.forward().saved


def timed(f: Callable[[], Any]) -> float:
    """How many seconds f() takes."""
    began = time.perf_counter()
    f()
    return time.perf_counter() - began


def measured(f: Callable[[], Any]) -> tuple[Any, int, int]:
    """What f() gives, and the bytes that it takes at most and that it keeps."""
    on = tracemalloc.is_tracing()
    if not on:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        made = f()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        if not on:
            tracemalloc.stop()
    return made, peak - before, after - before

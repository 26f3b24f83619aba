"""A backward pass as text: a line for each call and for each share, loops shown once."""
# tested in tests/seeing/test_explain.py

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..core.sparse import RowSparse
from .events import BackwardPass, Step, folded, norm

SCREEN = 48  # lines


def text(e: BackwardPass, everything: bool = False) -> str:
    """A line for each call and for each share. Loops are shown once and it fits a screen, unless everything."""
    lines = []
    for shown, hidden, period in [(e.steps, (), 0)] if everything else folded(e.steps):
        lines += [line for step in shown for line in lines_of(step)]
        lines += [note(hidden, period)] if hidden else []
    if len(lines) > SCREEN and not everything:
        cut = f"     … {len(lines) - SCREEN} more lines: .text(everything=True), or .html(path)"
        lines = [*lines[: SCREEN // 2], cut, *lines[-SCREEN // 2 :]]
    heading = row("     call, and what its arguments get", "", "shape", "contribution", "sum so far", "norm")
    value = f"= {e.y.item():.6g}" if e.y.size == 1 else f"of shape {e.y.shape}"
    many = f"{len(e.steps)} call{'' if len(e.steps) == 1 else 's'}, newest first"
    return "\n".join([f"backward pass of {e.names[id(e.y)]} {value}: {many}", heading, *lines])


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


def short(a: Any, width: int = 15) -> str:
    """The numbers of a small array, if they fit the width, otherwise nothing."""
    if type(a) is RowSparse or a.size > 4:
        return ""
    text = np.array2string(np.asarray(a), formatter={"float_kind": lambda v: f"{v:.4g}"}).replace("\n", "")
    return text if len(text) <= width else ""


def note(hidden: Sequence[Step], period: int) -> str:
    """What stands for the hidden steps of a block."""
    many = "call" if period == 1 else f"{period} calls"
    return f"     … the last {many} {len(hidden) // period} times more, up to {hidden[-1].number}"


def brief(a: Any) -> str:
    """The numbers of a small array; of a larger one its shape and norm."""
    return short(a, 60) or f"{a.shape}, norm {norm(a):.4g}"

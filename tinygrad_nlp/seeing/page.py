"""The page behind explain(y).html(): what there is to show, as JSON, beside a ledger that needs no script.

web/page.html, page.css, layout.js and page.js become one file, which loads nothing from anywhere.
"""

from __future__ import annotations

import base64
import importlib.resources
import inspect
import json
import math
import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import numpy as np

from ..core.sparse import RowSparse
from ..engine import Tensor
from .events import BackwardPass, Read, Share, Step, folded, norm
from .notation import argument
from .nudge import curves, label
from .reading import source_code
from .text import brief, shortened

COLUMNS = 8  # of an array that is shown as numbers
SIZE = 1_950_000  # bytes of a page, where arrays can be drawn coarsely enough
DETAIL = [(64, (24, 48)), (32, (12, 24)), (16, (8, 12)), (6, (4, 8)), (1, (2, 4))]  # numbers, else cells of a heat map


def page(e: BackwardPass) -> str:
    """The whole page: no file, script or font is loaded from anywhere."""
    nudges = [
        {"name": label(c), "slope": number(c.slope, 7), "at": numbers(c.at, 7), "loss": numbers(c.loss, 7)}
        for c in curves(e)
    ]
    parts = {
        "title": escape(heading(e)),
        "ledger": "\n".join(ledger(e)),
        **{name: resource(name) for name in ("page.css", "layout.js", "page.js", "graph.js", "card.js")},
    }
    size = sum(len(part.encode()) for part in parts.values())
    for detail in DETAIL:  # the finest that fits
        data = json.dumps(Data(e, *detail).everything() | {"nudges": nudges}, ensure_ascii=False, allow_nan=False)
        if size + len(data.encode()) <= SIZE:
            break
    parts["data"] = data.replace("<", "\\u003c")
    return re.sub(r"\{\{([\w.]+)\}\}", lambda m: parts[m[1]], resource("page.html"))


def resource(name: str) -> str:
    return importlib.resources.files(__package__).joinpath("web", name).read_text(encoding="utf-8")


def heading(e: BackwardPass) -> str:
    return f"{e.names[id(e.y)]} = {brief(e.y.data)}"


class Data:
    """What the page's script draws: nodes, calls, shares, folds, and the arrays that they mention, each once."""

    def __init__(self, e: BackwardPass, few: int, cells: tuple[int, int]) -> None:
        self.e, self.few, self.cells = e, few, cells
        self.pictures: list[Any] = []
        self.places: dict[int, int] = {}  # of an array, by id
        self.held: list[Any] = []  # the arrays themselves: an id may be given to another one when its owner is gone
        self.nodes: list[dict[str, Any]] = []
        self.node_of: dict[int, int] = {}  # of a Tensor or a constant, by id
        self.rules: dict[tuple[str, str], int] = {}  # source code and what it says of itself, with its place

    def everything(self) -> dict[str, Any]:
        """All of it, as JSON has it; calls oldest first, shares in the order in which they were added."""
        calls = [self.call(step) for step in reversed(self.e.steps)]
        y = self.node(self.e.y)
        one = self.e.steps[0].g if self.e.steps else np.ones(self.e.y.shape)
        shares = [self.share(step, s) for step in self.e.steps for s in step.shares]
        blocks = [
            {"shown": [self.node(s.tensor) for s in shown[-period:]], "hidden": [self.node(s.tensor) for s in hidden]}
            | {"period": period, "rounds": len(hidden) // period}
            for shown, hidden, period in folded(self.e.steps)
            if hidden
        ]
        found = {"title": heading(self.e), "y": y, "seed": self.picture(one), "calls": calls, "shares": shares}
        found |= {"folds": blocks, "leaves": [self.node(x) for x in self.e.gradients]}
        return found | {
            "nodes": self.nodes,
            "rules": [{"code": code, "says": says} for code, says in self.rules],
            "pictures": self.pictures,
        }

    def node(self, a: Any) -> int:
        """The place of a Tensor or of a constant array among the nodes."""
        if id(a) not in self.node_of:
            self.node_of[id(a)] = len(self.nodes)
            name = argument(a, self.e.names)
            kind = "constant"
            if type(a) is Tensor:
                kind = "leaf" if a.fn is None else "call"
            self.nodes.append({"kind": kind, "name": name, "value": self.picture(self.e.value(a))})
        return self.node_of[id(a)]

    def call(self, step: Step) -> dict[str, Any]:
        """A call, with the nodes of its arguments; numbers, axes and the like stand in its text alone."""
        inputs = [[i, self.node(a)] for i, a in enumerate(step.tensor.args) if seen(a)]
        made = self.node(step.tensor)
        self.nodes[made] |= {"text": step.call} | ({"source": step.source} if step.source else {})
        return {"node": made, "inputs": inputs}

    def share(self, step: Step, s: Share) -> dict[str, Any]:
        found: dict[str, Any] = {"call": self.node(step.tensor), "to": self.node(s.to), "arg": s.argument}
        found |= {
            "rule": s.rule,
            "use": [s.use, s.uses],
            "share": self.picture(s.share),
            "total": self.picture(s.total),
        }
        code = source_code(s.function)
        found["code"] = self.rules.setdefault((code, inspect.getdoc(s.function) or ""), len(self.rules))
        found["reads"] = [self.read(r) for r in s.reads]
        if s.before is not None:
            found["before"] = self.picture(s.before)
        return found | ({"summed": True} if s.summed else {})

    def read(self, r: Read) -> list[Any]:
        """A symbol, what it stands for, and its array, or text for what is no array or read for its shape alone."""
        if r.shape_only and hasattr(r.value, "shape"):
            return [r.symbol, r.label, f"only its shape, {r.value.shape}"]
        if isinstance(r.value, (np.ndarray, RowSparse, float, np.number)):
            return [r.symbol, r.label, self.picture(r.value)]
        return [r.symbol, r.label, shortened(str(r.value), 60)]

    def picture(self, a: Any) -> int:
        """The place of an array among the pictures."""
        if id(a) not in self.places:
            self.places[id(a)] = len(self.pictures)
            self.held.append(a)
            self.pictures.append(picture(a, self.few, self.cells))
        return self.places[id(a)]


def seen(a: Any) -> bool:
    """Whether an argument is a node of the graph: a Tensor, or a constant array of more than one number."""
    return type(a) is Tensor or (isinstance(a, np.ndarray) and a.size != 1)


def picture(a: Any, few: int, cells: tuple[int, int]) -> dict[str, Any]:
    """An array as rows of numbers, up to this many of them; a larger one as a heat map of up to (rows, columns) cells.

    A cell is a byte, -127 to 127 for the largest magnitude; -128 stands for what is not finite.
    """
    about = {"shape": str(np.shape(a)), "norm": f"{norm(a):.4g}"}
    if type(a) is RowSparse:
        a = a.coalesce()
        about["shape"] += f", {len(a.rows)} rows not 0"
        a = a.values
    a = np.asarray(a)
    rows = a.reshape(math.prod(a.shape[:-1]), a.shape[-1]) if a.ndim else a.reshape(1, 1)
    if not rows.size or (rows.size <= few and rows.shape[-1] <= COLUMNS):
        return {**about, "rows": [numbers(row) for row in rows.tolist()]}
    rows = coarse(rows.astype(float), cells)
    most = float(np.max(np.abs(rows), where=np.isfinite(rows), initial=0))
    with np.errstate(invalid="ignore"):
        scaled = np.where(np.isfinite(rows), np.rint(rows / (most or 1) * 127), -128).astype(np.int8)
    drawn = {"columns": scaled.shape[1], "cells": base64.b64encode(scaled.tobytes()).decode()}
    return {**about, "most": number(most), **drawn}


def coarse(a: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    """At most this many of a matrix's rows and columns: of each block the number of largest magnitude."""
    for axis, most in enumerate(cells):
        if a.shape[axis] > most:
            starts = np.linspace(0, a.shape[axis], most, endpoint=False).astype(int)
            high, low = np.maximum.reduceat(a, starts, axis), np.minimum.reduceat(a, starts, axis)
            a = np.where(high >= -low, high, low)
    return a


def number(v: float, digits: int = 4) -> Any:
    """A number as JSON has it, rounded; NaN and infinities as text."""
    return float(f"{v:.{digits}g}") if math.isfinite(v) else str(v)


def numbers(row: Sequence[float], digits: int = 4) -> list[Any]:
    return [number(v, digits) for v in row]


def ledger(e: BackwardPass) -> Iterator[str]:
    """Both passes as tables, for a reader without scripts, a printer, a search."""

    def line(*cells: Any, kind: str = "") -> str:
        return f"<tr{kind}>" + "".join(f"<td>{escape(str(cell))}" for cell in cells)

    def table(caption: str, *heads: str) -> str:
        return f"<table><caption>{caption}</caption><thead><tr>{''.join(f'<th scope=col>{h}' for h in heads)}<tbody>"

    yield table("Forward pass: each call and its value", "", "call", "shape", "value")
    for x in e.gradients:
        yield line("", e.names[id(x)], x.shape, brief(e.value(x)))
    for k, step in enumerate(reversed(e.steps)):
        call = f"{step.name} = {step.call}"
        yield line(k + 1, call, step.tensor.shape, brief(step.tensor.data))
    yield "</table>"
    yield table("Backward pass: each share of a gradient", "", "rule", "use", "share", "sum so far")
    for step in e.steps:
        yield line(step.number, f"{step.name} = {step.call}", "", "", brief(step.g), kind=" class=call")
        for s in step.shares:
            rule = f"∂{s.name} += {s.rule}" + ", summed over the stretched axes" * s.summed
            yield line("", rule, f"{s.use} of {s.uses}", brief(s.share), brief(s.total))
    yield "</table>"
    yield table("The gradients", "leaf", "shape", "gradient")
    yield from (line(e.names[id(x)], x.shape, brief(g)) for x, g in e.gradients.items())
    yield "</table>"

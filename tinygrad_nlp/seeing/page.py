"""The page behind explain(y).html(): what there is to show, as JSON, put into page.html, which draws it."""
# tested in tests/seeing/test_explain.py

from __future__ import annotations

import importlib.resources
import inspect
import json
import math
import textwrap
from typing import Any

import numpy as np

from ..core.sparse import RowSparse
from .events import BackwardPass, Share, folded, norm
from .text import note

NUMBERS, COLUMNS = 64, 8  # up to so many, in rows no longer than this, are shown as numbers; more as a heat map
CELLS = 24, 48  # of which each cell is the number of largest magnitude that falls into it


def page(e: BackwardPass) -> str:
    """The whole page: no file, script or font is loaded from anywhere."""
    pictures: list[dict[str, Any]] = []
    places: dict[int, int] = {}

    def add(a: Any) -> int:
        if id(a) not in places:
            places[id(a)] = len(pictures)
            pictures.append(picture(a))
        return places[id(a)]

    def slide(call: int, s: Share) -> dict[str, Any]:
        seen = {
            "reads": [[symbol, label, add(a)] for symbol, label, a in s.reads],
            "share": add(s.share),
            "total": add(s.total),
        }
        seen["before"] = None if s.before is None else add(s.before)
        return {
            "call": call,
            "to": s.name,
            "rule": s.rule,
            "code": code(s.function),
            "summed": s.summed,
            "use": [s.use, s.uses],
            **seen,
        }

    calls: list[dict[str, Any]] = []
    slides: list[dict[str, Any]] = []
    for shown, hidden, period in folded(e.steps):
        for step in shown:
            slides += [slide(len(calls), s) for s in step.shares]
            calls.append({"text": f"{step.name} = {step.call}", "name": step.name, "shape": str(step.tensor.shape)})
            calls[-1]["source"] = step.source
        if hidden:
            calls.append({"note": note(hidden, period).strip()})
    leaves = [e.names[id(x)] for x in e.gradients]
    data = {"title": e.names[id(e.y)], "calls": calls, "slides": slides, "leaves": leaves, "pictures": pictures}
    text = json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    template = importlib.resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    return template.replace("{{data}}", text)


def code(function: Any) -> str:
    """The source of a rule that is a named function; nothing for a lambda, which is shown itself."""
    try:
        return "" if function.__name__ == "<lambda>" else textwrap.dedent(inspect.getsource(function))
    except OSError:  # typed into a console
        return ""


def picture(a: Any) -> dict[str, Any]:
    """An array as rows of numbers: its own where they are few, else a heat map's."""
    about = {"shape": str(a.shape), "norm": f"{norm(a):.4g}"}
    if type(a) is RowSparse:
        a = a.coalesce()
        about["shape"] += f", {len(a.rows)} rows not 0"
        a = a.values
    a = np.asarray(a)
    rows = a.reshape(-1, a.shape[-1]) if a.ndim else a.reshape(1, 1)
    few = rows.size <= NUMBERS and rows.shape[-1] <= COLUMNS
    if not few:
        rows = coarse(rows)
    return {**about, "few": few, "rows": [[number(v) for v in row] for row in rows.tolist()]}


def coarse(a: np.ndarray) -> np.ndarray:
    """At most CELLS of a matrix's numbers: of each block the one of largest magnitude."""
    for axis, most in enumerate(CELLS):
        if a.shape[axis] > most:
            starts = np.linspace(0, a.shape[axis], most, endpoint=False).astype(int)
            high, low = np.maximum.reduceat(a, starts, axis), np.minimum.reduceat(a, starts, axis)
            a = np.where(high >= -low, high, low)
    return a


def number(v: Any) -> Any:
    """A number as JSON has it; NaN and infinities as text."""
    return v if math.isfinite(v) and float(f"{v:.4g}") == v else float(f"{v:.4g}") if math.isfinite(v) else str(v)

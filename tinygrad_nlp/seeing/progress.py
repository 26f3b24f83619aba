"""How far a run is: a bar in a terminal, in a notebook an output with the curves of what is logged."""
# tested in tests/core/test_notebook.py

from __future__ import annotations

import math
import sys
import time
from typing import Any

from ..core import notebook
from ..files import say


def progress(name: str, done: int, n: int, quiet: bool) -> Any:
    """A bar of tqdm on a terminal, a line now and then where tqdm is not installed, in a notebook an output that is
    drawn again; nothing where nobody looks."""
    if not quiet and (display := in_notebook()) is not None:
        return Cell(name, done, n, display)
    if quiet or not sys.stderr.isatty():
        return Lines(name, done, n, seconds=math.inf)
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return Lines(name, done, n, seconds=5.0)
    return tqdm(desc=name, initial=done, total=n, dynamic_ncols=True)


class Lines:
    """Progress as plain lines, one every few seconds, with the methods of a tqdm bar."""

    def __init__(self, name: str, done: int, n: int, seconds: float) -> None:
        self.name, self.done, self.n, self.seconds = name, done, n, seconds
        self.values: dict[str, Any] = {}
        self.said = time.monotonic()

    def update(self) -> None:
        self.done += 1
        if time.monotonic() - self.said >= self.seconds:
            self.said = time.monotonic()
            values = "".join(f"  {key} {value:.4g}" for key, value in self.values.items() if isinstance(value, float))
            say(f"{self.name} {self.done:,}/{self.n:,}{values}")

    def set_postfix(self, values: dict[str, Any], refresh: bool) -> None:
        self.values = values

    def close(self) -> None:
        pass


def in_notebook() -> Any:
    """IPython's display function if this is a notebook's process, else None."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is None:
        return None
    from IPython.display import display

    return display


class Cell(notebook.Shown):
    """Progress as a notebook's output, drawn again twice a second, with the methods of a tqdm bar."""

    def __init__(self, name: str, done: int, n: int, display: Any) -> None:
        self.name, self.done, self.n, self.first = name, done, n, done
        self.values: dict[str, Any] = {}
        self.curves: dict[str, list[float]] = {}
        self.began = self.shown = time.monotonic()
        self.handle = display(self, display_id=True)

    def update(self) -> None:
        self.done += 1
        if time.monotonic() - self.shown >= 0.5:
            self.shown = time.monotonic()
            self.handle.update(self)

    def set_postfix(self, values: dict[str, Any], refresh: bool) -> None:
        self.values = values
        for key, value in values.items():
            if isinstance(value, float):
                self.curves.setdefault(key, []).append(value)

    def close(self) -> None:
        self.handle.update(self)

    def __str__(self) -> str:
        values = "".join(f"  {key} {value:.4g}" for key, value in self.values.items() if isinstance(value, float))
        return f"{self.name} {self.done:,}/{self.n:,}{values}"

    def _repr_html_(self) -> str:
        part = self.done / max(self.n, 1)
        inside = f'<div style="width: {100 * part:.1f}%; height: 8px; background: {notebook.FULL}"></div>'
        bar = f'<div style="max-width: 360px; margin: 4px 0; background: rgba(128, 128, 128, .25)">{inside}</div>'
        rate = (self.done - self.first) / max(time.monotonic() - self.began, 1e-9)
        left = "" if self.done >= self.n or not rate else f", {(self.n - self.done) / rate:,.0f} s to go"
        parts = [notebook.line(f"{self.name}: step {self.done:,} of {self.n:,}, {rate:,.1f} steps a second{left}"), bar]
        for key, values in self.curves.items():
            parts.append(notebook.line(f"{key} {values[-1]:.4g}"))
            parts.append(notebook.curve(thinned(values), f"{key} over {len(values)} logs, now {values[-1]:.4g}"))
        return notebook.block(*parts)


def thinned(values: list[float], most: int = 200) -> list[float]:
    """At most this many of a list's numbers, evenly spread, with the last."""
    step = -(-len(values) // most)
    return values[::-1][::step][::-1]

"""How results show themselves in a notebook: HTML that brings its own style, in attributes, and touches nothing else.

There is no style sheet, script or id in it, so outputs cannot disturb each other or the notebook's own looks. Colours
are translucent or the reader's own, so they suit a dark theme too. A page with scripts stands in a frame of its own.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np

from ..console import tolerant_output

ROWS, COLUMNS = 12, 10  # of an array that is shown as numbers; of a larger one the first and the last half of these
MONO = "font: 13px/1.5 ui-monospace, Menlo, Consolas, monospace; color: inherit"
FULL = "rgba(30, 150, 90, .8)"
GOOD, BAD = "rgba(30, 150, 90, .18)", "rgba(215, 60, 50, .2)"
PLUS, MINUS, STRANGE = (205, 78, 44), (38, 104, 190), (160, 60, 200)  # above 0, below 0, not finite


class Shown:
    """A result that a notebook shows as its `_repr_html_()`, and a terminal as its str()."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        raise NotImplementedError

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}


class Printed(Shown):
    """A result that is made to be printed, as its text(); a character that standard output lacks is printed as ?."""

    def __str__(self) -> str:
        tolerant_output()  # most likely it is printed next
        return self.text()

    def text(self) -> str:
        """What print() shows."""
        raise NotImplementedError


def framed(page: str, title: str, height: int = 760) -> str:
    """A page of its own inside the notebook's: its scripts run, but see nothing of what is outside."""
    style = f"width: 100%; height: {height}px; border: 1px solid rgba(128, 128, 128, .4); resize: vertical"
    return f'<iframe sandbox="allow-scripts" title="{escape(title)}" style="{style}" srcdoc="{escape(page)}"></iframe>'


def block(*parts: str) -> str:
    """Parts below each other."""
    return f'<div style="{MONO}; text-align: left; overflow-x: auto">{"".join(parts)}</div>'


def line(text: str, colour: str = "") -> str:
    """A line of text, on a colour if there is one to see."""
    style = f"background: {colour}; padding: 2px 8px; border-radius: 4px" if colour else "padding: 2px 0"
    return f'<div style="{style}; margin: 2px 0; white-space: pre-wrap">{escape(text)}</div>'


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]], colours: Iterable[str] | None = None) -> str:
    """A table of texts; a colour for each row."""
    cell = (
        "padding: 2px 10px; text-align: left; border: 0; vertical-align: top; background: transparent; color: inherit"
    )
    parts = [f'<th scope="col" style="{cell}; font-weight: 600">{escape(head)}</th>' for head in heads]
    lines = [f'<tr style="background: transparent">{"".join(parts)}</tr>']
    rows = list(rows)
    for row, colour in zip(rows, colours or ["transparent"] * len(rows), strict=True):
        parts = [f'<td style="{cell}">{escape(str(part))}</td>' for part in row]
        lines.append(f'<tr style="background: {colour}">{"".join(parts)}</tr>')
    return f'<table style="{MONO}; border-collapse: collapse; margin: 4px 0">{"".join(lines)}</table>'


def report(heading: str, right: bool, arguments: Iterable[Any], problems: Iterable[str]) -> str:
    """What gradcheck() found: a line for each argument, on red where its gradient is wrong."""
    heads = ("argument", "shape", "", "worst at", "given", "numeric", "")
    rows, colours = [], []
    for a in arguments:
        at = ("", "", "") if a.index is None else (a.index, f"{a.given:.8g}", f"{a.numeric:.8g}")
        notes = (a.diagnosis, a.checked, f"{len(a.kinks)} at a kink" if a.kinks else "")
        rows.append((a.name, a.shape, "right" if a.right else "WRONG", *at, "; ".join(filter(None, notes))))
        colours.append("transparent" if a.right else BAD)
    said = [line(f"problem: {what}", BAD) for what in problems]
    return block(line(heading, GOOD if right else BAD), table(heads, rows, colours), *said)


def numbers(a: Any) -> str:
    """An array as a table of numbers, red above 0, blue below, stronger with size; of a large one the edges."""
    a = np.asarray(a)
    rows = a.reshape(math.prod(a.shape[:-1]), a.shape[-1]) if a.ndim else a.reshape(1, 1)
    finite = np.abs(rows[np.isfinite(rows)])
    most = float(finite.max()) if finite.size else 1.0
    cell = "padding: 1px 7px; text-align: right; border: 1px solid rgba(128, 128, 128, .25); color: inherit"
    down, across = kept(rows.shape[0], ROWS), kept(rows.shape[1], COLUMNS)
    lines = []
    for i in down:
        parts = []
        for j in across:
            number = "…" if j < 0 else f"{rows[i, j]:.4g}".replace("-", "−")
            text = "⋮" if i < 0 else number
            colour = "transparent" if i < 0 or j < 0 else tint(float(rows[i, j]), most)
            parts.append(f'<td style="{cell}; background: {colour}">{text}</td>')
        lines.append(f'<tr style="background: transparent">{"".join(parts)}</tr>')
    return f'<table style="{MONO}; border-collapse: collapse; margin: 4px 0">{"".join(lines)}</table>'


def kept(n: int, most: int) -> list[int]:
    """The places that are shown of n; -1 stands for those that are left out."""
    return list(range(n)) if n <= most else [*range(most // 2), -1, *range(n - most // 2, n)]


def tint(v: float, most: float) -> str:
    """The colour of a number."""
    if not np.isfinite(v):
        return f"rgba{(*STRANGE, 0.6)}"
    return f"rgba{(*(MINUS if v < 0 else PLUS), round(0.7 * abs(v) / (most or 1), 3))}"


def picture(pixels: np.ndarray, about: str, width: int) -> str:
    """An image (H, W, 4) of bytes, red, green, blue and opacity, as wide as this many pixels of the screen."""
    style = f"width: {width}px; max-width: 100%; image-rendering: pixelated; border: 1px solid rgba(128, 128, 128, .4)"
    code = base64.b64encode(png(pixels)).decode()
    return f'<img alt="{escape(about)}" style="{style}" src="data:image/png;base64,{code}">'


def png(pixels: np.ndarray) -> bytes:
    """The file that pixels (H, W, 4) make (W3C, "Portable Network Graphics", 2003)."""
    height, width, _ = pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)  # eight bits, with opacity
    lines = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(pixels, np.uint8))  # \0: no filter
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts)


def curve(values: Sequence[float], about: str, width: int = 360, height: int = 60) -> str:
    """Numbers as a line, from left to right."""
    a = np.asarray(values, float)
    keep = np.isfinite(a)
    low, high = (float(a[keep].min()), float(a[keep].max())) if keep.any() else (0.0, 1.0)
    x = np.arange(len(a)) * width / max(len(a) - 1, 1)
    y = height - 2 - (a - low) / ((high - low) or 1) * (height - 4)
    points = " ".join(f"{u:.1f},{v:.1f}" for u, v, ok in zip(x, y, keep, strict=True) if ok)
    stroke = 'fill="none" stroke="currentColor" stroke-width="1.5"'
    return (
        f'<svg role="img" aria-label="{escape(about)}" width="{width}" height="{height}" style="display: block">'
        f'<polyline points="{points}" {stroke}></polyline></svg>'
    )

"""The pictures of the explanation pages, drawn when the site is built: a backward pass as explain() has it, and the
ratios of README's table of speed. They are SVG that stands in the page, so that they take its colours."""

from __future__ import annotations

import math
import re
import sys
from html import escape
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tinygrad_nlp import Tensor, explain  # noqa: E402 (found on the path above)

FORWARD, BACKWARD = "#6b7280", "#c2410c"
LEAVES, CALLS = 80, 390  # the middle of both columns
HIGH, BOX = 116, 140  # of a row, of a box


def svg(width: float, height: float, about: str, parts: list[str]) -> str:
    """A picture that shrinks with its page, down to a size that can be read; narrower pages scroll."""
    style = f"width: 100%; min-width: {min(width, 540):.0f}px; max-width: {width:.0f}px; height: auto"
    font = 'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13" fill="currentColor"'
    picture = (
        f'<svg role="img" aria-label="{escape(about)}" viewBox="0 0 {width:.0f} {height:.0f}" style="{style}" {font}>'
    )
    return f'<div style="overflow-x: auto">\n{picture}\n{chr(10).join(parts)}\n</svg>\n</div>\n'


def text(x: float, y: float, words: str, colour: str = "currentColor", anchor: str = "middle", size: int = 13) -> str:
    style = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}"'
    return f"<text {style}>{escape(words)}</text>"


def arrow(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    """A line with a head at its second end."""
    length = math.hypot(x2 - x1, y2 - y1)
    u, v = (x2 - x1) / length, (y2 - y1) / length
    ends = ((x2 - 8 * u - 4 * v, y2 - 8 * v + 4 * u), (x2 - 8 * u + 4 * v, y2 - 8 * v - 4 * u))
    head = " ".join(f"{a:.1f},{b:.1f}" for a, b in ((x2, y2), *ends))
    line = f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="1.5"/>'
    return f'{line}<polygon points="{head}" fill="{colour}"/>'


def box(x: float, y: float, lines: list[str], leaf: bool) -> str:
    """A node with its middle at (x, y): what it is, its shape, its gradient."""
    shape = f'x="{x - BOX / 2:.1f}" y="{y - 34:.1f}" width="{BOX}" height="68" rx="{34 if leaf else 6}"'
    frame = f'<rect {shape} fill="none" stroke="currentColor" stroke-width="{1 if leaf else 1.5}"/>'
    colours = ["currentColor", FORWARD, BACKWARD]
    words = [text(x, y - 12 + 19 * k, line, colours[k], size=13 if k == 0 else 12) for k, line in enumerate(lines)]
    return frame + "".join(words)


def backward_pass() -> str:
    """A small network: the calls from top to bottom, each share of a gradient on its way back, with real numbers."""
    rng = np.random.default_rng(0)
    x, W, b = rng.normal(size=(3, 2)), Tensor(rng.normal(size=(2, 2))), Tensor(np.zeros(2))
    loss = np.sum(np.tanh(x @ W + b))
    walk = explain(loss)
    calls = walk.steps[::-1]
    row = {step.name: k for k, step in enumerate(calls)}  # the calls are a chain
    parts = []
    for step in calls:
        y = 40.0 + HIGH * row[step.name]
        parts.append(
            box(CALLS, y, [f"{step.name} = {step.call}", f"{step.tensor.shape}", f"‖∂‖ = {size(step.g)}"], False)
        )
        for share in step.shares:
            rule = f"∂{share.name} += {share.rule}" + (", summed" if share.summed else "")
            if share.name in row:
                above, top = y - HIGH + 34, y - 34
                parts += [
                    arrow(CALLS - 10, above, CALLS - 10, top, FORWARD),
                    arrow(CALLS + 10, top, CALLS + 10, above, BACKWARD),
                ]
                parts.append(text(CALLS + 22, (above + top) / 2 + 4, rule, BACKWARD, "start"))
            else:
                total, right, left = walk.gradients[share.to], LEAVES + BOX / 2, CALLS - BOX / 2
                parts.append(box(LEAVES, y, [share.name, f"{share.to.shape}", f"‖∂‖ = {size(total)}"], True))
                parts += [arrow(right, y - 9, left, y - 9, FORWARD), arrow(left, y + 9, right, y + 9, BACKWARD)]
                parts.append(text((left + right) / 2, y + 32, rule, BACKWARD))
    about = (
        "The graph of sum(tanh(x W + b)): grey arrows are the forward pass, orange ones the shares of the backward pass"
    )
    return svg(600, HIGH * (len(calls) - 1) + 80, about, parts)


def size(g: object) -> str:
    return f"{np.linalg.norm(np.asarray(g)):.3g}"


def speed() -> str:
    """README's ratios to PyTorch as bars on a logarithmic scale, 1 in the middle."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("| step | PyTorch |")[2]
    rows = re.findall(r"^\| ([^|]+) \| ([\d.]+) \|", section.partition("\n\n")[0], re.M)
    assert len(rows) >= 8, "README's table of speed is not where it was"
    one, unit, parts = 270.0, 76.0, []
    for k, (what, ratio) in enumerate(rows):
        end, y = one + unit * math.log2(float(ratio)), 36 + 38 * k
        colour = "#15803d" if float(ratio) <= 1 else BACKWARD
        size_of_bar = f'x="{min(one, end):.1f}" y="{y + 7}" width="{max(abs(end - one), 1):.1f}" height="12"'
        what = what.replace("`", "")
        short = what if len(what) <= 50 else what[:49].rstrip(" ,(") + "…"
        beside = (end + 5, "start") if end >= one else (end - 5, "end")
        parts += [text(6, y, short, anchor="start", size=12), f'<rect {size_of_bar} fill="{colour}" opacity="0.75"/>']
        parts.append(text(beside[0], y + 17, ratio, anchor=beside[1], size=12))
        parts.append(f'<line x1="{one}" y1="{y + 4}" x2="{one}" y2="{y + 22}" stroke="currentColor"/>')
    parts += [text(one, 14, "PyTorch = 1", size=12), text(one - unit, 14, "half", FORWARD, size=12)]
    return svg(
        380, 36 + 38 * len(rows), "Our time for a training step over that of PyTorch, by the table in the README", parts
    )


def draw(folder: Path) -> None:
    """Write them all."""
    folder.mkdir(exist_ok=True)
    for picture in (backward_pass, speed):
        (folder / f"{picture.__name__}.html").write_text(picture(), encoding="utf-8")


if __name__ == "__main__":
    draw(Path(__file__).parent / "_pictures")

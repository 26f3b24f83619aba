"""The pictures that the benchmarks draw, with matplotlib (extra plot)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def picture(path: Path, panels: int, width: float, height: float, draw: Callable[[Sequence[Any]], None]) -> None:
    """Write a PNG with panels side by side, each width × height inches: draw() is given their axes."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("  no plot without the extra [plot]: pip install matplotlib")
        return
    figure = Figure(figsize=(width * panels, height), layout="constrained")  # without pyplot, so without a window
    draw(figure.subplots(1, panels, squeeze=False)[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    print(f"  {path}")

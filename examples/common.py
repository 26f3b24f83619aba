"""What every example shares: the command line, and one clear line instead of a traceback for bad input."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from tinygrad_nlp.console import Parser, exit_code
from tinygrad_nlp.files import replacing
from tinygrad_nlp.parallel import ranks, together


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return int(text)


def parser(doc: str, steps: int | None = None) -> Parser:
    """The options that all examples have; the first line of the script's docstring says what it does."""
    p = Parser(description=doc.strip().partition("\n")[0])
    p.add_argument("--data", help="folder with the corpora (default: $TINYGRAD_NLP_DATA, then cache, then download)")
    if steps is not None:
        said = f"{steps:,}" if steps else "the recipe's"
        p.add_argument("--steps", type=positive, default=steps, help=f"steps of training, or draws (default {said})")
    p.add_argument("--seed", type=int, default=0, help="seed of everything random (default 0)")
    p.add_argument("--out", type=Path, default=Path("out"), help="folder for results (default out)")
    p.add_argument("--smoke", action="store_true", help="a run of seconds that only shows that everything works")
    p.add_argument("--quiet", action="store_true", help="no progress")
    return p


def arguments(p: Parser) -> argparse.Namespace:
    """Parse the command line; the output folder exists and can be written to from here on."""
    args = p.parse_args()
    try:
        if ranks().rank == 0:  # under mpiexec the only one that writes
            args.out.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=args.out) as probe:
                probe.write(b"\0" * 4096)
    except OSError as error:
        p.error(f"cannot write to --out {args.out} ({error.strerror}): name another folder")
    return args


def curve(path: Path, points: list[tuple[float, float]], x: str, y: str) -> None:
    """Draw points as a line, if matplotlib is installed."""
    try:
        import matplotlib

        matplotlib.use("agg")
        from matplotlib import pyplot
    except ImportError:
        return
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    axes.plot(*zip(*points, strict=True), marker="o")
    axes.set(xlabel=x, ylabel=y)
    with replacing(path) as file:
        figure.savefig(file, dpi=120, format=path.suffix[1:])
    pyplot.close(figure)


def script(main: Callable[[], None]) -> NoReturn:
    """Be the script that main() is, alone or under mpiexec: bad input is one line and exit code 2, Ctrl-C exit code
    130."""
    with together():
        sys.exit(exit_code(main, Path(sys.argv[0]).name))

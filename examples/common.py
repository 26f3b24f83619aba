"""What every example shares: the command line, and one clear line instead of a traceback for bad input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NoReturn

from tinygrad_nlp.files import FileError
from tinygrad_nlp.nlp.corpora import CorpusError


class BadInput(Exception):
    """Something the user gave cannot be used: what, where and the remedy, in one line."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


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
        args.out.mkdir(parents=True, exist_ok=True)
        probe = args.out / ".writable"
        probe.touch()
        probe.unlink()
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
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def run(main: Callable[[], None]) -> NoReturn:
    """Run an example: bad input is one line and exit code 2, Ctrl-C exit code 130."""
    try:
        with one_thread():
            main()
    except (CorpusError, BadInput, FileError) as error:
        sys.exit(_line(error, 2))
    except KeyboardInterrupt as interrupt:
        sys.exit(_line(str(interrupt) or "interrupted", 130))
    sys.exit(0)


def one_thread() -> AbstractContextManager[object]:
    """One BLAS thread: these matrices are so small that two threads spend their time waiting for each other."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(1)


def _line(message: Any, code: int) -> int:
    print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    return code

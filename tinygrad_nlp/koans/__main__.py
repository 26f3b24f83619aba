"""The command line: ``python -m tinygrad_nlp.koans [FILE]`` writes the exercises into FILE, or grades what is there."""
# tested in tests/koans/test_koans.py

from __future__ import annotations

import importlib.resources
import sys
from collections.abc import Sequence
from pathlib import Path

from ..console import Parser, exit_code
from ..files import refusal, say, shown
from . import KOANS
from .grading import RIGHT, WRONG, outcomes


def written(path: Path) -> bool:
    """Write the exercises, unless there is a file already; whether they were written."""
    try:
        with open(path, "xb") as file:
            file.write(importlib.resources.files(__package__).joinpath("template.py").read_bytes())
    except FileExistsError:
        return False
    except OSError as error:
        raise refusal(error, path) from error
    return True


def show(path: Path, everything: bool) -> int:
    """Print how far the reader is, and a hint for the first unsolved exercise; returns the exit code."""
    solved, worst = 0, RIGHT
    todo = None
    for koan, found in outcomes(path):
        solved, worst = solved + (found.code == RIGHT), max(worst, found.code)
        if everything:
            first = found.text.partition("\n")[0]
            print(shown(f"{koan:<14} {('right', 'WRONG', 'broken')[found.code]:<7} {first}").rstrip())
        elif found.code != RIGHT:
            todo = koan, found
            break
    print(f"{path}: {solved} of {len(KOANS)} solved  {'█' * solved}{'░' * (len(KOANS) - solved)}", flush=True)
    if worst == RIGHT:
        print("Now read tinygrad_nlp/rules.py: the same kind of page, and the engine computes with it.")
    elif todo and worst == WRONG:
        lines = shown(todo[1].text).split("\n")
        print(f"next: {todo[0]}_backward, line {todo[1].line}", *lines, sep="\n    ")
    elif todo:
        say(todo[1].text)
    return worst


def main(argv: Sequence[str] | None = None) -> int:
    """Write or grade; returns the exit code: 0 all solved, 1 not yet, 2 a file that cannot be used, 130 for Ctrl-C."""
    p = Parser(prog="python -m tinygrad_nlp.koans", description="Fifteen broken derivatives to repair.")
    p.add_argument("file", nargs="?", type=Path, default=Path("koans.py"), help="yours to edit (default koans.py)")
    p.add_argument("--all", action="store_true", help="a line for each exercise, not only up to the first unsolved")
    args = p.parse_args(argv)

    def command() -> int:
        if written(args.file):
            print(f"wrote {args.file}: edit the functions named …_backward, then run this again")
        return show(args.file, args.all)

    return exit_code(command, p.prog)


if __name__ == "__main__":
    sys.exit(main())

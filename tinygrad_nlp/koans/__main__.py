"""The command line: ``python -m tinygrad_nlp.koans [FILE]`` writes the exercises into FILE, or grades what is there."""
# tested in tests/koans/test_koans.py

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ..console import BadInput, Parser, exit_code
from ..files import refusal, say, shown
from . import exercises, koans, steps
from .grading import BROKEN, RIGHT, WRONG, Mark, marks


def write_new(path: Path, text: str) -> bool:
    """Write a text, unless there is a file already; whether it was written."""
    try:
        with open(path, "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise refusal(error, path) from error
    return True


def show(path: Path, found: list[Mark], total: int, everything: bool, hint: int) -> int:
    """Print how far the student is, and what is next; returns the exit code."""
    todo = next((m for m in found if m.code != RIGHT), None)
    solved = sum(m.code == RIGHT for m in found)
    if everything:
        for m in found:
            print(shown(f"{m.name:<14} {('right', 'WRONG', 'broken')[m.code]:<7} {m.credit:4.2f}  {m.text}").rstrip())
    print(f"{path}: {solved} of {total} solved  {'█' * solved}{'░' * (total - solved)}", flush=True)
    if todo is None:
        print("Now read tinygrad_nlp/rules.py: the same kind of page, and the engine computes with it.")
    elif todo.code == BROKEN and not everything:
        say(todo.text)
    elif todo.code == WRONG:
        print(shown(f"next: {todo.name}, line {todo.line}: {todo.text}"))
        for k, text in enumerate(todo.hints[:hint], 1):
            print(shown(f"  hint {k} of {len(todo.hints)}: {text}"))
        if hint < len(todo.hints):
            print(f"  for {'another' if hint else 'a'} hint: {'--hint ' * (hint + 1)}".rstrip())
    return max((m.code for m in found), default=RIGHT)


def report(path: Path, variant: int, found: list[Mark]) -> str:
    """The marks as JSON: `score` is the sum of the credits, of `out_of` exercises."""
    rows = [
        {"name": m.name, "solved": m.code == RIGHT, "credit": m.credit, "line": m.line, "message": m.text}
        for m in found
    ]
    score = round(sum(m.credit for m in found), 2)
    whole = {"file": str(path), "variant": variant, "score": score, "out_of": len(found), "exercises": rows}
    return json.dumps(whole, ensure_ascii=False, indent=1)


def run(args: argparse.Namespace) -> int:
    """Write the file or grade it once."""
    text = steps.exercises() if args.engine else exercises(args.variant)
    if not args.json and write_new(args.file, text):
        what = "the lines that say `...`" if args.engine else "the functions named …_backward"
        print(f"wrote {args.file}: edit {what}, then run this again")
    if args.engine:
        found, total = steps.marks(args.file), len(steps.STEPS)
    else:
        found, total = marks(args.file, args.variant), len(koans(args.variant))
    kept: list[Mark] = []
    try:
        for m in found:
            kept.append(m)
            if m.code != RIGHT and not (args.all or args.json):
                break
    except BadInput as error:
        if not args.json:
            raise
        kept = [Mark(name, BROKEN, 0, str(error)) for name in (steps.STEPS if args.engine else koans(args.variant))]
    if args.json:
        print(report(args.file, args.variant, kept))
        return max(m.code for m in kept)
    return show(args.file, kept, total, args.all, args.hint)


def watch(args: argparse.Namespace) -> int:
    """Grade again whenever the file is saved, until all is right or Ctrl-C."""
    before, code = None, WRONG
    while code != RIGHT:
        now = args.file.stat().st_mtime_ns if args.file.exists() else 0
        if now != before:
            print(f"\n--- {time.strftime('%H:%M:%S')} ---", flush=True)
            try:
                code = run(args)
            except BadInput as error:
                say(str(error))
            before = args.file.stat().st_mtime_ns if args.file.exists() else 0
        else:
            time.sleep(0.3)
    return code


def parser() -> Parser:
    p = Parser(prog="python -m tinygrad_nlp koans", description="Fifteen broken derivatives to repair.")
    p.add_argument("file", nargs="?", type=Path, help="yours to edit (default koans.py; with --engine, engine.py)")
    p.add_argument("--engine", action="store_true", help="instead, build the engine of lesson 0, step by step")
    p.add_argument("--all", action="store_true", help="a line for each exercise, not only up to the first unsolved")
    p.add_argument("--hint", action="count", default=0, help="a hint for the next exercise; repeat it for plainer ones")
    p.add_argument("--watch", action="store_true", help="grade again whenever the file is saved")
    p.add_argument("--json", action="store_true", help="marks for a program to read, with partial credit")
    p.add_argument(
        "--variant", type=int, default=0, metavar="SEED", help="other functions, mistakes and data (default 0)"
    )
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Write or grade; returns the exit code: 0 all solved, 1 not yet, 2 a file that cannot be used, 130 for Ctrl-C."""
    p = parser()
    args = p.parse_args(argv)
    args.file = args.file or Path("engine.py" if args.engine else "koans.py")
    if args.variant < 0:
        p.error(f"--variant is {args.variant}: use a whole number from 0 on")
    if args.watch and args.json:
        p.error("--watch and --json exclude each other: marks are for one state of the file")
    return exit_code(lambda: watch(args) if args.watch else run(args), p.prog)


if __name__ == "__main__":
    sys.exit(main())

"""Grading of a reader's file in a process of its own, so that an endless loop there is no more than a line here."""
# tested in tests/koans/test_koans.py

from __future__ import annotations

import multiprocessing
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ..checking.check import Report
from ..console import BadInput
from . import KOANS, SEEDS, grade

LIMIT = 10.0  # seconds for an exercise
RIGHT, WRONG, BROKEN = 0, 1, 2  # exit codes too


@dataclass
class Outcome:
    """What became of one exercise: RIGHT, WRONG with the diagnosis, or BROKEN, one line on why it cannot be graded."""

    code: int
    text: str = ""
    line: int = 0  # of the backward pass in the reader's file


def outcomes(path: Path) -> Iterator[tuple[str, Outcome]]:
    """Each exercise and what became of it, in order. Raises BadInput for a file that cannot be run."""
    koans = list(KOANS)
    while koans:
        for found in process(path, koans):
            if type(found) is str:
                raise BadInput(found)
            yield koans.pop(0), found


def process(path: Path, koans: Sequence[str]) -> Iterator[Any]:
    """What work() sends for these exercises; one that does not come to an end is the last."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    worker = context.Process(target=work, args=(path, list(koans), theirs), daemon=True)
    worker.start()
    theirs.close()
    try:
        mine.recv()
        for koan in ("", *koans):
            what = f", in {koan}_backward" if koan else ""
            try:
                in_time = mine.poll(LIMIT)
                found = mine.recv() if in_time else f"not done after {LIMIT:g} seconds{what}: is there an endless loop?"
            except EOFError:
                in_time, found = False, f"Python itself ended{what}: is there an os._exit?"
            if not in_time:
                found = Outcome(BROKEN, f"{path}: {found}") if koan else f"{path}: {found}"
            if found is not None:
                yield found
            if not in_time or type(found) is str:
                return
    finally:
        worker.kill()
        worker.join()


# --- In that process --------------------------------------------------------------------------------------------------


def work(path: Path, koans: Sequence[str], pipe: Connection) -> None:
    """Send None when started, None when the file has run, or why it has not, then an Outcome for each exercise."""
    try:
        pipe.send(None)
        names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
        try:
            exec(compile(path.read_bytes(), str(path), "exec"), names)
        except (Exception, SystemExit) as error:
            pipe.send(blame(path, error))
            return
        pipe.send(None)
        for koan in koans:
            found = outcome(path, koan, names.get(f"{koan}_backward"))
            sys.stdout.flush()  # what the reader's code printed comes first
            pipe.send(found)
    except (KeyboardInterrupt, BrokenPipeError):  # nobody is listening any more
        pass


def outcome(path: Path, koan: str, backward: Any) -> Outcome:
    """Grade one exercise on every seed, up to the first on which it is wrong."""
    if not callable(backward):
        remedy = f"python -m tinygrad_nlp.koans fresh_{path.name} writes a fresh one to copy from"
        return Outcome(BROKEN, f"{path}: there is no function {koan}_backward: {remedy}")
    line = getattr(getattr(backward, "__code__", None), "co_firstlineno", 0)
    for seed in SEEDS:
        try:
            report = grade(koan, backward, seed)
        except (Exception, SystemExit) as error:
            return Outcome(BROKEN, f"{blame(path, error)}, in {koan}_backward", line)
        if not report:
            return Outcome(WRONG, hint(report), line)
    return Outcome(RIGHT, line=line)


def blame(path: Path, error: BaseException) -> str:
    """An exception in one line, with the last line of the reader's file that it passed."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    syntax = isinstance(error, SyntaxError) and error.filename == str(path)
    at = error.lineno if isinstance(error, SyntaxError) and syntax else lines[-1] if lines else None
    message = " ".join((error.msg if isinstance(error, SyntaxError) and syntax else str(error)).split())
    return f"{path}{f':{at}' if at else ''}: {type(error).__name__}{': ' * bool(message)}{message}"


def hint(report: Report) -> str:
    """What is wrong, a line for each argument: the worst place, and the diagnosis."""
    return "\n".join([f"∂L/∂{a}" for a in report.arguments if not a.right] + report.problems)

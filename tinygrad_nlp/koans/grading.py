"""Marks for a student's file. It runs in a process of its own (sandbox.py) that gets arrays and sends arrays back.

Everything that decides is on this side: arguments, numeric derivatives, tolerances. So the file can patch, end or stall
its own process only. It may import NumPy and what is in ALLOWED: an answer that calls an engine is refused.
"""
# tested in tests/koans/test_koans.py

from __future__ import annotations

import ast
import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..checking.report import Report
from ..console import BadInput
from . import SEEDS, Koan, grade, koans, sandbox

LIMIT = 10.0  # seconds for one call of a student's function
LARGEST = 1 << 26  # characters of one reply
RIGHT, WRONG, BROKEN = 0, 1, 2  # exit codes too
ALLOWED = {"numpy", "math", "itertools", "functools", "operator", "typing", "collections", "__future__"}
INSIDE = {"eval", "exec", "compile", "open", "globals", "vars", "getattr", "setattr", "delattr", "__import__"}


@dataclass
class Mark:
    """What became of one exercise: RIGHT, WRONG, or BROKEN when it cannot be graded.

    `credit` is 0 for the file as it was handed out, 1 for what is right, and between when some arguments' gradients, on
    some of the arrays, have become right. `hints` go from vague to plain, each true of this answer.
    """

    name: str
    code: int
    credit: float
    text: str = ""
    line: int = 0  # of the backward pass in the student's file
    hints: list[str] = field(default_factory=list)


class Broken(Exception):
    """The student's function cannot be graded; why, in one line."""


class Stopped(Broken):
    """The student's process came to an end, or did not come to one in time."""


def marks(path: Path, variant: int = 0) -> Iterator[Mark]:
    """Each exercise of a variant and its mark, in order. Raises BadInput for a file that cannot be run."""
    lines = checked(path)
    student = Student(path)
    try:
        for koan in koans(variant).values():
            if koan.name not in lines:
                remedy = f"python -m tinygrad_nlp koans fresh_{path.name} writes a fresh one to copy from"
                yield Mark(koan.name, BROKEN, 0, f"{path}: there is no function {koan.name}_backward: {remedy}")
                continue
            try:
                found = mark(koan, student.function(f"{koan.name}_backward"), variant)
            except Broken as error:
                found = Mark(koan.name, BROKEN, 0, f"{error}, in {koan.name}_backward")
                if isinstance(error, Stopped):
                    student.close()
                    student = Student(path)
            found.line = lines[koan.name]
            yield found
    finally:
        student.close()


def mark(koan: Koan, backward: Callable[..., Any], variant: int = 0) -> Mark:
    """The mark of one backward pass, on all seeds."""
    reports = [grade(koan.name, backward, variant, seed) for seed in SEEDS]
    wrong = [report for report in reports if not report]
    if not wrong:
        return Mark(koan.name, RIGHT, 1)
    mine = share(reports)
    given = share([grade(koan.name, koan.broken, variant, seed) for seed in SEEDS]) if mine else 0
    credit = round(max(0.0, (mine - given) / (1 - given)), 2)
    return Mark(koan.name, WRONG, min(credit, 0.9), "; ".join(summary(wrong[0])), hints=hints(koan, wrong))


def share(reports: list[Report]) -> float:
    """The share of gradients that are right, over arguments and seeds; none where arguments were changed."""
    judged = [a.right and not report.problems for report in reports for a in report.arguments]
    return sum(judged) / max(1, len(judged))


def summary(report: Report) -> list[str]:
    """What is wrong, without numbers."""
    return [f"∂L/∂{a.name} {a.shape} is not right" for a in report.arguments if not a.right] + report.problems


def hints(koan: Koan, wrong: list[Report]) -> list[str]:
    """Where it is wrong; the idea; what the numbers equal, where gradcheck says the same of every array."""
    places = [
        f"∂L/∂{a.name} at {a.index}: {a.given:.6g} instead of {a.numeric:.6g}"
        for a in wrong[0].arguments
        if a.index is not None
    ]
    said = [{f"∂L/∂{a.name}: {a.diagnosis}" for a in r.arguments if a.diagnosis} | set(r.problems) for r in wrong]
    common = sorted(set.intersection(*said))
    return ["; ".join(places or summary(wrong[0])), koan.hint, *(["; ".join(common)] if common else [])]


# --- The file, before it runs -----------------------------------------------------------------------------------------


def checked(path: Path) -> dict[str, int]:
    """The line of each backward pass in a file that may be run. Raises BadInput."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except OSError as error:
        remedy = f"python -m tinygrad_nlp koans {path} writes a fresh one"
        raise BadInput(f"cannot read {path}: {error.strerror}: {remedy}") from error
    except (SyntaxError, ValueError) as error:
        raise BadInput(sandbox.blame(str(path), error)) from error
    for node in ast.walk(tree):
        if what := forbidden(node):
            raise BadInput(f"{path}:{getattr(node, 'lineno', 1)}: refused: it {what}: an answer is NumPy, and your own")
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {f.name.removesuffix("_backward"): f.lineno for f in functions if f.name.endswith("_backward")}


def forbidden(node: ast.AST) -> str:
    """What no answer needs, or ""."""
    modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
    modules += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
    for module in modules:
        if module.partition(".")[0] not in ALLOWED:
            return f"imports {module}"
    if isinstance(node, ast.Name) and node.id in INSIDE:
        return f"uses {node.id}"
    if isinstance(node, ast.Attribute) and node.attr.startswith("__"):
        return f"uses {node.attr}"
    return ""


# --- The other process ------------------------------------------------------------------------------------------------


class Student:
    """The process that runs a file. Raises BadInput when the file does not run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        settings = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(sandbox.__file__), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=os.environ | settings,
        )
        self.replies: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self.listen, daemon=True).start()
        try:
            self.reply(6 * LIMIT)  # Python and NumPy have started
            self.reply(LIMIT)  # the file has run
        except Broken as error:
            self.close()
            raise BadInput(str(error)) from error

    def listen(self) -> None:
        """Hand on each line of the process, at last an empty one."""
        assert self.process.stdout is not None
        while line := self.process.stdout.readline(LARGEST):
            self.replies.put(line)
        self.replies.put("")

    def reply(self, seconds: float) -> dict[str, Any]:
        try:
            line = self.replies.get(timeout=seconds)
        except queue.Empty:
            raise Stopped(f"{self.path}: not done after {seconds:g} seconds: is there an endless loop?") from None
        if not line:
            raise Stopped(f"{self.path}: Python itself ended: is there an exit, or too large an array?")
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError:
            raise Stopped(f"{self.path}: the process sent what is no reply") from None
        if "error" in found:
            raise Broken(str(found["error"]))
        return found

    def function(self, name: str) -> Callable[..., Any]:
        """The student's function of this name, to be called here; it changes its arguments here if it does there."""

        def call(*args: Any) -> Any:
            assert self.process.stdin is not None
            try:
                self.process.stdin.write(json.dumps({"name": name, "args": [sandbox.packed(a) for a in args]}) + "\n")
                self.process.stdin.flush()
            except OSError:  # it has ended: reply() says so
                pass
            found = self.reply(LIMIT)
            try:
                for a, after in zip(args, found["args"], strict=True):
                    if np.ndim(a):
                        np.copyto(a, sandbox.unpacked(after))
                return tuple(sandbox.unpacked(a) for a in found["returned"])
            except Exception as error:  # whatever it sent
                raise Broken(f"{self.path}: the process sent what is no array ({type(error).__name__})") from error

        return call

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

"""What gradcheck() says, as a table, on one line, and in a failed assertion of pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from tinygrad_nlp import gradcheck

FAILING = """
import numpy as np
from hypothesis import given, settings, strategies as st
from tinygrad_nlp import gradcheck
from tinygrad_nlp.strategies import arrays

def forward(query, key, value, scale):
    return query * key * value * scale

def backward(g, query, key, value, scale):
    return g * key, 2 * g * query * value * scale * key, g * query, -g * query * key * value

def test_directly():
    x = np.arange(1.0, 7.0).reshape(2, 3)
    assert gradcheck(forward, x, x + 1, x - 0.5, x / 3, gradient=backward)

@settings(max_examples=5, deadline=None, database=None)
@given(arrays())
def test_as_a_property(x):
    assert gradcheck(np.square, x, gradient=lambda g, x: g * x)
"""


def test_a_failed_assertion_says_what_is_wrong(tmp_path: Path) -> None:
    """Argument, place, both numbers and the mistake, without a report of its own in the assertion."""
    (tmp_path / "test_mine.py").write_text(FAILING)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    told = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert told.returncode == 1 and "2 failed" in told.stdout, told.stdout + told.stderr
    direct, _, drawn = told.stdout.partition("test_as_a_property")
    for part in ("gradcheck: WRONG", "query (2, 3) at (", " instead of ", "and 1 more"):
        assert part in direct, direct
    for part in ("gradcheck: WRONG", "x (", " instead of ", "factor 1/2 everywhere"):
        assert part in drawn, drawn
    assert "..." not in "".join(line for line in told.stdout.splitlines() if "<gradcheck" in line)  # pytest cut nothing


def test_one_line_holds_what_pytest_shows() -> None:
    def wrong(g: np.ndarray, *args: np.ndarray) -> list[np.ndarray]:
        return [g * 0 + k for k, _ in enumerate(args)]

    for n in range(1, 7):
        args = [np.linspace(1, 2, 3) + k for k in range(n)]
        report = gradcheck(lambda *args: np.prod(args, axis=0), *args, gradient=wrong)
        told = repr(report)
        assert len(told) <= 240 and told.startswith("<gradcheck: WRONG | args[0] (3,) at (") and told.endswith(">")
        assert str(report).count("\n") >= n + 1  # the table has them all
    assert repr(gradcheck(np.square, np.ones(2))) == "<gradcheck: right>"
    report.problems = ["long " * 100]
    report.arguments = []
    assert len(repr(report)) <= 240 and repr(report).endswith("…>")

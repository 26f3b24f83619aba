"""examples/README.md: each step prints what stands below its command, runs alone, and leads to files that are there."""

from __future__ import annotations

import math
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_nlp.engine import TABLE

ROOT = Path(__file__).parents[2]
README = (ROOT / "examples" / "README.md").read_text("utf-8")
STEPS = dict(re.findall(r"^```console\n\$ python (.*)\n((?:.*\n)*?)```$", README, re.M))
NUMBER = re.compile(r"[-−]?\d+\.\d+(?:e[+-]\d\d)?")


def near(a: str, b: str) -> bool:
    """Equal but for the last digit, which rounding may turn; or nothing but rounding both."""
    x, y = (float(number.replace("−", "-")) for number in (a, b))
    if "e" in a or "e" in b:
        return max(abs(x), abs(y)) < 1e-8 or math.isclose(x, y, rel_tol=0.02)
    return abs(x - y) <= 1.01 * 10.0 ** -len(a.partition(".")[2])


def differences(printed: str, expected: str) -> list[tuple[str, str]]:
    """Lines that are not alike."""
    lines = printed.rstrip().split("\n"), expected.rstrip().split("\n")
    pairs = zip(*(part + [""] * (max(map(len, lines)) - len(part)) for part in lines), strict=True)
    return [(a, b) for a, b in pairs if a.rstrip() != b.rstrip() and not alike(a, b)]


def alike(a: str, b: str) -> bool:
    numbers = NUMBER.findall(a), NUMBER.findall(b)
    return NUMBER.sub("#", a).split() == NUMBER.sub("#", b).split() and all(map(near, *numbers))


def run_here(script: Path) -> int:
    """Run a script in this process, which is quicker; the rows that it adds to the table leave with it."""
    before = dict(TABLE)
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        TABLE.clear()
        TABLE.update(before)
    return 0


@pytest.mark.parametrize("command", STEPS)
def test_each_step_prints_what_the_text_says(command, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(ROOT / command)])
    monkeypatch.syspath_prepend(ROOT / "examples")  # softmax_gradient.py and its like import common.py beside them
    if command.startswith("-m "):
        found = subprocess.run([sys.executable, *command.split()], env=os.environ | {"PYTHONPATH": str(ROOT)})
        code = found.returncode
    else:
        code = run_here(ROOT / command)
    printed, complaints = capfd.readouterr()
    assert differences(printed, STEPS[command]) == [] and complaints == ""
    assert code == ("koans" in command)  # of the exercises none is solved


def test_the_path_is_whole():
    assert len(STEPS) == 13 == README.count("```console")
    lessons = {path.name for path in (ROOT / "examples" / "lessons").glob("*.py")}
    assert lessons == {Path(command).name for command in STEPS if "lessons" in command}
    for i, command in enumerate(STEPS):
        assert "lessons" not in command or Path(command).name.startswith(f"{i:02}_")
    headings = [re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^## (.*)", README, re.M)]
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target[1:] in headings if target.startswith("#") else (ROOT / "examples" / target).exists(), target


@pytest.mark.parametrize("lesson", sorted((ROOT / "examples" / "lessons").glob("*.py")), ids=lambda path: path.name)
def test_a_lesson_is_short_and_in_cells(lesson):
    text = lesson.read_text("utf-8")
    assert len(text.splitlines()) <= 80 and text.startswith('"""') and "Expect: " in text and "\n# %% " in text


@pytest.mark.parametrize(
    ("printed", "same"),
    [("loss 0.5 at 3", True), ("loss 0.6 at 3", True), ("loss 0.7 at 3", False), ("loss 0.5 at 4", False), ("", False)],
)
def test_the_comparison_sees_wrong_numbers(printed, same):
    assert (differences(printed, "loss 0.5 at 3\n") == []) is same
    assert differences("off by 1.1e-16", "off by 2.2e-16") == []
    assert differences("off by 1.1e-06", "off by 2.2e-16") != []


def test_the_derivation_of_softmax_that_the_text_writes_out():
    """∂ŷₖ/∂xᵢ = ŷₖ ([i = k] − ŷᵢ), and from it ∂CE/∂xᵢ = ŷᵢ − yᵢ, by the complex step."""
    rng = np.random.default_rng(0)
    x, k = rng.normal(size=5), 2
    p = np.exp(x) / np.exp(x).sum()
    for i in range(5):
        moved = np.exp(x + 1e-30j * (np.arange(5) == i))
        moved /= moved.sum()
        assert np.isclose(moved[k].imag / 1e-30, p[k] * ((i == k) - p[i]), rtol=1e-12)
        assert np.isclose(-np.log(moved[k]).imag / 1e-30, p[i] - (i == k), rtol=1e-12)

"""examples/README.md: each step prints what stands below its command, runs alone, and leads to files that are there."""

from __future__ import annotations

import ast
import builtins
import inspect
import math
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_nlp
from tinygrad_nlp import Tensor, course, gradcheck, gradients
from tinygrad_nlp.engine import TABLE

ROOT = Path(__file__).parents[2]
README = (ROOT / "examples" / "README.md").read_text("utf-8")
STEPS = dict(re.findall(r"^```console\n\$ python (.*)\n((?:.*\n)*?)```$", README, re.M))
LESSONS = course.lessons()
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
    numbered = [command for command in STEPS if "lessons" in command]
    assert len(STEPS) == len(numbered) + 1 == README.count("```console")  # the exercises come last
    assert [Path(command).name for command in numbered] == [path.name for path in LESSONS]
    assert [path.name[:3] for path in LESSONS] == [f"{i:02}_" for i in range(len(LESSONS))]
    headings = [re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^## (.*)", README, re.M)]
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target[1:] in headings if target.startswith("#") else (ROOT / "examples" / target).exists(), target


# --- Each lesson ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.name)
def test_a_lesson_is_short_and_in_cells_from_a_question_to_an_exercise(lesson):
    text = lesson.read_text("utf-8")
    says = re.search(r"^Question: (.*\?)\nExpect: .*\.$", inspect.cleandoc(ast.get_docstring(ast.parse(text))), re.M)
    assert says and f"**Before you run it:** {says[1]}\n" in README
    assert len(text.splitlines()) <= 100 and text.startswith('"""') and "\n# %% " in text
    assert lesson is LESSONS[0] or text[text.rindex("# %% ") :].startswith("# %% Exercise: ")
    assert lesson is LESSONS[0] or course.LAST + "not yet: " in STEPS[f"examples/lessons/{lesson.name}"]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.name)
def test_help_is_the_docstring_and_comes_at_once(lesson, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(lesson), "--help"])
    assert run_here(lesson) == 0
    printed = capsys.readouterr().out
    assert "Question: " in printed and course.LAST not in printed
    monkeypatch.setattr(sys, "argv", [str(lesson), "--nothing"])
    assert run_here(lesson) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def by_engine(f):
    """The backward pass of f by the engine: the answer to an exercise, from the table."""

    def backward(g, *args):
        tensors = [Tensor(a) if a.dtype.kind == "f" else a for a in args]
        return tuple(gradients(f(*tensors), [t for t in tensors if isinstance(t, Tensor)], g))

    return backward


BACKWARD = [path for path in LESSONS if "exercise(gradcheck(" in path.read_text("utf-8")]
OTHERS = {  # what stands in the lesson, and what it becomes
    "05_the_table.py": ("    return None\n", "    return g / TABLE[special.erf].derivatives[0](1.0, x, y)\n"),
    "09_explain.py": ("answer = np.zeros((2, 2))", "answer = W2.grad"),
    "10_gradient_descent.py": ("answer = None", "answer = limit * CURVATURES.max() / 400"),
    "11_momentum_and_adam.py": ("return w - rate * g", "return w - rate * decay * w - rate * g"),
    "12_what_goes_wrong.py": ("p * np.log(p), 0", "p * np.log(np.where(p > 0, p, 1)), 0"),
    "16_shards.py": ("return 1 / 2", "return (rows.stop - rows.start) / 7"),
    "14_learns_itself.py": ("scores / 0.5", "scores / temperature"),
}


@pytest.mark.parametrize("lesson", BACKWARD, ids=lambda path: path.name)
def test_an_exercise_in_a_backward_pass_is_solved_by_the_engines_and_not_yet_as_it_stands(lesson, monkeypatch):
    asked = []

    def recorded(f, *args, gradient=None, **options):
        asked.append((f, args, gradient))
        return gradcheck(f, *args, gradient=gradient, **options)

    monkeypatch.setattr(tinygrad_nlp, "gradcheck", recorded)
    monkeypatch.setattr(sys, "argv", [str(lesson)])
    run_here(lesson)
    f, args, given = asked[-1]
    assert given is not None and not gradcheck(f, *args, gradient=given)
    assert lesson.name in OTHERS or gradcheck(f, *args, gradient=by_engine(f))


@pytest.mark.parametrize("name", OTHERS)
def test_the_other_exercises_can_be_solved(name, tmp_path, monkeypatch, capsys):
    before, after = OTHERS[name]
    text = (ROOT / "examples" / "lessons" / name).read_text("utf-8")
    (tmp_path / name).write_text(after.join(text.rsplit(before, 1)), "utf-8")
    monkeypatch.setattr(sys, "argv", [name])
    monkeypatch.setattr(builtins, "TABLE", TABLE, raising=False)
    assert run_here(tmp_path / name) == 0
    assert capsys.readouterr().out.endswith(course.LAST + "right\n")


# --- What the tests here stand on ------------------------------------------------------------------------------------


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

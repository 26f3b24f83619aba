"""What the lessons share: exercises that are checked, the folder of the examples, notebooks that run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_nlp import course, gradcheck


@pytest.mark.parametrize(
    ("gradient", "says"),
    [
        (lambda g, a, b: (g * b, g * a), "right"),
        (lambda g, a, b: (None, g * a), "not yet: there is no ∂a"),
        (lambda g, a, b: (None, None), "not yet: there is no ∂a and no ∂b"),
        (lambda g, a, b: (g * b, 2 * g * a), "not yet: ∂b: factor 2 everywhere"),
        (lambda g, a, b: g * b, "not yet: there is no ∂b; the backward pass returned 1 gradients for 2 arguments"),
    ],
)
def test_an_exercise_says_what_is_missing_or_wrong(gradient, says, capsys):
    a, b = np.random.default_rng(0).normal(size=(2, 3))
    course.exercise(gradcheck(np.multiply, a, b, gradient=gradient, names=("a", "b")))
    assert capsys.readouterr().out.startswith(course.LAST + says)


def test_a_lesson_is_run_from_the_installed_examples_or_from_a_clone(tmp_path, monkeypatch):
    assert course.examples() == Path(__file__).parents[1] / "examples"
    monkeypatch.setattr(course, "__file__", str(tmp_path / "course.py"))
    assert course.examples() == tmp_path.parent / "examples"
    (tmp_path / "examples").mkdir()
    assert course.examples() == tmp_path / "examples"


def test_a_notebook_is_the_text_the_cells_and_their_titles(monkeypatch):
    pytest.importorskip("jupytext")
    lesson = course.lessons()[1]
    book = json.loads(course.notebook(lesson))
    assert course.notebook(lesson) == course.notebook(lesson)  # the same bytes each time
    kinds, texts = zip(*((c["cell_type"], "".join(c["source"])) for c in book["cells"]), strict=True)
    assert kinds[:2] == ("markdown", "code") and texts[0].startswith("## 1. ") and "**Before you run it:**" in texts[0]
    assert "```console" not in texts[0] and "### Settings" in texts and texts[-2].startswith("### Exercise: ")
    assert "\n".join(t for k, t in zip(kinds, texts, strict=True) if k == "code").count("exercise(") == 1
    monkeypatch.setitem(sys.modules, "jupytext", None)
    with pytest.raises(ImportError, match=r"pip install jupytext"):
        course.notebook(lesson)


@pytest.mark.parametrize("number", [1, 12])  # CI executes all of them
def test_a_notebook_runs(number, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    pytest.importorskip("jupytext")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    book = nbformat.reads(course.notebook(course.lessons()[number]), as_version=4)
    nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = "".join(o.get("text", "") for c in book.cells if c.cell_type == "code" for o in c.outputs)
    assert course.LAST in printed

"""Building the engine: the blanks, each step by the real lesson, each mistake at its step."""

from __future__ import annotations

import re

import pytest

from tinygrad_nlp.course import lessons
from tinygrad_nlp.koans import steps
from tinygrad_nlp.koans.__main__ import main

LESSON = lessons()[0].read_text("utf-8")
MISTAKES = {  # step -> (what stands in lesson 0, what it becomes)
    "Tensor": ("next(births)", "0"),
    "call": ('return Tensor(y, fn, args, kwargs) if row.kind == "rule" else y', "return Tensor(y, fn, args, kwargs)"),
    "history": ("reverse=True", "reverse=False"),
    "chain": ("(found[t], t.data", "(1.0, t.data"),
    "shares": ("found[a] + share if a in found else share", "share"),
    "broadcasting": ("            share = fit(share, a, t, i)", "            share = share"),
    "keywords": ("*arrays, **t.kwargs)", "*arrays)"),
}


def test_the_file_has_blanks_and_no_answer():
    text = steps.exercises()
    assert len(re.findall(r"^ +\.\.\.$", text, re.M)) == 4 and "fit(share" not in text.replace("by fit(share", "")
    compile(text, "engine.py", "exec")
    assert all(f"def {name}(" in text for name in steps.BLANKS)


def test_lesson_0_passes_every_step(tmp_path):
    (tmp_path / "engine.py").write_text(LESSON, "utf-8")
    found = list(steps.marks(tmp_path / "engine.py"))
    assert [m.name for m in found] == list(steps.STEPS) and all(m.credit == 1 for m in found), found


@pytest.mark.parametrize("step", MISTAKES)
def test_each_mistake_is_met_at_its_step(step, tmp_path):
    before, after = MISTAKES[step]
    assert before in LESSON
    (tmp_path / "engine.py").write_text(LESSON.replace(before, after), "utf-8")
    *right, last = steps.marks(tmp_path / "engine.py")
    assert all(m.credit == 1 for m in right) and (last.name, last.credit) == (step, 0) and last.line and last.text


def test_the_command_writes_the_blanks_and_names_the_first_step(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main(["--engine"]) == 1
    out, err = capfd.readouterr()
    assert "wrote engine.py" in out and "0 of 7" in out and "next: Tensor, line " in out and err == ""
    (tmp_path / "engine.py").write_text("raise SystemExit", "utf-8")
    assert main(["--engine"]) == 2
    (tmp_path / "engine.py").write_text("def (", "utf-8")
    assert main(["--engine"]) == 2
    assert all(len(line) for line in capfd.readouterr().err.splitlines())

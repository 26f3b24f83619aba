"""A run's log, its folder, its progress, and what it refuses; that it survives is in test_resume.py."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import posix
from tinygrad_nlp import run as run_room
from tinygrad_nlp.files import FileError
from tinygrad_nlp.nn import Dropout, Sequential
from tinygrad_nlp.run import Run, RunError


# %% Steps
def test_a_second_ctrl_c_interrupts_at_once(tmp_path):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for step in Run(tmp_path).steps(5):
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt, match=r"^$"):
                signal.raise_signal(signal.SIGINT)
            assert step == 0
            break
    finally:
        signal.signal(signal.SIGINT, before)


# %% The log
def test_log_takes_numbers_of_all_kinds(tmp_path):
    run = Run(tmp_path)
    with pytest.raises(RuntimeError, match="before the first step"):
        run.log(loss=1)
    for _ in run.steps(1):
        run.log(a=np.float32(0.5), b=np.int64(3), c=float("nan"), d=np.array(np.inf), e="text", f=None)
    line = json.loads((tmp_path / "log.jsonl").read_text(), parse_constant=pytest.fail)
    del line["seconds"]
    assert line == {"step": 0, "a": 0.5, "b": 3, "c": "nan", "d": "inf", "e": "text", "f": None}


# %% Bad input
def test_what_cannot_be_saved_is_said_before_the_first_step(tmp_path):
    with pytest.raises(TypeError, match=r"model=5 has no state_dict\(\) and load_state_dict\(\)"):
        Run(tmp_path, model=5)
    with pytest.raises(TypeError, match="not JSON serializable"):
        Run(tmp_path, config={"out": tmp_path})
    with pytest.raises(TypeError, match=r"`keep.f` is builtin_function_or_method, which cannot be saved: save arrays"):
        next(Run(tmp_path, keep={"f": print}).steps(1))
    assert [path.name for path in tmp_path.glob("*") if path.name != ".lock"] == ["log.jsonl"]


def test_a_folder_that_cannot_be_used(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"cannot write .*run: Not a directory: write to a folder"):
        Run(tmp_path / "file" / "run")


def test_what_a_killed_process_left_is_cleared_away(tmp_path):
    (tmp_path / ".checkpoint-000000007.npz.123.part").touch()
    list(Run(tmp_path).steps(0))
    assert not list(tmp_path.glob("*.part"))


# %% Two runs, one folder
def test_a_second_run_in_the_folder_is_refused_and_changes_nothing(tmp_path, monkeypatch):
    pytest.importorskip("filelock")
    monkeypatch.setattr(run_room, "PATIENCE", 0.1)
    for step in (first := Run(tmp_path, quiet=True)).steps(3):
        first.log(step_is=step)
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises(FileError, match=r"the folder .* is in use by another process: wait until that has ended"):
            list(Run(tmp_path).steps(3))
        with pytest.raises(FileError, match="is in use"):
            Run(tmp_path, resume=True)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert [line["step_is"] for line in first.logged()] == [0, 1, 2]
    list(Run(tmp_path, resume=True).steps(4))  # the lock went with the last step


@posix
def test_a_link_at_the_log_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").symlink_to(victim)
    run = Run(tmp_path / "run", quiet=True)
    for step in run.steps(2):
        if step == 1:
            run.log_file.unlink()
            run.log_file.symlink_to(victim)
            with pytest.raises(FileError, match=r"cannot write .*log.jsonl"):
                run.log(loss=1)
        else:
            run.log(loss=1)
    assert victim.read_text() == "mine"


def test_a_checkpoint_that_is_gone_already_does_not_matter(tmp_path, monkeypatch):
    run = Run(tmp_path, quiet=True, save_seconds=0)
    there = run.checkpoints
    gone = tmp_path / "checkpoint-000000000000.npz"
    monkeypatch.setattr(run, "checkpoints", lambda: [gone, *there()])
    list(run.steps(5))
    assert [path.stem[-2:] for path in there()] == ["04", "05"]


def test_what_a_file_says_reaches_the_terminal_without_its_escape_sequences(tmp_path, capsys):
    evil = "\x1b[2J\u202e"
    list(Run(tmp_path, config={f"a{evil}": 1}, quiet=True).steps(1))
    with pytest.raises(RunError) as raised:
        Run(tmp_path, config={"a": 1}, resume=True)
    assert r"config.a\x1b[2J\u202e was 1 and is '(absent)'" in str(raised.value)
    list(Run(tmp_path / evil, resume=True).steps(0))
    assert r"no checkpoint in" in (said := capsys.readouterr().err) and "\x1b" not in said and "\u202e" not in said


# %% Progress
class Terminal:
    text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("installed", [False, True])
def test_progress_on_a_terminal(tmp_path, monkeypatch, quiet, installed):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    if installed:
        pytest.importorskip("tqdm").tqdm.monitor_interval = 0  # no thread that outlives the test
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)
        clock = iter(range(0, 10**6, 6))
        monkeypatch.setattr(run_room.time, "monotonic", lambda: next(clock))
    for _ in (run := Run(tmp_path / "words", quiet=quiet)).steps(3):
        run.log(loss=0.25)
    assert terminal.text == "" if quiet else "words" in terminal.text and "3/3" in terminal.text


def test_a_callback_is_given_what_is_logged(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    run = Run(tmp_path, quiet=True, on_log=seen.append)
    for step in run.steps(3):
        run.log(loss=np.float32(step + 0.5), rate=float("inf"), note="text")
    assert [(line["step"], line["loss"], line["rate"], line["note"]) for line in seen] == [
        (step, step + 0.5, float("inf"), "text") for step in range(3)
    ]
    assert all(type(line["loss"]) is float and line["seconds"] >= 0 for line in seen)
    assert [line["rate"] for line in run.logged()] == ["inf"] * 3  # JSON has no infinity
    assert [line["seconds"] for line in run.logged()] == [line["seconds"] for line in seen]


def test_no_progress_in_a_pipe(tmp_path, capsys):
    list(Run(tmp_path).steps(3))
    assert capsys.readouterr() == ("", "")


def test_a_generator_that_would_not_be_saved_is_refused(tmp_path: Path) -> None:
    model = Sequential(Dropout(0.5, rng=np.random.default_rng(0)))
    with pytest.raises(TypeError, match=r"model\.layers\.0\.rng is a random generator that"):
        Run(tmp_path, model=model)
    Run(tmp_path, model=model, generators={"dropout": model.layers[0].rng})


def test_half_a_step_is_not_saved(tmp_path: Path) -> None:
    run = Run(tmp_path, config={"rate": float("nan")}, quiet=True)
    for _ in run.steps(3):
        with pytest.raises(RuntimeError, match="within a step"):
            run.save()
    Run(tmp_path, config={"rate": float("nan")}, resume=True)  # NaN is NaN

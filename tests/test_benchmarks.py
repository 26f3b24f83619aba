"""What is measured is the same work on all sides: equal losses and equal parameters after some steps."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import bigram
import char_rnn
import numpy as np
import pytest
import sentiment
import word_rnn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import cluster, measure, ours, work
from tests.test_parallel import Alone, with_mpi
from tinygrad_nlp.nlp import bags

SMALL = {
    "chain": lambda: work.chain(length=9, width=3),
    "bigram": lambda: work.bigram(B=7, V=40, D=3, H=4),
    "bigram, row-sparse": lambda: work.bigram(B=7, V=2000, D=40, H=4),
    "mlp": lambda: work.mlp(B=5, width=6, classes=3),
    "averaged embedding": lambda: work.averaged_embedding(B=4, V=50, D=3, words=6),
    "averaged embedding, row-sparse": lambda: work.averaged_embedding(B=4, V=3000, D=30, words=6),
    **{
        f"{cell}, {T} x {B} letters of {V}": lambda cell=cell, T=T, B=B, V=V: work.character_rnn(cell, T, B, 4, V)
        for cell in ("rnn", "gru", "lstm")
        for T, B, V in ((6, 1, 9), (3, 4, 5))
    },
}
MODULES = {"PyTorch": "torch", "autograd": "autograd", "MyGrad": "mygrad"}


def installed(side):
    module = MODULES.get(side.partition(",")[0])
    return module is None or importlib.util.find_spec(module) is not None


def trained(piece, side, steps=3):
    step, read = piece.side(side)
    return [step() for _ in range(steps)], [np.array(a) for a in read()]


def twin(side):
    """Dense Adam moves rows that lazy Adam does not: each is compared with its like. Our small tables are always
    dense."""
    return "kernels alone, dense" if side.endswith("dense") else "kernels alone"


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of peers, about NumPy
def test_all_sides_do_the_same_work(name):
    piece = SMALL[name]()
    small_table = name == "averaged embedding"
    for side in filter(installed, piece.sides):
        kernels = "kernels alone, dense" if small_table and side == "ours" else twin(side)
        losses, parameters = trained(piece, side)
        expected_losses, expected = trained(piece, kernels)
        np.testing.assert_allclose(losses, expected_losses, rtol=1e-4, err_msg=side)
        for a, b, start in zip(parameters, expected, piece.parameters, strict=True):
            assert a.dtype == np.float32
            assert name == "chain" or not np.array_equal(a, start), f"{side}: a parameter was not trained"
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-4, err_msg=side)


@pytest.mark.parametrize("name", [name for name in SMALL if "letters" in name])
def test_in_pieces_it_is_the_same_work(name):
    losses, parameters = trained(SMALL[name](), "ours, in 16 pieces")
    expected_losses, expected = trained(SMALL[name](), "ours")
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    for a, b in zip(parameters, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-4)


def test_the_comparison_sees_different_work():
    piece = SMALL["bigram"]()
    losses, _ = trained(piece, "ours")
    piece.parameters[1][0, 0] += 0.5
    assert not np.allclose(losses, trained(piece, "kernels alone")[0], rtol=1e-4)


@pytest.mark.parametrize("name", work.WORK)
def test_every_goal_names_a_side(name):
    piece = work.WORK[name]() if "256" not in name else SMALL["chain"]()
    assert piece.sides[:2] == ("ours", "kernels alone") or "dense" in piece.sides[1]
    assert all(any(side.startswith(rival) for side in piece.sides) for rival in piece.goals)


def test_measuring_a_piece_of_work(monkeypatch, capsys):
    monkeypatch.setattr(measure, "BURST", 1e-4)
    monkeypatch.setattr(work, "EVERYONE", ("ours", "kernels alone"))
    monkeypatch.setitem(work.WORK, "tiny", SMALL["bigram"])
    monkeypatch.setattr(work, "WORK", {"tiny": lambda: work.bigram(B=7, V=40, D=3, H=4)})
    found = json.loads(json.dumps(measure.run(["tiny"], 1, 0.01, Path("unused"))))
    assert found["tiny"]["goals"]["kernels alone"]["at most"] == 1.2
    shown = capsys.readouterr().out
    assert "ours" in shown and "kernels alone" in shown and "×" in shown


def test_growth_fits_a_line_and_draws_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(measure, "BURST", 1e-4)
    monkeypatch.setattr(measure, "GROWTH", {"chain length": (work.chain, [30, 60, 90], "linear")})
    found = measure.growth(0.01, tmp_path)["chain length"]
    assert len(found["median"]) == 3
    assert "% off" in capsys.readouterr().out
    a, b = measure.line([1, 2, 4], [5.0, 7.0, 11.0])
    assert (a, b) == (pytest.approx(3), pytest.approx(2))


def test_peak_counts_what_a_step_holds_at_a_time():
    assert measure.peak(lambda: np.ones(1000).sum()) == pytest.approx(8000, rel=0.2)


@pytest.mark.parametrize("name", [name for name in SMALL if name != "chain"])
def test_shards_of_a_batch_are_the_batch(name):
    *inputs, labels = batch = SMALL[name]().batches[0]
    parts, shares = zip(*(ours.sharded(batch, Alone(rank, 3)) for rank in range(3)), strict=True)
    assert sum(shares) == pytest.approx(1)
    assert np.array_equal(np.concatenate([part[-1] for part in parts], axis=-1), labels)
    joined = np.concatenate([part[0] for part in parts], axis=-1 if labels.ndim == 2 else 0)
    assert np.array_equal(joined, inputs[0])
    for part, share in zip(parts, shares, strict=True):
        assert len(inputs) == 1 or len(bags.lengths(*part[:2])) == part[-1].size == round(share * labels.size)


def test_the_model_of_many_ranks_is_its_formula():
    assert cluster.allreduce(2, 1e6, 3e-6, 1e-9) == pytest.approx(2 * 3e-6 + 1e-3)
    assert cluster.allreduce(8, 1e6, 3e-6, 1e-9) == pytest.approx(6 * 3e-6 + 2 * 7 / 8 * 1e-3)
    costs = cluster.Costs(B=32, a=0.002, c=0.001, dense=10**6, rows=1e4, table=10**6, gamma=2e-9)
    assert costs.step(1, (3e-6, 1e-9), 32) == pytest.approx(0.034)
    assert costs.step(8, (3e-6, 1e-9), 32) == pytest.approx(
        0.006 + 9 * 3e-6 + 2 * 7 / 8 * 1e-3 + 7 / 8 * 32 * 1e4 * 3e-9
    )
    assert costs.step(8, (3e-6, 1e-9), 256) == pytest.approx(  # more rows than the table
        0.034 + 15 * 3e-6 + 2 * 2 * 7 / 8 * 1e-3 + 1e6 * 2e-9
    )
    assert costs.fixed(1, (3e-6, 1e-9)) == costs.growing(1, (3e-6, 1e-9)) == 1
    assert costs.fixed(8, (3e-6, 1e-9)) == pytest.approx(0.034 / costs.step(8, (3e-6, 1e-9), 32))
    assert costs.growing(8, (3e-6, 1e-9)) == pytest.approx(8 * 0.034 / costs.step(8, (3e-6, 1e-9), 256))
    n = np.array([1e3, 1e5, 1e7])
    a, b = cluster.line(2.0, n, 2 * 3e-6 + n * 1e-9)
    assert (a, b) == (pytest.approx(3e-6), pytest.approx(1e-9))
    assert cluster.line(2.0, n, n * 1e-9)[0] == pytest.approx(0, abs=1e-12)  # and never less


def test_what_a_network_gives(capsys):
    dense = cluster.costs(lambda B: work.character_rnn("gru", 3, B, 4, 5, D=2), 8, 0.01)
    sparse = cluster.costs(lambda B: work.bigram(B, V=3000, D=30, H=4), 8, 0.01)
    assert dense.dense == 4 * (5 * 2 + 2 * 12 + 12 + 4 * 12 + 4 * 5 + 5) and dense.rows == 0
    rows = len(np.unique(work.bigram(8, V=3000).batches[0][0]))
    assert sparse.dense == 4 * (30 * 4 + 4 + 4 * 3000 + 3000) and sparse.rows * 8 == rows * (30 * 4 + 8)
    for recipe in (dense, sparse):
        assert recipe.a + recipe.c > 0 and (recipe.gamma > 0) == (recipe.rows > 0)
        for network in cluster.NETWORKS.values():
            assert 2 > recipe.growing(2, network) > recipe.fixed(2, network) > 0
    cluster.table({"small": dense, "looked up": sparse})
    shown = capsys.readouterr().out
    assert all(network in shown for network in cluster.NETWORKS)
    assert shown.count("| small |") == 2 and "– / " in shown and shown.count("ranks |") == 2 * len(cluster.TABLE)


@pytest.mark.parametrize("name", work.RECIPES)
def test_recipes_are_those_of_the_examples(name):
    build, B = work.RECIPES[name]
    piece = build(B)
    ids, (V, D) = piece.batches[0][0], piece.parameters[0].shape
    example, _, recipe = name.partition(":")[0].partition(", ")
    if example == "char_rnn":
        r = char_rnn.RECIPES[recipe]
        assert (V, D, *ids.shape) == (len(char_rnn.ALPHABET), r.embedding, r.chunk, r.batch)
        assert len(piece.parameters[3]) == r.hidden and piece.settings["cell"] == r.cell
        assert piece.settings.get("soap", False) == (r.optimizer == "soap")
    elif example == "word_rnn":
        r = word_rnn.Recipe()
        assert (D, *ids.shape) == (r.size, r.chunk, r.batch) and piece.settings["soap"]
    elif example == "bigram":
        assert (D, piece.parameters[1].shape[1], *ids.shape) == (bigram.DIMENSION, bigram.HIDDEN, bigram.BATCH)
    else:
        r = sentiment.SETTINGS["trained"]
        assert (V, D, len(piece.batches[0][-1])) == (r.words, r.dimension, r.batch)
    assert piece.batches[0][-1].shape[-1] == B


@with_mpi
def test_ranks_take_turns_with_those_that_need_no_others(tmp_path):
    run = [sys.executable, str(Path(__file__).parents[1] / "benchmarks" / "run.py")]
    run += ["bigram", "--ranks", "2", "--seconds", "0.1", "--json", str(tmp_path / "found.json")]
    (tmp_path / "torch.py").write_text("raise ImportError")  # its threads take long where others are at work
    done = subprocess.run(
        run, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    times = found["bigram"]["seconds"]
    assert {"ours", "ours, 2 ranks"} <= times.keys() and len(set(map(len, times.values()))) == 1
    assert done.stdout.count("NumPy") == 1 and "2 ranks take" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [["--threads", "0"], ["--ranks", "0"], ["--seconds", "-1"], ["--json", "no/such/folder/f.json"], ["nothing"]],
    ids=str,
)
def test_bad_arguments_are_refused_before_anything_is_measured(arguments):
    run = [sys.executable, str(Path(__file__).parents[1] / "benchmarks" / "run.py"), *arguments]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 2 and arguments[-1] in done.stderr.splitlines()[-1] and "median" not in done.stdout

"""What is measured is the same work on all sides: equal losses and equal parameters after some steps."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import measure, work

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
    return "NumPy by hand, dense" if side.endswith("dense") else "NumPy by hand"


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of peers, about NumPy
def test_all_sides_do_the_same_work(name):
    piece = SMALL[name]()
    small_table = name == "averaged embedding"
    for side in filter(installed, piece.sides):
        by_hand = "NumPy by hand, dense" if small_table and side == "ours" else twin(side)
        losses, parameters = trained(piece, side)
        expected_losses, expected = trained(piece, by_hand)
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
    assert not np.allclose(losses, trained(piece, "NumPy by hand")[0], rtol=1e-4)


@pytest.mark.parametrize("name", work.WORK)
def test_every_goal_names_a_side(name):
    piece = work.WORK[name]() if "256" not in name else SMALL["chain"]()
    assert piece.sides[:2] == ("ours", "NumPy by hand") or "dense" in piece.sides[1]
    assert all(any(side.startswith(rival) for side in piece.sides) for rival in piece.goals)


def test_measuring_a_piece_of_work(monkeypatch, capsys):
    monkeypatch.setattr(measure, "BURST", 1e-4)
    monkeypatch.setattr(work, "EVERYONE", ("ours", "NumPy by hand"))
    monkeypatch.setitem(work.WORK, "tiny", SMALL["bigram"])
    monkeypatch.setattr(work, "WORK", {"tiny": lambda: work.bigram(B=7, V=40, D=3, H=4)})
    found = json.loads(json.dumps(measure.run(["tiny"], 1, 0.01, Path("unused"))))
    assert found["tiny"]["goals"]["NumPy by hand"]["at most"] == 1.2
    shown = capsys.readouterr().out
    assert "ours" in shown and "NumPy by hand" in shown and "×" in shown


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


@pytest.mark.parametrize(
    "arguments", [["--threads", "0"], ["--seconds", "-1"], ["--json", "no/such/folder/f.json"], ["nothing"]], ids=str
)
def test_bad_arguments_are_refused_before_anything_is_measured(arguments):
    run = [sys.executable, str(Path(__file__).parents[1] / "benchmarks" / "run.py"), *arguments]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 2 and arguments[-1] in done.stderr.splitlines()[-1] and "median" not in done.stdout

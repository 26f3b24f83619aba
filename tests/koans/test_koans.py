"""The repair exercises: each is solvable, broken as it stands, and refuses wrong ideas; a bad file is one line."""

from __future__ import annotations

import importlib.resources
import re
from pathlib import Path

import numpy as np
import pytest

from tinygrad_nlp import koans
from tinygrad_nlp.koans import KOANS, grade, grading, template
from tinygrad_nlp.koans.__main__ import main

ORIGINAL = importlib.resources.files(koans).joinpath("template.py").read_text("utf-8")
DRAWS = range(7)


def zeros_and(ids, g, table):
    d = np.zeros_like(table)
    np.add.at(d, ids, g)
    return d


def buffered(g, table, ids):
    d = np.zeros_like(table)
    d[ids] += g  # reads every row once: of repeated ids the last one wins
    return d


def normalised(g, x):
    sigma = np.sqrt(np.var(x, axis=1, keepdims=True) + 1e-5)
    y = (x - x.mean(1, keepdims=True)) / sigma
    return (g - g.mean(1, keepdims=True) - y * (g * y).mean(1, keepdims=True)) / sigma


def through_time(carry, inside=True):
    """The right loop, but for what is carried to the step before, carry(dx_t, W), and where it is added."""

    def backward(g, x, h0, W):
        states = template.rnn(x, h0, W)
        dx, dW, dh = np.zeros_like(x), np.zeros_like(W), np.zeros_like(h0)
        for t in reversed(range(len(x))):
            slope = 1 - states[t] ** 2
            dx[t] = (g[t] + dh) * slope if inside else g[t] * slope + dh
            dW += (states[t - 1] if t > 0 else h0).T @ dx[t]
            dh = carry(dx[t], W)
        return dx, dh, dW

    return backward


def probabilities(x):
    return template.softmax(x)


def one_hot(logits, labels):
    return np.eye(logits.shape[1])[labels]


SOLUTIONS = {
    "square": lambda g, x: g * 2 * x,
    "tanh": lambda g, x: g * (1 - np.tanh(x) ** 2),
    "relu": lambda g, x: g * (x > 0),
    "gate": lambda g, x: g * np.tanh(x) + g * x * (1 - np.tanh(x) ** 2),
    "scale": lambda g, x, w: (g * w, (g * x).sum(0)),
    "matmul": lambda g, x, W: (g @ W.T, x.T @ g),
    "row_mean": lambda g, x: np.ones_like(x) * g[:, None] / x.shape[1],
    "row_norm": lambda g, x: g[:, None] * x / np.where(x.any(1), np.linalg.norm(x, axis=1), 1)[:, None],
    "row_max": lambda g, x: g[:, None] * (x == x.max(1)[:, None]) / (x == x.max(1)[:, None]).sum(1)[:, None],
    "lookup": lambda g, table, ids: zeros_and(ids, g, table),
    "softmax": lambda g, x: probabilities(x) * (g - (g * probabilities(x)).sum(1, keepdims=True)),
    "cross_entropy": lambda g, x, k: g * (probabilities(x) - one_hot(x, k)) / len(k),
    "logsumexp": lambda g, x: g[:, None] * np.exp(x - template.logsumexp(x)[:, None]),
    "layer_norm": normalised,
    "rnn": through_time(lambda dx, W: dx @ W.T),
}
NAIVE = {  # the first wrong ideas
    "square": {
        "g for the whole": lambda g, x: g.sum() * 2 * x,
        "g averaged": lambda g, x: g.mean() * 2 * x,
        "no 2": lambda g, x: g * x,
    },
    "tanh": {
        "not squared": lambda g, x: g * (1 - np.tanh(x)),
        "squared inside": lambda g, x: g * (1 - np.tanh(x**2)),
        "sech, not squared": lambda g, x: g / np.cosh(x),
    },
    "relu": {
        "g cut off too": lambda g, x: np.maximum(g, 0) * (x > 0),
        "relu again": lambda g, x: g * np.maximum(x, 0),
        "no mask": lambda g, x: g.copy(),
    },
    "gate": {
        "the mean of both": lambda g, x: (g * np.tanh(x) + g * x * (1 - np.tanh(x) ** 2)) / 2,
        "the product of both": lambda g, x: g * np.tanh(x) * x * (1 - np.tanh(x) ** 2),
        "the first only": lambda g, x: g * np.tanh(x),
    },
    "scale": {
        "averaged": lambda g, x, w: (g * w, (g * x).mean(0)),
        "the other axis": lambda g, x, w: (g * w, (g * x).sum(1)),
        "the first row": lambda g, x, w: (g * w, (g * x)[0]),
    },
    "matmul": {
        "W's gradient transposed as well": lambda g, x, W: (g @ W.T, (x.T @ g).T),
        "only the second": lambda g, x, W: (g @ W, (x.T @ g).T),
    },
    "row_mean": {
        "over the rows": lambda g, x: np.ones_like(x) * g[:, None] / len(x),
        "not divided": lambda g, x: np.ones_like(x) * g[:, None],
        "not spread": lambda g, x: g[:, None] / x.shape[1],
    },
    "row_norm": {
        "0 / 0": lambda g, x: g[:, None] * x / np.linalg.norm(x, axis=1)[:, None],
        "one length for all": lambda g, x: g[:, None] * x / np.linalg.norm(x),
        "squared length": lambda g, x: g[:, None] * x / np.maximum((x**2).sum(1), 1e-30)[:, None],
        "a large ε": lambda g, x: g[:, None] * x / (np.linalg.norm(x, axis=1)[:, None] + 0.01),
    },
    "row_max": {
        "always half": lambda g, x: g[:, None] * (x == x.max(1)[:, None]) / 2,
        "ties of all rows": lambda g, x: g[:, None] * (x == x.max(1)[:, None]) / (x == x.max(1)[:, None]).sum(),
        "over the whole row": lambda g, x: g[:, None] * (x == x.max(1)[:, None]) / x.shape[1],
    },
    "lookup": {
        "buffered +=": buffered,
        "times the count": lambda g, table, ids: (
            buffered(g, table, ids) * np.bincount(ids, minlength=len(table))[:, None]
        ),
    },
    "softmax": {
        "g summed without y": lambda g, x: probabilities(x) * (g - g.sum(1, keepdims=True)),
        "summed over all rows": lambda g, x: probabilities(x) * (g - (g * probabilities(x)).sum()),
        "zeros": lambda g, x: np.zeros_like(x),
    },
    "cross_entropy": {
        "y − ŷ": lambda g, x, k: g * (one_hot(x, k) - probabilities(x)) / len(k),
        "only at the label": lambda g, x, k: g * (probabilities(x) - 1) * one_hot(x, k) / len(k),
        "not averaged": lambda g, x, k: g * (probabilities(x) - one_hot(x, k)),
        "averaged over all": lambda g, x, k: g * (probabilities(x) - one_hot(x, k)) / x.size,
    },
    "logsumexp": {
        "one maximum for all rows": lambda g, x: g[:, None] * np.exp(x - x.max()) / np.exp(x - x.max()).sum(1)[:, None],
        "NaN to 0": lambda g, x: g[:, None] * np.nan_to_num(np.exp(x) / np.exp(x).sum(1)[:, None]),
        "clipped": lambda g, x: g[:, None] * probabilities(np.clip(x, -500, 500)),
    },
    "layer_norm": {
        "σ for a constant": lambda g, x: (g - g.mean(1, keepdims=True)) / x.std(1, keepdims=True),
        "μ for a constant": lambda g, x: normalised(g, x) + g.mean(1, keepdims=True) / x.std(1, keepdims=True),
    },
    "rnn": {
        "W not transposed": through_time(lambda dx, W: dx @ W),
        "without W": through_time(lambda dx, W: dx),
        "past the derivative": through_time(lambda dx, W: dx @ W.T, inside=False),
    },
}


# --- Each exercise ----------------------------------------------------------------------------------------------------


def test_there_are_fifteen_each_with_a_solution_wrong_ideas_and_a_text():
    assert len(KOANS) == 15 and list(KOANS) == list(SOLUTIONS) == list(NAIVE)
    assert re.findall(r"^def (\w+)_backward", ORIGINAL, re.M) == list(KOANS)
    for koan in KOANS:
        assert getattr(template, koan).__doc__ and "∂L/∂" in getattr(template, f"{koan}_backward").__doc__


@pytest.mark.parametrize("koan", KOANS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_solution_passes_the_broken_one_and_naive_repairs_do_not(koan):
    for seed in DRAWS:
        assert (report := grade(koan, SOLUTIONS[koan], seed)), report
        assert not grade(koan, getattr(template, f"{koan}_backward"), seed)
    for name, backward in NAIVE[koan].items():
        refused = [not grade(koan, backward, seed) for seed in koans.SEEDS]
        assert all(refused), (name, refused)


# --- The command ------------------------------------------------------------------------------------------------------

REPAIRS = [  # (what is in the file, what it becomes), in the order of the exercises
    ("return 2 * x", "return 2 * g * x"),
    ("(1 - x * x)", "(1 - np.tanh(x) ** 2)"),
    ("(g > 0)", "(x > 0)"),
    ("dx = g * x * (1", "dx = dx + g * x * (1"),
    ("g * w, g * x", "g * w, np.sum(g * x, axis=0)"),
    ("return g @ W,", "return g @ W.T,"),
    ("/ x.size", "/ x.shape[1]"),
    ("return g[:, None] * x\n", "y = row_norm(x)\n    return (g / np.where(y == 0, 1, y))[:, None] * x\n"),
    ("* largest\n", "* largest / np.sum(largest, axis=1, keepdims=True)\n"),
    ("d[ids] = g", "np.add.at(d, ids, g)"),
    ("return g * y * (1 - y)", "return y * (g - np.sum(g * y, axis=1, keepdims=True))"),
    ("return g * softmax(logits)", "return g * (softmax(logits) - np.eye(logits.shape[1])[labels])"),
    ("e = np.exp(x)\n", "e = np.exp(x - np.max(x, axis=1, keepdims=True))\n"),
    (
        "return g / sigma",
        "y = layer_norm(x)\n"
        "    return (g - np.mean(g, 1, keepdims=True) - y * np.mean(g * y, 1, keepdims=True)) / sigma",
    ),
    ("dx[t] = g[t] *", "dx[t] = (g[t] + dh) *"),
]


def repaired(n: int) -> str:
    """The reader's file with the first n exercises solved."""
    text = ORIGINAL
    for before, after in REPAIRS[:n]:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


@pytest.fixture
def told(tmp_path, monkeypatch, capfd):
    """Run the command on a file of this text: the exit code, what was written, what was complained of."""
    monkeypatch.chdir(tmp_path)

    def run(text: str | None, *args: str) -> tuple[int, str, str]:
        if text is not None:
            (tmp_path / "koans.py").write_text(text, "utf-8")
        try:
            code = main(args)
        except SystemExit as error:  # of argparse
            code = error.code
        return (code, *capfd.readouterr())

    return run


def test_it_writes_the_file_once_and_never_again(told, tmp_path):
    code, out, err = told(None)
    assert (code, err) == (1, "") and "wrote koans.py" in out and "0 of 15" in out
    assert (tmp_path / "koans.py").read_text("utf-8") == ORIGINAL
    line = int(re.search(r"next: square_backward, line (\d+)\n.*upstream ignored", out)[1])
    assert ORIGINAL.splitlines()[line - 1].startswith("def square_backward")
    half = repaired(7)
    code, out, err = told(half)
    assert (code, err) == (1, "") and "wrote" not in out and "7 of 15" in out and "next: row_norm_backward" in out
    assert (tmp_path / "koans.py").read_text("utf-8") == half


def test_all_solved(told):
    code, out, err = told(repaired(15))
    assert (code, err) == (0, "") and "15 of 15" in out and "next" not in out


def test_all_has_a_line_for_each_and_goes_on_after_an_endless_loop(told, monkeypatch):
    monkeypatch.setattr(grading, "LIMIT", 3.0)
    text = repaired(15).replace("2 * g * x", "2 * x").replace("def rnn_backward", "def rnn_back")
    code, out, err = told(text.replace("(x > 0)", "[0 for _ in iter(int, 1)]"), "--all")
    rows = [line.split()[:2] for line in out.splitlines()]
    states = {"square": "WRONG", "relu": "broken", "rnn": "broken"}
    assert (code, err) == (2, "") and "12 of 15" in out and "not done after 3 seconds, in relu_backward" in out
    assert rows[:15] == [[koan, states.get(koan, "right")] for koan in KOANS]


def test_what_a_repair_prints_is_seen_and_g_in_place_is_named(told):
    code, out, _ = told(ORIGINAL.replace("    return 2 * x", "    print('looking')\n    g *= 2 * x\n    return g"))
    assert code == 1 and "looking" in out and "changed the upstream gradient g in place" in out


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("return 2 * x", "return 2 * (x", r"koans\.py:\d+: SyntaxError: .*"),
        ("Array = np.ndarray", "while True: pass", r"koans\.py: not done after 1 seconds: .*endless loop\?"),
        ("return 2 * x", "import os; os._exit(0)", r"koans\.py: Python itself ended, in square_backward: .*"),
    ],
    ids=["syntax", "loop", "exit"],
)
def test_a_bad_file_is_one_line_and_exit_code_2(told, monkeypatch, before, after, says):
    if "loop" in says:
        monkeypatch.setattr(grading, "LIMIT", 1.0)
    code, out, err = told(ORIGINAL.replace(before, after))
    assert code == 2 and re.fullmatch(rf"(python -m tinygrad_nlp\.koans: )?{says}\n", err), err
    assert "next" not in out


class Sent(list):
    """What the other process would send, when it is this one."""

    send = list.append


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("import numpy as np", "import nimpy as np", r"koans\.py:11: ModuleNotFoundError: No module named 'nimpy'"),
        ("Array = np.ndarray", "raise SystemExit", r"koans\.py:13: SystemExit"),
        ("return 2 * x", "return 2 *\0 x", r"koans\.py(:\d+)?: (SyntaxError|ValueError): .*null bytes.*"),
        ("def square_backward", "def squared_backward", r"koans\.py: there is no function square_backward: .*fresh.*"),
        ("return 2 * x", "return 2 * z", r"koans\.py:26: NameError: name 'z' is not defined.*, in square_backward"),
        ("return 2 * x", "return np.ones(3) @ np.ones(4)", r"koans\.py:26: ValueError: .*, in square_backward"),
        ("return 2 * x", "raise SystemExit('bye\\n')", r"koans\.py:26: SystemExit: bye, in square_backward"),
        ("return 2 * x", "return 'x'", r"koans\.py: .*, in square_backward"),
    ],
)
def test_why_a_file_cannot_be_graded_is_one_line(tmp_path, monkeypatch, before, after, says):
    monkeypatch.chdir(tmp_path)
    path, sent = Path("koans.py"), Sent()
    path.write_text(ORIGINAL.replace(before, after), "utf-8")
    grading.work(path, ["square"], sent)
    text = sent[-1] if isinstance(sent[-1], str) else sent[-1].text
    assert re.fullmatch(says, text), text
    assert isinstance(sent[-1], str) or sent[-1].code == grading.BROKEN


@pytest.mark.parametrize("args", [("nowhere/koans.py",), ("--nothing",), (".",)])
def test_bad_arguments_are_one_line_and_exit_code_2(told, args):
    code, out, err = told(None, *args)
    assert code == 2 and out == "" and len(err.splitlines()) == 1

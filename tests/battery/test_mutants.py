"""The script that looks for gaps in the tests finds one that was left on purpose."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

pytest.importorskip("coverage")
pytest.importorskip("resource")  # a system that can fork

from tests.battery import mutants
from tests.test_rooms import PACKAGE, ROOT

SOURCE = '''
def clipped(x, low=0.0):
    """x, at least low: min is a word here, not code."""
    if x != x:
        raise ValueError(f"{x + 1} is no number")
    return max(x, low)
'''
WEAK = "from tinygrad_nlp.clipping import clipped\n\n\ndef test_it():\n    assert clipped(2.0) == 2\n"
GOOD = """
import pytest
from tinygrad_nlp.clipping import clipped


def test_it():
    assert [clipped(x, -1.0) for x in (2.0, -2.0)] == [2, -1]
    assert clipped(-5.0) == 0
    with pytest.raises(ValueError):
        clipped(float("nan"))
"""


def changes(source: str) -> set[tuple[str, str]]:
    return {(m.before, m.after) for m in mutants.mutants_of("m.py", source)}


def test_each_piece_of_code_is_turned_and_no_text() -> None:
    assert changes(SOURCE) == {
        ("def clipped(x, low=0.0):", "def clipped(x, low=(1.0)):"),
        ("if x != x:", "if (x == x):"),
        ('raise ValueError(f"{x + 1} is no number")', "pass"),
        ("return max(x, low)", "return None"),
        ("return max(x, low)", "return (max(low, x))"),
        ("return max(x, low)", "return (max(x))"),
        ("return max(x, low)", "return (min)(x, low)"),
    }


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("a = 0 <= b < n", {"a = (0 < b < n)", "a = (0 <= b <= n)", "a = (1) <= b < n"}),
        ("a = b - 1", {"a = (b + 1)", "a = (1 - b)", "a = b - (2)"}),
        ("a = f(b, axis=1)", {"a = f(b, axis=(2))", "a = (f(b))"}),
        ("a = zip(b, c, strict=True)", set()),
        ("a = not b", {"a = (b)"}),
        ("a += b", {"a -= b"}),
        ("if a: f(b)", {"if (not a): f(b)", "if a: pass"}),
        ("a = 0.5 if σ else b", {"a = (b if σ else 0.5)", "a = (5.0) if σ else b"}),
        ("a: tuple[1, 2] = 'b'", set()),
        ("@f(1, 2)\ndef g(): '''1'''", set()),
    ],
)
def test_what_is_made_of_a_line(line: str, after: set[str]) -> None:
    assert {changed for _, changed in changes(line)} == after


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # JAX warns, if another test has loaded it
@pytest.mark.parametrize(("tests", "left"), [(WEAK, {"raise", "def"}), (GOOD, set())], ids=["weak", "good"])
def test_a_gap_leaves_survivors_and_a_good_test_leaves_none(tests: str, left: set[str], tmp_path: Path) -> None:
    for name, text in [
        ("tinygrad_nlp/__init__", ""),
        ("tinygrad_nlp/clipping", SOURCE),
        ("tests/test_clipping", tests),
    ]:
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "tests/conftest.py").write_text((ROOT / "tests/conftest.py").read_text(encoding="utf-8"))
    drawn = [
        m
        for m in mutants.sample(["tinygrad_nlp/clipping.py"], tmp_path, 99, 0)
        if m.after not in ("return (max(low, x))", "if (x == x):")  # the first one does the same
    ]
    found = mutants.survivors(tmp_path, drawn, {})
    assert {m.before.split()[0] for m in found} == left
    assert (tmp_path / "tinygrad_nlp/clipping.py").read_text(encoding="utf-8") == SOURCE
    killed = {m.key(): m not in found for m in drawn}
    assert mutants.survivors(tmp_path, drawn, killed) == found, "survivors are tried again, and others are not"


def test_the_same_seed_draws_the_same_mutants_though_another_module_changes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text(SOURCE, encoding="utf-8")
    first = mutants.sample(["a.py", "b.py"], tmp_path, 6, 1)
    assert len(first) == 6 and first != mutants.sample(["a.py", "b.py"], tmp_path, 6, 2)
    (tmp_path / "b.py").write_text("", encoding="utf-8")
    second = mutants.sample(["a.py", "b.py"], tmp_path, 6, 1)
    assert {m for m in first if m.path == "a.py"} <= set(second)
    for mutant in first:
        ast.parse(mutant.source)


def test_each_equivalent_mutant_is_one_and_has_a_reason() -> None:
    """What is no mutant any more, because its line has changed, leaves the list."""
    listed = mutants.equivalent(mutants.EQUIVALENT.read_text(encoding="utf-8"))
    for path in {key.splitlines()[0] for key in listed}:
        source = (ROOT / path).read_text(encoding="utf-8")
        made = {m.key() for m in mutants.mutants_of(path, source)}
        gone = [key for key in listed if key.splitlines()[0] == path and key not in made]
        assert not gone, gone
    assert listed and all(len(reason) > 10 for reason in listed.values())


def test_what_is_covered_is_there() -> None:
    assert all((PACKAGE / name).exists() for name in mutants.COVERED)
    for name in {name for names in mutants.BESIDE.values() for name in names}:
        assert (ROOT / "tests" / name).exists(), name

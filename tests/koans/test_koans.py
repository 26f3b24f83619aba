"""The repair exercises: answers come from the table, mistakes earn nothing, a bad or cheating file is a line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tinygrad_nlp import koans
from tinygrad_nlp.koans import SEEDS, expected, grade, grading, template, template_2
from tinygrad_nlp.koans.__main__ import main

VARIANTS = (0, 1, 2, 3, 7)
ORIGINAL = koans.exercises()


def answer(koan):
    """A right backward pass: the gradient by the table."""
    return lambda g, *args: tuple(expected(koan, g, args))


# --- Each exercise ----------------------------------------------------------------------------------------------------


def test_there_are_fifteen_places_with_two_functions_of_two_mistakes_each():
    assert len(koans.PLACES) == 15 and {len(forms) for forms, _ in koans.PLACES} == {2}
    for k, module in enumerate((template, template_2)):
        names = [list(forms)[k] for forms, _ in koans.PLACES]
        assert [f for f in vars(module) if callable(getattr(module, f)) and f != "Array"] == [
            f"{name}{part}" for name in names for part in ("", "_backward", "_backward_2")
        ]
        for name in names:
            assert getattr(module, name).__doc__ and "∂L/∂" in getattr(module, f"{name}_backward").__doc__


@pytest.mark.parametrize("form", [0, 1])
@pytest.mark.parametrize("place", range(15))
def test_the_tables_gradient_is_right_and_neither_mistake_is(place, form, monkeypatch):
    forms, hint = koans.PLACES[place]
    name, draw = list(forms.items())[form]
    functions = vars((template, template_2)[form])
    for mistake in ("", "_2"):
        koan = koans.Koan(name, functions[name], functions[f"{name}_backward{mistake}"], draw, hint, 5)
        monkeypatch.setattr(koans, "koans", lambda variant, koan=koan: {koan.name: koan})
        assert not any(grade(name, koan.broken, seed=seed) for seed in SEEDS), mistake
        assert grading.mark(koan, koan.broken).credit == 0 and grading.mark(koan, answer(koan)).credit == 1
    for seed in SEEDS:
        assert (report := grade(name, answer(koan), seed=seed)), report


def test_another_variant_has_other_exercises_mistakes_and_data():
    texts = {koans.exercises(v) for v in range(20)}
    assert len(texts) == 20 and koans.exercises(3) == koans.exercises(3)
    first, second = koans.koans(3), koans.koans(4)
    shared = [name for name in first if name in second]
    assert 0 < len(shared) < 15
    assert all(not np.array_equal(first[n].args(0)[0], second[n].args(0)[0]) for n in shared)
    for v in VARIANTS:
        namespace = {}
        exec(koans.exercises(v), namespace)
        assert [n.removesuffix("_backward") for n in namespace if n.endswith("_backward")] == list(koans.koans(v))


def test_one_of_the_ties_is_not_what_the_text_asks_for():
    def argmax(g, x):
        d = np.zeros_like(x)
        d[np.arange(len(x)), np.argmax(x, axis=1)] = g
        return d

    report = grade("row_max", argmax)
    assert not report and "not what the text asks for" in report.arguments[0].diagnosis


def test_credit_is_for_what_has_become_right():
    koan = koans.koans()["scale"]  # its first gradient is right as it stands
    both = answer(koan)
    assert grading.mark(koan, lambda g, x, w: (g * w, g * 0)).credit == 0
    koan = koans.koans()["rnn"]
    whole = answer(koan)
    some = grading.mark(koan, lambda g, *args: (whole(g, *args)[0], *(0 * a for a in whole(g, *args)[1:])))
    assert 0.3 < some.credit < 0.4 and some.code == grading.WRONG
    assert grading.mark(koans.koans()["scale"], both).code == grading.RIGHT


def test_hints_are_true_of_every_array_on_which_the_answer_is_wrong():
    for name in ("relu", "row_norm"):
        found = grading.mark(koans.koans()[name], koans.koans()[name].broken)
        wrong = [grade(name, koans.koans()[name].broken, seed=seed) for seed in SEEDS]
        for hint in found.hints[2:]:
            assert all(any(a.diagnosis in hint for a in report.arguments if a.diagnosis) for report in wrong)


# --- Files ------------------------------------------------------------------------------------------------------------


def solved(variant: int = 0, only: int = 15) -> str:
    """A file whose first answers are the table's gradients for the arrays on which it is graded, looked up."""
    text = koans.exercises(variant)
    known = {}
    for koan in list(koans.koans(variant).values())[:only]:

        def noted(g, *args, koan=koan):
            known[koan.name + digest(g, *args)] = [a.tolist() for a in expected(koan, g, args)]
            return tuple(expected(koan, g, args))

        for seed in SEEDS:
            assert grade(koan.name, noted, variant, seed)
        head = re.search(rf"def {koan.name}_backward\((.*?)\)( -> .*)?:\n", text)
        text, signature = text.replace(head[0], f"{head[0]}    return known({koan.name!r}, LOCALS)\n"), head[1]
        text = text.replace("LOCALS", ", ".join(re.findall(r"(\w+):", signature)), 1)
    code = f"import collections\n\nKNOWN = {known!r}\n\n\ndef known(name, *args):\n    key = name + digest(*args)\n"
    code += "    return tuple(np.array(a) for a in KNOWN[key])\n\n\ndef digest(*args):\n"
    code += "    return '|'.join(','.join(f'{v:.6e}' for v in np.ravel(a)) for a in args)\n"
    return text + "\n\n" + code


def digest(*args) -> str:
    return "|".join(",".join(f"{v:.6e}" for v in np.ravel(a)) for a in args)


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


def test_it_writes_the_file_once_and_gives_hints_when_it_is_asked(told, tmp_path):
    code, out, err = told(None)
    assert (code, err) == (1, "") and "wrote koans.py" in out and "0 of 15" in out and "hint 1" not in out
    assert (tmp_path / "koans.py").read_text("utf-8") == ORIGINAL
    line = int(re.search(r"next: square, line (\d+): ∂L/∂x \S+ \S+ is not right", out)[1])
    assert ORIGINAL.splitlines()[line - 1].startswith("def square_backward") and "upstream" not in out
    for n in (1, 2, 3):
        code, out, err = told(None, *["--hint"] * n)
        assert f"hint {n} of 3: " in out and f"hint {n + 1}" not in out and "wrote" not in out
        assert ("upstream ignored" in out) is (n == 3)


def test_all_solved(told):
    code, out, err = told(solved())
    assert (code, err) == (0, "") and "15 of 15" in out and "next" not in out
    code, out, err = told(solved(3), "--variant", "3", "--json")
    marks = json.loads(out)
    assert code == 0 and marks["score"] == marks["out_of"] == 15 and marks["variant"] == 3
    code, out, err = told(solved(3), "--variant", "4", "--json")
    assert code == 2 and json.loads(out)["score"] < 1  # answers to one variant do not serve for another


def test_json_has_a_credit_for_each_and_goes_on_after_an_endless_loop(told, monkeypatch):
    monkeypatch.setattr(grading, "LIMIT", 8.0)  # a busy machine starts slowly
    text = solved(only=4).replace("def rnn_backward", "def rnn_back")
    text = text.replace("return known('relu', g, x)", "return sum(iter(int, 1))")
    code, out, _ = told(text, "--json")
    rows = {row["name"]: row for row in json.loads(out)["exercises"]}
    assert code == 2 and [row["solved"] for row in rows.values()] == [True, True, False, True] + [False] * 11
    assert (
        "not done after 8 seconds" in rows["relu"]["message"] and "no function rnn_backward" in rows["rnn"]["message"]
    )
    assert json.loads(out)["score"] == 3


def test_what_a_repair_prints_is_seen_and_g_in_place_is_named(told):
    text = ORIGINAL.replace("    return 2 * x", "    print('looking')\n    g *= 2 * x\n    return g")
    code, out, err = told(text)
    assert code == 1 and "looking" in err and "changed the upstream gradient g in place" in out


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("import numpy as np", "import nimpy as np", r"koans\.py:11: refused: it imports nimpy: .*"),
        ("import numpy as np", "import numpy.nothing as np", r"koans\.py:11: ModuleNotFoundError: .*"),
        ("Array = np.ndarray", "raise SystemExit", r"koans\.py:13: SystemExit"),
        ("return 2 * x", "return 2 * (x", r"koans\.py:\d+: SyntaxError: .*"),
        ("return 2 * x", "return 2 *\0 x", r"koans\.py(:\d+)?: (SyntaxError|ValueError): .*null bytes.*"),
        ("def square_backward", "def squared_backward", r"koans\.py: there is no function square_backward: .*fresh.*"),
        ("return 2 * x", "return 2 * z", r"koans\.py:26: NameError: name 'z' is not defined.*, in square_backward"),
        ("return 2 * x", "return np.ones(3) @ np.ones(4)", r"koans\.py:26: ValueError: .*, in square_backward"),
        ("return 2 * x", "raise SystemExit('bye\\n')", r"koans\.py:26: SystemExit: bye, in square_backward"),
        ("return 2 * x", "return 'x'", r"koans\.py: TypeError: .*, in square_backward"),
    ],
)
def test_a_file_that_cannot_be_graded_is_one_line_and_exit_code_2(told, before, after, says):
    code, out, err = told(ORIGINAL.replace(before, after))
    assert code == 2 and re.fullmatch(rf"(python -m tinygrad_nlp koans: )?{says}\n", err), err
    assert "next" not in out


CHEATS = {
    "imports the engine": "import tinygrad_nlp",
    "imports it by name": "import numpy as np; np.__builtins__['__import__']('tinygrad_nlp')",
    "patches the grader": "import sys; sys.modules['tinygrad_nlp.koans'].grade = lambda *a: True",
    "patches allclose": "np.allclose = lambda *a, **k: True; np.array_equal = np.allclose",
    "evaluates text": "eval('__imp' + 'ort__')('tinygrad_nlp')",
    "reads the engine": "np.fromfile(np.lib.format.os.sep + 'x')",
    "starts a program": "np.lib.format.os.system('true')",
    "an exit": "raise SystemExit(0)",
    "ends Python": "np.lib.npyio.os._exit(0)",
    "10 GB": "np.ones(10_000_000_000 // 8)",
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_cheating_file_scores_nothing(told, cheat):
    code, out, _ = told(ORIGINAL.replace("Array = np.ndarray", f"Array = np.ndarray\n{CHEATS[cheat]}"), "--json")
    assert code in (1, 2) and json.loads(out)["score"] == 0, out


def test_a_cheat_in_one_answer_costs_that_answer_only(told):
    honest = solved(only=3)  # the third is relu's, whose body is replaced
    body = re.compile(r"(def relu_backward\(.*?\n)(.*?)(?=\n\n\ndef )", re.S)
    for line in ("np.ones(10_000_000_000 // 8)", "raise SystemExit(0)"):
        cheating = body.sub(rf"\1    {line}", honest)
        assert line in cheating
        code, out, _ = told(cheating, "--json")
        marks = json.loads(out)
        assert code in (1, 2) and [r["solved"] for r in marks["exercises"]][:3] == [True, True, False]


def test_what_the_student_sends_is_never_run():
    for sent in ({"dtype": "O", "shape": [1], "data": "gAN9cQAu"}, {"dtype": "<f8", "shape": [9], "data": ""}):
        with pytest.raises((TypeError, ValueError)):
            grading.sandbox.unpacked(sent)
    a = np.arange(6.0).reshape(2, 3).T
    assert np.array_equal(grading.sandbox.unpacked(grading.sandbox.packed(a)), a)


def test_watch_grades_again_when_the_file_is_saved(told, tmp_path, monkeypatch):
    texts = iter([solved()])

    def sleep(_):
        (tmp_path / "koans.py").write_text(next(texts), "utf-8")

    monkeypatch.setattr("tinygrad_nlp.koans.__main__.time.sleep", sleep)
    code, out, _ = told(ORIGINAL, "--watch")
    assert code == 0 and out.index("0 of 15") < out.index("15 of 15")


BAD = ["nowhere/koans.py", "--nothing", ".", "--variant -1", "--watch --json"]


@pytest.mark.parametrize("args", [bad.split() for bad in BAD])
def test_bad_arguments_are_one_line_and_exit_code_2(told, args):
    code, out, err = told(None, *args)
    assert code == 2 and out == "" and len(err.splitlines()) == 1


def test_the_package_is_not_in_the_students_process():
    source = Path(grading.sandbox.__file__).read_text("utf-8")
    assert "tinygrad_nlp import" not in source and "from ." not in source

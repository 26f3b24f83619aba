"""python -m tinygrad_nlp: what there is, the text that a model tells, one clear line and exit code 2 for bad input."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_nlp
from tinygrad_nlp import course
from tinygrad_nlp.__main__ import main
from tinygrad_nlp.engine import writable
from tinygrad_nlp.nlp import generate as sampling
from tinygrad_nlp.nlp import saved
from tinygrad_nlp.nlp.models import CharRNN, DeepAveragingNetwork
from tinygrad_nlp.nlp.text import Characters
from tinygrad_nlp.npz import read_tree, write_npz, write_tree


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A saved model that has learned nothing."""
    path = tmp_path_factory.mktemp("cli") / "model.npz"
    saved.save(path, CharRNN(6, 3, 4, "gru", rng=np.random.default_rng(0)), Characters("abcde\n"))
    return path


def told(capsys, *args, command="generate"):
    """The exit code, what was written, and what was complained of."""
    try:
        code = main([command, *map(str, args)])
    except SystemExit as error:  # of argparse
        code = error.code
    return (code, *capsys.readouterr())


def test_it_writes_the_prompt_and_goes_on(capsys, model):
    code, text, complaint = told(capsys, model, "--prompt", "abba", "--length", 30, "--seed", 3, "--temperature", 0.5)
    assert (code, complaint, text[:4], len(text), text[-1]) == (0, "", "abba", 35, "\n")
    assert told(capsys, model, "--prompt", "abba", "--length", 30, "--seed", 3, "--temperature", 0.5)[1] == text
    assert told(capsys, model, "--prompt", "abba", "--length", 30, "--seed", 4, "--temperature", 0.5)[1] != text


def test_temperature_0_and_the_one_likeliest_are_argmax(capsys, model):
    rnn, letters, _ = saved.load(model)
    ids = list(letters.encode("ab"))
    for _ in range(20):
        ids.append(int(np.argmax(rnn(np.array(ids)[:, None])[0].data[-1, 0])))
    expected = letters.decode(ids) + "\n"
    for seed in (0, 1):
        options = ("--prompt", "ab", "--length", 20, "--seed", seed)
        assert told(capsys, model, *options, "--temperature", 0)[1] == expected
        assert told(capsys, model, *options, "--top-k", 1)[1] == expected


def test_characters_come_as_they_are_drawn(capsys, model, monkeypatch):
    def drawn(*args, **options):
        yield 0
        assert capsys.readouterr().out == "ba"
        yield 2
        assert capsys.readouterr().out == "c"

    monkeypatch.setattr(sampling, "generate", drawn)
    assert told(capsys, model, "--prompt", "b") == (0, "\n", "")


@pytest.mark.parametrize(("alphabet", "start"), [("ab\n", "\n"), ("cab", "c")])
def test_without_a_prompt_it_starts_with_a_character_of_the_alphabet(capsys, tmp_path, alphabet, start):
    saved.save(tmp_path / "m.npz", CharRNN(3, 4, 5, rng=np.random.default_rng(0)), Characters(alphabet))
    code, text, complaint = told(capsys, tmp_path / "m.npz", "--length", 5)
    assert (code, complaint, text[0], len(text)) == (0, "", start, 7)
    assert told(capsys, tmp_path / "m.npz", "--length", 5, "--prompt", start)[1] == text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prompt", "abé"], "'é' (U+00E9) at position 2 is not in the alphabet"),
        (["--prompt", "abé"], "the nearest known one is 'e'"),
        (["--prompt", ""], "--prompt is empty: give at least one character to go on from"),
        (["--temperature", "-1"], "temperature is -1.0: use 0"),
        (["--temperature", "nan"], "temperature is nan: use 0"),
        (["--temperature", "warm"], "argument --temperature: invalid float value: 'warm'; see "),
        (["--top-k", "0"], "top_k is 0: use 1 or more"),
        (["--length", "-1"], "--length is -1: use a whole number from 0 on"),
        (["--seed", "-1"], "--seed is -1: use a whole number from 0 on"),
        (["--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_bad_options_are_one_line_and_exit_code_2(capsys, model, options, message):
    code, text, complaint = told(capsys, model, *options)
    assert (code, text, complaint.count("\n")) == (2, "", 1)
    assert message in complaint


def test_bad_files_are_one_line_and_exit_code_2(capsys, model, tmp_path):
    (tmp_path / "half.npz").write_bytes(model.read_bytes()[:1000])
    saved.save(tmp_path / "dan.npz", DeepAveragingNetwork(3, 2, rng=np.random.default_rng(0)), list("abc"))
    wrong = {
        "absent.npz": "No such file",
        "half.npz": "is damaged or not ours",
        "": "Is a directory",
        "dan.npz": "holds a DeepAveragingNetwork: only a CharRNN",
    }
    for name, message in wrong.items():
        code, text, complaint = told(capsys, tmp_path / name)
        assert (code, text, complaint.count("\n")) == (2, "", 1)
        assert str(tmp_path / name) in complaint and message in complaint


def test_ctrl_c_and_numbers_that_are_not_finite(capsys, model, monkeypatch, tmp_path):
    rnn, letters, _ = saved.load(model)
    writable(rnn.output.b)[...] = np.nan
    saved.save(tmp_path / "nan.npz", rnn, letters)
    code, _, complaint = told(capsys, tmp_path / "nan.npz")
    assert code == 2 and "cannot sample from logits" in complaint

    def interrupted(*args, **options):
        yield 0
        raise KeyboardInterrupt

    monkeypatch.setattr(sampling, "generate", interrupted)
    assert told(capsys, model, "--prompt", "b") == (130, "ba", "python -m tinygrad_nlp generate: interrupted\n")


def test_as_a_command_into_a_pipe_that_closes(model):
    command = [sys.executable, "-m", "tinygrad_nlp", "generate", str(model), "--length", "1000000"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], **pipes) as process:
        assert len(process.stdout.read(10)) == 10
        process.stdout.close()
        assert (process.stderr.read(), process.wait(60)) == (b"", 0)


def test_what_a_model_holds_reaches_the_terminal_without_its_escape_sequences(capsys, tmp_path):
    evil = "\x1b\x07\u202e\x9b\r"
    saved.save(tmp_path / "evil.npz", CharRNN(6, 3, 4, rng=np.random.default_rng(0)), Characters(evil + "\n"))
    code, text, _ = told(capsys, tmp_path / "evil.npz", "--length", 99)
    assert code == 0 and all(c.isprintable() or c == "\n" for c in text) and r"\x1b" in text
    tree = read_tree(tmp_path / "evil.npz")
    write_tree(tmp_path / "evil.npz", tree | {"values": tree["values"] | {evil: np.zeros(1)}})
    code, _, complaint = told(capsys, tmp_path / "evil.npz")
    assert code == 2 and r"\x1b\x07\u202e" in complaint and complaint[:-1].isprintable()
    write_npz(tmp_path / "evil.npz", {evil: np.zeros(1)})
    (tmp_path / "evil.npz").write_bytes((tmp_path / "evil.npz").read_bytes().replace(b".npy", b"\x1b[2J"))
    code, _, complaint = told(capsys, tmp_path / "evil.npz")
    assert code == 2 and complaint[:-1].isprintable()


def test_a_full_disk_behind_standard_output_is_one_line_and_exit_code_2(model):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    command = [sys.executable, "-m", "tinygrad_nlp", "generate", str(model), "--length", "3"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=Path(__file__).parents[1], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "the disk is full" in done.stderr


# --- What there is ----------------------------------------------------------------------------------------------------


def test_without_a_command_it_lists_them(capsys):
    assert main([]) == 0
    listed = capsys.readouterr().out
    commands = ("lessons", "koans", "table", "copy-examples", "fetch", "generate")
    assert all(f"\n    {command}" in listed for command in commands)
    code, text, _ = told(capsys, command="--version")
    assert (code, text) == (0, f"tinygrad_nlp {tinygrad_nlp.__version__}\n")


def test_lessons_are_listed_shown_and_run(capfd):
    code, text, _ = told(capfd, command="lessons")
    assert code == 0 and [line[:2] for line in text.splitlines()] == [f"{i:2}" for i in range(len(course.lessons()))]
    code, text, _ = told(capfd, 3, command="lessons")
    assert code == 0 and text.startswith("## 3. ") and "**Before you run it:**" in text and "$ python" not in text
    capfd.readouterr()
    code = main(["lessons", "1", "--run"])
    assert code == 0 and "made by multiply" in capfd.readouterr().out
    code, text, complaint = told(capfd, 99, command="lessons")
    assert (code, text) == (2, "") and "there is no lesson 99: use a number from 0 to" in complaint


def test_the_table_and_a_word_of_it(capsys):
    assert told(capsys, command="table")[1].count("\n") > 200
    code, text, _ = told(capsys, "tanh", command="table")
    assert code == 0 and "tanh                rule" in text and all("tanh" in line for line in text.splitlines())
    assert told(capsys, "nothing of the kind", command="table")[0] == 2


def test_koans_are_reached(capsys):
    code, text, _ = told(capsys, "--help", command="koans")
    assert code == 0 and "--variant" in text


def test_examples_are_copied_once_with_notebooks(capsys, tmp_path):
    pytest.importorskip("jupytext")
    code, _, complaint = told(capsys, tmp_path / "mine", "--notebooks", command="copy-examples")
    assert (code, complaint) == (0, "") and (tmp_path / "mine" / "bigram.py").exists()
    books = sorted((tmp_path / "mine" / "lessons").glob("*.ipynb"))
    assert [book.stem for book in books] == [path.stem for path in course.lessons()]
    assert all(json.loads(book.read_text("utf-8"))["cells"] for book in books)
    code, text, complaint = told(capsys, tmp_path / "mine", command="copy-examples")
    assert (code, text, complaint.count("\n")) == (2, "", 1) and "nothing is overwritten" in complaint


def test_corpora_are_fetched_into_a_shared_folder(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_NLP_CACHE", "elsewhere")  # put back after the test
    asked = []

    def fetched(name):
        asked.append((name, corpora.cache_folder()))
        return corpora.Source("cache", tmp_path / name, "")

    from tinygrad_nlp.nlp import corpora
    from tinygrad_nlp.nlp.corpora.download import cache_folder

    monkeypatch.setattr(corpora, "cache_folder", cache_folder, raising=False)
    monkeypatch.setattr(corpora, "fetch", fetched)
    code, text, _ = told(capsys, tmp_path / "class", command="fetch")
    assert code == 0 and "--data" in text and len(asked) >= 4
    assert {folder for _, folder in asked} == {tmp_path / "class"}
    assert all(corpora.REGISTRY[name].size <= 100_000_000 for name, _ in asked)


def test_the_wheel_carries_lessons_and_examples(tmp_path):
    """setup.py copies them into the package: the build step alone, without a wheel around it."""
    pytest.importorskip("setuptools")
    root = Path(__file__).parents[1]
    command = [sys.executable, "setup.py", "-q", "build", "--build-base", str(tmp_path / "base")]
    command += ["--build-lib", str(tmp_path / "lib"), "egg_info", "--egg-base", str(tmp_path)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    inside = tmp_path / "lib" / "tinygrad_nlp" / "examples"
    names = {path.relative_to(inside) for path in inside.rglob("*.py")}
    assert names == {path.relative_to(root / "examples") for path in (root / "examples").rglob("*.py")}
    assert (inside / "README.md").exists() and not list(inside.rglob("__pycache__"))

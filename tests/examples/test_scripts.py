"""The examples as a person runs them: what they print, and one clear line for bad input."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import char_rnn
import common
import numpy as np
import pytest

from tests import posix
from tinygrad_nlp.console import BadInput
from tinygrad_nlp.files import FileError

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script without corpora; with a proxy that nobody answers there is no network either."""
    nowhere = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    inherited = {key: value for key, value in os.environ.items() if key != "TINYGRAD_NLP_DATA"}
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *options]
    return subprocess.run(
        command, env=inherited | nowhere | environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_softmax_gradient_prints_small_differences_and_one_perplexity(tmp_path: Path) -> None:
    printed = example("softmax_gradient", "--out", str(tmp_path)).stdout
    differences = [float(number) for number in re.findall(r"\d\.\de[-+]\d\d", printed)]
    assert len(differences) == 3 and max(differences) < 1e-9
    assert len(set(re.findall(r"\d+\.\d{9}", printed))) == 1


def test_backprop_by_hand_prints_small_differences(tmp_path: Path) -> None:
    printed = example("backprop_by_hand", "--out", str(tmp_path)).stdout
    differences = [float(number) for number in re.findall(r"\d\.\de[-+]\d\d", printed)]
    assert len(differences) == 22 and max(differences) < 1e-14  # five gradients, and six at two steps of time, two ways


def test_char_rnn_runs_on_built_in_text_says_so_and_goes_on_from_a_prompt(tmp_path: Path) -> None:
    done = example(
        "char_rnn", "--smoke", "--out", str(tmp_path), "--sample", "The ", TINYGRAD_NLP_CACHE=str(tmp_path / "cache")
    )
    assert done.returncode == 0, done.stderr
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("Built-in corpora are used")
    assert "The " in done.stdout and len(last) > 0
    assert json.loads((tmp_path / "char_rnn.json").read_text())["steps"] == 20


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("bigram", ["--steps", "-3"], "-3 is not a whole number from 1 on"),
        ("char_rnn", ["--steps", "many"], "many is not a whole number from 1 on"),
        ("char_rnn", ["--cell", "gpt"], "invalid choice: 'gpt'"),
        ("char_rnn", ["--data", "nowhere"], "data folder nowhere is not there"),
        ("char_rnn", ["--sample", "naïve"], "'ï'"),
        ("char_rnn", ["--temperature", "-1", "--sample", "a"], "temperature"),
        ("char_rnn", ["--counts", "7"], "add --recipe strong or best"),
        ("word_rnn", ["--steps", "0"], "0 is not a whole number from 1 on"),
        ("sentiment", ["--seed", "x"], "invalid int value: 'x'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(name: str, options: list[str], says: str, tmp_path: Path) -> None:
    cache = {"TINYGRAD_NLP_CACHE": str(tmp_path / "cache")}
    done = example(name, "--smoke", "--out", str(tmp_path / "out"), *options, **cache)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and says in done.stderr
    assert not list((tmp_path / "out").glob("*")), "nothing is left behind"


def test_an_output_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = example("softmax_gradient", "--out", str(tmp_path / "file" / "out"))
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "--out" in done.stderr


def test_a_damaged_corpus_is_named(tmp_path: Path) -> None:
    (tmp_path / "tinyshakespeare.txt").write_text("To be, or not")
    done = example("char_rnn", "--smoke", "--data", str(tmp_path), "--out", str(tmp_path / "out"))
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "tinyshakespeare.txt" in done.stderr and "checksum" in done.stderr


@pytest.mark.parametrize(("recipe", "least"), [("published", 401), ("strong", 32 * 32 + 33)])
def test_a_text_that_is_too_short_for_a_recipe_is_refused(recipe: str, least: int) -> None:
    wanted, rng = char_rnn.RECIPES[recipe], np.random.default_rng(0)
    for _ in range(40):  # wherever the streams begin
        x, y = char_rnn.chunk(np.arange(least), wanted, rng, {"start": 0, "cursor": 0, "state": None})
        assert np.array_equal(x + 1, y) and x.shape == (wanted.chunk, wanted.batch)
    message = (
        f"{least - 1:,} characters are too few for this recipe, {wanted.batch} chunks of {wanted.chunk} side by side"
    )
    with pytest.raises(BadInput, match=message):
        char_rnn.chunk(np.arange(least - 1), wanted, rng, {"start": 0, "cursor": 0, "state": None})


@pytest.mark.parametrize("name", ["softmax_gradient", "char_rnn"])
def test_a_full_disk_is_one_line_and_leaves_no_empty_file(name: str, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    pytest.importorskip("matplotlib")
    options = ["--smoke", "--quiet", "--out", str(tmp_path / "out")]
    if Path("/dev/full").exists():
        command = [sys.executable, str(EXAMPLES / f"{name}.py"), *options]
        environment = os.environ | {"TINYGRAD_NLP_CACHE": str(tmp_path / "cache"), "https_proxy": "http://127.0.0.1:9"}
        with open("/dev/full", "w") as full:
            done = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, text=True)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "the disk is full" in done.stderr
    common.curve(tmp_path / "first.png", [(0, 0), (1, 1)], "x", "y")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, before[1]))
    try:
        with pytest.raises(FileError, match=r"curve.png: the disk is full"):
            common.curve(tmp_path / "curve.png", [(0, 0), (1, 1)], "x", "y")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.glob("*curve*"))


@posix
def test_the_probe_of_the_output_folder_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".writable").symlink_to(tmp_path / "victim")
    assert example("softmax_gradient", "--out", str(tmp_path / "out")).returncode == 0
    assert not (tmp_path / "victim").exists() and (tmp_path / "out" / ".writable").is_symlink()

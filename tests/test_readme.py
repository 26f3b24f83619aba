"""The README says what is true: its example prints what stands below it, its rooms are as long as it says."""

import contextlib
import io
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)


def test_the_first_example_prints_what_stands_below_it() -> None:
    (language, code), (_, expected) = BLOCKS[:2]
    assert language == "python"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {})
    assert printed.getvalue() == expected


def test_the_gradcheck_example_names_the_mistake() -> None:
    (code,) = [code for _, code in BLOCKS if "my_backward" in code]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec("import numpy as np\n" + code, {})
    assert "factor 1/2 everywhere" in printed.getvalue()
    assert printed.getvalue() == BLOCKS[BLOCKS.index(("python", code)) + 1][1]


def test_the_excerpt_is_in_the_table() -> None:
    (excerpt,) = [code for _, code in BLOCKS if code.startswith("rule(")]
    rules = (ROOT / "tinygrad_nlp" / "rules.py").read_text(encoding="utf-8").splitlines()
    assert [row for row in excerpt.splitlines() if row not in rules] == []


@pytest.mark.parametrize(
    ("room", "lines"), re.findall(r"\]\(((?:tinygrad_nlp|examples)/\S+\.py)\) \| (\d+) \|", README)
)
def test_rooms_are_as_long_as_the_readme_says(room: str, lines: str) -> None:
    count = len((ROOT / room).read_text(encoding="utf-8").splitlines())
    assert abs(count - int(lines)) <= 5, f"{room} has {count} lines now: say so in README.md"


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_both_commands_make_their_own_environment() -> None:
    commands = [line.strip() for line in README.splitlines() if line.startswith("    python3 -m venv .venv && ")]
    assert [command.split(" && ")[-1] for command in commands] == [
        ".venv/bin/python examples/reproduce.py",
        ".venv/bin/python -m pytest -n auto",
    ]


def test_the_script_that_follows_this_page_sees_its_commands_and_its_figures() -> None:
    follow = runpy.run_path(str(ROOT / ".ci" / "readme.py"))
    commands = [follow["shorter"](command) for command in follow["commands"](README)]
    for said in ("reproduce.py --smoke --quiet", '-e ".[test]" && .venv/bin/python -m pytest -n auto', "activate"):
        assert sum(command.endswith(said) for command in commands) == 1
    assert len(commands) > 15 and all("--smoke" in command for command in commands if " examples/" in command)
    assert [expected is None for _, expected in follow["blocks"](README)] == [False, False]
    for name, right, wrong in [
        ("examples/softmax_gradient.py", "5.1e-10", "5.1e-09"),
        ("examples/backprop_by_hand.py", "2.2e-16", "2.2e-14"),
        ("-m tinygrad_nlp.koans", "0 of 15 solved", "0 of 14 solved"),
    ]:
        bases = "6.798123456789\n" * 5 if "softmax" in name else ""
        assert follow["figures"](f"python {name}", f"{right}\n{bases}") == ""
        assert follow["figures"](f"python {name}", f"{wrong}\n{bases}") != ""
        assert follow["figures"](f"python {name}", "") != ""


def lines_of(path: str) -> int:
    return len((ROOT / path).read_text(encoding="utf-8").splitlines())


def test_backpropagation_is_read_in_one_sitting() -> None:
    """Lesson 0, the engine and the table are all that must be read, and the README names them first."""
    reading = re.findall(r"\]\(((?:tinygrad_nlp|examples)/\S+\.py)\) \| \d+ \|", README)[:3]
    assert reading == ["examples/lessons/00_the_engine.py", "tinygrad_nlp/engine.py", "tinygrad_nlp/rules.py"]
    assert lines_of("tinygrad_nlp/engine.py") <= 180 and sum(map(lines_of, reading)) <= 600


def test_what_the_engine_calls_is_named() -> None:
    """Each module that engine.py imports is in the README's section on reading, or is its observer's protocol."""
    imports = re.findall(r"^from \.core(?:\.(\w+))? import (.*)$", (ROOT / "tinygrad_nlp/engine.py").read_text(), re.M)
    modules = {module or name for module, name in imports}
    section = README.partition("## Read it in this order")[2].partition("## Examples")[0]
    assert modules >= {"interface", "sparse", "unbroadcast"}
    assert {m for m in modules if f"core/{m}.py" not in section} <= {"observing"}


def test_links_in_the_package_are_absolute(tmp_path: Path) -> None:
    """What a package index shows is README.md with the addresses of setup.cfg."""
    pytest.importorskip("setuptools")
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    shown = (tmp_path / "tinygrad_nlp.egg-info" / "PKG-INFO").read_text(encoding="utf-8")
    links, ours = re.findall(r"\]\(([^)\s]+)\)", shown), re.findall(r"\]\(([^)\s]+)\)", README)
    assert len(links) == len(ours) >= 10 and all(re.match(r"https://[\w.-]+/|#", link) for link in links)
    assert any(link.endswith("/source/tinygrad_nlp/engine.py") for link in links)
    assert any(link.endswith("/docs/howto/many_cores.html") for link in links)
    assert "Description-Content-Type: text/markdown" in shown

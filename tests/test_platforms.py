"""At home on every machine: an output that lacks signs, a system without POSIX, files held open, threads of BLAS."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_nlp import console, course, files, shared_run
from tinygrad_nlp.run import Run

ROOT = Path(__file__).parents[1]
EXAMPLES = ("softmax_gradient", "backprop_by_hand", "bigram", "word_rnn", "char_rnn", "sentiment")

# What only POSIX has goes before anything else is imported. What other libraries replace on Windows stays.
WITHOUT_POSIX = """
import os, signal, sys
for name in ("grp", "pty", "pwd", "resource", "syslog", "termios", "tty"):
    sys.modules[name] = None
for name in ("O_NOFOLLOW", "fork", "forkpty", "getloadavg", "getpgid", "killpg", "mkfifo", "nice",
             "sched_getaffinity", "sched_setaffinity", "setpgid", "setsid", "statvfs"):
    delattr(os, name)
for name in ("SIGALRM", "SIGHUP", "SIGQUIT", "SIGUSR1", "alarm", "pthread_sigmask", "setitimer", "sigwait"):
    delattr(signal, name)
"""

SCRIPT = """
import numpy as np
import tinygrad_nlp as tg
x = tg.Tensor(np.ones((3, 4)))
print(tg.explain(np.sum(x @ np.ones(4))))
print(tg.gradcheck(np.square, np.ones(3), gradient=lambda g, x: g * x, names=("x",)))
print(tg.time_map(lambda x, h: (np.tanh(x + h),) * 2, np.ones((5, 1, 2)), np.zeros((1, 2))))
print(tg.table())
model = tg.nn.Sequential(tg.nn.Linear(4, 2, rng=np.random.default_rng(0)))
print(model, model.layers[0], f"{model}")
print(tg.summary(model, np.ones((1, 4), np.float32)))
print(tg.profile(np.sum(x)))
"""

TEST = """
import numpy as np
from tinygrad_nlp import gradcheck
def test_mine():
    assert gradcheck(np.square, np.ones(3), gradient=lambda g, x: g * x, names=("σ",))
"""


def run(*command: object, without_posix: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python without corpora and network, in the folder for results; what it prints is taken byte by byte."""
    nowhere = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "PYTHONPATH": str(ROOT)}
    if without_posix:
        (without_posix / "sitecustomize.py").write_text(WITHOUT_POSIX, "utf-8")
        nowhere["PYTHONPATH"] += os.pathsep + str(without_posix)
    inherited = {key: value for key, value in os.environ.items() if key != "TINYGRAD_NLP_DATA"}
    arguments = [sys.executable, *map(str, command)]
    return subprocess.run(
        arguments, env=inherited | nowhere | environment, capture_output=True, encoding="latin-1", timeout=300
    )


# %% Signs
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run_with_an_ascii_output_and_without_posix(name, tmp_path):
    options = ("--smoke", "--out", tmp_path / "out")
    cache = {"TINYGRAD_NLP_CACHE": str(tmp_path / "cache")}
    done = run(ROOT / f"examples/{name}.py", *options, without_posix=tmp_path, PYTHONIOENCODING="ascii", **cache)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.isascii()
    assert re.search(r"\d\.\d", done.stdout)
    assert name in ("softmax_gradient", "backprop_by_hand") or (tmp_path / "out" / f"{name}.json").exists()


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        (["-m", "tinygrad_nlp"], 0, "COMMAND"),
        (["-m", "tinygrad_nlp", "table", "sigmoid"], 0, "g * y * sigmoid(-x)"),
        (["-m", "tinygrad_nlp", "lessons", "6"], 0, "logits"),
        (["-m", "tinygrad_nlp", "koans", "mine.py"], 1, "0 of 15 solved"),
        (["-m", "tinygrad_nlp", "koans", "--json", "mine.py"], 1, '"out_of": 15'),
        ([ROOT / "examples/lessons/06_softmax.py", "--help"], 0, "Question: "),
        ([ROOT / "examples/lessons/06_softmax.py"], 0, course.LAST),
        (["-c", SCRIPT], 0, "factor 1/2 everywhere"),
        (["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"], 1, "factor 1/2 everywhere"),
    ],
)
def test_commands_lose_signs_and_go_on(command, code, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("test_mine.py").write_text(TEST, "utf-8")
    if "--json" in command:
        run("-m", "tinygrad_nlp", "koans", "mine.py")
    done = run(*command, PYTHONIOENCODING="ascii")
    assert done.returncode == code and says in done.stdout and done.stdout.isascii()
    assert "UnicodeEncodeError" not in done.stdout + done.stderr


C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}


@pytest.mark.parametrize("settings", [{"PYTHONIOENCODING": "cp1252"}, C_LOCALE])
def test_a_script_that_prints_our_results_loses_signs_and_goes_on(settings):
    done = run("-c", SCRIPT, **settings)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.count("?") > 20


def test_what_is_lost_is_signs_only(tmp_path):
    """Everything else of what UTF-8 prints stands there, and a sign that the encoding knows is not lost."""
    command = (ROOT / "examples/backprop_by_hand.py", "--out", tmp_path)
    whole = run(*command, PYTHONIOENCODING="utf-8").stdout.encode("latin-1").decode("utf-8")
    assert "∂" in whole and run(*command, PYTHONIOENCODING="ascii").stdout == whole.encode("ascii", "replace").decode()
    table = run("-c", "import tinygrad_nlp as t; t.table(); print('× σ')", PYTHONIOENCODING="cp1252").stdout
    assert table.split() == ["×", "?"]


def test_a_program_that_prints_nothing_of_ours_keeps_its_output():
    code = "import tinygrad_nlp, sys; tinygrad_nlp.Tensor(1.0); print(sys.stdout.errors)"
    assert run("-c", code, PYTHONIOENCODING="ascii:strict").stdout.split() == ["strict"]
    done = run("-c", f"{code}; tinygrad_nlp.table(); print('σ')", PYTHONIOENCODING="ascii:namereplace")
    assert done.stdout.split() == ["namereplace", r"\N{GREEK", "SMALL", "LETTER", "SIGMA}"]


# %% POSIX
def test_koans_are_graded_without_posix(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("-m", "tinygrad_nlp", "koans", "mine.py", without_posix=tmp_path)
    assert (done.returncode, done.stderr) == (1, "") and "0 of 15 solved" in done.stdout


def test_what_was_hidden_is_hidden(tmp_path):
    done = run("-c", "import os, signal; os.fork", without_posix=tmp_path)
    assert "AttributeError" in done.stderr
    assert "ModuleNotFoundError" in run("-c", "import resource", without_posix=tmp_path).stderr


@pytest.mark.parametrize("refusals", [0, 3, 1_000])
def test_on_windows_a_file_that_is_held_open_for_a_moment_is_waited_for(refusals, tmp_path, monkeypatch):
    given, waited, replace = [PermissionError(13, "Access is denied")] * refusals, [], os.replace

    def held(*paths):
        if given:
            raise given.pop()
        replace(*paths)

    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(files.os, "replace", held)
    monkeypatch.setattr(files.time, "sleep", waited.append)
    hopeless = pytest.raises(
        files.FileError, match=r"Access is denied: .*, or close the program that has the file open"
    )
    with hopeless if refusals == 1_000 else contextlib.nullcontext():
        files.write_text(tmp_path / "a.txt", "new")
    assert sum(waited) <= 1 and os.listdir(tmp_path) == (["a.txt"] if refusals < 1_000 else [])


def test_elsewhere_a_refusal_is_final(tmp_path, monkeypatch):
    def refused(*paths):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "WINDOWS", False)
    monkeypatch.setattr(files.os, "replace", refused)
    monkeypatch.setattr(files.time, "sleep", lambda seconds: pytest.fail("it waited"))
    with pytest.raises(files.FileError, match=r"to a folder that you may write to$"):
        files.write_text(tmp_path / "a.txt", "new")


def test_on_windows_no_rank_sends_ctrl_c_to_see_whether_another_is_alive(monkeypatch):
    here = shared_run.socket.gethostname()
    assert shared_run.alive(here, os.getpid())
    monkeypatch.setattr(shared_run.os, "kill", lambda *args: pytest.fail("signal 0 is Ctrl-C on Windows"))
    with monkeypatch.context() as windows:
        windows.setattr(shared_run.os, "name", "nt")
        assert not shared_run.alive(here, os.getpid())


# %% Threads of BLAS
@pytest.fixture
def threads(monkeypatch):
    """How many threads BLAS has, which is 2 before the test."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def counted():
        return {library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"}

    with threadpoolctl.threadpool_limits(2):
        if counted() != {2}:
            pytest.skip("this BLAS has one thread")
        yield counted


def test_a_run_a_command_and_a_lesson_have_one_thread(threads, tmp_path):
    seen = [threads() for _ in Run(tmp_path, quiet=True).steps(2)]
    assert seen == [{1}, {1}] and threads() == {2}
    console.exit_code(lambda: seen.append(threads()), "command")
    assert seen[-1] == {1} and threads() == {2}
    course.begin("A lesson.")
    assert threads() == {1}


def test_omp_num_threads_is_the_users_word(threads, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert [threads() for _ in Run(tmp_path, quiet=True).steps(1)] == [{2}]
    console.exit_code(lambda: course.begin("A lesson."), "command")
    assert threads() == {2}


def test_without_threadpoolctl_nothing_changes(threads, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    assert [np.ones(2) @ np.ones(2) for _ in Run(tmp_path, quiet=True).steps(1)] == [2]
    course.begin("A lesson.")
    assert threads() == {2}

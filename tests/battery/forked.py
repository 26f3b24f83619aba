"""Tests of a copy of the tree, run in forks of this process: it has NumPy, SciPy and pytest already, and each fork
imports the copy's package and tests anew."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import coverage
import hypothesis.extra.numpy  # noqa: F401 (imported once, before all forks)
import pytest
import scipy.sparse
import scipy.special  # noqa: F401 (imported once, before all forks)

FORK = multiprocessing.get_context("fork")


def record(tree: Path, tests: Sequence[str]) -> tuple[dict[str, dict[str, list[str]]], dict[str, float]]:
    """Which tests execute each line of each module, and the seconds of each test. RuntimeError where one fails."""
    kept = tree / "recorded.json"
    if fails(tree, tests, kept=kept):
        raise RuntimeError(f"a test of {tests} fails as it is")
    lines, seconds = json.loads(kept.read_text(encoding="utf-8"))
    return lines, seconds


class Recorder:
    """While the tests run, keeps which lines of the package each of them executes, and its seconds."""

    def __init__(self, tree: Path) -> None:
        self.tree, self.seconds = tree, dict[str, float]()
        self.coverage = coverage.Coverage(data_file=None, source=[str(tree / "tinygrad_nlp")])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        self.coverage.switch_context(item.nodeid)
        start = time.process_time()
        found = yield
        self.seconds[item.nodeid] = time.process_time() - start
        return found

    def save(self, file: Path) -> None:
        data = self.coverage.get_data()
        lines = {Path(f).relative_to(self.tree).as_posix(): data.contexts_by_lineno(f) for f in data.measured_files()}
        file.write_text(json.dumps([lines, self.seconds]), encoding="utf-8")


def run(tree: Path, tests: Sequence[str], seconds: int, kept: Path | None) -> None:
    """In a process of its own: run tests of a copy up to the first that fails, and exit with pytest's code."""
    if seconds:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    os.chdir(tree)
    os.environ |= {"HYPOTHESIS_PROFILE": "mutants", "OMP_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    sys.path.insert(0, str(tree))
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tinygrad_nlp", "tests")]:
        del sys.modules[name]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        os.dup2(nowhere, output)
    recorder = Recorder(tree) if kept else None
    if recorder:
        recorder.coverage.start()
    quiet = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    code = pytest.main([*quiet, *tests], plugins=[recorder] if recorder else [])
    if recorder and kept:
        recorder.coverage.stop()
        recorder.save(kept)
    os._exit(int(code))


def fails(tree: Path, tests: Sequence[str], seconds: int = 0, kept: Path | None = None) -> bool:
    """Whether one of these tests fails, or all together take more than this time of the processor; 0: any time."""
    process = FORK.Process(target=run, args=(tree, tests, seconds, kept))
    process.start()
    process.join(20 * seconds or None)
    process.kill()
    process.join()
    return process.exitcode != 0


def write(module: Path, source: str) -> None:
    """Without what Python has compiled of it before: a time stamp in whole seconds may hide the change."""
    module.write_text(source, encoding="utf-8")
    for cached in module.parent.glob(f"__pycache__/{module.stem}.*"):
        cached.unlink()

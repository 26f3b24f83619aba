"""A folder with a module of small jobs."""

import sys

import pytest
from reproduction import jobs

from tests.examples.reproduction.small_jobs import VICTIMS


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a module of jobs, which every worker finds."""
    (tmp_path / "victims.py").write_text(VICTIMS)
    (tmp_path / "beside.py").write_text("")
    (tmp_path / "apart.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    jobs.source.cache_clear()
    yield tmp_path
    sys.modules.pop("victims", None)

"""Three depths for every property: HYPOTHESIS_PROFILE=dev (the default, 25 examples), ci (200, the same each time),
explore (2,000). Where CI is set dev too has the same examples each time, so that what lands does not hang on a draw.
A fourth, mutants, is for tests/battery/mutants.py: as dev, but the same each time, and the smallest example of a
failure is not looked for."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

# Small products wait for each other on a second thread, the more so beside another process of tests (pytest -n auto):
# half as much again of the processor's time. NumPy reads this when it is loaded, and so does each script under test.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile(
    "dev", max_examples=25, deadline=None, derandomize="CI" in os.environ, suppress_health_check=SLOW
)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, suppress_health_check=SLOW)
settings.register_profile("explore", max_examples=2000, deadline=None, suppress_health_check=SLOW)
settings.register_profile(
    "mutants",
    settings.get_profile("dev"),
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    print_blob=False,
    report_multiple_bugs=False,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture
def table_as_it_was() -> Iterator[None]:
    """Rows that a test adds or plants leave with it."""
    from tinygrad_nlp.engine import TABLE

    before = dict(TABLE)
    yield
    TABLE.clear()
    TABLE.update(before)

"""Every row of the table, on random shapes, layouts and upstream gradients. The list of tests is derived from the
table: a row without a case fails."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, note, settings

from tests.battery import checks
from tests.battery.drawing import SEEDS, Case, Draw, title
from tests.battery.every_case import CASES, COVERED, FLAT
from tinygrad_nlp import Tensor
from tinygrad_nlp.calculus.listing import full_name
from tinygrad_nlp.engine import TABLE

LIBRARIES = ("numpy", "scipy", "tinygrad_nlp")  # and not the tests, which add rows of their own
OWN = {fn: row for fn, row in TABLE.items() if getattr(fn, "__module__", "numpy").split(".")[0] in LIBRARIES}


def test_every_row_has_a_case() -> None:
    missing = [full_name(fn) for fn in OWN if fn not in COVERED]
    assert not missing, f"rows without a case: {', '.join(missing)}: add one to tests/battery/cases*.py"
    assert set(FLAT) == {fn for fn, row in OWN.items() if row.kind == "flat"}


@pytest.mark.parametrize("case", CASES, ids=title)
@given(SEEDS)
def test_derivatives(case: Case, seed: int) -> None:
    """First order against the complex step and differences; second order against differences and its own symmetry."""
    call = case.call(seed)
    note(call)
    checks.first_order(call)
    if case.smooth:
        checks.second_order(call)


@pytest.mark.parametrize("case", CASES, ids=title)
@settings(max_examples=max(20, settings().max_examples // 4))  # layouts and dtypes are fewer than numbers
@given(SEEDS)
def test_metamorphic(case: Case, seed: int) -> None:
    """What no input and no dtype may change."""
    call = case.call(seed)
    note(call)
    checks.metamorphic(call)
    checks.single_precision(call)


@pytest.mark.parametrize("fn", FLAT, ids=full_name)
@given(SEEDS)
def test_flat(fn: Any, seed: int) -> None:
    """On Tensors a flat function gives what it gives on arrays: arrays, numbers and shapes without a history."""
    args = FLAT[fn](Draw(seed))
    for tensors in ([Tensor(args[0]), *args[1:]], [Tensor(a) if isinstance(a, np.ndarray) else a for a in args]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # NumPy 2.5 would rather have np.trunc than np.fix
            ours, numpys = fn(*tensors), fn(*args)
        assert type(ours) is type(numpys)
        if fn is np.empty_like:  # its numbers are whatever was there
            ours, numpys = str((ours.shape, ours.dtype)), str((numpys.shape, numpys.dtype))
        assert ours == numpys if isinstance(ours, str) else np.array_equal(ours, numpys)

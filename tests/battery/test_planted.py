"""Test the tester: each planted mistake, in the real table or engine, is caught by the battery, which passes without
it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests import test_edges, test_engine, test_fused, test_rules, test_updates
from tests.battery import checks, planted
from tests.battery.drawing import SEEDS, Case
from tests.battery.every_case import CASES
from tests.battery.plant import plant
from tests.battery.planted_checks import CHECKS
from tests.battery.planted_edges import EDGES
from tests.battery.planted_limits import FAR_OUT, LIMITS
from tests.calculus import test_composites
from tests.core import test_history, test_interface
from tinygrad_nlp import embedding, rnn, rules
from tinygrad_nlp.calculus import lengths
from tinygrad_nlp.calculus.kinds import Each
from tinygrad_nlp.calculus.listing import full_name
from tinygrad_nlp.engine import TABLE
from tinygrad_nlp.strategies import programs

Check = Callable[[], None]
QUICK = settings(
    max_examples=40,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


ELSEWHERE: dict[Any, list[Check]] = {  # what is not in the cases
    np.linalg.norm: [functools.partial(test_composites.test_the_gradient_of_every_norm_at_zero_is_zero, 3)],
    embedding: [test_engine.test_gradients_of_two_tables_share_no_memory],
}


def property_of(case: Case) -> Check:
    """The tests of test_rules and test_fused for one case, with the settings from here."""

    @QUICK
    @given(SEEDS)
    def every_check(seed: int) -> None:
        call = case.call(seed)
        checks.first_order(call)
        checks.metamorphic(call)
        checks.single_precision(call)
        if case.smooth:
            checks.second_order(call)
        if TABLE[case.row].reference is not None:
            test_fused.agree(call)

    return every_check


def checks_of(fn: Any) -> list[Check]:
    """What the battery checks about one row: its cases, its kinks, its ties."""
    found = [property_of(case) for case in CASES if case.row is fn]
    kinked = {fn} if fn is not lengths.length else {np.linalg.norm, np.std}
    found += [functools.partial(test_rules.test_kinks, kink) for kink in rules.KINKS if kink[0] in kinked]
    return found + ELSEWHERE.get(fn, [])


def engine_checks() -> list[Check]:
    """What the battery checks about the engine, and two rows: one that broadcasts, one that is fused."""
    program = [test_engine.test_random_programs_agree_with_forward_mode, test_engine.test_programs_to_second_order]
    found = [QUICK(given(programs(), SEEDS)(test.hypothesis.inner_test)) for test in program]
    for module in (test_engine, test_updates, test_interface, test_history, test_edges):
        for name, test in vars(module).items():
            plain = (
                name.startswith("test_") and not hasattr(test, "hypothesis") and not inspect.signature(test).parameters
            )
            found += [test] if plain and "100" not in name else []
    found += [
        functools.partial(test_updates.test_a_graph_from_before_an_update_is_refused, turn)
        for turn in test_updates.TURNS
    ]
    found.append(test_updates.test_memory_is_flat_over_1000_steps_without_the_garbage_collector)
    return found + checks_of(np.add) + checks_of(np.multiply) + checks_of(rnn)


def caught(found: list[Check]) -> str | None:
    """The first check that fails, None if all pass."""
    for check in found:
        try:
            check()
        except (
            Exception,
            pytest.fail.Exception,
        ) as error:  # an error is as good as an assertion: no wrong gradient gets out
            return f"{type(error).__name__}: {error}"
    return None


def passes(found: list[Check]) -> None:
    error = caught(found)
    assert found and error is None, f"without any mistake: {error}"


@functools.cache
def row_passes(fn: Any) -> None:
    """Once a row: several mistakes are planted in some."""
    passes(checks_of(fn))


@functools.cache
def check_passes(check: Check) -> None:
    """Once a check: several mistakes are planted for some."""
    passes([check])


@pytest.mark.parametrize(
    ("fn", "argument", "wrong", "why"), planted.RULES, ids=[f"{full_name(m[0])}: {m[3]}" for m in planted.RULES]
)
def test_wrong_rules_are_caught(fn: Any, argument: Any, wrong: Any, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row_passes(fn)
    row = TABLE[fn]
    derivatives = (
        Each(wrong) if argument is None else tuple(wrong if i == argument else d for i, d in enumerate(row.derivatives))
    )
    monkeypatch.setattr(row, "derivatives", derivatives)
    assert caught(checks_of(fn)), f"nothing noticed a wrong derivative of {full_name(fn)}: {why}"


@pytest.mark.parametrize(
    ("fn", "where", "old", "new", "why"), planted.SOURCES, ids=[f"{full_name(m[0])}: {m[4]}" for m in planted.SOURCES]
)
def test_wrong_functions_are_caught(
    fn: Any, where: Any, old: str, new: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row_passes(fn)
    plant(monkeypatch, where, old, new)
    assert caught(checks_of(fn)), f"nothing noticed in {full_name(fn)}: {why}"


def test_the_engine_passes() -> None:
    passes(engine_checks())


@pytest.mark.parametrize(
    ("where", "old", "new", "why"), planted.ENGINE, ids=[f"{m[0].__name__}: {m[3]}" for m in planted.ENGINE]
)
def test_wrong_engines_are_caught(where: Any, old: str, new: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, where, old, new)
    assert caught(engine_checks()), f"nothing noticed: {why}"


@pytest.mark.parametrize(
    ("where", "old", "new", "why", "check"),
    [*EDGES, *LIMITS, *CHECKS],
    ids=[f"{m[0].__name__}: {m[3]}" for m in [*EDGES, *LIMITS, *CHECKS]],
)
def test_wrong_edges_are_caught(
    where: Any, old: str, new: str, why: str, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_passes(check)
    plant(monkeypatch, where, old, new)
    assert caught([check]), f"nothing noticed: {why}"


@pytest.mark.parametrize(
    ("fn", "argument", "wrong", "why", "check"), FAR_OUT, ids=[f"{full_name(m[0])} {m[1]}: {m[3]}" for m in FAR_OUT]
)
def test_wrong_rules_are_caught_by_the_test_of_their_kind(
    fn: Any, argument: int, wrong: Any, why: str, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_passes(check)
    derivatives = tuple(wrong if i == argument else d for i, d in enumerate(TABLE[fn].derivatives))
    monkeypatch.setattr(TABLE[fn], "derivatives", derivatives)
    assert caught([check]), f"nothing noticed a wrong derivative of {full_name(fn)}: {why}"


def test_there_are_enough() -> None:
    assert len(planted.RULES) + len(planted.SOURCES) >= 60 and len(planted.ENGINE) >= 6

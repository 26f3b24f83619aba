"""profile(): costs that are known beforehand are found, and the graph stays as it was."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.battery.checks import dense
from tinygrad_nlp import Tensor, checkpoint, gradients, op, profile, softmax_cross_entropy
from tinygrad_nlp.engine import history
from tinygrad_nlp.nlp.models import CharRNN, DeepAveragingNetwork
from tinygrad_nlp.seeing.profile import ADDING

N = 100_000
RNG = np.random.default_rng(0)


def slow_backward(g: Any, y: Any, x: Any) -> Any:
    time.sleep(0.02)
    return g


@op(slow_backward)
def slow(x: Any) -> Any:
    """x, after a while."""
    time.sleep(0.005)
    return x * 1


def rows(y: Any, **settings: Any) -> dict[str, Any]:
    return {row.name: row for row in profile(y, **settings).rows}


def test_a_slow_row_is_found_with_both_its_times() -> None:
    x = Tensor(np.ones(3))
    found = profile((slow(slow(x)) * x).sum(), repeat=2)
    assert found.rows[0].name == "slow" and found.rows[0].calls == 2
    assert found.rows[0].forward >= 0.01 and found.rows[0].backward >= 0.04  # a sleep is as long as that or longer
    assert found.rows[0].backward > found.rows[0].forward and "slow" in str(found).splitlines()[2]


def test_memory_is_what_arrays_take() -> None:
    size, x = 8 * N, Tensor(RNG.standard_normal(N))
    found = rows(np.sum(np.tanh(x[::-1])))
    kept = {name: row.kept / size for name, row in found.items()}
    assert kept["tanh"] == pytest.approx(1, abs=0.01)  # y
    assert kept["getitem"] < 0.01 and kept["sum"] < 0.01  # a view, a number
    assert found["tanh"].peak_forward / size == pytest.approx(1, abs=0.01)
    assert 2 <= found["tanh"].peak_backward / size < 3.1  # 1 − y², times g
    logits, labels = Tensor(RNG.standard_normal((N // 10, 10))), RNG.integers(0, 10, N // 10)
    assert rows(softmax_cross_entropy(logits, labels))["softmax_cross_entropy"].kept >= size  # ŷ is saved
    assert not tracemalloc.is_tracing()


def test_shares_that_meet_are_added_up() -> None:
    x = Tensor(RNG.standard_normal(N))
    found = rows((x * x * x).sum())
    assert found["multiply"].calls == 2 and found[ADDING].calls == 2
    assert found[ADDING].peak_backward == pytest.approx(8 * N, rel=0.01) and found[ADDING].forward == 0
    assert ADDING not in rows((x * 2.0).sum())


def loss_of(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 9, (6, 2))
    if seed % 3 == 0:
        return softmax_cross_entropy(CharRNN(9, 4, 5, ["rnn", "gru", "lstm"][seed % 9 // 3], rng=rng)(ids)[0], ids)
    if seed % 3 == 1:
        model = DeepAveragingNetwork(9000, 40, layers=2, rng=rng)
        return softmax_cross_entropy(model(ids.ravel(), np.array([0, 3])), np.array([0, 1]))
    x = Tensor(rng.standard_normal((3, 4)))
    return (checkpoint(lambda a: np.tanh(a) * a)(x) @ x.T + np.sum(x, axis=1)).max()


@given(st.integers(0, 10**6))
def test_nothing_changes_and_every_call_is_there(seed: int) -> None:
    y, twin = loss_of(seed), loss_of(seed)
    found = profile(y, repeat=1)
    calls = [t for t in history(y) if t.fn is not None]
    assert sum(row.calls for row in found.rows if row.name != ADDING) == len(calls)
    assert all(t.grad is None for t in history(y) if t.fn is None)
    assert [bool(t.saved) for t in history(y)] == [bool(t.saved) for t in history(twin)]
    for ours, others in zip(gradients(y).values(), gradients(twin).values(), strict=True):
        assert np.array_equal(dense(ours), dense(others))  # what derivatives work in is there again
    assert all(row.forward >= 0 and row.peak_forward >= 0 for row in found.rows)
    assert found._repr_html_().count("<tr") == len(found.rows) + 1


def test_an_upstream_gradient_and_refusals() -> None:
    y = np.tanh(Tensor(np.ones(3)))
    assert rows(y, g=np.ones(3))["tanh"].calls == 1
    with pytest.raises(ValueError, match=r"take its \.sum\(\)"):
        profile(y)
    with pytest.raises(TypeError, match="the output is ndarray, not a Tensor"):
        profile(np.ones(()))

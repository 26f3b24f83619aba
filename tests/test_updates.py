"""Leaves between steps: the one door to their values, graphs from before an update, copies, memory that stays flat."""

from __future__ import annotations

import copy
import gc
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest

from tinygrad_nlp import Tensor, embedding, gradients, relu, softmax_cross_entropy
from tinygrad_nlp.engine import writable
from tinygrad_nlp.nn import frozen
from tinygrad_nlp.optim import clip_norm
from tinygrad_nlp.transforms import grad

TURNS = [lambda a, b: a + b, lambda a, b: b + a]


@pytest.mark.parametrize("turn", TURNS)
def test_a_graph_from_before_an_update_is_refused(turn: Any) -> None:
    W = Tensor(np.ones(2))
    before = np.sin(W)
    writable(W)[...] = 2.0
    after = np.cos(W)
    assert np.array_equal(gradients(np.sum(after))[W], -np.sin([2.0, 2.0]))
    for y in (np.sum(before), np.sum(turn(before, after))):
        for xs in (None, [W]):
            with pytest.raises(RuntimeError, match=r"shape \(2,\) was updated after `sin` used it: run the forward"):
                gradients(y, xs)


def test_writable_changes_the_leaf_and_nothing_else_can() -> None:
    W = Tensor([1.0, 2.0])
    writable(W)[0] = 5.0
    assert np.array_equal(W.data, [5.0, 2.0])
    for array in (W.data, (W * 2.0).data, W[:1].data):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_only_leaves_are_writable() -> None:
    with pytest.raises(TypeError, match="multiply"):
        writable(Tensor([1.0]) * 2.0)


def test_copies_and_pickles_of_leaves() -> None:
    x = Tensor(np.ones((2, 2), np.float32))
    for twin in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert twin is not x and np.array_equal(twin.data, x.data) and twin.dtype == np.float32
        assert not np.shares_memory(twin.data, x.data)
    with pytest.raises(TypeError, match="made by `multiply` cannot be copied or pickled"):
        copy.deepcopy(x * 2.0)


def step(rng: np.random.Generator, model: list[Tensor]) -> None:
    W, b, table = model
    x = embedding(table, rng.integers(0, 20, (4, 3)))
    loss = softmax_cross_entropy(relu(np.mean(x, 1) @ W + b), rng.integers(0, 5, 4))
    for t, g in gradients(loss + np.sum(np.tanh(x[0])[1:] ** 2) * 0.1).items():
        writable(t)[...] -= 0.1 * g


def test_memory_is_flat_over_1000_steps_without_the_garbage_collector() -> None:
    """No cyclic garbage: what a step allocates is gone, by reference counting, when the step is over."""
    rng = np.random.default_rng(0)
    model = [Tensor(rng.normal(size=shape)) for shape in ((6, 5), (5,), (20, 6))]
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(100):
            step(rng, model)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            step(rng, model)
        grown = tracemalloc.get_traced_memory()[0] - before
        garbage = gc.collect()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert garbage == 0, f"{garbage} objects were held only by one another"
    assert grown < 400_000, f"1,000 steps left {grown} bytes"  # Python itself keeps up to 2,000 freed tuples a size


def test_nothing_leaves_cycles_behind() -> None:
    """Frozen states, transforms and clipping, with the garbage collector off: reference counting frees it all."""
    x, weights = np.ones(1_000), [Tensor(np.ones(3))]

    def work() -> None:
        frozen((Tensor(x) * 1.0,))
        grad(lambda t: np.sum(t * t))(x)
        weights[0].grad = np.ones(3)
        clip_norm(weights, 1.0)

    work()
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            work()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_values_are_assigned_through_the_one_door() -> None:
    """A graph that used the old values is refused; values of another shape or dtype, and results, are too."""
    p = Tensor(np.ones(3))
    y = (p * p).sum()
    p.data = p.data - 0.5
    assert np.array_equal(p.data, [0.5] * 3) and not p.data.flags.writeable
    with pytest.raises(RuntimeError, match="updated after `multiply` used it"):
        y.backward()
    with pytest.raises(ValueError, match="read-only"):
        p.data -= 0.5
    for wrong in (np.ones(2), np.ones(3, np.float32), 1.0):
        with pytest.raises(ValueError, match="give it values of its own shape and dtype"):
            p.data = wrong
    with pytest.raises(TypeError, match="only leaves can be written to"):
        y.data = np.ones(())
    assert np.array_equal(p.data, [0.5] * 3)

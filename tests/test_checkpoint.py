"""transforms.checkpoint, which forgets a function's inside and runs it again: no derivative changes, memory shrinks."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_nlp import Tensor, affine, embedding, gradcheck, gradients, nn
from tinygrad_nlp.engine import history
from tinygrad_nlp.transforms import checkpoint, grad

rng = np.random.default_rng(0)


def layers(table, ids, W, shift=0.0):
    """Some calls in a row: ids (N,), table (V, D), W (D, D)."""
    x = embedding(table, ids)
    for _ in range(3):
        x = np.tanh(x @ W + shift)
    return x


forgetful = checkpoint(layers)


@given(st.integers(0, 99), st.integers(0, 4))
def test_a_checkpoint_changes_no_derivative(seed, n):
    """Value, every gradient, second order, with a row looked up twice, integers and keywords among the arguments."""
    r = np.random.default_rng(seed)
    table, W, g = r.normal(size=(5, 3)), r.normal(size=(3, 3)), r.normal(size=(n, 3))
    ids = r.integers(0, 5, n)
    np.testing.assert_array_equal(forgetful(table, ids, W), layers(table, ids, W))
    found = []
    for f in (layers, forgetful):
        leaves = [Tensor(table), Tensor(W)]
        y = f(leaves[0], ids, leaves[1], shift=0.1)
        first = gradients(y, leaves, g, create_graph=True)
        total = sum(np.sum(d * np.cos(d)) for d in first)
        found.append([y.data, *(d.data for d in first), *gradients(total, leaves), *gradients(y, leaves, g)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-13)


def test_a_checkpoint_is_one_call_and_keeps_nothing_of_its_inside():
    x, W = Tensor(rng.normal(size=(6, 3))), Tensor(rng.normal(size=(3, 3)))
    y = forgetful(x, np.array([0, 5, 5]), W)
    assert [t.fn for t in history(y)] == [forgetful, None, None] and y.saved is None
    gradcheck(lambda table, W: forgetful(table, np.array([1, 1]), W), x.data, W.data)

    def deep(x):
        for _ in range(20):
            x = np.tanh(x)
        return x

    piece = checkpoint(deep)
    peaks = []
    for f in (deep, piece):
        leaf = Tensor(np.ones(10_000))
        tracemalloc.start()
        y = leaf
        for _ in range(20):
            y = f(y)
        y.sum().backward()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 0.2 * peaks[0]  # 20 + 20 arrays instead of 400


def test_a_checkpoint_takes_constants_and_keywords_as_they_are():
    @checkpoint
    def scaled(x, scale=1.0, mask=True, *, shift=0):
        return np.where(mask, affine(x * scale, W, b) + shift, 0)

    x, W, b = rng.normal(size=(2, 3)).astype("f4"), rng.normal(size=(3, 3)).astype("f4"), np.zeros(3, "f4")
    for arguments in ({}, {"scale": 2.0, "shift": 1}, {"mask": np.array([1.0, 0.0, 1.0])}, {"scale": np.float16(0.5)}):
        leaf = Tensor(x)
        y = scaled(leaf, **arguments)
        (d,) = gradients(y, [leaf], np.ones((2, 3)))
        scale, mask = arguments.get("scale", 1.0), arguments.get("mask", 1.0)
        np.testing.assert_allclose(d, float(scale) * (np.ones((2, 3)) * mask) @ W.T, rtol=1e-5)
        assert d.dtype == y.dtype == np.float32


def test_a_checkpoint_inside_and_around_a_transform():
    cubes = checkpoint(lambda x: grad(lambda z: np.sum(z**3))(x))
    np.testing.assert_allclose(grad(lambda x: np.sum(cubes(x)))(np.array([1.0, 2.0])), [6, 12])


@pytest.mark.parametrize("beside", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_in_a_checkpoint_hide_no_change_and_are_none(beside):
    """The second run may differ by rounding, and by no more, in the numbers beside them: also in a 0 beside a 9."""

    def run(second):
        added = iter([np.array([beside, -4.0, 0.0]), np.array(second)])
        x = Tensor([1.0, 2.0, 3.0])
        return gradients(np.sum(checkpoint(lambda x: x * x + next(added))(x)), [x])[0]

    np.testing.assert_array_equal(run([beside, -3.9999, 1e-9]), [2, 4, 6])
    for second in ([beside, -3.5, 0], [0, -4, 0], [-beside if np.isinf(beside) else 1, -4, 0], [beside, -4, 0.5]):
        with pytest.raises(RuntimeError, match="gave another value"):
            run(second)


def test_a_checkpoint_refuses_what_would_give_a_wrong_gradient():
    w = Tensor([2.0])
    with pytest.raises(TypeError, match="used a Tensor that is no argument of its own: pass each by itself"):
        checkpoint(lambda x: x * w)(Tensor([1.0]))
    with pytest.raises(TypeError, match="gave tuple: return one array"):
        checkpoint(lambda x: (x, x))(Tensor([1.0]))
    dropout = nn.Dropout(0.5, rng=rng)
    y = checkpoint(lambda x: dropout(x))(Tensor(np.ones(100)))
    with pytest.raises(RuntimeError, match="gave another value when it was run again for its derivative: draw random"):
        y.sum().backward()

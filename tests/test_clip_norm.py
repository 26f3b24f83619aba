"""clip_norm: exact at every magnitude, of row-sparse gradients too; what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_nlp import RowSparse, Tensor, nn, optim

RNG = np.random.default_rng


def test_clip_norm_is_exact_and_adds_up_repeated_rows_first() -> None:
    a, b, unused = Tensor(np.zeros(2)), Tensor(np.zeros((3, 1))), Tensor([0.0])
    a.grad, b.grad = np.array([3.0, 0.0]), RowSparse(np.array([2, 2]), np.array([[1.0], [3.0]]), (3, 1))
    kept = a.grad
    assert optim.clip_norm([a, b, unused, a], 10.0) == 5.0  # √(3² + (1 + 3)²)
    assert a.grad is kept
    assert optim.clip_norm([a, b, unused], 2.5) == 5.0
    np.testing.assert_array_equal(a.grad, [1.5, 0])
    np.testing.assert_array_equal(b.grad.todense(), [[0], [0], [2]])
    assert isinstance(b.grad, RowSparse) and unused.grad is None
    np.testing.assert_array_equal(kept, [3, 0])  # .grad is another array now; the old one may be anybody's
    assert optim.clip_norm([a, b], 0.0) == 2.5 and not a.grad.any()
    assert optim.clip_norm([unused], 1.0) == 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("exponent", [-300, -40, -25, 0, 25, 38, 200, 307])
def test_clip_norm_of_huge_and_tiny_gradients(dtype: Any, exponent: int) -> None:
    """Their squares are infinite or 0, their norm is neither."""
    limits = np.finfo(dtype)
    if not 1e3 * float(limits.tiny) < 10.0**exponent < float(limits.max) / 3:
        return
    a, b = Tensor(np.zeros(2, dtype)), Tensor(np.zeros((3, 1), dtype))
    one = dtype(10.0**exponent)
    a.grad, b.grad = (
        np.array([2, 0], dtype) * one,
        RowSparse(np.array([1, 1]), np.full((2, 1), one * dtype(0.5)), (3, 1)),
    )
    norm, aim = np.sqrt(5) * 10.0**exponent, min(1.0, 10.0**exponent)
    assert optim.clip_norm([a, b], aim) == pytest.approx(norm, rel=1e-6)
    assert a.grad.dtype == b.grad.dtype == dtype
    np.testing.assert_allclose(a.grad, [2 / np.sqrt(5) * aim, 0], rtol=1e-5)
    np.testing.assert_allclose(b.grad, [[0], [1 / np.sqrt(5) * aim], [0]], rtol=1e-5)


def test_clip_norm_refuses_a_length_that_no_float_holds() -> None:
    a, b = Tensor(np.zeros(1)), Tensor(np.zeros(1))
    a.grad, b.grad = np.array([1.5e308]), np.array([1.5e308])
    with pytest.raises(FloatingPointError, match="the joint length of all gradients is more than a float can hold"):
        optim.clip_norm([a, b], 1.0)
    assert a.grad == b.grad == 1.5e308


def test_clip_norm_in_float32_and_for_large_gradients() -> None:
    t = Tensor(np.zeros((2, 3), np.float32))
    t.grad = np.full((3, 2), 1e30, np.float32).T
    assert optim.clip_norm([t], 1.0) == pytest.approx(1e30 * np.sqrt(6), rel=1e-6)
    assert t.grad.dtype == np.float32
    np.testing.assert_allclose(t.grad, 1 / np.sqrt(6), rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_clip_norm_names_the_parameter_whose_gradient_is_not_finite(bad: float) -> None:
    model = nn.Sequential(nn.Linear(2, 2, rng=RNG(5)), nn.Linear(2, 3, rng=RNG(5)))
    for t in model.parameters():
        t.grad = np.ones(t.shape, np.float32)
    model.layers[1].b.grad[1] = bad
    with pytest.raises(FloatingPointError, match=r"'layers.1.b' \(3,\) holds NaN or infinity: .*watch\(\)"):
        optim.clip_norm(model, 0.1)
    assert (model.layers[0].W.grad == 1).all()
    with pytest.raises(ValueError, match="max_norm is -1"):
        optim.clip_norm(model, -1)

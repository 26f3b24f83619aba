"""Sums over many rows keep their accuracy in float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_nlp import Tensor, gradients, nn
from tinygrad_nlp.core.unbroadcast import sum_rows
from tinygrad_nlp.fused import affine


@given(st.one_of(st.integers(0, 300), st.sampled_from([383, 384, 385, 32_767, 32_769, 40_000])), st.integers(0, 3))
def test_rows_of_any_number_are_added_up(n: int, D: int) -> None:
    a = np.random.default_rng(n).integers(-9, 9, (2 * n, D)).astype(float)
    for rows in (a[:n], a[::2], a[::-1][:n], np.asfortranarray(a[n:])):
        np.testing.assert_array_equal(sum_rows(rows), rows.sum(0))  # whole numbers: exact in any order


@pytest.mark.parametrize("make", [lambda n: np.full((n, 3), 0.1), lambda n: np.random.default_rng(0).random((n, 3))])
def test_the_gradient_of_a_bias_over_a_million_rows(make: Any) -> None:
    """One after the other, a million equal numbers are 1 % off in float32, and others by 1.3e-5."""
    g, b = make(1_000_000).astype(np.float32), Tensor(np.zeros(3, np.float32))
    affine(np.ones((len(g), 1), np.float32), np.ones((1, 3), np.float32), b).backward(g)
    np.testing.assert_allclose(b.grad, g.sum(0, dtype=np.float64), rtol=5e-6)
    layer = nn.Linear(1, 3, rng=np.random.default_rng(0))
    layer(np.ones((1_000, 1_000, 1), np.float32)).backward(g.reshape(1_000, 1_000, 3))
    np.testing.assert_allclose(layer.b.grad, g.sum(0, dtype=np.float64), rtol=5e-6)


def test_broadcasting_over_a_million_rows() -> None:
    """The share of what was stretched is a sum, over leading axes or others, in float32 too."""
    for shape, small in (((10**6, 2), (2,)), ((2, 10**6), (2, 1)), ((10**6,), ())):
        x = Tensor(np.zeros(small, np.float32))
        c = np.full(shape, 0.1, np.float32)
        (d,) = gradients(x * c, [x], np.ones(shape, np.float32))
        np.testing.assert_allclose(d, np.full(small, 1e5), rtol=5e-6)  # 1e-2 one after the other

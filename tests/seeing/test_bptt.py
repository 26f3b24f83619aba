"""bptt.py: exact on linear recurrences; truncation and clipping; the forms."""

import numpy as np
import pytest

from tinygrad_nlp import Tensor, gradients, nn, rnn
from tinygrad_nlp.seeing.bptt import time_map
from tinygrad_nlp.tree import map_leaves, named_leaves

rng = np.random.default_rng(0)


def linear(a):
    return lambda x, h: (None, x[0] + a * h)


@pytest.mark.parametrize("a", [0.5, 1.0, 1.5, -0.5])
def test_linear_recurrences_are_exact(a):
    found = time_map(linear(a), rng.normal(size=(12, 1, 1)), np.zeros((1, 1)))
    t, s = np.indices((12, 12))
    np.testing.assert_allclose(found.array, np.where(t >= s, np.abs(a) ** np.abs(t - s), 0.0), rtol=1e-12)
    np.testing.assert_allclose(found.by_lag(), np.abs(a) ** np.arange(12), rtol=1e-12)
    np.testing.assert_allclose(found.factor(), abs(a), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norms_whose_squares_vanish_are_not_0(dtype):
    """0.5¹¹⁹ = 1.5e-36 is a number of float32, its square is not: 0 would mean that truncation cut it off."""
    half = dtype(0.5)
    found = time_map(lambda x, h: (half * h, half * h), np.zeros((120, 1, 3), dtype), np.ones((1, 3), dtype))
    expected = np.sqrt(3) * 0.5 ** np.arange(120.0)
    np.testing.assert_allclose(found.by_lag(), expected, rtol=1e-6)
    np.testing.assert_allclose(found.factor(), 0.5, rtol=1e-6)


def test_truncation_cuts_at_chunks():
    whole = time_map(linear(0.5), np.zeros((9, 2, 1)), np.zeros((2, 1))).array
    found = time_map(linear(0.5), np.zeros((9, 2, 1)), np.zeros((2, 1)), truncate=4).array
    t, s = np.indices((9, 9))
    np.testing.assert_array_equal(found, np.where(t // 4 == s // 4, whole, 0))


def test_clipping_bounds_rows_and_leaves_small_ones():
    whole = time_map(linear(1.5), np.zeros((9, 1, 1)), np.zeros((1, 1))).array
    found = time_map(linear(1.5), np.zeros((9, 1, 1)), np.zeros((1, 1)), clip=10.0).array
    lengths = np.linalg.norm(whole, axis=1)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), np.minimum(lengths, 10))
    np.testing.assert_array_equal(found[lengths <= 10], whole[lengths <= 10])
    assert (lengths > 10).any() and (lengths <= 10).any()


def test_a_tanh_network_against_the_product_of_jacobians():
    cell = nn.RNN(2, 3, rng=rng, dtype=np.float64)
    x, v = rng.normal(size=(6, 1, 2)), rng.normal(size=3)
    found = time_map(cell, x, np.zeros((1, 3)), loss=lambda t, h: np.sum(h * v)).array
    states = rnn(cell.input(x).data, np.zeros((1, 3)), cell.W.data)[:, 0]
    for t in range(6):
        g = v
        for s in range(t, -1, -1):
            np.testing.assert_allclose(found[t, s], np.linalg.norm(g), rtol=1e-12)
            g = (g * (1 - states[s] ** 2)) @ cell.W.data.T
    assert cell.W.grad is None and type(cell.W) is Tensor


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_gated_cells(kind):
    cell, x, zero = kind(2, 3, rng=rng, dtype=np.float64), rng.normal(size=(4, 2, 2)), np.zeros((2, 3))
    start = (zero, zero) if kind is nn.LSTM else zero
    found = time_map(cell, x, start).array
    assert found.shape == (4, 4) and (found[np.tril_indices(4)] > 0).all() and not np.triu(found, 1).any()
    frozen = nn.frozen(cell)
    state = map_leaves(Tensor, frozen(x[:1], start)[1])
    last = frozen(x[1:2], state)[1]
    expected = gradients((last[0] if kind is nn.LSTM else last).sum(), [h for _, h in named_leaves(state)])
    np.testing.assert_allclose(found[1, 0], np.linalg.norm([np.linalg.norm(g) for g in expected]), rtol=1e-12)


def test_text():
    text = str(time_map(linear(0.5), np.zeros((70, 1, 1)), np.zeros((1, 1))))
    assert "70 steps: × 0.5 for each step back" in text and "up to 6 steps back; largest 1" in text
    rows = text.splitlines()[2:-1]
    assert len(rows) == 24 and rows[0] == "█" and rows[-1].endswith("· ░ ▒ ▓ █ █") and "every 3" in text
    assert "× nan" in str(time_map(linear(0.0), np.zeros((3, 1, 1)), np.zeros((1, 1))))


def test_picture():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    ax = time_map(linear(0.5), np.zeros((5, 1, 1)), np.zeros((1, 1))).plot(figure.subplots())
    assert "0.5" in ax.get_title() and ax.images[0].get_array().shape == (5, 5)


def test_an_empty_sequence_is_refused():
    with pytest.raises(ValueError, match=r"x \(0, 1, 1\) has no steps"):
        time_map(linear(1.0), np.zeros((0, 1, 1)), np.zeros((1, 1)))


def test_truncation_does_not_change_the_factor_of_what_is_left() -> None:
    cut = time_map(lambda x, h: (0.1 * h, 0.1 * h), np.zeros((12, 1, 1)), np.ones((1, 1)), truncate=4)
    np.testing.assert_allclose(cut.factor(), 0.1)
    assert not cut.by_lag()[4:].any()

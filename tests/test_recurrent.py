"""Recurrent cells: their equations step by step, refusals, dtypes, layouts. That fused = reference is in test_fused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from tinygrad_nlp import Tensor, gradients, gru, lstm, rnn

CELLS = {"rnn": (rnn, 1, 1), "gru": (gru, 3, 1), "lstm": (lstm, 4, 2)}


def arguments(name: str, T: int = 4, B: int = 2, H: int = 3, dtype: Any = np.float64) -> list[np.ndarray]:
    _, gates, states = CELLS[name]
    rng = np.random.default_rng(0)
    shapes = [(T, B, gates * H), *[(B, H)] * states, (H, gates * H)]
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def both(outputs: Any) -> Any:
    """An LSTM's hidden states and cells as one output, another cell's as it is."""
    return np.concatenate(list(outputs)) if isinstance(outputs, tuple) else outputs


def test_rnn_is_elmans_equation() -> None:
    x, h, W = arguments("rnn")
    for x_t, ours in zip(x, rnn(x, h, W), strict=True):
        h = np.tanh(x_t + h @ W)
        assert np.allclose(ours, h, rtol=1e-14)


def test_gru_is_its_equations() -> None:
    x, h, W = arguments("gru")
    for x_t, ours in zip(x, gru(x, h, W), strict=True):
        (xr, xz, xn), (ar, az, an) = np.split(x_t, 3, axis=1), np.split(h @ W, 3, axis=1)
        z = expit(xz + az)
        h = (1 - z) * np.tanh(xn + expit(xr + ar) * an) + z * h
        assert np.allclose(ours, h, rtol=1e-13)


def test_lstm_is_its_equations() -> None:
    x, h, c, W = arguments("lstm")
    for x_t, ours_h, ours_c in zip(x, *lstm(x, h, c, W), strict=True):
        i, f, g, o = np.split(x_t + h @ W, 4, axis=1)
        c = expit(f) * c + expit(i) * np.tanh(g)
        h = expit(o) * np.tanh(c)
        assert np.allclose(ours_h, h, rtol=1e-13) and np.allclose(ours_c, c, rtol=1e-13)


@pytest.mark.parametrize("name", CELLS)
def test_two_halves_are_the_whole(name: str) -> None:
    """Carrying the state over is exact: values to the last bit, gradients too, since it is the same chain."""
    cell, _, states = CELLS[name]
    x, *initial, W = (Tensor(a) for a in arguments(name))
    whole = cell(x, *initial, W)
    first = cell(x[:2], *initial, W)
    carried = [h[-1] for h in first] if states == 2 else [first[-1]]
    second = cell(x[2:], *carried, W)
    parts = (
        [np.concatenate([a, b]) for a, b in zip(first, second, strict=True)]
        if states == 2
        else [np.concatenate([first, second])]
    )
    wholes = list(whole) if states == 2 else [whole]
    rng = np.random.default_rng(1)
    for a, b in zip(wholes, parts, strict=True):
        assert np.allclose(a.data, b.data, rtol=1e-14)
        g = rng.normal(size=a.shape)
        for da, db in zip(gradients(a, [x, *initial, W], g), gradients(b, [x, *initial, W], g), strict=True):
            assert np.allclose(da, db, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", CELLS)
def test_layouts_and_read_only_inputs(name: str) -> None:
    """Views in, the same numbers out; nothing is written to: inputs, upstream gradient, nor what was saved (two runs
    are equal)."""
    cell = CELLS[name][0]
    xs = arguments(name)
    views = [np.asfortranarray(xs[0]), *(a[::-1].copy()[::-1] for a in xs[1:-1]), np.repeat(xs[-1], 2, axis=1)[:, ::2]]
    for v in views:
        v.flags.writeable = False
    assert np.array_equal(both(cell(*xs)), both(cell(*views)))
    ts = [Tensor(a) for a in views]
    y = both(cell(*ts))
    g = np.broadcast_to(np.float64(1.5), y.shape)
    one, two = (gradients(y, ts, g) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a, b) and a.flags.writeable


@pytest.mark.parametrize("name", CELLS)
def test_float32_stays_and_saturation_is_finite(name: str) -> None:
    cell = CELLS[name][0]
    xs = arguments(name, dtype=np.float32)
    assert both(cell(*xs)).dtype == np.float32
    ts = [Tensor(a * np.float32(300)) for a in xs]
    y = both(cell(*ts))
    found = gradients(y, ts, np.ones(y.shape))
    assert np.isfinite(y.data).all() and all(np.isfinite(d).all() and d.dtype == np.float32 for d in found)


@pytest.mark.parametrize("make", [np.asarray, Tensor], ids=["arrays", "Tensors"])
@pytest.mark.parametrize("name", CELLS)
def test_refusals_name_shapes_and_dtypes(name: str, make: Any) -> None:
    cell, gates, _ = CELLS[name]
    x, *initial, W = arguments(name)
    width = f"{gates}H".replace("1H", "H")
    want = f"do not fit: x (T, B, {width}) with T > 0, W (H, {width}), states (B, H)"
    wrong = [
        (x[0], initial, W),
        (x[:0], initial, W),
        (x, [initial[0][:1], *initial[1:]], W),
        (x, initial, W.T if gates > 1 else W[:2]),
    ]
    if gates > 1:
        wrong.append((x[..., :-1], initial, W))
    for x_, initial_, W_ in wrong:
        with pytest.raises(ValueError, match=re.escape(want)) as caught:
            cell(make(x_), *map(make, initial_), make(W_))
        assert str(caught.value).startswith(f"{name}: x {x_.shape} and ")
    with pytest.raises(
        TypeError, match=f"{name}: float32 and float64 mixed: bring all arguments to one dtype with astype"
    ):
        cell(make(x), *map(make, initial), make(W.astype(np.float32)))


@pytest.mark.parametrize("name", CELLS)
def test_one_step_of_one_unit(name: str) -> None:
    cell = CELLS[name][0]
    ts = [Tensor(a) for a in arguments(name, 1, 1, 1)]
    y = both(cell(*ts))
    for d, t in zip(gradients(y, ts, np.ones(y.shape)), ts, strict=True):
        step = np.full(t.shape, 1e-6)
        up, down = ([a.data + s * step if a is t else a.data for a in ts] for s in (1, -1))
        assert t.size > 1 or np.allclose(d.sum() * 2e-6, (both(cell(*up)) - both(cell(*down))).sum(), rtol=1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_an_empty_batch(name: str) -> None:
    cell = CELLS[name][0]
    x, *initial, W = arguments(name)
    ts = [Tensor(a) for a in (x[:, :0], *(s[:0] for s in initial), W)]
    y = both(cell(*ts))
    assert y.size == 0 and not any(d.any() for d in gradients(y, ts, np.ones(y.shape)))

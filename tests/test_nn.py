"""Layers against closed forms written out here, their gradients against the complex step, and initialisers."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from tinygrad_nlp import Tensor, gradients, nn, relu
from tinygrad_nlp.engine import writable
from tinygrad_nlp.tree import map_leaves, named_leaves

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


def check_gradients(f: Any, tree: Any, seed: int = 0) -> None:
    """The gradients of f(tree) for every Tensor in a tree of float64, under a random upstream gradient, against
    Im f(t + ihv)/h along a random direction v; and f is the same on the frozen tree."""
    rng = np.random.default_rng(seed)
    leaves = [t for _, t in named_leaves(tree) if isinstance(t, Tensor)]
    y = f(tree)
    np.testing.assert_array_equal(f(nn.frozen(tree)), y.data)
    g, vs = rng.standard_normal(y.shape), {t: rng.standard_normal(t.shape) for t in leaves}
    moved = map_leaves(lambda a: a.data + 1e-30j * vs[a] if isinstance(a, Tensor) else a, tree)
    numeric = np.sum(g * np.imag(f(moved))) / 1e-30
    found = gradients(y, leaves, g)
    assert leaves and all(np.shape(d) == t.shape and d.dtype == t.dtype for t, d in zip(leaves, found, strict=True))
    ours = [np.sum(d * vs[t]) for t, d in zip(leaves, found, strict=True)]
    assert all(share != 0 for share in ours), "a parameter without influence"
    np.testing.assert_allclose(sum(ours), numeric, rtol=1e-10, atol=1e-10)


def all_parts(outputs: Any) -> Any:
    """Every number of an output and a state, in one row."""
    return np.concatenate([np.ravel(part) for _, part in named_leaves(outputs)])


def layers(rng: np.random.Generator) -> list[tuple[Any, tuple[Any, ...]]]:
    n, k = rng.integers(1, 6, 2)
    ids, offsets = rng.integers(0, 7, 11), np.array([0, 3, 3, 9])
    make = {"rng": rng, "dtype": np.float64}
    x = rng.standard_normal
    sequence = Tensor(x((4, 3, n)))
    return [
        (nn.Linear(n, k, **make), (Tensor(x(n)),)),
        (nn.Linear(n, k, **make), (Tensor(x((2, 3, n))),)),
        (nn.Linear(n, k, bias=False, **make), (Tensor(x((3, n))),)),
        (nn.Embedding(7, k, **make), (ids.reshape(11, 1),)),
        (nn.EmbeddingBag(7, k, **make), (ids, offsets)),
        (nn.Sequential(nn.Linear(n, k, **make), np.tanh, nn.Linear(k, 3, **make), relu), (Tensor(x((8, n))),)),
        *((cell(n, k, **make), (sequence,)) for cell in CELLS.values()),
        *((cell(n, k, batch_first=True, **make), (sequence,)) for cell in CELLS.values()),
        *((cell(n, k, **make), (sequence, Tensor(x((3, k))))) for cell in (nn.RNN, nn.GRU)),
        (nn.LSTM(n, k, **make), (sequence, (Tensor(x((3, k))), x((3, k))))),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_gradients_of_every_layer(seed: int) -> None:
    for layer, inputs in layers(np.random.default_rng(seed)):
        check_gradients(lambda tree: all_parts(tree[0](*tree[1])), (layer, inputs), seed)


def test_the_gradient_of_a_large_table_is_row_sparse_and_right() -> None:
    rng = np.random.default_rng(0)
    layer, ids = nn.Embedding(700, 100, rng=rng, dtype=np.float64), rng.integers(0, 700, (5, 2))
    y, g = layer(ids), rng.standard_normal((5, 2, 100))
    y.backward(g)
    expected = np.zeros((700, 100))
    for place in np.ndindex(5, 2):
        expected[ids[place]] += g[place]
    np.testing.assert_allclose(layer.table.grad.todense(), expected, atol=1e-14)


# --- Values ---------------------------------------------------------------------------------------------------------


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def by_hand(kind: str, x: np.ndarray, h: np.ndarray, c: np.ndarray, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One step of a cell for projected inputs x (B, gates · H): the new h and c."""
    n = h.shape[1]
    gate = [slice(k * n, (k + 1) * n) for k in range(4)]
    a = h @ W
    if kind == "rnn":
        return np.tanh(x + a), c
    if kind == "gru":
        r, z = logistic(x[:, gate[0]] + a[:, gate[0]]), logistic(x[:, gate[1]] + a[:, gate[1]])
        candidate = np.tanh(x[:, gate[2]] + r * a[:, gate[2]])
        return (1 - z) * candidate + z * h, c
    i, f, g, o = (x[:, s] + a[:, s] for s in gate)
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    return logistic(o) * np.tanh(c), c


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_recurrent_layers_are_the_loop_written_out(kind: str, batch_first: bool, given: bool) -> None:
    rng = np.random.default_rng(1)
    layer = nn.frozen(CELLS[kind](3, 4, rng=rng, batch_first=batch_first, dtype=np.float64))
    x, h, c = rng.standard_normal((5, 2, 3)), *(rng.standard_normal((2, 2, 4)) * given)
    state = (h, c) if kind == "lstm" else h
    output, last = layer(np.swapaxes(x, 0, 1) if batch_first else x, state if given else None)
    assert output.shape == ((2, 5, 4) if batch_first else (5, 2, 4))
    for t in range(5):
        h, c = by_hand(kind, x[t] @ layer.input.W + layer.input.b, h, c, layer.W)
        np.testing.assert_allclose(output[:, t] if batch_first else output[t], h, atol=1e-14)
    np.testing.assert_allclose(last[0] if kind == "lstm" else last, h, atol=1e-14)
    if kind == "lstm":
        np.testing.assert_allclose(last[1], c, atol=1e-14)


@pytest.mark.parametrize("kind", CELLS)
def test_a_state_carried_on_is_the_whole_sequence(kind: str) -> None:
    rng = np.random.default_rng(2)
    layer, x = CELLS[kind](3, 4, rng=rng, dtype=np.float64), rng.standard_normal((6, 2, 3))
    whole, end = layer(x)
    first, state = layer(x[:2])
    second, last = layer(x[2:], nn.frozen(state))
    np.testing.assert_allclose(np.concatenate([first.data, second.data]), whole.data, atol=1e-14)
    np.testing.assert_allclose(all_parts(nn.frozen(last)), all_parts(nn.frozen(end)), atol=1e-14)
    reached = gradients(second.sum())
    assert len(reached) == 3  # the parameters and nothing else: the graph of the first chunk is not behind it


def test_linear_embedding_and_bag() -> None:
    rng = np.random.default_rng(3)
    linear, x = nn.frozen(nn.Linear(3, 2, rng=rng)), rng.standard_normal((4, 5, 3)).astype(np.float32)
    linear.b = np.array([1, 2], np.float32)
    np.testing.assert_allclose(linear(x), np.einsum("tbi,io->tbo", x, linear.W) + linear.b, rtol=1e-5)
    bare = nn.Linear(3, 2, rng=rng, bias=False)
    assert [name for name, _ in bare.named_parameters()] == ["W"]
    np.testing.assert_allclose(bare(x).data, x @ bare.W.data, rtol=1e-5)
    table = rng.standard_normal((6, 2))
    fixed, tuned = nn.EmbeddingBag.from_pretrained(table), nn.EmbeddingBag.from_pretrained(table, freeze=False)
    assert fixed.parameters() == [] and tuned.parameters() == [tuned.table]
    means = fixed(np.array([5, 1, 1]), np.array([0, 1, 1]))
    assert type(means) is np.ndarray
    np.testing.assert_allclose(means, [table[5], [0, 0], table[1]])
    np.testing.assert_allclose(nn.Embedding.from_pretrained(table)(np.array([[2], [0]])), table[[2, 0]][:, None])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_holds_from_parameters_to_outputs_and_gradients(dtype: Any) -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_normal((3, 2, 4)).astype(dtype)
    for cell in CELLS.values():
        model = nn.Sequential(nn.Linear(4, 4, rng=rng, dtype=dtype), nn.Dropout(0.5, rng=rng), np.tanh)
        output, state = cell(4, 5, rng=rng, dtype=dtype)(model(x))
        found = gradients(output.sum())
        assert output.dtype == dtype and {a.dtype for _, a in named_leaves(state)} == {np.dtype(dtype)}
        assert len(found) == 5 and all(d.dtype == dtype and t.dtype == dtype for t, d in found.items())
    assert nn.Embedding(2, 2, rng=rng).table.dtype == np.float32


def test_inputs_that_do_not_fit_are_named() -> None:
    rng = np.random.default_rng(5)
    linear = nn.Linear(3, 2, rng=rng)
    with pytest.raises(TypeError, match=r"x \(4, 3\) is float64 but W \(3, 2\) is float32: x.astype\(np.float32\)"):
        linear(np.ones((4, 3)))
    with pytest.raises(TypeError, match=r"x .* is int64"):
        linear(np.ones((4, 3), np.int64))
    with pytest.raises(ValueError, match=r"x \(4, 2\)"):
        linear(np.ones((4, 2), np.float32))
    with pytest.raises(ValueError, match=r"x \(4, 6\)"):
        nn.GRU(3, 2, rng=rng)(np.ones((4, 3), np.float32))
    with pytest.raises(ValueError, match=r"initial state \(1, 3\)"):
        nn.RNN(3, 2, rng=rng)(np.ones((4, 1, 3), np.float32), np.zeros((1, 3), np.float32))
    with pytest.raises(TypeError, match="float32 and float64"):
        nn.RNN(3, 2, rng=rng)(np.ones((4, 1, 3), np.float32), np.zeros((1, 2)))
    for rate in (-0.1, 1.0, np.nan):
        with pytest.raises(ValueError, match="rate"):
            nn.Dropout(rate, rng=rng)


# --- Dropout and frozen ---------------------------------------------------------------------------------------------


def test_dropout_keeps_the_expectation_and_its_gradient_is_its_mask() -> None:
    layer, x = nn.Dropout(0.25, rng=np.random.default_rng(6)), Tensor(np.full((200, 100), 3.0))
    y = layer(x)
    assert set(np.unique(y.data)) == {0.0, 4.0}
    dropped = np.mean(y.data == 0)
    assert abs(dropped - 0.25) < 5 * np.sqrt(0.25 * 0.75 / y.size)
    g = np.random.default_rng(7).standard_normal(y.shape)
    np.testing.assert_allclose(gradients(y, [x], g)[0], g * y.data / 3)
    assert not np.array_equal(layer(x).data, y.data)
    again = nn.Dropout(0.25, rng=np.random.default_rng(6))
    assert np.array_equal(again(x).data, y.data)
    assert layer(np.ones(1000)).min() == 0  # the inputs of a live model are dropped too, though they are arrays


def test_frozen_is_the_same_model_in_arrays_without_dropout() -> None:
    rng = np.random.default_rng(8)
    inner = nn.Dropout(0.5, rng=rng)
    model = nn.Sequential(inner, nn.Linear(4, 4, rng=rng), nn.Sequential(np.tanh, nn.Dropout(0.9, rng=rng)))
    twin, x = nn.frozen(model), np.ones((3, 4), np.float32)
    before = rng.bit_generator.state
    assert type(twin(x)) is np.ndarray
    np.testing.assert_array_equal(twin(x), np.tanh(x @ model.layers[1].W.data + model.layers[1].b.data))
    assert rng.bit_generator.state == before and twin.parameters() == []
    assert inner.rate == 0.5 and isinstance(model(x), Tensor)
    writable(model.layers[1].b)[...] = 5
    np.testing.assert_array_equal(twin.layers[1].b, 5)
    with pytest.raises(ValueError, match="read-only"):
        twin.layers[1].b[0] = 1


# --- Initialisers ---------------------------------------------------------------------------------------------------


DRAWN = [
    (nn.normal, 1.0),
    (partial(nn.normal, std=0.1), 0.1),
    (partial(nn.uniform, bound=0.3), 0.3 / np.sqrt(3)),
    (nn.fan_in_uniform, 1 / np.sqrt(3 * 150)),
    (nn.xavier_uniform, np.sqrt(2 / 500)),
    (partial(nn.xavier_uniform, gain=2), 2 * np.sqrt(2 / 500)),
    (nn.xavier_normal, np.sqrt(2 / 500)),
]


@pytest.mark.parametrize(("init", "std"), DRAWN)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_initialisers_have_mean_zero_and_their_spread(init: Any, std: float, dtype: Any) -> None:
    drawn = init((150, 350), rng=np.random.default_rng(14), dtype=dtype)
    assert drawn.shape == (150, 350) and drawn.dtype == dtype
    assert abs(drawn.mean()) < 5 * std / np.sqrt(drawn.size)
    assert abs(drawn.std() / std - 1) < 0.02
    if "uniform" in str(init):
        assert np.sqrt(3) * std * 0.99 < abs(drawn).max() <= np.sqrt(3) * std * (1 + 1e-6)
    np.testing.assert_array_equal(drawn, init((150, 350), rng=np.random.default_rng(14), dtype=dtype))


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (1, 1)])
def test_orthogonal(shape: tuple[int, int]) -> None:
    q = nn.orthogonal(shape, rng=np.random.default_rng(15), dtype=np.float64)
    assert q.shape == shape and q.flags.c_contiguous
    np.testing.assert_allclose(q.T @ q if shape[0] >= shape[1] else q @ q.T, np.eye(min(shape)), atol=1e-14)


def test_orthogonal_is_uniform_over_signs() -> None:
    rng = np.random.default_rng(16)
    positive = sum(nn.orthogonal((2, 2), rng=rng)[0, 0] > 0 for _ in range(1000))
    assert abs(positive - 500) < 5 * np.sqrt(250)


def test_recurrent_weights_are_orthogonal_by_gate_and_the_forget_gate_is_open() -> None:
    layer = nn.LSTM(3, 4, rng=np.random.default_rng(17), dtype=np.float64)
    for W in np.split(layer.W.data, 4, axis=1):
        np.testing.assert_allclose(W.T @ W, np.eye(4), atol=1e-14)
    np.testing.assert_array_equal(layer.input.b.data, np.repeat([0, 1, 0, 0], 4))


def test_a_missing_or_wrong_rng_is_told() -> None:
    with pytest.raises(TypeError, match="rng"):
        nn.Linear(2, 3)
    linear, gru, dropout = partial(nn.Linear, 2, 3), partial(nn.GRU, 2, 3), partial(nn.Dropout, 0.5)
    for build in (linear, gru, dropout, partial(nn.xavier_uniform, (2, 3))):
        with pytest.raises(TypeError, match=r"rng is 0, not a generator: .*default_rng\(seed\)"):
            build(rng=0)

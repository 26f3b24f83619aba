"""The three models: their formulas, gradients, options and errors, and that each learns what it should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.test_nn import all_parts, by_hand, check_gradients
from tinygrad_nlp import Tensor, nn, optim, softmax_cross_entropy
from tinygrad_nlp.nlp.models import CharRNN, DeepAveragingNetwork, NeuralBigram, WordRNN

F64 = {"dtype": np.float64}
BAGS = np.array([0, 3, 2, 2, 4]), np.array([0, 2, 2])


def test_neural_bigram_is_its_formula() -> None:
    rng = np.random.default_rng(0)
    model, ids = NeuralBigram(7, 3, 4, rng=rng, **F64), np.array([6, 0, 6])
    p = model.state_dict()
    hidden = 1 / (1 + np.exp(-(p["embedding.table"][ids] @ p["hidden.W"] + p["hidden.b"])))
    np.testing.assert_allclose(model(ids).data, hidden @ p["output.W"] + p["output.b"], atol=1e-14)
    check_gradients(lambda m: m(ids), model)


def test_char_rnn_is_its_formula_for_short_and_long_texts() -> None:
    rng = np.random.default_rng(1)
    model = nn.frozen(CharRNN(5, 3, 4, "gru", layers=2, rng=rng, **F64))
    ids = rng.integers(0, 5, (6, 2))  # 12 characters of an alphabet of 5: the alphabet is projected
    x = model.embedding.table[ids]
    for layer in model.layers:
        h, states = np.zeros((2, 4)), []
        for x_t in x:
            h, _ = by_hand("gru", x_t @ layer.input.W + layer.input.b, h, h, layer.W)
            states.append(h)
        x = np.stack(states)
    expected = x @ model.output.W + model.output.b
    logits, _ = model(ids)
    np.testing.assert_allclose(logits, expected, atol=1e-14)
    state = None
    for t in range(6):  # one character at a time: the text is projected
        logits, state = model(ids[t : t + 1], state)
        np.testing.assert_allclose(logits[0], expected[t], atol=1e-14)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("steps", [1, 4])
def test_char_rnn_gradients_with_a_state_that_is_a_tensor_too(cell: str, layers: int, steps: int) -> None:
    rng = np.random.default_rng(2)
    model, ids = CharRNN(5, 3, 4, cell, layers=layers, rng=rng, **F64), rng.integers(0, 5, (steps, 2))

    def state() -> Tensor:
        return Tensor(rng.standard_normal((2, 4)))

    states: list[Any] = [(state(), state()) if cell == "lstm" else state() for _ in range(layers)]
    check_gradients(lambda tree: all_parts(tree[0](ids, tree[1])), (model, states))


def test_word_rnn_is_its_formula_and_carries_its_state() -> None:
    rng = np.random.default_rng(5)
    live = WordRNN(7, 4, rng=rng, **F64)
    live.bias.data = rng.standard_normal(7)
    model, ids = nn.frozen(live), rng.integers(0, 7, (6, 2))
    h, expected = np.zeros((2, 4)), []
    for x_t in model.embedding.table[ids]:
        h, _ = by_hand("gru", x_t @ model.layer.input.W + model.layer.input.b, h, h, model.layer.W)
        expected.append(h @ model.embedding.table.T + model.bias)
    whole, last = model(ids)
    np.testing.assert_allclose(whole, expected, atol=1e-13)
    np.testing.assert_allclose(last, h, atol=1e-13)
    first, state = model(ids[:2])
    np.testing.assert_allclose(np.concatenate([first, model(ids[2:], state)[0]]), whole, atol=1e-13)
    check_gradients(lambda tree: all_parts(tree[0](ids, tree[1])), (live, Tensor(rng.standard_normal((2, 4)))))


def test_word_vectors_start_small_and_dropout_acts_in_training() -> None:
    """At 0.1 logits h Eᵀ are near 0 at first, and the cost is that of a uniform guess."""
    rng = np.random.default_rng(6)
    model = WordRNN(500, 80, 0.5, rng=rng)
    assert np.std(model.embedding.table.data) == pytest.approx(0.1, rel=0.05)
    ids = rng.integers(0, 500, (9, 2))
    assert not np.array_equal(model(ids)[0].data, model(ids)[0].data)
    assert np.array_equal(nn.frozen(model)(ids)[0], nn.frozen(model)(ids)[0])


def test_deep_averaging_network_is_its_formula() -> None:
    rng = np.random.default_rng(3)
    functions = {"none": lambda x: x, "relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}
    for layers in range(3):
        for name, function in functions.items():
            model = DeepAveragingNetwork(5, 3, layers, 8, name, classes=3, rng=rng, **F64)
            model.load_state_dict({key: rng.standard_normal(a.shape) for key, a in model.state_dict().items()})
            table = model.embedding.table.data
            x = np.stack([(table[0] + table[3]) / 2, 0 * table[0], (2 * table[2] + table[4]) / 3])
            weights = [a for key, a in model.state_dict().items() if key != "embedding.table"]
            for W, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
                x = function(x @ W + b)
            assert len(weights) == 2 * layers + 2
            np.testing.assert_allclose(model(*BAGS).data, x @ weights[-2] + weights[-1], atol=1e-14)
            check_gradients(lambda m: m(*BAGS), model, seed=layers)


def test_a_given_table_stays_as_it_is() -> None:
    rng, table = np.random.default_rng(4), np.ones((5, 3))
    for model, inputs in [
        (NeuralBigram(5, 3, 4, rng=rng, embedding=table), (np.array([4]),)),
        (DeepAveragingNetwork(5, 3, rng=rng, embedding=table), BAGS),
    ]:
        logits = model(*inputs)
        assert logits.dtype == np.float32 and not any("table" in name for name, _ in model.named_parameters())
        logits.sum().backward()
        optim.Adam(model).step()
        np.testing.assert_array_equal(model.embedding.table, table)
    for build in (NeuralBigram, DeepAveragingNetwork):
        with pytest.raises(ValueError, match=r"the embedding is \(3, 5\), .* 5 and 3"):
            build(5, 3, rng=rng, embedding=table.T)


def test_config_builds_another_of_its_kind() -> None:
    rng = np.random.default_rng(5)
    for model in (
        NeuralBigram(5, 3, 4, rng=rng, **F64),
        CharRNN(5, 3, 4, "lstm", layers=2, dropout=0.25, rng=rng),
        DeepAveragingNetwork(5, 3, 2, 6, "tanh", 4, rng=rng),
    ):
        other = type(model)(**model.config, rng=rng)
        other.load_state_dict(model.state_dict())
        assert other.config == model.config and repr(other) == repr(model)


def test_unknown_names_and_sizes() -> None:
    rng = np.random.default_rng(6)
    with pytest.raises(ValueError, match="unknown cell 'gpt': choose one of rnn, gru, lstm"):
        CharRNN(5, cell="gpt", rng=rng)
    with pytest.raises(ValueError, match="unknown nonlinearity 'gelu': choose one of none, relu, tanh"):
        DeepAveragingNetwork(5, nonlinearity="gelu", rng=rng)
    with pytest.raises(ValueError, match="layers is 0"):
        CharRNN(5, layers=0, rng=rng)
    with pytest.raises(ValueError, match=r"layers is -1"):
        DeepAveragingNetwork(5, layers=-1, rng=rng)
    with pytest.raises(ValueError, match="id 5 at position"):
        CharRNN(5, rng=rng)(np.array([[5]] * 9))


def test_dropout_is_on_in_a_live_model_only() -> None:
    model, ids = CharRNN(5, 3, 40, dropout=0.5, rng=np.random.default_rng(7)), np.zeros((3, 1), int)
    assert not np.array_equal(model(ids)[0].data, model(ids)[0].data)
    twin = nn.frozen(model)
    np.testing.assert_array_equal(twin(ids)[0], twin(ids)[0])


def loss_after(model: Any, optimizer: Any, loss: Any, steps: int) -> float:
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss(model)
        value.backward()
        optim.clip_norm(model, 1.0)
        optimizer.step()
    return float(loss(nn.frozen(model)))


def test_each_model_learns() -> None:
    rng = np.random.default_rng(8)
    words, following = np.arange(8), np.roll(np.arange(8), 3)
    bigram = NeuralBigram(8, 10, 10, rng=rng)
    assert loss_after(bigram, optim.SGD(bigram, 3.0), lambda m: softmax_cross_entropy(m(words), following), 150) < 0.1

    text = np.tile([0, 1, 0, 2], 10)[:, None]  # what follows 0 only the past tells
    for cell in ("rnn", "gru", "lstm"):
        model = CharRNN(3, 8, 16, cell, rng=rng)
        adam = optim.Adam(model, 0.02)
        assert loss_after(model, adam, lambda m: softmax_cross_entropy(m(text[:-1])[0], text[1:]), 80) < 0.1

    ids, offsets, labels = np.array([0, 2, 2, 1, 2, 1, 3, 0, 3]), np.array([0, 3, 5, 7]), np.array([1, 0, 0, 1])
    network = DeepAveragingNetwork(4, 6, rng=rng)
    adam = optim.Adam(network, 0.02)
    assert loss_after(network, adam, lambda m: softmax_cross_entropy(m(ids, offsets), labels), 150) < 0.1

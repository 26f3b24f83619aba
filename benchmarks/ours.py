"""The same work in tinygrad_nlp, as its users write it: a model, backward(), an optimiser; and a character RNN in
pieces, which takes the model apart. See kernels.py."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinygrad_nlp import Tensor, affine, checkpoint, embedding, gru, nn, relu, rnn, softmax_cross_entropy
from tinygrad_nlp.nlp import bags, models
from tinygrad_nlp.optim import SGD, Adam, Optimizer
from tinygrad_nlp.parallel import Ranks
from tinygrad_nlp.recurrent import lstm_states
from tinygrad_nlp.soap import SOAP

from .kernels import Arrays, Side

ALONE = Ranks()


def training(
    model: Any,
    parameters: Arrays,
    batches: Any,
    optimizer: Callable[[Any], Optimizer],
    loss: Any,
    ranks: Ranks = ALONE,
) -> Side:
    """Steps of training from the given parameters, by all ranks; loss is the mean over a batch."""
    model.load_state_dict(dict(zip(model.state_dict(), parameters, strict=True)))
    update, data = optimizer(model), itertools.cycle(batches)

    def step() -> float:
        update.zero_grad()
        batch, share = sharded(next(data), ranks)
        value = loss(*batch) if ranks.size == 1 else loss(*batch) * share
        value.backward()
        ranks.add_gradients(model)
        update.step()
        return value.item()

    return step, lambda: list(model.state_dict().values())


def sharded(batch: Any, ranks: Ranks) -> tuple[Any, float]:
    """This rank's part of a batch, whose last axis counts examples (of bags: ids, offsets, labels), and its share."""
    *inputs, labels = batch
    if ranks.size == 1:
        return batch, 1.0
    n = labels.shape[-1]
    mine = ranks.shard(n)
    if len(inputs) == 2:
        inputs = bags.take(*inputs, np.arange(n)[mine])
    else:
        inputs = [a[:, mine] if labels.ndim == 2 else a[mine] for a in inputs]
    return (*inputs, labels[..., mine]), (mine.stop - mine.start) / n


def chain(parameters: Arrays, batches: Any, length: int) -> Side:
    x, w, b = leaves = [Tensor(a) for a in parameters]

    def step() -> float:
        y = x
        for _ in range(length // 3):
            y = np.tanh(y * w + b)
        total = y.sum()
        total.backward()
        x.grad = w.grad = b.grad = None
        return total.item()

    return step, lambda: [t.data for t in leaves]


def bigram(parameters: Arrays, batches: Any, ranks: Ranks = ALONE) -> Side:
    (V, D), (_, H) = parameters[0].shape, parameters[1].shape
    model = models.NeuralBigram(V, D, H, rng=np.random.default_rng(0))
    return training(
        model,
        parameters,
        batches,
        lambda model: SGD(model, 0.3),
        lambda ids, labels: softmax_cross_entropy(model(ids), labels),
        ranks,
    )


def mlp(parameters: Arrays, batches: Any, ranks: Ranks = ALONE) -> Side:
    rng, sizes = np.random.default_rng(0), [W.shape for W in parameters[::2]]
    first, second, last = (nn.Linear(*size, rng=rng) for size in sizes)
    model = nn.Sequential(first, relu, second, relu, last)
    return training(
        model,
        parameters,
        batches,
        lambda model: Adam(model, 0.001),
        lambda x, labels: softmax_cross_entropy(model(x), labels),
        ranks,
    )


def averaged_embedding(parameters: Arrays, batches: Any, sparse: bool, ranks: Ranks = ALONE) -> Side:
    model = models.DeepAveragingNetwork(*parameters[0].shape, layers=0, rng=np.random.default_rng(0))
    return training(
        model,
        parameters,
        batches,
        lambda model: Adam(model, 0.001, lazy=sparse),
        lambda ids, offsets, labels: softmax_cross_entropy(model(ids, offsets), labels),
        ranks,
    )


def character_rnn(
    parameters: Arrays, batches: Any, cell: str, pieces: int = 1, soap: bool = False, ranks: Ranks = ALONE
) -> Side:
    (V, D), H = parameters[0].shape, len(parameters[3])
    model = models.CharRNN(V, D, H, cell, rng=np.random.default_rng(0))

    def whole(ids: np.ndarray, labels: np.ndarray) -> Any:
        return softmax_cross_entropy(model(ids)[0], labels)

    def in_pieces(ids: np.ndarray, labels: np.ndarray) -> Any:
        layer, output, total, n = model.layers[0], model.output, 0.0, -(-len(ids) // pieces)
        table = layer.input(model.embedding.table)
        states = np.zeros((2, 1, ids.shape[1], H), np.float32)  # h, and for an LSTM c: each (time, B, H)
        for t in range(0, len(ids), n):
            states = states_of[cell](table, ids[t : t + n], states[:, -1], layer.W)
            total = total + loss_of(states, output.W, output.b, labels[t : t + n])
        return total / labels.size

    loss = whole if pieces == 1 else in_pieces
    return training(model, parameters, batches, partial(SOAP if soap else Adam, lr=0.005), loss, ranks)


def word_rnn(parameters: Arrays, batches: Any, soap: bool = False, ranks: Ranks = ALONE) -> Side:
    model = models.WordRNN(*parameters[0].shape, rng=np.random.default_rng(0))
    return training(
        model,
        parameters,
        batches,
        partial(SOAP if soap else Adam, lr=0.003),
        lambda ids, labels: softmax_cross_entropy(model(ids)[0], labels),
        ranks,
    )


# --- A character RNN in pieces of time that are forgotten, but for their states, and computed again on the way back ---


def piece_of(cell: Callable[..., Any]) -> Callable[..., Any]:
    def states(table: Any, ids: np.ndarray, before: Any, W: Any) -> Any:
        return cell(embedding(table, ids), before, W)

    return checkpoint(states)


states_of = {
    "rnn": piece_of(lambda x, before, W: rnn(x, before[0], W)[None]),
    "gru": piece_of(lambda x, before, W: gru(x, before[0], W)[None]),
    "lstm": piece_of(lambda x, before, W: lstm_states(x, before[0], before[1], W)),
}


@checkpoint
def loss_of(states: Any, W: Any, b: Any, labels: np.ndarray) -> Any:
    return softmax_cross_entropy(affine(states[0], W, b), labels, reduction="sum")

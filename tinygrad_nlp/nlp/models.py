"""The three models of the assignment and a recurrent one of words, each a few lines of nn: ids in, logits out.

model.config holds the plain arguments it was built with: type(model)(**model.config, rng=rng) is another of its kind,
ready for load_state_dict(). A given table of word vectors is not among them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike

from .. import nn
from ..engine import Tensor
from ..fused import affine
from ..fused import embedding as lookup
from ..rules import relu, sigmoid

CELLS: dict[str, Any] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


def identity(x: Any) -> Any:
    """x: no non-linearity."""
    return x


NONLINEARITIES: dict[str, Any] = {"none": identity, "relu": relu, "tanh": np.tanh}


def choose(what: str, name: str, choices: dict[str, Any]) -> Any:
    """choices[name]; ValueError listing the names for any other."""
    if name not in choices:
        raise ValueError(f"unknown {what} {name!r}: choose one of {', '.join(choices)}")
    return choices[name]


def check_layers(layers: int, least: int) -> None:
    if layers < least:
        raise ValueError(f"layers is {layers}: use {least} or more")


def word_vectors(kind: Any, V: int, D: int, table: Any, *, rng: Generator, dtype: DTypeLike, std: float) -> Any:
    """An embedding layer: around a given table (V, D), a constant, or trained, drawn from N(0, std²)."""
    if table is None:
        return kind(V, D, rng=rng, dtype=dtype, init=partial(nn.normal, std=std))
    if np.shape(table) != (V, D):
        raise ValueError(f"the embedding is {np.shape(table)}, not (vocabulary, dimension): they are {V} and {D}")
    return kind.from_pretrained(np.asarray(table, dtype))


class NeuralBigram(nn.Module):
    """The next word from the last: softmax(σ(E[w] W₁ + b₁) W₂ + b₂), Bengio et al. 2003 with one word of context.

    forward(ids (B,)) -> logits (B, vocabulary). embedding is a table (vocabulary, dimension) to keep as it is, such as
    GloVe; without one it is trained. Drawn from N(0, 1), as published, a trained embedding and W₂ memorise the training
    text: these two start from N(0, 0.1²).
    """

    def __init__(
        self,
        vocabulary: int,
        dimension: int = 50,
        hidden: int = 50,
        *,
        rng: Generator,
        embedding: Any = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        sizes = {"vocabulary": vocabulary, "dimension": dimension, "hidden": hidden}
        self.config = {**sizes, "dtype": np.dtype(dtype).name}
        self.embedding = word_vectors(nn.Embedding, vocabulary, dimension, embedding, rng=rng, dtype=dtype, std=0.1)
        self.hidden = nn.Linear(dimension, hidden, rng=rng, dtype=dtype, init=nn.normal)
        self.hidden.b = Tensor(nn.normal((hidden,), rng=rng, dtype=dtype))
        self.output = nn.Linear(hidden, vocabulary, rng=rng, dtype=dtype, init=partial(nn.normal, std=0.1))

    def forward(self, ids: Any) -> Any:
        return self.output(sigmoid(self.hidden(self.embedding(ids))))


class CharRNN(nn.Module):
    """The next character from all before it: embedding, recurrent layers, logits. Elman 1990; Mikolov et al. 2010.

    forward(ids (T, B), state=None) -> logits (T, B, vocabulary) and the state after the last step, a list with one
    entry a layer; to go on from there pass nn.frozen(state). cell is "rnn", "gru" or "lstm"; ValueError for any other.
    dropout acts on what each layer hands up (Zaremba et al. 2014), drawing from rng. The embedding starts from N(0, 1),
    recurrent weights orthogonal, the others within ±1/√n_in.
    """

    def __init__(
        self,
        vocabulary: int,
        embedding: int = 100,
        hidden: int = 100,
        cell: str = "rnn",
        *,
        rng: Generator,
        layers: int = 1,
        dropout: float = 0.0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        check_layers(layers, 1)
        layer = choose("cell", cell, CELLS)
        sizes = {"vocabulary": vocabulary, "embedding": embedding, "hidden": hidden, "layers": layers}
        self.config = {**sizes, "cell": cell, "dropout": dropout, "dtype": np.dtype(dtype).name}
        self.embedding = nn.Embedding(vocabulary, embedding, rng=rng, dtype=dtype)
        self.layers = [layer(hidden if i else embedding, hidden, rng=rng, dtype=dtype) for i in range(layers)]
        self.dropout = nn.Dropout(dropout, rng=rng)
        self.output = nn.Linear(hidden, vocabulary, rng=rng, dtype=dtype)

    def forward(self, ids: Any, state: Any = None) -> tuple[Any, list[Any]]:
        table, first, states = self.embedding.table, self.layers[0].input, []
        more = np.size(ids) > table.shape[0]  # a text longer than its alphabet: project each letter just once
        x = lookup(first(table), ids) if more else first(lookup(table, ids))
        for i, (layer, before) in enumerate(zip(self.layers, state or [None] * len(self.layers), strict=True)):
            x, after = layer.scan(layer.input(x) if i else x, before)
            x = self.dropout(x)
            states.append(after)
        return self.output(x), states


class WordRNN(nn.Module):
    """The next word from all before it: a GRU whose output layer is its own embedding, transposed (tied weights).

    forward(ids (T, B), state=None) -> logits (T, B, vocabulary) and the state after the last step. logits = h Eᵀ + b
    with the table E (vocabulary, size) that the inputs are looked up in: Press and Wolf 2017; Inan et al. 2017. Dropout
    acts on what goes in and on what comes out (Zaremba et al. 2014).
    """

    def __init__(
        self, vocabulary: int, size: int = 200, dropout: float = 0.0, *, rng: Generator, dtype: DTypeLike = np.float32
    ) -> None:
        self.config = {"vocabulary": vocabulary, "size": size, "dropout": dropout, "dtype": np.dtype(dtype).name}
        self.embedding = nn.Embedding(vocabulary, size, rng=rng, dtype=dtype, init=partial(nn.normal, std=0.1))
        self.layer = nn.GRU(size, size, rng=rng, dtype=dtype)
        self.dropout = nn.Dropout(dropout, rng=rng)
        self.bias = Tensor(np.zeros(vocabulary, dtype))

    def forward(self, ids: Any, state: Any = None) -> tuple[Any, Any]:
        x, state = self.layer(self.dropout(self.embedding(ids)), state)
        return affine(self.dropout(x), self.embedding.table.T, self.bias), state


class DeepAveragingNetwork(nn.Module):
    """The class of a text from the mean of its word vectors, through hidden layers: Iyyer et al. 2015.

    forward(ids (N,), offsets (B,)) -> logits (B, classes); text b is ids[offsets[b]:offsets[b + 1]]. There are `layers`
    hidden layers of `width`, each followed by the nonlinearity ("none", "relu" or "tanh"; ValueError for any other) and
    by dropout.
    embedding is a table (vocabulary, dimension) to keep as it is; without one it is trained. Hashed bigrams are more
    rows of the same table (bags.add_bigrams).
    """

    def __init__(
        self,
        vocabulary: int,
        dimension: int = 100,
        layers: int = 1,
        width: int = 100,
        nonlinearity: str = "relu",
        classes: int = 2,
        dropout: float = 0.0,
        *,
        rng: Generator,
        embedding: Any = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        check_layers(layers, 0)
        between = choose("nonlinearity", nonlinearity, NONLINEARITIES)
        sizes = {"vocabulary": vocabulary, "dimension": dimension, "layers": layers, "width": width, "classes": classes}
        self.config = {**sizes, "nonlinearity": nonlinearity, "dropout": dropout, "dtype": np.dtype(dtype).name}
        self.embedding = word_vectors(nn.EmbeddingBag, vocabulary, dimension, embedding, rng=rng, dtype=dtype, std=0.01)
        steps: list[Any] = []
        for _ in range(layers):
            steps += [nn.Linear(dimension, width, rng=rng, dtype=dtype), between]
            dimension = width
        self.classify = nn.Sequential(*steps, nn.Linear(dimension, classes, rng=rng, dtype=dtype))
        self.dropout = nn.Dropout(dropout, rng=rng)

    def forward(self, ids: Any, offsets: Any) -> Any:
        x = self.embedding(ids, offsets)
        *hidden, last = self.classify.layers
        for linear, between in zip(hidden[::2], hidden[1::2], strict=True):
            x = self.dropout(between(linear(x)))
        return last(x)

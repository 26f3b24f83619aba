"""Layers: each is a Module (module.py), a plain object with Tensors in it, whose forward() is NumPy.

There is no training mode. A live model holds Tensors; frozen(model) is the same model with arrays in their place, for
inference and as the oracle of finite differences. PyTorch's names and argument order hold, with three differences:
weights are W (n_in, n_out) and b (n_out,), as on paper (x W + b); recurrent states have no axis of layers; every random
function takes rng=, a np.random.Generator, and nothing reads a global seed. Parameters are float32 unless dtype= says
float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator

from .core import habits
from .engine import Tensor, writable
from .fused import affine, embedding, embedding_bag
from .module import Module as Module
from .module import modules as modules
from .module import named_modules as named_modules
from .recurrent import gru, lstm, rnn
from .tree import map_leaves

Shape = tuple[int, ...]

# --- Initialisers: (shape, rng=, dtype=) -> array ---------------------------------------------------------------------


def generator(rng: Any) -> Generator:
    """rng itself, if it is a generator: a seed would start anew in each layer, and all layers would be alike."""
    if not isinstance(rng, Generator):
        raise TypeError(f"rng is {rng!r}, not a generator: make one, rng = np.random.default_rng(seed), and pass it on")
    return rng


def normal(shape: Shape, *, rng: Generator, dtype: Any = np.float32, std: float = 1.0) -> np.ndarray:
    """Drawn from N(0, std²)."""
    drawn: np.ndarray = generator(rng).standard_normal(shape, dtype)
    drawn *= std
    return drawn


def uniform(shape: Shape, *, rng: Generator, dtype: Any = np.float32, bound: float = 1.0) -> np.ndarray:
    """Drawn uniformly from [−bound, bound)."""
    drawn: np.ndarray = generator(rng).random(shape, dtype)
    drawn -= 0.5
    drawn *= 2 * bound
    return drawn


def fan_in_uniform(shape: Shape, *, rng: Generator, dtype: Any = np.float32) -> np.ndarray:
    """Uniform in ±1/√n_in for a shape (n_in, n_out): what PyTorch's Linear does, and our default."""
    return uniform(shape, rng=rng, dtype=dtype, bound=max(shape[0], 1) ** -0.5)


def xavier_uniform(shape: Shape, *, rng: Generator, dtype: Any = np.float32, gain: float = 1.0) -> np.ndarray:
    """Uniform in ±gain √(6 / (n_in + n_out)). Glorot and Bengio 2010, "Understanding the difficulty of training deep
    feedforward neural networks"."""
    return uniform(shape, rng=rng, dtype=dtype, bound=gain * (6 / sum(shape)) ** 0.5)


def xavier_normal(shape: Shape, *, rng: Generator, dtype: Any = np.float32, gain: float = 1.0) -> np.ndarray:
    """Drawn from N(0, gain² · 2 / (n_in + n_out)): same variance, same paper."""
    return normal(shape, rng=rng, dtype=dtype, std=gain * (2 / sum(shape)) ** 0.5)


def orthogonal(shape: Shape, *, rng: Generator, dtype: Any = np.float32) -> np.ndarray:
    """Orthonormal columns, or rows where a shape (n, m) has more columns: then h W is as long as h, for many steps.

    Saxe et al. 2014, "Exact solutions to the nonlinear dynamics of learning". Fixing the signs of QR makes the draw
    uniform (Mezzadri 2007).
    """
    n, m = shape
    q, r = np.linalg.qr(normal((max(n, m), min(n, m)), rng=rng, dtype=np.float64))
    q *= np.where(np.diagonal(r) < 0, -1, 1)
    return np.ascontiguousarray(q if n >= m else q.T, dtype)


# --- Layers -----------------------------------------------------------------------------------------------------------


def frozen(model: Any) -> Any:
    """The same model with arrays for its Tensors and Dropout off: arrays in, arrays out, no gradients.

    The arrays are the live model's own memory, read-only: nothing is copied, and later updates are seen. Any tree will
    do: state = frozen(state) cuts a carried state off from the chunk that made it.
    """
    still = map_leaves(lambda leaf: leaf.data if isinstance(leaf, Tensor) else leaf, model)
    for module in modules(still):
        if isinstance(module, Dropout):
            module.rate = 0.0
    return still


class Linear(Module):
    """x W + b for x (..., n_in): (..., n_out), one matrix product whatever the leading axes.

    W (n_in, n_out) is drawn by init, b (n_out,) starts at 0; bias=False leaves it out. Raises TypeError for an x of
    another dtype than W, ValueError for one of another width.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        rng: Generator,
        dtype: Any = np.float32,
        bias: bool = True,
        init: Any = fan_in_uniform,
    ) -> None:
        self.W = Tensor(init((n_in, n_out), rng=rng, dtype=dtype))
        self.b: Any = Tensor(np.zeros(n_out, dtype)) if bias else None

    def forward(self, x: Any) -> Any:
        W = self.W
        x = np.asarray(x, W.dtype) if isinstance(x, list) else x
        if x.dtype != W.dtype and "c" not in (x.dtype.kind, W.dtype.kind):  # complex: a complex-step check
            remedy = f"x.astype(np.{W.dtype}), or a model with another dtype="
            raise TypeError(f"x {x.shape} is {x.dtype} but W {W.shape} is {W.dtype}: {remedy}")
        return affine(x, W, np.zeros(W.shape[1], W.dtype) if self.b is None else self.b)

    def _sizes(self) -> tuple[int, ...]:
        return np.shape(self.W)


class Embedding(Module):
    """Rows of a table (V, D) for integer ids (...): (..., D). Drawn from N(0, 1) unless init says otherwise."""

    def __init__(self, V: int, D: int, *, rng: Generator, dtype: Any = np.float32, init: Any = normal) -> None:
        self.table: Any = Tensor(init((V, D), rng=rng, dtype=dtype))

    @classmethod
    def from_pretrained(cls, table: np.ndarray, freeze: bool = True) -> Any:
        """A layer around a given table (V, D): a constant, unless freeze=False makes it a parameter."""
        layer = cls.__new__(cls)
        layer.table = np.asarray(table) if freeze else Tensor(table)
        layer._made_with = np.shape(table), {"rng": np.random.default_rng(0), "dtype": layer.table.dtype}
        return layer

    def forward(self, ids: Any) -> Any:
        return embedding(self.table, ids)

    def _sizes(self) -> tuple[int, ...]:
        return np.shape(self.table)


class EmbeddingBag(Embedding):
    """Means of rows of a table over bags, ids (N,) and offsets (B,): (B, D); see fused.embedding_bag."""

    def forward(self, ids: Any, offsets: Any) -> Any:  # type: ignore[override]  # offsets as well
        return embedding_bag(self.table, ids, offsets)


class Recurrent(Module):
    """What RNN, GRU and LSTM share: forward(x, state) -> (all hidden states, last state), as in PyTorch with one layer.

    x (T, B, n_in) gives (T, B, hidden); with batch_first (B, T, n_in) gives (B, T, hidden). A state is (B, hidden), for
    LSTM a pair (h, c), arrays or Tensors; zeros if left out. To carry it to the next chunk, pass frozen(state).
    Parameters: input.W (n_in, gates · hidden) and input.b, used for all steps at once, and W (hidden, gates · hidden),
    orthogonal for each gate. Raises TypeError and ValueError for dtypes and shapes that do not fit.
    """

    gates = 1
    cell: Callable[..., Any]

    def __init__(
        self, n_in: int, hidden: int, *, rng: Generator, batch_first: bool = False, dtype: Any = np.float32
    ) -> None:
        self.batch_first = batch_first
        self.input = Linear(n_in, self.gates * hidden, rng=rng, dtype=dtype)
        square = [orthogonal((hidden, hidden), rng=rng, dtype=dtype) for _ in range(self.gates)]
        self.W = Tensor(np.concatenate(square, axis=1))

    def forward(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        if not self.batch_first:
            return self.scan(self.input(x), state)
        output, state = self.scan(np.swapaxes(self.input(x), 0, 1), state)
        return np.swapaxes(output, 0, 1), state

    def scan(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """forward() for inputs that are projected already, (T, B, gates · hidden)."""
        output = self.cell(x, self.no_state(x) if state is None else state, self.W)
        return output, output[-1]

    def no_state(self, x: Any) -> np.ndarray:
        return np.zeros((*x.shape[1:-1], self.W.shape[0]), x.dtype)

    def _sizes(self) -> tuple[int, ...]:
        return np.shape(self.input.W)[0], np.shape(self.W)[0]


class RNN(Recurrent):
    """h' = tanh(x W_in + b + h W): Elman 1990. See Recurrent and recurrent.rnn."""

    cell = staticmethod(rnn)


class GRU(Recurrent):
    """Gated recurrent unit, gates r, z, n; one bias. Cho et al. 2014. See Recurrent and recurrent.gru."""

    gates = 3
    cell = staticmethod(gru)


class LSTM(Recurrent):
    """Long short-term memory, gates i, f, g, o: Hochreiter and Schmidhuber 1997. See Recurrent and recurrent.lstm.

    The state is (h, c). The forget gate's bias starts at 1, so that a cell keeps what it has (Jozefowicz et al. 2015).
    """

    gates = 4
    cell = staticmethod(lstm)

    def __init__(self, n_in: int, hidden: int, **settings: Any) -> None:
        super().__init__(n_in, hidden, **settings)
        writable(self.input.b)[hidden : 2 * hidden] = 1

    def scan(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        h0, c0 = (self.no_state(x), self.no_state(x)) if state is None else state
        output, cells = lstm(x, h0, c0, self.W)
        return output, (output[-1], cells[-1])


class Dropout(Module):
    """Zeroes each number with probability rate and divides the others by 1 − rate, so that the expectation stays.

    Srivastava et al. 2014. Off in frozen(model). Raises ValueError unless 0 ≤ rate < 1.
    """

    def __init__(self, rate: float, *, rng: Generator) -> None:
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout: rate is {rate}: use 0 (keep all) up to but not including 1")
        self.rate, self.rng = float(rate), generator(rng)

    def forward(self, x: Any) -> Any:
        if self.rate == 0:
            return x
        kept = self.rng.random(x.shape, np.float32) >= self.rate
        return x * (kept * x.dtype.type(1 / (1 - self.rate)))


class Sequential(Module):
    """Modules and plain functions one after the other: Sequential(Linear(…), np.tanh, Linear(…))."""

    def __init__(self, *layers: Callable[[Any], Any]) -> None:
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


__getattr__ = habits.of_module("tinygrad_nlp.nn", habits.LAYERS)

"""The work of the benchmarks in our own kernels, without the engine: gradients by hand, updates in place. What ours
takes beyond this is overhead. textbook.py has what one would write without either.

Each function takes a model's parameters as arrays, in the order of its state_dict() and changed in place by every step,
and the batches that the steps cycle through. It returns two functions: the step, which is forward, loss, backward and
update and gives the loss; and one that reads the parameters. ours.py and peers.py have the same models under the same
names. The recurrent cells are in cells.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse

from . import cells

Arrays = list[np.ndarray]
Side = tuple[Callable[[], float], Callable[[], Arrays]]
BLOCK = 1 << 15  # numbers updated at a time, so that they stay in the cache


# --- Updates ----------------------------------------------------------------------------------------------------------


def adam(parameters: Arrays, lr: float) -> Callable[[Sequence[Any]], None]:
    """Kingma and Ba 2015, the bias corrections folded into the step size; a gradient (rows, values) updates only its
    rows."""
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in parameters]
    count = itertools.count(1)

    def change(w: np.ndarray, m: np.ndarray, v: np.ndarray, g: np.ndarray, size: float, eps: float) -> None:
        m *= 0.9  # m and v are kept without the factors 1 − β, which size and eps make up for
        m += g
        share = g * g
        v *= 0.999
        v += share
        np.sqrt(v, share)
        share += eps
        np.divide(m, share, share)
        share *= size
        w -= share

    def update(gradients: Sequence[Any]) -> None:
        t = next(count)
        root = ((1 - 0.999**t) / 0.001) ** 0.5
        size, eps = lr * root * 0.1 / (1 - 0.9**t), 1e-8 * root
        for w, (m, v), g in zip(parameters, moments, gradients, strict=True):
            n = max(1, BLOCK // (w.size // len(w)))
            if isinstance(g, tuple):
                (rows, values), row = g, np.dtype((np.void, w[0].nbytes))
                for i in range(0, len(rows), n):
                    some = rows[i : i + n]
                    parts = [a.take(some, 0) for a in (w, m, v)]
                    change(*parts, values[i : i + n], size, eps)
                    for a, part in zip((w, m, v), parts, strict=True):  # a row copied in one piece
                        a.view(row).put(some, part.view(row))
            else:
                for i in range(0, len(w), n):
                    change(w[i : i + n], m[i : i + n], v[i : i + n], g[i : i + n], size, eps)

    return update


# --- Parts that several models share ----------------------------------------------------------------------------------


def affine(x: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    y = x @ W
    y += b
    return y


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean of −log softmax at the labels, and its gradient (ŷ − y) / N; logits (N, V) are overwritten."""
    n = np.arange(len(labels))
    logits -= logits.max(1, keepdims=True)
    picked = logits[n, labels]
    np.exp(logits, logits)
    total = logits.sum(1)
    loss = float((np.log(total) - picked).mean())
    logits *= (1 / (total * len(labels)))[:, None]
    logits[n, labels] -= logits.dtype.type(1 / len(labels))
    return loss, logits


def scatter_add(rows: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    """(size, D) with values (N, D) added at rows (N,): a sparse product, which is faster than adding row by row."""
    ones = np.ones(len(rows), values.dtype)
    return scipy.sparse.csc_array((ones, rows, np.arange(len(rows) + 1)), (size, len(rows))) @ values


# --- Feed-forward models ----------------------------------------------------------------------------------------------


def chain(parameters: Arrays, batches: Any, length: int) -> Side:
    """x ← tanh(x w + b) over and over on small arrays: `length` operations forward, and back for x, w and b. No
    update."""
    x, w, b = parameters
    ys, gradients = np.empty((length // 3 + 1, *x.shape), x.dtype), np.empty((3, *x.shape), x.dtype)

    def step() -> float:
        ys[0] = x
        for before, now in itertools.pairwise(ys):
            np.multiply(before, w, now)
            np.add(now, b, now)
            np.tanh(now, now)
        d = 1 - ys[1:] * ys[1:]
        g = np.ones_like(x)
        for d_t in d[::-1]:
            d_t *= g
            np.multiply(d_t, w, g)
        gradients[:] = g, (d * ys[:-1]).sum(0), d.sum(0)
        return float(ys[-1].sum())

    return step, lambda: parameters


def bigram(parameters: Arrays, batches: Any) -> Side:
    """softmax(σ(E[ids] W1 + b1) W2 + b2), SGD."""
    E, W1, b1, W2, b2 = parameters
    data = itertools.cycle(batches)

    def step() -> float:
        ids, labels = next(data)
        x = E.take(ids, 0)
        h = affine(x, W1, b1)
        h *= 0.5
        np.tanh(h, h)
        h *= 0.5
        h += 0.5
        loss, d = cross_entropy(affine(h, W2, b2), labels)
        dh = d @ W2.T
        dh *= h
        dh *= 1 - h
        dx = dh @ W1.T
        for w, g in ((W2, h.T @ d), (b2, d.sum(0)), (W1, x.T @ dh), (b1, dh.sum(0))):
            g *= 0.3
            w -= g
        np.subtract.at(E, ids, 0.3 * dx)
        return loss

    return step, lambda: parameters


def mlp(parameters: Arrays, batches: Any) -> Side:
    """Two hidden layers of relu and a softmax, Adam."""
    W1, b1, W2, b2, W3, b3 = parameters
    update, data = adam(parameters, 0.001), itertools.cycle(batches)

    def step() -> float:
        x, labels = next(data)
        h1 = affine(x, W1, b1)
        np.maximum(h1, 0, h1)
        h2 = affine(h1, W2, b2)
        np.maximum(h2, 0, h2)
        loss, d3 = cross_entropy(affine(h2, W3, b3), labels)
        d2 = d3 @ W3.T
        d2 *= h2 > 0
        d1 = d2 @ W2.T
        d1 *= h1 > 0
        update([x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ d3, d3.sum(0)])
        return loss

    return step, lambda: parameters


def averaged_embedding(parameters: Arrays, batches: Any, sparse: bool) -> Side:
    """The mean of each review's embeddings, an affine map, softmax over two classes; Adam on the rows used, or on
    all."""
    E, W, b = parameters
    update, data = adam(parameters, 0.001), itertools.cycle(batches)

    def step() -> float:
        ids, offsets, labels = next(data)
        bounds = np.append(offsets, len(ids))
        lengths = np.diff(bounds)
        weights = np.repeat((1 / np.maximum(lengths, 1)).astype(E.dtype), lengths)
        means = scipy.sparse.csr_array((weights, ids, bounds), (len(offsets), len(E))) @ E
        loss, d = cross_entropy(affine(means, W, b), labels)
        used = np.zeros(len(E), bool)
        used[ids] = True
        rows = np.flatnonzero(used)
        place = np.empty(len(E), np.int32)
        place[rows] = np.arange(len(rows))
        dE: Any = scipy.sparse.csr_array((weights, place[ids], bounds), (len(offsets), len(rows))).T @ (d @ W.T)
        if sparse:
            dE = rows, dE
        else:
            dense = np.zeros_like(E)
            dense[rows] = dE
            dE = dense
        update([dE, means.T @ d, d.sum(0)])
        return loss

    return step, lambda: parameters


# --- Recurrent models -------------------------------------------------------------------------------------------------


def character_rnn(parameters: Arrays, batches: Any, cell: str) -> Side:
    """Embedding, one recurrent layer from a zero state, affine map to the alphabet, Adam. The alphabet is projected
    rather than the text, where it is the smaller."""
    E, Wx, bx, W, Wo, bo = parameters
    run = cells.CELLS[cell]
    update, data = adam(parameters, 0.005), itertools.cycle(batches)

    def step() -> float:
        ids, labels = next(data)
        flat = ids.ravel()
        by_letter = len(flat) > len(E)
        inputs = affine(E, Wx, bx).take(flat, 0) if by_letter else affine(E.take(flat, 0), Wx, bx)
        states, backward = run(inputs.reshape(*ids.shape, -1), W)
        h = states.reshape(-1, states.shape[-1])
        loss, d = cross_entropy(affine(h, Wo, bo), labels.ravel())
        d_inputs, dW = backward((d @ Wo.T).reshape(states.shape))
        d_inputs = d_inputs.reshape(len(flat), -1)
        dbx = d_inputs.sum(0)
        if by_letter:
            d_inputs = scatter_add(flat, d_inputs, len(E))
            dE, dWx = d_inputs @ Wx.T, E.T @ d_inputs
        else:
            dE, dWx = scatter_add(flat, d_inputs @ Wx.T, len(E)), E[flat].T @ d_inputs
        update([dE, dWx, dbx, dW, h.T @ d, d.sum(0)])
        return loss

    return step, lambda: parameters

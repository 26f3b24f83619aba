"""The work of kernels.py as a textbook writes it: formula by formula, step of time by step of time, with a new array
for each result. It is what a reader of the formulas would have without a framework and without tuning."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .kernels import Arrays, Side


def adam(parameters: Arrays, lr: float, b1: float = 0.9, b2: float = 0.999) -> Callable[[Sequence[Any]], None]:
    """Kingma and Ba 2015, algorithm 1; of a gradient (rows, values) only the rows move."""
    moments = [[np.zeros_like(w), np.zeros_like(w)] for w in parameters]
    count = itertools.count(1)

    def update(gradients: Sequence[Any]) -> None:
        t = next(count)
        for w, (m, v), g in zip(parameters, moments, gradients, strict=True):
            rows, g = g if isinstance(g, tuple) else (slice(None), g)
            m[rows] = b1 * m[rows] + (1 - b1) * g
            v[rows] = b2 * v[rows] + (1 - b2) * g**2
            m_hat, v_hat = m[rows] / (1 - b1**t), v[rows] / (1 - b2**t)
            w[rows] -= lr * m_hat / (np.sqrt(v_hat) + 1e-8)

    return update


def sgd(parameters: Arrays, gradients: Arrays, lr: float) -> None:
    for w, g in zip(parameters, gradients, strict=True):
        w -= lr * g


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean of −log ŷ at the labels, and (ŷ − y) / N."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    y_hat = e / e.sum(axis=1, keepdims=True)
    n = np.arange(len(labels))
    loss = -np.log(y_hat[n, labels]).mean()
    d = y_hat.copy()
    d[n, labels] -= 1
    return float(loss), d / np.float32(len(labels))


# --- Feed-forward models ----------------------------------------------------------------------------------------------


def chain(parameters: Arrays, batches: Any, length: int) -> Side:
    x, w, b = parameters

    def step() -> float:
        ys = [x]
        for _ in range(length // 3):
            ys.append(np.tanh(ys[-1] * w + b))
        g, dw, db = np.ones_like(x), np.zeros_like(w), np.zeros_like(b)
        for before, y in zip(ys[-2::-1], ys[:0:-1], strict=True):
            d = g * (1 - y**2)
            dw, db, g = dw + d * before, db + d, d * w
        return float(ys[-1].sum())

    return step, lambda: parameters


def bigram(parameters: Arrays, batches: Any) -> Side:
    E, W1, b1, W2, b2 = parameters
    data = itertools.cycle(batches)

    def step() -> float:
        ids, labels = next(data)
        x = E[ids]
        h = sigmoid(x @ W1 + b1)
        loss, d2 = cross_entropy(h @ W2 + b2, labels)
        d1 = d2 @ W2.T * h * (1 - h)
        dE = np.zeros_like(E)
        np.add.at(dE, ids, d1 @ W1.T)  # slow, and how a textbook adds up rows that are there twice
        sgd(parameters, [dE, x.T @ d1, d1.sum(axis=0), h.T @ d2, d2.sum(axis=0)], 0.3)
        return loss

    return step, lambda: parameters


def mlp(parameters: Arrays, batches: Any) -> Side:
    W1, b1, W2, b2, W3, b3 = parameters
    update, data = adam(parameters, 0.001), itertools.cycle(batches)

    def step() -> float:
        x, labels = next(data)
        h1 = np.maximum(x @ W1 + b1, 0)
        h2 = np.maximum(h1 @ W2 + b2, 0)
        loss, d3 = cross_entropy(h2 @ W3 + b3, labels)
        d2 = d3 @ W3.T * (h2 > 0)
        d1 = d2 @ W2.T * (h1 > 0)
        update([x.T @ d1, d1.sum(axis=0), h1.T @ d2, d2.sum(axis=0), h2.T @ d3, d3.sum(axis=0)])
        return loss

    return step, lambda: parameters


def averaged_embedding(parameters: Arrays, batches: Any, sparse: bool) -> Side:
    E, W, b = parameters
    update, data = adam(parameters, 0.001), itertools.cycle(batches)

    def step() -> float:
        ids, offsets, labels = next(data)
        bags = np.split(ids, offsets[1:])
        means = np.stack([E[bag].mean(axis=0) if len(bag) else 0 * E[0] for bag in bags])
        loss, d = cross_entropy(means @ W + b, labels)
        dE = np.zeros_like(E)
        for bag, g in zip(bags, d @ W.T, strict=True):
            np.add.at(dE, bag, g / np.float32(max(len(bag), 1)))  # slow, for words that are there twice
        rows = np.unique(ids)
        update([(rows, dE[rows]) if sparse else dE, means.T @ d, d.sum(axis=0)])
        return loss

    return step, lambda: parameters


# --- Recurrent models: a cell is one step forward, which gives h', a state c' and what its own step back needs --------


def character_rnn(parameters: Arrays, batches: Any, cell: str) -> Side:
    E, Wx, bx, W, Wo, bo = parameters
    forward, backward = {"rnn": (rnn, d_rnn), "gru": (gru, d_gru), "lstm": (lstm, d_lstm)}[cell]
    update, data = adam(parameters, 0.005), itertools.cycle(batches)

    def step() -> float:
        ids, labels = next(data)
        T, B = ids.shape
        h = c = np.zeros((B, len(W)), E.dtype)
        steps, loss, dlogits = [], 0.0, []
        for t in range(T):
            before = h
            h, c, kept = forward(E[ids[t]] @ Wx + bx, h, c, W)
            steps.append((before, h, kept))
            loss_t, d = cross_entropy(h @ Wo + bo, labels[t])
            loss += loss_t / T
            dlogits.append(d / np.float32(T))
        dE, dWx, dbx, dW, dWo, dbo = (np.zeros_like(a) for a in parameters)
        dh = dc = np.zeros_like(h)
        for t in reversed(range(T)):
            before, h, kept = steps[t]
            dWo += h.T @ dlogits[t]
            dbo += dlogits[t].sum(axis=0)
            dx, da, dh, dc = backward(dh + dlogits[t] @ Wo.T, dc, before, h, kept, W)
            dW += before.T @ da
            dWx += E[ids[t]].T @ dx
            dbx += dx.sum(axis=0)
            np.add.at(dE, ids[t], dx @ Wx.T)  # slow, for characters that are there twice
        update([dE, dWx, dbx, dW, dWo, dbo])
        return loss

    return step, lambda: parameters


def rnn(x: np.ndarray, h: np.ndarray, c: np.ndarray, W: np.ndarray) -> Any:
    return np.tanh(x + h @ W), c, None


def d_rnn(dh: np.ndarray, dc: np.ndarray, before: np.ndarray, h: np.ndarray, kept: Any, W: np.ndarray) -> Any:
    da = dh * (1 - h**2)
    return da, da, da @ W.T, dc


def gru(x: np.ndarray, h: np.ndarray, c: np.ndarray, W: np.ndarray) -> Any:
    (xr, xz, xn), (ar, az, an) = np.split(x, 3, axis=1), np.split(h @ W, 3, axis=1)
    r, z = sigmoid(xr + ar), sigmoid(xz + az)
    n = np.tanh(xn + r * an)
    return (1 - z) * n + z * h, c, (r, z, n, an)


def d_gru(dh: np.ndarray, dc: np.ndarray, before: np.ndarray, h: np.ndarray, kept: Any, W: np.ndarray) -> Any:
    r, z, n, an = kept
    dn = dh * (1 - z) * (1 - n**2)
    dz = dh * (before - n) * z * (1 - z)
    dr = dn * an * r * (1 - r)
    da = np.concatenate([dr, dz, dn * r], axis=1)
    return np.concatenate([dr, dz, dn], axis=1), da, dh * z + da @ W.T, dc


def lstm(x: np.ndarray, h: np.ndarray, c: np.ndarray, W: np.ndarray) -> Any:
    i, f, g, o = np.split(x + h @ W, 4, axis=1)
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    now = f * c + i * g
    return o * np.tanh(now), now, (i, f, g, o, c, now)


def d_lstm(dh: np.ndarray, dc: np.ndarray, before: np.ndarray, h: np.ndarray, kept: Any, W: np.ndarray) -> Any:
    i, f, g, o, c, now = kept
    tanh_c = np.tanh(now)
    dc = dc + dh * o * (1 - tanh_c**2)
    parts = [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), dh * tanh_c * o * (1 - o)]
    da = np.concatenate(parts, axis=1)
    return da, da, da @ W.T, dc * f

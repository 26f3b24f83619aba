"""Classic mistakes of hand-written backward passes, as data: each with the function, a right backward pass, a wrong
one, random arguments, and the word that a diagnosis must contain. test_check.py holds gradcheck to them; add every new
one that you meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Mistake(NamedTuple):
    """backward(g, *args) of f returns one gradient an argument; `wrong` is the mistake, diagnosed by `word`
    somewhere."""

    name: str
    f: Callable[..., Any]
    right: Callable[..., Any]
    wrong: Callable[..., Any]
    args: Callable[[np.random.Generator], tuple[Any, ...]]
    word: str


def some(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    return lambda rng: tuple(rng.normal(size=shape) for shape in shapes)


def affine(x, W, b):
    return x @ W + b


def affine_right(g, x, W, b):
    return g @ W.T, x.T @ g, g.sum(0)


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def softmax_right(g, x):
    y = softmax(x)
    return y * (g - (g * y).sum(-1, keepdims=True))


def cross_entropy(logits, labels):
    top = np.max(logits, axis=-1, keepdims=True)
    losses = np.log(np.sum(np.exp(logits - top), axis=-1)) + top[:, 0] - logits[np.arange(len(labels)), labels]
    return np.mean(losses)


def cross_entropy_backward(mean=True, one_hot=True, upstream=True):
    def backward(g, logits, labels):
        d = softmax(logits)
        if one_hot:
            d[np.arange(len(labels)), labels] -= 1
        return (g if upstream else 1) * d / (len(labels) if mean else 1), None

    return backward


def logits_and_labels(rng):
    return rng.normal(size=(5, 4)), rng.integers(0, 4, 5)


def table_and_ids(rng):
    return rng.normal(size=(6, 3)), np.array([1, 4, 1, 2, 4, 1])


def lookup_right(g, table, ids):
    d = np.zeros_like(table)
    np.add.at(d, ids, g)  # as students write it by hand
    return d, None


def lookup_overwrites(g, table, ids):
    d = np.zeros_like(table)
    d[ids] += g  # buffered: of repeated ids the last one wins
    return d, None


def lookup_forgets_a_row(g, table, ids):
    d = lookup_right(g, table, ids)[0]
    d[2] = 0
    return d, None


def maximum_right(g, x):
    return g[:, None] * (x == x.max(1, keepdims=True))


def layer_norm(x):
    centred = x - np.mean(x, axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + 1e-5)


def layer_norm_right(g, x):
    y = layer_norm(x)
    sigma = np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return (g - g.mean(-1, keepdims=True) - y * (g * y).mean(-1, keepdims=True)) / sigma


def rnn(x, h, W):
    states = []
    for x_t in x:
        h = np.tanh(x_t + h @ W)
        states.append(h)
    return np.stack(states)


def rnn_backward(carried=True, from_output=True, every_step=True):
    def backward(g, x, h0, W):
        h = np.concatenate([h0[None], rnn(x, h0, W)])
        dx, dh, dW = np.zeros_like(x), np.zeros_like(h0), np.zeros_like(W)
        for t in reversed(range(len(x))):
            dx[t] = (g[t] * from_output + dh * carried) * (1 - h[t + 1] ** 2)
            dh = dx[t] @ W.T
            dW = dW * every_step + h[t].T @ dx[t]
        return dx, dh, dW

    return backward


def bag_mean(table, ids, lengths):
    bags = np.split(ids, np.cumsum(lengths)[:-1])
    return np.stack([np.mean(table[bag], axis=0) for bag in bags])


def bag_backward(divide=True):
    def backward(g, table, ids, lengths):
        d = np.zeros_like(table)
        # as students write it by hand
        shares = np.repeat(g / (lengths[:, None] if divide else 1), lengths, axis=0)
        np.add.at(d, ids, shares)  # as students write it by hand
        return d, None, None

    return backward


def bag_args(rng):
    return rng.normal(size=(7, 3)), np.array([0, 1, 2, 3, 4, 5]), np.array([1, 2, 3])


def tanh_right(g, x):
    return g * (1 - np.tanh(x) ** 2)


MISTAKES = [
    Mistake(
        "affine: W not transposed", affine, affine_right,
        lambda g, x, W, b: (g @ W, x.T @ g, g.sum(0)), some((5, 3), (3, 3), (3,)), "transpose",
    ),
    Mistake(
        "affine: gradient of W transposed", affine, affine_right,
        lambda g, x, W, b: (g @ W.T, g.T @ x, g.sum(0)), some((5, 3), (3, 4), (4,)), "transpose",
    ),
    Mistake(
        "affine: bias not summed over the batch", affine, affine_right,
        lambda g, x, W, b: (g @ W.T, x.T @ g, g), some((5, 3), (3, 4), (4,)), "axis not summed",
    ),
    Mistake(
        "affine: bias averaged over the batch", affine, affine_right,
        lambda g, x, W, b: (g @ W.T, x.T @ g, g.mean(0)), some((5, 3), (3, 4), (4,)), "factor 1/5 everywhere",
    ),
    Mistake(
        "softmax: diagonal of the Jacobian only", softmax, softmax_right,
        lambda g, x: g * softmax(x) * (1 - softmax(x)), some((4, 5)), "diagonal only",
    ),
    Mistake(
        "softmax: zeros, right for every sum of the output", softmax, softmax_right,
        lambda g, x: np.zeros_like(x), some((4, 5)), "zeros",
    ),
    Mistake(
        "cross-entropy: not divided by the batch", cross_entropy, cross_entropy_backward(),
        cross_entropy_backward(mean=False), logits_and_labels, "factor 5 everywhere",
    ),
    Mistake(
        "cross-entropy: labels not subtracted", cross_entropy, cross_entropy_backward(),
        cross_entropy_backward(one_hot=False), logits_and_labels, "one-hot",
    ),
    Mistake(
        "cross-entropy: upstream gradient ignored", cross_entropy, cross_entropy_backward(),
        cross_entropy_backward(upstream=False), logits_and_labels, "upstream ignored",
    ),
    Mistake(
        "cross-entropy: y − ŷ", cross_entropy, cross_entropy_backward(),
        lambda g, x, k: (-cross_entropy_backward()(g, x, k)[0], None), logits_and_labels, "sign",
    ),
    Mistake(
        "lookup: repeated ids overwritten", lambda table, ids: table[ids], lookup_right,
        lookup_overwrites, table_and_ids, "overwritten",
    ),
    Mistake(
        "lookup: a row forgotten", lambda table, ids: table[ids], lookup_right,
        lookup_forgets_a_row, table_and_ids, "rows of zeros",
    ),
    Mistake(
        "bags: means differentiated as sums", bag_mean, bag_backward(),
        bag_backward(divide=False), bag_args, "factor by row",
    ),
    Mistake(
        "relu: mask forgotten", lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0),
        lambda g, x: g * 1.0, some((6, 5)), "mask missing",
    ),
    Mistake(
        "relu: mask inverted", lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0),
        lambda g, x: g * (x < 0), some((6, 5)), "mask inverted",
    ),
    Mistake(
        "max: every place gets the gradient", lambda x: np.max(x, axis=1), maximum_right,
        lambda g, x: np.broadcast_to(g[:, None], x.shape), some((4, 5)), "mask missing",
    ),
    Mistake(
        "mean: not divided by the count", lambda x: np.mean(x, axis=1), lambda g, x: np.repeat(g[:, None] / 6, 6, 1),
        lambda g, x: np.repeat(g[:, None], 6, 1), some((4, 6)), "factor 6 everywhere",
    ),
    Mistake(
        "product with a row: broadcasting not undone", lambda x, w: x * w, lambda g, x, w: (g * w, (g * x).sum(0)),
        lambda g, x, w: (g * w, g * x), some((5, 4), (4,)), "axis not summed",
    ),
    Mistake(
        "product with a column: the wrong axis summed", lambda x, w: x * w,
        lambda g, x, w: (g * w, (g * x).sum(1, keepdims=True)),
        lambda g, x, w: (g * w, (g * x).sum(1)), some((5, 4), (5, 1)), "reshape",
    ),
    Mistake(
        "tanh: 1 − x² for 1 − y²", np.tanh, tanh_right, lambda g, x: g * (1 - x * x), some((3, 4)), "input for output",
    ),
    Mistake(
        "tanh: derivative left out", np.tanh, tanh_right, lambda g, x: g.copy(), some((3, 4)), "derivative left out",
    ),
    Mistake(
        "square: the 2 forgotten", lambda x: x * x, lambda g, x: 2 * g * x,
        lambda g, x: g * x, some((3, 4)), "used 2 times",
    ),
    Mistake(
        "residual: the identity path forgotten", lambda x: x + np.tanh(x), lambda g, x: g + tanh_right(g, x),
        tanh_right, some((3, 4)), "contribution lost",
    ),
    Mistake(
        "layer norm: mean and variance taken for constants", layer_norm, layer_norm_right,
        lambda g, x: g / np.sqrt(x.var(-1, keepdims=True) + 1e-5), some((3, 5)), "contribution lost",
    ),
    Mistake(
        "RNN: nothing carried through time", rnn, rnn_backward(), rnn_backward(carried=False),
        some((3, 2, 4), (2, 4), (4, 4)), "contribution lost",
    ),
    Mistake(
        "RNN: the weights of the first step only", rnn, rnn_backward(), rnn_backward(every_step=False),
        some((3, 2, 4), (2, 4), (4, 4)), "contribution lost",
    ),
]  # fmt: skip

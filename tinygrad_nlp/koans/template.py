"""Fifteen derivatives, each with one classic mistake. Repair them in order; after each, run

    python -m tinygrad_nlp koans

A function y = f(x, …) stands above its backward pass f_backward(g, x, …). L is a loss further on, one number, and
g = ∂L/∂y has y's shape; nothing else is known of it. The backward pass returns ∂L/∂x, of x's shape; for several
arguments a tuple, in their order; nothing for integers. Change only what is below a `_backward`, and never g or an
argument in place. Work with pencil and paper: the gradient is Σₖ gₖ ∂yₖ/∂xᵢ.
"""

import numpy as np

Array = np.ndarray


# 1 --------------------------------------------------------------------------------------------------------------------


def square(x: Array) -> Array:
    """yᵢ = xᵢ²; x of any shape."""
    return x * x


def square_backward(g: Array, x: Array) -> Array:
    """∂L/∂x, of x's shape. L is any loss, not only the sum of y."""
    return 2 * x


def square_backward_2(g: Array, x: Array) -> Array:
    return g * x


# 2 --------------------------------------------------------------------------------------------------------------------


def tanh(x: Array) -> Array:
    """yᵢ = tanh xᵢ = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ); x of any shape."""
    return np.tanh(x)


def tanh_backward(g: Array, x: Array) -> Array:
    """∂L/∂x, of x's shape. Books write the derivative of tanh as 1 − t²: what is t?"""
    return g * (1 - x * x)


def tanh_backward_2(g: Array, x: Array) -> Array:
    return g * (1 - np.tanh(x))


# 3 --------------------------------------------------------------------------------------------------------------------


def relu(x: Array) -> Array:
    """yᵢ = max(xᵢ, 0); x of any shape."""
    return np.maximum(x, 0)


def relu_backward(g: Array, x: Array) -> Array:
    """∂L/∂x, of x's shape. Which entries of y move when x moves a little? Is it g that decides, or x?"""
    return g * (g > 0)


def relu_backward_2(g: Array, x: Array) -> Array:
    return np.maximum(g, 0) * (x > 0)


# 4 --------------------------------------------------------------------------------------------------------------------


def gate(x: Array) -> Array:
    """yᵢ = xᵢ tanh xᵢ: x is used twice; x of any shape."""
    return x * np.tanh(x)


def gate_backward(g: Array, x: Array) -> Array:
    """∂L/∂x, of x's shape: the gradient through the first use of x, and through the second."""
    dx = g * np.tanh(x)
    dx = g * x * (1 - np.tanh(x) ** 2)
    return dx


def gate_backward_2(g: Array, x: Array) -> Array:
    return g * (1 - np.tanh(x) ** 2)


# 5 --------------------------------------------------------------------------------------------------------------------


def scale(x: Array, w: Array) -> Array:
    """y[b, d] = x[b, d] w[d]; x (B, D), w (D,), y (B, D). NumPy broadcasts w: all B rows use the same w."""
    return x * w


def scale_backward(g: Array, x: Array, w: Array) -> tuple[Array, Array]:
    """∂L/∂x (B, D) and ∂L/∂w (D,). How many entries of y does w[d] reach?"""
    return g * w, g * x


def scale_backward_2(g: Array, x: Array, w: Array) -> tuple[Array, Array]:
    return g * w, np.mean(g * x, axis=0)


# 6 --------------------------------------------------------------------------------------------------------------------


def matmul(x: Array, W: Array) -> Array:
    """y[b, k] = Σ_d x[b, d] W[d, k]; x (B, D), W (D, D), y (B, D)."""
    return x @ W


def matmul_backward(g: Array, x: Array, W: Array) -> tuple[Array, Array]:
    """∂L/∂x (B, D) and ∂L/∂W (D, D). W is square, so a wrong product may still have the right shape."""
    return g @ W, x.T @ g


def matmul_backward_2(g: Array, x: Array, W: Array) -> tuple[Array, Array]:
    return g @ W.T, g.T @ x


# 7 --------------------------------------------------------------------------------------------------------------------


def row_mean(x: Array) -> Array:
    """y[b] = (x[b, 1] + … + x[b, T]) / T; x (B, T), y (B,)."""
    return np.mean(x, axis=1)


def row_mean_backward(g: Array, x: Array) -> Array:
    """∂L/∂x (B, T). Over how many numbers is each mean?"""
    return np.ones_like(x) * g[:, None] / x.size


def row_mean_backward_2(g: Array, x: Array) -> Array:
    return np.ones_like(x) * g[:, None] / len(x)


# 8 --------------------------------------------------------------------------------------------------------------------


def row_norm(x: Array) -> Array:
    """y[b] = √(Σ_d x[b, d]²), the Euclidean length of each row; x (B, D), y (B,)."""
    return np.linalg.norm(x, axis=1)


def row_norm_backward(g: Array, x: Array) -> Array:
    """∂L/∂x (B, D). At a row of zeros the length has a kink; by convention its gradient there is 0."""
    return g[:, None] * x


def row_norm_backward_2(g: Array, x: Array) -> Array:
    return g[:, None] * x / np.linalg.norm(x)


# 9 --------------------------------------------------------------------------------------------------------------------


def row_max(x: Array) -> Array:
    """y[b] = max_d x[b, d]; x (B, D), y (B,). Several entries of a row may be the largest."""
    return np.max(x, axis=1)


def row_max_backward(g: Array, x: Array) -> Array:
    """∂L/∂x (B, D). When all that tie for the maximum grow by ε, y grows by ε: they have one g to share."""
    largest = x == np.max(x, axis=1, keepdims=True)
    return g[:, None] * largest


def row_max_backward_2(g: Array, x: Array) -> Array:
    return g[:, None] * (x == np.max(x, axis=1, keepdims=True)) / x.shape[1]


# 10 -------------------------------------------------------------------------------------------------------------------


def lookup(table: Array, ids: Array) -> Array:
    """y[n] = table[ids[n]]; table (V, D), ids (N,) integers, y (N, D). A row may be looked up many times."""
    return table[ids]


def lookup_backward(g: Array, table: Array, ids: Array) -> Array:
    """∂L/∂table (V, D). Try first what NumPy does in d[[1, 1]] += 1."""
    d = np.zeros_like(table)
    d[ids] = g
    return d


def lookup_backward_2(g: Array, table: Array, ids: Array) -> Array:
    d = np.zeros_like(table)
    d[ids] += g
    return d


# 11 -------------------------------------------------------------------------------------------------------------------


def softmax(x: Array) -> Array:
    """y[b, i] = exp(x[b, i]) / Σ_j exp(x[b, j]); x (B, V), y (B, V)."""
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def softmax_backward(g: Array, x: Array) -> Array:
    """∂L/∂x (B, V). Derive ∂y[b, j]/∂x[b, i] for j = i and for j ≠ i, then sum over j."""
    y = softmax(x)
    return g * y * (1 - y)


def softmax_backward_2(g: Array, x: Array) -> Array:
    y = softmax(x)
    return y * (g - np.sum(g, axis=1, keepdims=True))


# 12 -------------------------------------------------------------------------------------------------------------------


def cross_entropy(logits: Array, labels: Array) -> Array:
    """L = mean over b of −log softmax(logits[b])[labels[b]]; logits (B, V), labels (B,) integers, one number."""
    chosen = logits[np.arange(len(labels)), labels]
    return np.mean(np.log(np.sum(np.exp(logits), axis=1)) - chosen)


def cross_entropy_backward(g: Array, logits: Array, labels: Array) -> Array:
    """∂L/∂logits (B, V), for one number g. Write −log softmax(x)ₖ as log Σⱼ exp(xⱼ) − xₖ; both terms have a share."""
    p = np.exp(logits) / np.sum(np.exp(logits), axis=1, keepdims=True)
    return g * p / len(labels)


def cross_entropy_backward_2(g: Array, logits: Array, labels: Array) -> Array:
    p = np.exp(logits) / np.sum(np.exp(logits), axis=1, keepdims=True)
    return g * (np.eye(logits.shape[1])[labels] - p) / len(labels)


# 13 -------------------------------------------------------------------------------------------------------------------


def logsumexp(x: Array) -> Array:
    """y[b] = log Σ_d exp(x[b, d]); x (B, D), y (B,). Shifted by the largest x of each row: nothing overflows."""
    top = np.max(x, axis=1, keepdims=True)
    return np.log(np.sum(np.exp(x - top), axis=1)) + top[:, 0]


def logsumexp_backward(g: Array, x: Array) -> Array:
    """∂L/∂x (B, D). The formula is right. Now rows of about 1,000 and of about −1,000 come in one batch."""
    e = np.exp(x)
    return g[:, None] * e / np.sum(e, axis=1, keepdims=True)


def logsumexp_backward_2(g: Array, x: Array) -> Array:
    e = np.exp(x - np.max(x))
    return g[:, None] * e / np.sum(e, axis=1, keepdims=True)


# 14 -------------------------------------------------------------------------------------------------------------------


def layer_norm(x: Array) -> Array:
    """y = (x − μ) / σ with μ the mean and σ² = mean of (x − μ)² of each row, plus 1e-5; x (B, D), y (B, D)."""
    centred = x - np.mean(x, axis=1, keepdims=True)
    return centred / np.sqrt(np.mean(centred * centred, axis=1, keepdims=True) + 1e-5)


def layer_norm_backward(g: Array, x: Array) -> Array:
    """∂L/∂x (B, D). x[b, i] reaches y[b, j] in three ways: as itself, through μ, and through σ."""
    sigma = np.sqrt(np.var(x, axis=1, keepdims=True) + 1e-5)
    return g / sigma


def layer_norm_backward_2(g: Array, x: Array) -> Array:
    sigma = np.sqrt(np.var(x, axis=1, keepdims=True) + 1e-5)
    return (g - np.mean(g, axis=1, keepdims=True)) / sigma


# 15 -------------------------------------------------------------------------------------------------------------------


def rnn(x: Array, h0: Array, W: Array) -> Array:
    """h_t = tanh(x_t + h_{t−1} W) for t = 1 … T, all states returned; x (T, B, H), h0 (B, H), W (H, H), y (T, B, H)."""
    h, states = h0, []
    for x_t in x:
        h = np.tanh(x_t + h @ W)
        states.append(h)
    return np.stack(states)


def rnn_backward(g: Array, x: Array, h0: Array, W: Array) -> tuple[Array, Array, Array]:
    """∂L/∂x (T, B, H), ∂L/∂h0 (B, H), ∂L/∂W (H, H). h_t is an output, and what the next step starts from."""
    states = rnn(x, h0, W)
    dx, dW = np.zeros_like(x), np.zeros_like(W)
    dh = np.zeros_like(h0)  # what h_t owes to the steps after it
    for t in reversed(range(len(x))):
        before = states[t - 1] if t > 0 else h0
        dx[t] = g[t] * (1 - states[t] ** 2)
        dW += before.T @ dx[t]
        dh = dx[t] @ W.T
    return dx, dh, dW


def rnn_backward_2(g: Array, x: Array, h0: Array, W: Array) -> tuple[Array, Array, Array]:
    states = rnn(x, h0, W)
    dx, dW = np.zeros_like(x), np.zeros_like(W)
    dh = np.zeros_like(h0)  # what h_t owes to the steps after it
    for t in reversed(range(len(x))):
        before = states[t - 1] if t > 0 else h0
        dx[t] = (g[t] + dh) * (1 - states[t] ** 2)
        dW += before.T @ dx[t]
        dh = dx[t] @ W
    return dx, dh, dW


# tested in tests/koans/test_koans.py

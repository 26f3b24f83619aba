"""Fifteen other derivatives: `--variant SEED` may put them in the place of those in template.py."""

import numpy as np

Array = np.ndarray


# 1 --------------------------------------------------------------------------------------------------------------------


def cube(x: Array) -> Array:
    """yᵢ = xᵢ³; x of any shape."""
    return x * x * x


def cube_backward(g: Array, x: Array) -> Array:
    """∂L/∂x, of x's shape. L is any loss, not only the sum of y."""
    return 3 * x * x


def cube_backward_2(g: Array, x: Array) -> Array:
    return g * 3 * x


# 2 --------------------------------------------------------------------------------------------------------------------


def sigmoid(x: Array) -> Array:
    """yᵢ = 1 / (1 + e^(−xᵢ)); x of any shape."""
    return 1 / (1 + np.exp(-x))


def sigmoid_backward(g: Array, x: Array) -> Array:
    """∂L/∂x, of x's shape. Books write the derivative of σ as s (1 − s): what is s?"""
    return g * x * (1 - x)


def sigmoid_backward_2(g: Array, x: Array) -> Array:
    y = sigmoid(x)
    return g * (1 - y)


# 3 --------------------------------------------------------------------------------------------------------------------


def leaky_relu(x: Array) -> Array:
    """yᵢ = xᵢ where xᵢ > 0, and 0.1 xᵢ elsewhere; x of any shape."""
    return np.where(x > 0, x, 0.1 * x)


def leaky_relu_backward(g: Array, x: Array) -> Array:
    """∂L/∂x, of x's shape. How far does yᵢ move when xᵢ moves a little? Is it g that decides, or x?"""
    return np.where(g > 0, g, 0.1 * g)


def leaky_relu_backward_2(g: Array, x: Array) -> Array:
    return g * (x > 0)


# 4 --------------------------------------------------------------------------------------------------------------------


def swish(x: Array) -> Array:
    """yᵢ = xᵢ σ(xᵢ) with σ(x) = 1 / (1 + e^(−x)): x is used twice; x of any shape."""
    return x / (1 + np.exp(-x))


def swish_backward(g: Array, x: Array) -> Array:
    """∂L/∂x, of x's shape: the gradient through the first use of x, and through the second."""
    s = 1 / (1 + np.exp(-x))
    return g * s


def swish_backward_2(g: Array, x: Array) -> Array:
    s = 1 / (1 + np.exp(-x))
    return g * x * s * (1 - s)


# 5 --------------------------------------------------------------------------------------------------------------------


def shrink(x: Array, c: Array) -> Array:
    """y[b, d] = x[b, d] c[b]; x (B, D), c (B,), y (B, D). NumPy broadcasts c: a whole row uses one number."""
    return x * c[:, None]


def shrink_backward(g: Array, x: Array, c: Array) -> tuple[Array, Array]:
    """∂L/∂x (B, D) and ∂L/∂c (B,). How many entries of y does c[b] reach?"""
    return g * c[:, None], g * x


def shrink_backward_2(g: Array, x: Array, c: Array) -> tuple[Array, Array]:
    return g * c[:, None], np.mean(g * x, axis=1)


# 6 --------------------------------------------------------------------------------------------------------------------


def linear(x: Array, W: Array) -> Array:
    """y[b, k] = Σ_d x[b, d] W[k, d]; x (B, D), W (D, D), y (B, D)."""
    return x @ W.T


def linear_backward(g: Array, x: Array, W: Array) -> tuple[Array, Array]:
    """∂L/∂x (B, D) and ∂L/∂W (D, D). W is square, so a wrong product may still have the right shape."""
    return g @ W.T, g.T @ x


def linear_backward_2(g: Array, x: Array, W: Array) -> tuple[Array, Array]:
    return g @ W, x.T @ g


# 7 --------------------------------------------------------------------------------------------------------------------


def column_mean(x: Array) -> Array:
    """y[t] = (x[1, t] + … + x[B, t]) / B; x (B, T), y (T,)."""
    return np.mean(x, axis=0)


def column_mean_backward(g: Array, x: Array) -> Array:
    """∂L/∂x (B, T). Over how many numbers is each mean?"""
    return np.ones_like(x) * g / x.size


def column_mean_backward_2(g: Array, x: Array) -> Array:
    return np.ones_like(x) * g / x.shape[1]


# 8 --------------------------------------------------------------------------------------------------------------------


def distance(a: Array, b: Array) -> Array:
    """y[n] = √(Σ_d (a[n, d] − b[n, d])²), how far two points are apart; a, b (N, D), y (N,)."""
    return np.linalg.norm(a - b, axis=1)


def distance_backward(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """∂L/∂a and ∂L/∂b (N, D). Where the points are the same there is a kink; by convention the gradient there is 0."""
    y = distance(a, b)
    d = g[:, None] * (a - b) / np.where(y == 0, 1, y)[:, None]
    return d, d


def distance_backward_2(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
    d = g[:, None] * (a - b)
    return d, -d


# 9 --------------------------------------------------------------------------------------------------------------------


def row_min(x: Array) -> Array:
    """y[b] = min_d x[b, d]; x (B, D), y (B,). Several entries of a row may be the smallest."""
    return np.min(x, axis=1)


def row_min_backward(g: Array, x: Array) -> Array:
    """∂L/∂x (B, D). When all that tie for the minimum grow by ε, y grows by ε: they have one g to share equally."""
    smallest = x == np.min(x, axis=1, keepdims=True)
    return g[:, None] * smallest


def row_min_backward_2(g: Array, x: Array) -> Array:
    smallest = x == np.min(x, axis=1, keepdims=True)
    return g[:, None] * smallest / np.sum(smallest)


# 10 -------------------------------------------------------------------------------------------------------------------


def lookup_columns(table: Array, ids: Array) -> Array:
    """y[:, n] = table[:, ids[n]]; table (D, V), ids (N,) integers, y (D, N). A column may be looked up many times."""
    return table[:, ids]


def lookup_columns_backward(g: Array, table: Array, ids: Array) -> Array:
    """∂L/∂table (D, V). Try first what NumPy does in d[:, [1, 1]] += 1."""
    d = np.zeros_like(table)
    d[:, ids] = g
    return d


def lookup_columns_backward_2(g: Array, table: Array, ids: Array) -> Array:
    d = np.zeros_like(table)
    d[:, ids] += g
    return d


# 11 -------------------------------------------------------------------------------------------------------------------


def cool_softmax(x: Array) -> Array:
    """y[b, i] = exp(2 x[b, i]) / Σ_j exp(2 x[b, j]), softmax at temperature 1/2; x (B, V), y (B, V)."""
    e = np.exp(2 * (x - np.max(x, axis=1, keepdims=True)))
    return e / np.sum(e, axis=1, keepdims=True)


def cool_softmax_backward(g: Array, x: Array) -> Array:
    """∂L/∂x (B, V). Derive ∂y[b, j]/∂x[b, i] for j = i and for j ≠ i, then sum over j."""
    y = cool_softmax(x)
    return y * (g - np.sum(g * y, axis=1, keepdims=True))


def cool_softmax_backward_2(g: Array, x: Array) -> Array:
    y = cool_softmax(x)
    return 2 * g * y * (1 - y)


# 12 -------------------------------------------------------------------------------------------------------------------


def soft_target(x: Array, p: Array) -> Array:
    """L = mean over b of log Σ_j exp(x[b, j]) − Σ_j p[b, j] x[b, j]; logits x and targets p (B, V), one number."""
    return np.mean(np.log(np.sum(np.exp(x), axis=1)) - np.sum(p * x, axis=1))


def soft_target_backward(g: Array, x: Array, p: Array) -> tuple[Array, Array]:
    """∂L/∂x and ∂L/∂p (B, V), for one number g. Both terms of L have a share for x."""
    q = np.exp(x) / np.sum(np.exp(x), axis=1, keepdims=True)
    return g * q / len(x), -g * x / len(x)


def soft_target_backward_2(g: Array, x: Array, p: Array) -> tuple[Array, Array]:
    q = np.exp(x) / np.sum(np.exp(x), axis=1, keepdims=True)
    return g * (q - p), -g * x


# 13 -------------------------------------------------------------------------------------------------------------------


def softmin(x: Array) -> Array:
    """y[b] = −log Σ_d exp(−x[b, d]); x (B, D), y (B,). Shifted by the smallest x of each row: nothing overflows."""
    low = np.min(x, axis=1, keepdims=True)
    return low[:, 0] - np.log(np.sum(np.exp(low - x), axis=1))


def softmin_backward(g: Array, x: Array) -> Array:
    """∂L/∂x (B, D). The formula is right on paper. Now rows of about 1,000 and of about −1,000 come in one batch."""
    e = np.exp(-x)
    return g[:, None] * e / np.sum(e, axis=1, keepdims=True)


def softmin_backward_2(g: Array, x: Array) -> Array:
    e = np.exp(np.min(x) - x)
    return g[:, None] * e / np.sum(e, axis=1, keepdims=True)


# 14 -------------------------------------------------------------------------------------------------------------------


def rms_norm(x: Array) -> Array:
    """y = x / ρ with ρ² = the mean of x² of each row, plus 1e-5; x (B, D), y (B, D)."""
    return x / np.sqrt(np.mean(x * x, axis=1, keepdims=True) + 1e-5)


def rms_norm_backward(g: Array, x: Array) -> Array:
    """∂L/∂x (B, D). x[b, i] reaches y[b, j] in two ways: as itself, and through ρ."""
    rho = np.sqrt(np.mean(x * x, axis=1, keepdims=True) + 1e-5)
    return g / rho


def rms_norm_backward_2(g: Array, x: Array) -> Array:
    rho = np.sqrt(np.mean(x * x, axis=1, keepdims=True) + 1e-5)
    y = x / rho
    return (g - y * np.sum(g * y, axis=1, keepdims=True)) / rho


# 15 -------------------------------------------------------------------------------------------------------------------


def leaky_rnn(x: Array, h0: Array, W: Array) -> Array:
    """h_t = h_{t−1} / 2 + tanh(x_t + h_{t−1} W), t = 1 … T, all states returned; x (T, B, H), h0 (B, H), W (H, H)."""
    h, states = h0, []
    for x_t in x:
        h = h / 2 + np.tanh(x_t + h @ W)
        states.append(h)
    return np.stack(states)


def leaky_rnn_backward(g: Array, x: Array, h0: Array, W: Array) -> tuple[Array, Array, Array]:
    """∂L/∂x (T, B, H), ∂L/∂h0 (B, H), ∂L/∂W (H, H). The next step uses h_t twice."""
    before = np.concatenate([h0[None], leaky_rnn(x, h0, W)[:-1]])  # what each step starts from
    slope = 1 - np.tanh(x + before @ W) ** 2
    dx, dW = np.zeros_like(x), np.zeros_like(W)
    dh = np.zeros_like(h0)  # what h_t owes to the steps after it
    for t in reversed(range(len(x))):
        dh = g[t] + dh
        dx[t] = dh * slope[t]
        dW += before[t].T @ dx[t]
        dh = dx[t] @ W.T
    return dx, dh, dW


def leaky_rnn_backward_2(g: Array, x: Array, h0: Array, W: Array) -> tuple[Array, Array, Array]:
    before = np.concatenate([h0[None], leaky_rnn(x, h0, W)[:-1]])  # what each step starts from
    slope = 1 - np.tanh(x + before @ W) ** 2
    dx, dW = np.zeros_like(x), np.zeros_like(W)
    dh = np.zeros_like(h0)  # what h_t owes to the steps after it
    for t in reversed(range(len(x))):
        dx[t] = g[t] * slope[t]
        dW += before[t].T @ dx[t]
        dh = g[t] / 2 + dx[t] @ W.T
    return dx, dh, dW


# tested in tests/koans/test_koans.py

"""Backpropagation with pencil and paper, beside the engine: one hidden layer (row 0.b), and two steps of time (Q2).

∂CE/∂x = (ŷ − y) W2ᵀ ∘ σ′(x W1 + b1) W1ᵀ, and the gradients of a sigmoid RNN at t and t − 1, checked against the engine
and against the complex step. Expect: largest differences around 1e-15.
"""

# %% The derivation
# Forward:    a = x W1 + b1      h = σ(a)      z = h W2 + b2      ŷ = softmax(z)      CE = −Σ y log ŷ
# Backward, each line multiplying by the derivative of one step, the last one first:
#
#     δz = ∂CE/∂z = ŷ − y                        (softmax_gradient.py)
#     δh = δz W2ᵀ                                 (z is linear in h)
#     δa = δh ∘ σ′(a) = δh ∘ h (1 − h)            (σ acts on each entry)
#     δx = δa W1ᵀ                                 (a is linear in x)
#
# and for the parameters   ∂W2 = hᵀ δz,   ∂b2 = Σ δz,   ∂W1 = xᵀ δa,   ∂b1 = Σ δa   (sums over the batch).

from __future__ import annotations

from typing import Any

import numpy as np
from common import arguments, parser, script

from tinygrad_nlp import Tensor, gradients, sigmoid, softmax, softmax_cross_entropy


# %% The network, for arrays and Tensors alike
def loss(x: Any, W1: Any, b1: Any, W2: Any, b2: Any, labels: np.ndarray) -> Any:
    """Summed cross-entropy of a network with one hidden layer: x (B, D), W1 (D, H), W2 (H, V), labels (B,)."""
    return softmax_cross_entropy(sigmoid(x @ W1 + b1) @ W2 + b2, labels, reduction="sum")


def by_hand(x: Any, W1: Any, b1: Any, W2: Any, b2: Any, labels: np.ndarray) -> dict[str, np.ndarray]:
    """The four lines above, in NumPy."""
    h = sigmoid(x @ W1 + b1)
    dz = softmax(h @ W2 + b2) - np.eye(W2.shape[1])[labels]
    da = dz @ W2.T * h * (1 - h)
    return {"x": da @ W1.T, "W1": x.T @ da, "b1": da.sum(0), "W2": h.T @ dz, "b2": dz.sum(0)}


# %% A sigmoid RNN, two steps of time
# h_t = σ(a_t),  a_t = x_t W + h_{t−1} U + b,   ŷ_t = softmax(h_t V + c)   and CE at step t alone:
#
#     δ_t     = (ŷ_t − y_t) Vᵀ ∘ h_t (1 − h_t)       ∂W|t   = x_tᵀ δ_t,      ∂U|t   = h_{t−1}ᵀ δ_t
#     δ_{t−1} = δ_t Uᵀ ∘ h_{t−1} (1 − h_{t−1})       ∂W|t−1 = x_{t−1}ᵀ δ_{t−1},  ∂U|t−1 = h_{t−2}ᵀ δ_{t−1}
#
# and the gradients of b are sums of δ_t and δ_{t−1} over the batch.
# To tell the two steps apart each has its own copy of W, U and b; the gradient of a shared one is their sum.
STEPS = ("W|t", "U|t", "b|t", "W|t−1", "U|t−1", "b|t−1")


def recurrent_loss(given: dict[str, Any], labels: np.ndarray) -> Any:
    """Summed cross-entropy at step t: x0, x1 (B, D), h (B, H), V (H, K), and a W (D, H), U (H, H), b (H,) a step."""
    before = sigmoid(given["x0"] @ given["W|t−1"] + given["h"] @ given["U|t−1"] + given["b|t−1"])
    now = sigmoid(given["x1"] @ given["W|t"] + before @ given["U|t"] + given["b|t"])
    return softmax_cross_entropy(now @ given["V"], labels, reduction="sum")


def recurrent_by_hand(given: dict[str, Any], labels: np.ndarray) -> dict[str, np.ndarray]:
    """The two lines above, in NumPy."""
    before = sigmoid(given["x0"] @ given["W|t−1"] + given["h"] @ given["U|t−1"] + given["b|t−1"])
    now = sigmoid(given["x1"] @ given["W|t"] + before @ given["U|t"] + given["b|t"])
    V = given["V"]
    d1 = (softmax(now @ V) - np.eye(V.shape[1])[labels]) @ V.T * now * (1 - now)
    d0 = d1 @ given["U|t"].T * before * (1 - before)
    found = (given["x1"].T @ d1, before.T @ d1, d1.sum(0), given["x0"].T @ d0, given["h"].T @ d0, d0.sum(0))
    return dict(zip(STEPS, found, strict=True))


# %% Three answers
def differences(
    rng: np.random.Generator, B: int = 4, D: int = 6, H: int = 5, V: int = 7
) -> dict[str, dict[str, float]]:
    """Largest difference of each gradient from the derivation by hand: of the engine's, and of the complex step's."""
    shapes = {"x": (B, D), "W1": (D, H), "b1": (H,), "W2": (H, V), "b2": (V,)}
    given, labels = {name: rng.normal(size=shape) for name, shape in shapes.items()}, rng.integers(0, V, B)
    return compared(lambda given: loss(**given, labels=labels), given, by_hand(**given, labels=labels))


def recurrent_differences(
    rng: np.random.Generator, B: int = 3, D: int = 4, H: int = 5, K: int = 6
) -> dict[str, dict[str, float]]:
    """The same for the parameters of a sigmoid RNN at t and at t − 1."""
    shapes = {"x0": (B, D), "x1": (B, D), "h": (B, H), "V": (H, K)}
    shapes |= {f"{name}|{step}": shape for step in ("t", "t−1")
               for name, shape in {"W": (D, H), "U": (H, H), "b": (H,)}.items()}  # fmt: skip
    given, labels = {name: rng.normal(size=shape) for name, shape in shapes.items()}, rng.integers(0, K, B)
    return compared(lambda given: recurrent_loss(given, labels), given, recurrent_by_hand(given, labels))


def compared(f: Any, given: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Largest difference from each expected gradient of f, by the engine and by the complex step."""
    tensors = {name: Tensor(a) if name in expected else a for name, a in given.items()}
    found = gradients(f(tensors), [tensors[name] for name in expected])
    engine = {name: float(np.abs(g - expected[name]).max()) for name, g in zip(expected, found, strict=True)}

    # Complex step: f(x + ih) = f(x) + ih f′(x) + O(h²), so the imaginary part over h is f′ to the last digit.
    complex_step = {}
    for name in expected:
        worst = 0.0
        for i in np.ndindex(given[name].shape):
            shifted = given[name].astype(complex)
            shifted[i] += 1e-30j
            worst = max(worst, abs(f({**given, name: shifted}).imag / 1e-30 - expected[name][i]))
        complex_step[name] = float(worst)
    return {"engine": engine, "complex step": complex_step}


def main() -> None:
    args = arguments(parser(__doc__ or "", steps=1))
    rng = np.random.default_rng(args.seed)
    for row, draw in {"0.b": differences, "Q2": recurrent_differences}.items():
        print(f"{row:<4} largest difference from the derivation by hand")
        draws = [draw(rng) for _ in range(args.steps)]
        for oracle, by_name in draws[0].items():
            worst = {name: max(found[oracle][name] for found in draws) for name in by_name}
            print(f"     {oracle:<13}" + "  ".join(f"∂{name} {value:.1e}" for name, value in worst.items()))


if __name__ == "__main__":
    script(main)

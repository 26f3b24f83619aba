"""Backpropagation through one hidden layer with pencil and paper, beside the engine (row 0.b).

∂CE/∂x = (ŷ − y) W2ᵀ ∘ σ′(x W1 + b1) W1ᵀ, checked against the engine and against the complex step. Expect: largest
differences around 1e-15.
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


# %% Three answers
def differences(
    rng: np.random.Generator, B: int = 4, D: int = 6, H: int = 5, V: int = 7
) -> dict[str, dict[str, float]]:
    """Largest difference of each gradient from the derivation by hand: of the engine's, and of the complex step's."""
    shapes = {"x": (B, D), "W1": (D, H), "b1": (H,), "W2": (H, V), "b2": (V,)}
    arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    labels = rng.integers(0, V, B)
    expected = by_hand(**arrays, labels=labels)

    tensors = {name: Tensor(a) for name, a in arrays.items()}
    found = gradients(loss(**tensors, labels=labels), list(tensors.values()))
    engine = {name: float(np.abs(g - expected[name]).max()) for name, g in zip(shapes, found, strict=True)}

    # Complex step: f(x + ih) = f(x) + ih f′(x) + O(h²), so the imaginary part over h is f′ to the last digit.
    complex_step = {}
    for name, a in arrays.items():
        worst = 0.0
        for i in np.ndindex(a.shape):
            shifted = a.astype(complex)
            shifted[i] += 1e-30j
            derivative = loss(**{**arrays, name: shifted}, labels=labels).imag / 1e-30
            worst = max(worst, abs(derivative - expected[name][i]))
        complex_step[name] = float(worst)
    return {"engine": engine, "complex step": complex_step}


def main() -> None:
    args = arguments(parser(__doc__ or "", steps=1))
    rng = np.random.default_rng(args.seed)
    print("0.b  largest difference from the derivation by hand")
    draws = [differences(rng) for _ in range(args.steps)]
    for oracle, by_name in draws[0].items():
        worst = {name: max(draw[oracle][name] for draw in draws) for name in by_name}
        print(f"     {oracle:<13}" + "  ".join(f"∂{name} {value:.1e}" for name, value in worst.items()))


if __name__ == "__main__":
    script(main)

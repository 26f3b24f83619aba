"""Why softmax and cross-entropy give ŷ − y, and why perplexity needs no base (rows 0.a and 0.e).

Four ways to the same gradient: by hand, by the fused op, by the chain rule, by differences; then a perplexity's base.
Expect: largest differences below 1e-9, and a perplexity of 6.798 in every base.
"""

# %% The derivation
# For logits x and a one-hot label y with a one at k, write ŷ = softmax(x) and
#
#     CE = −Σᵢ yᵢ log ŷᵢ = −log ŷₖ = log Σⱼ exp(xⱼ) − xₖ
#
# so that   ∂CE/∂xᵢ = exp(xᵢ) / Σⱼ exp(xⱼ) − [i = k] = ŷᵢ − yᵢ.   The gradient is what the model said less what is true.

from __future__ import annotations

import numpy as np
from common import arguments, parser, script

from tinygrad_nlp import Tensor, gradients, log_softmax, softmax, softmax_cross_entropy
from tinygrad_nlp.nlp.metrics import Perplexity


def largest(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


# %% 0.a: the same gradient in four ways
def softmax_gradient(rng: np.random.Generator, examples: int = 5, classes: int = 8) -> dict[str, float]:
    """Largest difference from ŷ − y (row by row, so the loss is a sum) of the fused op, the chain rule and
    differences."""
    x, labels = rng.normal(size=(examples, classes)), rng.integers(0, classes, examples)
    y = np.eye(classes)[labels]
    by_hand = softmax(x) - y

    t = Tensor(x)
    (fused,) = gradients(softmax_cross_entropy(t, labels, reduction="sum"), [t])
    (chain,) = gradients(-np.sum(y * np.log(np.exp(t) / np.sum(np.exp(t), axis=-1, keepdims=True))), [t])

    step, differences = 1e-5, np.zeros_like(x)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += step
        down[i] -= step
        loss = [softmax_cross_entropy(z, labels, reduction="sum") for z in (up, down)]
        differences[i] = (loss[0] - loss[1]) / (2 * step)
    return {
        "softmax.fused": largest(fused, by_hand),
        "softmax.chain_rule": largest(chain, by_hand),
        "softmax.differences": largest(differences, by_hand),
    }


# %% 0.e: perplexity in any base
# 2^(−1/N Σ log₂ p) = 2^(−1/N Σ ln p / ln 2) = e^(−1/N Σ ln p): the base cancels.
def perplexity_in_bases(rng: np.random.Generator, tokens: int = 1000) -> dict[float, float]:
    """Base → perplexity of the same random predictions, computed with logarithms to that base throughout."""
    p = np.exp(log_softmax(rng.normal(size=(tokens, 5))))[np.arange(tokens), rng.integers(0, 5, tokens)]
    found = {base: float(base ** (-np.mean(np.log(p) / np.log(base)))) for base in (2.0, np.e, 10.0, 1.5)}
    found[0.0] = Perplexity().add_log_probabilities(np.log(p)).value  # what the experiments use
    return found


def main() -> None:
    args = arguments(parser(__doc__ or "", steps=1))
    rng = np.random.default_rng(args.seed)
    print("0.a  largest difference from ŷ − y")
    draws = [softmax_gradient(rng) for _ in range(args.steps)]
    for name in draws[0]:
        print(f"     {name.split('.')[1].replace('_', ' '):<12} {max(draw[name] for draw in draws):.1e}")
    found = perplexity_in_bases(rng)
    print("0.e  perplexity of the same predictions")
    for base, value in found.items():
        print(f"     {f'base {base:.4g}' if base else 'accumulator':<12} {value:.12f}")


if __name__ == "__main__":
    script(main)

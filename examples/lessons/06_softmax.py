"""Softmax and cross-entropy: what the model said, less what is true.

Question: a model gives the true class the probability 0.2. Which gradient has that class's logit, and what is its sign?
Expect: ŷ − y by hand, by the fused op and by the chain rule, and one perplexity to every base.
"""

# %% The derivation
# CE = −log ŷ_k = log Σ_j exp(x_j) − x_k, so ∂CE/∂x_i = exp(x_i) / Σ_j exp(x_j) − [i = k] = ŷ_i − y_i.

import numpy as np

from tinygrad_nlp import Tensor, gradcheck, gradients, softmax, softmax_cross_entropy
from tinygrad_nlp.course import begin, exercise

begin(__doc__)

# %% Settings: one example with four classes, of which class 2 is true; its ŷ is 0.2
logits, label = np.log([[0.1, 0.3, 0.2, 0.4]]), np.array([2])
y = np.eye(4)[label]

# %% Three ways to the same gradient
x = Tensor(logits)
fused = gradients(softmax_cross_entropy(x, label), [x])[0]
chain = gradients(-np.sum(y * np.log(np.exp(x) / np.sum(np.exp(x)))), [x])[0]
print("ŷ − y       ", np.round(softmax(logits) - y, 6)[0])
print("fused op    ", np.round(fused, 6)[0])
print("chain rule  ", np.round(chain, 6)[0], " sum", abs(np.round(np.sum(chain), 6)))

# %% Why it is one op: in the long way ŷ_k underflows to 0, and 1/0 · 0 is no gradient
far = Tensor(np.array([[0.0, -800.0, 10.0, 5.0]]))
print("logits of −800, fused:", np.round(gradients(softmax_cross_entropy(far, np.array([1])), [far])[0][0], 6))
with np.errstate(all="ignore"):
    p = np.exp(far) / np.sum(np.exp(far))
    print("        and long:     ", gradients(-np.log(p[0, 1]), [far])[0][0])

# %% Perplexity needs no base: b to the mean of −log_b p is the same for every b
p = np.array([0.2, 0.5, 0.1])
print("perplexity  ", *[f"{base ** -np.mean(np.log(p) / np.log(base)):.10f}" for base in (2.0, np.e, 10.0)])


# %% Exercise: with a temperature, CE of softmax(x / T): the gradient by x, for T = 0.5 and N examples in a batch
T = 0.5


def backward(g, x, labels):
    """∂L/∂x (N, V) for g = ∂L/∂CE, one number; CE is the mean over the N examples."""
    return None


batch, labels = np.random.default_rng(0).normal(size=(3, 4)), np.array([0, 2, 2])
exercise(gradcheck(lambda x, labels: softmax_cross_entropy(x / T, labels), batch, labels, gradient=backward))

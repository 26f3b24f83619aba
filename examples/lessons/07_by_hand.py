"""A network with one hidden layer, differentiated with pencil and paper, beside the engine.

Question: the loss is one number and W1 has 6. How many backward passes does ∂L/∂W1 need, and how many by differences?
Expect: five gradients by hand and by the engine, equal to rounding.
"""

# %% The derivation: δv stands for ∂L/∂v; from the end to the start, each line multiplies by one derivative
#     a = x W1 + b1      h = σ(a)      z = h W2 + b2      ŷ = softmax(z)      L = −Σ y log ŷ
#     δz = ŷ − y         δh = δz W2ᵀ   δa = δh ∘ h (1 − h)   δx = δa W1ᵀ
#     ∂W2 = hᵀ δz        ∂b2 = Σ δz    ∂W1 = xᵀ δa           ∂b1 = Σ δa      (sums over the batch)

import numpy as np

from tinygrad_nlp import Tensor, gradcheck, gradients, sigmoid, softmax, softmax_cross_entropy
from tinygrad_nlp.course import begin, exercise

begin(__doc__)

# %% Settings: four examples, two inputs, three hidden units, three classes
rng = np.random.default_rng(0)
labels = np.array([0, 1, 2, 1])
arrays = [rng.normal(size=shape) for shape in [(4, 2), (2, 3), 3, (3, 3), 3]]


# %% The network, for arrays and Tensors alike, and its gradient by hand
def loss(x, W1, b1, W2, b2):
    return softmax_cross_entropy(sigmoid(x @ W1 + b1) @ W2 + b2, labels, reduction="sum")


def by_hand(x, W1, b1, W2, b2):
    h = sigmoid(x @ W1 + b1)
    dz = softmax(h @ W2 + b2) - np.eye(3)[labels]
    da = dz @ W2.T * h * (1 - h)
    return da @ W1.T, x.T @ da, da.sum(0), h.T @ dz, dz.sum(0)


# %% Beside the engine
leaves = [Tensor(a) for a in arrays]
for name, a, b in zip(("x", "W1", "b1", "W2", "b2"), by_hand(*arrays), gradients(loss(*leaves), leaves), strict=True):
    print(f"∂{name:<3} {a.shape!s:<7} by hand {np.linalg.norm(a):.6f}   by the engine {np.linalg.norm(b):.6f}")

# %% One pass for everything; differences take two calls of the loss for each of these numbers
print("one backward pass, or", 2 * sum(a.size for a in arrays), "calls of the loss")


# %% Exercise: the hidden layer is h = tanh(a) now, as in most recurrent networks. Which line changes, and how?
def backward(g, x, W1, b1, W2, b2):
    h = np.tanh(x @ W1 + b1)
    dz = g * (softmax(h @ W2 + b2) - np.eye(3)[labels])
    da = dz @ W2.T * h * (1 - h)  # still that of σ
    return da @ W1.T, x.T @ da, da.sum(0), h.T @ dz, dz.sum(0)


def tanh_loss(x, W1, b1, W2, b2):
    return softmax_cross_entropy(np.tanh(x @ W1 + b1) @ W2 + b2, labels, reduction="sum")


exercise(gradcheck(tanh_loss, *arrays, gradient=backward))

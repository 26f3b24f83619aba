"""The backward pass of a loss, step by step: explain(y).

Question: which arguments of which calls of a network get a gradient, and which of the two layers gets its first?
Expect: the four lines of lesson 7, in the engine's words: a row for each call, a row for each share of a gradient.
"""

# %% What to look for
# Lesson 7 derives δz = ŷ − y, then δh = δz W2ᵀ, δa = δh ∘ h (1 − h), ∂W1 = xᵀ δa. In the listing g stands for the δ of
# the call's result, y for that result, a and b (or x) for its arguments. Here x is an array: nobody asks for δx. The
# loss is a mean over two examples, so its δz is (ŷ − y) / 2.

import numpy as np

from tinygrad_nlp import Tensor, explain, sigmoid, softmax_cross_entropy
from tinygrad_nlp.course import begin, exercise

begin(__doc__)

# %% Settings: two examples, two inputs, two hidden units, two classes
rng = np.random.default_rng(0)
x, labels = np.array([[1.0, 0.0], [0.5, -1.0]]), np.array([0, 1])
W1, b1, W2, b2 = (Tensor(np.round(rng.normal(size=shape), 1)) for shape in [(2, 2), 2, (2, 2), 2])

# %% The loss of a network with one hidden layer
h = sigmoid(x @ W1 + b1)
z = h @ W2 + b2
loss = softmax_cross_entropy(z, labels)
print(explain(loss))

# %% The shares add up to the gradient
loss.backward()
print("∂b2 again:", b2.grad.round(4))

# %% Exercise: read line 3 and write ∂W2 in NumPy, with h.data, z.data, softmax, and labels as rows of np.eye(2)
answer = np.zeros((2, 2))
exercise(np.allclose(answer, W2.grad, rtol=1e-6), f"∂W2 is not {answer.tolist()}: aᵀ g with a = h and g = ∂z, line 1")

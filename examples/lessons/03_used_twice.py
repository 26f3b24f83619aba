"""A Tensor that is used twice: its gradient is the sum of what each use owes it.

Question: in y = x sin x, x is used twice. What is left of dy/dx when the share of one use overwrites the other's?
Expect: d(x sin x)/dx = sin x + x cos x, as two shares that add up.
"""

# %% The derivation
# Give the two uses two names: y = p sin q with p = x and q = x. If x grows by ε, both grow by ε, and to first order
# y grows by ∂y/∂p ε + ∂y/∂q ε. So dy/dx = ∂y/∂p + ∂y/∂q = sin x + x cos x: every path from x to y has its share.

import numpy as np

from tinygrad_nlp import Tensor, gradcheck
from tinygrad_nlp.course import begin, exercise

begin(__doc__)

# %% Settings
X = 2.0

# %% Two names, two gradients
p, q = Tensor(X), Tensor(X)
(p * np.sin(q)).backward()
print(f"through the first use   {p.grad:.6f}")
print(f"through the second      {q.grad:.6f}")

# %% One name: they are added, never overwritten
x = Tensor(X)
(x * np.sin(x)).backward()
print(f"one x used twice        {x.grad:.6f}")
print(f"sin x + x cos x         {np.sin(X) + X * np.cos(X):.6f}")

# %% The same holds from one backward() to the next: .grad adds up until somebody empties it
(x * np.sin(x)).backward()
print(f"after another backward  {x.grad:.6f}")
x.grad = None
(x * np.sin(x)).backward()
print(f"emptied before          {x.grad:.6f}")

# %% A parameter of a network is used once for each example, a recurrent one once for each step as well
w = Tensor(0.5)
inputs = np.array([1.0, 2.0, 3.0])
np.sum(w * inputs).backward()
print(f"w with three inputs     {w.grad:.6f}")


# %% Exercise: two steps of a recurrent cell, h = tanh(w x), y = tanh(w h). What do both uses of w owe it?
def backward(g, x, w):
    """∂L/∂x and ∂L/∂w, each one number, for g = ∂L/∂y."""
    return None, None


exercise(gradcheck(lambda x, w: np.tanh(w * np.tanh(w * x)), np.array(0.5), np.array(1.5), gradient=backward))

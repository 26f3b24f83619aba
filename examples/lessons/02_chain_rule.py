"""The chain rule, and the whole of backpropagation in a few lines.

Question: y = sin(x²). Which of the two derivatives does the walk from y back to x multiply by first?
Expect: dy/dx of sin(x²) three times the same, and the steps by which the engine finds it.
"""

# %% The derivation
# y = sin(u), u = x².   If x grows by ε, u grows by 2x ε, and y by cos(u) times that: dy/dx = cos(x²) · 2x.
# Read from the right or from the left, it is the same product. Forward mode multiplies from x towards y and needs one
# pass for each input. Reverse mode starts with g = ∂y/∂y = 1 at the end and goes back, g ← g · cos(u), g ← g · 2x: one
# pass gives the gradient of all inputs, be they millions. A loss is one number, so reverse mode it is.

import numpy as np

from tinygrad_nlp import Tensor, gradcheck, gradients
from tinygrad_nlp.course import begin, exercise
from tinygrad_nlp.engine import TABLE, history

begin(__doc__)

# %% Settings
X = 1.5


# %% The function runs on a number, an array or a Tensor
def f(x):
    return np.sin(np.square(x))


print(f"algebra       {np.cos(X**2) * 2 * X:.10f}")
print(f"complex step  {f(X + 1e-30j).imag / 1e-30:.10f}")  # f(x + ih) = f(x) + ih f′(x) + O(h²)

# %% The engine's walk: newest call first, each g times the derivative of its call
x = Tensor(X)
y = f(x)
g = {y: 1.0}
for t in history(y):
    for i, a in enumerate(t.args):
        derivative = TABLE[t.fn].derivatives[i]  # of the call that made t, with respect to its argument i
        g[a] = g.get(a, 0) + derivative(g[t], t.data, *[u.data for u in t.args])  # added: see lesson 3
        print(f"back through {t.fn.__name__:<7} g = {g[t]:9.6f} becomes {g[a]:9.6f}")
print(f"by this loop  {g[x]:.10f}")
print(f"gradients()   {gradients(y)[x]:.10f}")


# %% Exercise: y = exp(sin(x²)). Walk back through all three calls: g starts as ∂L/∂y, and must end as ∂L/∂x
def backward(g, x):
    return None


exercise(gradcheck(lambda x: np.exp(f(x)), np.array(X), gradient=backward))

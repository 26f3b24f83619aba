"""One multiplication: what a gradient is, and where the engine keeps it.

Question: y = a b with a = 2 and b = 3. By how much does y grow for each unit that a grows, and for each that b does?
Expect: ∂y/∂a = b and ∂y/∂b = a, from the definition, from the algebra, and from the engine.
"""

import numpy as np

from tinygrad_nlp import Tensor, gradcheck
from tinygrad_nlp.course import begin, exercise

begin(__doc__)

# %% Settings
A, B = 2.0, 3.0
EPSILON = 1e-6


# %% The function
def f(a, b):
    return a * b


# %% The definition: by how much y grows, for each unit that one argument grows
# (f(a + ε, b) − f(a, b)) / ε = ((a + ε) b − a b) / ε = b, and likewise a for the other. The algebra is exact; with
# numbers of 16 digits it is not quite, which is why nobody trains a network by differences.
by_a, by_b = (f(A + EPSILON, B) - f(A, B)) / EPSILON, (f(A, B + EPSILON) - f(A, B)) / EPSILON
print("differences  ", round(by_a, 6), round(by_b, 6))

# %% The engine: a Tensor is an array that wants a gradient; the result remembers the call that made it
a, b = Tensor(A), Tensor(B)
y = f(a, b)
print("y            ", y.item(), "made by", y.fn.__name__, "of", *[t.item() for t in y.args])

# %% backward() asks the table for the derivatives of that call, g * b and g * a with g = ∂y/∂y = 1
y.backward()
print("gradients    ", a.grad, b.grad)

# %% A plain number is a constant: it takes part, but nobody asks what its gradient is
a = Tensor(A)
f(a, 10.0).backward()
print("times 10     ", a.grad)


# %% Exercise: y = a² b, and L a loss further on with g = ∂L/∂y. Return ∂L/∂a and ∂L/∂b instead of None, and run again
def backward(g, a, b):
    return None, None


exercise(gradcheck(lambda a, b: a * a * b, np.array(A), np.array(B), gradient=backward))

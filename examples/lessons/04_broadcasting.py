"""Broadcasting is undone by a sum: why the gradient of a bias is summed over the batch.

Question: a bias of 3 numbers is added to each of 4 rows. Which shape has its gradient: (4, 3), (3,) or ()?
Expect: gradients of the shapes of the arguments, whatever NumPy stretched them to.
"""

# %% The derivation
# y[b, d] = x[b, d] + w[d], and a loss L with g[b, d] = ∂L/∂y[b, d]. Each w[d] was used B times, once in each row, so by
# the rule for repeated use
#
#     ∂L/∂w[d] = Σ_b g[b, d] ∂y[b, d]/∂w[d] = Σ_b g[b, d].
#
# To stretch is to copy, and copies add up: the sum runs over just the axes along which NumPy stretched. In matrices,
# with 1 a column of B ones, y = x + 1 wᵀ: the transpose of the linear map w ↦ 1 wᵀ takes g to gᵀ 1, its column sums.

import numpy as np

from tinygrad_nlp import Tensor, gradcheck, gradients
from tinygrad_nlp.course import begin, exercise

begin(__doc__)

# %% Settings
B, D = 4, 3

# %% A row, a column and a single number, each stretched to (B, D)
rng = np.random.default_rng(0)
x, g = rng.normal(size=(B, D)), rng.normal(size=(B, D))
row, column, number = Tensor(np.ones(D)), Tensor(np.ones((B, 1))), Tensor(1.0)
y = x * row + column + number
d_row, d_column, d_number = gradients(y, [row, column, number], g)

for what, found, by_hand in [
    ("row   ", d_row, (g * x).sum(axis=0)),  # ∂y/∂row is x
    ("column", d_column, g.sum(axis=1, keepdims=True)),
    ("number", d_number, g.sum()),
]:
    print(what, f"{found.shape!s:<7}", "equal to the sum by hand:", np.allclose(found, by_hand, rtol=1e-12))

# %% No rule of the table does this: the rule of * says g * x, of the shape of y, and the engine sums once, in fit()
print("rule says", (g * x).shape, "and fit() makes it", d_row.shape)

# %% It sums what was stretched only. Had it summed always, or averaged, the numbers would differ:
print("sum ", np.round(d_row, 4))
print("mean", np.round((g * x).mean(axis=0), 4))


# %% Exercise: y = x / c with x (B, D) and a column c (B, 1). No engine sums for you here: do it yourself
def backward(g, x, c):
    """∂L/∂x (B, D) and ∂L/∂c (B, 1), for g = ∂L/∂y (B, D)."""
    return None, None


exercise(gradcheck(lambda x, c: x / c, x, np.array([[1.0], [2.0], [-1.0], [0.5]]), gradient=backward))

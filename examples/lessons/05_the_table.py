"""The table is the framework: read some rows, then add a function that it lacks.

Expect: np.sinc refused, then differentiated, and checked.
"""

# %% The derivation
# sinc x = sin(πx) / (πx) for x ≠ 0, and 1 at 0. By the rule for quotients
#
#     sinc′ x = (πx · π cos(πx) − π sin(πx)) / (πx)² = (cos(πx) − sinc x) / x.
#
# At 0 that reads 0/0. The series sinc x = 1 − (πx)²/6 + … shows the derivative there: 0.

import numpy as np

from tinygrad_nlp import Tensor, rule, table
from tinygrad_nlp.checking.check import gradcheck

# %% Some rows: the name, the kind, and for each argument what becomes of g, the gradient of the output y
for line in table().splitlines():
    if line.split()[0] in ("multiply", "divide", "exp", "tanh", "where", "mean", "argmax"):
        print(line)

# %% What is not in the table is refused at once, not in backward
x = Tensor([0.0, 0.5, 1.0])
try:
    np.sinc(x)
except TypeError as error:
    print("TypeError:", str(error).partition(":")[0])


# %% A row of our own. np.where evaluates both branches, so the dangerous x is made safe before the division.
def d_sinc(g, y, x):
    away = np.where(x == 0, 1, x)
    return g * np.where(x == 0, 0, (np.cos(np.pi * away) - np.sinc(away)) / away)


rule(np.sinc, d_sinc)
np.sum(np.sinc(x)).backward()
print("sinc′ at 0, 1/2, 1:", np.round(x.grad, 6), "and −4/π is", round(-4 / np.pi, 6))

# %% Never trust a row that was not checked: against numeric derivatives, under a random gradient of the output
print(gradcheck(np.sinc, np.array([-1.3, 0.0, 0.5])))

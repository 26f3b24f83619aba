"""The table is the framework: read some rows, then add a function that it lacks.

Expect: scipy.special.exprel refused, then differentiated, and checked.
"""

# %% The derivation
# exprel x = (eˣ − 1) / x for x ≠ 0, and 1 at 0. By the rule for quotients
#
#     exprel′ x = (x eˣ − (eˣ − 1)) / x² = (eˣ − exprel x) / x.
#
# At 0 that reads 0/0. The series exprel x = 1 + x/2 + x²/6 + … shows the derivative there: 1/2.

import numpy as np
from scipy.special import exprel

from tinygrad_nlp import Tensor, rule, table
from tinygrad_nlp.checking.check import gradcheck

# %% Some rows: the name, the kind, and for each argument what becomes of g, the gradient of the output y
for line in table().splitlines():
    if line.split()[0] in ("multiply", "divide", "exp", "tanh", "where", "mean", "argmax"):
        print(line)

# %% What is not in the table is refused at once, not in backward
x = Tensor([0.0, -1.0, 1.0])
try:
    exprel(x)
except TypeError as error:
    print("TypeError:", str(error).partition(":")[0])


# %% A row of our own. np.where evaluates both branches, so the dangerous x is made safe before the division.
def d_exprel(g, y, x):
    away = np.where(x == 0, 1, x)
    return g * np.where(x == 0, 0.5, (np.exp(away) - exprel(away)) / away)


rule(exprel, d_exprel)
np.sum(exprel(x)).backward()
print("exprel′ at 0, −1, 1:", np.round(x.grad, 6), "and 1 − 2/e is", round(1 - 2 / np.e, 6))

# %% Never trust a row that was not checked: against numeric derivatives, under a random gradient of the output
print(gradcheck(exprel, np.array([-1.3, 0.0, 0.5])))

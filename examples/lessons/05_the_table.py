"""The table is the framework: read some rows, then add a function that it lacks.

Question: exprel is (eˣ − 1) / x. What is its derivative at 0, where the formula reads 0/0?
Expect: scipy.special.exprel refused, then differentiated, and checked.
"""

# %% The derivation
# exprel x = (eˣ − 1) / x for x ≠ 0, and 1 at 0. By the rule for quotients
#
#     exprel′ x = (x eˣ − (eˣ − 1)) / x² = (eˣ − exprel x) / x.
#
# At 0 that reads 0/0. The series exprel x = 1 + x/2 + x²/6 + … shows the derivative there: 1/2.

import numpy as np
from scipy import special

from tinygrad_nlp import Tensor, gradcheck, rule, table
from tinygrad_nlp.course import begin, exercise

begin(__doc__)

# %% Some rows: the name, the kind, and for each argument what becomes of g, the gradient of the output y
for line in table().splitlines():
    if line.split()[0] in ("multiply", "divide", "exp", "tanh", "where", "mean", "argmax"):
        print(line)

# %% What is not in the table is refused at once, not in backward
x = Tensor([0.0, -1.0, 1.0])
try:
    special.exprel(x)
except TypeError as error:
    print("TypeError:", str(error).partition(":")[0])


# %% A row of our own. np.where evaluates both branches, so the dangerous x is made safe before the division.
def d_exprel(g, y, x):
    away = np.where(x == 0, 1, x)
    return g * np.where(x == 0, 0.5, (np.exp(away) - special.exprel(away)) / away)


rule(special.exprel, d_exprel)
np.sum(special.exprel(x)).backward()
print("exprel′ at 0, −1, 1:", np.round(x.grad, 6), "and 1 − 2/e is", round(1 - 2 / np.e, 6))

# %% Never trust a row that was not checked: against numeric derivatives, under a random gradient of the output
print(gradcheck(special.exprel, np.array([-1.3, 0.0, 0.5])))


# %% Exercise: the row of special.erfinv. If x = erf y then dx/dy = 2/√π exp(−y²), so dy/dx is easiest written with y
def d_erfinv(g, y, x):
    return None


X = np.array([-0.7, 0.0, 0.5])
exercise(gradcheck(special.erfinv, X, gradient=lambda g, x: d_erfinv(g, special.erfinv(x), x)))

"""Is this gradient right? Two tests, and what they say about a wrong one.

Question: a network trains although a term of a derivative is missing. How could you find out that it is?
Expect: gradcheck names the mistake; Taylor's remainder falls with slope 2 for the right gradient and 1 for the wrong.
"""

# %% The derivations
# Softmax, y_j = exp(x_j) / Σ exp(x): ∂y_j/∂x_i = y_j ([i = j] − y_i), so the gradient is
#     Σ_j g_j y_j ([i = j] − y_i) = y_i (g_i − Σ_j g_j y_j).
# The second term comes from the common denominator. Who forgets it keeps only the diagonal, g_i y_i (1 − y_i).
#
# Taylor: f(x + hd) = f(x) + h ∇f·d + O(h²). With the right ∇f what is left falls by 4 when h is halved, slope 2 on
# logarithmic axes; with a wrong one a term of order h stays, slope 1. It tests a whole model in a few calls.

import numpy as np

from tinygrad_nlp import gradcheck, op, softmax, taylor_test
from tinygrad_nlp.course import begin, exercise

begin(__doc__)

# %% Settings
x = np.random.default_rng(0).normal(size=(2, 5))


# %% Two backward passes by hand
def right(g, x):
    y = softmax(x)
    return y * (g - np.sum(g * y, axis=-1, keepdims=True))


def diagonal(g, x):
    y = softmax(x)
    return g * y * (1 - y)


# %% gradcheck: each number of the gradient against a numeric derivative, and the name of the mistake
for backward in (right, diagonal):
    report = gradcheck(softmax, x, gradient=backward)
    print(f"{backward.__name__:<9}", "right" if report else report.arguments[0].diagnosis)


# %% Taylor: the same wrong rule as a row of the table, in a function of several calls
@op(lambda g, y, x: diagonal(g, x))
def wrong_softmax(x):
    return softmax(x)


print("       h   right softmax   wrong softmax")
good, bad = (taylor_test(lambda x, s=s: np.sum(np.tanh(s(x * x)) ** 2), x) for s in (softmax, wrong_softmax))
for k in range(0, 10, 3):
    print(f"{good.steps[k]:.6f}      {good.with_gradient[k]:.2e}        {bad.with_gradient[k]:.2e}")
print(f"slope              {good.slopes[1]:.2f}            {bad.slopes[1]:.2f}")


# %% Exercise: every row divided by its length. Each x_i is also in the length: which term is missing below?
def normalised(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def repaired(g, x):
    return g / np.linalg.norm(x, axis=-1, keepdims=True)


exercise(gradcheck(normalised, x, gradient=repaired))

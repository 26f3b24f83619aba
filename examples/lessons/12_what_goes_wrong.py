"""What goes wrong: where a NaN was born, and what to look at before a long run.

Question: np.where(x > 0, np.sqrt(x), 0) drops the root where x is 0. Why is the gradient NaN there all the same?
Expect: watch() names the call and the remedy; preflight() finds four mistakes in a network that runs without an error.
"""

# %% The derivation
# √ has the derivative 1 / (2√x), which is infinite at 0. np.where hands 0 to the branch that it has dropped, and the
# chain rule multiplies: 0 · ∞ is NaN. No rule can know that the 0 meant "not used". So the dangerous argument is made
# safe before the call, and the choice is made after it: "double where".

import numpy as np

from tinygrad_nlp import Tensor, gradients, nn, preflight, softmax, softmax_cross_entropy, watch
from tinygrad_nlp.course import begin, exercise

begin(__doc__)

# %% A gradient that is NaN, and who made it
x = np.array([4.0, 0.0])
t = Tensor(x)
with np.errstate(all="ignore"):
    print("gradient", gradients(np.sum(np.where(t > 0, np.sqrt(t), 0)), [t])[0])
try:
    with watch():
        np.sum(np.where(t > 0, np.sqrt(t), 0)).backward()
except FloatingPointError as error:
    said = str(error)
    print("watch:", said[: said.index(" at ")], "…", said[said.index("became") :].partition(": the")[0])

# %% The remedy: safe before the call, chosen after it
safe = np.where(t > 0, t, 1)
print("double where", gradients(np.sum(np.where(t > 0, np.sqrt(safe), 0)), [t])[0])

# %% A network with four mistakes, none of which raises an error
rng = np.random.default_rng(0)
inputs, labels = rng.normal(size=(16, 8)).astype(np.float32), rng.integers(0, 4, 16)
model = {"first": nn.Linear(8, 32, rng=rng), "last": nn.Linear(32, 4, rng=rng), "forgotten": nn.Linear(8, 4, rng=rng)}


def loss(model, batch):
    x, labels = batch
    h = np.tanh(100 * model["first"](x))  # far out on the flat part of tanh
    h = h + np.mean(h, axis=0)  # the examples of the batch are mixed
    return softmax_cross_entropy(softmax(model["last"](h)), labels)  # softmax twice; "forgotten" is not used


for finding in preflight(model, (inputs, labels), loss, steps=20):
    print("-", finding[: finding.find(" at ")] if " at " in finding else finding.partition(":")[0])


# %% Exercise: entropy −Σ p log p with p = 0 among its arguments, where 0 log 0 counts as 0. Make its gradient finite
def entropy(p):
    return -np.sum(np.where(p > 0, p * np.log(p), 0))


p = Tensor(np.array([0.5, 0.0, 0.25, 0.25]))
with np.errstate(all="ignore"):
    value, found = entropy(p).item(), gradients(entropy(p), [p])[0]
right = np.isclose(value, 1.5 * np.log(2)) and np.allclose(found[[0, 2, 3]], [np.log(2) - 1] + [np.log(4) - 1] * 2)
exercise(bool(right and np.isfinite(found[1])), f"H = {value:.4f} nats, its gradient {found.round(4)}")

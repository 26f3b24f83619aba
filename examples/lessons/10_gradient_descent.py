"""Gradient descent: a learning rate that is too small, one that is right, and one that is too large.

Question: in a valley 25 times as steep across as along, what goes wrong first when the learning rate grows?
Expect: little progress, then much, then a loss that explodes, just where the theory says.
"""

# %% The derivation
# Each step goes against the gradient: w ← w − η ∇L. For L = ½ Σ λᵢ wᵢ² the gradient is λᵢ wᵢ, so each coordinate is
# multiplied by 1 − η λᵢ at every step. It shrinks while |1 − η λᵢ| < 1, that is for η < 2 / λᵢ: the steepest direction
# sets the limit, 2 / λ_max, and the flattest one the patience, 1 − η λ_min. Best is η = 2 / (λ_min + λ_max), where both
# shrink by (κ − 1) / (κ + 1) with κ = λ_max / λ_min.

import numpy as np

from tinygrad_nlp import Tensor, gradients
from tinygrad_nlp.course import begin, exercise

begin(__doc__)

# %% Settings
CURVATURES = np.array([1.0, 25.0])  # λ of the two directions, as in a long valley
START, STEPS = np.array([10.0, 1.0]), 40


# %% The loss, and descent: the loss after each step, and the path
def loss(w):
    return 0.5 * np.sum(CURVATURES * w * w)


def descend(rate, steps=STEPS):
    w, losses = START, []
    for _ in range(steps):
        w = w - rate * gradients(loss(t := Tensor(w)), [t])[0]
        losses.append(loss(w))
    return np.array(losses)


# %% Too small, right, at the edge, too large
best, limit = 2 / CURVATURES.sum(), 2 / CURVATURES.max()
for name, rate in [("too small", 0.001), ("right", best), ("at the edge", limit), ("too large", 1.1 * limit)]:
    losses = descend(rate)
    bars = "".join(" ▁▂▃▄▅▆▇█"[int(np.clip(np.log10(v + 1e-9) + 4, 0, 8))] for v in losses[::2])
    print(f"{name:<11} η = {rate:.4f}  loss {losses[0]:9.4f} … {losses[-1]:12.4f}  {bars}")

# %% The best rate shrinks w by (κ − 1) / (κ + 1) at every step, and the loss by its square
kappa = CURVATURES.max() / CURVATURES.min()
losses = descend(best)
expected = ((kappa - 1) / (kappa + 1)) ** 2
print(f"loss shrinks by {losses[-1] / losses[-2]:.6f} a step; ((κ − 1) / (κ + 1))² = {expected:.6f}")

# %% Exercise: the curvatures become 4 and 400. Below which learning rate does descent converge?
answer = None
exercise(answer is not None and np.isclose(answer, 2 / 400), "replace None by a number: the steepest direction decides")

"""Momentum and Adam by hand, before anybody uses them.

Question: the gradient of one weight is 1,000 times that of another. How much longer is its first step with Adam?
Expect: fewer steps through the valley of lesson 10 with momentum, and updates by hand equal to those of optim.
"""

# %% The formulas
# Momentum: u ← μ u + g, w ← w − η u. A steady gradient adds up to g / (1 − μ); one that changes sign cancels.
# Adam: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g². Both start at 0, so after t steps they are too small by 1 − βᵗ;
# m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ), w ← w − η m̂ / (√v̂ + ε). At t = 1 that is η g / |g|: the size of g cancels.

import numpy as np

from tinygrad_nlp import Tensor, gradients
from tinygrad_nlp.course import begin, exercise
from tinygrad_nlp.optim import SGD, Adam, AdamW

begin(__doc__)

# %% Settings
CURVATURES, START, STEPS = np.array([1.0, 25.0]), np.array([10.0, 1.0]), 40


def gradient(w):
    t = Tensor(w)
    return gradients(0.5 * np.sum(CURVATURES * t * t), [t])[0]


# %% By hand: each update is a line or two
def momentum(w, rate, mu):
    u = np.zeros_like(w)
    for _ in range(STEPS):
        u = mu * u + gradient(w)
        w = w - rate * u
    return w


def adam(w, rate, beta1=0.9, beta2=0.999, eps=1e-8):
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t in range(1, STEPS + 1):
        g = gradient(w)
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        w = w - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return w


# %% The same by optim
def by_optim(make):
    w = Tensor(START)
    optimizer = make([w])
    for _ in range(STEPS):
        optimizer.zero_grad()
        (0.5 * np.sum(CURVATURES * w * w)).backward()
        optimizer.step()
    return w.data


for name, by_hand, make in [
    ("plain", momentum(START, 0.0769, 0.0), lambda w: SGD(w, 0.0769)),
    ("momentum", momentum(START, 0.0769, 0.5), lambda w: SGD(w, 0.0769, momentum=0.5)),
    ("Adam", adam(START, 0.5), lambda w: Adam(w, 0.5)),
]:
    same = np.allclose(by_hand, by_optim(make), rtol=1e-9, atol=1e-12)
    print(f"{name:<9} w after {STEPS} steps {by_hand.round(4)}   by optim: {'the same' if same else 'another'}")

# %% The first step of Adam does not know how large the gradient is
for scale in (1.0, 1000.0):
    w = Tensor(np.array(5.0))
    optimizer = Adam([w], 0.1)
    (scale * w).backward()
    optimizer.step()
    print(f"gradient {scale:6g}: first step {5 - w.item():.6f}")


# %% Exercise: AdamW also shrinks w by η λ w at each step, outside of m and v. One step from w, with m = v = 0
def adamw_step(w, g, rate, decay):
    return w - rate * g / (abs(g) + 1e-8)


w, g = np.array([3.0, -2.0]), np.array([0.5, 4.0])
leaf = Tensor(w)
leaf.grad = g
AdamW([leaf], 0.1, weight_decay=0.2).step()
exercise(
    np.allclose(adamw_step(w, g, 0.1, 0.2), leaf.data), f"{adamw_step(w, g, 0.1, 0.2)}, but AdamW goes to {leaf.data}"
)

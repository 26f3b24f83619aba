"""A recurrent network: by the chain rule, by hand, and how far back its gradient reaches.

Question: each step back multiplies the gradient by 0.5. What is left of it after 20 steps, and what if it is 1.5?
Expect: the fused backward pass equals the reference; gradients that vanish by half, or grow by half, for each step.
"""

# %% The derivation
# h_t = tanh(a_t), a_t = x_t + h_{t−1} W.  With g_t = ∂L/∂h_t from the outputs, and δh_t all that h_t owes to the loss,
#
#     δh_t = g_t + δa_{t+1} Wᵀ          (h_t is an output, and what step t + 1 starts from; δa_{T+1} = 0)
#     δa_t = δh_t ∘ (1 − h_t²)          (tanh′ = 1 − tanh²)
#     ∂x_t = δa_t,   ∂W = Σ_t h_{t−1}ᵀ δa_t,   ∂h_0 = δa_1 Wᵀ      (W is used at every step: its shares add up)
#
# So ∂L_t/∂h_s is ∂L_t/∂h_t times t − s factors diag(1 − h²) Wᵀ. Where they shrink it, gradients vanish; where they
# stretch it, they explode. For W = cQ with QᵀQ = 1 and without tanh each factor changes its length by exactly c.

import numpy as np

from tinygrad_nlp import Tensor, gradcheck, gradients, rnn, time_map
from tinygrad_nlp.course import begin, exercise
from tinygrad_nlp.recurrent import rnn_reference

begin(__doc__)

# %% Settings
T, B, H = 6, 2, 4
rng = np.random.default_rng(0)
x, h0, g = rng.normal(size=(T, B, H)), rng.normal(size=(B, H)), rng.normal(size=(T, B, H))
Q = np.linalg.qr(rng.normal(size=(H, H)))[0]

# %% One op with its backward pass by hand (recurrent.py), beside a loop of tanh, + and @ that the engine differentiates
leaves = [Tensor(a) for a in (x, h0, Q)]
by_hand = gradients(rnn(*leaves), leaves, g)
by_chain_rule = gradients(rnn_reference(*leaves), leaves, g)
for name, a, b in zip(("x", "h0", "W"), by_hand, by_chain_rule, strict=True):
    print(f"∂{name:<3} {a.shape!s:<10} equal: {np.allclose(a, b, rtol=1e-12, atol=1e-14)}")


# %% How much the loss at step t (down) feels the state at step s (across): ‖∂L_t/∂h_s‖
def linear(scale):
    return lambda x, h: (h @ (scale * Q), h @ (scale * Q))


def tanh(x, h):
    h = np.tanh(x[0] + h @ Q)
    return h, h


for name, cell in {"c = 0.5": linear(0.5), "c = 1.5": linear(1.5), "tanh, c = 1": tanh}.items():
    lags = time_map(cell, x, h0).by_lag()
    print(f"{name:<12} by steps back:", *[f"{norm:.3f}" for norm in lags / lags[0]])

# %% The same as a picture in text, and what truncation leaves of it: the state is cut off every 4 steps
steps, state = np.zeros((8, 1, H)), np.ones((1, H))
print(time_map(linear(0.2), steps, state))
reach = np.flatnonzero(time_map(linear(0.2), steps, state, truncate=4).by_lag()).max()
print(f"truncated every 4 steps: a gradient up to {reach} steps back")


# %% Exercise: a leaky cell, h_t = h_{t−1} / 2 + tanh(x_t + h_{t−1} W). Which line is not right yet, and why?
def leaky(x, h, W):
    for x_t in x:
        h = h / 2 + np.tanh(x_t + h @ W)
    return h


def backward(g, x, h0, W):
    states, slopes = [h0], []
    for x_t in x:
        slopes.append(1 - np.tanh(x_t + states[-1] @ W) ** 2)
        states.append(leaky(x_t[None], states[-1], W))
    dx, dW, dh = np.zeros_like(x), np.zeros_like(W), g  # only the last state is an output
    for t in reversed(range(len(x))):
        dx[t] = dh * slopes[t]
        dW += states[t].T @ dx[t]
        dh = dx[t] @ W.T
    return dx, dh, dW


exercise(gradcheck(leaky, x, h0, Q, gradient=backward))

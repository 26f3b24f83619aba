"""A recurrent network: by the chain rule, by hand, and how far back its gradient reaches.

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

from tinygrad_nlp import Tensor, gradients, rnn
from tinygrad_nlp.recurrent import rnn_reference
from tinygrad_nlp.seeing.bptt import time_map

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

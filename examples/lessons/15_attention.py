"""Attention and layer normalisation: compositions of rows of the table, trained on the text of lesson 14.

Question: state t looks at all the states up to t at once. How many steps back must a gradient go to reach state s?
Expect: both compositions gradchecked, then the file that the network of lesson 14 has learned, by attention alone.
"""

# %% The model
# Layer normalisation: y = (x − μ) / σ along each row. Attention: each state asks a query q, each state before it has a
# key k and a value v, and what t gets is Σ_s softmax_s(q_t · k_s / √H) v_s over s ≤ t. Neither needs a rule of its own:
# mean, power, matmul and softmax are in the table, and the engine chains them. No state is passed on, so the way from
# any state back to any other is one step long, where the recurrent network's is t − s.

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is loaded: small matrices only wait for a second thread

import numpy as np

from tinygrad_nlp import Tensor, embedding, gradcheck, gradients, relu, softmax, softmax_cross_entropy
from tinygrad_nlp.course import begin, examples, exercise
from tinygrad_nlp.optim import Adam, clip_norm

begin(__doc__)

# %% Settings
H, T, N, STEPS, RATE = 64, 40, 1000, 120, 0.005  # width, characters in a chunk and in all, steps, learning rate


# %% Two compositions
def layer_norm(x):
    centred = x - np.mean(x, axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + 1e-5)


def attention(q, k, v):
    """What each of T states gets from those up to it: q, k, v (..., T, H) → (..., T, H)."""
    future = np.triu(np.ones((q.shape[-2], q.shape[-2]), bool), 1)
    scores = q @ np.swapaxes(k, -1, -2) / q.shape[-1] ** 0.5
    return softmax(np.where(future, -1e9, scores)) @ v


rng = np.random.default_rng(0)
q, k, v = rng.normal(size=(3, 5, 4))
print("layer_norm", "right" if gradcheck(layer_norm, q, order=2) else "WRONG", "to second order")
print("attention ", "right" if gradcheck(attention, q, k, v, order=2) else "WRONG", "to second order")
values = Tensor(v)
reach = [np.linalg.norm(gradients(attention(q, k, values)[t].sum(), [values])[0], axis=-1) > 0 for t in range(5)]
print("who reaches whom (down: t, right: s):", *["".join(".█"[int(r)] for r in row) for row in reach], sep="\n")

# %% The beginning of the text of lesson 14, in chunks (B, T + 1)
source = (examples() / "lessons" / "14_learns_itself.py").read_text(encoding="utf-8")[: N + 1]
alphabet = sorted(set(source))
ids = np.array([alphabet.index(c) for c in source])
chunks = ids[np.arange(0, N, T)[:, None] + np.arange(T + 1)]

# %% Parameters, and the network: attention, then a hidden layer, each added to what was there
shapes = {"E": (len(alphabet), H), "P": (T, H), "Q": (H, H), "K": (H, H), "V": (H, H), "O": (H, H), "U": (H, 2 * H)}
shapes |= {"D": (2 * H, H), "out": (H, len(alphabet))}
start = {name: rng.normal(size=shape) / (1 if name in "EP" else shape[0] ** 0.5) for name, shape in shapes.items()}
p = {name: Tensor(a.astype(np.float32)) for name, a in start.items()}


def logits(ids, p):
    """Logits (B, T, alphabet) of the characters after each of ids (B, T)."""
    x = embedding(p["E"], ids) + p["P"][: ids.shape[1]]
    n = layer_norm(x)
    x = x + attention(n @ p["Q"], n @ p["K"], n @ p["V"]) @ p["O"]
    x = x + relu(layer_norm(x) @ p["U"]) @ p["D"]
    return layer_norm(x) @ p["out"]


# %% Training
optimizer = Adam(p, RATE)
for step in range(STEPS + 1):
    loss = softmax_cross_entropy(logits(chunks[:, :-1], p), chunks[:, 1:])
    if step in (0, 20, 50, STEPS):
        print(f"step {step:3}   loss {loss.item():.1f} nats per character")
    optimizer.zero_grad()
    loss.backward()
    clip_norm(p, 1.0)
    optimizer.lr = RATE * (1 - step / STEPS)
    optimizer.step()

# %% Told from memory: it sees T characters at most
arrays, told = {name: t.data for name, t in p.items()}, source[:8]
while len(told) < T:
    now = np.array([[alphabet.index(c) for c in told]])
    told += alphabet[int(logits(now, arrays)[0, -1].argmax())]
print("given 8 characters, it goes on:", repr(told[20:]))


# %% Exercise: root-mean-square normalisation, y = x / ρ with ρ² = mean x² of each row. Its gradient, by hand
def backward(g, x):
    """∂L/∂x (B, H) for g = ∂L/∂y (B, H); x_i is in y_i, and in the ρ of its whole row."""
    rho = np.sqrt(np.mean(x**2, axis=-1, keepdims=True))
    return g / rho


exercise(gradcheck(lambda x: x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True)), q, gradient=backward))

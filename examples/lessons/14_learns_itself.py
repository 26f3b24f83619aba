"""A recurrent network learns the beginning of this very file, character by character, in a few seconds.

Question: what is the loss before it has learned anything, when the file has 75 different characters?
Expect: a loss that falls from ln(number of characters) to almost nothing, and then the file, told from memory.
"""

# %% The model
# Each character becomes a vector, h_t = tanh(E[c_t] + h_{t−1} W) reads them one after the other, and h_t V + b are
# the logits of the next character. Nothing else is needed: no data, no framework, no other file.

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is loaded: small matrices only wait for a second thread

import numpy as np

from tinygrad_nlp import Tensor, affine, embedding, rnn, softmax, softmax_cross_entropy
from tinygrad_nlp.course import begin, examples, exercise
from tinygrad_nlp.optim import Adam, clip_norm

begin(__doc__)

# %% Settings
N = 2000  # characters: the beginning of the file
H, T, STEPS, RATE = 128, 100, 120, 0.01  # hidden units, characters in a chunk, training steps, learning rate
GIVEN, LENGTH = 20, 480  # characters of the file that it is given in the end, and that it has to tell

# %% The text as ids (N,), cut into chunks (T + 1, B) that overlap by half
source = (examples() / "lessons" / "14_learns_itself.py").read_text(encoding="utf-8")[:N]
alphabet = sorted(set(source))
ids = np.array([alphabet.index(c) for c in source])
starts = np.append(np.arange(0, len(ids) - T - 1, T // 2), len(ids) - T - 1)
chunks = ids[starts + np.arange(T + 1)[:, None]]

# %% Parameters
rng = np.random.default_rng(0)
K = len(alphabet)
start = {
    "E": rng.normal(size=(K, H)),
    "W": np.linalg.qr(rng.normal(size=(H, H)))[0],  # orthogonal: at first, gradients neither vanish nor explode
    "V": rng.normal(size=(H, K)) / np.sqrt(H),
    "b": np.zeros(K),
}
parameters = {name: Tensor(a.astype(np.float32)) for name, a in start.items()}


def logits(ids, h0, E, W, V, b):
    """Logits (T, B, K) of the characters after each of ids (T, B), and the last state."""
    states = rnn(embedding(E, ids), h0, W)
    return affine(states, V, b), states[-1]


# %% Training
optimizer = Adam(parameters, RATE)
for step in range(STEPS + 1):
    h0 = np.zeros((chunks.shape[1], H), np.float32)
    loss = softmax_cross_entropy(logits(chunks[:-1], h0, **parameters)[0], chunks[1:])
    if step in (0, 20, 50, STEPS):
        print(f"step {step:3}   loss {loss.item():.1f} nats per character")
    optimizer.zero_grad()
    loss.backward()
    clip_norm(parameters, 1.0)
    optimizer.lr = RATE * (1 - step / STEPS)
    optimizer.step()

# %% Told from memory: arrays in, arrays out, always the likeliest character
arrays = {name: t.data for name, t in parameters.items()}
told, now, h = source[:GIVEN], ids[:GIVEN], np.zeros((1, H), np.float32)
while len(told) < GIVEN + LENGTH:
    scores, h = logits(now[:, None], h, **arrays)
    now = scores[-1].argmax(-1)
    told += alphabet[now[0]]
right = sum(a == b for a, b in zip(told, source, strict=False)) - GIVEN
print(f"{right} of {LENGTH} characters as they stand in the file; the last lines:", *told.splitlines()[-7:], sep="\n")


# %% Exercise: with a temperature T a draw follows softmax(scores / T). T = 0.5 is in; let it be an argument instead
def chances(scores, temperature):
    return softmax(scores / 0.5)


tried = [np.allclose(chances(scores[-1], T), softmax(scores[-1].astype(float) / T), rtol=1e-3) for T in (0.5, 1.0, 3.0)]
exercise(all(tried), f"right for {sum(tried)} of 3 temperatures")

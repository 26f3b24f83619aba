"""The gradient of a sum is the sum of the gradients: one batch, divided among processes.

    mpiexec -n 2 python examples/lessons/16_shards.py

Question: shards of 4 and of 3 examples each give the mean gradient of their own. Is its mean that of the batch?
Expect: sums of shards are the gradient of the batch, means of means are not; any number of ranks learns the same.
"""

# %% A linear model with a softmax, and seven examples
import numpy as np

from tinygrad_nlp import Tensor, softmax_cross_entropy
from tinygrad_nlp.course import begin, exercise
from tinygrad_nlp.optim import SGD
from tinygrad_nlp.parallel import together

begin(__doc__)
rng = np.random.default_rng(0)
x, labels = rng.normal(size=(7, 4)), rng.integers(0, 3, 7)


def gradient(rows, count):
    """Of what some rows add to a loss: the sum over them, divided by a count."""
    W = Tensor(np.zeros((4, 3)))
    (softmax_cross_entropy(x[rows] @ W, labels[rows], reduction="sum") / count).backward()
    return W.grad


def difference(a, b):
    return "none" if np.allclose(a, b, rtol=1e-12, atol=1e-15) else f"{np.abs(a - b).max():.3f}"


# %% By hand, in one process: L = (ℓ₁ + … + ℓ₇) / 7, so ∂L/∂W = ∂(ℓ₁ + … + ℓ₄)/∂W / 7 + ∂(ℓ₅ + … + ℓ₇)/∂W / 7
shards = slice(0, 4), slice(4, 7)
whole = gradient(slice(0, 7), 7)
added = sum(gradient(rows, 7) for rows in shards)

# %% The classic mistake: each shard divides by its own count, and then comes the mean of both
means = [gradient(rows, rows.stop - rows.start) for rows in shards]
averaged = (means[0] + means[1]) / 2


# %% By ranks: every process has the model and draws the same batch; each differentiates its shard, and MPI adds up
def trained(ranks, steps=20):
    rng, W = np.random.default_rng(1), Tensor(np.zeros((4, 3)))
    optimizer = SGD(W, 0.5)
    for _ in range(steps):
        rows = rng.permutation(7)[ranks.shard(7)]
        optimizer.zero_grad()
        (softmax_cross_entropy(x[rows] @ W, labels[rows], reduction="sum") / 7).backward()
        ranks.add_gradients(W)  # a single process has nothing to add
        optimizer.step()
    return W.data


with together() as ranks:  # only rank 0 prints
    W = trained(ranks)
    print("shards of 4 and 3, added     differ from the batch by", difference(added, whole))
    print("shards of 4 and 3, averaged  differ from the batch by", difference(averaged, whole))
    print("W[0] after 20 steps of all ranks:", np.round(W[0], 6))
    print("from rank to rank W differs by", difference(ranks.sum(W), ranks.size * W))


# %% Exercise: what must the mean of a shard be multiplied by, so that the products add up to the gradient of the batch?
def weight(rows):
    return 1 / 2


if ranks.rank == 0:
    weighted = sum(weight(rows) * mean for rows, mean in zip(shards, means, strict=True))
    exercise(difference(weighted, whole) == "none", "weight(rows) does not know yet how many examples the shard has")

"""What many ranks would give, on paper: steps of 1 to 4 ranks are measured here, and a model goes on from there.

A step of K ranks costs what one rank needs for its share of the batch, and the sum of the gradients:

    t(K) = a + c B/K + 3 ⌈log₂ K⌉ α + 2 (K − 1)/K n β + (K − 1)/K r (β + γ)

a + c B is measured for one rank at several batch sizes B. α is the time to start a message and β the time of a byte. An
Allreduce of n bytes takes at best 2 ⌈log₂ K⌉ α and the term with n (Thakur, Rabenseifner and Gropp 2005, "Optimization
of collective communication operations in MPICH"); the third ⌈log₂ K⌉ α is for the ranks to tell each other which
gradients they have. Row-sparse gradients are not summed on the way: each rank gets all r bytes of them, and adds them
up at γ a byte; where they are more than the table, it is summed whole, by an Allreduce. α and β are fitted to
Allreduces of two ranks here; those of networks are assumed, with a core for each rank, all as fast as this one.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_nlp import RowSparse

from . import ranks, work
from .figures import picture

SPARSE = ("bigram", "averaged_embedding")  # models whose table has a row-sparse gradient
HERE = [1, 2, 3, 4]  # ranks that are measured
TABLE = [2, 8, 64, 512]  # ranks in the table
MANY = [1 << k for k in range(10)]  # ranks in the picture
NETWORKS = {"25 Gbit/s Ethernet": (20e-6, 1 / 3.1e9), "200 Gbit/s InfiniBand": (2e-6, 1 / 25e9)}  # (α, β), assumed


@dataclass
class Costs:
    """What a recipe costs: a step of a batch of b examples takes one rank a + c b seconds. It has `dense` bytes of
    gradients, and `rows` bytes of row-sparse ones for each example, of a table of `table` bytes."""

    B: int
    a: float
    c: float
    dense: int
    rows: float = 0.0
    table: int = 0
    gamma: float = 0.0

    def step(self, K: int, network: tuple[float, float], batch: int) -> float:
        """Seconds of a step of K ranks on a batch."""
        alone = self.a + self.c * batch / K
        if K == 1:
            return alone
        alpha, beta = network
        told, r = math.ceil(math.log2(K)) * alpha, self.rows * batch
        joined = (K - 1) / K * r * (beta + self.gamma)
        if r > self.table:
            joined = allreduce(K, self.table, alpha, beta) + self.table * self.gamma
        return alone + told + allreduce(K, self.dense, alpha, beta) + joined

    def fixed(self, K: int, network: tuple[float, float]) -> float:
        """How many times faster K ranks are than one on the same batch."""
        return self.step(1, network, self.B) / self.step(K, network, self.B)

    def growing(self, K: int, network: tuple[float, float]) -> float:
        """How many times more examples a second K ranks take than one, when each has a batch of its own."""
        return K * self.step(1, network, self.B) / self.step(K, network, self.B * K)


def allreduce(K: int, n: float, alpha: float, beta: float) -> float:
    """Seconds of an Allreduce of n bytes by K ranks."""
    return 2 * math.ceil(math.log2(K)) * alpha + 2 * (K - 1) / K * n * beta


def growth(seconds: float, out: Path) -> dict[str, Any]:
    """Steps of 1 to 4 ranks here, Allreduces against their size, and what the model says of hundreds of ranks."""
    seconds = min(seconds, 3.0)
    measured = ranks.measured(HERE, seconds)
    n = np.array(ranks.SIZES, float)
    here = alpha, beta = line(2.0, n, np.array(measured[2]["allreduce"]))  # for two ranks 2 α + n β
    print(f"\nranks: {os.cpu_count()} cores; Allreduce of two: α {alpha * 1e6:.1f} µs, 1/β {1 / beta / 1e9:.1f} GB/s")
    for K in HERE[1:]:
        cells = zip(ranks.SIZES, measured[K]["allreduce"], strict=True)
        print(f"  {K} ranks  " + "  ".join(f"{size / 1e3:.0f} kB: {t * 1e6:.0f} µs" for size, t in cells))
    recipes = {name: costs(build, B, seconds) for name, (build, B) in work.RECIPES.items()}
    found: dict[str, Any] = {"measured": measured, "alpha": alpha, "beta": beta, "recipes": {}}
    for name, recipe in recipes.items():
        steps = {K: m["steps"][name] for K, m in measured.items() if name in m["steps"]}
        print(f"  {name}: {recipe.a * 1e3:.2f} + {recipe.c * 1e3:.3f} b ms for b examples")
        cells = (f"{K}: {t * 1e3:.1f} ms (model {recipe.step(K, here, recipe.B) * 1e3:.1f})" for K, t in steps.items())
        print(f"    by ranks here  {'   '.join(cells)}")
        found["recipes"][name] = vars(recipe) | {"steps": steps}
    table(recipes)
    picture(out / "ranks.png", 3, 5, 5, partial(draw, found=found, recipes=recipes))
    return found


def costs(build: Callable[[int], work.Work], B: int, seconds: float) -> Costs:
    """a and c by the quickest steps of one rank, in processor time, because others on this machine only add to it; and
    the bytes of its gradients."""
    batches = sorted({max(1, B // k) for k in (1, 2, 4, 8)})
    clock, each_seconds = time.process_time, seconds / len(batches)
    each = [min(ranks.timed(build(b).side("ours")[0], each_seconds, clock, work.BURST)) for b in batches]
    a, c = line(1.0, np.array(batches, float), np.array(each)) if B > 1 else (each[0], 0.0)
    piece = build(B)
    table, *others = piece.parameters
    dense = sum(w.nbytes for w in others)
    if piece.model not in SPARSE:
        return Costs(B, a, c, dense + table.nbytes)
    used = np.unique(piece.batches[0][0])
    each_row = table.shape[1] * table.itemsize + used.itemsize
    twice = RowSparse(np.tile(used, 2), np.zeros((2 * len(used), table.shape[1]), table.dtype), table.shape)
    adding = min(ranks.timed(twice.coalesce, 0.1, clock))
    gamma = adding / (2 * len(used) * each_row)
    return Costs(B, a, c, dense, len(used) * each_row / B, len(table) * each_row, gamma)


def line(factor: float, n: np.ndarray, t: np.ndarray) -> tuple[float, float]:
    """a ≥ 0 and b of factor · a + b n, least squares of the relative error."""
    from scipy.optimize import nnls

    (a, b), _ = nnls(np.stack([factor / t, n / t], axis=1), np.ones(len(t)))
    return float(a), float(b)


def table(recipes: dict[str, Costs]) -> None:
    """Print what each network would give each recipe, as a table of Markdown."""
    for network, figures in NETWORKS.items():
        counts = [f"{K} ranks" for K in TABLE]
        print(f"\n{network}: × one rank, on the same batch / with a batch for each rank\n")
        print(f"| recipe | gradients | step of one rank | {' | '.join(counts)} |\n|{'---|' * (3 + len(counts))}")
        for name, recipe in recipes.items():
            cells = [
                f"{recipe.fixed(K, figures):.2f} / {recipe.growing(K, figures):.0f}"
                if K <= recipe.B
                else f"– / {recipe.growing(K, figures):.0f}"
                for K in TABLE
            ]
            size, step = (recipe.dense + recipe.rows * recipe.B) / 1e6, recipe.step(1, figures, recipe.B) * 1e3
            print(f"| {name} | {size:.2f} MB | {step:.1f} ms | {' | '.join(cells)} |")


def draw(axes: Sequence[Any], found: dict[str, Any], recipes: dict[str, Costs]) -> None:
    left, middle, right = axes
    n = np.array(ranks.SIZES, float)
    for K in HERE[1:]:
        left.loglog(n, 1e6 * np.array(found["measured"][K]["allreduce"]), "o", label=f"{K} ranks, measured")
    left.loglog(n, [1e6 * allreduce(2, x, found["alpha"], found["beta"]) for x in n], "-", label="2 ranks, α-β")
    left.set(xlabel="bytes", ylabel="µs", title=f"Allreduce on this machine ({os.cpu_count()} cores)")
    for i, (name, recipe) in enumerate(recipes.items()):
        title, steps = name.partition(":")[0], found["recipes"][name]["steps"]
        if len(steps) > 1:
            middle.plot(list(steps), [steps[1] / t for t in steps.values()], "o-", color=f"C{i}", label=title)
        for figures, style in zip(NETWORKS.values(), ("--", "-"), strict=True):
            speed = [recipe.growing(K, figures) for K in MANY]
            right.loglog(MANY, speed, style, color=f"C{i}", label=title if style == "-" else None)
    middle.set(xlabel="ranks", ylabel="× one rank", title="the same batch, measured here", xticks=HERE)
    right.set(xlabel="ranks, each with a batch", ylabel="× one rank", title="predicted: InfiniBand –, Ethernet - -")
    for axis in axes:
        axis.legend(fontsize=8)

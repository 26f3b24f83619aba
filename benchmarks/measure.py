"""How the figures of run.py are taken: taking turns, medians, growth, memory, import time."""

from __future__ import annotations

import gc
import platform
import random
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_nlp.parallel import ranks as all_ranks
from tinygrad_nlp.run import keep_freed_memory

from . import cluster, ours, ranks, work
from .figures import picture

BURST = 0.1  # seconds a side is at work before the next one's turn


def run(names: list[str], threads: int, seconds: float, out: Path) -> dict[str, Any]:
    """Measure and print what is asked for; the same figures as a dictionary."""
    world = all_ranks()
    parts: dict[str, Callable[[], Any]] = {n: partial(compare, n, threads, seconds) for n in work.WORK}
    parts |= {"growth": lambda: growth(seconds, out), "memory": memory, "import": import_time}
    parts |= {"ranks": lambda: cluster.growth(seconds, out)}
    if world.size > 1:
        parts = {n: partial(ranks.compare, n, seconds, world) for n in work.WORK if n != "chain"}
    chosen = [part for part in parts if not names or any(part.startswith(name) for name in names)]
    unknown = [name for name in names if not any(part.startswith(name) for part in parts)]
    if unknown:
        print(
            f"run.py: no piece of work is called {', '.join(unknown)}: choose from {', '.join(parts)}", file=sys.stderr
        )
        sys.exit(2)
    set_threads(threads)
    keep_freed_memory()
    found: dict[str, Any] = {"machine": machine(threads)}
    if world.rank == 0:
        print("  ".join(f"{key} {value}" for key, value in found["machine"].items()))
    for part in chosen:
        found[part] = parts[part]()
    return found


def set_threads(threads: int) -> None:
    """The libraries that can still be told; the environment has told the others."""
    try:
        import threadpoolctl

        threadpoolctl.threadpool_limits(threads)
    except ImportError:
        pass
    try:
        import torch

        torch.set_num_threads(threads)
    except ImportError:
        pass


def machine(threads: int) -> dict[str, str]:
    """What the figures depend on."""
    versions = {"Python": platform.python_version(), "NumPy": np.__version__}
    if "torch" in sys.modules:
        versions["PyTorch"] = sys.modules["torch"].__version__
    return versions | {"threads": str(threads), "processor": platform.machine()} | kernel()


def kernel() -> dict[str, str]:
    """The library that does NumPy's matrix products, and the processor that it takes this one for."""
    try:
        import threadpoolctl
    except ImportError:
        return {}
    blas = [p for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas" and "numpy" in p["filepath"]]
    named = [f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}" for pool in blas]
    return {"BLAS": ", ".join(named)}


# --- Side by side -----------------------------------------------------------------------------------------------------


def compare(name: str, threads: int, seconds: float) -> dict[str, Any]:
    """One piece of work, all sides in turns."""
    piece = work.WORK[name]()
    steps = {}
    for side in piece.sides:
        try:
            steps[side] = piece.side(side)[0]
        except ImportError as e:
            print(f"  {side}: not installed ({e.name})")
    peaks = {side: peak(step) for side, step in steps.items() if side.partition(",")[0] not in ("PyTorch", "MyGrad")}
    print(f"\n{name}\n  {'':<22} {'median':>10} {'middle half':>21} {'peak':>10} {'ours takes':>11}")
    times = in_turns(steps, seconds, time.process_time if threads == 1 else time.perf_counter)
    medians = {side: statistics.median(t) for side, t in times.items()}
    for side, t in times.items():
        low, _, high = statistics.quantiles(t, n=4)
        ratio = "" if side == "ours" else f"{medians['ours'] / medians[side]:>9.2f} ×"
        memory = f"{peaks[side] / 1e6:>7.2f} MB" if side in peaks else f"{'':>10}"
        print(f"  {side:<22} {milliseconds(medians[side])} {milliseconds(low)} …{milliseconds(high)} {memory} {ratio}")
    found: dict[str, Any] = {"seconds": times, "median": medians, "peak": peaks, "goals": {}}
    for rival, most in piece.goals.items():
        rivals = [m for side, m in medians.items() if side.startswith(rival)]
        like = f"ours, {rival.partition(', ')[2]}"  # dense beside dense
        if rivals:
            ratio = medians[like if like in medians else "ours"] / min(rivals)
            found["goals"][rival] = {"ratio": ratio, "at most": most, "met": ratio <= most}
            print(f"  {ratio:.2f} × {rival} at its best; goal {most} ×: {'met' if ratio <= most else 'MISSED'}")
    return found


def milliseconds(t: float) -> str:
    return f"{t * 1e3:>7.3f} ms"


def in_turns(steps: dict[Any, Callable[[], Any]], seconds: float, clock: Callable[[], float]) -> dict[Any, list[float]]:
    """Seconds a step, for each side once a turn: a burst of steps, the mean of which counts. With one thread the clock
    is the processor's time of this process, which leaves out what other programs took."""
    bursts = {}
    for side, step in steps.items():
        step()  # the first one makes buffers and loads code
        start = clock()
        step()
        bursts[side] = max(1, round(BURST / max(clock() - start, 1e-6)))
    times: dict[Any, list[float]] = {side: [] for side in steps}
    gc.collect()
    gc.freeze()  # or the collector goes through all objects of the peers, again and again
    order, end = list(steps.items()), time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(times.values()))) < 5:
        random.shuffle(order)  # nobody always follows the same rival
        for side, step in order:
            start = clock()
            for _ in range(bursts[side]):
                step()
            times[side].append((clock() - start) / bursts[side])
    gc.unfreeze()
    return times


# --- Growth -----------------------------------------------------------------------------------------------------------

GROWTH: dict[str, tuple[Callable[[int], work.Work], list[int], str]] = {
    "T": (lambda T: work.character_rnn("rnn", T, 8, 64), [50, 100, 200, 400, 800], "linear"),
    "B": (lambda B: work.character_rnn("rnn", 50, B, 64), [8, 16, 32, 64, 128], "linear"),
    "H": (lambda H: work.character_rnn("rnn", 50, 16, H), [64, 128, 256, 512], "quadratic: matrices are H × H"),
    "vocabulary": (lambda V: work.bigram(V=V), [1000, 2000, 4000, 8000, 16000], "linear"),
    "chain length": (work.chain, [300, 1000, 3000, 10_000, 30_000], "linear"),
}


def growth(seconds: float, out: Path) -> dict[str, Any]:
    """Our cost of a step against each size, with the straight line a + b n that fits best in relative terms."""
    found: dict[str, Any] = {}
    print("\ngrowth of our cost, in ms a step")
    for what, (build, sizes, expected) in GROWTH.items():
        steps = {n: build(n).side("ours")[0] for n in sizes}
        medians = [statistics.median(t) for t in in_turns(steps, seconds, time.process_time).values()]
        a, b = line(sizes, medians)
        off = max(abs(a + b * n - t) / t for n, t in zip(sizes, medians, strict=True))
        last = np.log(medians[-1] / medians[-2]) / np.log(sizes[-1] / sizes[-2])
        found[what] = {"sizes": sizes, "median": medians, "line": [a, b], "off": off, "last exponent": float(last)}
        cells = "  ".join(f"{n}: {t * 1e3:.2f}" for n, t in zip(sizes, medians, strict=True))
        print(f"  {what:<13} {cells}")
        straight = f"{a * 1e3:.3g} + {b * 1e3:.3g} n, at most {off:.0%} off; " if expected == "linear" else ""
        print(f"  {'':<13} {straight}last exponent {last:.2f} ({expected})")
    picture(out / "growth.png", len(found), 3, 3, partial(draw, found=found))
    return found


def line(sizes: list[int], times: list[float]) -> tuple[float, float]:
    """a and b of a + b n, least squares of the relative error, so that small sizes count as much as large ones."""
    n, t = np.array(sizes, float), np.array(times)
    a, b = np.linalg.lstsq(np.stack([1 / t, n / t], axis=1), np.ones(len(t)), rcond=None)[0]
    return float(a), float(b)


def draw(axes: Sequence[Any], found: dict[str, Any]) -> None:
    """What was measured, and the lines."""
    for axis, (what, f) in zip(axes, found.items(), strict=True):
        n, (a, b) = np.array(f["sizes"]), f["line"]
        axis.loglog(n, 1e3 * np.array(f["median"]), "o", label="measured")
        if GROWTH[what][2] == "linear":
            axis.loglog(n, 1e3 * (a + b * n), "-", label="a + b n")
        axis.set(xlabel=what, title=f"last exponent {f['last exponent']:.2f}")
        axis.set_xticks(n, [f"{size:,}" for size in f["sizes"]], rotation=45)
        axis.set_yticks(1e3 * np.array(f["median"]), [f"{1e3 * t:.3g}" for t in f["median"]])
        axis.minorticks_off()
    axes[0].set_ylabel("ms a step")
    axes[0].legend()


# --- Memory -----------------------------------------------------------------------------------------------------------

# Numbers of H that a cell keeps a step: states and gates, an LSTM also tanh(c)
STATES = {"rnn": 1, "gru": 5, "lstm": 7}


def memory() -> dict[str, Any]:
    """The peak of a step above what was there before it, against the states that plain backpropagation must keep: each
    cell's, the probabilities, and as many gradients as there are parameters. In pieces of time, each forgotten but for
    its states and computed again on the way back (checkpoint), a step takes less memory, and more time: the last
    column, in multiples of ours."""
    sides = ("ours", "ours, in 16 pieces", "kernels alone")
    found: dict[str, Any] = {}
    print(
        f"\nmemory of a step in MB\n  {'':<14} {'must keep':>10}"
        + "".join(f"{side:>21}" for side in sides)
        + "   time in pieces"
    )
    for cell in STATES:
        for T, B, H in work.SIZES:
            piece = work.character_rnn(cell, T, B, H)
            V = len(piece.parameters[0])
            keep = 4 * (T * B * (STATES[cell] * H + V) + sum(a.size for a in piece.parameters))
            peaks = {side: peak(piece.side(side)[0]) for side in sides}
            cells = "".join(f"{p / 1e6:>12.2f} {p / keep:>6.2f} ×" for p in peaks.values())
            times = in_turns({side: piece.side(side)[0] for side in sides[:2]}, 1.0, time.process_time)
            whole, pieces = (statistics.median(t) for t in times.values())
            print(f"  {f'{cell}-{T}x{B}x{H}':<14} {keep / 1e6:>10.2f}{cells} {pieces / whole:>14.2f} ×")
            found[f"{cell}-{T}x{B}x{H}"] = {"must keep": keep, **peaks, "time in pieces": pieces / whole}
    return found


def peak(step: Callable[[], Any]) -> int:
    """Bytes that a step has at most at a time, above those from before."""
    step()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    step()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most - before


# --- Import -----------------------------------------------------------------------------------------------------------


def import_time(turns: int = 7) -> dict[str, float]:
    """Milliseconds that importing the package adds to NumPy and the parts of SciPy that it stands on, in fresh
    processes."""
    before = "import numpy, scipy.sparse, scipy.special; "
    code = "import time; {}t = time.process_time(); {}; print(time.process_time() - t)"
    imports = {"numpy and scipy": (before, ""), "tinygrad_nlp": ("import tinygrad_nlp", before)}
    root = str(Path(ours.__file__).parents[1])
    times: dict[str, list[float]] = {name: [] for name in imports}
    for _ in range(turns):
        for name, (statement, first) in imports.items():
            program = code.format(first, statement.rstrip("; "))
            run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
            times[name].append(float(run.stdout))
    medians = {name: statistics.median(t) for name, t in times.items()}
    print("\nimport")
    for name, t in medians.items():
        print(f"  {name:<22} {milliseconds(t)}{' beyond them' if name == 'tinygrad_nlp' else ''}")
    return medians

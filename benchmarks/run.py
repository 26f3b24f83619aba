"""Speed beside kernels alone, PyTorch, autograd and MyGrad: run.py [NAME…] [--json FILE] [--threads N] …

Every piece of work is a whole step of training (forward, loss, backward, update), but for the chain, which has no
update. All sides start from the same numbers and arrive at the same, which tests/test_benchmarks.py checks. "Dense"
ones are compared among themselves, because there Adam moves every row. The sides take turns, many times, a burst of
steps each, so that what else runs on the machine disturbs all alike. A row shows the median time of a step, its spread
(the middle half of all turns), and how much of each other side's time ours takes. NAME is a piece of work (or how its
name begins), or growth, memory, import, ranks; all without it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("names", nargs="*", metavar="NAME", help="pieces of work, or how their names begin (default: all)")
    p.add_argument("--json", type=Path, help="write all figures to this file")
    p.add_argument("--threads", type=int, default=1, help="threads of BLAS and PyTorch (default 1)")
    p.add_argument("--ranks", type=int, default=1, help="ours by that many ranks of MPI, beside one and PyTorch")
    p.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    p.add_argument("--seconds", type=float, default=6.0, help="how long to measure each piece of work (default 6)")
    p.add_argument("--out", type=Path, default=Path("out"), help="folder for the plot of growth (default out)")
    options = p.parse_args(argv)
    if min(options.threads, options.ranks) < 1 or not options.seconds > 0:
        given = f"--threads {options.threads}, --ranks {options.ranks} and --seconds {options.seconds:g}"
        p.error(f"{given} must be positive")
    if options.json and not options.json.parent.is_dir():
        p.error(f"--json {options.json}: there is no folder {options.json.parent}; make it first")
    return options


def limit_threads(n: int) -> None:
    """Before NumPy is imported: BLAS libraries read these once."""
    for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM"):
        os.environ[f"{library}_NUM_THREADS"] = str(n)


def main() -> None:
    options = arguments()
    limit_threads(options.threads)
    sys.path.insert(0, str(ROOT))  # the package and its benchmarks, installed or not
    from benchmarks import measure, ranks

    if options.worker:
        ranks.worker(options.seconds)
        return
    if options.ranks > 1 and ranks.ranks().size == 1:
        started = ranks.command(options.ranks, *sys.argv)
        os.execve(started[0], started, os.environ | ranks.ALLOWED)
    found = measure.run(options.names, options.threads, options.seconds, options.out)
    if options.json and ranks.ranks().rank == 0:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Every claim of the assignment, run again: published beside ours, with a verdict.

Expect about 19 minutes on two cores (--smoke: a minute), a table on the terminal, OUT/report.json, and the same with
pictures in OUT/report.html. Finished jobs are kept in OUT/runs: an interrupted reproduction goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from backprop_by_hand import differences, recurrent_differences
from common import arguments, parser, positive, script
from reproduction.claims import show, verdicts
from reproduction.figures import PUBLISHED, figures
from reproduction.jobs import perform_all
from reproduction.page import page
from reproduction.plan import frozen_jobs, held_out_jobs, ngrams_jobs, text_jobs, trained_jobs, vectors_job
from reproduction.sections import relabelled, sections
from reproduction.sources import sources
from reproduction.text_sections import INTRODUCTION
from reproduction.verdicts import LEGEND
from reproduction.word_experiments import bigram_gradient, directions, example_line, published_bigram
from softmax_gradient import perplexity_in_bases, softmax_gradient

from tinygrad_nlp.files import clear_unfinished, locked, write_json, write_text
from tinygrad_nlp.nlp import corpora

PATIENCE = 5.0  # seconds that a reproduction which was just killed has for letting go of its folder
SCHEDULER = """do the jobs on the dask cluster of this scheduler, such as tcp://host:8786. Jobs are sent as pickles,
which workers execute, so whoever reaches the scheduler can run what they like there, and dask's own messages to us may
hold pickles too; results are JSON. Outside of your own network use tls://host:8786 with dask's settings for TLS,
DASK_DISTRIBUTED__COMM__TLS__CA_FILE and those beside it"""


def main() -> None:
    p = parser(__doc__ or "")
    cores = min(2, os.cpu_count() or 1)
    p.add_argument("--jobs", type=positive, default=cores, metavar="N", help=f"worker processes (default {cores})")
    p.add_argument("--scheduler", metavar="ADDRESS", help=SCHEDULER)
    p.add_argument("--full", action="store_true", help="more seeds of everything")
    args = arguments(p)
    with locked(args.out / ".reproduce.lock", PATIENCE, f"--out {args.out}"):
        reproduce(args)


def reproduce(args: argparse.Namespace) -> None:
    """All jobs, and the report, with args.out for ourselves."""
    began = time.monotonic()
    clear_unfinished(args.out, "report")
    folder = corpora.data_folder(args.data)
    data = str(folder) if folder else None  # absolute: workers may run elsewhere
    read, fallback = sources(data)
    if fallback:
        print(fallback)

    state, count = "", 5 if args.full else 3
    if fallback:
        state, count = "built-in", 5 if args.full else 2
    if args.smoke:
        state, count = "smoke", 1
    seeds = range(args.seed, args.seed + count)
    hashes = {name: source.sha256 for name, source in read.items()}
    perform = partial(
        perform_all, folder=args.out / "runs", corpora=hashes, workers=args.jobs, scheduler=args.scheduler
    )

    def results() -> Iterator[tuple[str, Any]]:
        first = [
            vectors_job(data, state),
            *trained_jobs(data, seeds, state, args.full),
            *text_jobs(data, seeds, state, args.full),
        ]
        files = {}
        for name, found in perform(first):
            files |= {name: found["result"].get("file")} if name in ("vectors", "bigrams-0", "counts") else {}
            yield name, found
        yield from perform([
            *held_out_jobs(data, seeds, state, files["counts"], args.full),
            *ngrams_jobs(data, state, files["bigrams-0"]),
            *frozen_jobs(data, seeds, state, files["vectors"], args.full),
        ])  # fmt: skip

    found, cpu = {}, {}
    for name, kept in watched(results(), args.quiet):
        found[name], cpu[name] = kept["result"], kept["seconds"]
    jobs, rng = len(found), np.random.default_rng(args.seed)
    found |= {"softmax": softmax_gradient(rng), "by hand": differences(rng), "bases": perplexity_in_bases(rng)}
    found |= {"gradient": bigram_gradient(rng), "recurrent": recurrent_differences(rng), "cpu": cpu}
    found |= {"line": example_line(data), "directions": directions(data)}
    found["inverted"] = published_bigram(data, PUBLISHED["bigram"] if not fallback else {})

    numbers = figures(found)
    rows, described = verdicts(found, numbers, state), sections(found, numbers, state)
    if fallback:
        rows, described = relabelled(rows), relabelled(described)
    smoke = "A few steps of everything, to show that it works: no verdicts."
    whole = {
        "introduction": INTRODUCTION,
        "note": fallback or (smoke if args.smoke else ""),
        "legend": LEGEND,
        "rows": rows,
        "sections": described,
        "figures": numbers,
        "corpora": {name: source.report() for name, source in read.items()},
        "root": os.path.relpath(Path(__file__).parent.parent, args.out),  # the code, as seen from the page
        "seconds": round(time.monotonic() - began, 1),
    }
    write_json(args.out / "report.json", whole)
    write_text(args.out / "report.html", page(whole))
    show(rows)
    print(f"{args.out / 'report.html'} and report.json written after {whole['seconds']:.0f} s", end=" ")
    print(f"({sum(cpu.values()):.0f} s of CPU in {jobs} jobs)")


def watched(results: Any, quiet: bool) -> Any:
    """The results, with progress: a bar on a terminal, else nothing."""
    if quiet or not sys.stderr.isatty():
        return results
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return results
    return tqdm(results, desc="jobs", unit=" jobs", leave=False)


if __name__ == "__main__":
    script(main)

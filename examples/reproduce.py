"""Every claim of the assignment, run again: published beside ours, with a verdict.

Expect about 8 minutes on two cores (--smoke: 15 seconds), a table on the terminal, OUT/report.json, and the same with
pictures in OUT/report.html. Finished runs are kept in OUT/runs: an interrupted reproduction goes on where it stopped.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import bigram
import char_rnn
import claims
import numpy as np
import report
import sentiment
from backprop_by_hand import differences
from common import arguments, parser, positive, run
from experiments import bigram_gradient, example_line
from runs import Job, perform_all
from sections import INTRODUCTION
from sections_opinions import sections
from softmax_gradient import perplexity_in_bases, softmax_gradient

from tinygrad_nlp.files import write_json, write_text
from tinygrad_nlp.nlp import corpora

DROPOUT = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
NETWORKS = [(0, "none"), *((layers, f) for layers in (1, 2, 3) for f in ("none", "relu", "tanh"))]
EARLY = [(0, "none"), (1, "none"), (3, "none"), (1, "relu")]  # stopped where a deeper linear chain may still be ahead
CONVERGED = {"epochs": 30, "rate": 0.01, "batch": 128}  # where it no longer is
FEW = {"": 0, "built-in": 0, "smoke": 2_000}  # reviews, 0 for all


# %% How much of it
def recipe(recipe: char_rnn.Recipe, state: str) -> char_rnn.Recipe:
    """All of it on the real corpora, a twentieth on the built-in ones, a few steps for --smoke."""
    if state == "smoke":
        return replace(recipe, steps=6, hidden=32, embedding=32)
    return replace(recipe, steps=max(recipe.steps // 20, 100)) if state else recipe


def setting(setting: sentiment.Setting, state: str) -> sentiment.Setting:
    """Likewise. The built-in reviews are few, so their epochs are short anyway."""
    if state == "smoke":
        return replace(setting, words=3_000, bigrams=setting.bigrams and 1 << 12, epochs=1, dimension=16, batch=512)
    return (
        replace(setting, words=3_000, bigrams=setting.bigrams and 1 << 14, epochs=min(setting.epochs, 4))
        if state
        else setting
    )


# %% What is run
def text_jobs(data: str | None, seeds: range, state: str) -> list[Job]:
    """Sections A to C."""

    def characters(name: str, seed: int, wanted: char_rnn.Recipe, **more: Any) -> Job:
        function = "experiments.validated" if name == "strong" else "experiments.characters"
        settings = {"data": data, "recipe": asdict(recipe(wanted, state)), "seed": seed}
        return Job(f"{name}-{seed - seeds[0]}", function, settings | more)

    published, own = char_rnn.RECIPES["published"], char_rnn.RECIPES["own"]
    first, steps = seeds[0], {"": bigram.STEPS, "built-in": bigram.STEPS // 10, "smoke": 50}[state]
    found = [characters("own", first, own), characters("own-no-leak", first, own, trained_on="no leak")]
    found += [characters("strong", first, char_rnn.RECIPES["strong"])]
    found += [Job(f"words-{s - first}", "experiments.words", {"data": data, "steps": steps, "seed": s}) for s in seeds]
    found += [Job("words-faster", "experiments.words_faster", {"data": data, "steps": steps, "seed": first})]
    if corpora.find("news-train", data) or corpora.find("news-vectors", data):
        found += [
            Job("words-published", "experiments.words_as_published", {"data": data, "steps": steps, "seed": first})
        ]
    found += [
        characters(f"char-{cell}", s, replace(published, cell=cell)) for cell in ("lstm", "gru", "rnn") for s in seeds
    ]
    found += [characters(f"char-{name.replace(' ', '-')}", first, published, trained_on=name)
              for name in ("no leak", "held out", "reviews")]  # fmt: skip
    return [*found, Job("readings", "experiments.readings", {"data": data})]


def vectors_job(data: str | None, state: str) -> Job:
    """Word vectors, which the runs with frozen ones share."""
    glove = corpora.find("glove-6b", data)
    settings = asdict(setting(sentiment.SETTINGS["frozen"], state))
    arguments = {"data": data, "setting": settings, "few": FEW[state], "glove": glove.sha256 if glove else ""}
    return Job("vectors", "opinions.word_vectors", arguments)


def opinion(
    data: str | None, state: str, name: str, wanted: sentiment.Setting, seed: int, first: int, **more: Any
) -> Job:
    arguments = {"data": data, "setting": asdict(setting(wanted, state)), "seed": seed, "few": FEW[state], **more}
    return Job(f"{name}-{seed - first}", "opinions.opinions", arguments)


def trained_jobs(data: str | None, seeds: range, state: str, full: bool) -> list[Job]:
    """Section D with word vectors of its own."""
    job, trained = partial(opinion, data, state, first=seeds[0]), sentiment.SETTINGS["trained"]
    found = [job("bigrams", sentiment.SETTINGS["bigrams"], s) for s in (seeds if full else seeds[:1])]
    found += [job("trained", trained, s) for s in seeds]
    return [*found, job("linear", replace(trained, layers=0, rate=0.003), seeds[0])]


def frozen_jobs(data: str | None, seeds: range, state: str, vectors: str) -> list[Job]:
    """Section D with frozen ones."""
    job, frozen = partial(opinion, data, state, first=seeds[0], vectors=vectors), sentiment.SETTINGS["frozen"]
    found = [
        job(f"dropout-{rate}", replace(frozen, dropout=rate, epochs=5), s) for rate in DROPOUT[::-1] for s in seeds
    ]
    for layers, f in NETWORKS[::-1]:
        found += [
            job(f"network-{layers}-{f}", replace(frozen, layers=layers, nonlinearity=f, **CONVERGED), s) for s in seeds
        ]
    for layers, f in EARLY:
        found += [job(f"early-{layers}-{f}", replace(frozen, layers=layers, nonlinearity=f), s) for s in seeds]
    return [*found, *(job("frozen", frozen, s) for s in seeds)]


def main() -> None:
    p = parser(__doc__ or "")
    cores = 2 if importlib.util.find_spec("joblib") else 1
    p.add_argument("--jobs", type=positive, default=cores, metavar="N", help=f"worker processes (default {cores})")
    p.add_argument(
        "--scheduler", metavar="ADDRESS", help="run on the dask cluster of this scheduler, such as tcp://host:8786"
    )
    p.add_argument("--full", action="store_true", help="five seeds instead of three")
    args = arguments(p)
    began = time.monotonic()
    bundles: list[Any] = [corpora.characters(args.data), corpora.news(args.data), corpora.film_reviews(args.data)]
    fallback = next((bundle.fallback for bundle in bundles if bundle.fallback), "")
    if fallback:
        print(fallback)
    sources = {name: source.report() for bundle in bundles for name, source in bundle.sources.items()}
    optional = {name: corpora.find(name, args.data) for name in ("news-train", "news-vectors", "glove-6b")}
    sources |= {name: source.report() for name, source in optional.items() if source}
    del bundles

    state = "smoke" if args.smoke else "built-in" if fallback else ""
    count = 1 if args.smoke else 5 if args.full else 2 if fallback else 3
    seeds = range(args.seed, args.seed + count)
    hashes = {name: source["sha256"] for name, source in sources.items()}
    perform = partial(
        perform_all, folder=args.out / "runs", corpora=hashes, workers=args.jobs, scheduler=args.scheduler
    )

    def results() -> Iterator[tuple[str, Any]]:
        first = [
            vectors_job(args.data, state),
            *trained_jobs(args.data, seeds, state, args.full),
            *text_jobs(args.data, seeds, state),
        ]
        for name, found in perform(first):
            if name == "vectors":
                vectors = found["result"]["file"]
            yield name, found
        yield from perform(frozen_jobs(args.data, seeds, state, vectors))

    found, cpu = {}, 0.0
    for name, kept in watched(results(), args.quiet):
        found[name] = kept["result"]
        cpu += kept["seconds"]
    runs, rng = len(found), np.random.default_rng(args.seed)
    found |= {"softmax": softmax_gradient(rng), "by hand": differences(rng), "bases": perplexity_in_bases(rng)}
    found |= {"gradient": bigram_gradient(rng), "line": example_line(args.data)}

    figures = claims.figures(found)
    rows = claims.rows(found, figures, state)
    claims.show(rows)
    smoke = "A few steps of everything, to show that it works: no verdicts."
    whole = {
        "introduction": INTRODUCTION,
        "note": fallback or (smoke if args.smoke else ""),
        "rows": rows,
        "sections": sections(found, figures, state),
        "figures": figures,
        "corpora": sources,
        "seconds": round(time.monotonic() - began, 1),
    }
    write_json(args.out / "report.json", whole)
    write_text(args.out / "report.html", report.page(whole))
    print(f"{args.out / 'report.html'} and report.json written after {whole['seconds']:.0f} s", end=" ")
    print(f"({cpu:.0f} s of CPU in {runs} runs)")


def watched(results: Any, quiet: bool) -> Any:
    """The results, with progress: a bar on a terminal, else nothing."""
    if quiet or not sys.stderr.isatty():
        return results
    try:
        from tqdm import tqdm
    except ImportError:
        return results
    return tqdm(results, desc="runs", unit=" runs", leave=False)


if __name__ == "__main__":
    run(main)

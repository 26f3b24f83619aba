"""Which jobs a reproduction consists of: each experiment with its settings and seeds, smaller on built-in corpora."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import Any

import bigram
import char_rnn
import sentiment

from tinygrad_nlp.nlp import corpora

from .jobs import Job

TEXT, SENTIMENT = "reproduction.text_experiments", "reproduction.sentiment_experiments"
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
        function = f"{TEXT}.validated" if name == "strong" else f"{TEXT}.characters"
        settings = {"data": data, "recipe": asdict(recipe(wanted, state)), "seed": seed}
        return Job(f"{name}-{seed - seeds[0]}", function, settings | more)

    published, own = char_rnn.RECIPES["published"], char_rnn.RECIPES["own"]
    first, steps = seeds[0], {"": bigram.STEPS, "built-in": bigram.STEPS // 10, "smoke": 50}[state]
    found = [characters("own", first, own), characters("own-no-leak", first, own, trained_on="no leak")]
    found += [characters("strong", first, char_rnn.RECIPES["strong"])]
    found += [Job(f"words-{s - first}", f"{TEXT}.words", {"data": data, "steps": steps, "seed": s}) for s in seeds]
    found += [Job("words-faster", f"{TEXT}.words_faster", {"data": data, "steps": steps, "seed": first})]
    if corpora.find("news-train", data) or corpora.find("news-vectors", data):
        found += [
            Job(
                "words-published",
                f"{TEXT}.words_as_published",
                {"data": data, "steps": steps, "seed": first},
            )
        ]
    found += [
        characters(f"char-{cell}", s, replace(published, cell=cell)) for cell in ("lstm", "gru", "rnn") for s in seeds
    ]
    found += [characters(f"char-{name.replace(' ', '-')}", first, published, trained_on=name)
              for name in ("no leak", "held out", "reviews")]  # fmt: skip
    return [*found, Job("readings", f"{TEXT}.readings", {"data": data})]


def vectors_job(data: str | None, state: str) -> Job:
    """Word vectors, which the runs with frozen ones share."""
    glove = corpora.find("glove-6b", data)
    settings = asdict(setting(sentiment.SETTINGS["frozen"], state))
    arguments = {"data": data, "setting": settings, "few": FEW[state], "glove": glove.sha256 if glove else ""}
    return Job("vectors", f"{SENTIMENT}.word_vectors", arguments)


def opinion(
    data: str | None, state: str, name: str, wanted: sentiment.Setting, seed: int, first: int, **more: Any
) -> Job:
    arguments = {"data": data, "setting": asdict(setting(wanted, state)), "seed": seed, "few": FEW[state], **more}
    return Job(f"{name}-{seed - first}", f"{SENTIMENT}.opinions", arguments)


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

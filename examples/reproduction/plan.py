"""Which jobs a reproduction consists of: each experiment with its settings and seeds, smaller on built-in corpora."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from math import inf
from typing import Any

import bigram
import char_rnn
import sentiment
import word_rnn

from tinygrad_nlp.nlp import corpora

from .jobs import Job

WORDS, CHARACTERS = "reproduction.word_experiments", "reproduction.character_experiments"
SENTIMENT = "reproduction.sentiment_experiments"
DROPOUT = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
NETWORKS = [(0, "none"), *((layers, f) for layers in (1, 2, 3) for f in ("none", "relu", "tanh"))]
EARLY = [(0, "none"), (1, "none"), (3, "none"), (1, "relu")]  # stopped where a deeper linear chain may still be ahead
STOPPED = {"epochs": 1, "rate": 0.001}
CONVERGED = {"epochs": 20, "rate": 0.003}  # where it no longer is
CHANGES = {  # of the literal recipe: what each row of the ablation says, and how it differs from decay and clipping
    "decay": ("the rate decays to nothing", {"clip": inf}),
    "gru": ("this, and gradients clipped at 1", {}),
    "rnn": ("both, with a tanh cell", {"cell": "rnn"}),
    "lstm": ("both, with an LSTM cell", {"cell": "lstm"}),
    "short": ("both, with chunks of 100, four times as many", {"chunk": 100, "steps": 8_000}),
    "uniform": ("both, with recurrent weights within ±1/√H", {"orthogonal": False}),
}
FEW = {"": 0, "built-in": 0, "smoke": 2_000}  # reviews, 0 for all
SEEDS = {"": 5, "built-in": 2, "smoke": 1}  # of what is quick
WORD_STEPS = {"": word_rnn.Recipe.steps, "built-in": 300, "smoke": 4}


# %% How much of it
def recipe(recipe: char_rnn.Recipe, state: str) -> char_rnn.Recipe:
    """All of it on the real corpora, a twentieth on the built-in ones, a few steps for --smoke."""
    if state == "smoke":
        return replace(recipe, steps=6, hidden=32, embedding=32)
    if state:
        steps = max(recipe.steps // 20, 100)
        return replace(recipe, steps=steps, warm_up=min(recipe.warm_up, steps // 5))  # 100 would be all of it
    return recipe


def setting(setting: sentiment.Setting, state: str) -> sentiment.Setting:
    """Likewise. The built-in reviews are few and their words fewer, so they take more epochs, each short."""
    if state == "smoke":
        return replace(setting, words=3_000, bigrams=setting.bigrams and 1 << 12, epochs=1, dimension=16, batch=512)
    if state:
        few = {"epochs": 2 * setting.epochs + 4, "rate": 2 * setting.rate, "batch": 64, "dimension": 16}
        return replace(setting, words=3_000, bigrams=setting.bigrams and 1 << 14, **few)
    return setting


# %% What is run
def text_jobs(data: str | None, seeds: range, state: str, full: bool = False) -> list[Job]:
    """Sections A to C."""
    first, recipes, quick = seeds[0], char_rnn.RECIPES, state == "smoke"
    steps = {"": bigram.STEPS, "built-in": bigram.STEPS // 10, "smoke": 50}[state]

    def job(name: str, function: str, seed: int | None = first, **more: Any) -> Job:
        label = name if seed is None else f"{name}-{seed - first}"
        return Job(label, function, {"data": data} | ({} if seed is None else {"seed": seed}) | more)

    def characters(name: str, wanted: char_rnn.Recipe, seed: int = first, **more: Any) -> Job:
        return job(name, f"{CHARACTERS}.characters", seed, recipe=asdict(recipe(wanted, state)), **more)

    many, few = range(first, first + SEEDS[state]), seeds if full else seeds[:1]
    found = [counts_job(data, state)]
    words = asdict(replace(word_rnn.Recipe(), steps=WORD_STEPS[state]))
    found += [job("words-recurrent", f"{WORDS}.words_recurrent", s, recipe=words) for s in few]
    found += [characters("literal", recipes["literal"], s, curves=s == first) for s in many]
    found += [job("words", f"{WORDS}.words", s, steps=steps) for s in seeds]
    found += [job("words-faster", f"{WORDS}.words_faster", steps=steps)]
    if corpora.find("glove-6b", data) and not quick:
        glove = {"dimension": 100, "glove": corpora.find("glove-6b", data).sha256}
        found += [job("words-vectors", f"{WORDS}.words_with_vectors", steps=steps, **glove)]
    if corpora.find("news-train", data) or corpora.find("news-vectors", data):
        found += [job("words-published", f"{WORDS}.words_as_published", steps=steps)]
    published = recipes["published"]
    changed = {name: replace(published, **change) for name, (_, change) in CHANGES.items()}
    found += [
        characters(f"char-{name}", wanted, s) for name, wanted in changed.items() for s in (many if full else many[:1])
    ]
    found += [characters(f"char-{name.replace(' ', '-')}", published, trained_on=name)
              for name in ("no leak", "held out", "reviews", "both")]  # fmt: skip
    found += [characters("own", recipes["own"]), characters("own-no-leak", recipes["own"], trained_on="no leak")]
    found += [
        job(
            "yardsticks",
            f"{CHARACTERS}.yardsticks",
            None,
            orders=[2, 3] if quick else [1, 2, 3, 4, 5, 6, 7, 8],
            pieces=4 if quick else 24,
        )
    ]
    return [*found, job("readings", f"{CHARACTERS}.readings", None)]


def counts_job(data: str | None, state: str) -> Job:
    """The n-grams that the networks of nine tenths are mixed with."""
    order = 4 if state == "smoke" else 9  # better beside a network than 7, which is best alone
    limit = 4_000 if state == "smoke" else None
    return Job("counts", f"{CHARACTERS}.held_out_counts", {"data": data, "order": order, "limit": limit})


def held_out_jobs(data: str | None, seeds: range, state: str, counted: str, full: bool) -> list[Job]:
    """Section B on the last tenth of the text."""

    def job(name: str, seed: int) -> Job:
        more = {
            "counted": counted,
            "online": name == "strong",
            "limit": 4_000 if state == "smoke" else None,
            "recipe": asdict(recipe(char_rnn.RECIPES[name], state)),
        }
        return Job(f"{name}-{seed - seeds[0]}", f"{CHARACTERS}.held_out", {"data": data, "seed": seed, **more})

    return [*(job("best", s) for s in (seeds if full else seeds[:1])), *(job("strong", s) for s in seeds)]


def vectors_job(data: str | None, state: str) -> Job:
    """Frozen word vectors, which the networks on them share."""
    glove = corpora.find("glove-6b", data)
    settings = asdict(setting(sentiment.SETTINGS["frozen"], state)) | {
        "dimension": 16 if state == "smoke" and not glove else 100
    }
    arguments = {"data": data, "setting": settings, "few": FEW[state], "glove": glove.sha256 if glove else ""}
    return Job("vectors", f"{SENTIMENT}.word_vectors", arguments)


def network(
    data: str | None, state: str, name: str, wanted: sentiment.Setting, seed: int, first: int, **more: Any
) -> Job:
    arguments = {"data": data, "setting": asdict(setting(wanted, state)), "seed": seed, "few": FEW[state], **more}
    return Job(f"{name}-{seed - first}", f"{SENTIMENT}.network", arguments)


def trained_jobs(data: str | None, seeds: range, state: str, full: bool) -> list[Job]:
    """Section D with word vectors of its own."""
    job, trained = partial(network, data, state, first=seeds[0]), sentiment.SETTINGS["trained"]
    found = [job("bigrams", sentiment.SETTINGS["bigrams"], s) for s in (seeds if full else seeds[:1])]
    found += [job("trained", trained, s) for s in seeds]
    return [*found, job("linear", replace(trained, layers=0, rate=0.003), seeds[0])]


def frozen_jobs(data: str | None, seeds: range, state: str, vectors: str, full: bool) -> list[Job]:
    """Section D with frozen ones."""
    more = {"vectors": vectors, "first": seeds[0]}
    job, frozen = partial(network, data, state, **more), sentiment.SETTINGS["frozen"]
    many = range(seeds[0], seeds[0] + SEEDS[state])  # they are quick
    plain = replace(frozen, layers=0, hidden_dropout=0.0, epochs=5, rate=0.003)
    found = [job(f"dropout-{r}", replace(plain, dropout=r), s) for r in DROPOUT for s in (seeds if full else seeds[:1])]
    for kind, how in {"network": CONVERGED, "early": STOPPED}.items():
        for layers, f in NETWORKS if kind == "network" else EARLY:
            changed = replace(frozen, layers=layers, nonlinearity=f, hidden_dropout=0.0, **how)
            found += [job(f"{kind}-{layers}-{f}", changed, s) for s in many]
    return [*found, *(job("frozen", frozen, s) for s in many)]


def ngrams_jobs(data: str | None, state: str, network: str) -> list[Job]:
    """Section D with linear n-grams, and the mixture with a network whose log-odds are in a file."""
    arguments = {"data": data, "few": FEW[state], "steps": 5 if state == "smoke" else 40}
    pair = {**arguments, "order": 2}, {**arguments, "order": 3, "network": network}
    return [Job(f"nb{job['order']}", f"{SENTIMENT}.ngrams", job) for job in pair]

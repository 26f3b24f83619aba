"""Whose data is read: what reproduce.py reports, and what every process compares with it before it runs a job."""

from __future__ import annotations

import platform
from functools import cache

from tinygrad_nlp.console import BadInput
from tinygrad_nlp.nlp import corpora

OPTIONAL = ("news-train", "news-vectors", "glove-6b")


def sources(data: str | None) -> tuple[dict[str, corpora.Source], str]:
    """Where each corpus is read from on this machine, and the line to print if some of it is built in, else ""."""
    characters, news = corpora.characters(data), corpora.news(data)
    found, fallback = characters.sources | news.sources, characters.fallback or news.fallback
    try:
        found["imdb"] = corpora.fetch("imdb", data)  # not parsed: that takes seconds, and not every job reads it
    except (corpora.Unavailable, ImportError):
        reviews = corpora.film_reviews(data)
        found, fallback = found | reviews.sources, fallback or reviews.fallback
    return found | {name: source for name in OPTIONAL if (source := corpora.find(name, data))}, fallback


@cache
def check(data: str | None, expected: tuple[tuple[str, str], ...]) -> None:
    """Refuse a process that would read other corpora than expected, (name, sha256) of each; once a process.

    Without this, a worker that lacks the corpora would fall back to built-in text, and nobody would notice.
    """
    found, fallback = sources(data)
    hashes = {name: source.sha256 for name, source in found.items()}
    if hashes != dict(expected):
        wrong = ", ".join(sorted({name for name, _ in {*expected} ^ {*hashes.items()}}))
        remedy = "give --data a folder that every worker sees under the same name"
        raise BadInput(f"{platform.node()} would not read the same corpora ({wrong}): {remedy}. {fallback}".rstrip())

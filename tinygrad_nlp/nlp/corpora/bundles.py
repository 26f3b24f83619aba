"""The corpora of the experiments, ready to use.

`fetch` looks in the data folder (``--data DIR`` or ``TINYGRAD_NLP_DATA``) first and never touches the network for what
it finds there; then in the cache; then it downloads. The bundles `characters`, `news`, `film_reviews` and `review_text`
are what the examples use: with neither a data folder nor a cache nor a network they hold built-in text, and `fallback`
is the line that says so.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from .. import text
from ..text import CorpusError
from . import builtin, reviews
from .download import Unavailable
from .registry import Source, fetch, find

SHAKESPEARE_SPAN = slice(51_094, 52_847)  # the passage of the assignment is verbatim training text
VOCABULARY_SIZE = 2_000


def text_of(name: str, data: str | Path | None = None) -> tuple[str, Source]:
    """The text of one corpus, decoded strictly, and its source. The Shakespeare passage is cut where it has no file."""
    if name == "shakespeare-passage" and find(name, data) is None:
        whole, source = text_of("tiny-shakespeare", data)
        passage = whole[SHAKESPEARE_SPAN]
        return passage, Source("cut from tiny-shakespeare", source.path, _digest(passage))
    source = fetch(name, data)
    return text.read_text(source.path), source


# %% Bundles for the examples
@dataclass(frozen=True)
class Characters:
    """Text for character models, in ASCII.

    Attributes:
        train: tiny-shakespeare (1,115,394 characters).
        familiar: the Shakespeare passage; it is ``train[span]``, so a model has seen it unless the span is left out.
        foreign: the Wikipedia passage: another domain.
        fallback: empty, or the one line to print: the text is built in, and published figures do not compare.
    """

    train: str
    familiar: str
    foreign: str
    span: slice
    sources: dict[str, Source]
    fallback: str = ""

    def without_leak(self, margin: int = 2_000) -> str:
        """The training text without the familiar passage and `margin` characters on either side."""
        return self.train[: max(self.span.start - margin, 0)] + self.train[self.span.stop + margin :]


@dataclass(frozen=True)
class News:
    """Tagged news for word models.

    Attributes:
        vocabulary: 2,000 words.
        sentences: of the dev file, raw words; the last one is empty (see `text.read_tagged`).
        train, test: (previous id, next id) rows (N, 2) of the first 90 % of the sentences, and of the rest.
        word_counts: (2,000,) the counts that the vocabulary file states, for the unigram anchor.
    """

    vocabulary: text.Words
    sentences: list[list[str]]
    train: np.ndarray
    test: np.ndarray
    word_counts: np.ndarray
    sources: dict[str, Source]
    fallback: str = ""


@dataclass(frozen=True)
class FilmReviews:
    """Labelled reviews. `leaked` is the mask of the test reviews that are also in train (123 of 25,000)."""

    train: reviews.Reviews
    test: reviews.Reviews
    leaked: np.ndarray
    sources: dict[str, Source]
    fallback: str = ""


@dataclass(frozen=True)
class ReviewText:
    """Modern English for character models, in ASCII: `train` from training reviews, `held_out` from test reviews."""

    train: str
    held_out: str
    sources: dict[str, Source]
    fallback: str = ""


def characters(data: str | Path | None = None) -> Characters:
    """tiny-shakespeare and the two passages, or its beginning, which the package carries, and modern prose of ours."""

    def real() -> Characters:
        train, familiar, foreign = (
            text_of(name, data) for name in ("tiny-shakespeare", "shakespeare-passage", "wikipedia-passage")
        )
        sources = {"tiny-shakespeare": train[1], "shakespeare-passage": familiar[1], "wikipedia-passage": foreign[1]}
        return Characters(
            text.transliterate(train[0]), familiar[0], text.transliterate(foreign[0]), SHAKESPEARE_SPAN, sources
        )

    def ours(fallback: str) -> Characters:
        train, foreign, span = builtin.shakespeare(), builtin.modern(), SHAKESPEARE_SPAN
        return Characters(train, train[span], foreign, span, _ours(shakespeare=train, modern_prose=foreign), fallback)

    return _real_or(ours, real)


def news(data: str | Path | None = None) -> News:
    """The tagged news dev corpus and its vocabulary, or built-in prose in the same shape."""

    def real() -> News:
        (tagged, tagged_from), (listed, listed_from) = (text_of(name, data) for name in ("news-dev", "news-vocabulary"))
        words, counts = _vocabulary(listed, str(listed_from.path))
        return _news(
            text.Words(words),
            text.read_tagged(tagged),
            counts,
            {"news-dev": tagged_from, "news-vocabulary": listed_from},
        )

    def ours(fallback: str) -> News:
        prose = builtin.prose()
        sentences = text.word_tokens(prose)
        tokens = [word.lower() for sentence in sentences for word in sentence] + [text.END] * len(sentences)
        listed = [text.UNKNOWN, text.START, *text.most_frequent(tokens, VOCABULARY_SIZE - 2)]
        vocabulary = text.Words(listed)
        counts = np.bincount(vocabulary.pairs(sentences)[:, 1], minlength=len(vocabulary)).astype(float)
        return _news(vocabulary, sentences, np.maximum(counts, 1), _ours(prose=prose), fallback)

    return _real_or(ours, real)


def film_reviews(data: str | Path | None = None, parsed: Path | None = None) -> FilmReviews:
    """The 25,000 + 25,000 IMDB reviews, or reviews drawn from a built-in grammar.

    parsed: a folder for the tokens of an archive in the data folder, so that they are found once. Without it nothing is
    written for such an archive, unless TINYGRAD_NLP_CACHE names a folder; those of a downloaded one are in the cache.
    """

    def real() -> FilmReviews:
        source = fetch("imdb", data)
        if source.origin == "data folder" and not parsed and not os.environ.get("TINYGRAD_NLP_CACHE"):
            train, test = reviews.parse(source.path)
        else:
            train, test = reviews.load(source.path, source.sha256, parsed if source.origin == "data folder" else None)
        return FilmReviews(train, test, reviews.also_in(test, train), {"imdb": source})

    def ours(fallback: str) -> FilmReviews:
        drawn, sources = _drawn()
        train, test = reviews.tokenise(drawn)
        return FilmReviews(train, test, reviews.also_in(test, train), sources, fallback)

    return _real_or(ours, real)


def review_text(data: str | Path | None = None, size: int = 1_115_394, held_out: int = 111_540) -> ReviewText:
    """Running text of IMDB reviews, negative and positive in turn, as long as tiny-shakespeare, and a tenth held out.

    The text is as it was written, but for `<br />`, which becomes a line end, and accents (`text.transliterate`). Test
    reviews that are also in train are left out.
    """

    def joined(content: dict[str, str], size: int) -> str:
        names = sorted(content, key=lambda name: (int(name.split("/")[2].partition("_")[0]), name))
        whole = "\n".join(content[name] for name in names).replace("<br />", "\n")
        return text.transliterate(whole[:size])[:size]

    def cut(content: dict[str, str], sources: dict[str, Source], fallback: str = "") -> ReviewText:
        train = {name: review for name, review in content.items() if name.startswith("train/")}
        known = set(train.values())
        test = {name: review for name, review in content.items() if name not in train and review not in known}
        return ReviewText(joined(train, size), joined(test, held_out), sources, fallback)

    def real() -> ReviewText:
        source = fetch("imdb", data)
        return cut(dict(reviews.stream(source.path)), {"imdb": source})

    def ours(fallback: str) -> ReviewText:
        drawn, sources = _drawn()
        return cut(dict(drawn), sources, fallback)

    return _real_or(ours, real)


Bundle = TypeVar("Bundle")


def _real_or(ours: Callable[[str], Bundle], real: Callable[[], Bundle]) -> Bundle:
    try:
        return real()
    except (Unavailable, ImportError) as error:
        return ours(f"Built-in corpora are used, so no published figure compares: {error}")


def _news(
    vocabulary: text.Words,
    sentences: list[list[str]],
    counts: np.ndarray,
    sources: dict[str, Source],
    fallback: str = "",
) -> News:
    cut = int(0.9 * len(sentences))
    return News(
        vocabulary,
        sentences,
        vocabulary.pairs(sentences[:cut]),
        vocabulary.pairs(sentences[cut:]),
        counts,
        sources,
        fallback,
    )


def _vocabulary(listed: str, where: str) -> tuple[list[str], np.ndarray]:
    """The first 2,000 rows `word count frequency`, fields padded with spaces and separated by tabs."""
    rows = [line.split("\t") for line in text.lines(listed)[:VOCABULARY_SIZE]]
    try:
        return [word.strip() for word, _, _ in rows], np.array([float(count) for _, count, _ in rows])
    except ValueError as error:
        raise CorpusError(f"{where}: a row is not `word count frequency` ({error}): fetch it again") from error


def _ours(**texts: str) -> dict[str, Source]:
    return {
        f"built-in {name.replace('_', ' ')}": Source("built-in", Path(), _digest(content))
        for name, content in texts.items()
    }


def _drawn() -> tuple[list[tuple[str, str]], dict[str, Source]]:
    drawn = builtin.drawn_reviews(np.random.default_rng(0))
    return drawn, _ours(reviews="\n".join(f"{name}\t{review}" for name, review in drawn))


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()

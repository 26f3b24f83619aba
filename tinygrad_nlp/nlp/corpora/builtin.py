"""Corpora that need no file and no network: what a run falls back to, in the same shape as the real ones.

Figures measured on them say that the code works; they do not compare with anything published.
"""
# tested in tests/nlp/corpora/test_bundles.py

from __future__ import annotations

import pydoc_data.topics
from pathlib import Path

import numpy as np

from .. import text


def prose() -> str:
    """English prose that every CPython carries: the paragraphs of its language reference, one a line, in ASCII.

    About 200,000 characters; the exact text depends on the version of Python.
    """
    topics = pydoc_data.topics.topics
    paragraphs = (" ".join(paragraph.split()) for topic in sorted(topics) for paragraph in topics[topic].split("\n\n"))
    whole = (paragraph for paragraph in paragraphs if paragraph[:1].isupper() and paragraph.endswith("."))  # no code
    return text.transliterate("\n".join(dict.fromkeys(whole)) + "\n")


def shakespeare() -> str:
    """The first 200,000 characters of tiny-shakespeare: public domain, and the published passage is among them."""
    return carried("shakespeare.txt")


def modern() -> str:
    """Five paragraphs of modern English that we wrote, in the place of an encyclopedia's."""
    return carried("modern.txt")


def carried(name: str) -> str:
    """A text that the package carries."""
    return text.read_text(Path(__file__).with_name(name))


# %% Reviews from a grammar, with the traits that fool a model
def _list(words: str) -> list[str]:
    return [" ".join(word.split()) for word in words.split("/")]


_ASPECTS = _list("""plot / acting / script / music / photography / ending / pacing / cast / dialogue / direction /
    editing / humour / romance / atmosphere / costumes / soundtrack / opening / finale / story / lead""")
_GOOD = _list("""wonderful / superb / moving / clever / funny / gripping / brilliant / charming / beautiful /
    memorable / fresh / honest / touching / delightful / masterful / elegant / powerful / rich""")
_BAD = _list("""awful / boring / clumsy / dull / tedious / silly / predictable / lifeless / painful / shallow / stale /
    terrible / lazy / dreadful / pointless / wooden / messy / cheap""")
_PEOPLE = _list("""a young lawyer / two sisters / an old sailor / a retired teacher / three thieves / a small town /
    a travelling band""")
_DEEDS = _list("""crossed the country in one week / inherited a house by the sea / lost a letter and found a map /
    looked for work in the capital / met a stranger on the night train / got ready for a wedding""")
_PLAIN = _list("""The {a} is {own}. / What {own} {a}! / I found the {a} {own} and the {b} {own2}. /
    {own} {a}, {own2} {b}.""")
_NEGATION = _list("""The {a} is not {other} at all. / I can't call the {a} {other}. /
    There is nothing {other} about the {a}. / Nobody could say that the {a} was {other}. /
    The {a} was never {other}, not even the {b}.""")
_CONTRAST = _list("""The {a} may be {other}, but the {b} is {own}. / It looks {other} at first and turns out {own}. /
    Although the {a} is {other} and {other2}, the film is {own}. /
    Everyone told me it was {other} and {other2}; they were wrong.""")
_SUMMARY = _list("""It tells of {who} and how the summer went by. /
    The film is about {who}, and {who2} whom nobody expects. /
    In the first hour {who} {deed}, and later {who2} {deed2}.""")
_DIGRESSIONS = _list("""I saw it on a rainy Tuesday with my cousin, who had a {other} seat and a {own} cold. /
    The cinema on our street sells {other} popcorn, and the man at the door once told me a {other} tale about his dog. /
    Before the film they showed a {other} trailer, then a {other} advertisement for shoes, and the lights stayed on. /
    My neighbour, a {other} cook with a {own} garden, lent me the disc last winter and asked for it back twice.""")


def drawn_reviews(rng: np.random.Generator, train: int = 3_000, test: int = 1_000) -> list[tuple[str, str]]:
    """(name, text) of `train` + `test` reviews, half of them positive, named as those of the real archive are.

    Each has three to five sentences of opinion (plain, negated, or in contrast with its opposite), and most have a
    neutral summary or a digression full of words that are about something else.
    """
    return [
        (
            f"{split}/{'pos' if label else 'neg'}/{number}_{rng.integers(7, 11) if label else rng.integers(1, 5)}",
            _review(rng, bool(label)),
        )
        for split, count in (("train", train), ("test", test))
        for number in range(count // 2)
        for label in (0, 1)
    ]


def _review(rng: np.random.Generator, positive: bool) -> str:
    own, other = (_GOOD, _BAD) if positive else (_BAD, _GOOD)
    kinds = [*[_PLAIN] * 6, _NEGATION, _CONTRAST]  # with fewer plain ones a mean of words knows little
    forms = [kinds[i] for i in rng.integers(len(kinds), size=rng.integers(3, 6))]
    forms += [_SUMMARY] * int(rng.random() < 0.7) + [_DIGRESSIONS] * int(rng.random() < 0.5)
    sentences = [_draw(rng, forms[i], own, other) for i in rng.permutation(len(forms))]
    return (" " if rng.random() < 0.7 else "<br /><br />").join(sentences)


def _draw(rng: np.random.Generator, forms: list[str], own: list[str], other: list[str]) -> str:
    def two(words: list[str]) -> tuple[str, str]:
        i, step = rng.integers(len(words)), rng.integers(1, len(words))
        return words[i], words[i - step]  # never the same twice

    (a, b), (own1, own2), (other1, other2) = two(_ASPECTS), two(own), two(other)
    (who, who2), (deed, deed2) = two(_PEOPLE), two(_DEEDS)
    sentence = forms[rng.integers(len(forms))].format(
        a=a, b=b, own=own1, own2=own2, other=other1, other2=other2, who=who, who2=who2, deed=deed, deed2=deed2
    )
    return sentence[0].upper() + sentence[1:]

"""Text becomes integer arrays: strict decoding, vocabularies, tokenisers, batches of characters.

Every random function takes `rng`. Batches of whole reviews are in `bags`.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..files import FileError

UNKNOWN = "UUUNKKK"  # the unknown word of the course's vocabulary
START, END = "<s>", "</s>"
REVIEW_TOKENS = 1  # version of review_tokens: parsed caches made by another one are not read


# %% From bytes to text
class CorpusError(FileError):
    """A corpus cannot be used. The message is one line: what, where, and the remedy. Scripts print it and exit 2."""


def decode(data: bytes, name: str = "text") -> str:
    """Decode UTF-8 strictly; a leading byte-order mark goes, every other character stays (CR, U+0085 …).

    Raises:
        CorpusError: not UTF-8, or a NUL byte (then it is no text file); names the byte offset.

    >>> decode("naïve".encode())
    'naïve'
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise CorpusError(f"{name}: byte 0: this is UTF-16, not UTF-8: convert it (iconv -f UTF-16 -t UTF-8)")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{name}: byte {error.start:,} (0x{data[error.start]:02x}) is not UTF-8 ({error.reason}):"
            " convert it to UTF-8, or fetch it again if it is damaged"
        ) from None
    if "\0" in text:
        raise CorpusError(f"{name}: byte {data.index(0):,} is NUL: no text file, or a damaged one: fetch it again")
    return text.removeprefix("\ufeff")


def read_text(path: str | Path, cap: int = 1 << 28) -> str:
    """Read a text file of at most `cap` bytes: `decode`, and an empty file is an error. Line ends stay as they are."""
    try:
        with open(path, "rb") as file:
            data = file.read(cap + 1)
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror}: check the name and the permissions") from None
    if not data:
        raise CorpusError(f"{path} is empty: there is nothing to train or test on; fetch it again")
    if len(data) > cap:
        raise CorpusError(f"{path} has more than {cap:,} bytes: train on a part of it (head -c {cap})")
    return decode(data, str(path))


def lines(text: str) -> list[str]:
    """The lines of a text, without LF or CRLF. Unlike `str.splitlines`, U+0085, form feeds and so on end no line.

    >>> lines("one\\r\\ntwo\\x85still two\\n")
    ['one', 'two\\x85still two']
    """
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


_PLAIN = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′´", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        "\x85": "\n",
        "×": "x",
        "•": "*",
        "ß": "ss",
        "æ": "ae",
        "Æ": "AE",
        "œ": "oe",
        "Œ": "OE",
        "ø": "o",
        "Ø": "O",
        "ł": "l",
        "Ł": "L",
    }
)


def transliterate(text: str) -> str:
    """The nearest ASCII text: accents go (Unicode NFKD), quotes and dashes become plain, what is left becomes "?".

    >>> transliterate("“Māori” – naïve…")
    '"Maori" - naive...'
    """
    if text.isascii():
        return text
    text = text.translate(_PLAIN)
    return text.translate({ord(c): _ascii(c) for c in set(text) if not c.isascii()})


def _ascii(character: str) -> str:
    """One character at a time: NFKD sorts the marks of a whole text, in a time that grows with their number squared."""
    base = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    return base.encode("ascii", "replace").decode("ascii")


# %% Vocabularies
class Characters:
    """An alphabet: character i has id i.

    >>> letters = Characters("abc")
    >>> letters.encode("cab"), letters.decode([2, 0, 1])
    (array([2, 0, 1]), 'cab')
    """

    def __init__(self, alphabet: str = string.printable) -> None:
        if not alphabet or len(set(alphabet)) < len(alphabet):
            raise ValueError(f"an alphabet needs one or more characters, each once; got {alphabet!r}")
        self.alphabet = alphabet
        codes = _code_points(alphabet)
        self._order = np.argsort(codes)
        self._codes = codes[self._order]

    def __len__(self) -> int:
        return len(self.alphabet)

    def encode(self, text: str) -> np.ndarray:
        """Ids (T,), int64. Raises ValueError naming the first unknown character, its position and the nearest known."""
        codes = _code_points(text)
        place = np.minimum(np.searchsorted(self._codes, codes), len(self) - 1)
        wrong = self._codes[place] != codes
        if wrong.any():
            at = int(wrong.argmax())
            raise ValueError(
                f"{text[at]!r} (U+{codes[at]:04X}) at position {at:,} is not in the alphabet of"
                f" {len(self)} characters; the nearest known one is {self.nearest(text[at])!r}"
            )
        return self._order[place]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of these ids (T,). Raises ValueError for what encode() could not give, naming its position."""
        given = np.array(list(ids))
        if given.size and (given.ndim != 1 or given.dtype.kind not in "iu"):
            raise ValueError(
                f"ids are whole numbers (T,), these are {given.dtype} {given.shape}: encode() gives such ids"
            )
        wrong = (given < 0) | (given >= len(self))
        if wrong.any():
            at = int(wrong.argmax())
            raise ValueError(f"id {given[at]} at position {at:,} is outside the alphabet, 0 to {len(self) - 1}")
        return "".join(self.alphabet[i] for i in given)

    def nearest(self, character: str) -> str:
        """The known character nearest to an unknown one: without its accent or case, else the closest code point."""
        base = transliterate(character)[:1]
        for other in (base, base.swapcase(), character.swapcase()):
            if other and other in self.alphabet and other != "?":
                return other
        return min(self.alphabet, key=lambda known: abs(ord(known) - ord(character)))


class Words:
    """The word list of the tagged news corpus, with its canonical form for words outside it.

    >>> words = Words([UNKNOWN, START, END, "the", "DGDGDG"])
    >>> [words.canonical(w) for w in ("The", "747", "zyx", ",")]
    ['the', 'DGDGDG', 'UUUNKKK', 'UUUNKKK']
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self.ids = {word: i for i, word in enumerate(self.words)}
        if len(self.ids) < len(self.words):
            twice = Counter(self.words).most_common(1)[0][0]
            raise CorpusError(f"the vocabulary lists {twice!r} twice: fetch it again")
        if missing := {UNKNOWN, START, END} - self.ids.keys():
            raise CorpusError(f"the vocabulary of {len(self.words)} words lacks {sorted(missing)}: fetch it again")

    def __len__(self) -> int:
        return len(self.words)

    def canonical(self, word: str) -> str:
        """Lower case; if that is unknown and has no letter, digits become DG and thousands commas go; else UUUNKKK."""
        word = word.lower()
        if word not in self.ids and not any(c.isalpha() for c in word):
            word = re.sub(r"\d", "DG", word)
            word = word.replace(",", "") if word.startswith("DG") else word
        return word if word in self.ids else UNKNOWN

    def encode(self, words: Iterable[str]) -> np.ndarray:
        """Ids (T,), int64, of the canonical forms."""
        return np.array([self.ids[self.canonical(word)] for word in words], dtype=np.int64)

    def pairs(self, sentences: Iterable[Sequence[str]]) -> np.ndarray:
        """(previous id, next id) rows (N, 2) of sentences padded ``<s> <s> … </s>``, from the third token on."""
        rows = [np.concatenate([[self.ids[START]], self.encode(sentence), [self.ids[END]]]) for sentence in sentences]
        return np.concatenate([np.stack([row[:-1], row[1:]], axis=1) for row in rows] or [np.empty((0, 2), np.int64)])

    def unknown_share(self, words: Iterable[str]) -> float:
        """The share of these words that become UUUNKKK, 0 to 1. Raises ValueError for no words."""
        ids = self.encode(words)
        if not ids.size:
            raise ValueError("the share of unknown words among no words: give a text with at least one")
        return float(np.mean(ids == self.ids[UNKNOWN]))


def most_frequent(tokens: Iterable[str], size: int) -> list[str]:
    """The `size` most frequent tokens, most frequent first, ties in alphabetical order."""
    return [word for word, _ in sorted(Counter(tokens).items(), key=lambda item: (-item[1], item[0]))[:size]]


# %% Tokenisers
_TOKEN = re.compile(r"\w+(?:'\w+)?|[^\w\s]")


def review_tokens(text: str) -> list[str]:
    """Lower case, `<br />` as white space; words (with one apostrophe inside) and punctuation marks as tokens.

    >>> review_tokens("Didn't like it.<br /><br />Boring!")
    ["didn't", 'like', 'it', '.', 'boring', '!']
    """
    return _TOKEN.findall(text.lower().replace("<br />", " "))


def word_tokens(text: str) -> list[list[str]]:
    """One list of tokens a line that is not blank: the word protocol for a passage of raw text."""
    return [tokens for line in lines(text) if (tokens := _TOKEN.findall(line))]


def line_tokens(text: str) -> list[list[str]]:
    """Each line as *one token*: what a `word<TAB>tag` reader makes of raw text, and the published figures' protocol."""
    return read_tagged(text)


def read_tagged(text: str) -> list[list[str]]:
    """Sentences of a tagged corpus: `word<TAB>tag` lines, a blank line or `-DOCSTART-` between sentences.

    What follows the last blank line counts as a sentence even if nothing does, as in the course's own reader: the
    published split (109,303 and 13,136 pairs) has that empty sentence.
    """
    sentences: list[list[str]] = []
    current: list[str] = []
    for line in lines(text):
        word = line.partition("\t")[0].strip()
        if word and word != "-DOCSTART-":
            current.append(word)
        elif current:
            sentences.append(current)
            current = []
    return [*sentences, current]


# %% Batches of characters
def streams(ids: np.ndarray, steps: int, batch: int = 1) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut a text into `batch` parallel streams and yield chunks in order, so that a hidden state can be carried along.

    Yields inputs and targets (T, B), time-major, T ≤ `steps` (the last chunk may be shorter); targets are the inputs
    one character on. Fewer than `batch` characters at the end are left out. Raises ValueError for a text that does not
    fill the streams.

    >>> [x.T.tolist() for x, _ in streams(np.arange(9), steps=3, batch=2)]
    [[[0, 1, 2], [4, 5, 6]], [[3], [7]]]
    """
    _check_sizes(steps, batch)
    length = (len(ids) - 1) // batch
    if length < 1:
        raise ValueError(f"{len(ids)} characters do not fill {batch} streams: use a longer text or a smaller batch")
    inputs, targets = (part[: length * batch].reshape(batch, length).T for part in (ids, ids[1:]))
    for start in range(0, length, steps):
        yield inputs[start : start + steps], targets[start : start + steps]


def _check_sizes(steps: int, batch: int) -> None:
    for name, value in (("steps", steps), ("batch", batch)):
        if value < 1:
            raise ValueError(f"{name} is {value}: use 1 or more")


def random_chunks(ids: np.ndarray, steps: int, batch: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets (T, B) of `batch` chunks from random places, T = `steps`, with repetition."""
    _check_sizes(steps, batch)
    if len(ids) <= steps:
        raise ValueError(
            f"{len(ids)} characters are too few for a chunk of {steps} and its next character: use shorter chunks"
        )
    at = rng.integers(len(ids) - steps, size=batch) + np.arange(steps + 1)[:, None]
    chunk = ids[at]
    return chunk[:-1], chunk[1:]


def _code_points(text: str) -> np.ndarray:
    """Unicode code points (T,), uint32."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")

"""Word vectors as text: a word and its numbers on each line, in the formats of GloVe, word2vec and fastText.

Read line by line from a text file, a gzip file, or straight out of the published zip, which is never extracted.
"""

from __future__ import annotations

import contextlib
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from . import text
from .text import CorpusError

ROW_CAP = 1 << 16  # bytes of one row; a row of 300 numbers has about 3,000
ROWS_CAP = 5_000_000  # the largest published table has 2,200,000
UNPACKED = 30  # times the file's own size, and 1 MiB: the published ones have 2.6 times their size


@dataclass(frozen=True)
class Vectors:
    """A table for a vocabulary: `table` (V, D) float32 with zeros for words not found, `found` (V,) bool."""

    table: np.ndarray
    found: np.ndarray

    @property
    def coverage(self) -> float:
        """The share of the vocabulary that has a vector, 0 to 1."""
        return float(self.found.mean())


def read_vectors(path: Path, words: list[str], width: int, member: str | None = None) -> Vectors:
    """The vectors of `words`: from a text file, plain or gzip, or from the `member` of a zip such as
    ``"glove.6B.100d.txt"``.

    The last `width` fields of a line are its numbers, and what is before them is the word, which may contain spaces
    (". . ." in glove.840B). A first line "rows width", as word2vec and fastText write it, is compared with what
    follows. Raises CorpusError naming the line: a row whose width is not `width`, a word of `words` that has two
    different rows, or, in a row that is used, a number that is not finite in float32.
    """
    where = f"{path}:{member}" if member else str(path)
    places: dict[str, list[int]] = {}
    for place, word in enumerate(words):  # a word may be asked for twice
        places.setdefault(word, []).append(place)
    table, found = np.zeros((len(words), width), dtype=np.float32), np.zeros(len(words), dtype=bool)
    rows, stated = 0, None
    try:
        with _opened(path, member) as file:
            for number, line in enumerate(_lines(file, UNPACKED * path.stat().st_size + (1 << 20), where), 1):
                if number == 1 and (stated := _header(line, width, where)):
                    continue
                if not line:
                    continue
                rows += 1
                if rows > ROWS_CAP:
                    raise CorpusError(f"{where} has more than {ROWS_CAP:,} rows: choose a smaller table")
                word, values = _fields(line, width, f"{where}: line {number:,}", stated)
                wanted = places.get(word, [])
                if wanted:
                    vector = _numbers(values, where, number)
                    if found[wanted[0]] and not np.array_equal(table[wanted[0]], vector):
                        what = f"line {number:,}: {word!r} is there twice, with other numbers"
                        raise CorpusError(f"{where}: {what}: delete one of its two rows")
                    table[wanted], found[wanted] = vector, True
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise CorpusError(f"{where} is damaged ({error}): fetch it again") from error
    except OSError as error:
        raise CorpusError(f"cannot read {where}: {error.strerror or error}: check the name") from error
    if not rows:
        raise CorpusError(f"{where} is empty: fetch it again")
    if stated and stated != rows:
        what = f"its first line promises {stated:,} rows, it has {rows:,}"
        raise CorpusError(f"{where}: {what}: fetch it again, or correct that line if you cut the file yourself")
    return Vectors(table, found)


def member(path: Path, width: int) -> str | None:
    """The name of GloVe 6B's table of this width if the file is its zip, None if it is a text file."""
    return f"glove.6B.{width}d.txt" if zipfile.is_zipfile(path) else None


def glove_tokens(word: str) -> list[str]:
    """A token of ours as the tokens that GloVe was made with, which cut contractions in two.

    >>> glove_tokens("didn't"), glove_tokens("it's"), glove_tokens("cannot"), glove_tokens("film")
    (['did', "n't"], ['it', "'s"], ['can', 'not'], ['film'])
    """
    if word == "cannot":
        return ["can", "not"]
    if word.endswith("n't"):
        return [part for part in (word[:-3], "n't") if part]
    stem, apostrophe, rest = word.partition("'")
    return [part for part in (stem, apostrophe + rest) if part]


def filled(vectors: Vectors, rng: np.random.Generator) -> np.ndarray:
    """The table (V, D) with a random vector for each word that has none, with the spread of those that have one.

    Zeros would make all of these words one and the same.
    """
    table, missing = vectors.table.copy(), ~vectors.found
    scale = table[vectors.found].std() if vectors.found.any() else 1.0
    table[missing] = rng.normal(0, scale, (int(missing.sum()), table.shape[1]))
    return table


@contextlib.contextmanager
def _opened(path: Path, member: str | None) -> Iterator[IO[bytes] | gzip.GzipFile]:
    if member is None:
        with open(path, "rb") as file:
            start = file.read(4)
            file.seek(0)
            if start == b"PK\3\4":
                with zipfile.ZipFile(file) as archive:
                    names = ", ".join(archive.namelist()[:8])
                raise CorpusError(f"{path} is a zip: name the member to read, member=, one of {names}")
            if start[:2] == b"\x1f\x8b":
                with gzip.open(file) as unzipped:
                    yield unzipped
            else:
                yield file
        return
    with zipfile.ZipFile(path) as archive:
        if member not in archive.namelist():
            raise CorpusError(f"{path} has no member {member!r}: choose one of {', '.join(archive.namelist()[:8])}")
        with archive.open(member) as unzipped:
            yield unzipped


def _lines(file: IO[bytes] | gzip.GzipFile, cap: int, where: str) -> Iterator[bytes]:
    """Without the white space at their ends: word2vec's and fastText's own writers put a space there."""
    while line := file.readline(ROW_CAP):
        cap -= len(line)
        if cap < 0:
            raise CorpusError(f"{where} unpacks to more than {UNPACKED} times its size: fetch the published file")
        yield line.rstrip()


def _header(line: bytes, width: int, where: str) -> int | None:
    """The number of rows that a first line "rows width" promises; None if the first line is a row like all others."""
    fields = line.split()
    if len(fields) != 2 or width == 1 or not all(field.isdigit() for field in fields):
        return None
    if int(fields[1]) != width:
        raise CorpusError(f"{where}: its first line says width {int(fields[1])}, not {width}: ask for that width")
    return int(fields[0])


def _fields(line: bytes, width: int, where: str, stated: int | None) -> tuple[str, list[bytes]]:
    """A row's word and its numbers, which are still text."""
    word, *values = line.rsplit(None, width)
    last = word.split()[-1:]  # a word may have spaces in it, but then it does not end in a number
    if len(values) != width or (last != [word] and _is_number(last[0])):
        count = len(values) if len(values) < width else sum(map(_is_number, line.split()[1:]))
        remedy = "choose the file of that width, or fetch it again"
        if stated and b"\0" in line:
            remedy = "word2vec's binary format is not read here, so save it as text"
        raise CorpusError(f"{where} has {count} numbers, not {width}: {remedy}")
    return text.decode(word, where), values


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _numbers(values: list[bytes], where: str, number: int) -> np.ndarray:
    try:
        row = np.array([float(value) for value in values])
    except ValueError as error:
        raise CorpusError(f"{where}: line {number:,}: {error}: fetch it again") from None
    if not (np.abs(row) < np.finfo(np.float32).max).all():  # false for NaN as well
        raise CorpusError(f"{where}: line {number:,} has a number that is not finite: fetch it again")
    return row

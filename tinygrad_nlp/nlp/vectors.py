"""Word vectors in GloVe's text format: a word and its numbers, parted by single spaces, one row a line.

Read line by line from a text file or straight out of the published zip, which is never extracted.
"""

from __future__ import annotations

import contextlib
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
    """The vectors of `words`: from a text file, or from the `member` of a zip such as ``"glove.6B.100d.txt"``.

    Raises CorpusError naming the line: a row whose width is not `width`, a word listed twice, or, in a row that is
    used, a number that is not finite in float32.
    """
    where = f"{path}:{member}" if member else str(path)
    row_of = {word: row for row, word in enumerate(words)}
    table, found = np.zeros((len(words), width), dtype=np.float32), np.zeros(len(words), dtype=bool)
    seen: set[bytes] = set()
    try:
        with _opened(path, member) as file:
            for number, line in enumerate(_rows(file), 1):
                if number > ROWS_CAP:
                    raise CorpusError(f"{where} has more than {ROWS_CAP:,} rows: choose a smaller table")
                word, *values = line.split(b" ")
                if len(values) != width:
                    raise CorpusError(
                        f"{where}: line {number:,} has {len(values)} numbers, not {width}: choose the"
                        f" file of width {width}, or fetch it again"
                    )
                if word in seen:
                    raise CorpusError(
                        f"{where}: line {number:,}: {word.decode(errors='replace')!r} is there twice: fetch it again"
                    )
                seen.add(word)
                row = row_of.get(text.decode(word, f"{where}: line {number:,}"))
                if row is not None:
                    table[row], found[row] = _numbers(values, where, number), True
    except OSError as error:
        raise CorpusError(f"cannot read {where}: {error.strerror or error}: check the name") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise CorpusError(f"{where} is damaged ({error}): fetch it again") from error
    if not seen:
        raise CorpusError(f"{where} is empty: fetch it again")
    return Vectors(table, found)


@contextlib.contextmanager
def _opened(path: Path, member: str | None) -> Iterator[IO[bytes]]:
    if member is None:
        with open(path, "rb") as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive:
        if member not in archive.namelist():
            raise CorpusError(f"{path} has no member {member!r}: choose one of {', '.join(archive.namelist()[:8])}")
        with archive.open(member) as unzipped:
            yield unzipped


def _rows(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(ROW_CAP):
        yield line.removesuffix(b"\n").removesuffix(b"\r")


def _numbers(values: list[bytes], where: str, number: int) -> np.ndarray:
    try:
        row = np.array([float(value) for value in values])
    except ValueError as error:
        raise CorpusError(f"{where}: line {number:,}: {error}: fetch it again") from None
    if not (np.abs(row) < np.finfo(np.float32).max).all():  # false for NaN as well
        raise CorpusError(f"{where}: line {number:,} has a number that is not finite: fetch it again")
    return row

"""Film reviews (Maas et al. 2011): streamed from the archive, tokenised once, cached as arrays.

The archive is never extracted. A member is read only if it is a regular file whose *full* name is one of a review; what
could do harm elsewhere (links, devices, absolute names, `..`, duplicates, oversized members) is refused by name.
"""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path

import numpy as np

from ...files import FileError, digest, say
from ...npz import read_npz, write_npz
from .. import bags, text
from ..text import CorpusError
from .download import Unavailable, cache_folder, locked

REVIEW = re.compile(r"aclImdb/((train|test)/(neg|pos)/(\d{1,9})_(\d{1,2}))\.txt")
MEMBER_CAP = 1 << 20  # bytes of one review; the longest has 13,704
TOTAL_CAP = 1 << 30  # bytes of everything in the archive, read or skipped
UNPACKED = 8  # times the archive's own size, and 4 MiB: the published one has 4.3 times its size
HEADER_CAP = 1 << 10  # bytes of one header; tarfile takes a time that grows with their square for some of them
HEADERS = 16  # reads for one member: headers may name another header, and tarfile calls itself for each
FORMAT = 2  # of the parsed cache


@dataclass(frozen=True)
class Reviews:
    """Tokenised reviews as bags of word ids, numbered by falling frequency in the training reviews.

    So the V most frequent words are ids below V, and ``np.minimum(ids, V - 1)`` is the text in a vocabulary of V whose
    last row stands for every rarer word.

    Attributes:
        ids: (N,) int32, all reviews one after the other.
        offsets: (B,) int64, where each review starts.
        labels: (B,) int64, 0 negative and 1 positive.
        names: (B,) such as ``test/pos/5950_10``.
        vocabulary: the word of every id.
    """

    ids: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    names: np.ndarray
    vocabulary: list[str]

    def __len__(self) -> int:
        return len(self.offsets)

    @cached_property
    def _row(self) -> dict[str, int]:
        return {str(name): row for row, name in enumerate(self.names)}

    def row(self, name: str) -> int:
        """The row of a review by its name. Raises KeyError."""
        return self._row[name]

    def words(self, row: int) -> list[str]:
        """The tokens of one review."""
        return [self.vocabulary[i] for i in bags.take(self.ids, self.offsets, np.array([row]))[0]]

    def take(self, rows: np.ndarray) -> Reviews:
        """Some of the reviews: row numbers, or a mask (B,)."""
        rows = np.arange(len(self))[rows]
        return Reviews(*bags.take(self.ids, self.offsets, rows), self.labels[rows], self.names[rows], self.vocabulary)


def also_in(test: Reviews, train: Reviews) -> np.ndarray:
    """Mask (B,) of the test reviews whose tokens are those of some training review (123 of the 25,000)."""

    def contents(reviews: Reviews) -> Iterator[bytes]:
        return (part.tobytes() for part in np.split(reviews.ids, reviews.offsets[1:]))

    known = set(contents(train))
    return np.array([content in known for content in contents(test)], dtype=bool)


# %% The archive
def stream(archive: Path, member_cap: int = MEMBER_CAP, total_cap: int = TOTAL_CAP) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of every review in the tar.gz, in the archive's order. Raises CorpusError."""
    seen = set()
    try:
        total_cap = min(total_cap, UNPACKED * archive.stat().st_size + (1 << 22))
        with gzip.open(archive) as unzipped, _tar(source := _Forward(unzipped, total_cap)) as tar:
            while (member := source.headers_of(tar)) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # 100,000 of them would be kept
                match = REVIEW.fullmatch(member.name.removeprefix("./"))  # as `tar -c .` names it
                if member.name.startswith("/") or ".." in member.name.split("/"):
                    raise _refused(member, "its name leads out of the archive")
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
                    raise _refused(member, "it is a link or a device, not a regular file")
                if match is None or member.isdir():
                    continue
                if member.size > member_cap:
                    raise _refused(member, f"it has {member.size:,} bytes, more than the cap of {member_cap:,}")
                if match[1] in seen:
                    raise _refused(member, "it is there twice")
                seen.add(match[1])
                yield match[1], text.decode(source.content(member.size), member.name)
            while rest := source.content(1 << 16):  # up to the checksum at the end of the gzip stream
                if rest.strip(b"\0"):
                    raise tarfile.ReadError(f"unreadable after review {len(seen):,}")
    except CorpusError as error:
        raise CorpusError(f"{archive}: {error}") from error.__cause__
    except OSError as error:
        raise CorpusError(f"cannot read {archive}: {error.strerror or error}: fetch it again") from error
    except (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError) as error:
        raise CorpusError(f"{archive} is damaged ({error}): fetch it again") from error


def _tar(source: _Forward) -> tarfile.TarFile:
    return tarfile.open(fileobj=source, mode="r:")  # type: ignore[call-overload]  # it needs no more


def _refused(member: tarfile.TarInfo, why: str) -> CorpusError:
    return CorpusError(f"member {member.name!r} refused, {why}: do not use this archive, fetch the published one")


class _Forward:
    """A stream that only goes forward, and no further than `cap` bytes, with few and small headers.

    tarfile believes the sizes that an archive claims, and follows headers without end; this does not.
    """

    def __init__(self, stream: gzip.GzipFile, cap: int) -> None:
        self.stream, self.cap, self.reads, self.last = stream, cap, 0, b""

    def headers_of(self, tar: tarfile.TarFile) -> tarfile.TarInfo | None:
        """The next member, or None at the end: there are zeros, or nothing. tarfile stops at a broken header too."""
        self.reads = 0
        if (member := tar.next()) is None and self.last.strip(b"\0"):
            raise tarfile.ReadError("a header that is none")
        return member

    def tell(self) -> int:
        return self.stream.tell()

    def seek(self, position: int) -> int:
        if position < self.tell():
            raise tarfile.ReadError("a member of negative size")
        self._check(position)
        return self.stream.seek(position)

    def read(self, size: int) -> bytes:
        """Of a header, for tarfile."""
        self.reads += 1
        if not 0 <= size <= HEADER_CAP or self.reads > HEADERS:
            raise tarfile.ReadError(f"a header of {size:,} bytes" if self.reads <= HEADERS else "headers of headers")
        data = self.content(size)
        if re.search(rb"[0-9]{21}", data):
            raise tarfile.ReadError("a header with a number of more than 20 digits")
        self.last = data
        return data

    def content(self, size: int) -> bytes:
        if not 0 <= size <= MEMBER_CAP:
            raise tarfile.ReadError(f"a member of {size:,} bytes")
        self._check(self.tell() + 1)
        return self.stream.read(size)

    def _check(self, position: int) -> None:
        if position > self.cap:
            raise CorpusError(f"holds more than the cap of {self.cap:,} bytes: fetch the published archive")


# %% Tokens, once
def tokenise(reviews: Iterable[tuple[str, str]]) -> tuple[Reviews, Reviews]:
    """Training and test reviews from (name, text) in any order: sorted by name, so the archive's order does not matter.

    Raises CorpusError when either split has no reviews of one label, and when no review holds a word.
    """
    first_seen: defaultdict[str, int] = defaultdict(count().__next__)  # each new word gets the next number
    rows = []
    for name, content in reviews:
        ids = np.fromiter(map(first_seen.__getitem__, text.review_tokens(content)), dtype=np.int32)
        split, label, number = name.split("/")
        rows.append((split != "train", label, int(number.partition("_")[0]), name, ids))
    rows.sort(key=lambda row: row[:4])
    train_rows = sum(not test for test, *_ in rows)
    for split, part in (("train", rows[:train_rows]), ("test", rows[train_rows:])):
        if {label for _, label, *_ in part} != {"neg", "pos"}:
            raise CorpusError(f"it has {len(part):,} {split} reviews, and both labels are needed: fetch it again")

    if not first_seen:
        raise CorpusError(f"its {len(rows):,} reviews are all empty: fetch it again")

    words = np.array(list(first_seen), dtype=object)
    flat, offsets = bags.from_lists([row[-1] for row in rows], np.int32)
    counts = np.bincount(flat[: offsets[train_rows]], minlength=len(words))
    order = np.array(sorted(range(len(words)), key=lambda i: (-counts[i], words[i])))
    rank = np.empty(len(words), dtype=np.int32)
    rank[order] = np.arange(len(words))
    labels = np.array([label == "pos" for _, label, *_ in rows], dtype=np.int64)
    names = np.array([name for *_, name, _ in rows])
    everything = Reviews(rank[flat], offsets, labels, names, words[order].tolist())
    return everything.take(np.arange(train_rows)), everything.take(np.arange(train_rows, len(rows)))


def load(archive: Path, sha256: str, folder: Path | None = None) -> tuple[Reviews, Reviews]:
    """Training and test reviews of an archive with this SHA-256: from the parsed cache, or parsed and cached there.

    folder: of the parsed cache; the cache of downloads where it is None.
    """
    try:
        name = f"reviews-{sha256[:16]}-tokens{text.REVIEW_TOKENS}-format{FORMAT}.npz"
        path = (folder or cache_folder()) / name
        if (cached := _read_cache(path)) is None:
            with locked(path):  # of eight processes, one parses
                if (cached := _read_cache(path)) is None:
                    cached = parse(archive)
                    write_npz(path, _arrays(*cached))
        return cached
    except (ImportError, Unavailable):  # no data extra, or a read-only home: there is no cache
        return parse(archive)


def parse(archive: Path) -> tuple[Reviews, Reviews]:
    try:
        return tokenise(stream(archive))
    except CorpusError as error:
        message = str(error)
        raise CorpusError(message if str(archive) in message else f"{archive}: {message}") from error.__cause__


def _arrays(train: Reviews, test: Reviews) -> dict[str, np.ndarray]:
    splits = {
        f"{name}_{field}": getattr(part, field)
        for name, part in (("train", train), ("test", test))
        for field in ("ids", "offsets", "labels", "names")
    }
    arrays = {**splits, "vocabulary": np.frombuffer("\n".join(train.vocabulary).encode(), dtype=np.uint8)}
    return {**arrays, "sha256": np.array(_checksum(arrays))}


def _checksum(arrays: dict[str, np.ndarray]) -> str:
    return digest(*(part for name in sorted(arrays) for part in (name, arrays[name])))


def _read_cache(path: Path) -> tuple[Reviews, Reviews] | None:
    """None when it is not there or not as it was written: then it is made again."""
    try:
        cache = read_npz(path)
        if str(cache.pop("sha256")) != _checksum(cache):
            raise FileError("its content is not of its checksum")
        words = cache["vocabulary"].tobytes().decode().split("\n")
        train, test = (
            Reviews(
                cache[f"{split}_ids"],
                cache[f"{split}_offsets"],
                cache[f"{split}_labels"],
                cache[f"{split}_names"],
                words,
            )
            for split in ("train", "test")
        )
        return train, test
    except (FileError, KeyError, UnicodeDecodeError) as error:
        if path.exists():
            say(f"{path} is not as it was written ({error}): it is made again")
        return None

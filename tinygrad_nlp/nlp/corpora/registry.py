"""Where every corpus is from, how it is checked, and how a program gets the file: data folder, cache, download."""
# tested in tests/nlp/corpora/test_download.py

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..text import CorpusError
from .download import Unavailable, cache_folder, download, git_blob, locked, sha256

_COURSE = "https://raw.githubusercontent.com/tau-nlp-course/NLP_HW2/3052a631114fd4e7706d07cd853c7c51172bfad9/data/lm/"


@dataclass(frozen=True)
class Corpus:
    """One row of the registry.

    Attributes:
        path: below a data folder, and below the cache alike.
        check: the published ``"sha256:…"`` or git blob id ``"git:…"``.
        size: bytes where published, else a cap: a download that sends more is stopped.
        archive: a local copy with another checksum is used, and said so (repacked archives hold the same reviews).
    """

    name: str
    path: str
    url: str
    size: int
    check: str
    licence: str
    archive: bool = False


REGISTRY = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            "tiny-shakespeare",
            "tinyshakespeare.txt",
            "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/"
            "tinyshakespeare/input.txt",
            1_115_394,
            "sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            "public domain text",
        ),
        Corpus(
            "shakespeare-passage",
            "shakespeare_for_perplexity.txt",
            "",
            1_753,
            "sha256:78bb0eefafdc9d16fc59c99dff2a795c47c9b5f7807450d59eb29ccd503753c5",
            "public domain",
        ),
        Corpus(
            "wikipedia-passage",
            "wikipedia_for_perplexity.txt",
            "https://raw.githubusercontent.com/yoavr2/NLP_HW2/57f8b771099ffcc1a2a0396a10f3a15357bae195/"
            "wikipedia_for_perplexity.txt",
            6_643,
            "sha256:21868e73d1701f54540cc62dcd255d5403229d5944474273cbd938944570b7aa",
            "CC BY-SA",
        ),
        Corpus(
            "news-dev",
            "tau-nlp-hw2/ptb-dev.txt",
            _COURSE + "ptb-dev.txt",
            1_008_536,
            "sha256:2d0a62a0fecef2b4e0cd4bc43378634e4cd8dd4c23587b25ffacee1c9aeaa582",
            "LDC origin: never redistribute",
        ),
        Corpus(
            "news-train",
            "tau-nlp-hw2/ptb-train.txt",
            _COURSE + "ptb-train.txt",
            100_000_000,
            "git:ff65fe032278b4d24603982b6ddb471502217728",
            "LDC origin: never redistribute",
        ),
        Corpus(
            "news-vocabulary",
            "tau-nlp-hw2/vocab.ptb.txt",
            _COURSE + "vocab.ptb.txt",
            997_648,
            "sha256:e1aa3718bd5c1e23134eae8730a4f4438b62aefc2ba548b38c59a9ca100bd6d2",
            "LDC origin",
        ),
        Corpus(
            "news-vectors",
            "tau-nlp-hw2/vocab.embeddings.glove.txt",
            _COURSE + "vocab.embeddings.glove.txt",
            100_000_000,
            "git:90f93347ccdc9b4c197904aa9866840f913a3ca3",
            "PDDL",
        ),
        Corpus(
            "imdb",
            "aclImdb_v1.tar.gz",
            "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
            84_125_825,
            "sha256:c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
            "cite Maas et al. 2011",
            archive=True,
        ),
        Corpus(
            "glove-6b",
            "glove.6B.zip",
            "https://nlp.stanford.edu/data/glove.6B.zip",
            862_182_613,
            "sha256:617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb",
            "PDDL 1.0",
            archive=True,
        ),
    )
}


@dataclass(frozen=True)
class Source:
    """Where a corpus came from: what a report says of it.

    Attributes:
        origin: "data folder", "cache", "download", "cut from tiny-shakespeare" or "built-in".
        path: the file (an empty path for built-in text).
        sha256: of the file, or of the built-in text in UTF-8.
        note: what a reader should know, such as an archive that isn't the published one; else empty.
    """

    origin: str
    path: Path
    sha256: str
    note: str = ""

    def report(self) -> dict[str, str]:
        """For report.json."""
        return {"source": self.origin, "sha256": self.sha256, "note": self.note}


def fetch(name: str, data: str | Path | None = None) -> Source:
    """The file of one corpus: from the data folder, else the cache, else downloaded into the cache.

    Args:
        name: a row of `REGISTRY`.
        data: the data folder; None means ``TINYGRAD_NLP_DATA``, and unset means none.
    Raises:
        Unavailable: no data folder was given, it isn't in the cache, and the network cannot be reached.
        CorpusError: damaged, wrong checksum, 404, unwritable cache, a data folder that is not there …
        ImportError: pooch or filelock is needed and missing.
    """
    corpus, folder = _row(name), data_folder(data)
    if folder and (folder / corpus.path).is_file():
        return _checked(corpus, folder / corpus.path, "data folder")
    try:
        return _cached(corpus)
    except (Unavailable, ImportError) as error:
        if folder is None:
            raise
        raise CorpusError(f"{name}: {folder / corpus.path} is missing, and {error}") from error


def find(name: str, data: str | Path | None = None) -> Source | None:
    """As `fetch`, but None instead of a download: for corpora that a run can do without."""
    corpus, folder = _row(name), data_folder(data)
    if folder and (folder / corpus.path).is_file():
        return _checked(corpus, folder / corpus.path, "data folder")
    try:
        cached = cache_folder() / corpus.path
    except ImportError:
        return None
    return _checked(corpus, cached, "cache") if cached.is_file() else None


def _row(name: str) -> Corpus:
    if name not in REGISTRY:
        raise CorpusError(f"no corpus is called {name!r}: use one of {', '.join(REGISTRY)}")
    return REGISTRY[name]


def data_folder(data: str | Path | None) -> Path | None:
    """The folder that `data` or TINYGRAD_NLP_DATA names, as an absolute path; None where neither does."""
    named = data or os.environ.get("TINYGRAD_NLP_DATA")
    if named and not Path(named).is_dir():
        raise CorpusError(
            f"the data folder {named} is not there: correct --data (or TINYGRAD_NLP_DATA), or leave it out to download"
        )
    return Path(named).resolve() if named else None


def _described(corpus: Corpus, path: Path, origin: str) -> Source:
    """A local file; its note is empty if its checksum is the published one."""
    try:
        digest = sha256(path)
        genuine = corpus.check in (f"sha256:{digest}", f"git:{git_blob(path)}")
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror}: check its permissions") from error
    return Source(origin, path, digest, "" if genuine else "accepted, but its checksum is not the published one")


def _checked(corpus: Corpus, path: Path, origin: str) -> Source:
    """A local file with the right checksum. A repacked archive passes with a note: each member is checked when read."""
    source = _described(corpus, path, origin)
    if source.note and not corpus.archive:
        remedy = f"delete it to download it from {corpus.url}" if corpus.url else "delete it, it is cut anew"
        raise CorpusError(f"wrong checksum of {path}: damaged, or not the published {corpus.name}: {remedy}")
    return source


def _cached(corpus: Corpus) -> Source:
    if not corpus.url:
        raise CorpusError(f"{corpus.name} has no address of its own: it is cut from tiny-shakespeare (corpora.text_of)")
    path = cache_folder() / corpus.path

    def genuine() -> Source | None:
        source = _described(corpus, path, "cache") if path.is_file() else None
        return None if source and source.note else source

    if (found := genuine()) is None:
        with locked(path):
            if (found := genuine()) is None:  # else another process was faster
                download(corpus.url, path, corpus.check, cap=corpus.size)
                found = _described(corpus, path, "download")
    return found

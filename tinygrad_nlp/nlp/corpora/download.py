"""Downloads that can be trusted: checksums, the cache and its locks, and nothing half-done left behind.

Nothing that was downloaded is ever unpickled or executed; what does not match its published checksum is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...files import FULL, replace, say
from ..text import CorpusError

USER_AGENT = "tinygrad_nlp (a teaching library; downloads each corpus once and caches it)"
TIMEOUT = (5.0, 30.0)  # seconds: to connect, and between two pieces of an answer
RETRIES = 2
HAVE_DATA = "or keep local copies and pass --data DIR (or set TINYGRAD_NLP_DATA)"
PICK_CACHE = "free some space or set TINYGRAD_NLP_CACHE to a folder that you can write to"


class Unavailable(CorpusError):
    """Neither a local copy nor the network is there: the one error that a run may answer with a built-in corpus."""


# %% Checksums
def sha256(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_blob(path: Path) -> str:
    """The id that git gives a file's content: ``sha1(b"blob %d\\0" % size + data)``, as 40 hexadecimal digits."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def matches(path: Path, check: str) -> bool:
    """Whether a file has the published checksum ``"sha256:…"`` or git blob id ``"git:…"``."""
    kind, _, expected = check.partition(":")
    return {"sha256": sha256, "git": git_blob}[kind](path) == expected


# %% The cache
def cache_folder() -> Path:
    """``TINYGRAD_NLP_CACHE``, else the platform's own cache folder. Raises ImportError when pooch must be asked."""
    named = os.environ.get("TINYGRAD_NLP_CACHE")
    return Path(named) if named else Path(_data_extra("pooch").os_cache("tinygrad_nlp"))


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock beside `path`, so that of many processes one does the work and the others find it done.

    Errors of the operating system inside the block become a CorpusError that names the folder and the remedy; where the
    platform's own cache folder cannot be written to, as in a read-only home, it is Unavailable.
    """
    filelock = _data_extra("filelock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{path}.lock", timeout=1800):
            yield
    except filelock.Timeout:
        raise CorpusError(
            f"{path}.lock: another process has held this lock for half an hour: end it, then delete the lock file"
        ) from None
    except OSError as error:
        full = error.errno in FULL
        reason = "the disk is full" if full else error.strerror or str(error)
        kind = CorpusError if full or os.environ.get("TINYGRAD_NLP_CACHE") else Unavailable
        raise kind(f"cannot write {path.name} to the cache {path.parent}: {reason}; {PICK_CACHE}") from error


# %% Downloads
def download(url: str, path: Path, check: str, cap: int) -> None:
    """Fetch `url` into `path` through pooch: the checksum comes before the move, so a file at `path` survives failure.

    A transfer that breaks off, answers 5xx or has the wrong checksum is tried `RETRIES` more times.

    Args:
        check: ``"sha256:…"`` or ``"git:…"``, as in `matches`.
        cap: the most bytes to accept.
    Raises:
        Unavailable: the server cannot be reached.
        CorpusError: it was reached, and what came is not the file.
        ImportError: pooch is not installed.
    """
    pooch = _data_extra("pooch")
    pooch.get_logger().setLevel("WARNING")  # it would announce downloads that nobody answers
    import requests  # a dependency of pooch

    def transfer(url: str, target: str, _: Any) -> None:
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        try:
            reply = requests.get(url, stream=True, timeout=TIMEOUT, headers=headers)
        except (requests.ConnectionError, requests.Timeout) as error:
            raise Unavailable(
                f"no answer from {url} ({type(error).__name__}): check the network, {HAVE_DATA}"
            ) from error
        with reply, open(target, "wb") as file:
            if reply.url.startswith("http:") and url.startswith("https:"):
                raise CorpusError(f"{url} redirects to the insecure {reply.url}: nothing was read; {HAVE_DATA}")
            if 400 <= reply.status_code < 500:
                raise CorpusError(
                    f"{url} answered {reply.status_code} {reply.reason}: it may have moved; fetch it by"
                    f" hand, {HAVE_DATA}"
                )
            reply.raise_for_status()
            say(f"downloading {path.name} from {reply.url}")
            for block in reply.iter_content(1 << 16):
                if file.tell() + len(block) > cap:
                    raise CorpusError(
                        f"{reply.url} sends more than the {cap:,} bytes of {path.name}: stopped; try later, {HAVE_DATA}"
                    )
                file.write(block)
        if check.startswith("git:") and not matches(Path(target), check):
            raise ValueError("the git blob id does not match")  # pooch knows no such check, but it retries on this

    known_hash = check if check.startswith("sha256:") else None
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as fresh:  # pooch keeps what is there, if it has no checksum
            sources = pooch.create(
                fresh, base_url="", registry={path.name: known_hash}, urls={path.name: url}, retry_if_failed=RETRIES
            )
            replace(sources.fetch(path.name, downloader=transfer), path)
    except requests.RequestException as error:
        status = getattr(error.response, "status_code", None)
        reason = f"answered {status}" if status else f"broke off ({type(error).__name__})"
        raise CorpusError(f"the download of {url} {reason}, {1 + RETRIES} times: try later, {HAVE_DATA}") from error
    except ValueError as error:
        raise CorpusError(
            f"wrong checksum of {path.name} from {url} (damaged on the way, or replaced there): try again, {HAVE_DATA}"
        ) from error


def _data_extra(name: str) -> Any:
    """Import pooch or filelock, or say how to install them."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"downloads need {name}, of the extra [data]: pip install pooch filelock") from error

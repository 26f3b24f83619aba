"""Files that are whole or not there: atomic writes, locks, checksums, and one door for what a file says.

An atomic write goes to a temporary file in the same folder, reaches the disk (fsync), and only then takes the name: the
old file or the new one is there, never a part of one. What a file says reaches a terminal through `shown`, or in a
FileError, which uses it: control characters in it are written out. npz.py has arrays and trees of them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

WINDOWS = os.name == "nt"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


# %% What a file says, on a terminal
def shown(text: object, keep: str = "\n\t") -> str:
    """A text that may come from anywhere, as a terminal can be given it: escape sequences and the like are spelled out.

    >>> shown("to be\\x1b[2J or not\\n")
    'to be\\\\x1b[2J or not\\n'
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def say(text: object) -> None:
    """Print a line for the person at the terminal, on standard error."""
    print(shown(text), file=sys.stderr)


class FileError(Exception):
    """A file cannot be written, or is not what it should be. The message is one line: what, where, and the remedy."""

    def __str__(self) -> str:
        return shown(super().__str__(), keep="")


def refusal(error: OSError, path: str | Path) -> FileError:
    """The FileError for what the operating system refused when writing to a path."""
    full = error.errno in FULL
    reason = "the disk is full" if full else error.strerror or str(error)
    remedy = "free some space or write to another folder" if full else "write to a folder that you may write to"
    remedy += ", or close the program that has the file open" if WINDOWS and not full else ""
    return FileError(f"cannot write {path}: {reason}: {remedy}")


def damaged(path: str | Path, error: Exception) -> FileError:
    """The error that says so, on one line."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    return FileError(f"{path} is damaged or not ours ({reason}): use another copy of it")


# %% Checksums


def digest(*values: str | bytes | np.ndarray) -> str:
    """The SHA-256 of texts, bytes and arrays (with shape and dtype), as 64 hexadecimal digits.

    >>> digest("to be")[:8], digest("to", " be")[:8]
    ('003bee1a', 'a2cbd8fe')
    """
    sha = hashlib.sha256()
    for value in values:
        if isinstance(value, np.ndarray):
            sha.update(f"{value.dtype.str} {value.shape}:".encode())
            sha.update(np.ascontiguousarray(value).tobytes())
        else:
            data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
            sha.update(b"%d:" % len(data))
            sha.update(data)
    return sha.hexdigest()


# %% Writing
@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file to write to; when the block ends it becomes `path` at once, and when the block fails it is gone.

    A symbolic link at `path` is replaced, not followed. Raises FileError naming the path and the remedy where the
    operating system refuses.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")  # no other process or thread has this name
    try:
        try:
            with open(temporary, "xb") as file:  # x: never what is there already, such as a link
                yield file
                file.flush()
                os.fsync(file.fileno())
            replace(temporary, path)
        except BaseException:  # whatever the block raises, Ctrl-C too
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        raise refusal(error, path) from error


def replace(temporary: str | Path, path: Path) -> None:
    """os.replace, tried for a second on Windows, which refuses it while a scanner or a reader has the file open."""
    for left in reversed(range(20 if WINDOWS else 1)):
        try:
            return os.replace(temporary, path)
        except PermissionError:
            if not left:
                raise
            time.sleep(0.05)


def clear_unfinished(folder: Path, name: str = "*") -> None:
    """Delete what killed processes were writing in a folder: only for who holds the lock of all that is written."""
    for temporary in folder.glob(f".{name}.*.part"):
        temporary.unlink(missing_ok=True)


def append(path: Path, text: str) -> None:
    """Add a text to a file, made where it is not there. Raises FileError for a symbolic link and a full disk."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    try:
        with open(os.open(path, flags, 0o666), "ab", buffering=0) as file:
            file.write(text.encode())
    except OSError as error:
        raise refusal(error, path) from error


@contextlib.contextmanager
def locked(path: Path, patience: float, what: str) -> Iterator[None]:
    """Hold the lock file `path` inside the block, after waiting for up to `patience` seconds.

    Where filelock (extra `data`) is not installed there is no lock. Raises FileError, saying that `what` is in use.
    """
    try:
        import filelock
    except ImportError:
        yield
        return
    lock = filelock.FileLock(path, thread_local=False)  # a generator may end in another thread than it began in
    try:
        lock.acquire(timeout=patience, poll_interval=0.05)
    except filelock.Timeout:
        raise FileError(f"{what} is in use by another process: wait until that has ended, or name another") from None
    except OSError as error:
        raise refusal(error, path) from error
    try:
        yield
    finally:
        lock.release()


def write_text(path: str | Path, text: str) -> None:
    """Write a text as UTF-8, atomically; line ends stay as they are."""
    with replacing(path) as file:
        file.write(text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON, atomically. NumPy numbers and arrays become numbers and lists; NaN and infinity raise ValueError."""
    write_text(path, as_json(value, indent=2, ensure_ascii=False) + "\n")


def as_json(value: Any, **options: Any) -> str:
    return json.dumps(value, allow_nan=False, default=lambda a: a.tolist(), **options)


def write_sealed(path: str | Path, value: dict[str, Any]) -> None:
    """Write a JSON object with a checksum of its content beside it, atomically."""
    value = json.loads(as_json(value))
    write_json(path, {**value, "sha256": digest(as_json(value, sort_keys=True))})


def read_sealed(path: str | Path) -> dict[str, Any]:
    """Read what write_sealed wrote. Raises FileError where it is missing or its content is not of its checksum."""
    try:
        value = json.loads(Path(path).read_bytes())
        if type(value) is not dict or value.pop("sha256", None) != digest(as_json(value, sort_keys=True)):
            raise ValueError("its content is not of its checksum")
        return value
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}: check the name and the permissions") from error
    except (ValueError, RecursionError) as error:
        raise damaged(path, error) from error

"""Files that are whole or not there: atomic writes, and npz archives that are read without trusting them.

An atomic write goes to a temporary file in the same folder, reaches the disk (fsync), and only then takes the name: the
old file or the new one is there, never a part of one. Our archives are stored, not compressed, and hold no pickles:
reading one executes nothing, and takes no more memory than the file's size allows. What a file says reaches a terminal
through `shown`, or in a FileError, which uses it: control characters in it are written out.

One file, though a long one: how a tree is written and how it is read, without trust, are checked against each other.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import re
import secrets
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

CAP = 1 << 31  # bytes: larger files than this are not ours
KINDS = "biufU"  # booleans, integers, floats and text: no objects, no records
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


def write_npz(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays, atomically. Raises TypeError for an array of objects: that would need a pickle."""
    for key, array in arrays.items():
        if array.dtype.kind not in KINDS:
            raise TypeError(f"array `{key}` holds {array.dtype}: only numbers, booleans and text can be saved")
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for key, array in arrays.items():
            info = zipfile.ZipInfo(f"{key}.npy")  # without today's date: the same arrays are the same bytes
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


# %% Reading
def read_npz(path: str | Path, cap: int = CAP) -> dict[str, np.ndarray]:
    """Read named arrays, using at most twice the file's size in memory, whatever it claims to hold.

    Raises FileError where the file is missing, damaged, larger than `cap` bytes, compressed, or holds objects.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > cap:
                raise FileError(f"{path} has {size:,} bytes, more than the {cap:,} that are read: is it the right one?")
            return dict(members(file, size))
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}: check the name and the permissions") from error
    except Exception as error:  # on damaged bytes zipfile and the parser of headers raise a dozen kinds
        raise damaged(path, error) from error


def damaged(path: str | Path, error: Exception) -> FileError:
    """The error that says so, on one line."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    return FileError(f"{path} is damaged or not ours ({reason}): use another copy of it")


def members(file: BinaryIO, size: int) -> Iterator[tuple[str, np.ndarray]]:
    """Each member of an archive of `size` bytes, with its name; ValueError unless all are stored and fit into it."""
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        if any(info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size for info in infos):
            raise ValueError("a member is compressed")  # or claims to be: zipfile would set aside that much memory
        if sum(info.file_size for info in infos) > size:
            raise ValueError("the members claim to be larger than the archive")
        if len({info.filename for info in infos}) < len(infos):
            raise ValueError("two members have one name")
        for info in infos:
            yield info.filename.removesuffix(".npy"), array_of(archive.read(info))


def array_of(data: bytes) -> np.ndarray:
    """The array in the bytes of an npy file. Its size is checked against what is there before it is believed."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, fortran, dtype = read_header(file, max_header_size=1_000)
    left = len(data) - file.tell()
    if dtype.kind not in KINDS or not 0 < dtype.itemsize <= len(data) or math.prod(shape) * dtype.itemsize != left:
        raise ValueError(f"shape {shape} of {dtype} is not what the {left} bytes hold")
    order: Any = "F" if fortran else "C"
    if 0 in shape:
        return np.zeros(shape, dtype, order)
    return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape, order=order).copy(order)


# %% Trees
def write_tree(path: str | Path, tree: Any) -> None:
    """Write dicts (with text keys), lists and tuples of arrays, numbers, text, booleans and None, atomically.

    The arrays are members of an npz; the tree around them is JSON, in the member `tree`. Raises TypeError for the rest.
    """
    arrays = {"tree": np.empty(0, np.uint8)}

    def pack(tree: Any, name: str) -> Any:
        if isinstance(tree, np.ndarray | np.generic):  # first: np.float64 is a float, but not to a float32 array
            key = re.sub(r"[^\w.]", "_", name)[:200]
            while key in arrays:
                key += "_"
            arrays[key] = np.asarray(tree)
            return {"$array" if isinstance(tree, np.ndarray) else "$number": key}
        if isinstance(tree, Mapping):
            for key in tree:
                if not isinstance(key, str) or key.startswith("$"):
                    raise TypeError(f"the key {key!r} of `{name}` cannot be saved: use text that does not start with $")
            return {key: pack(branch, f"{name}.{key}" if name else key) for key, branch in tree.items()}
        if isinstance(tree, list):
            return [pack(branch, f"{name}.{i}") for i, branch in enumerate(tree)]
        if isinstance(tree, tuple):
            return {"$tuple": pack(list(tree), name)}
        if tree is None or isinstance(tree, bool | int | float | str):
            return tree
        remedy = "save arrays, numbers, text, booleans, None, and dicts, lists and tuples of them"
        raise TypeError(f"`{name}` is {type(tree).__name__}, which cannot be saved: {remedy}")

    text = json.dumps(pack(tree, ""))
    write_npz(path, {**arrays, "tree": np.frombuffer(text.encode(), np.uint8)})


def read_tree(path: str | Path, cap: int = CAP) -> Any:
    """Read what write_tree wrote: equal values, types, dtypes and shapes. Raises FileError as read_npz does."""
    arrays = read_npz(path, cap)

    def unpack(tree: Any) -> Any:
        if isinstance(tree, list):
            return [unpack(branch) for branch in tree]
        match tree:
            case {"$array": name}:
                return arrays.pop(name)  # once: what is claimed twice would be counted twice
            case {"$number": name}:
                return arrays.pop(name)[()]
            case {"$tuple": branches}:
                return tuple(unpack(branches))
            case dict():
                return {key: unpack(branch) for key, branch in tree.items()}
        return tree

    try:
        return unpack(json.loads(arrays["tree"].tobytes()))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise damaged(path, error) from error

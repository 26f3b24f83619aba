"""Arrays, and trees of them, in npz archives that are written whole and read without trust.

Our archives are stored, not compressed, and hold no pickles: reading one executes nothing, and takes no more memory
than the file's size allows.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .files import FileError, damaged, replacing

CAP = 1 << 31  # bytes: larger files than this are not ours
KINDS = "biufU"  # booleans, integers, floats and text: no objects, no records


# %% Named arrays
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

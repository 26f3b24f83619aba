"""Many independent jobs: each once, on several processes or on a cluster, its result kept.

A job is a function of plain values that returns plain values, named "module.function" so that any process can find it.
Its result is a JSON file in OUT/runs whose name says what went in (function, arguments, corpora, source) and which
carries a checksum: a finished job is never repeated, an interrupted one goes on from its checkpoint, one whose worker
died is begun again, and each result is counted once, whatever the number of workers.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import importlib.util
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tinygrad_nlp
from tinygrad_nlp.console import one_thread
from tinygrad_nlp.files import FileError, clear_unfinished, locked, read_sealed, say, write_sealed
from tinygrad_nlp.nlp.corpora import sha256

from . import sources
from .workers import on_cluster, on_processes

PATIENCE = 1_800  # seconds that a job waits for another process that is doing it


@dataclass(frozen=True)
class Job:
    """What to do: "module.function", called with folder= (of its checkpoints) and these arguments."""

    name: str
    function: str
    arguments: dict[str, Any]


# %% What a result depends on
def label(job: Job, corpora: dict[str, str]) -> str:
    """The name of a job's files: its own, and a hash of all that its result depends on."""
    arguments = {key: value for key, value in job.arguments.items() if key != "data"}  # its hashes are in corpora
    said = [job.function, arguments, corpora, source(job.function.rpartition(".")[0])]
    return f"{job.name}-{hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]}"


@functools.cache
def source(module: str) -> str:
    """Hash of the package's source and of a module's, with what it imports from its own folder."""
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"no module {module!r}: a job is named module.function", name=module)
    files = [*Path(tinygrad_nlp.__file__).parent.rglob("*.py"), *with_imports(Path(found.origin))]
    sha = hashlib.sha256()
    for path in sorted(files, key=str):
        sha.update(path.name.encode() + b"\0" + path.read_bytes())
    return sha.hexdigest()


def with_imports(path: Path, seen: set[Path] | None = None) -> set[Path]:
    """A file, and those beside it or in the folder above that it imports, and so on."""
    seen = set() if seen is None else seen
    if path in seen or not path.exists():
        return seen
    seen.add(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names += [node.module] if node.module else [a.name for a in node.names]
        for name in names:
            for folder in (path.parent, path.parent.parent):
                with_imports(folder.joinpath(*name.split(".")).with_suffix(".py"), seen)
    return seen


# %% One job
def kept(folder: Path, label: str) -> Any:
    """{"result", "seconds"} of a finished job; None if there is none, or it is not as it was written.

    A result may name a file beside it: {"file": its name, "sha256": of its bytes, …}.
    """
    try:
        found = read_sealed(folder / f"{label}.json")
        result = found["result"]
        whole = found.pop("label") == label
        if type(result) is dict and "file" in result:
            whole = whole and sha256(folder / result["file"]) == result["sha256"]
        return found if whole else None
    except (FileError, OSError, KeyError):
        return None


def perform(
    label: str, function: str, arguments: dict[str, Any], folder: str, corpora: dict[str, str]
) -> tuple[str, Any]:
    """Do a job, or find its result: (label, {"result", "seconds" of CPU}). Any process can be asked.

    Of several that are asked for one job, one does it and the others wait. Raises BadInput where this process would
    read other corpora than those, name → sha256.
    """
    place, runs = Path(folder) / label, Path(folder)
    if (found := kept(runs, label)) is not None:
        return label, found
    if corpora:
        sources.check(arguments.get("data"), tuple(sorted(corpora.items())))
    lock = runs / f".{label}.lock"
    with locked(lock, PATIENCE, f"job {label}"):
        if (found := kept(runs, label)) is None:
            clear_unfinished(runs, label)
            module, _, name = function.rpartition(".")
            began = time.process_time()
            with one_thread():
                result = getattr(importlib.import_module(module), name)(folder=place, **arguments)
            found = {"result": result, "seconds": round(time.process_time() - began, 2)}
            write_sealed(runs / f"{label}.json", {"label": label, **found})
            shutil.rmtree(place, ignore_errors=True)  # its checkpoints
            found = kept(runs, label) or found
        with suppress(OSError):
            lock.unlink()  # who still waits for it finds the result
    return label, found


# %% All of them
def perform_all(
    jobs: list[Job], folder: Path, corpora: dict[str, str], workers: int = 1, scheduler: str | None = None
) -> Iterator[tuple[str, Any]]:
    """(name, {"result", "seconds"}) of every job once, in the order in which they finish.

    workers: processes on this machine; scheduler: address of a dask cluster instead, whose workers have one thread each
    and see the same files at the same place.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    left = {label(job, corpora): job for job in jobs}
    for name, job in list(left.items()):
        found = kept(folder, name)
        if found is not None:
            del left[name]
            yield job.name, found
        elif (folder / f"{name}.json").exists():
            say(f"{folder / name}.json, or a file that it names, is not as it was written: the job is done again")
    calls = [(name, job.function, job.arguments, str(folder), corpora) for name, job in left.items()]
    if not calls:
        return
    if scheduler:
        finished = on_cluster(calls, scheduler)
    else:
        finished = on_processes(perform, calls, workers) if workers > 1 else (perform(*call) for call in calls)
    for name, found in finished:
        yield left.pop(name).name, found

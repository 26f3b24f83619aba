"""Many independent runs: each once, on several processes or on a cluster, kept when finished.

A job is a function of plain values that returns plain values, named "module.function" so that any process can find it.
Its result is a JSON file in OUT/runs whose name says what went in (function, arguments, corpora, source): a finished
run is never repeated, an interrupted one goes on from its checkpoint, one whose worker died is run again, and each
result is counted once, whatever the number of workers.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import importlib.util
import json
import logging
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tinygrad_nlp
from tinygrad_nlp.console import BadInput, one_thread
from tinygrad_nlp.files import write_json

from . import sources

TRIES = 3  # how often workers may die in a row without one run being finished
GRACE = 0.5  # seconds that interrupted workers have for saving
PATIENCE = 5  # seconds that a scheduler has for answering


@dataclass(frozen=True)
class Job:
    """What to run: "module.function", called with folder= (of its checkpoints) and these arguments."""

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


# %% One run
def kept(folder: Path, label: str) -> Any:
    """{"result", "seconds"} of a finished run; None if there is none that can be read."""
    with suppress(OSError, ValueError):
        return json.loads((folder / f"{label}.json").read_text(encoding="utf-8"))
    return None


def perform(
    label: str, function: str, arguments: dict[str, Any], folder: str, corpora: dict[str, str]
) -> tuple[str, Any]:
    """Run a job, or find its result: (label, {"result", "seconds" of CPU}). Any process can be asked.

    Raises BadInput where this process would read other corpora than those, name → sha256.
    """
    place = Path(folder) / label
    found = kept(Path(folder), label)
    if found is None:
        if corpora:
            sources.check(arguments.get("data"), tuple(sorted(corpora.items())))
        module, _, name = function.rpartition(".")
        began = time.process_time()
        with one_thread():
            result = getattr(importlib.import_module(module), name)(folder=place, **arguments)
        found = {"result": result, "seconds": round(time.process_time() - began, 2)}
        write_json(place.with_name(f"{label}.json"), found)
        shutil.rmtree(place, ignore_errors=True)  # its checkpoints
        found = kept(Path(folder), label) or found
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
    calls = [(name, job.function, job.arguments, str(folder), corpora) for name, job in left.items()]
    if not calls:
        return
    if scheduler:
        finished = on_cluster(calls, scheduler)
    else:
        finished = on_processes(calls, workers) if workers > 1 else (perform(*call) for call in calls)
    for name, found in finished:
        yield left.pop(name).name, found


def on_processes(calls: list[tuple[Any, ...]], workers: int) -> Iterator[tuple[str, Any]]:
    """Through joblib. When a worker dies the pool is lost with it, so the runs that are left go to a new one."""
    try:
        import joblib
        from joblib.externals.loky.process_executor import TerminatedWorkerError
    except ImportError as error:
        raise BadInput("--jobs needs joblib: pip install tinygrad-nlp[parallel], or use --jobs 1") from error
    left, tries = {call[0]: call for call in calls}, 0
    while left:
        try:
            with interrupting_workers(), joblib.parallel_config("loky", inner_max_num_threads=1):
                pool = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
                for name, found in pool(joblib.delayed(perform)(*call) for call in list(left.values())):
                    del left[name]
                    tries = 0
                    yield name, found
        except TerminatedWorkerError as error:
            tries += 1
            if tries == TRIES:
                raise BadInput(
                    f"workers died {tries} times in a row, in one of {', '.join(left)}: is memory short?"
                ) from error


@contextmanager
def interrupting_workers() -> Iterator[None]:
    """Inside, Ctrl-C is handed to the workers, which have a moment to save where they are."""
    from joblib.externals.loky import get_reusable_executor

    def interrupt(*_: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        processes = list((get_reusable_executor(reuse=True)._processes or {}).values())
        for process in processes:
            with suppress(OSError):
                os.kill(process.pid, signal.SIGINT)
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and any(process.is_alive() for process in processes):
            time.sleep(0.02)
        signal.signal(signal.SIGINT, before)
        raise KeyboardInterrupt  # upon which joblib kills those that are left

    with in_main_thread(interrupt) as before:
        yield


@contextmanager
def in_main_thread(handler: Callable[..., None]) -> Iterator[Any]:
    """Inside, SIGINT goes to a handler; in other threads nothing changes. Yields the handler before."""
    if threading.current_thread() is not threading.main_thread():
        yield None
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield before
    finally:
        signal.signal(signal.SIGINT, before)


def on_cluster(calls: list[tuple[Any, ...]], scheduler: str) -> Iterator[tuple[str, Any]]:
    """Through dask, whose scheduler gives the runs of a worker that died to another one."""
    try:
        from dask.distributed import Client, KilledWorker, as_completed
    except ImportError as error:
        raise BadInput("--scheduler needs dask: pip install tinygrad-nlp[cluster]") from error
    places = [str(Path(place or ".").resolve()) for place in sys.path]

    def task(call: tuple[Any, ...]) -> tuple[str, Any]:  # defined here, so that it is sent by value
        sys.path.extend(place for place in places if place not in sys.path)
        return importlib.import_module("reproduction.jobs").perform(*call)

    try:
        client = Client(scheduler, timeout=PATIENCE)
    except (OSError, ValueError) as error:  # dask's refusals are OSErrors
        raise BadInput(f"no dask scheduler at {scheduler} ({error}): start one with `dask scheduler`") from error
    with client:
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # its tracebacks, when the scheduler dies
        futures = [client.submit(task, call, key=call[0]) for call in calls]
        try:
            for future in as_completed(futures):
                yield future.result()
        except CancelledError as error:
            raise BadInput(f"the dask scheduler at {scheduler} is gone: start it and run this again") from error
        except KilledWorker as error:
            raise BadInput(f"workers died again and again in {error.task}: is memory short?") from error
        finally:
            client.cancel(futures)

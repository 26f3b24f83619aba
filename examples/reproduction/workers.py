"""Who does the jobs: processes of this machine, or a dask cluster. Both call perform(label, …) → (label, result).

A job whose worker died is given to another one. Workers end with the process that started them, even where that was
killed; Ctrl-C reaches them once, through it, and they have a moment to save where they are.
"""

from __future__ import annotations

import importlib
import json
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import active_children
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tinygrad_nlp.console import BadInput

Call = tuple[Any, ...]  # the arguments of perform: a label first
TRIES = 3  # how often workers may die in a row without one job being finished
GRACE = 2.0  # seconds that interrupted workers have for saving
PATIENCE = 5  # seconds that a scheduler has for answering


# %% Processes of this machine
def on_processes(perform: Callable[..., Any], calls: list[Call], workers: int) -> Iterator[tuple[str, Any]]:
    """When a worker dies its pool is lost with it, so the jobs that are left go to a new one."""
    left, deaths = {call[0]: call for call in calls}, 0
    while left:
        others = active_children()
        pool = ProcessPoolExecutor(min(workers, len(left)), multiprocessing.get_context("spawn"), begin)
        try:
            with ignoring_interrupts():  # which a new process inherits, until it can handle them
                futures = [pool.submit(work, perform, call) for call in left.values()]
            for future in as_completed(futures):
                name, found = future.result()
                del left[name]
                deaths = 0
                yield name, found
        except BrokenProcessPool as error:
            deaths += 1
            if deaths == TRIES:
                labels = ", ".join(left)
                raise BadInput(f"workers died {deaths} times in a row, in one of {labels}: is memory short?") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            if left:
                interrupt([process for process in active_children() if process not in others])
            pool.shutdown()


def interrupt(processes: list[BaseProcess]) -> None:
    """Hand Ctrl-C to workers, and end those that are still there after their moment."""
    for process in processes:
        with suppress(OSError):
            if os.name == "posix" and process.pid is not None:
                os.kill(process.pid, signal.SIGINT)
    deadline, alive = time.monotonic() + GRACE, {process.sentinel: process for process in processes}
    while alive and (seconds := deadline - time.monotonic()) > 0:
        for sentinel in wait(list(alive), seconds):
            del alive[sentinel]
    for process in alive.values():
        process.kill()


@contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """Inside, Ctrl-C is not heard: in the main thread, which alone can say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# %% In a worker
interrupted = threading.Event()


def begin() -> None:
    """What a worker does first: apart from the terminal, whose Ctrl-C its parent hands on, and bound to that parent."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    signal.signal(signal.SIGINT, notice)
    threading.Thread(target=end_with_parent, daemon=True).start()


def notice(*_: Any) -> None:
    interrupted.set()


def end_with_parent() -> None:
    """However the parent ends: nobody would take the results, and the next parent may want the folder."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def work(perform: Callable[..., Any], call: Call) -> Any:
    """One job; after an interruption no other one is begun."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return None if interrupted.is_set() else perform(*call)
    except KeyboardInterrupt:
        interrupted.set()
        return None
    finally:
        signal.signal(signal.SIGINT, notice)


# %% A cluster
def on_cluster(calls: list[Call], scheduler: str) -> Iterator[tuple[str, Any]]:
    """Through dask, whose scheduler gives the jobs of a worker that died to another one.

    Results come back as JSON, and a pickle in their place is refused. Only dask's own reports, such as a worker's
    exception, are still pickles, so this process trusts the cluster as far as that.
    """
    try:
        from dask.distributed import Client, KilledWorker
        from dask.distributed import as_completed as completed
    except ImportError as error:
        raise BadInput("--scheduler needs the extra [cluster]: pip install 'dask[distributed]'") from error
    places = [str(Path(place or ".").resolve()) for place in sys.path]

    def task(call: Call) -> str:  # defined here, so that it is sent by value
        sys.path.extend(place for place in places if place not in sys.path)
        return json.dumps(importlib.import_module("reproduction.jobs").perform(*call))

    try:
        client = Client(scheduler, timeout=PATIENCE, deserializers=["msgpack", "error"])
    except (OSError, ValueError) as error:  # dask's refusals are OSErrors
        raise BadInput(f"no dask scheduler at {scheduler} ({error}): start one with `dask scheduler`") from error
    with client:
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # its tracebacks, when the scheduler dies
        futures = [client.submit(task, call, key=f"{call[3]}/{call[0]}") for call in calls]  # folder and label
        try:
            for future in completed(futures):
                name, found = json.loads(future.result())
                yield name, found
        except CancelledError as error:
            raise BadInput(f"the dask scheduler at {scheduler} is gone: start it and run this again") from error
        except KilledWorker as error:
            raise BadInput(f"workers died again and again in {error.task}: is memory short?") from error
        finally:
            client.cancel(futures)

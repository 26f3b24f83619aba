"""A run that ranks share: rank 0 reads, writes and announces each step, and the others follow.

`ranks.run(...)` of parallel.py makes it. Between steps rank 0 says what comes next: a step, a checkpoint, the end or an
error. A rank that dies ends them all, and the first that is alive says what is saved.
"""
# tested in tests/test_parallel.py

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .run import Run, Stateful, keep_freed_memory

if TYPE_CHECKING:
    from .parallel import Ranks

END, SAVE, FAILED = -1, -2, -3  # what rank 0 announces between steps; 0 or more is the next step


class Leader(Run):
    """The run in rank 0, which announces to the others what comes next: a step, a checkpoint, the end or an error."""

    def __init__(self, ranks: Ranks, **settings: Any) -> None:
        self.ranks, self.others = ranks, Others(ranks)
        error: Exception | None = None
        try:
            super().__init__(ranks=self.others, **settings)
        except Exception as refused:  # of any kind: the others are told, and raise it too
            error = refused
        ranks.comm.bcast(error)
        if error is not None:
            raise error
        del self.parts["ranks"]
        ranks.comm.bcast((self.done, {name: part.state_dict() for name, part in self.parts.items()}))
        ranks.comm.scatter([None, *(self.others.states or [None] * (ranks.size - 1))])
        self.parts["ranks"] = self.others

    def steps(self, n: int) -> Iterator[int]:
        steps = super().steps(n)
        with spoken_last(self.ranks, self.folder):
            while True:
                try:
                    step = next(steps, END)
                except BaseException as error:  # Ctrl-C, a full disk: the others stop here too
                    announce(self.ranks, FAILED)
                    self.ranks.comm.bcast(error)
                    raise
                announce(self.ranks, step)
                if step == END:
                    break
                yield step
        self.ranks.check_equal({name: part for name, part in self.parts.items() if name != "ranks"})


class Others:
    """The part of a checkpoint that holds what is not alike in the other ranks: their generators and their `keep`."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self.states: list[Any] = []

    def state_dict(self) -> list[Any]:
        announce(self.ranks, SAVE)
        return self.ranks.comm.gather(None)[1:]

    def load_state_dict(self, states: list[Any]) -> None:
        if len(states) != self.ranks.size - 1:
            raise ValueError(f"it was saved by {len(states) + 1} ranks, and these are {self.ranks.size}")
        self.states = states


class Follower:
    """The run in the other ranks: it does the steps that rank 0 announces, and writes nothing.

    It takes the arguments of a Run. Those about log, progress and saving are rank 0's alone.
    """

    def __init__(
        self,
        ranks: Ranks,
        folder: str | Path,
        config: Mapping[str, Any],
        hashes: Mapping[str, str] | None = None,
        generators: Mapping[str, np.random.Generator] | None = None,
        keep: Mapping[str, Any] | None = None,
        quiet: bool = True,
        on_log: Any = None,
        save_seconds: float = 0.0,
        **parts: Stateful,
    ) -> None:
        keep_freed_memory()
        self.ranks, self.folder, self.parts = ranks, Path(folder), parts
        self.generators, self.keep = dict(generators or {}), dict(keep or {})
        error = ranks.comm.bcast(None)
        if error is not None:
            raise error
        self.done, states = ranks.comm.bcast(None)
        for name, part in parts.items():
            part.load_state_dict(states[name])
        saved = ranks.comm.scatter(None)
        if saved is not None:
            self.keep = saved["keep"]
            for name, rng in self.generators.items():
                rng.bit_generator.state = saved["generators"][name]

    def steps(self, n: int) -> Iterator[int]:
        """The steps that rank 0 does, while it does them."""
        with spoken_last(self.ranks, self.folder):
            while (word := announce(self.ranks)) != END:
                if word == SAVE:
                    generators = {name: rng.bit_generator.state for name, rng in self.generators.items()}
                    self.ranks.comm.gather({"keep": self.keep, "generators": generators})
                elif word == FAILED:
                    raise self.ranks.comm.bcast(None)
                else:
                    yield word
                    self.done = word + 1
        self.ranks.check_equal(self.parts)

    def log(self, **values: Any) -> None:
        """Nothing: rank 0 has the log."""


def announce(ranks: Ranks, word: int = 0) -> int:
    """What rank 0 says, in every rank."""
    said = np.array([word])
    ranks.comm.Bcast(said)
    return int(said[0])


@contextlib.contextmanager
def spoken_last(world: Ranks, folder: Path) -> Iterator[None]:
    """Inside, a process that is told to end (SIGTERM) says in one line what is saved, and ends at once.

    When a rank dies, mpiexec tells the others to end. They wait for the dead one in a call of MPI, where Python cannot
    react to signals; the signal's number still arrives at a socket, on which a thread of ours listens. The first rank
    that is alive speaks.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ears, mouth = socket.socketpair()
    mouth.setblocking(False)
    handler = signal.signal(signal.SIGTERM, lambda *_: None)
    descriptor = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=listen, args=(world, folder, ears), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        signal.signal(signal.SIGTERM, handler)
        mouth.close()


def listen(world: Ranks, folder: Path, ears: socket.socket) -> None:
    """Wait for SIGTERM; nothing is left to do when the other end is closed."""
    with ears:
        while number := ears.recv(1):
            if number[0] == signal.SIGTERM:
                if not any(alive(*process) for process in world.processes[: world.rank]):
                    saved = max(folder.glob("checkpoint-*.npz"), default="nothing", key=str)
                    what = f"{folder}: stopped because a rank died or was told to end; saved: {saved}"
                    os.write(2, f"{what}: resume with {world.size} ranks\n".encode())
                time.sleep(0.5)  # so that the others see that this one is there to speak
                os._exit(128 + signal.SIGTERM)


def alive(host: str, process: int) -> bool:
    """Whether a process still runs, as far as one can see from this machine."""
    if host != socket.gethostname() or os.name != "posix":  # elsewhere signal 0 is Ctrl-C
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True

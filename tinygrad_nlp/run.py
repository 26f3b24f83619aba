"""Run: progress, a log, checkpoints and exact resume for a training loop that stays in view.

    run = Run("out/char_rnn", config=config, model=model, optimizer=optimizer, generators={"data": rng},
              hashes={"corpus": digest(text)}, keep={"h": h}, resume=args.resume)
    for step in run.steps(2_000):
        x, labels = batch(rng)
        loss, run.keep["h"] = train(x, labels, run.keep["h"])
        run.log(loss=loss)

Kill it at any moment: with `resume=True` it goes on to the same bytes as if it had never stopped, on the same machine
with the same versions and threads. For that a checkpoint must hold all that the next step depends on. A run knows no
model, so the loop names it: parts (whatever has state_dict and load_state_dict), random generators, and what it carries
from step to step (`keep`: a data cursor, a hidden state).
"""

from __future__ import annotations

import contextlib
import json
import math
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np

from .console import one_thread
from .files import FileError, append, clear_unfinished, locked, refusal, say, write_text
from .npz import read_tree, write_tree
from .seeing.progress import progress
from .tree import branches

FORMAT = 1
PATIENCE = 5.0  # seconds that a run which was just killed has for letting go of its folder


class RunError(FileError):
    """A run cannot go on from its checkpoint. The message is one line: what differs, both sides, and the remedy."""


class Stateful(Protocol):
    """A model, an optimiser, an average of weights: whatever changes as a run goes on."""

    def state_dict(self) -> Any: ...
    def load_state_dict(self, state: Any, /) -> Any: ...


class Run:
    """One training run in a folder of its own: checkpoint-<steps>.npz, the last two of them, and log.jsonl.

    While a run loads or takes steps it holds a lock on its folder, so that two runs never mix (with filelock, which the
    extra `data` installs; where that is missing, keeping them apart is yours).

    Args:
        folder: made if it is not there. Without `resume`, an earlier run in it is replaced when the first step begins.
        config: settings as JSON can say them: not the folder, nor the number of steps if more may be asked for later.
        hashes: of the corpus, the vocabulary, …; see `files.digest`.
        generators: every random generator that the loop or a part draws from. Do not spawn from them in the loop.
        keep: what the loop carries from step to step: arrays, numbers, text, and dicts, lists and tuples of them.
        resume: go on from the newest checkpoint that is whole; from step 0 where there is none yet.
        quiet: no progress. There is none either where standard error is not a terminal.
        on_log: a function that is given what log() writes, a dict: for a CSV file, TensorBoard, ….
        save_seconds: between two checkpoints. When they are taken does not change the numbers.
        parts: model=model, optimizer=optimizer, …: whatever has state_dict() and load_state_dict().

    Attributes:
        keep: as above; the loop reads it and assigns to it.
        done: the number of steps that are finished.

    Raises RunError where configuration, hashes, names or format differ from the checkpoint's, or none is whole;
    FileError where the folder cannot be written to, or another run is using it.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        config: Mapping[str, Any] | None = None,
        hashes: Mapping[str, str] | None = None,
        generators: Mapping[str, np.random.Generator] | None = None,
        keep: Mapping[str, Any] | None = None,
        resume: bool = False,
        quiet: bool = False,
        on_log: Callable[[dict[str, Any]], object] | None = None,
        save_seconds: float = 30.0,
        **parts: Stateful,
    ) -> None:
        for name, part in parts.items():
            if not (hasattr(part, "state_dict") and hasattr(part, "load_state_dict")):
                raise TypeError(f"{name}={part!r} has no state_dict() and load_state_dict(): put it in keep or config")
            for path, rng in generators_in(part, name):
                if not any(rng is known for known in (generators or {}).values()):
                    what = f"{path} is a random generator that the checkpoint would not hold"
                    raise TypeError(f"{what}: put it in generators= too, or resuming would not be exact")
        keep_freed_memory()
        self.folder, self.log_file = Path(folder), Path(folder) / "log.jsonl"
        self.config = json.loads(json.dumps(dict(config or {})))
        self.hashes, self.generators, self.keep = dict(hashes or {}), dict(generators or {}), dict(keep or {})
        self.parts, self.quiet, self.on_log, self.save_seconds = parts, quiet, on_log, save_seconds
        self.done, self.step, self.seconds, self.began = 0, -1, 0.0, 0.0
        self.progress: Any = None
        self.inside = False  # a step that has begun and not ended
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refusal(error, self.folder) from error
        if resume:
            with self.locked():
                self.load()

    def steps(self, n: int) -> Iterator[int]:
        """The numbers of the steps still to do, up to n; with a checkpoint at the start, now and then, and at the end.

        Ctrl-C lets the step finish, saves, and raises KeyboardInterrupt; a second one interrupts at once.
        """
        if self.done > n:
            raise RunError(f"{self.folder} has done {self.done:,} steps, not {n:,}: ask for more, or do not resume")
        bar = progress(self.folder.name, self.done, n, self.quiet)
        with self.locked(), one_thread(), noticing_interrupts() as interrupt, contextlib.closing(bar) as self.progress:
            clear_unfinished(self.folder)
            if self.done == 0:
                for old in self.checkpoints():
                    old.unlink(missing_ok=True)
                write_text(self.log_file, "")
                self.save()
            self.seconds, self.began = self.elapsed(), time.monotonic()
            last_save = self.began
            while self.done < n:
                self.step, self.inside = self.done, True
                yield self.step
                self.done, self.inside = self.done + 1, False
                self.progress.update()
                if interrupt.noticed:
                    break
                if time.monotonic() - last_save >= self.save_seconds:
                    self.save()
                    last_save = time.monotonic()
            self.step = self.done
            self.save()
        if interrupt.noticed:
            raise KeyboardInterrupt(f"stopped after {self.done:,} of {n:,} steps, saved in {self.folder}")

    def log(self, **values: Any) -> None:
        """Append to log.jsonl: the step (0 is the first; n after the loop), seconds of training, and these values."""
        if self.step < 0:
            raise RuntimeError("log() before the first step: call it in or after `for step in run.steps(n)`")
        values = {key: value.item() if hasattr(value, "item") else value for key, value in values.items()}
        if self.progress is not None:
            self.progress.set_postfix(values, refresh=False)
        line = {"step": self.step, "seconds": round(self.elapsed(), 3), **values}
        append(self.log_file, json.dumps({key: sayable(value) for key, value in line.items()}) + "\n")
        if self.on_log is not None:
            self.on_log(line)

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """The lock on the folder, which load() and steps() hold."""
        return locked(self.folder / ".lock", PATIENCE, f"the folder {self.folder}")

    def elapsed(self) -> float:
        """Seconds of training so far, without the time between an interruption and the resumption."""
        return self.seconds + (time.monotonic() - self.began if self.step >= 0 else 0.0)

    def logged(self) -> list[dict[str, Any]]:
        """The lines of log.jsonl; one that was torn off is left out."""
        lines: list[Any] = []
        if self.log_file.exists():
            for line in self.log_file.read_bytes().split(b"\n"):
                with contextlib.suppress(ValueError):
                    lines.append(json.loads(line))
        return [line for line in lines if isinstance(line, dict) and "step" in line]

    def checkpoints(self) -> list[Path]:
        """The checkpoints in the folder, oldest first."""
        return sorted(self.folder.glob("checkpoint-*.npz"))

    def save(self) -> None:
        """Write a checkpoint of everything that the next step depends on, and delete all but the last two."""
        if self.inside:
            raise RuntimeError("save() within a step would save half of it: call it after the loop")
        checkpoint = {
            "format": FORMAT,
            "config": self.config,
            "hashes": self.hashes,
            "versions": versions(),
            "done": self.done,
            "seconds": self.elapsed(),
            "keep": self.keep,
            "generators": {name: rng.bit_generator.state for name, rng in self.generators.items()},
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
        }
        write_tree(self.folder / f"checkpoint-{self.done:09}.npz", checkpoint)
        for old in self.checkpoints()[:-2]:
            old.unlink(missing_ok=True)

    def load(self) -> None:
        """Go on from the newest checkpoint that is whole, and forget what was logged, or saved damaged, after it."""
        found = self.checkpoints()
        if not found:
            return None if self.quiet else say(f"no checkpoint in {self.folder}: starting at step 0")
        for path in reversed(found):
            try:
                checkpoint = read_tree(path)
            except FileError as error:
                say(f"{error}; trying the checkpoint before it")
            else:
                break
        else:
            raise RunError(f"no checkpoint in {self.folder} is whole: start again without resuming")
        self.restore(path, checkpoint)
        for damaged in found[found.index(path) + 1 :]:
            damaged.unlink(missing_ok=True)
        lines = [line for line in self.logged() if line["step"] < self.done]
        write_text(self.log_file, "".join(json.dumps(line) + "\n" for line in lines))

    def restore(self, path: Path, checkpoint: Any) -> None:
        """Put everything back, once all of it is known to fit."""
        ours: dict[str, Any] = {"format": FORMAT, "config": self.config, "hashes": self.hashes}
        held = {"keep": self.keep, "generators": self.generators, "parts": self.parts}
        try:
            theirs = {key: checkpoint.get(key) for key in ours} | {key: sorted(checkpoint.get(key, ())) for key in held}
            ours |= {key: sorted(names) for key, names in held.items()}
            differing = "; ".join(changes(theirs, ours))
            if differing:
                raise RunError(f"{path} is of another run: {differing}: undo that, or start again without resuming")
            if checkpoint["versions"] != versions():
                note = "; ".join(changes(checkpoint["versions"], versions()))
                say(f"{path} was saved by other versions, so the last bits may differ: {note}")
            for name, part in self.parts.items():
                part.load_state_dict(checkpoint["parts"][name])
            for name, rng in self.generators.items():
                rng.bit_generator.state = checkpoint["generators"][name]
            self.keep, self.done, self.seconds = checkpoint["keep"], checkpoint["done"], checkpoint["seconds"]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RunError(f"{path} does not fit: {error}: start again without resuming") from error


def keep_freed_memory() -> None:
    """Let glibc keep arrays that were freed, instead of fetching their memory anew, page by page, at every step.

    It does so once a block of 32 MB was freed. No page is touched here, so it costs nothing; on Linux it makes a
    training step up to 35 % faster. Other systems do not care.
    """
    np.empty((1 << 25) - (1 << 13), np.uint8)


def generators_in(tree: Any, name: str) -> Iterator[tuple[str, np.random.Generator]]:
    """Every random generator that a Module or a tree holds, such as that of a Dropout, with its dotted name."""
    for key, branch in (branches(tree) or {}).items():
        if isinstance(branch, np.random.Generator):
            yield f"{name}.{key}", branch
        else:
            yield from generators_in(branch, f"{name}.{key}")


ABSENT = "(absent)"


def changes(then: Any, now: Any, name: str = "") -> Iterator[str]:
    """Where two trees of settings differ, with both sides.

    >>> list(changes({"lr": 0.1, "cell": "gru"}, {"lr": 0.1, "cell": "rnn"}))
    ["cell was 'gru' and is 'rnn'"]
    """
    if isinstance(then, dict) and isinstance(now, dict):
        for key in {**then, **now}:
            yield from changes(then.get(key, ABSENT), now.get(key, ABSENT), f"{name}.{key}" if name else key)
    elif then != now and (then == then or now == now):  # NaN is NaN
        yield f"{name} was {then!r} and is {now!r}"


def versions() -> dict[str, str]:
    """What the last bits of a number depend on beside the code: the versions of Python and NumPy, and the machine."""
    return {"python": platform.python_version(), "numpy": np.__version__, "machine": platform.machine()}


def sayable(value: Any) -> Any:
    """A value as JSON can say it: NaN and infinity become text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


@contextlib.contextmanager
def noticing_interrupts() -> Iterator[SimpleNamespace]:
    """Inside, the first Ctrl-C only sets `.noticed`: in the main thread, unless somebody else handles it already."""
    interrupt = SimpleNamespace(noticed=False)
    default = signal.default_int_handler
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is default

    def notice(*_: Any) -> None:
        interrupt.noticed = True
        signal.signal(signal.SIGINT, default)

    if ours:
        signal.signal(signal.SIGINT, notice)
    try:
        yield interrupt
    finally:
        if ours:
            signal.signal(signal.SIGINT, default)

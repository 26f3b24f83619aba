"""observing(): look on while calls are made and gradients walk back, in this context and in no other.

An observer belongs to the context that opened it: a thread or an asyncio task, and the tasks begun from there. Other
threads and tasks are not observed, and in whatever order blocks end, none stays on for longer than its own. (A
generator has no context of its own: what it opens sees its consumer too, until the generator closes it.)
"""
# tested in tests/test_threads.py

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any

from .. import engine
from ..core.observing import Observer
from ..engine import Tensor

observers: list[Observer] = []  # that are on, in any context
changing = Lock()
_opened: ContextVar[tuple[Observer, ...]] = ContextVar("opened", default=())


def opened() -> tuple[Observer, ...]:
    """This context's observers that are still on, oldest first. One may have been closed in another context."""
    return tuple(observer for observer in _opened.get() if observer in observers)


class Relay:
    """What the engine tells while anybody looks on: it passes on to the observer that this context opened last."""

    def forward(self, t: Tensor) -> None:
        if mine := opened():
            mine[-1].forward(t)

    def backward(self, t: Tensor, g: Any, a: Tensor, share: Any) -> None:
        if mine := opened():
            mine[-1].backward(t, g, a, share)


relay = Relay()


@contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Tell an observer, and none that was opened before, of all that happens in this context until the block ends."""
    _opened.set((*opened(), observer))
    with changing:
        observers.append(observer)
        engine.observer = relay
    try:
        yield
    finally:
        with changing:
            observers.remove(observer)
            engine.observer = relay if observers else None
        _opened.set(opened())

"""How explain() and watch() look on: the engine tells an observer of each call, and of each share of a gradient."""
# tested in tests/test_engine.py

from __future__ import annotations

from typing import Any, Protocol


class Observer(Protocol):
    """What sees the forward and the backward pass as they happen: seeing/observing.py plugs it into engine.observer."""

    def forward(self, t: Any) -> None:
        """A call has made the Tensor t."""

    def backward(self, t: Any, g: Any, a: Any, share: Any) -> None:
        """Of g, the gradient of t, the argument a gets this share."""

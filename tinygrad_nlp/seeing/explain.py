"""explain(y): the backward pass of a Tensor, step by step, as text, as a Mermaid graph, or as a page to play.

Names come from the variables of the caller; under watch() each step also knows the line that made it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core.notebook import Printed, framed
from ..engine import Tensor
from ..tree import named_leaves
from .events import BackwardPass, backward_pass
from .mermaid import flowchart
from .page import heading, page
from .text import text


class Explanation(BackwardPass, Printed):
    """What explain() returns: print it, or take .mermaid() or .html(path).

    `steps` are the calls, newest first, and `gradients` what they add up to, {leaf: gradient}.
    """

    def _repr_html_(self) -> str:
        return framed(page(self), f"Backpropagation through {heading(self)}")

    def text(self, everything: bool = False) -> str:
        """A line for each call and for each share. Loops are shown once and it fits a screen, unless everything."""
        return text(self, everything)

    __repr__ = text

    def mermaid(self) -> str:
        """A Mermaid flowchart from the result down to the leaves, each arrow with its rule; loops as in text()."""
        return "\n".join(flowchart(self))

    def html(self, path: Any = None) -> str:
        """One page on its own, to walk and play both passes and to nudge a leaf; also written to a path, if given."""
        made = page(self)
        if path is not None:
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(made)
        return made


def explain(y: Tensor, names: dict[str, Any] | None = None, g: Any = None) -> Explanation:
    """The backward pass of y, to print: each call, newest first, and each share of a gradient as it is added.

    Rules are written as calculus: ∘ multiplies entry by entry, matrices stand side by side, g is the gradient of the
    call's result y, and a, b or x are its arguments. names says what Tensors, arrays, Modules and collections of them
    are called, {name: value}; the caller's variables are known anyway. g is as in gradients(). No .grad changes.

    >>> x = Tensor([1.0, 2.0])
    >>> y = np.sum(x * x)
    >>> print(explain(y))
    backward pass of y = 5: 2 calls, newest first
         call, and what its arguments get                        shape           contribution    sum so far      norm
      1  y = sum(t1)                                             ()                              1               1
           ∂t1 += g to each summand                              (2,)            [1 1]           [1 1]           1.414
      2  t1 = x * x                                              (2,)                            [1 1]           1.414
           ∂x += g ∘ b                               use 1 of 2  (2,)            [1 2]           [1 2]           2.236
           ∂x += g ∘ a                               use 2 of 2  (2,)            [1 2]           [2 4]           4.472
    """
    frame = sys._getframe(1)
    known = [pair for scope in (names or {}, frame.f_locals, frame.f_globals) for pair in variables(scope)]
    called = {id(a): name for name, a in reversed(known)}  # of two names the first
    return Explanation(**vars(backward_pass(y, called, g)))


def variables(scope: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The Tensors and arrays among variables, then those in Modules to any depth, then in lists, tuples and dicts one
    level down."""
    seen = {key: value for key, value in scope.items() if not key.startswith("_") and not isinstance(value, type)}
    yield from ((key, value) for key, value in seen.items() if isinstance(value, (Tensor, np.ndarray)))
    for key, value in seen.items():
        if hasattr(value, "named_parameters"):
            yield from named_leaves(value, key)
    for key, value in seen.items():
        if isinstance(value, (list, tuple, dict)):
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            yield from ((f"{key}[{k!r}]", part) for k, part in pairs if isinstance(part, (Tensor, np.ndarray)))

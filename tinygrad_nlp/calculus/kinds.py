"""The kinds of row in the table, and what each does when its function meets a Tensor: rule, composite, flat, op.

A rule calls its derivatives one by one, by the engine's shares(). A composite goes through its definition. A flat
function is given arrays. An op is a function of ours. A fused op has one derivative for all arguments, which may work
in the memory that its forward pass has saved; higher orders replay its reference.
"""
# tested in tests/calculus/test_rows.py

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..core import habits
from ..core.interface import name
from ..core.unbroadcast import fit
from ..engine import Tensor, call, gradients, remembered, shares
from . import forms


class Saved(NamedTuple):
    """What the forward pass of an op returns when its derivative needs more than the output: y and anything else.

    The derivative gets `saved` for its own, to write into, except where it shares memory with y or an argument: no
    second set of buffers is wanted on the way back. A second walk runs the call again, on its arguments as they are
    then.
    """

    y: Any
    saved: Any


@dataclass(slots=True)
class Row:
    """A function's entry in the table. Its class says what the function does when it is given Tensors."""

    kind: ClassVar[str]  # "rule", "composite", "flat" or "op", as table() shows it
    fn: Callable[..., Any]
    forward: Callable[..., Any]
    derivatives: Any = ()
    keywords: frozenset[str] = frozenset()
    positional: float = math.inf  # how many positional arguments the derivatives take
    unchecked: float = math.inf  # calls with up to this many arguments, and no keywords, need no check
    numpys: inspect.Signature | None = None  # NumPy's own, of an array function
    direct: float = math.inf  # up to this many positional arguments mean the same in NumPy's order and in ours
    reference: Callable[..., Any] | None = None
    joint: ClassVar[bool] = False  # one derivative for all arguments

    def of_tensors(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """The value of the function where a Tensor is among the arguments."""
        raise TypeError(f"`{name(self.fn)}` has no way to take Tensors")

    def bound(self, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """A call in NumPy's order and under NumPy's names, as the derivatives or the definition take it."""
        if self.numpys is None or (len(args) <= self.direct and kwargs.keys() <= self.keywords):
            return args, kwargs
        args, kwargs = forms.rebound(self, args, kwargs)
        self.check_keywords(kwargs)
        return args, kwargs

    def check_keywords(self, kwargs: dict[str, Any]) -> None:
        """Refuse keywords that this row does not know, such as out=, where= and dtype=."""
        for key in kwargs:
            if key not in self.keywords:
                known = ", ".join(sorted(self.keywords)) or "none"
                what = f"`{name(self.fn)}` of a Tensor takes no keyword {key}= (known: {known})"
                raise TypeError(what + (forms.remedy([key]) or ": leave it out"))


class Rule(Row):
    """A function with a derivative for each argument: derivatives[i](g, y, *args, **kwargs) is for argument i."""

    kind = "rule"
    shares = shares  # the engine's: each derivative is called for its argument

    def of_tensors(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if kwargs or len(args) > self.unchecked:
            args, kwargs = self.bound(args, kwargs)
        return call(self.fn, args, kwargs)

    def check(self, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        """Refuse at the call what backward could not do: unknown keywords, Tensors where there is no derivative."""
        self.check_keywords(kwargs)
        for key, value in kwargs.items():
            if type(value) is Tensor:
                raise TypeError(
                    f"`{name(self.fn)}` has no derivative for {key}=: pass the Tensor by position, or its .data"
                )
        if len(args) > self.positional:
            raise TypeError(f"`{name(self.fn)}` of a Tensor takes at most {self.positional} arguments by position")
        for i, a in enumerate(args):
            if type(a) is Tensor and not self.has_derivative(i):
                raise TypeError(f"`{name(self.fn)}` has no derivative for its argument {i}: pass its values, t.data")

    def has_derivative(self, i: int) -> bool:
        """Whether argument i may be a Tensor."""
        return isinstance(self.derivatives, Each) or (i < len(self.derivatives) and self.derivatives[i] is not None)


class Jointly(Rule):
    """A rule whose arguments share one derivative, as many as they are: it returns a tuple with a gradient for each."""

    joint = True

    def has_derivative(self, i: int) -> bool:
        return True

    def shares(self, t: Tensor, g: Any, create_graph: bool) -> Iterator[tuple[Tensor, Any]]:
        args = t.args if create_graph else [a.data if type(a) is Tensor else a for a in t.args]
        together = self.derivatives(g, t if create_graph else t.data, *args, **t.kwargs)
        for i, a in enumerate(t.args):
            if type(a) is Tensor:
                yield a, fit(together[i], a, t, i)


class Composite(Row):
    """A function defined by other functions of the table: the chain rule goes through its definition."""

    kind = "composite"

    def of_tensors(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if kwargs or len(args) > self.unchecked:
            args, kwargs = self.bound(args, kwargs)
            self.check_keywords(kwargs)
        return self.forward(*args, **kwargs)


class Flat(Row):
    """A function without a gradient: it is given the arrays behind the Tensors."""

    kind = "flat"

    def of_tensors(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        try:
            return self.forward(*map(values, args), **{key: values(value) for key, value in kwargs.items()})
        except TypeError as error:
            habits.answer(error)
            raise


class Op(Rule):
    """A function of ours with a derivative for each argument; beside a reference, higher orders go through that."""

    kind = "op"

    def shares(self, t: Tensor, g: Any, create_graph: bool) -> Iterator[tuple[Tensor, Any]]:
        if create_graph and self.reference is not None:
            return replayed(self, t, g, create_graph)
        return shares(self, t, g, create_graph)


class Fused(Op):
    """An op whose arguments share one derivative: it returns a tuple with a gradient for each. Without a derivative
    the first order goes through the reference too."""

    joint = True

    def has_derivative(self, i: int) -> bool:
        return True

    def of_tensors(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        if kwargs:
            self.check(args, kwargs)
        value = self.forward(*[a._data if type(a) is Tensor else a for a in args], **kwargs)
        if type(value) is Saved:
            return remembered(value.y, self.fn, args, kwargs, [value.saved])
        return remembered(value, self.fn, args, kwargs)

    def shares(self, t: Tensor, g: Any, create_graph: bool) -> Iterator[tuple[Tensor, Any]]:
        if create_graph or not self.derivatives:
            return replayed(self, t, g, create_graph)
        return self.joint_shares(t, g)

    def joint_shares(self, t: Tensor, g: Any) -> Iterator[tuple[Tensor, Any]]:
        """The derivative's gradients, one for each Tensor. What the forward pass saved is given away once."""
        args, keywords = [a._data if type(a) is Tensor else a for a in t.args], t.kwargs
        if t.saved is not None:
            try:
                saved = t.saved.pop()  # in one step: of two threads one gets it
            except IndexError:
                saved = self.forward(*args, **keywords).saved
            keywords = keywords | {"saved": saved}
        together = self.derivatives(g, t._data, *args, **keywords)
        together = together if type(together) is tuple else (together,)
        if any(type(a) is Tensor for a in t.args[len(together) :]):
            what = f"the derivative of `{name(t.fn)}` gave {len(together)} gradients for {len(t.args)} arguments"
            raise ValueError(f"{what}: return a tuple with one for each, None for a constant")
        for i, a in enumerate(t.args):
            if type(a) is Tensor:
                yield a, fit(together[i], a, t, i)


def replayed(row: Row, t: Tensor, g: Any, create_graph: bool) -> Iterator[tuple[Tensor, Any]]:
    """The shares of a fused call by the chain rule through its reference; with create_graph they can be differentiated
    again."""
    again = (lambda a: call(np.positive, (a,))) if create_graph else leaf_like
    args = [again(a) if type(a) is Tensor else a for a in t.args]  # born now: the walk stops at them
    leaves = [a for a in args if type(a) is Tensor]
    y = row.reference(*args, **t.kwargs)  # type: ignore[misc]  # who replays has one
    if not row.derivatives and not same_numbers(y.data, t.data):
        what = f"`{name(t.fn)}` gave another value when it was run again for its derivative"
        raise RuntimeError(f"{what}: draw random numbers outside, and pass them in")
    found = gradients(y, leaves, g, create_graph=create_graph)
    yield from zip((a for a in t.args if type(a) is Tensor), found, strict=True)


def same_numbers(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two results are alike but for rounding, which may be large in float32."""
    largest = float(np.max(abs(b), initial=0, where=np.isfinite(b)))
    return np.allclose(a, b, rtol=0.01, atol=0.001 * largest, equal_nan=True)


def leaf_like(t: Tensor) -> Tensor:
    """A leaf with the same array as t, which is read-only: nothing is copied."""
    leaf = Tensor(np.empty((), t.dtype))
    leaf._data = t.data
    return leaf


class Each:
    """The derivatives of a function of any number of arguments: one function, told which."""

    def __init__(self, derivative: Callable[..., Any]) -> None:
        self.derivative = derivative

    def __getitem__(self, i: int) -> Callable[..., Any]:
        return functools.partial(self.derivative, i)


def values(a: Any) -> Any:
    """The array behind a Tensor, also inside a list or tuple; anything else as it is."""
    if isinstance(a, (list, tuple)):
        return type(a)(map(values, a))
    return a.data if type(a) is Tensor else a

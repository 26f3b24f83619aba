"""The engine: lesson 0 (examples/lessons/00_the_engine.py), and what real programs need beside it.

The chain rule: for y = f(a, b), a loss L far downstream and g = ∂L/∂y, the share of a is ∂L/∂a = (∂y/∂a)ᵀ g. Each row
of the table in rules.py computes that product. The engine adds up the shares of all the calls that used a, and knows no
function by name. Beyond lesson 0: float32, sparse gradients, higher orders, observers, and graphs out of date.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Any, final

import numpy as np
from numpy import ndarray

from .core import refusals
from .core.interface import NumPyInterface, astype
from .core.observing import Observer
from .core.sparse import owned, settled
from .core.unbroadcast import fit

TABLE: dict[Callable[..., Any], Any] = {}  # function -> Row (calculus/kinds.py); rules.py and fused.py fill it
births = itertools.count()
observer: Observer | None = None
summing = Lock()  # of two threads that add to one .grad, each adds to what the other left


@final
class Tensor(NumPyInterface):
    """An array that wants a gradient: a leaf made from an array, or the result of a call on other Tensors.

    `data` is the array, float32 or float64; `grad` is filled in leaves by backward(). fn, args and kwargs are the call
    that made it, None and empty for a leaf. Integers, booleans and complex numbers cannot be Tensors: they stay arrays.

    >>> x = Tensor([1.0, 2.0])
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4.])
    """

    __slots__ = ("__weakref__", "_data", "_grad", "args", "birth", "fn", "kwargs", "saved", "updated")

    def __init__(self, array: Any) -> None:
        self._data = np.array(array, order="C")  # a copy; in C order, because optimisers move its rows in one piece
        if self._data.dtype not in (np.float32, np.float64):
            raise refusals.no_float(self._data)
        self._data.flags.writeable = False
        self._grad: Any = None
        self.fn: Callable[..., Any] | None = None
        self.args: Sequence[Any] = ()
        self.kwargs: dict[str, Any] = {}
        self.saved: Any = None
        self.birth = self.updated = next(births)

    def backward(self, g: Any = None, retain_graph: bool = True) -> None:
        """Add this Tensor's gradient by every leaf behind it to leaf.grad; g as in gradients(). Graphs always stay."""
        found = gradients(self, g=g).items()
        with summing:
            summed = [(x, d if x._grad is None else settled(x._grad + d, x)) for x, d in found]
            for leaf, gradient in summed:  # only once all are known: an error on the way leaves every .grad as it was
                leaf._grad = gradient


def dispatch(fn: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What a NumPy function does when a Tensor is among its arguments: look it up in the table."""
    if (row := TABLE.get(fn)) is None:
        raise refusals.not_in_table(fn)
    return row.of_tensors(args, kwargs)


def call(fn: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any] = {}) -> Tensor:  # noqa: B006 (never changed)
    """Run fn on the arrays behind args, and remember the call: this is the whole forward pass."""
    row = TABLE[fn]
    if kwargs or len(args) > row.unchecked:
        row.check(args, kwargs)
    value = row.forward(*[a._data if type(a) is Tensor else a for a in args], **kwargs)
    return remembered(value, fn, args, kwargs)


def remembered(value: Any, fn: Any, args: Sequence[Any], kwargs: dict[str, Any], saved: Any = None) -> Tensor:
    """The value of a call as a Tensor that knows the call, and what the call has saved for its derivative."""
    if type(value) is not ndarray:
        value = refusals.plain_array(fn, value)
    if value.dtype.char not in "fd":
        raise refusals.no_float_result(fn, value)
    value.setflags(write=False)  # editing an intermediate in place would make gradients wrong without a word
    t = object.__new__(Tensor)
    t._data, t.fn, t.args, t.kwargs, t.saved = value, fn, args, kwargs, saved
    t.birth = t.updated = next(births)
    if (now := observer) is not None:  # another thread may take it away at any time
        now.forward(t)
    return t


def history(y: Tensor, since: int = -1) -> list[Tensor]:
    """Every Tensor behind y that is not older than `since`, newest first: a call is born after its arguments."""
    seen, found = {y}, [y]
    for t in found:  # it grows while we walk: no recursion, so no chain is too long
        for a in t.args:
            if type(a) is Tensor and a.birth >= since:
                if a.updated > t.birth:
                    raise refusals.out_of_date(t, a)
                if a not in seen:
                    seen.add(a)
                    found.append(a)
    return sorted(found, key=operator.attrgetter("birth"), reverse=True)


def gradients(y: Tensor, xs: Sequence[Tensor] | None = None, g: Any = None, create_graph: bool = False) -> Any:
    """Reverse-mode differentiation of y: {leaf: gradient}, or for xs a list (zeros where y does not depend on an x).

    g is the gradient of the output, of y's shape; it may be left out for a one-element y. With create_graph the
    gradients are Tensors, to be differentiated again. The gradient of a looked-up table is a RowSparse.
    Raises TypeError where y is no Tensor, ValueError where g is missing or has another shape.
    """
    asked = refusals.checked(Tensor, y, xs)
    found: dict[Tensor, Any] = {y: seed(y, g, create_graph)}
    result: dict[Tensor, Any] = {}
    wanted = set(asked)
    since = min((x.birth for x in wanted), default=-1)  # nothing older depends on the wanted Tensors
    for t in history(y, since):
        g = found.pop(t)
        if type(g) is not ndarray:
            g = settled(g, t)
        if t.fn is None or t in wanted:
            result[t] = g
        if t.fn is not None and t.birth != since:
            for a, share in TABLE[t.fn].shares(t, g, create_graph):
                if (now := observer) is not None:
                    now.backward(t, g, a, share)
                found[a] = found[a] + share if a in found else share  # never in place: a share may be another's array
            del share  # its memory is free for the next derivative
    result = owned(result)
    if xs is None:
        return result
    zeros = Tensor if create_graph else np.asarray
    return [result[x] if x in result else zeros(np.zeros_like(x._data)) for x in asked]


def seed(y: Tensor, g: Any, create_graph: bool) -> Any:
    """The gradient of the output: g in y's dtype, and our own copy; without g one, for a single number."""
    if g is None and y.size != 1:
        raise refusals.no_seed(y)
    g = np.ones(y.shape, y.dtype) if g is None else g
    if create_graph:
        g = call(astype, (g if type(g) is Tensor else Tensor(np.asarray(g, y.dtype)), y.dtype))
    else:
        g = np.array(g._data if type(g) is Tensor else g, dtype=y.dtype)
    if g.shape != y.shape:
        raise refusals.wrong_seed(y, g)
    return g


def shares(row: Any, t: Tensor, g: Any, create_graph: bool) -> Iterator[tuple[Tensor, Any]]:
    """Each Tensor among the arguments of the call that made t, with its share (∂t/∂a)ᵀ g by the rules in its row."""
    args = t.args if create_graph else [a._data if type(a) is Tensor else a for a in t.args]
    y = t if create_graph else t._data
    for i, a in enumerate(t.args):
        if type(a) is Tensor:
            share = row.derivatives[i](g, y, *args, **t.kwargs)
            fits = type(share) is ndarray and share.shape == a._data.shape and share.dtype is a._data.dtype
            yield a, share if fits else fit(share, a, t, i)


def writable(t: Tensor) -> ndarray:
    """The one door to a leaf's values, for optimisers: a view that may be written to. Graphs that used the old values
    are out of date from now on, and history() refuses them."""
    if t.fn is not None:
        raise refusals.no_leaf(t)
    t._data.setflags(write=True)
    view = t._data.view()
    t._data.setflags(write=False)
    t.updated = next(births)
    return view


Tensor._call, Tensor._dispatch, Tensor._writable = staticmethod(call), staticmethod(dispatch), writable

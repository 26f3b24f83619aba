"""The engine: a Tensor remembers the call that made it, and gradients() walks the calls backwards. Read this file
first.

    x = Tensor([1.0, 2.0])          a leaf: an array that wants a gradient
    y = np.sum(x * x)               two calls: multiply(x, x), then sum(...)
    y.backward()                    x.grad is now [2., 4.]

The chain rule: for y = f(a, b), a loss L far downstream and g = ∂L/∂y, the share of a is ∂L/∂a = (∂y/∂a)ᵀ g. Each
row of the table in rules.py computes that product; the engine adds up the shares of all the calls that used a. It
knows no function by name.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, final

import numpy as np
from numpy import ndarray

from .core.interface import NumPyInterface, astype, name
from .core.sparse import Patches, RowSparse
from .core.unbroadcast import fit

TABLE: dict[Callable[..., Any], Any] = {}  # function -> Row (rows.py says what that is); rules.py and fused.py fill it
births = itertools.count()
by_birth = operator.attrgetter("birth")
new = object.__new__


@final
class Tensor(NumPyInterface):
    """An array that wants a gradient: a leaf made from an array, or the result of a call on other Tensors.

    `data` (read-only) is the array; `grad` is filled in leaves by backward(). fn, args, kwargs are the call that
    made it, None and empty for a leaf. Integers, booleans and complex numbers cannot be Tensors: ids, masks and
    labels stay arrays.

    >>> x = Tensor([1.0, 2.0])
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4.])
    """

    __slots__ = ("__weakref__", "args", "birth", "data", "fn", "grad", "kwargs", "saved")

    def __init__(self, array: Any) -> None:
        data = np.array(array, order="C")  # C: optimisers move its rows in one piece
        if data.dtype not in (np.float32, np.float64):
            remedy = "ids, masks and labels stay arrays; numbers: np.asarray(a).astype(float)"
            raise TypeError(f"a Tensor holds float32 or float64, not {data.dtype} (shape {data.shape}): {remedy}")
        data.flags.writeable = False
        self.data: np.ndarray = data
        self.grad: Any = None
        self.fn: Callable[..., Any] | None = None
        self.args: Sequence[Any] = ()
        self.kwargs: dict[str, Any] = {}
        self.saved: Any = None
        self.birth = next(births)

    def backward(self, g: Any = None) -> None:
        """Add this Tensor's gradient with respect to every leaf behind it to leaf.grad; g as in gradients()."""
        found = gradients(self, g=g).items()
        summed = [(x, d if x.grad is None else plain(x.grad + d)) for x, d in found]
        for leaf, gradient in summed:  # only once all are known: an error on the way leaves every .grad as it was
            leaf.grad = gradient

    def __reduce__(self) -> Any:
        if self.fn is not None:
            raise TypeError(f"a Tensor made by `{name(self.fn)}` cannot be copied or pickled: copy its values, t.data")
        return Tensor, (self.data,)

    def __repr__(self) -> str:
        made = "" if self.fn is None else f", made by {name(self.fn)}"
        return f"Tensor({np.array2string(self.data, separator=', ', prefix='Tensor(')}{made})"


class Saved(NamedTuple):
    """What the forward pass of an op returns when its derivative needs more than the output: y and anything else.

    The derivative gets `saved` for its own, to write into, except where it shares memory with y or an argument: no
    second set of buffers is wanted on the way back. A second walk runs the call again, on its arguments as they are
    then.
    """

    y: Any
    saved: Any


class Observer(Protocol):
    """What explain() and watch() plug in to see each call, and each share of a gradient, as it happens."""

    def forward(self, t: Tensor) -> None: ...
    def backward(self, t: Tensor, g: Any, a: Tensor, share: Any) -> None: ...


observer: Observer | None = None
spent = object()  # what is saved once a derivative has had it


def dispatch(fn: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What a NumPy function does when a Tensor is among its arguments: look it up in the table."""
    row = TABLE.get(fn)
    if row is None:
        remedy = "build it from functions of tinygrad_nlp.table(), or add a row with rule(), composite() or flat()"
        raise TypeError(f"`{name(fn)}` is not in the table of derivatives: {remedy}; on constants use t.data")
    if kwargs or len(args) > row.plain:
        args, kwargs = row.bound(args, kwargs)
    if row.kind in ("rule", "op"):
        return call(fn, args, kwargs)
    return row.forward(*args, **kwargs)


def call(fn: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any] = {}) -> Any:  # noqa: B006 (never changed)
    """Run fn on the arrays behind args and remember the call: this is the whole forward pass."""
    row = TABLE[fn]
    if kwargs or len(args) > row.plain:
        row.check(args, kwargs)
    value = row.forward(*[a.data if type(a) is Tensor else a for a in args], **kwargs)
    t = new(Tensor)
    t.saved = None
    if type(value) is Saved:
        value, t.saved = value
    if type(value) is not ndarray:
        if isinstance(value, ndarray):
            raise TypeError(f"`{name(fn)}` met a {type(value).__name__}, whose * is not NumPy's: pass np.asarray(a)")
        value = np.asarray(value)
    if value.dtype.char not in "fd":
        raise TypeError(f"`{name(fn)}` gave {value.dtype}: a Tensor is float32 or float64; for constants use t.data")
    value.setflags(write=False)  # editing an intermediate in place would make gradients wrong without a word
    t.data, t.grad, t.fn, t.args, t.kwargs, t.birth = value, None, fn, args, kwargs, next(births)
    if observer is not None:
        observer.forward(t)
    return t


Tensor._call, Tensor._dispatch = staticmethod(call), staticmethod(dispatch)


def history(y: Tensor, oldest: int = -1) -> list[Tensor]:
    """Every Tensor behind y, newest first: a call is born after its arguments, so each comes before what it was made
    from."""
    seen, found = {y}, [y]
    for t in found:  # it grows while we walk: no recursion, so no chain is too long
        for a in t.args:
            if type(a) is Tensor and a.birth >= oldest:
                if a.birth > t.birth:
                    what = f"a Tensor of shape {a.shape} was updated after `{name(t.fn)}` used it"
                    raise RuntimeError(f"{what}: run the forward pass again before backward, or update after it")
                if a not in seen:
                    seen.add(a)
                    found.append(a)
    return sorted(found, key=by_birth, reverse=True)


def gradients(y: Tensor, xs: Sequence[Tensor] | None = None, g: Any = None, create_graph: bool = False) -> Any:
    """Reverse-mode differentiation of y: {leaf: gradient}, or for xs a list (zeros where y does not depend on an x).

    g is the gradient of the output, of y's shape; it may be left out for a one-element y. With create_graph the
    gradients are Tensors, to be differentiated again. The gradient of a looked-up table is a RowSparse.
    Raises TypeError where y is no Tensor, ValueError where g is missing or has another shape.
    """
    if type(y) is not Tensor:
        raise TypeError(
            f"nothing to differentiate: the output is {type(y).__name__}, not a Tensor, so no Tensor is behind it"
        )
    if isinstance(xs, (Tensor, np.ndarray)):
        raise TypeError("xs is a list of Tensors, not one: gradients(y, [x])")
    xs = None if xs is None else list(xs)
    if wrong := [type(x).__name__ for x in xs or () if type(x) is not Tensor]:
        raise TypeError(f"xs holds {wrong[0]}: gradients are with respect to Tensors; an array is a constant")
    wanted = set(xs or ())
    found: dict[Tensor, Any] = {y: seed(y, g, create_graph)}
    result: dict[Tensor, Any] = {}
    # nothing older than x depends on it; a leaf does not tell, for an update renews its birth
    results_only = bool(wanted) and all(x.fn is not None for x in wanted)
    oldest = min(x.birth for x in wanted) if results_only else -1
    for t in history(y, oldest):
        g = found.pop(t)
        if type(g) is not ndarray and (type(g) is Patches or (type(g) is RowSparse and t.fn is not None)):
            g = g.todense()
        if t.fn is None or (wanted and t in wanted):
            result[t] = plain(g)
            if t.fn is None or t.birth == oldest:
                continue
        for a, share in shares(t, g, create_graph):
            if observer is not None:
                observer.backward(t, g, a, share)
            if a in found:
                found[a] = found[a] + share  # never in place: a share may be somebody else's array
            elif (a.fn is None or (wanted and a in wanted)) and type(share) is ndarray and is_shared(share, g, t):
                found[a] = share.copy()  # what a user is handed shares memory with nothing
            else:
                found[a] = share
        del share  # or its memory would not be free for the next derivative
    if xs is None:
        return result
    zeros = Tensor if create_graph else np.asarray
    return [result[x] if x in result else zeros(np.zeros_like(x.data)) for x in xs]


def plain(g: Any) -> Any:
    """A gradient as users get it: an array also where NumPy made a scalar of it."""
    return np.asarray(g) if isinstance(g, np.generic) else g


def is_shared(share: np.ndarray, g: Any, t: Tensor) -> bool:
    """Whether a share may be memory of something else: of g, of what it is a view of, of what a joint op keeps."""
    return share is g or share.base is not None or TABLE[t.fn].joint  # type: ignore[index]


def seed(y: Tensor, g: Any, create_graph: bool) -> Any:
    """The gradient of the output, checked, of its dtype and our own: one for a single number."""
    if g is None and y.size != 1:
        raise ValueError(f"the output has shape {y.shape}, not one number: take its .sum(), or pass its gradient as g=")
    value = np.ones(y.shape, y.dtype) if g is None else np.array(g.data if type(g) is Tensor else g, dtype=y.dtype)
    if value.shape != y.shape:
        raise ValueError(f"g has shape {value.shape} but the output {y.shape}: pass a gradient of the output's shape")
    if create_graph:
        return call(astype, (g, y.dtype)) if type(g) is Tensor else Tensor(value)
    return value


def shares(t: Tensor, g: Any, create_graph: bool) -> Iterator[tuple[Tensor, Any]]:
    """Each Tensor among the arguments of the call that made t, with its share (∂t/∂a)ᵀ g of the gradient."""
    row = TABLE[t.fn]  # type: ignore[index]
    if row.reference is not None and (create_graph or not row.derivatives):
        yield from replay(t, row, g, create_graph)
        return
    args = t.args if create_graph else [a.data if type(a) is Tensor else a for a in t.args]
    given = (g, t if create_graph else t.data, *args)
    derivatives, keywords, joint = row.derivatives, t.kwargs, row.joint
    if joint:  # one function for all arguments, which share its work
        if t.saved is not None:
            saved = row.forward(*args, **keywords).saved if t.saved is spent else t.saved
            keywords, t.saved = keywords | {"saved": saved}, spent
        together = derivatives(*given, **keywords)
        together = together if type(together) is tuple else (together,)
        if any(type(a) is Tensor for a in t.args[len(together) :]):
            what = f"the derivative of `{name(t.fn)}` gave {len(together)} gradients for {len(t.args)} arguments"
            raise ValueError(f"{what}: return a tuple with one for each, None for a constant")
    for i, a in enumerate(t.args):
        if type(a) is Tensor:
            share = together[i] if joint else derivatives[i](*given, **keywords)
            fits = type(share) is ndarray and share.shape == a.data.shape and share.dtype is a.data.dtype
            yield a, share if fits else fit(share, a, t, i)


def replay(t: Tensor, row: Any, g: Any, create_graph: bool) -> Iterator[tuple[Tensor, Any]]:
    """The shares of a fused call by the chain rule through its reference; with create_graph they can be differentiated
    again."""
    again = (lambda a: call(np.positive, (a,))) if create_graph else twin
    args = [again(a) if type(a) is Tensor else a for a in t.args]  # born now: the walk stops at them
    leaves = [a for a in args if type(a) is Tensor]
    y = row.reference(*args, **t.kwargs)
    if not row.derivatives and not np.allclose(y.data, t.data, 0.01, 0.001 * np.max(abs(t.data), initial=0), True):
        what = f"`{name(t.fn)}` gave another value when it was run again for its derivative"
        raise RuntimeError(f"{what}: draw random numbers outside, and pass them in")
    found = gradients(y, leaves, g, create_graph=create_graph)
    yield from zip((a for a in t.args if type(a) is Tensor), found, strict=True)


def twin(t: Tensor) -> Tensor:
    """A leaf with the same array as t, which is read-only: nothing is copied."""
    leaf = Tensor(np.empty((), t.dtype))
    leaf.data = t.data
    return leaf


def writable(t: Tensor) -> np.ndarray:
    """The one door to a leaf's values, for optimisers and load_state_dict: a view that may be written to.

    Graphs that used the old values are out of date from now on, and history() refuses them. TypeError for a result.
    """
    if t.fn is not None:
        raise TypeError(f"only leaves can be written to: `{name(t.fn)}` made this Tensor of shape {t.shape}")
    t.data.setflags(write=True)
    view = t.data.view()
    t.data.setflags(write=False)
    t.birth = next(births)
    return view

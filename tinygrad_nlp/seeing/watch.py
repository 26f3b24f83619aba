"""watch(): where a NaN or an infinity was born, and whether a constant was changed behind the gradient's back.

    with watch():
        loss = model(x)      FloatingPointError at the first call that makes a NaN or an infinity: where, and the remedy
        loss.backward()      the same for gradients; RuntimeError where a constant is not what it was when used

It plugs into the engine's observer, so it costs nothing when off.
"""

from __future__ import annotations

import linecache
import math
import os
import sys
import traceback
import warnings
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import engine
from ..calculus.kinds import values
from ..core import notebook
from ..core.interface import name
from ..core.sparse import Patches, RowSparse
from ..engine import Tensor
from .observing import observing, opened

HERE = os.path.dirname(engine.__file__) + os.sep  # the root of the package
LOG = (
    "log is -inf at 0 and NaN below: keep its argument away from 0, np.maximum(x, 1e-12), or use log_softmax, logsumexp"
)
EXP = "exp overflows above 88 in float32, 709 in float64: subtract the maximum first, or use softmax, logsumexp"
ZERO = "division by 0: divide by np.where(b == 0, 1, b), or add a small number to the denominator"
OUTSIDE = "an argument is outside of the function's domain: np.clip it"
GREW = "the values grew until they overflowed: a smaller learning rate, optim.clip_norm, or smaller initial weights"
REMEDIES = {
    **dict.fromkeys(["log", "log2", "log10", "log1p", "xlogy", "logit", "logabsdet"], LOG),
    **dict.fromkeys(["exp", "exp2", "expm1", "sinh", "cosh"], EXP),
    **dict.fromkeys(["divide", "reciprocal", "remainder"], ZERO),
    **dict.fromkeys(["sqrt", "power", "arcsin", "arccos", "arccosh", "arctanh", "gammaln", "digamma"], OUTSIDE),
}
BACKWARD = (
    "the derivative is infinite there, and 0 · inf is NaN even for entries that np.where drops: make the argument "
    "safe first, safe = np.where(x > 0, x, 1), and choose after the call, np.where(x > 0, np.sqrt(safe), 0)"
)


ELEMENTWISE = (np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum)


class NotFinite(FloatingPointError, notebook.Shown):
    """What watch() raises: `what` happened in which call, `where` (file, line), the `ranges` of its arguments, and a
    `remedy`."""

    def __init__(self, what: str, where: tuple[str, int] | None, ranges: str, remedy: str) -> None:
        super().__init__(what, where, ranges, remedy)
        self.what, self.where, self.ranges, self.remedy = what, where, ranges, remedy

    def __str__(self) -> str:
        return f"{self.what}: {self.ranges}: {self.remedy}"

    def parts(self) -> list[str]:
        """What is said, piece by piece, with the user's line of code where it can be read."""
        code = linecache.getline(*self.where).strip() if self.where else ""
        return [self.what, *([f"→ {code}"] if code else []), self.ranges, f"remedy: {self.remedy}"]

    def _repr_html_(self) -> str:
        first, *others = self.parts()
        return notebook.block(notebook.line(first, notebook.BAD), *map(notebook.line, others))

    def _render_traceback_(self) -> list[str]:
        """What IPython prints where nobody catches it: the user's own frames, then the message piece by piece."""
        foreign = (HERE, os.sep + "IPython" + os.sep, os.sep + "ipykernel" + os.sep)
        frames = [
            f for f in traceback.extract_tb(self.__traceback__) if not any(part in f.filename for part in foreign)
        ]
        first, *others = self.parts()
        return [*traceback.format_list(frames), f"{type(self).__name__}: {first}", *(f"    {part}" for part in others)]


class Note(weakref.ref[Tensor]):
    """Where a Tensor was made, and checksums of the constants that its call read; it goes with the Tensor."""

    __slots__ = ("birth", "file", "line", "sums")
    birth: int
    file: str
    line: int
    sums: list[int]


notes: dict[int, Note] = {}  # by birth


def forget(note: Any) -> None:
    notes.pop(note.birth, None)


def source(t: Tensor) -> str:
    """File and line of the call that made t, if watch() saw it."""
    note = notes.get(t.birth)
    return "" if note is None else f"{os.path.basename(note.file)}:{note.line}"


@contextmanager
def watch() -> Iterator[None]:
    """Raise NotFinite, a FloatingPointError, at the first call of this block that makes a NaN or an infinity, forward
    or backward.

    The message names the call, your file and line, the range of each argument and the usual remedy. Infinities that you
    put in yourself, such as a mask of -inf, may pass; a NaN never does. A constant (ids, labels, masks, data) that has
    changed between forward and backward raises RuntimeError, naming the call; an (N, 1) that meets an (N,), and so
    makes (N, N), is a warning. It sees the thread or asyncio task that opened it, and no other.

    >>> with watch():
    ...     p = np.log(Tensor([1.0, 0.0]))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    tinygrad_nlp.seeing.watch.NotFinite: `log` at ... made -inf: argument 0 (2,) in [0, 1]: log is -inf at 0 ...
    """
    watch = Watch()
    others = [o for o in opened() if isinstance(o, Watch) and o.errors]
    watch.errors = others[0].errors if others else np.geterr()
    np.seterr(all="ignore")  # NumPy's own warnings would come first, and say less
    with observing(watch):
        try:
            yield
        finally:
            if [o for o in opened() if isinstance(o, Watch) and o.errors] == [watch]:  # whichever of several ends last
                np.seterr(**watch.errors)


class Watch:
    """The observer behind watch()."""

    last: Tensor | None = None
    errors: Any = None  # NumPy's settings before the first of the watches that are on

    def forward(self, t: Tensor) -> None:
        frame = sys._getframe(1)
        while frame.f_code.co_filename.startswith(HERE) and frame.f_back is not None:
            frame = frame.f_back
        note = notes[t.birth] = Note(t, forget)
        note.birth, note.file, note.line = t.birth, frame.f_code.co_filename, frame.f_lineno
        note.sums = [checksum(a) for _, a in constants(t)]
        if not finite(t.data):
            check_result(t)
        if what := accidental_broadcast(t):
            warnings.warn(what, stacklevel=2)

    def backward(self, t: Tensor, g: Any, a: Tensor, share: Any) -> None:
        if t is not self.last:
            self.last = t
            check_constants(t)
        if type(share) is not Patches and not finite(share) and finite(g):
            i = next(i for i, b in enumerate(t.args) if b is a)
            what = f"the gradient of argument {i} of {place(t)} became {worst(share)} in backward"
            raise not_finite(t, what, BACKWARD if np.isfinite(t.data).all() else GREW)


def finite(a: Any) -> bool:
    """Whether every number is finite; the dot product finds out in one fast pass, but may overflow itself."""
    if type(a) in (RowSparse, Tensor):
        a = a.values if type(a) is RowSparse else a.data
    return math.isfinite(np.vdot(a, a)) or bool(np.isfinite(a).all())


def constants(t: Tensor) -> Iterator[tuple[Any, Any]]:
    """The arguments of a call that somebody may change later, arrays and lists, with their position or keyword."""
    for key, a in (*enumerate(t.args), *t.kwargs.items()):
        for part in a if type(a) is tuple else (a,):
            if type(part) is list or (type(part) is np.ndarray and part.dtype.kind in "biufc"):
                yield key, part


def checksum(a: Any) -> int:
    """Of what is in an array or in a list, which may hold lists and arrays itself; Tensors do not change."""
    if type(a) is np.ndarray:
        return zlib.crc32(np.ascontiguousarray(a).data, zlib.crc32(repr(a.shape).encode())) if a.size else 0
    if type(a) in (list, tuple):
        return zlib.crc32(repr([checksum(part) for part in a]).encode())
    return id(a) if type(a) is Tensor else zlib.crc32(repr(a).encode())


def check_constants(t: Tensor) -> None:
    """Refuse a call whose constants are not what they were in the forward pass."""
    if (note := notes.get(t.birth)) is not None:
        for (key, a), old in zip(constants(t), note.sums, strict=True):
            if checksum(a) != old:
                kind = f"constant {a.dtype}{a.shape}" if type(a) is np.ndarray else "list"
                what = f"argument {key} of {place(t)}, a {kind}, changed between forward and backward"
                raise RuntimeError(f"{what}: its gradient would be wrong; pass a copy, or change it after backward")


def check_result(t: Tensor) -> None:
    """Raise for a NaN, and for an infinity that no argument had."""
    given = [np.asarray(values(a)) for a in t.args if isinstance(a, (Tensor, np.ndarray, float))]
    nan = bool(np.isnan(t.data).any())
    if nan and (bad := [i for i, a in enumerate(given) if np.isnan(a).any()]):
        remedy = "it was there before the first call: look at the data and the initial weights"
        raise not_finite(t, f"{place(t)} was given NaN in argument {bad[0]}", remedy)
    if nan or all(np.isfinite(a).all() for a in given):
        remedy = REMEDIES.get(name(t.fn), GREW)
        if nan and not all(np.isfinite(a).all() for a in given):
            remedy = "inf - inf, 0 * inf and inf / inf are NaN: for a mask of yours, use a large finite number"
        raise not_finite(t, f"{place(t)} made {worst(t.data)}", remedy)


def not_finite(t: Tensor, what: str, remedy: str) -> NotFinite:
    """The error about the call that made t."""
    note = notes.get(t.birth)
    return NotFinite(what, None if note is None else (note.file, note.line), ranges(t), remedy)


def accidental_broadcast(t: Tensor) -> str:
    """What to say of (N, 1) with (N,), which is (N, N): a loss of every prediction against every target."""
    if t.fn in ELEMENTWISE and t.data.ndim == 2:
        a, b = sorted((np.shape(a) for a in t.args), key=len)
        if len(a) == 1 and b == (a[0], 1) and a[0] > 1:
            return f"{place(t)} makes {t.shape} of {a} and {b}: reshape one to the other's shape, or write np.outer"
    return ""


def place(t: Tensor) -> str:
    """The call that made t, with the user's file and line."""
    note = notes.get(t.birth)
    return f"`{name(t.fn)}`" + ("" if note is None else f" at {note.file}:{note.line}")


def worst(a: Any) -> str:
    a = a.values if type(a) is RowSparse else values(a)
    return "NaN" if np.isnan(a).any() else f"{a[~np.isfinite(a)][0]:+}".removeprefix("+")


def ranges(t: Tensor) -> str:
    """Smallest and largest finite number of each argument."""
    found = []
    for i, a in enumerate(values(list(t.args))):
        if isinstance(a, (np.ndarray, float, int)):
            a = np.asarray(a)
            kept = a[np.isfinite(a)]
            inside = f"in [{kept.min():.4g}, {kept.max():.4g}]" if kept.size else "with no finite number"
            found.append(f"argument {i} {a.shape} {inside}")
    return ", ".join(found)

"""NumPy's call forms: arguments by position or by name, in NumPy's order and under NumPy's names.

A row's derivatives name what they need, (g, y, x, axis=None, *, keepdims=False); NumPy's signature has more names in
another order, (a, axis, dtype, out, keepdims, …). What a user writes is bound to NumPy's signature, and handed on
under ours.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..core.interface import name

REMEDIES = {
    "out": "write a = a + t for a += t",
    "dtype": "cast with .astype(dtype), before the call or after it",
    "where": "choose with np.where(mask, t, neutral) before the call, where neutral changes no result (0 for a sum)",
    "dim": "NumPy calls it axis=",
    "keepdim": "NumPy calls it keepdims=",
    "unbiased": "NumPy calls it ddof=: 1 for True, 0 for False",
    "initial": "add it to the result, or choose with np.maximum or np.minimum",
}


def rebound(row: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """np.sum(a=t) and np.sum(t, None, None, None, True) as derivatives take them: differentiable arguments by position,
    the others by name, and none that has NumPy's default and is not known here. TypeError for what NumPy does not
    take."""
    try:
        given = row.numpys.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise TypeError(f"`{name(row.fn)}` of a Tensor: {error}{remedy(kwargs)}") from None
    ours: list[Any] = []
    named: dict[str, Any] = {}
    for i, p in enumerate(row.numpys.parameters.values()):
        if p.name not in given:
            continue
        value = given[p.name]
        if p.kind is p.VAR_KEYWORD:
            named |= value
        elif p.kind is p.VAR_POSITIONAL:
            ours += value
        elif i == len(ours) < len(row.derivatives):
            ours.append(value)
        elif p.name in row.keywords or not is_default(value, p.default):
            named[p.name] = value
    return ours, named


def remedy(keywords: Iterable[str]) -> str:
    """What to write for keywords that NumPy or other libraries have, and the table has not."""
    return "".join(f": {REMEDIES[key]}" for key in keywords if key in REMEDIES)


def is_default(value: Any, default: Any) -> bool:
    """Whether an argument was given the value that it has anyway."""
    return value is default or (isinstance(value, (bool, int, str)) and value == default)


def numpys_signature(fn: Callable[..., Any]) -> inspect.Signature | None:
    """How NumPy's array functions take their arguments; None for ufuncs and for functions of ours."""
    if isinstance(fn, np.ufunc) or not hasattr(fn, "_implementation"):
        return None
    try:
        return inspect.signature(fn)
    except ValueError:  # written in C, in a NumPy that does not tell
        return None


def shared_order(theirs: inspect.Signature | None, ours: Sequence[str], first: int) -> float:
    """How many leading arguments have the same place in NumPy's order and in ours, the `first` under any name."""
    if theirs is None:
        return math.inf
    names = list(theirs.parameters)
    pairs = zip(names, ours, strict=False)
    same = itertools.takewhile(lambda pair: pair[0] < first or pair[1][0] == pair[1][1], enumerate(pairs))
    return sum(1 for _ in same)

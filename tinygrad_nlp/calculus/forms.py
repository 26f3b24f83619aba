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

from ..core.habits import KEYWORDS
from ..core.interface import name


def rebound(row: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """np.sum(a=t) and np.sum(t, None, None, None, True) as derivatives take them: differentiable arguments by position,
    the others by name, and none that has NumPy's default and is not known here. TypeError for what NumPy does not
    take."""
    given = bind(f"`{name(row.fn)}` of a Tensor", row.numpys, args, kwargs).arguments
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


def bind(what: str, signature: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> inspect.BoundArguments:
    """signature.bind() of what is called, whose errors say what to write instead."""
    try:
        bound: inspect.BoundArguments = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{what}: {error}{remedy(kwargs)}") from None
    return bound


def remedy(keywords: Iterable[str]) -> str:
    """What to write for keywords that NumPy or other libraries have, and the table has not."""
    return "".join(f": {KEYWORDS[key]}" for key in keywords if key in KEYWORDS)


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

"""How a call is written: as its user would, with the names of variables."""
# tested in tests/seeing/test_explain.py

from __future__ import annotations

from typing import Any

import numpy as np

from ..calculus.listing import full_name
from ..core.interface import getitem
from ..engine import Tensor

INFIX = {np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/", np.power: "**", np.matmul: "@"}


def written_call(t: Tensor, names: dict[int, str]) -> str:
    """The call that made t, as one would write it; parameters of one Module are written `module: f(x, W, b)`."""
    owners = {names[id(a)].rpartition(".")[0] for a in t.args if "." in names.get(id(a), "")}
    owner = owners.pop() if len(owners) == 1 else ""
    args = [argument(a, names).removeprefix(f"{owner}.") for a in t.args if a is not None]
    given = {key: value for key, value in t.kwargs.items() if value is not None and value is not False}
    keywords = [f"{key}={argument(value, names)}" for key, value in given.items()]
    if t.fn in INFIX and len(args) == 2:
        call = f"{args[0]} {INFIX[t.fn]} {args[1]}"
    elif t.fn is getitem:
        call = f"{args[0]}[{args[1]}]"
    else:
        call = f"{full_name(t.fn)}({', '.join(args + keywords)})"
    return f"{owner}: {call}" if owner else call


def argument(a: Any, names: dict[int, str]) -> str:
    if id(a) in names:
        return names[id(a)]
    if isinstance(a, np.ndarray) and a.size != 1:
        return f"array{a.shape}"
    if isinstance(a, slice):
        parts = [a.start, a.stop] if a.step is None else [a.start, a.stop, a.step]
        return ":".join("" if part is None else str(part) for part in parts)
    if isinstance(a, tuple):
        return f"({', '.join(argument(part, names) for part in a)})"
    text = f"{float(a.item()):.4g}" if isinstance(a, np.ndarray) else repr(a)
    return text if len(text) <= 20 else f"{text[:19]}…"

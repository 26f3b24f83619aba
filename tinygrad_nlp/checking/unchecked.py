"""What gradcheck() cannot check, so that it never approves it: outputs that are no float arrays, and functions whose
own backward pass did not run because our Tensors went through them untouched."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import numpy as np

from ..engine import Tensor
from ..tree import branches

FRAMEWORKS = {"autograd", "chainer", "cupy", "jax", "keras", "mxnet", "mygrad", "paddle", "pytensor", "tensorflow"}
FRAMEWORKS |= {"theano", "tinygrad", "torch"}
PACKAGE = __name__.partition(".")[0]


def unusable(out: Any) -> str:
    """Why a function's output cannot be compared with anything, or ""."""
    kinds = list(leaf_kinds(out))
    remedy = "return a float array or number, or several in a dict, list or tuple"
    for kind, what in kinds:
        if kind == "c":
            return "the function returned complex numbers: return their real and imaginary parts"
        if kind == "O":
            return f"the function returned {what}, in which nothing can be compared: {remedy}"
    if any(kind == "f" for kind, _ in kinds):
        return ""  # integers, strings and None beside floats are constants
    what = ", ".join(sorted({what for _, what in kinds})) or f"an empty {type(out).__name__}"
    return f"the function returned {what}, in which there is nothing to compare: {remedy}"


def leaf_kinds(out: Any) -> Iterator[tuple[str, str]]:
    """(NumPy's kind letter, the type's name) of everything that a function returned; "O" for what may hide numbers."""
    inside = branches(out)
    if inside is not None:
        for part in inside.values():
            yield from leaf_kinds(part)
    elif out is None or isinstance(out, (str, bytes)):
        yield "", "None" if out is None else "a string"
    else:
        kind = out.dtype.kind if type(out) is Tensor else np.asarray(out).dtype.kind
        yield kind, named(out)


def named(out: Any) -> str:
    """The name of a value's type, with that of its numbers."""
    if isinstance(out, (np.ndarray, np.generic)):
        return f"an array of {out.dtype}"
    return f"a value of type {type(out).__name__}"


def holds_tensor(argument: Any) -> bool:
    """Whether an argument is a Tensor, or a tuple, list or dict with one in it."""
    parts = argument.values() if isinstance(argument, dict) else argument
    inside = isinstance(argument, (dict, list, tuple)) and any(type(part) is Tensor for part in parts)
    return type(argument) is Tensor or inside


def passed_through(f: Callable[[], Any]) -> tuple[Any, str]:
    """Run f on Tensors: what it returned, and the first thing with a backward pass of its own that the Tensors went
    through as if they were arrays; "" where there was none.

    Such a pass does not run: the engine differentiates the forward pass itself, and would approve any mistake in it.
    """
    met: list[str] = []

    def look(frame: FrameType, event: str, arg: Any) -> None:
        if event == "call" and not met:
            package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
            code = frame.f_code
            if package in FRAMEWORKS and any(map(holds_tensor, frame.f_locals.values())):
                met.append(package)  # but not for its callback of the garbage collector, which may run at any time
            elif package != PACKAGE and code.co_name in ("forward", "__call__", "apply") and code.co_argcount:
                owner = frame.f_locals.get(code.co_varnames[0])
                if type(owner) is not Tensor and callable(getattr(owner, "backward", None)):
                    met.append(f"{getattr(owner, '__name__', type(owner).__name__)}.{code.co_name}")

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        out = f()
    finally:
        sys.setprofile(before)
    return out, met[0] if met else ""

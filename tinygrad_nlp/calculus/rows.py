"""What a row of the table is, and how to add one: rule, composite, flat and op.

Four kinds of function can meet a Tensor. A *rule* has a derivative for each argument. A *composite* is defined by other
functions of the table and needs no derivative. A *flat* function has no gradient (comparisons, argmax, floor) and
returns a plain array. An *op* is a function of ours, differentiated by hand; beside a fused op stands its
`reference`, the plain composition that it means. Worked example: np.sinc(x) = sin(πx) / (πx) joins the table.

    def d_sinc(g, y, x):
        away = np.where(x == 0, 1, x)
        return g * np.where(x == 0, 0, (np.cos(np.pi * away) - np.sinc(away)) / away)

    rule(np.sinc, d_sinc)

From then on np.sinc(t) works on Tensors, and as a rule is NumPy that Tensors pass through themselves, to any order
where x is not 0 (there np.where has chosen a constant).
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from ..engine import TABLE, Saved, Tensor, call, name
from . import forms

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True)
class Row:
    """A function's entry. derivatives[i](g, y, *args, **kwargs) is for argument i; of a joint row they are one
    function, which returns a tuple with a gradient for each argument."""

    fn: Callable[..., Any]
    kind: str  # "rule", "composite", "flat" or "op"
    forward: Callable[..., Any]
    derivatives: Any = ()
    reference: Callable[..., Any] | None = None
    joint: bool = False
    positional: float = 0  # how many positional arguments the derivatives take
    keywords: frozenset[str] = frozenset()
    plain: float = math.inf  # calls with at most this many arguments, and no keywords, need no check
    numpys: inspect.Signature | None = None  # NumPy's own, of an array function
    direct: float = math.inf  # up to this many positional arguments mean the same in NumPy's order and in ours

    def bound(self, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """A call in NumPy's order and under NumPy's names, as the derivatives or the definition take it."""
        if self.numpys is None or (len(args) <= self.direct and kwargs.keys() <= self.keywords):
            return args, kwargs
        args, kwargs = forms.rebound(self, args, kwargs)
        self.check_keywords(kwargs)
        return args, kwargs

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
            if type(a) is Tensor and not self.joint and not self.has_derivative(i):
                raise TypeError(f"`{name(self.fn)}` has no derivative for its argument {i}: pass its values, t.data")

    def check_keywords(self, kwargs: dict[str, Any]) -> None:
        """Refuse keywords that this row does not know, such as out=, where= and dtype=."""
        for key in kwargs:
            if key not in self.keywords:
                known = ", ".join(sorted(self.keywords)) or "none"
                what = f"`{name(self.fn)}` of a Tensor takes no keyword {key}= (known: {known})"
                raise TypeError(what + (forms.remedy([key]) or ": leave it out"))

    def has_derivative(self, i: int) -> bool:
        """Whether argument i may be a Tensor."""
        return isinstance(self.derivatives, Each) or (i < len(self.derivatives) and self.derivatives[i] is not None)


class Each:
    """The derivatives of a function of any number of arguments: one function, told which."""

    def __init__(self, derivative: Callable[..., Any]) -> None:
        self.derivative = derivative

    def __getitem__(self, i: int) -> Callable[..., Any]:
        return functools.partial(self.derivative, i)


def rule(fn: F, *derivatives: Callable[..., Any] | None, each: Callable[..., Any] | None = None) -> F:
    """Add a row for a NumPy function: a derivative (g, y, *arguments, **keywords) -> gradient for each argument, or
    None.

    g is the gradient of the output y. Broadcasting and dtypes are undone by the engine. The keywords that fn accepts
    on Tensors are those that its derivatives name. each(i, g, y, *arguments, **keywords) serves any number of
    arguments. Returns fn.
    Raises TypeError without a derivative, or for a function that Tensors do not reach.
    """
    check_reach(fn, "decorate it with op()")
    if not any(d is not None for d in (*derivatives, each)):
        raise TypeError(f"rule for `{name(fn)}` without a derivative: flat({name(fn)}) is for functions that have none")
    TABLE[fn] = _row(fn, "rule", fn, derivatives, each)
    return fn


def check_reach(fn: Callable[..., Any], remedy: str) -> None:
    """Refuse a row that no Tensor would come to: of a function that is neither NumPy's nor ours."""
    own = getattr(fn, "__module__", None) or ""
    if not (isinstance(fn, np.ufunc) or hasattr(fn, "_implementation") or own.split(".")[0] == "tinygrad_nlp"):
        raise TypeError(f"`{name(fn)}` is no NumPy function, so Tensors would not reach its row: {remedy}")


def composite(fn: Callable[..., Any]) -> Callable[[F], F]:
    """Add a row: on Tensors, fn is the decorated function, written in other functions of the table.

    Raises TypeError for a function that Tensors do not reach.
    """
    check_reach(fn, "call the definition by its own name")

    def define(definition: F) -> F:
        own = inspect.signature(definition).parameters
        theirs = forms.numpys_signature(fn)
        several = any(p.kind is p.VAR_POSITIONAL for p in own.values())
        direct = math.inf if several else forms.shared_order(theirs, list(own), 0)
        TABLE[fn] = Row(
            fn, "composite", definition, keywords=frozenset(own), plain=direct, numpys=theirs, direct=direct
        )
        return definition

    return define


def flat(*fns: Callable[..., Any]) -> None:
    """Add rows for functions without a gradient: on Tensors they give what they give on the arrays behind them.

    Raises TypeError for a function that Tensors do not reach.
    """
    for fn in fns:
        check_reach(fn, "call it on t.data")
        TABLE[fn] = Row(fn, "flat", functools.partial(_on_arrays, fn))


def op(*derivatives: Callable[..., Any] | None, reference: Callable[..., Any] | None = None) -> Callable[[F], F]:
    """Decorate a function of arrays with its derivative by hand, so that it works on Tensors too.

    Derivatives are as in rule(), one an argument. Beside a reference, a single one may serve all arguments: it
    returns a tuple of gradients, runs on arrays only, may write into buffers of its own, and where the function
    returned Saved(y, saved) gets saved= for one of these. Higher orders replay the reference, which takes the same
    arguments and is written in functions of the table; without a derivative, so does the first. Raises TypeError
    where there is neither.

    >>> @op(lambda g, y, x: (g * 2 * x,), reference=lambda x: x * x)
    ... def squared(x):
    ...     return np.square(x)
    >>> x = Tensor([3.0])
    >>> squared(x).backward(); x.grad
    array([6.])
    """

    if not any(derivatives) and reference is None:
        raise TypeError("op() without a derivative: give one for each argument, or one for all beside a reference=")

    def define(forward: F) -> F:
        @functools.wraps(forward)
        def fn(*args: Any, **kwargs: Any) -> Any:
            if kwargs:
                bound = signature.bind(*args, **kwargs)
                args, kwargs = bound.args, bound.kwargs
            for a in args:
                if type(a) is Tensor:
                    return call(fn, args, kwargs)
            value = forward(*args, **kwargs)
            return value.y if type(value) is Saved else value

        signature = inspect.signature(forward)
        if reference is None or len(derivatives) > 1:
            TABLE[fn] = _row(fn, "op", forward, derivatives, reference=reference)
        else:
            joint = derivatives[0] if derivatives else ()
            TABLE[fn] = Row(fn, "op", forward, joint, reference, True, np.inf, frozenset(signature.parameters))
        return fn  # type: ignore[return-value]

    return define


def _row(fn: Any, kind: str, forward: Any, derivatives: Sequence[Any], each: Any = None, reference: Any = None) -> Row:
    """A row with derivatives an argument, its keywords read off their signatures."""
    skip = 2 if each is None else 3  # g, y and for each= the argument's number
    written = [list(inspect.signature(d).parameters.values())[skip:] for d in (*derivatives, each) if d is not None]
    positional = max(sum(p.kind is not p.KEYWORD_ONLY for p in parameters) for parameters in written)
    keywords = frozenset(p.name for parameters in written for p in parameters if p.kind is not p.VAR_POSITIONAL)
    if each is not None:
        return Row(fn, kind, forward, Each(each), None, False, np.inf, keywords)
    plain = -1 if None in derivatives else len(derivatives)
    theirs = forms.numpys_signature(fn)
    if theirs is not None:  # the differentiable arguments go by NumPy's names
        names = [p.name for p in max(written, key=len)]
        keywords -= set(names[: len(derivatives)])
        direct = forms.shared_order(theirs, names, len(derivatives))
        return Row(fn, kind, forward, derivatives, reference, False, positional, keywords, plain, theirs, direct)
    return Row(fn, kind, forward, derivatives, reference, False, positional, keywords, plain)


def _on_arrays(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return fn(*map(values, args), **{key: values(value) for key, value in kwargs.items()})


def values(a: Any) -> Any:
    """The array behind a Tensor, also inside a list or tuple; anything else as it is."""
    if isinstance(a, (list, tuple)):
        return type(a)(map(values, a))
    return a.data if type(a) is Tensor else a


def table() -> str:
    """Every function that Tensors go through, a line each: name, kind, and what it does to the gradient g of its
    output y.

    >>> print(next(line for line in table().splitlines() if line.startswith("multiply")))
    multiply            rule       g * b | g * a
    """
    lines = []
    for fn, row in TABLE.items():
        lines.append(
            f"{full_name(fn):<19} {row.kind:<10} {' | '.join(written(d) for d in _written_derivatives(row))}".rstrip()
        )
    return "\n".join(lines)


def full_name(fn: Any) -> str:
    """A function's name as its users write it, `linalg.` before that of NumPy's linear algebra."""
    return ("linalg." if getattr(fn, "__module__", None) == "numpy.linalg" else "") + name(fn)


def _written_derivatives(row: Row) -> Sequence[Any]:
    if isinstance(row.derivatives, Each):
        return [row.derivatives.derivative]
    return [row.derivatives] if row.joint else row.derivatives


def written(derivative: Any) -> str:
    """A derivative as its source has it: the body of a lambda, the name of a function."""
    code = getattr(derivative, "__code__", None)
    if code is None or code.co_name != "<lambda>":
        return "none" if derivative is None else f"{name(derivative)}(…)"
    here = set(code.co_positions())
    for node in _lambdas(code.co_filename):
        if (node.body.lineno, node.body.end_lineno, node.body.col_offset, node.body.end_col_offset) in here:
            return ast.unparse(node.body)
    return "λ"


@functools.cache
def _lambdas(filename: str) -> list[ast.Lambda]:
    tree = ast.parse("".join(linecache.getlines(filename)))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]

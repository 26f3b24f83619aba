"""How to add a row to the table: rule, composite, flat and op. What each kind does with Tensors is in kinds.py.

Four kinds of function can meet a Tensor. A *rule* has a derivative for each argument. A *composite* is defined by other
functions of the table and needs no derivative. A *flat* function has no gradient (comparisons, argmax, floor) and
returns a plain array. An *op* is a function of ours, differentiated by hand; beside a fused op stands its
`reference`, the plain composition that it means. Worked example: scipy.special.exprel, (eˣ − 1) / x, joins the table.

    def d_exprel(g, y, x):
        away = np.where(x == 0, 1, x)
        return g * np.where(x == 0, 0.5, (np.exp(away) - exprel(away)) / away)

    rule(exprel, d_exprel)

From then on exprel(t) works on Tensors, and as a rule is NumPy that Tensors pass through themselves, to any order
where x is not 0 (there np.where has chosen a constant).
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from ..core.interface import name
from ..engine import TABLE, Tensor
from . import forms
from .kinds import Composite, Each, Flat, Fused, Jointly, Op, Row, Rule, Saved

F = TypeVar("F", bound=Callable[..., Any])


def rule(
    fn: F,
    *derivatives: Callable[..., Any] | None,
    each: Callable[..., Any] | None = None,
    joint: Callable[..., Any] | None = None,
) -> F:
    """Add a row for a NumPy function: a derivative (g, y, *arguments, **keywords) -> gradient for each argument, or
    None.

    g is the gradient of the output y. Broadcasting and dtypes are undone by the engine. The keywords that fn accepts
    on Tensors are those that its derivatives name. each(i, g, y, *arguments, **keywords) serves any number of
    arguments, and so does joint(g, y, *arguments, **keywords), which returns the gradients of all. Returns fn.
    Raises TypeError without a derivative, or for a function that Tensors do not reach.
    """
    check_reach(fn, "decorate it with op()")
    if not any(d is not None for d in (*derivatives, each, joint)):
        raise TypeError(f"rule for `{name(fn)}` without a derivative: flat({name(fn)}) is for functions that have none")
    if joint is not None:
        parameters = inspect.signature(joint).parameters.values()
        TABLE[fn] = Jointly(fn, fn, joint, frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY))
    else:
        TABLE[fn] = with_derivatives(Rule, fn, fn, derivatives, each)
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
        by_place = [n for n, p in own.items() if p.kind is not p.KEYWORD_ONLY]
        direct = math.inf if several else forms.shared_order(theirs, by_place, 0)
        TABLE[fn] = Composite(fn, definition, keywords=frozenset(own), unchecked=direct, numpys=theirs, direct=direct)
        return definition

    return define


def flat(*fns: Callable[..., Any]) -> None:
    """Add rows for functions without a gradient: on Tensors they give what they give on the arrays behind them.

    Raises TypeError for a function that Tensors do not reach.
    """
    for fn in fns:
        check_reach(fn, "call it on t.data")
        TABLE[fn] = Flat(fn, fn)


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
                way = (len(args), *kwargs)
                if way not in ways:  # binding takes as long as a small op, so it is done once for each way to call
                    bound = forms.bind(what, signature, range(len(args)), {key: key for key in kwargs})
                    ways[way] = bound.args, bound.kwargs
                by_place, by_name = ways[way]
                given = dict(enumerate(args)) | kwargs
                args, kwargs = tuple(given[i] for i in by_place), {key: given[i] for key, i in by_name.items()}
            for a in args:
                if type(a) is Tensor:
                    return row.of_tensors(args, kwargs)
            value = forward(*args, **kwargs)
            return value.y if type(value) is Saved else value

        signature, what = inspect.signature(forward), f"{name(forward)}()"
        ways: dict[tuple[Any, ...], tuple[tuple[Any, ...], dict[str, Any]]] = {}
        row: Row
        if reference is None or len(derivatives) > 1:
            row = with_derivatives(Op, fn, forward, derivatives)
        else:
            row = Fused(fn, forward, derivatives[0] if derivatives else (), frozenset(signature.parameters))
        row.reference = reference
        TABLE[fn] = row
        return fn  # type: ignore[return-value]  # wraps() made it an F

    return define


def with_derivatives(
    kind: type[Rule], fn: Any, forward: Any, derivatives: Sequence[Any], each: Callable[..., Any] | None = None
) -> Rule:
    """A row with a derivative for each argument; the keywords that it knows are read off their signatures."""
    skip = 2 if each is None else 3  # g, y and for each= the argument's number
    signatures = [list(inspect.signature(d).parameters.values())[skip:] for d in (*derivatives, each) if d is not None]
    positional = max(sum(p.kind is not p.KEYWORD_ONLY for p in parameters) for parameters in signatures)
    keywords = frozenset(p.name for parameters in signatures for p in parameters if p.kind is not p.VAR_POSITIONAL)
    if each is not None:
        return kind(fn, forward, Each(each), keywords)
    unchecked = -1 if None in derivatives else len(derivatives)
    theirs, direct = forms.numpys_signature(fn), math.inf
    if theirs is not None:  # the differentiable arguments go by NumPy's names
        names = [p.name for p in max(signatures, key=len) if p.kind is not p.KEYWORD_ONLY]
        keywords -= set(names[: len(derivatives)])
        direct = forms.shared_order(theirs, names, len(derivatives))
    return kind(fn, forward, derivatives, keywords, positional, unchecked, theirs, direct)

"""Derivatives of functions: grad, vjp, jvp, jacobian, hessian and hvp, each a few lines around gradients(); and
checkpoint, which changes what a derivative costs.

They take functions of arrays, Modules, or dicts, lists and tuples of them, and answer in the argument's structure; for
a Module that is {name: gradient}. Arrays in, arrays out; with a Tensor among the arguments, or inside another
transform, the answer is Tensors that can be differentiated again, so transforms nest to any order. (The parameters of a
Module are values to start from, as arrays are. So is a Tensor that f only closes over: outside other transforms the
answer is arrays, which do not depend on it. Pass it as an argument where its own derivative is wanted too.)

With J the Jacobian of f, two products with it are cheap and the rest is made of them: Jᵀg, which is what
backpropagation computes (vjp), and Jv, the derivative in one direction (jvp).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

from .calculus.rows import op
from .core.habits import answering
from .core.interface import name
from .core.sparse import RowSparse
from .engine import Tensor, call, gradients, history
from .tree import branches, map_leaves, named_leaves

Function = Callable[..., Any]
Argnum = int | tuple[int, ...]
RUNNING: set[Tensor] = set()  # the variables of all functions that transforms are running, in any thread
inside: ContextVar[bool] = ContextVar("inside", default=False)  # is our caller a function that a transform is running?


def transform(of: Function) -> Function:
    """What all of them share: argnum is a number or several, and keywords of other libraries are answered."""

    @answering
    @functools.wraps(of)
    def checked(f: Function, argnum: Argnum = 0, *more: Any) -> Function:
        numbers = argnum if isinstance(argnum, tuple) else (argnum,)
        if more or not all(isinstance(n, (int, np.integer)) for n in numbers):
            remedy = f"{name(of)}(f) is a function of f's arguments: write {name(of)}(f)(x)"
            raise TypeError(f"{name(of)}: argnum is a number, counted from 0, or a tuple of numbers: {remedy}")
        return of(f, argnum)

    return checked


@transform
def grad(f: Function, argnum: Argnum = 0) -> Function:
    """The function that computes the gradient of f, which returns one number, for its argument argnum (or several).

    Raises TypeError for an argument without gradient, such as integers, and ValueError where f returns more than one
    number or there is no argument argnum.

    >>> grad(lambda x: (x ** 2).sum())(np.array([1.0, 2.0]))
    array([2., 4.])
    >>> float(grad(grad(lambda x: x ** 3))(2.0))  # (x³)″ = 6x
    12.0
    >>> grad(lambda p: p["w"] * p["x"])({"w": 3.0, "x": 5.0})
    {'w': array(5.), 'x': array(3.)}
    """
    both = value_and_grad(f, argnum)
    return lambda *args, **kwargs: both(*args, **kwargs)[1]


@transform
def value_and_grad(f: Function, argnum: Argnum = 0) -> Function:
    """As grad(), with f's value too, which the forward pass has computed anyway: (value, gradient)."""

    def at(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        y, variables, again = traced(f, argnum, args, kwargs)
        return (y if again else y.data), pulled(number(f, y), variables, None, again)

    return at


@transform
def vjp(f: Function, argnum: Argnum = 0) -> Function:
    """At a point, f's value and its transposed Jacobian as a function: (y, g -> Jᵀg). One backward pass a call.

    >>> y, pullback = vjp(lambda x: x[0] * x)(np.array([3.0, 4.0]))  # J = [[6, 0], [4, 3]]
    >>> pullback(np.array([0.0, 1.0]))
    array([4., 3.])
    """

    def at(*args: Any, **kwargs: Any) -> tuple[Any, Function]:
        y, variables, again = traced(f, argnum, args, kwargs)
        return (y if again else y.data), lambda g: pulled(y, variables, g, again or has_tensor(g))

    return at


@transform
def jvp(f: Function, argnum: Argnum = 0) -> Function:
    """At a point, f's value and its Jacobian as a function: (y, v -> Jv), v in the structure of the argument.

    There is no forward mode here. u -> Jᵀu is linear in u, so its own transposed Jacobian is J: two backward passes
    make a forward derivative (the double-vjp identity), Jv = ∂/∂u ⟨Jᵀu, v⟩.

    >>> y, pushforward = jvp(lambda x: x[0] * x)(np.array([3.0, 4.0]))
    >>> pushforward(np.array([1.0, 0.0]))
    array([6., 4.])
    """

    def at(*args: Any, **kwargs: Any) -> tuple[Any, Function]:
        y, variables, again = traced(f, argnum, args, kwargs)
        u = Tensor(np.zeros_like(y.data))  # any u would do, for the map is linear
        transposed = pulled(y, variables, u, True)
        return (y if again else y.data), lambda v: pulled(inner(transposed, v), u, None, again or has_tensor(v))

    return at


@transform
def jacobian(f: Function, argnum: Argnum = 0) -> Function:
    """The function that computes every ∂yᵢ/∂xⱼ: y.shape + x.shape for each y that f returns and x of the argument.

    It takes one backward pass for each entry of y.

    >>> jacobian(lambda x: x[0] * x)(np.array([3.0, 4.0]))
    array([[6., 0.],
           [4., 3.]])
    """

    def at(*args: Any, **kwargs: Any) -> Any:
        y, variables, again = traced(f, argnum, args, kwargs, trees=True)

        def derivative(y: Tensor) -> Any:
            unit = np.eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape)
            xs = [x for _, x in named_leaves(variables)]
            rows = [[finished(d, again) for d in gradients(y, xs, g, create_graph=again)] for g in unit]
            whole = {}
            for i, x in enumerate(xs):
                stacked = np.stack([row[i] for row in rows]) if rows else np.zeros(0, x.dtype)
                whole[x] = finished(np.reshape(stacked, y.shape + x.shape), again)
            return map_leaves(whole.__getitem__, variables)

        return map_leaves(derivative, y)

    return at


@transform
def hessian(f: Function, argnum: Argnum = 0) -> Function:
    """The function that computes every ∂²f/∂xᵢ∂xⱼ of an f that returns one number: the Jacobian of its gradient.

    Where |x|, a norm or std is 0, as in norm(x)² at 0, `tinygrad_nlp.calculus.cones` says which Hessians are right and
    what is a convention.

    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return jacobian(grad(f, argnum), argnum)


@transform
def hvp(f: Function, argnum: Argnum = 0) -> Function:
    """At a point, the Hessian of an f that returns one number, as a function v -> Hv, v like the argument.

    Hv = ∇⟨∇f, v⟩ (Pearlmutter 1994): one more backward pass, however large H would be.

    >>> hvp(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))(np.array([1.0, 0.0]))
    array([4., 2.])
    """

    def at(*args: Any, **kwargs: Any) -> Function:
        y, variables, again = traced(f, argnum, args, kwargs)
        slope = pulled(number(f, y), variables, None, True)
        return lambda v: pulled(inner(slope, v), variables, None, again or has_tensor(v))

    return at


def checkpoint(f: Function) -> Function:
    """f as one call of the graph: what happens inside is forgotten, and computed again on the way back.

    Of a chain of n equal calls in √n pieces, O(√n) results are kept instead of n, for one more forward pass. Chen et
    al. 2016, "Training deep nets with sublinear memory cost". (The checkpoints of run.py are something else.) f takes
    arrays or Tensors, each an argument of its own, and gives one of them, the same each time: it draws nothing at
    random. Decorate a function once, not in a loop: each stays in the table for good.

    Raises TypeError where f uses a Tensor that is no argument, and so would get no gradient, or gives anything but one
    array; RuntimeError, on the way back, where its value has changed.

    >>> @checkpoint
    ... def cubed(x):
    ...     return x * x * x
    >>> y = cubed(Tensor([2.0]))
    >>> y, gradients(y)[y.args[0]]
    (Tensor([8.], made by cubed), array([12.]))
    """

    @functools.wraps(f)
    def forward(*args: Any, **kwargs: Any) -> Any:
        token = inside.set(False)  # arrays in, arrays out, also of a transform that f calls
        try:
            y = f(*args, **kwargs)
        finally:
            inside.reset(token)
        if type(y) is Tensor:
            raise TypeError(
                f"`{name(f)}` used a Tensor that is no argument of its own: pass each by itself, not in a list"
            )
        if not isinstance(y, (np.ndarray, np.generic, float)):
            raise TypeError(f"`{name(f)}` gave {type(y).__name__}: return one array, such as np.stack of several")
        return y

    return op(reference=f)(forward)


# --- The machinery ----------------------------------------------------------------------------------------------------


def traced(f: Function, argnum: Argnum, args: Any, kwargs: Any, trees: bool = False) -> tuple[Any, Any, bool]:
    """f's output on new Tensors in place of the arguments argnum; those Tensors; are gradients to be Tensors too?"""
    again, others = inside.get() or has_tensor([args, kwargs]), bool(RUNNING)
    args, variables = list(args), []
    for n in argnum if isinstance(argnum, tuple) else (argnum,):
        if not 0 <= n < len(args):
            what = f"`{name(f)}` was called with {len(args)} arguments by position"
            raise ValueError(f"argnum {n}: {what}: name one of them, counted from 0")
        args[n], found = lifted(args[n], f"argument {n} of `{name(f)}`", again)
        variables.append(found)
    leaves = [x for _, x in named_leaves(variables)]
    token = inside.set(True)
    RUNNING.update(leaves)
    try:
        y = f(*args, **kwargs)
    finally:
        inside.reset(token)
        RUNNING.difference_update(leaves)
    if others and not again:  # our caller may be a function that a transform in another thread is running
        made = [t for _, y in named_leaves(y) if type(y) is Tensor for t in history(y)]
        again = not RUNNING.isdisjoint(made)
    if type(y) is not Tensor and not (trees and has_tensor(y)):
        remedy = "compute the result from its argument, by functions of the table"
        raise TypeError(f"`{name(f)}` returned {type(y).__name__}, not a Tensor: {remedy}")
    return y, tuple(variables) if isinstance(argnum, tuple) else variables[0], again


def lifted(tree: Any, place: str, again: bool) -> tuple[Any, Any]:
    """A copy of an argument with a new Tensor for each array, and those Tensors: for a Module a dict, else the copy.

    They are new so that nothing confuses them with the same Tensor in an enclosing function.
    """
    if hasattr(tree, "named_parameters"):
        copied = map_leaves(lambda a: variable(a, place, again) if type(a) is Tensor else a, tree)
        if not (parameters := dict(copied.named_parameters())):
            raise TypeError(f"{place}, a {type(tree).__name__}, has no Tensors: pass the live model, not a frozen one")
        return copied, parameters
    if not isinstance(tree, (dict, list, tuple)):
        leaf = variable(tree, place, again)
        return leaf, leaf
    pairs = {key: lifted(branch, f"[{key!r}] of {place}", again) for key, branch in (branches(tree) or {}).items()}
    make = getattr(tree, "_make", type(tree))  # _make: a named tuple's
    copied, variables = ([(k, p[i]) if isinstance(tree, dict) else p[i] for k, p in pairs.items()] for i in (0, 1))
    return make(copied), make(variables)


def variable(a: Any, place: str, again: bool) -> Tensor:
    """A new Tensor with a's values; with `again` it stays connected to the Tensor that it copies."""
    kind = a.dtype.name if hasattr(a, "dtype") else type(a).__name__
    if kind not in ("float32", "float64", "float"):
        raise TypeError(f"{place} is {kind}, which has no gradient: make it float, or leave it out of argnum")
    if type(a) is Tensor:
        return call(np.positive, (a,)) if again else Tensor(a.data)
    return Tensor(a)


def has_tensor(tree: Any) -> bool:
    """Whether a Tensor is in a tree, not counting the parameters of Modules."""
    inner = (branches(tree) or {}).values() if isinstance(tree, (dict, list, tuple)) else ()
    return type(tree) is Tensor or any(map(has_tensor, inner))


def number(f: Function, y: Tensor) -> Tensor:
    """y, if it is one number."""
    if y.size != 1:
        remedy = "take its .sum(), or jacobian() for the derivative of every entry"
        raise ValueError(f"`{name(f)}` returned shape {y.shape}, not one number: {remedy}")
    return y


def pulled(y: Tensor, variables: Any, g: Any, again: bool) -> Any:
    """Jᵀg in the structure of the variables."""
    xs = [x for _, x in named_leaves(variables)]
    found = dict(zip(xs, gradients(y, xs, g, create_graph=again), strict=True))
    return map_leaves(lambda x: finished(found[x], again), variables)


def finished(g: Any, again: bool) -> Any:
    """A gradient as the caller of a transform gets it: dense, a Tensor in a nested transform, else an array."""
    if type(g) is RowSparse:
        g = g.todense()
    if again:
        return g if type(g) is Tensor else Tensor(g)
    return g.data if type(g) is Tensor else g


def inner(gradient: Any, v: Any) -> Any:
    """⟨gradient, v⟩ over two trees of the same structure."""
    if type(gradient) is Tensor:
        if np.shape(v) != gradient.shape:
            raise ValueError(f"the direction has shape {np.shape(v)}: give it the argument's, {gradient.shape}")
        return np.sum(gradient * v)
    wanted, given = branches(gradient) or {}, branches(v) or {}
    if wanted.keys() != given.keys():
        raise ValueError(f"the direction has entries {list(given)}: give it the argument's, {list(wanted)}")
    return sum((inner(wanted[key], given[key]) for key in wanted), 0.0)

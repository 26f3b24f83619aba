"""The gradient under test: by the engine, by a user's backward pass, or in the pair (cost, gradient) of a course.

Each way takes a Point and gives the gradients of its leaves by name.
"""
# tested in tests/checking/test_check.py

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import Tensor, gradients
from ..tree import branches, map_leaves, named_leaves
from .diagnose import dense
from .point import Point, results, snapshot
from .unchecked import passed_through


def by_engine(point: Point, leaves: dict[str, Any], gs: Sequence[Any], problems: list[str]) -> dict[str, Any]:
    """The gradient of every leaf as the engine finds it; one without influence has zeros."""
    y, g, tensors, other = graph(point, leaves, gs)
    if other:
        what = f"the function went through {other}, whose own backward pass did not run"
        problems.append(f"{what}: pass that as gradient=, or wrap it (checking.with_torch, checking.with_jax)")
    found = [np.zeros(t.shape) for t in tensors.values()] if y is None else gradients(y, list(tensors.values()), g)
    return dict(zip(tensors, map(dense, found), strict=True))


def graph(point: Point, leaves: dict[str, Any], gs: Sequence[Any]) -> tuple[Any, Any, dict[str, Tensor], str]:
    """The function run on Tensors: its output, the output's gradient, the Tensors at the leaves, and what else with a
    backward pass of its own they went through."""
    tensors = {key: Tensor(a) for key, a in leaves.items()}
    out, other = passed_through(lambda: point.f(*point.arguments(tensors)))
    return (*one_output(out, gs), tensors, other)


def one_output(out: Any, gs: Sequence[Any]) -> tuple[Any, Any]:
    """An output and its gradient; for several, the number Σ g·output, whose gradient is 1; None where there is no
    Tensor."""
    pairs = [(o, g.astype(o.dtype)) for o, g in zip(results(out), gs, strict=True) if type(o) is Tensor]
    if len(pairs) > 1:
        return sum(np.sum(o * g) for o, g in pairs), None
    return pairs[0] if pairs else (None, None)


def gradient_function(point: Point, gs: Sequence[Any]) -> Callable[..., Any]:
    """args -> the gradients of the leaves: Tensors of Tensors, arrays of arrays."""

    def of_leaves(*args: Any) -> list[Any]:
        tree = dict(zip(point.tree, args, strict=True))
        leaves = [a for path, a in named_leaves(tree) if path in point.leaves]
        on_tensors = any(type(a) is Tensor for a in leaves)
        tensors = {id(a): a if type(a) is Tensor else Tensor(a) for a in leaves}
        inputs = map_leaves(lambda a: tensors.get(id(a), a), tree)
        y, g = one_output(point.f(*inputs.values()), gs)
        if y is None:
            return [np.zeros(t.shape) for t in tensors.values()]
        return [dense(d) for d in gradients(y, list(tensors.values()), g, create_graph=on_tensors)]

    return of_leaves


def by_hand(
    gradient: Callable[..., Any], point: Point, leaves: dict[str, Any], gs: Sequence[Any], problems: list[str]
) -> dict[str, Any]:
    """The gradients that a user's backward pass returns, by the names of the leaves; problems say what else it did."""
    args, sent = point.arguments(leaves), [g.astype(np.result_type(*leaves.values())) for g in gs]
    before = [snapshot(a) for a in args], snapshot(sent)
    returned = gradient(sent[0] if len(sent) == 1 else tuple(sent), *args)
    for key, was, a in zip(point.tree, before[0], args, strict=True):
        if snapshot(a) != was:
            problems.append(f"the backward pass changed its argument {key} in place: work on a copy")
    if snapshot(sent) != before[1]:
        problems.append(
            "the backward pass changed the upstream gradient g in place, which others may use: work on a copy"
        )
    found, problem = by_name(returned, point)
    problems += [problem] if problem else []
    return found


def by_name(returned: Any, point: Point) -> tuple[dict[str, Any], str]:
    """Gradients, one for each argument, by the names of the leaves, and what is wrong with their number."""
    wanted = [key for key, a in point.tree.items() if any(id(leaf) in point.names for _, leaf in named_leaves(a))]
    parts = tuple(returned) if isinstance(returned, (tuple, list)) else (returned,)
    if len(wanted) == 1 and is_list_of_numbers(returned) and branches(point.tree[wanted[0]]) is None:
        parts = (np.array(returned),)  # the gradient of one array, written as a list
    keys = list(point.tree) if len(parts) == len(point.tree) else wanted
    problem = ""
    if len(parts) != len(keys):
        what = f"the backward pass returned {len(parts)} gradients for {len(wanted)} arguments ({', '.join(wanted)})"
        problem = f"{what}: return one for each, in their order"
    found: dict[str, Any] = {}
    for key, value in zip(keys, parts, strict=False):
        if value is not None and (branches(point.tree[key]) is None or branches(value) is None):
            found[key] = np.array(dense(value))  # a copy: it may be g itself
        else:
            found.update((path, np.array(dense(a))) for path, a in named_leaves(value, key))
    return found, problem


def is_list_of_numbers(returned: Any) -> bool:
    """Whether these are lists of plain numbers, such as [[1.0, 2.0]], and not arrays in a list."""
    if isinstance(returned, (list, tuple)):
        return len(returned) > 0 and all(is_list_of_numbers(part) for part in returned)
    return isinstance(returned, (int, float))


def cost_and_gradient(point: Point) -> tuple[Point, Callable[..., Any]] | None:
    """For a function that returns (cost, gradient), which is how courses write them: the cost as a function, and the
    gradient in the pair as its backward pass. None for any other function."""
    out = point.f(*point.arguments(point.leaves))
    if type(out) is not tuple or len(out) != 2 or branches(out[0]) is not None or np.shape(out[0]) not in ((), (1,)):
        return None
    try:
        found, problem = by_name(out[1], point)
    except Exception:  # the second output is no gradient, whatever it is
        return None
    if problem or any(key not in found or found[key].size != a.size for key, a in point.leaves.items()):
        return None

    def backward(g: Any, *args: Any) -> Any:
        return times(g.reshape(()), point.f(*args)[1])

    return Point(lambda *args: point.f(*args)[0], list(point.tree.values()), list(point.tree)), backward


def times(g: Any, tree: Any) -> Any:
    """g times each array in a tree of gradients."""
    inside = None if is_list_of_numbers(tree) else branches(tree)
    if inside is None:
        return None if tree is None else g * np.asarray(dense(tree))
    parts = {key: times(g, part) for key, part in inside.items()}
    return parts if isinstance(tree, dict) else list(parts.values())

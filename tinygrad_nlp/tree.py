"""Models and arguments as trees: Tensors and arrays at the leaves of dicts, lists, tuples and Modules.

A Module is any object with `named_parameters`; its attributes are its branches. Whatever is none of these (sizes,
names, random generators) belongs to the tree's shape and is kept as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .engine import Tensor


def branches(tree: Any) -> dict[Any, Any] | None:
    """What a dict, list, tuple or Module holds, by key, index or attribute; None for anything else."""
    if isinstance(tree, dict):
        return tree
    if isinstance(tree, (list, tuple)):
        return dict(enumerate(tree))
    return vars(tree) if hasattr(tree, "named_parameters") else None


def named_leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every Tensor and array with its dotted name, such as "layers.0.W", in order; one that is shared comes at its
    first name."""
    return _walk(tree, prefix, set())


def _walk(tree: Any, prefix: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, (Tensor, np.ndarray)):
        if id(tree) not in seen:
            seen.add(id(tree))
            yield prefix, tree
        return
    for key, branch in (branches(tree) or {}).items():
        yield from _walk(branch, f"{prefix}.{key}" if prefix else str(key), seen)


def map_leaves(change: Callable[[Any], Any], tree: Any) -> Any:
    """The same tree with each Tensor and array replaced by change(leaf); shared leaves stay shared."""
    return _map(change, tree, {})


def _map(change: Callable[[Any], Any], tree: Any, changed: dict[int, Any]) -> Any:
    if isinstance(tree, (Tensor, np.ndarray)):
        if id(tree) not in changed:
            changed[id(tree)] = change(tree)
        return changed[id(tree)]
    found = branches(tree)
    if found is None:
        return tree
    rebuilt = {key: _map(change, branch, changed) for key, branch in found.items()}
    if isinstance(tree, dict):
        return type(tree)(rebuilt)
    if isinstance(tree, (list, tuple)):
        return type(tree)(*rebuilt.values()) if hasattr(tree, "_fields") else type(tree)(rebuilt.values())
    copied = copy.copy(tree)
    vars(copied).update(rebuilt)
    return copied


def ravel(tree: Any) -> tuple[np.ndarray, Callable[[Any], Any]]:
    """The parameters of a model or a tree as one vector (n,), and unravel(vector), the same tree with other numbers.

    The vector is float64, as scipy.optimize wants it; each leaf gets its own shape and dtype back. Of a tree that holds
    Tensors only those are parameters, else all float arrays are. unravel() takes an array or a Tensor, through which
    gradients flow. Raises ValueError where there is no parameter, or for a vector of another length.

    >>> vector, unravel = ravel({"W": np.ones((2, 2)), "b": np.zeros(2)})
    >>> vector
    array([1., 1., 1., 1., 0., 0.])
    >>> unravel(np.arange(6.0))["b"]
    array([4., 5.])
    """
    leaves = [leaf for _, leaf in named_leaves(tree)]
    chosen = [a for a in leaves if isinstance(a, Tensor)] or [a for a in leaves if a.dtype.kind == "f"]
    if not chosen:
        raise ValueError(f"ravel: this {type(tree).__name__} has no parameters: give it Tensors or float arrays")
    ends = np.cumsum([a.size for a in chosen])

    def unravel(vector: Any) -> Any:
        if np.shape(vector) != (ends[-1],):
            raise ValueError(f"unravel: the vector has shape {np.shape(vector)}, the parameters are ({ends[-1]},)")
        parts = (np.reshape(vector[end - a.size : end], a.shape) for a, end in zip(chosen, ends, strict=True))
        changed = {id(a): part.astype(a.dtype) for a, part in zip(chosen, parts, strict=True)}
        return map_leaves(lambda a: changed.get(id(a), a), tree)

    values = [a.data if isinstance(a, Tensor) else a for a in chosen]
    return np.concatenate([np.ravel(a).astype(np.float64) for a in values]), unravel

"""Models and arguments as trees: Tensors and arrays at the leaves of dicts, lists, tuples and Modules.

A Module is any object with `named_parameters`; its attributes are its branches. Whatever is none of these (sizes,
names, random generators) belongs to the tree's shape and is kept as it is.
"""
# tested in tests/test_nn.py

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

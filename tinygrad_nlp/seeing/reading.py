"""What a rule reads: which of its arguments, and of these their numbers or their shape alone, told by its source."""
# tested in tests/seeing/test_notation.py

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Sequence
from typing import Any

from ..calculus.listing import formula


@functools.cache
def source_code(function: Any) -> str:
    """A rule as the table has it: the lambda's body, or the whole function."""
    if getattr(function, "__name__", "") == "<lambda>":
        return formula(function)
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):  # typed into a console, or not Python
        return ""


ABOUT = {"shape", "ndim", "size", "dtype", "len"}  # these ask for no number of an array


@functools.cache
def symbols(function: Any, within: tuple[Any, ...] = ()) -> tuple[frozenset[str], frozenset[str]]:
    """The names that a rule's code reads, and of these the ones whose numbers it reads, not only their shape.

    within are the functions that are being read already, so that one that calls itself comes to an end.
    """
    code = source_code(function)
    if not code or code == "λ" or function in within:
        everything = frozenset(inspect.signature(function).parameters)
        return everything, everything
    tree = ast.parse(code)
    every = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return frozenset(every), frozenset(numbers(tree, (*within, function)))


def numbers(node: ast.AST, within: tuple[Any, ...]) -> set[str]:
    """The names in an expression whose numbers it depends on."""
    match node:
        case ast.Name(ctx=ast.Load()):
            return {node.id}
        case ast.Attribute(attr=attr) if attr in ABOUT:
            return set()
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in ABOUT:
            return set()
        case ast.Call(func=ast.Name(id="type" | "isinstance")):
            return set()
        case ast.If(test=test, orelse=other) if ast.unparse(test).startswith(
            "type(g) is Tensor"
        ):  # here it is an array
            return set[str]().union(*(numbers(child, within) for child in other))
        case ast.IfExp(test=test, orelse=other) if ast.unparse(test).startswith("type(g) is Tensor"):
            return numbers(other, within)
        case ast.Call(func=ast.Name(id=name), args=args) if inspect.isfunction(within[-1].__globals__.get(name)):
            inner = within[-1].__globals__[name]
            read, parameters = symbols(inner, within)[1], list(inspect.signature(inner).parameters)
            told = zip(args, parameters, strict=False)
            return set[str]().union(*(numbers(a, within) for a, p in told if p in read))
        case ast.GeneratorExp(elt=elt, generators=[loop]) | ast.ListComp(elt=elt, generators=[loop]):
            inside = numbers(elt, within)
            used = isinstance(loop.target, ast.Name) and loop.target.id in inside
            return inside | (numbers(loop.iter, within) if used else set())
    return set[str]().union(*(numbers(child, within) for child in ast.iter_child_nodes(node)))


def unpacked(function: Any, parts: Sequence[Any]) -> list[str]:
    """What a derivative calls the parts of what the forward pass has saved for it: r, z = saved."""
    for node in ast.walk(ast.parse(source_code(function) or "0")):
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=elts)], value=ast.Name(id="saved")) if len(elts) == len(parts):
                return [ast.unparse(e) for e in elts]
    return [f"saved[{k}]" for k in range(len(parts))]

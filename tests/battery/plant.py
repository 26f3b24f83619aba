"""How a mistake is planted: a piece of a function is found by its structure and replaced by another piece.

A pattern is Python code. It is compared as a syntax tree, so line breaks, quotes and comments do not matter, and a name
that begins with an underscore stands for any expression: `_f[_a] + _s` finds `found[a] + share` whatever it is called.
"""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

Bindings = dict[str, ast.AST]


def plant(monkeypatch: pytest.MonkeyPatch, fn: Callable[..., Any], pattern: str, instead: str) -> None:
    """Replace every piece of a function that fits the pattern, wherever the function is imported already."""
    fn = inspect.unwrap(fn)
    tree = ast.parse(textwrap.dedent(inspect.getsource(fn)))
    tree.body[0].decorator_list = []
    replaced = Replacing(ast.parse(pattern).body[0], ast.parse(instead).body)
    tree = ast.fix_missing_locations(replaced.visit(tree))
    assert replaced.places, f"{fn.__qualname__} has no {pattern!r} any more: bring tests/battery/planted.py up to date"
    closed = fn.__code__.co_freevars  # what stands outside of it, as __class__ for super()
    maker = ast.parse(f"def maker({', '.join(closed)}): return {fn.__name__}").body[0]
    maker.body.insert(0, tree.body[0])
    made: dict[str, Any] = {}
    code = "from __future__ import annotations\n" + ast.unparse(maker)
    exec(compile(code, "planted", "exec"), fn.__globals__, made)
    planted = made["maker"](*closed)
    for part in ("__code__", "__defaults__", "__kwdefaults__"):
        monkeypatch.setattr(fn, part, getattr(planted, part))


class Replacing(ast.NodeTransformer):
    """Replaces each node that fits a pattern; `places` counts them. Both sides are expressions, or both statements."""

    def __init__(self, pattern: ast.stmt, instead: list[ast.stmt]) -> None:
        expressions = isinstance(pattern, ast.Expr) and len(instead) == 1 and isinstance(instead[0], ast.Expr)
        self.pattern: ast.AST = pattern.value if expressions else pattern
        self.instead: list[Any] = [instead[0].value] if expressions else instead
        self.places = 0

    def visit(self, node: ast.AST) -> Any:
        made = self.made_of(node)
        if made is None:
            return self.generic_visit(node)
        self.places += 1
        return made if isinstance(self.pattern, ast.stmt) else made[0]

    def made_of(self, node: ast.AST) -> list[Any] | None:
        """What takes the place of this node; None where it does not fit."""
        bound: Bindings = {}
        if not fits(self.pattern, node, bound):
            return None
        return [Binding(bound).visit(copy.deepcopy(part)) for part in self.instead]


class Binding(ast.NodeTransformer):
    """Puts what the wildcards stand for in their places."""

    def __init__(self, bound: Bindings) -> None:
        self.bound = bound

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return copy.deepcopy(self.bound.get(node.id, node))


def fits(pattern: Any, node: Any, bound: Bindings) -> bool:
    """Whether a syntax tree is the pattern; `bound` learns what each wildcard stands for, everywhere the same."""
    if isinstance(pattern, ast.Name) and pattern.id.startswith("_") and isinstance(node, ast.expr):
        known = bound.setdefault(pattern.id, node)
        return ast.unparse(known) == ast.unparse(node)
    if isinstance(pattern, list):
        return (
            isinstance(node, list) and len(pattern) == len(node) and all(map(fits, pattern, node, [bound] * len(node)))
        )
    if isinstance(pattern, ast.expr_context):
        return True
    if isinstance(pattern, ast.AST):
        same = type(pattern) is type(node)
        return same and all(fits(getattr(pattern, f), getattr(node, f), bound) for f in pattern._fields)
    return bool(pattern == node)

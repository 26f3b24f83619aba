"""The table as text: each function that Tensors go through, and its derivatives as their source has them."""
# tested in tests/calculus/test_rows.py

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Sequence
from typing import Any

from ..console import tolerant_output
from ..core.interface import name
from ..engine import TABLE
from .kinds import Each, Row


def table() -> str:
    """Every function that Tensors go through, a line each: name, kind, and what it does to the gradient g of its
    output y.

    >>> print(next(line for line in table().splitlines() if line.startswith("multiply")))
    multiply            rule       g * b | g * a
    """
    tolerant_output()  # most likely it is printed next
    lines = []
    for fn, row in TABLE.items():
        lines.append(
            f"{full_name(fn):<19} {row.kind:<10} {' | '.join(formula(d) for d in derivatives_of(row))}".rstrip()
        )
    return "\n".join(lines)


def full_name(fn: Any) -> str:
    """A function's name as its users write it, `linalg.` before that of NumPy's linear algebra."""
    return ("linalg." if getattr(fn, "__module__", None) == "numpy.linalg" else "") + name(fn)


def derivatives_of(row: Row) -> Sequence[Any]:
    """The derivatives in a row, in the order of the arguments; one where all arguments share it."""
    if isinstance(row.derivatives, Each):
        return [row.derivatives.derivative]
    return [row.derivatives] if row.joint else row.derivatives


def formula(derivative: Any) -> str:
    """A derivative as its source has it: the body of a lambda, the name of a function."""
    code = getattr(derivative, "__code__", None)
    if code is None or code.co_name != "<lambda>":
        return "none" if derivative is None else f"{name(derivative)}(…)"
    here = set(code.co_positions())
    for node in lambdas_in(code.co_filename):
        if (node.body.lineno, node.body.end_lineno, node.body.col_offset, node.body.end_col_offset) in here:
            return ast.unparse(node.body)
    return "λ"


@functools.cache
def lambdas_in(filename: str) -> list[ast.Lambda]:
    """Every lambda of a source file."""
    tree = ast.parse("".join(linecache.getlines(filename)))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]

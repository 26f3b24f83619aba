"""How calls and rules are written: calls as their user would, with the names of variables; rules as calculus.

A rule of the table is Python, `g @ mT(b)`; on paper it is g bᵀ. calculus() translates the expression; rules that are
named functions have their formula in NAMED.
"""
# tested in tests/seeing/test_explain.py

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..calculus.listing import formula, full_name
from ..core.interface import getitem
from ..engine import Tensor
from ..rules import zero_pad

INFIX = {np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/", np.power: "**", np.matmul: "@"}
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
THROUGH_TIME = "Σₜ hₜ₋₁ᵀ"
NAMED: dict[str, str | tuple[str, ...]] = {  # a tuple has a formula for each argument
    "d_left": "g bᵀ",
    "d_right": "aᵀ g",
    "d_zeta": "−g ∘ s ζ(s + 1, q)",
    "extreme": "g ∘ [x = y] / number of ties",
    "d_getitem": "g at [index], 0 elsewhere",
    "one_part": "the part of g that it became",
    "one_operand": "the sum of products with it and g changing places",
    "d_solve_matrix": "−(a⁻ᵀ g) yᵀ",
    "d_solve_right": "a⁻ᵀ g",
    "d_cholesky": "L⁻ᵀ Φ(Lᵀ g) L⁻¹, its lower triangle",
    "d_logsumexp": "g ∘ softmax(x)",
    "d_embedding": "Σ g over the places of each id",
    "d_embedding_bag": "Aᵀ g for means A table",
    "d_rnn": ("δa", "δa₁ Wᵀ", f"{THROUGH_TIME} δaₜ"),
    "d_gru": ("[δr, δz, δn]", "δh₀", f"{THROUGH_TIME} [δr, δz, δn ∘ r]ₜ"),
    "d_lstm_states": ("[δi, δf, δg, δo]", "δh₀", "δc₀", f"{THROUGH_TIME} [δi, δf, δg, δo]ₜ"),
}
MOVED: dict[Any, str] = {
    np.sum: "g to each summand",
    np.cumsum: "Σ g from each place to the end",
    **dict.fromkeys([np.reshape, np.ravel, np.expand_dims, np.squeeze], "g in the shape of x"),
    **dict.fromkeys([np.swapaxes, np.moveaxis], "g with the axes put back"),
    np.flip: "g flipped back",
    np.roll: "g rolled back",
    zero_pad: "g without the padding",
}
AVERAGED = {"mean": "g (ŷ − y) / N", "sum": "g (ŷ − y)", "none": "g ∘ (ŷ − y)"}

# --- Calls ------------------------------------------------------------------------------------------------------------


def written_call(t: Tensor, names: dict[int, str]) -> str:
    """The call that made t, as one would write it; parameters of one Module are written `module: f(x, W, b)`."""
    owners = {names[id(a)].rpartition(".")[0] for a in t.args if "." in names.get(id(a), "")}
    owner = owners.pop() if len(owners) == 1 else ""
    args = [argument(a, names).removeprefix(f"{owner}.") for a in t.args if a is not None]
    given = {key: value for key, value in t.kwargs.items() if value is not None and value is not False}
    keywords = [f"{key}={argument(value, names)}" for key, value in given.items()]
    if t.fn is np.power and whole(t.args[1]) is not None:
        call = f"{args[0]}{str(whole(t.args[1])).translate(RAISED)}"
    elif t.fn in INFIX and len(args) == 2:
        call = f"{args[0]} {INFIX[t.fn]} {args[1]}"
    elif t.fn is getitem:
        call = f"{args[0]}[{args[1].removeprefix('(').removesuffix(')') if type(t.args[1]) is tuple else args[1]}]"
    else:
        call = f"{full_name(t.fn)}({', '.join(args + keywords)})"
    return f"{owner}: {call}" if owner else call


def whole(a: Any) -> int | None:
    """The whole number that a constant exponent is, so that t ** 2 reads as a square; None for any other."""
    if type(a) is Tensor or np.ndim(a) or not isinstance(a, (int, float, np.number, np.ndarray)):
        return None
    return int(a) if float(a).is_integer() else None


def argument(a: Any, names: dict[int, str]) -> str:
    """An argument of a call: a name where it has one, else its value or its shape."""
    if id(a) in names:
        return names[id(a)]
    if isinstance(a, np.ndarray) and a.size != 1:
        return entry(a, names) or f"array{a.shape}"
    if isinstance(a, slice):
        parts = [a.start, a.stop] if a.step is None else [a.start, a.stop, a.step]
        return ":".join("" if part is None else str(part) for part in parts)
    if isinstance(a, tuple):
        return f"({', '.join(argument(part, names) for part in a)})"
    text = "…" if a is Ellipsis else f"{a.item():.4g}" if isinstance(a, (np.ndarray, np.generic)) else repr(a)
    return text if len(text) <= 20 else f"{text[:19]}…"


def entry(a: Any, names: dict[int, str]) -> str:
    """xs[3], where a is that entry of a named array; nothing where it is no entry of one."""
    base = a.base if isinstance(a, np.ndarray) else None
    if not isinstance(base, np.ndarray) or id(base) not in names or a.shape != base.shape[1:] or not base.strides[0]:
        return ""
    k, rest = divmod(a.ctypes.data - base.ctypes.data, base.strides[0])
    return f"{names[id(base)]}[{k}]" if not rest and 0 <= k < len(base) and a.strides == base.strides[1:] else ""


# --- Rules ------------------------------------------------------------------------------------------------------------


def calculus(derivative: Any, t: Tensor, i: int) -> str:
    """The derivative for argument i of the call that made t, as one writes it on paper.

    Products of entries are written ∘, of matrices without a sign, of single numbers ·; [x > 0] is 1 where it holds,
    else 0.
    """
    name = getattr(derivative, "__name__", "")
    ours = getattr(derivative, "__module__", "").startswith("tinygrad_nlp.")
    if t.fn is np.power and not isinstance(t.args[1], Tensor) and np.ndim(t.args[1]) == 0 and i == 0:
        text = f"g ∘ {lowered(t.args[1])}"
    elif t.fn is np.power:
        text = ["g ∘ b ∘ a^(b − 1)", "g ∘ y ∘ ln a"][i]
    elif t.fn in MOVED:
        text = MOVED[t.fn]
    elif ours and name == "d_softmax_cross_entropy":
        text = AVERAGED[t.kwargs.get("reduction", t.args[3] if len(t.args) > 3 else "mean")]
    elif ours and name in NAMED:
        each = NAMED[name]
        text = each if isinstance(each, str) else each[i]
    elif name == "<lambda>":
        code = formula(derivative)
        text = paper(ast.parse(code, mode="eval").body)[0] if code != "λ" else code
    else:
        text = f"{name}(…)"
    single = all(np.ndim(a.data if type(a) is Tensor else a) == 0 for a in (t, *t.args))
    return text.replace("∘", "·") if single else text


def lowered(n: Any) -> str:
    """The derivative of aⁿ for a number n: n aⁿ⁻¹."""
    n, low = float(n), whole(float(n) - 1)
    power = f"^{n - 1:.4g}".replace("-", "−") if low is None else {0: "", 1: "a"}.get(low, f"a{low}".translate(RAISED))
    return f"{n:.4g}".replace("-", "−") + (power.replace("^", "a^") if low is None else power)


SUM, PRODUCT, SIGN, ATOM = range(4)  # how tightly an expression holds together
SYMBOLS = {"LN2": "ln 2", "LN10": "ln 10", "np.pi": "π"}
FUNCTIONS = {"expit": "σ", "log": "ln", "digamma": "ψ", "zeta": "ζ", "negative": "−"}
BINARY: dict[type, str] = {ast.Add: " + ", ast.Sub: " − ", ast.Mult: " ∘ ", ast.MatMult: " ", ast.Div: " / "}
ORDER: dict[type, str] = {ast.Gt: ">", ast.Lt: "<", ast.GtE: "≥", ast.LtE: "≤", ast.Eq: "=", ast.NotEq: "≠"}


def paper(node: ast.AST) -> tuple[str, int]:
    """An expression as it is written on paper, and how tightly it holds together."""

    def held(part: ast.AST, level: int) -> str:
        text, tightness = paper(part)
        return text if tightness >= level else f"({text})"

    match node:
        case ast.Name() | ast.Attribute() if ast.unparse(node) in SYMBOLS:
            return SYMBOLS[ast.unparse(node)], ATOM
        case ast.Attribute(value=a, attr="T"):
            return f"{held(a, ATOM)}ᵀ", ATOM
        case ast.UnaryOp(op=ast.USub(), operand=a):
            return f"−{held(a, SIGN)}", SIGN
        case ast.BinOp(op=ast.Pow(), left=a, right=b):
            raised = ast.unparse(b).translate(RAISED) if isinstance(b, ast.Constant) else f"^{held(b, ATOM)}"
            return held(a, ATOM) + raised, ATOM
        case ast.BinOp(op=ast.Mult(), left=a, right=b) if ast.dump(a) == ast.dump(b):
            return f"{held(a, ATOM)}²", ATOM
        case ast.BinOp(op=ast.Mult(), left=ast.UnaryOp(op=ast.USub(), operand=a), right=b) if ast.dump(a) == ast.dump(
            b
        ):
            return f"−{held(a, ATOM)}²", SIGN
        case ast.BinOp(op=ast.Mult(), left=ast.BinOp(op=ast.Mult(), left=a, right=b), right=c) if (
            ast.dump(b) == ast.dump(c) or isinstance(b, ast.Constant)  # g * y * y, g * 2 * x
        ):
            return f"{held(a, PRODUCT)} ∘ {held(ast.BinOp(b, ast.Mult(), c), PRODUCT)}", PRODUCT
        case ast.BinOp(op=ast.Mult(), left=ast.Constant() as a, right=b):
            return f"{ast.unparse(a)}{held(b, PRODUCT)}", PRODUCT
        case ast.BinOp(op=ast.Add() | ast.Sub() as op, left=a, right=b):
            return f"{held(a, SUM)}{BINARY[type(op)]}{held(b, PRODUCT)}", SUM
        case ast.BinOp(op=ast.Mult() | ast.MatMult() | ast.Div() as op, left=a, right=b):
            return f"{held(a, PRODUCT)}{BINARY[type(op)]}{held(b, ATOM)}", PRODUCT
        case ast.Compare(left=a, ops=[op], comparators=[b]) if type(op) in ORDER:
            return f"[{held(a, SUM)} {ORDER[type(op)]} {held(b, SUM)}]", ATOM
        case ast.Subscript(value=a, slice=ast.Tuple(elts=parts)) if all(isinstance(p, ast.Constant) for p in parts):
            return paper(a)  # new axes only
        case ast.Call(func=f, args=[*args]):
            return called(ast.unparse(f).removeprefix("np.").removeprefix("special."), f, args, held)
    return ast.unparse(node), ATOM if isinstance(node, (ast.Name, ast.Constant, ast.Subscript)) else SUM


def called(name: str, f: ast.AST, args: list[ast.expr], held: Callable[[ast.AST, int], str]) -> tuple[str, int]:
    """A call as it is written on paper."""
    match name, args:
        case "mT", [ast.Call(func=ast.Name(id="inv"), args=[a])]:
            return f"{held(a, ATOM)}⁻ᵀ", ATOM
        case (("mT" | "transpose"), [a, *_]):
            return f"{held(a, ATOM)}ᵀ", ATOM
        case "sqrt", [a]:
            return f"√{held(a, ATOM)}", ATOM
        case "sum", [a, *_]:
            return f"Σ {held(a, PRODUCT)}", PRODUCT
        case (("exp" | "exp2"), [a]):
            return f"exp({held(a, SUM)})", ATOM
        case "ratio", [a, b]:
            return f"{held(a, PRODUCT)} / {held(b, ATOM)}", PRODUCT
        case "winner", [a, _, y]:
            return f"[{held(a, SUM)} = {held(y, SUM)}]", ATOM
        case (("rows" | "spread" | "reshape"), [a, *_]):
            return held(a, SUM), paper_level(a)
        case "where", [c, a, b]:
            condition = held(c, SUM).removeprefix("[").removesuffix("]")
            return f"{held(a, SUM)} where {condition}, else {held(b, SUM)}", SUM
    if isinstance(f, ast.Attribute) and f.attr in ("reshape", "sum"):  # methods
        inner = held(f.value, PRODUCT)
        return (f"Σ {inner}", PRODUCT) if f.attr == "sum" else (inner, paper_level(f.value))
    written_args = [held(a, SUM) for a in args if not (isinstance(a, ast.Name) and a.id in ("axis", "k"))]
    return f"{FUNCTIONS.get(name, name)}({', '.join(written_args)})", ATOM


def paper_level(node: ast.AST) -> int:
    return paper(node)[1]


@functools.cache
def source_code(function: Any) -> str:
    """A rule as the table has it: the lambda's body, or the whole function."""
    if getattr(function, "__name__", "") == "<lambda>":
        return formula(function)
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):  # typed into a console, or not Python
        return ""


# --- What a rule reads ------------------------------------------------------------------------------------------------

ABOUT = {"shape", "ndim", "size", "dtype", "len"}  # these ask for no number of an array


@functools.cache
def symbols(function: Any) -> tuple[frozenset[str], frozenset[str]]:
    """The names that a rule's code reads, and of these the ones whose numbers it reads, not only their shape."""
    code = source_code(function)
    if not code or code == "λ":
        everything = frozenset(inspect.signature(function).parameters)
        return everything, everything
    every = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    return frozenset(every), frozenset(numbers(ast.parse(code), function))


def numbers(node: ast.AST, function: Any) -> set[str]:
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
        case ast.Call(func=ast.Name(id=name), args=args) if inspect.isfunction(function.__globals__.get(name)):
            inner = function.__globals__[name]
            read, parameters = symbols(inner)[1], list(inspect.signature(inner).parameters)
            told = zip(args, parameters, strict=False)
            return set[str]().union(*(numbers(a, function) for a, p in told if p in read))
        case ast.GeneratorExp(elt=elt, generators=[loop]) | ast.ListComp(elt=elt, generators=[loop]):
            inside = numbers(elt, function)
            used = isinstance(loop.target, ast.Name) and loop.target.id in inside
            return inside | (numbers(loop.iter, function) if used else set())
    return set[str]().union(*(numbers(child, function) for child in ast.iter_child_nodes(node)))


def unpacked(function: Any, parts: Sequence[Any]) -> list[str]:
    """What a derivative calls the parts of what the forward pass has saved for it: r, z = saved."""
    for node in ast.walk(ast.parse(source_code(function) or "0")):
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=elts)], value=ast.Name(id="saved")) if len(elts) == len(parts):
                return [ast.unparse(e) for e in elts]
    return [f"saved[{k}]" for k in range(len(parts))]

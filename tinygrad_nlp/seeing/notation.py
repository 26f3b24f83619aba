"""How calls and rules are written: calls as their user would, with the names of variables; rules as calculus.

A rule of the table is Python, `g @ mT(b)`; on paper it is g bᵀ. calculus() translates the expression; rules that are
named functions have their formula in NAMED.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from ..calculus.listing import formula, full_name
from ..calculus.shapes import zero_pad
from ..core.interface import getitem
from ..engine import TABLE, Tensor

INFIX = {np.add: "+", np.subtract: "-", np.multiply: "*", np.divide: "/", np.power: "**", np.matmul: "@"}
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
THROUGH_TIME = "Σₜ hₜ₋₁ᵀ"
NAMED: dict[str, str | tuple[str, ...]] = {  # a tuple has a formula for each argument
    "d_left": "g bᵀ",
    "d_right": "aᵀ g",
    "extreme": "g ∘ [x = y] / number of ties",
    "d_getitem": "g at [index], 0 elsewhere",
    "parts": "the part of g that it became",
    "one_operand": "the sum of products with it and g changing places",
    "d_solve_matrix": "−(a⁻ᵀ g) yᵀ",
    "d_solve_right": "a⁻ᵀ g",
    "d_cholesky": "L⁻ᵀ Φ(Lᵀ g) L⁻¹, one triangle of it",
    "d_length": "g ∘ x / y",
    "d_p_length": "g ∘ sign(x) ∘ (|x| / y)^(p − 1)",
    "d_polygamma": "g ∘ polygamma(n + 1, x)",
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
    text = f"{a.item():.4g}" if isinstance(a, (np.ndarray, np.generic)) else repr(a)
    text = "…" if a is Ellipsis else text
    return text if len(text) <= 20 else f"{text[:19]}…"


def entry(a: Any, names: dict[int, str]) -> str:
    """xs[3], where a is that entry of a named array; nothing where it is no entry of one."""
    base = a.base if isinstance(a, np.ndarray) else None
    if not isinstance(base, np.ndarray) or id(base) not in names or a.shape != base.shape[1:] or not base.strides[0]:
        return ""
    k, rest = divmod(a.ctypes.data - base.ctypes.data, base.strides[0])
    return f"{names[id(base)]}[{k}]" if not rest and 0 <= k < len(base) and a.strides == base.strides[1:] else ""


# --- Rules ------------------------------------------------------------------------------------------------------------


def row_of(t: Tensor) -> Any:
    """The row of the table for the call that made t."""
    return TABLE[t.fn]  # type: ignore[index]  # a call has a function


def calculus(derivative: Any, t: Tensor, i: int) -> str:
    """The derivative for argument i of the call that made t, as one writes it on paper.

    Products of entries are written ∘, of matrices without a sign, of single numbers ·; [x > 0] is 1 where it holds,
    else 0.
    """
    name = getattr(derivative, "__name__", "")
    ours = getattr(derivative, "__module__", "").startswith("tinygrad_nlp.")
    if row_of(t).reference is derivative:
        text = "the chain rule through its reference"
    elif t.fn is np.power and not isinstance(t.args[1], Tensor) and np.ndim(t.args[1]) == 0 and i == 0:
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
SYMBOLS = {"LN2": "ln 2", "LN10": "ln 10", "np.pi": "π", "math.pi": "π", "np.nan": "NaN"}
FUNCTIONS = {"expit": "σ", "log": "ln", "digamma": "ψ", "zeta": "ζ"}
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
        case ast.BinOp(op=ast.Mult(), left=ast.Constant(value=0)):
            return "0", ATOM
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
            return called(ast.unparse(f).rpartition(".")[2], f, args, held)
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
        case "cone", [g, _, _, slope, *_]:  # to first order
            return f"{held(g, PRODUCT)} ∘ {held(slope, ATOM)}", PRODUCT
        case "weight", [a, b]:
            return f"σ({held(a, SUM)} − {held(b, PRODUCT)})", ATOM
        case (("off_zero" | "off_minus_one"), [_, b]):  # where there is a limit
            return paper(b)
        case "winner", [a, _, y]:
            return f"[{held(a, SUM)} = {held(y, SUM)}]", ATOM
        case (("as_matrix" | "spread" | "reshape"), [a, *_]):
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

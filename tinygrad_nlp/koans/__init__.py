"""Fifteen broken derivatives to repair: ``python -m tinygrad_nlp koans`` writes them into a file and grades it.

template.py and template_2.py hold the functions and, for each, two wrong backward passes. A variant, a number, says
which function and which mistake stand in each of the fifteen places, and on which arrays a repair is graded. There is
no state: what is solved is found out by grading again. grade() is for a cell of a notebook; grading.py marks a file.
"""

from __future__ import annotations

import ast
import functools
import importlib.resources
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from ..checking.check import gradcheck
from ..checking.diagnose import dense
from ..checking.report import Report
from ..engine import Tensor, gradients
from . import template, template_2

SEEDS = range(5)
Draw = Callable[[Generator], tuple[Any, ...]]


def some(*shapes: str) -> Draw:
    """Normal arrays of shapes such as "BD": equal letters are equal sizes, another draw each time."""

    def draw(rng: Generator) -> tuple[Any, ...]:
        size = dict(zip("BDTH", rng.permutation(np.arange(3, 7)).tolist(), strict=True))
        return tuple(rng.normal(size=[size[letter] for letter in shape]) for shape in shapes)

    return draw


def with_zeros(rng: Generator) -> tuple[Any, ...]:
    """Some rows, one of them nothing but zeros."""
    x = rng.normal(size=(4, 3))
    x[rng.integers(4)] = 0
    return (x,)


def with_equal_points(rng: Generator) -> tuple[Any, ...]:
    """Two lists of points, one point the same in both."""
    a, b = rng.normal(size=(2, 4, 3))
    same = rng.integers(4)
    b[same] = a[same]
    return a, b


def with_ties(sign: int) -> Draw:
    """Some rows; in one two entries are the largest (sign 1) or smallest (−1), in another three."""

    def draw(rng: Generator) -> tuple[Any, ...]:
        x = rng.normal(size=(4, 5))
        for row, ties in zip(rng.permutation(4), (2, 3), strict=False):
            x[row, rng.permutation(5)[:ties]] = 3 * sign
        return (x,)

    return draw


def repeated_ids(axis: int) -> Draw:
    """A table and ids, one of them three times and one not at all."""

    def draw(rng: Generator) -> tuple[Any, ...]:
        ids = rng.permutation(5)
        shape = (5, 3) if axis == 0 else (3, 5)
        return rng.normal(size=shape), rng.permutation(np.append(ids[:4], [ids[0], ids[0]]))

    return draw


def labelled(rng: Generator) -> tuple[Any, ...]:
    return rng.normal(size=(4, 3)), rng.integers(0, 3, 4)


def far_apart(rng: Generator) -> tuple[Any, ...]:
    """Three rows around −1,000, 0 and 1,000."""
    return (rng.normal(size=(3, 4)) + rng.permutation([-1000, 0, 1000])[:, None],)


# For each of the fifteen places: the function of template.py, the one of template_2.py, each with its arguments, and a
# hint that holds for both, whatever is wrong.
PLACES: list[tuple[dict[str, Draw], str]] = [
    (
        {"square": some("BD"), "cube": some("BD")},
        "A loss further on need not be the sum of y. By how much does it grow when yᵢ grows by ε? And when xᵢ does?",
    ),
    (
        {"tanh": some("BD"), "sigmoid": some("BD")},
        "Some derivatives are written with the input x, others with the output y = f(x). Which is this one?",
    ),
    (
        {"relu": some("BD"), "leaky_relu": some("BD")},
        "The slope depends on x alone. g may have either sign, whatever x is, and it only multiplies the slope.",
    ),
    (
        {"gate": some("BD"), "swish": some("BD")},
        "Call the two uses p and q. Differentiate by p with q held fixed, then by q with p held fixed, and add.",
    ),
    (
        {"scale": some("BD", "D"), "shrink": some("BD", "B")},
        "Stretching is copying, and the shares of copies add up: over which axis was the smaller argument copied?",
    ),
    (
        {"matmul": some("BD", "DD"), "linear": some("BD", "DD")},
        "Write one entry of the gradient as a sum, and look which index of W, of x and of g the sum runs over.",
    ),
    (
        {"row_mean": some("BT"), "column_mean": some("BT")},
        "How many numbers does one mean have? Try an x with one row and three columns, and one with three rows.",
    ),
    (
        {"row_norm": with_zeros, "distance": with_equal_points},
        "The derivative of √s is 1 / (2√s): what divides, and for which row must it not? Signs matter as well.",
    ),
    (
        {"row_max": with_ties(1), "row_min": with_ties(-1)},
        "How many entries tie, in each row? The number may be another in every row.",
    ),
    (
        {"lookup": repeated_ids(0), "lookup_columns": repeated_ids(1)},
        "An entry that was looked up three times has three shares. NumPy's += with repeated ids keeps one of them.",
    ),
    (
        {"softmax": some("BD"), "cool_softmax": some("BD")},
        "x[b, i] is in the numerator of y[b, i], and in the denominator of every y[b, j] of its row.",
    ),
    (
        {"cross_entropy": labelled, "soft_target": some("BD", "BD")},
        "The loss is a mean of differences of two terms. Differentiate each term, and mind the sign and the mean.",
    ),
    (
        {"logsumexp": far_apart, "softmin": far_apart},
        "The quotient stays the same when both exponents are shifted by one number. Each row needs its own.",
    ),
    (
        {"layer_norm": some("BD"), "rms_norm": some("BD")},
        "Each statistic of a row depends on all its entries: differentiate y by the statistic, then that by x.",
    ),
    (
        {"rnn": some("TBH", "BH", "HH"), "leaky_rnn": some("TBH", "BH", "HH")},
        "All that h_t owes, by its own output and by the next step, must be added up before you go on to its inputs.",
    ),
]


@dataclass(frozen=True)
class Koan:
    """One exercise of a variant: a function, its wrong backward pass, arguments by seed, and a hint."""

    name: str
    forward: Callable[..., Any]
    broken: Callable[..., Any]
    draw: Draw
    hint: str
    shift: int  # added to the seeds, so that another variant has other data

    def args(self, seed: int) -> tuple[Any, ...]:
        return self.draw(np.random.default_rng([self.shift, seed]))


def koans(variant: int = 0) -> dict[str, Koan]:
    """The fifteen exercises of a variant by name, in order; variant 0 is template.py as it stands."""
    rng = np.random.default_rng(variant)
    found = {}
    for forms, hint in PLACES:
        form, mistake = rng.integers(2, size=2) if variant else (0, 0)
        name, draw = list(forms.items())[form]
        functions = vars((template, template_2)[form])
        broken = functions[f"{name}_backward" + "_2" * int(mistake)]
        found[name] = Koan(name, functions[name], broken, draw, hint, variant)
    return found


def exercises(variant: int = 0) -> str:
    """The text of the file that a student repairs."""
    sources = [source(module.__name__.rpartition(".")[2]) for module in (template, template_2)]
    head = sources[0][0]
    if variant:
        head = head.replace("python -m tinygrad_nlp koans\n", f"python -m tinygrad_nlp koans --variant {variant}\n")
    parts = [head]
    for number, koan in enumerate(koans(variant).values(), 1):
        functions = next(f for _, f in sources if koan.name in f)
        broken = functions[koan.broken.__name__]
        if koan.broken.__name__.endswith("_2"):  # the text of the first, the mistake of the second
            first = functions[f"{koan.name}_backward"].split("\n")
            signature = next(i for i, line in enumerate(first) if line.lstrip().startswith('"""'))
            broken = "\n".join([*first[: signature + 1], *broken.split("\n")[signature:]])
        parts += [f"# {number} ".ljust(120, "-"), f"\n\n{functions[koan.name]}\n\n\n{broken}\n\n"]
    return "\n".join(parts).rstrip("\n") + "\n"


@functools.cache
def source(module: str) -> tuple[str, dict[str, str]]:
    """What stands above the functions of a template, and the source of each."""
    text = importlib.resources.files(__package__).joinpath(f"{module}.py").read_text("utf-8")
    functions = {
        n.name: ast.get_source_segment(text, n) or "" for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)
    }
    return text[: text.index("# 1 ---")].rstrip("\n") + "\n\n", functions


def grade(name: str, backward: Callable[..., Any], variant: int = 0, seed: int = 0) -> Report:
    """gradcheck() of a backward pass for an exercise, on arguments drawn from a seed; true when it is right.

    At a kink the gradient has to be the one that the text asks for, which is the one of the table. KeyError for a name
    that is not in the variant. To mark a file that is not trusted, use grading.marks(path).

    >>> bool(grade("square", lambda g, x: g * x))
    False
    """
    koan = koans(variant)[name]
    args, seen = koan.args(seed), []

    def recorded(g: Any, *arrays: Any) -> Any:
        kept = [np.copy(g), [np.copy(a) for a in arrays]]
        returned = backward(g, *arrays)
        seen.append((*kept, returned))
        return returned

    with np.errstate(all="ignore"):  # the report says what is not finite
        report = gradcheck(koan.forward, *args, gradient=recorded, seed=seed)
    if report:
        g, arrays, returned = seen[0]
        meant = expected(koan, g, arrays)
        given = [a for a in (returned if isinstance(returned, (tuple, list)) else (returned,)) if a is not None]
        for argument, a, right in zip(report.arguments, given, meant, strict=True):
            if not np.allclose(a, right, rtol=1e-6, atol=1e-9):
                argument.right, argument.diagnosis = False, "at a tie or a kink it is not what the text asks for"
                i = np.unravel_index(np.argmax(abs(a - right)), right.shape)
                argument.index = tuple(int(k) for k in i)
                argument.given, argument.numeric = float(np.asarray(a)[i]), float(right[i])
    return report


def expected(koan: Koan, g: Any, arrays: Any) -> list[Any]:
    """The gradients by the table, of the arguments that have one."""
    leaves = [Tensor(a) if a.dtype.kind == "f" else a for a in arrays]
    wanted = [t for t in leaves if isinstance(t, Tensor)]
    return [dense(d) for d in gradients(koan.forward(*leaves), wanted, g)]

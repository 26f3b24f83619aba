"""Build the engine of lesson 0: its file with blanks, and checks that go step by step, each against the real engine.

The checks tell a learner what is next. They run in a process of their own, because of endless loops, but the file has
to import the table of this package, so they are no marks: those are grading.py's.
"""
# tested in tests/koans/test_steps.py

from __future__ import annotations

import ast
import json
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import engine
from ..console import BadInput
from ..course import lessons
from .grading import BROKEN, LIMIT, RIGHT, WRONG, Mark
from .sandbox import blame

HEAD = '''"""The engine of lesson 0, to be built: fill in each `...`, from the top down; after each, run

    python -m tinygrad_nlp koans --engine
"""
'''
BLANKS = {  # function -> what its body has to do
    "__init__": "keep data as an array, then fn, args, kwargs ({} for None), shape, ndim and birth, the next of births",
    "call": "look fn up in TABLE; a composite's forward takes the Tensors as they are; else call row.forward with the "
    "arrays behind args; a rule's result is a Tensor that remembers the call, any other row's is the array itself",
    "history": "every Tensor that is reached from y through args, each once, the youngest (the largest birth) first",
    "gradients": "found = {y: g}; for each t of history(y) and each Tensor among its args, a share by TABLE[t.fn]"
    ".derivatives[i](g, y, *arrays, **kwargs), fitted by fit(share, a, t, i) and added to what is found already",
}
Engine = dict[str, Any]


def exercises() -> str:
    """Lesson 0 with blanks."""
    text = lessons()[0].read_text("utf-8")
    text = text[: text.index("\n# %% It runs")].rstrip("\n") + "\n"
    lines = text.split("\n")
    tree = ast.parse(text)
    for node in sorted(ast.walk(tree), key=lambda n: -getattr(n, "lineno", 0)):
        if isinstance(node, ast.FunctionDef) and node.name in BLANKS:
            indent = " " * (node.col_offset + 4)
            words, said = BLANKS[node.name].split(), [f"{indent}#"]
            for word in words:
                if len(said[-1]) + len(word) > 110:
                    said.append(f"{indent}#")
                said[-1] += f" {word}"
            lines[node.body[0].lineno - 1 : node.end_lineno] = [*said, f"{indent}..."]
    return HEAD + "\n".join(lines[tree.body[0].end_lineno or 0 :])


# --- The steps: each takes the names in the file, and says what is wrong, or "" -----------------------------------


def remembers(e: Engine) -> str:
    first, second = e["Tensor"]([1.0, 2.0]), e["Tensor"](np.ones((2, 3)), np.sin, (1,), {"k": 2})
    if not isinstance(getattr(first, "data", None), np.ndarray):
        return "Tensor([1.0, 2.0]).data is not an array"
    if (first.fn, tuple(first.args), first.kwargs) != (None, (), {}):
        return "a Tensor that no call made has fn None, args () and kwargs {}"
    if (second.fn, tuple(second.args), second.kwargs, second.shape, second.ndim) != (np.sin, (1,), {"k": 2}, (2, 3), 2):
        return "a Tensor keeps fn, args, kwargs, shape and ndim"
    return "" if second.birth > first.birth else "a later Tensor has a larger birth"


def calls(e: Engine) -> str:
    x = e["Tensor"](np.array([1.0, 2.0]))
    y = np.multiply(x, 3.0)
    if not isinstance(y, e["Tensor"]) or not np.array_equal(y.data, [3.0, 6.0]):
        return "np.multiply(x, 3.0) is not a Tensor of 3 x"
    if y.fn is not np.multiply or len(y.args) != 2 or y.args[0] is not x:
        return "the result of np.multiply(x, 3.0) does not remember the function and its arguments"
    if not isinstance(np.argmax(x), (np.integer, int, np.ndarray)):
        return "np.argmax(x) has no gradient: its row is neither a rule nor a composite, and its result an array"
    return "" if np.isclose(np.mean(x).data, 1.5) else "np.mean(x), a composite, is not 1.5"


def in_order(e: Engine) -> str:
    x = e["Tensor"](np.array(2.0))
    a, b = np.sin(x), np.cos(x)
    y = (a * b) * a
    found = e["history"](y)
    if not isinstance(found, list) or len(found) != 5 or set(found) != {x, a, b, y, y.args[0]}:
        return "history((a * b) * a) has five Tensors, each once: x, a = sin x, b = cos x, a * b, and the result"
    births = [t.birth for t in found]
    return "" if births == sorted(births, reverse=True) else "the youngest comes first"


def same(e: Engine, f: Callable[..., Any], *arrays: Any) -> bool:
    """Whether the gradients of f are those of the real engine."""
    ours, real = [e["Tensor"](a) for a in arrays], [engine.Tensor(a) for a in arrays]
    y, expected = f(*ours), f(*real)
    g = np.random.default_rng(0).normal(size=expected.shape)
    found = e["gradients"](y, g)
    if not isinstance(found, dict) or any(t not in found for t in ours):
        return False
    right = engine.gradients(expected, real, g)
    return all(np.shape(found[t]) == d.shape and np.allclose(found[t], d) for t, d in zip(ours, right, strict=True))


def a_chain(e: Engine) -> str:
    right = same(e, lambda x: np.exp(np.sin(x)), np.array([0.5, -1.0]))
    return "" if right else "the gradient of exp(sin x): each call multiplies g by its own derivative"


def used_twice(e: Engine) -> str:
    right = same(e, lambda x: x * np.sin(x) + x, np.array([0.5, -1.0]))
    return "" if right else "the gradient of x sin x + x: x is used three times, and the shares are added"


def stretched(e: Engine) -> str:
    x, w = np.random.default_rng(0).normal(size=(4, 3)), np.array([1.0, 2.0, 3.0])
    return (
        ""
        if same(e, lambda x, w: x * w + w, x, w)
        else "the gradient of w in x * w + w: fit() sums over what was stretched"
    )


def keywords(e: Engine) -> str:
    x = np.random.default_rng(0).normal(size=(3, 3))
    right = same(e, lambda x: np.sum(np.tanh(x), axis=1), x)
    return "" if right else "the gradient through np.sum(…, axis=1): derivatives get the keywords too"


STEPS: dict[str, Callable[[Engine], str]] = {
    "Tensor": remembers,
    "call": calls,
    "history": in_order,
    "chain": a_chain,
    "shares": used_twice,
    "broadcasting": stretched,
    "keywords": keywords,
}


# --- Checking a file --------------------------------------------------------------------------------------------------


def marks(path: Path) -> Iterator[Mark]:
    """Each step and its mark, in order, up to the first that is not right. Raises BadInput for a broken file."""
    try:
        lines = {n.name: n.lineno for n in ast.walk(ast.parse(path.read_bytes())) if isinstance(n, ast.FunctionDef)}
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        raise BadInput(f"{path}: {type(error).__name__}: {error}") from error
    command = [sys.executable, "-m", __name__, str(path)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", timeout=3 * LIMIT)
        said = done.stdout
    except subprocess.TimeoutExpired as error:
        out = error.stdout or b""
        said = out.decode() if isinstance(out, bytes) else out
        said += json.dumps(f"{path}: not done after {3 * LIMIT:g} seconds: is there an endless loop?") + "\n"
    texts = [json.loads(line) for line in said.splitlines() if line.startswith('"')]
    names = {"Tensor": "__init__", "call": "call", "history": "history"}
    for name, text in zip(STEPS, texts, strict=False):
        wrong = BROKEN if text.startswith(str(path)) else WRONG
        code = wrong if text else RIGHT
        yield Mark(
            name, code, float(not text), text, lines.get(names.get(name, "gradients"), 0), [text] if text else []
        )
        if text:
            return


def check(path: str) -> Iterator[str]:
    """What is wrong with each step, up to the first; it runs in a process of its own."""
    try:
        names = runpy.run_path(path)
    except (Exception, SystemExit) as error:
        yield blame(path, error)
        return
    for step in STEPS.values():
        try:
            wrong = step(names)
        except Exception as error:  # the step runs the student's code
            wrong = f"{type(error).__name__}: {' '.join(str(error).split())}"
        yield wrong
        if wrong:
            return


if __name__ == "__main__":
    for line in check(sys.argv[1]):
        print(json.dumps(line), flush=True)

"""gradcheck() for JAX: a jax.custom_vjp or any function of JAX arrays, with the backward pass that JAX has for it.

    import jax
    from tinygrad_nlp.checking import with_jax

    @jax.custom_vjp
    def square(x):
        return x * x

    square.defvjp(lambda x: (x * x, x), lambda x, g: (g * x,))  # the 2 is forgotten
    print(with_jax.gradcheck(square, np.ones((2, 3))))          # WRONG … factor 1/2 everywhere

The forward pass runs on NumPy's arrays turned into JAX's, in float64, and its numeric derivatives are compared with
what jax.vjp returns, so a custom_vjp's own backward pass is what is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .check import gradcheck as check
from .point import argument_names
from .report import Report

try:
    import jax
except ImportError as error:
    raise ImportError("tinygrad_nlp.checking.with_jax needs JAX: pip install jax") from error


def gradcheck(f: Callable[..., Any], *args: Any, seed: int = 0, names: Sequence[str] | None = None) -> Report:
    """Compare the gradient that JAX computes of f at args with numeric derivatives, as gradcheck() does.

    f: a function of JAX arrays, custom_vjp or not. args: arrays, and dicts, lists and tuples of them; integers are
    constants. What the backward pass raises is a problem in the report.
    """
    complaints: list[str] = []

    def forward(*inputs: Any) -> Any:
        return jax.tree.map(np.asarray, f(*on_device(inputs)))

    def backward(g: Any, *inputs: Any) -> Any:
        leaves, shape = jax.tree.flatten(on_device(inputs))
        floats = [k for k, a in enumerate(leaves) if a.dtype.kind == "f"]

        def of_floats(*values: Any) -> Any:
            everything = list(leaves)
            for k, value in zip(floats, values, strict=True):
                everything[k] = value
            outputs = jax.tree.leaves(f(*jax.tree.unflatten(shape, everything)))
            return [y for y in outputs if y.dtype.kind == "f"]

        found: list[Any] = [None] * len(leaves)
        try:
            y, pull = jax.vjp(of_floats, *[leaves[k] for k in floats])
            gs = [jax.numpy.asarray(a, b.dtype) for a, b in zip(g if type(g) is tuple else (g,), y, strict=True)]
            for k, d in zip(floats, pull(gs), strict=True):
                found[k] = np.array(d)
        except (TypeError, ValueError) as error:
            complaints.append(f"the backward pass raised {type(error).__name__}: {' '.join(str(error).split())}")
            for k in floats:
                found[k] = np.zeros(leaves[k].shape)
        return jax.tree.unflatten(shape, found)

    with jax.enable_x64(True):
        report = check(forward, *args, gradient=backward, seed=seed, names=names or argument_names(f, len(args)))
    report.problems += dict.fromkeys(complaints)
    return report


def on_device(tree: Any) -> Any:
    """Arrays as JAX's own, copied."""
    return jax.tree.map(jax.numpy.array, tree)

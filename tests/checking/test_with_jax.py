"""gradcheck of JAX's functions: right ones pass, and mistakes of a custom_vjp are named."""

from __future__ import annotations

import numpy as np
import pytest

jax = pytest.importorskip("jax")
from tinygrad_nlp.checking import with_jax  # noqa: E402 (it needs jax)

jnp = jax.numpy
rng = np.random.default_rng(0)
x34, W42, b2 = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), rng.normal(size=2)
gradcheck = with_jax.gradcheck


def function(forward, backward):
    """A custom_vjp whose backward pass gets (g, y, *arguments)."""
    fn = jax.custom_vjp(forward)

    def run(*args):
        y = forward(*args)
        return y, (y, *args)

    def pull(saved, g):
        found = backward(g, *saved)
        return found if isinstance(found, tuple) else (found,)

    fn.defvjp(run, pull)
    return fn


def affine(x, W, b):
    return x @ W + b


def table_of(ids):
    return lambda table: table[ids]


ids = np.array([0, 2, 0, 1])
RIGHT = [
    (function(jnp.tanh, lambda g, y, x: g * (1 - y * y)), (x34,)),
    (function(affine, lambda g, y, x, W, b: (g @ W.T, x.T @ g, g.sum(0))), (x34, W42, b2)),
    (lambda p, ids: p["E"][ids] + p["b"], ({"E": x34, "b": x34[0]}, ids)),
    (jax.nn.relu, (np.array([-1.0, 0.0, 2.0]),)),
    (lambda x: {"a": jnp.sin(x), "b": [x.sum()]}, (x34,)),
    (jax.jit(jax.nn.softmax), (x34.astype(np.float32),)),
]
MISTAKES = {
    "upstream ignored": (function(jnp.tanh, lambda g, y, x: 1 - y * y), (x34,), "upstream ignored"),
    "input for output": (function(jnp.tanh, lambda g, y, x: g * (1 - x * x)), (x34,), "input for output"),
    "W not transposed": (
        function(lambda x, W: x @ W, lambda g, y, x, W: (g @ W, x.T @ g)), (x34, rng.normal(size=(4, 4))), "transpose",
    ),
    "bias not summed": (
        function(affine, lambda g, y, x, W, b: (g @ W.T, x.T @ g, g)), (x34, W42, b2), "the backward pass raised",
    ),
    "mean as a sum": (function(lambda x: jnp.mean(x), lambda g, y, x: g * jnp.ones_like(x)), (x34,), "factor 12 "),
    "mask inverted": (function(jax.nn.relu, lambda g, y, x: g * (x < 0)), (x34,), "mask inverted"),
    "repeated ids": (
        function(table_of(ids), lambda g, y, t: jnp.zeros_like(t).at[ids].set(g)), (x34,), "overwritten",
    ),
    "gradient stopped": (lambda x: jax.lax.stop_gradient(jnp.tanh(x)), (x34,), "zeros: every number is 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", RIGHT, ids=range(len(RIGHT)))
def test_right_ones_pass(case):
    f, args = case
    report = gradcheck(f, *args)
    assert report, report


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_found_and_named(name):
    f, args, says = MISTAKES[name]
    report = gradcheck(f, *args)
    assert not report and says in str(report), report


def test_the_users_own_backward_pass_runs_and_settings_stay():
    calls = []
    fn = function(jnp.sin, lambda g, y, x: calls.append(1) or g * jnp.cos(x))
    assert gradcheck(fn, x34) and calls
    assert jnp.zeros(1).dtype == np.float32

"""gradcheck of JAX's functions: right ones pass, and mistakes of a custom_vjp are named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.checking import foreign
from tests.checking.foreign import W42, affine, b2, x34

jax = pytest.importorskip("jax")
from tinygrad_nlp.checking import with_jax  # noqa: E402 (below the skip, because it needs jax)

jnp = jax.numpy
gradcheck = with_jax.gradcheck


def function(forward: Any, backward: Any) -> Any:
    """A custom_vjp whose backward pass gets (g, y, *arguments)."""
    fn = jax.custom_vjp(forward)

    def run(*args: Any) -> Any:
        y = forward(*args)
        return y, (y, *args)

    def pull(saved: Any, g: Any) -> Any:
        found = backward(g, *saved)
        return found if isinstance(found, tuple) else (found,)

    fn.defvjp(run, pull)
    return fn


ids = np.array([0, 2, 0, 1])
RIGHT = [
    *foreign.right(function, jnp, jax.nn.relu),
    (jax.nn.relu, (np.array([-1.0, 0.0, 2.0]),)),
    (jax.jit(jax.nn.softmax), (x34.astype(np.float32),)),
    (jnp.sin, (x34[::-2, ::-1],)),
    (jnp.sin, (np.array(0.5),)),
    (jnp.sin, (np.zeros((0, 3)),)),
]
MISTAKES = foreign.mistakes(function, jnp, jax.nn.relu) | {
    "bias not summed": (
        function(affine, lambda g, y, x, W, b: (g @ W.T, x.T @ g, g)), (x34, W42, b2), "the backward pass raised",
    ),
    "repeated ids": (
        function(lambda table: table[ids], lambda g, y, t: jnp.zeros_like(t).at[ids].set(g)), (x34,), "overwritten",
    ),
    "gradient stopped": (lambda x: jax.lax.stop_gradient(jnp.tanh(x)), (x34,), "zeros: every number is 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", RIGHT, ids=range(len(RIGHT)))
def test_right_ones_pass(case: Any) -> None:
    f, args = case
    foreign.check(gradcheck(f, *args))


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_found_and_named(name: str) -> None:
    f, args, says = MISTAKES[name]
    foreign.check(gradcheck(f, *args), says)


def test_the_users_own_backward_pass_runs_and_settings_stay() -> None:
    calls = []
    fn = function(jnp.sin, lambda g, y, x: calls.append(1) or g * jnp.cos(x))
    assert gradcheck(fn, x34) and calls
    assert jnp.zeros(1).dtype == np.float32

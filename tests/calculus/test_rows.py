"""The table and how users add to it: rule, composite, flat, op, the example of exprel; errors that name the rule and
the axis."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import scipy.special as special

from tinygrad_nlp import Tensor, composite, flat, gradients, op, rule, table
from tinygrad_nlp import relu as our_relu
from tinygrad_nlp.calculus.kinds import Saved, values
from tinygrad_nlp.calculus.listing import formula, full_name
from tinygrad_nlp.engine import TABLE

pytestmark = pytest.mark.usefixtures("table_as_it_was")


def d_exprel(g: Any, y: Any, x: Any) -> Any:
    away = np.where(x == 0, 1, x)
    return g * np.where(x == 0, 0.5, (np.exp(away) - special.exprel(away)) / away)


def test_a_user_adds_exprel() -> None:
    """The worked example of rows.py: before, a clear refusal; after, values, gradients and second order."""
    exprel, x = special.exprel, np.array([0.3, -1.2, 2.0])
    with pytest.raises(TypeError, match=r"`exprel` is not in the table of derivatives: .* add a row with rule\(\)"):
        exprel(Tensor(x))
    assert rule(exprel, d_exprel) is exprel
    t = Tensor(x)
    (first,) = gradients(exprel(t), [t], np.ones(3), create_graph=True)
    (second,) = gradients(first, [t], np.ones(3))
    h = 1e-5
    assert np.allclose(exprel(t).data, exprel(x), rtol=0)
    assert np.allclose(first.data, (exprel(x + h) - exprel(x - h)) / (2 * h), rtol=1e-8)
    assert np.allclose(second, (exprel(x + h) - 2 * exprel(x) + exprel(x - h)) / h**2, atol=1e-4)
    zero = Tensor([0.0])
    assert gradients(exprel(zero), [zero], [1.0])[0] == 0.5
    assert "exprel              rule       d_exprel(…)" in table()


def test_a_row_can_be_taken_out_again() -> None:
    rule(special.exprel, d_exprel)
    del TABLE[special.exprel]
    with pytest.raises(TypeError, match="not in the table"):
        special.exprel(Tensor([1.0]))


def test_the_table_as_text() -> None:
    lines = table().splitlines()
    assert len(lines) == len(TABLE)
    for line in (
        "multiply            rule       g * b | g * a",
        "matmul              rule       d_left(…) | d_right(…)",
        "tanh                rule       g * (1 - y * y)",
        "where               rule       none | np.where(c, g, 0) | np.where(c, 0, g)",
        "join                rule       parts(…)",
        "linalg.inv          rule       -mT(y) @ g @ mT(y)",
        "relu                op         g * (x > 0)",
        "rnn                 op         d_rnn(…)",
        "var                 composite",
        "argmax              flat",
    ):
        assert line in lines
    assert {line.split()[1] for line in lines} == {"rule", "composite", "flat", "op"}
    assert full_name(np.linalg.det) == "linalg.det" and full_name(np.sin) == "sin"


def test_a_derivative_without_source_is_written_as_lambda() -> None:
    assert formula(eval("lambda g, y, x: g")) == "λ" and formula(None) == "none" and formula(d_exprel) == "d_exprel(…)"
    (written,) = [lambda g, y, x: g * (x + 1)]  # pytest 8 moves what stands in an assert
    assert formula(written) == "g * (x + 1)"


# --- rule -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rule(np.sinc), "rule for `sinc` without a derivative: flat(sinc) is for functions that have none"),
        (lambda: rule(np.sinc, None), "rule for `sinc` without a derivative"),
        (
            lambda: rule(math.sin, lambda g, y, x: g),
            "`sin` is no NumPy function, so Tensors would not reach its row: decorate it with op()",
        ),
        (lambda: rule(lambda x: x, lambda g, y, x: g), "`<lambda>` is no NumPy function"),
        (lambda: composite(math.sin), "would not reach its row: call the definition by its own name"),
        (lambda: flat(math.floor), "would not reach its row: call it on t.data"),
        (lambda: op()(lambda x: x), "without a derivative"),
    ],
)
def test_what_cannot_be_a_row(make: Any, message: str) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    ("derivative", "message"),
    [
        (
            lambda g, y, x: np.ones((5, *x.shape)),
            "the rule of `sinc` gave argument 0, of shape (3,), a gradient of shape (5, 3): give it the argument's",
        ),
        (
            lambda g, y, x: np.ones(4),
            "gave argument 0, of shape (3,), a gradient of shape (4,): give it the argument's shape (sum over axis 0)",
        ),
        (
            lambda g, y, x: np.sum(g),
            "gave argument 0, of shape (3,), a gradient of shape (): give it the argument's shape (sum over axis none)",
        ),
        (
            lambda g, y, x: g[:1],
            "gave argument 0, of shape (3,), a gradient of shape (1,): give it the argument's shape (sum over axis 0)",
        ),
    ],
)
def test_a_wrong_shape_from_a_users_rule_is_an_error(derivative: Any, message: str) -> None:
    rule(np.sinc, derivative)
    x = Tensor([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=re.escape(message)):
        np.sinc(x).backward(np.ones(3))
    assert x.grad is None


def test_the_engine_undoes_a_users_broadcasting_and_dtype() -> None:
    rule(np.copysign, lambda g, y, a, b: g.astype(np.float64) * np.sign(a) * np.sign(b), None)
    a = Tensor(np.array([[1.0], [-2.0]], np.float32))
    (d,) = gradients(np.copysign(a, np.ones(3, np.float32)), [a], np.ones((2, 3)))
    assert d.dtype == np.float32 and np.array_equal(d, [[3.0], [-3.0]])
    with pytest.raises(TypeError, match="`copysign` has no derivative for its argument 1: pass its values"):
        np.copysign(np.ones(2), Tensor([1.0, 2.0]))
    rule(np.sinc, lambda g, y, x: 7)
    x = Tensor(2.0)
    assert gradients(np.sinc(x))[x] == 7.0, "a plain number will do for a 0-d argument"


def test_keywords_are_those_that_the_derivatives_name() -> None:
    rule(np.nansum, lambda g, y, x, axis=None, *, keepdims=False: np.broadcast_to(g, x.shape) * ~np.isnan(x))
    x = Tensor([1.0, np.nan])
    assert np.array_equal(gradients(np.nansum(x, axis=None, keepdims=False))[x], [1, 0])
    with pytest.raises(
        TypeError,
        match=re.escape("`nansum` of a Tensor takes no keyword initial= (known: axis, keepdims): add it to the result"),
    ):
        np.nansum(x, initial=1.0)
    assert np.array_equal(gradients(np.nansum(x, None, None, None, False))[x], [1, 0]), "NumPy's order, with defaults"
    with pytest.raises(TypeError, match="`nansum` has no derivative for axis=: pass the Tensor by position"):
        np.nansum(x, axis=Tensor(0.0))


def test_an_op_is_called_in_every_way_that_its_function_is() -> None:
    """Each way twice, because what is bound once is remembered, and with Tensors and without."""

    def plain(x: Any, a: Any = 2.0, b: Any = 3.0, *, c: Any = 5.0) -> Any:
        return x * a + b * c

    fn = op(lambda g, y, x, a=2.0, b=3.0, *, c=5.0: g * a, None, None)(plain)
    t = Tensor([1.0, 4.0])
    for _ in range(2):
        for x in (t, t.data):
            for args, kwargs in [
                ((x,), {}), ((x, 7.0), {}), ((x,), {"b": 7.0}), ((x, 7.0), {"b": 11.0}), ((x,), {"b": 7.0, "a": 11.0}),
                ((x,), {"c": 7.0}), ((x, 1.0, 7.0), {"c": 11.0}), ((), {"b": 7.0, "x": x}),
            ]:  # fmt: skip
                found, wanted = fn(*args, **kwargs), plain(*args, **kwargs)
                assert type(found) is type(x) and np.array_equal(values(found), values(wanted))
        with pytest.raises(TypeError, match=r"plain\(\): got an unexpected keyword argument 'd'"):
            fn(t, d=1.0)
        with pytest.raises(TypeError, match="multiple values for argument 'x'"):
            fn(t, x=t)


# --- composite, flat, op ----------------------------------------------------------------------------------------------


def test_a_users_composite() -> None:
    @composite(np.ptp)
    def ptp(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        return np.max(a, axis, keepdims=keepdims) - np.min(a, axis, keepdims=keepdims)

    x = Tensor([[1.0, 5.0, 2.0]])
    y = np.ptp(x, axis=1)
    assert y.data == 4.0 and np.array_equal(gradients(y, [x], [1.0])[0], [[-1, 1, 0]])
    assert ptp(x.data) == 4.0 and any(line.split() == ["ptp", "composite"] for line in table().splitlines())
    with pytest.raises(TypeError, match="`ptp` of a Tensor takes no keyword out="):
        np.ptp(x, out=np.empty(1))


def test_a_users_flat() -> None:
    flat(np.spacing, np.digitize)
    assert type(np.spacing(Tensor([1.0]))) is np.ndarray
    assert np.array_equal(np.digitize(Tensor([0.5]), bins=[Tensor(0.0), 1.0]), [1])
    assert values([Tensor(1.0), (2, Tensor(3.0))]) == [1.0, (2, 3.0)]


def test_an_op_with_a_derivative_for_each_argument() -> None:
    @op(lambda g, y, x, k: g * k * x ** (k - 1), None)
    def power_of(x: Any, k: int) -> Any:
        """The kth power."""
        return x**k

    x = Tensor([3.0])
    assert power_of.__doc__ == "The kth power." and power_of(2.0, 2) == 4.0
    for y in (power_of(x, 2), power_of(x, k=2), power_of(k=2, x=x)):
        (first,) = gradients(y, [x], create_graph=True)
        assert first.data == 6.0 and gradients(first)[x] == 2.0
    with pytest.raises(TypeError, match="`power_of` has no derivative for its argument 1"):
        power_of(2.0, Tensor(2.0))
    with pytest.raises(TypeError, match="takes at most 2 arguments by position"):
        power_of(x, 2, 3)


def test_a_fused_op_beside_its_reference() -> None:
    def reference(a: Any, b: Any, *, scale: float = 1.0) -> Any:
        return a * b * scale

    def both(g: Any, y: Any, a: Any, b: Any, *, scale: float = 1.0, saved: Any) -> tuple[Any, Any]:
        assert np.array_equal(saved, a + b) and type(g) is np.ndarray
        return g * b * scale, g * a * scale

    @op(both, reference=reference)
    def product(a: Any, b: Any, *, scale: float = 1.0) -> Any:
        return Saved(a * b * scale, a + b)

    assert product(2.0, 3.0, scale=2.0) == 12.0
    a, b = Tensor([2.0, 1.0]), Tensor([3.0, 4.0])
    y = product(a, b, scale=2.0)
    assert [d.tolist() for d in gradients(y, [a, b], [1, 1])] == [[6, 8], [4, 2]]
    (first,) = gradients(np.sum(product(a, a, scale=0.5)), [a], create_graph=True)
    assert np.array_equal(first.data, a.data) and np.array_equal(gradients(np.sum(first))[a], [1, 1])
    constant = np.array([3.0, 4.0])
    (first,) = gradients(product(a, constant), [a], [1, 1], create_graph=True)
    assert np.array_equal(first.data, constant)


def test_ops_of_arrays_return_arrays() -> None:
    assert type(our_relu(np.array([-1.0, 2.0]))) is np.ndarray

"""Gradients at the edges: each decision of the design, with its message. What other libraries get silently wrong raises
or warns here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.core.refusing import refused
from tinygrad_nlp import Tensor, embedding, gradients, hessian, logsumexp, op, sigmoid
from tinygrad_nlp.seeing.watch import watch

T = Tensor


def test_double_where() -> None:
    """The untaken branch gives NaN, 0 · inf; choosing a safe argument first is the remedy, and watch() says so."""
    x = T([0.0, 4.0])
    with np.errstate(all="ignore"):
        naive = np.where(x > 0, np.sqrt(x), 0)
        assert np.isnan((gradients(naive, [x], [0.0, 1.0])[0])[0])
        with pytest.raises(FloatingPointError, match="safe"), watch():
            gradients(np.where(x > 0, np.sqrt(x), 0), [x], [1.0, 1.0])
    safe = np.where(x > 0, x, 1)
    assert np.array_equal(gradients(np.where(x > 0, np.sqrt(safe), 0), [x], [1, 1])[0], [0, 0.25])


def test_repeated_ids_add_up() -> None:
    x = T([1.0, 2.0, 3.0])
    assert gradients(x[[0, 0, 2]], [x], [1, 10, 100])[0].tolist() == [11, 0, 100]
    assert gradients(x[np.array([0, -3])], [x], [1, 10])[0].tolist() == [11, 0, 0]
    assert gradients(np.take(x, [2, 2, 2]), [x], [1, 1, 1])[0].tolist() == [0, 0, 3]


def test_backward_of_many_numbers_wants_a_gradient() -> None:
    x = T([1.0, 2.0])
    refused(
        ValueError,
        "the output has shape (2,), not one number: take its .sum(), or pass its gradient as g=",
        lambda: (x * x).backward(),
    )
    refused(
        ValueError,
        "g has shape (3,) but the output (2,): pass a gradient of the output's shape",
        lambda: (x * x).backward(np.ones(3)),
    )
    refused(ValueError, "g has shape () but the output (2,)", lambda: gradients(x * x, g=1.0))
    assert x.grad is None
    (x[:1] * 3.0).backward()
    assert x.grad.tolist() == [3, 0]
    refused(
        TypeError,
        "nothing to differentiate: the output is float64, not a Tensor, so no Tensor is behind it",
        lambda: gradients(np.float64(1.0)),
    )
    refused(TypeError, "the output is ndarray, not a Tensor", lambda: gradients(x > 1))


def test_a_changed_constant_is_noticed_under_watch() -> None:
    x, constant = T([1.0, 2.0]), np.array([3.0, 4.0])
    with watch():
        y = np.sum(x * constant)
        constant[0] = 100.0
        with pytest.raises(RuntimeError, match="multiply"):
            y.backward()
    assert x.grad is None


def test_empty_and_0_d_tensors() -> None:
    empty, point = T(np.zeros((0, 3))), T(2.0)
    assert gradients(np.sum(empty * 2.0) + point, [empty, point])[0].shape == (0, 3)
    assert gradients(np.exp(empty), [empty], np.zeros((0, 3)))[0].shape == (0, 3)
    assert gradients(point * point)[point] == 4.0 and type(gradients(point * point)[point]) is np.ndarray
    with pytest.raises(TypeError, match="unsized"):
        len(point)


def test_xs_is_a_list_of_tensors() -> None:
    x = T([3.0])
    refused(TypeError, "xs is a list of Tensors, not one: gradients(y, [x])", lambda: gradients(np.sum(x * x), x))
    refused(TypeError, "xs holds ndarray", lambda: gradients(np.sum(x * x), [np.ones(2)]))
    np.testing.assert_array_equal(gradients(np.sum(x * x), (t for t in [x])), [[6.0]])


def test_ids_changed_after_the_lookup_do_not_move_its_gradient() -> None:
    table, ids = T(np.zeros((70_000, 2))), np.array([1, 2])
    embedding(table, ids).sum().backward()
    ids[:] = 5
    np.testing.assert_array_equal(table.grad.rows, [1, 2])


def test_independent_tensors_get_zeros_that_can_be_differentiated_again() -> None:
    x, other = T([3.0]), T([1.0, 2.0])
    (g,) = gradients(np.sum(x * x), [other], create_graph=True)
    assert type(g) is T and g.shape == (2,)
    x32 = T(np.ones(2, np.float32))
    (g,) = gradients(x32 * 1.0, [x32], T(np.ones(2)), create_graph=True)
    assert g.dtype == np.float32


def test_power_at_0_is_symmetric_to_second_order() -> None:
    np.testing.assert_allclose(hessian(lambda p: p[0] ** p[1])(np.array([2.0, 0.0]))[0, 1], 0.5)


def test_users_rules_that_return_nonsense_are_named() -> None:
    @op(lambda g, y, x: None)
    def nothing(x: Any) -> Any:
        return np.sin(x)

    @op(lambda g, y, a, b: (g,), reference=lambda a, b: a + b)
    def short(a: Any, b: Any) -> Any:
        return a + b

    refused(TypeError, "the rule of `nothing` gave argument 0 a gradient of object", lambda: nothing(T(1.0)).backward())
    refused(ValueError, "`short` gave 1 gradients for 2 arguments", lambda: short(T(1.0), T(1.0)).backward())


def test_logistic_and_logsumexp_far_out() -> None:
    np.testing.assert_allclose(sigmoid(-40.0), np.exp(-40.0))
    assert logsumexp(np.array([-np.inf, -np.inf])) == -np.inf


def test_gradient_descent_by_hand_on_a_looked_up_table() -> None:
    table = T(np.zeros((70_000, 2)))
    embedding(table, np.array([1, 1])).sum().backward()
    after = table.data - 0.5 * table.grad
    np.testing.assert_array_equal(after[:3], [[0, 0], [-1, -1], [0, 0]])

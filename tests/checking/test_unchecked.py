"""gradcheck approves nothing that it did not check: each way to compare nothing has its name."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_nlp.checking.check import gradcheck
from tinygrad_nlp.checking.report import Report
from tinygrad_nlp.engine import Tensor

x3 = np.array([0.5, -1.0, 2.0])


class Cost:
    value = 3.0


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (lambda x: None, "returned None, in which there is nothing to compare"),
        (lambda x: int(np.sum(x)), "a value of type int"),
        (lambda x: np.argsort(x), "an array of int64"),
        (lambda x: x > 0, "an array of bool"),
        (lambda x: str(np.sum(x)), "a string"),
        (lambda x: (n for n in x), "a value of type generator"),
        (lambda x: Cost(), "a value of type Cost"),
        (lambda x: np.array([Cost(), None]), "an array of object"),
        (lambda x: [np.sum(x), Cost()], "a value of type Cost"),
        (lambda x: {}, "an empty dict"),
        (lambda x: [None, "a", 3], "None, a string, a value of type int"),
        (lambda x: np.exp(1j * x), "complex numbers"),
    ],
)
def test_outputs_that_cannot_be_compared_are_named_and_never_right(returned, says):
    report = gradcheck(returned, x3, gradient=lambda g, x: 2 * x)
    assert not report and not report.arguments
    assert says in str(report) and says in repr(report), report


def test_integers_and_none_beside_a_float_are_constants():
    assert gradcheck(lambda x: {"loss": np.sum(x * x), "best": int(np.argmax(x)), "state": None, "name": "x"}, x3)
    assert gradcheck(lambda x: 2.0 * float(x[0]), x3, gradient=lambda g, x: np.array([2 * g, 0, 0]))


@pytest.mark.parametrize("gradient", [np.zeros(3), np.zeros(()), [1.0, 2.0, 3.0], 0, "backward"])
def test_a_gradient_that_is_no_function_is_refused(gradient):
    with pytest.raises(TypeError, match=r"gradient= is \w+, not a function: pass a function gradient\(g, \*args\)"):
        gradcheck(lambda x: np.sum(x), x3, gradient=gradient)


def test_a_report_on_nothing_is_not_right():
    assert not Report([])


# --- (cost, gradient) pairs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [np.array(123.456), x3, np.ones((3, 4)) * 0.3, np.array([[2.0]])])
def test_the_gradient_in_a_pair_is_checked_against_the_cost(x):
    assert gradcheck(lambda x: (np.sum(x**2), x * 2), x)
    report = gradcheck(lambda x: (np.sum(x**2), x * 3), x)
    assert not report and "factor 1.5 everywhere" in str(report)
    assert not gradcheck(lambda x: (np.sum(x**2), x * 0), x)


def test_pairs_with_trees_lists_and_several_arguments():
    params = {"W": np.ones((2, 3)) * 0.3, "b": x3}

    def f(p):
        return (np.sum(p["W"] ** 2) + np.sum(p["b"] ** 3), {"W": 2 * p["W"], "b": 3 * p["b"] ** 2})

    assert gradcheck(f, params)
    report = gradcheck(lambda p: (f(p)[0], {**f(p)[1], "b": p["b"]}), params)
    assert [(a.name, a.right) for a in report.arguments] == [("p.W", True), ("p.b", False)]
    assert gradcheck(lambda x, y: (np.sum(x * y), (y, x)), x3, x3 + 1)
    assert not gradcheck(lambda x, y: (np.sum(x * y), (y, y)), x3, x3 + 1)
    assert gradcheck(lambda x: (float(np.sum(x * x)), (2 * x).tolist()), x3)
    report = gradcheck(lambda x: (np.sum(x @ np.ones(4)), np.ones((4, 3))), np.ones((3, 4)))
    assert "right when transposed" in str(report)


def test_what_only_looks_like_a_pair_is_several_outputs():
    assert gradcheck(lambda x: [np.sum(x), np.tanh(x)], x3)
    assert gradcheck(lambda x: (np.sum(x), np.tanh(x[:2])), x3)
    assert gradcheck(lambda x: (np.tanh(x), np.sum(x)), x3)


def test_a_list_of_numbers_by_hand_is_the_gradient_of_one_array():
    assert gradcheck(lambda x: np.sum(x * x), x3, gradient=lambda g, x: [2 * g * n for n in x.tolist()])
    assert not gradcheck(lambda x: np.sum(x * x), x3, gradient=lambda g, x: [g * n for n in x.tolist()])
    square = x3[:1]
    assert gradcheck(lambda x: np.sum(x * x), square, gradient=lambda g, x: [float(2 * g * x[0])])
    assert gradcheck(lambda x: np.sum(x * x), square, gradient=lambda g, x: [2 * g * x])


def test_an_array_that_is_passed_twice_has_two_gradients():
    assert gradcheck(np.multiply, x3, x3)
    assert gradcheck(np.multiply, x3, x3, gradient=lambda g, a, b: (g * b, g * a))
    report = gradcheck(np.multiply, x3, x3, gradient=lambda g, a, b: (g * b, 0 * a))
    assert [a.right for a in report.arguments] == [True, False]
    t = Tensor(x3)
    assert len(gradcheck(np.multiply, t, t).arguments) == 2


# --- Backward passes that did not run ---------------------------------------------------------------------------------


class Tanh:
    """A layer as courses write them, with a wrong backward pass."""

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def __call__(self, x):
        return self.forward(x)

    def backward(self, g):
        return g * self.y


class Reversal:
    """Its forward pass does nothing at all."""

    @classmethod
    def apply(cls, x):
        return x

    @staticmethod
    def backward(g):
        return -g


@pytest.mark.parametrize("f", [lambda x: Tanh().forward(x), Tanh(), lambda x: np.sum(Reversal.apply(x))])
def test_a_layer_with_a_backward_pass_of_its_own_is_not_approved(f):
    report = gradcheck(f, x3)
    assert not report and "whose own backward pass did not run: pass that as gradient=" in str(report)
    assert "Tanh." in str(report) or "Reversal.apply" in str(report)


def test_the_same_layer_with_its_backward_pass_is_checked():
    def backward(g, x):
        layer = Tanh()
        layer.forward(x)
        return layer.backward(g)

    assert "right" not in str(gradcheck(np.tanh, x3, gradient=backward)).splitlines()[0]
    assert gradcheck(Tanh().forward, x3, gradient=lambda g, x: g * (1 - np.tanh(x) ** 2))


def test_functions_of_other_frameworks_are_not_approved():
    torch = pytest.importorskip("torch")

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 5 * g

    report = gradcheck(Square.apply, x3)
    assert not report and "the function went through torch" in str(report)


def test_primitives_of_autograd_are_not_approved():
    extend = pytest.importorskip("autograd.extend")
    square = extend.primitive(lambda x: x * x)
    extend.defvjp(square, lambda y, x: lambda g: 5 * g)
    report = gradcheck(square, x3)
    assert not report and "the function went through autograd" in str(report)


def test_a_framework_that_only_hands_a_result_on_is_no_backward_pass() -> None:
    """Tensors are among what it was given only if they are there when it is called."""
    jax = {"__name__": "jax.api"}
    exec("def run(f):\n    y = f()\n    return y\ndef through(x):\n    return x", jax)
    assert gradcheck(lambda x: jax["run"](lambda: np.sin(x)), x3)
    assert not gradcheck(lambda x: np.sin(jax["through"](x)), x3)

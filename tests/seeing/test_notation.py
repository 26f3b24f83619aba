"""notation.py: calls and rules as one writes them, and what a rule reads, held against every case of the battery."""

import inspect

import numpy as np
import pytest
import scipy.special as special

from tests.battery.drawing import title
from tests.battery.every_case import CASES
from tinygrad_nlp import RowSparse, Tensor, op, sigmoid, softmax
from tinygrad_nlp.calculus.rows import Each
from tinygrad_nlp.engine import TABLE
from tinygrad_nlp.seeing.explain import explain
from tinygrad_nlp.seeing.notation import NAMED
from tinygrad_nlp.seeing.reading import symbols

x, A, B = Tensor([0.5, 2.0]), Tensor(np.eye(2) + 1), Tensor(np.ones((2, 2)))
ON_PAPER = [
    (lambda: x * x, ["g ∘ b", "g ∘ a"]),
    (lambda: x / (x + 1), ["g / b", "−g ∘ y / b", "g"]),
    (lambda: x**2, ["g ∘ 2a"]),
    (lambda: x**3.0, ["g ∘ 3a²"]),
    (lambda: x**-1, ["g ∘ −1a⁻²"]),
    (lambda: x**0.5, ["g ∘ 0.5a^−0.5"]),
    (lambda: Tensor(2.0) ** Tensor(3.0), ["g · b · a^(b − 1)", "g · y · ln a"]),
    (lambda: A @ B, ["g bᵀ", "aᵀ g"]),
    (lambda: np.tanh(x), ["g ∘ (1 − y²)"]),
    (lambda: sigmoid(x), ["g ∘ y ∘ sigmoid(−x)"]),
    (lambda: np.sqrt(x), ["g / (2y)"]),
    (lambda: np.arctan(x), ["g / (1 + x²)"]),
    (lambda: np.abs(x), ["g ∘ sign(x)"]),
    (lambda: np.maximum(x, 1), ["g ∘ [a = y]"]),
    (lambda: np.where(np.ones(2, bool), x, 0.0), ["g where c, else 0"]),
    (lambda: special.erf(x), ["g ∘ 2 / √π ∘ exp(−x²)"]),
    (lambda: np.linalg.inv(A), ["−yᵀ g yᵀ"]),
    (lambda: softmax(x), ["y ∘ (g − Σ g ∘ y)"]),
    (lambda: np.sum(x), ["g to each summand"]),
]


@pytest.mark.parametrize(("make", "rules"), ON_PAPER)
def test_rules_as_calculus(make, rules):
    y = make()
    assert [s.rule for step in explain(y, g=np.ones(y.shape)).steps for s in step.shares][: len(rules)] == rules


def test_squares_read_as_squares():
    assert "= x²" in str(explain(np.sum(x**2))) and "x ** 2.5" in str(explain(np.sum(x**2.5)))


def test_entries_of_arrays_have_names():
    xs = np.ones((3, 2))
    e = explain(np.sum(xs[1] * x + xs[2]))
    assert [s.call for s in e.steps][-2:] == ["t1 + xs[2]", "xs[1] * x"]
    assert e.steps[-1].shares[0].reads[1][:2] == ("a", "xs[1]")


def test_formulas_are_those_of_rules_that_exist():
    rules = [
        d for row in TABLE.values() for d in (row.derivatives if type(row.derivatives) is tuple else [row.derivatives])
    ]
    names = {getattr(d.derivative if isinstance(d, Each) else d, "__name__", "") for d in rules}
    assert names >= set(NAMED)


def test_an_op_without_a_derivative_is_explained_by_its_reference():
    @op(reference=lambda a: a * a)
    def squared(a):
        return np.square(a)

    e = explain(np.sum(squared(x)))
    np.testing.assert_array_equal(e.gradients[x], 2 * x.data)
    assert e.steps[1].shares[0].rule == "the chain rule through its reference" and e.html()


def test_a_rule_that_calls_itself_is_read():
    def rule(g, y, a, n):
        return rule(g, y, a, n - 1) if n else g

    assert "g" in symbols(rule)[1]


@pytest.mark.parametrize("case", CASES, ids=title)
def test_what_is_read_for_its_shape_alone_may_hold_any_numbers(case):
    """Other numbers of the same shape there leave the share as it is."""
    rng = np.random.default_rng(0)
    calls = [call.on([Tensor(a) for a in call.xs]) for call in map(case.call, range(6))]
    made = [y for y in calls if type(y) is Tensor and y.fn is not None and y.size][:2]
    for step in [step for y in made for step in explain(y, g=rng.normal(size=y.shape)).steps]:
        row = TABLE[step.tensor.fn]
        for s in step.shares:
            unread = {r.symbol for r in s.reads if r.shape_only and isinstance(r.value, np.ndarray) and r.value.size}
            if row.joint or isinstance(row.derivatives, Each) or not unread:
                continue
            given = inspect.signature(s.function).bind(step.g, step.tensor, *step.tensor.args, **step.tensor.kwargs)
            values = [a.data if type(a) is Tensor else a for a in given.args]
            names = list(given.arguments)
            other = [rng.normal(size=a.shape) if name in unread else a for name, a in zip(names, values, strict=False)]
            first, second = (s.function(*args, **given.kwargs) for args in (values, [*other, *values[len(other) :]]))
            first, second = (a.todense() if hasattr(a, "todense") else a for a in (first, second))
            assert not isinstance(first, RowSparse)
            np.testing.assert_array_equal(first, second)

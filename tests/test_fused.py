"""Fused ops against their references: the same value, first and second order, in both precisions; then what each
refuses."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import tinygrad_nlp as tg
from tests.battery.checks import close, dense
from tests.battery.drawing import SEEDS, Call, Case
from tests.battery.every_case import CASES
from tinygrad_nlp import Tensor, embedding, embedding_bag, gradients, softmax_cross_entropy
from tinygrad_nlp.calculus.listing import full_name
from tinygrad_nlp.engine import TABLE

FUSED = [case for case in CASES if TABLE[case.row].reference is not None]


def test_every_fused_op_is_here() -> None:
    assert {case.row for case in FUSED} == {
        fn
        for fn, row in TABLE.items()
        if row.reference
        and fn.__module__.startswith("tinygrad_nlp.")
        and hasattr(tg, fn.__name__.removesuffix("_states"))
    }


def orders(fn: Any, call: Call, dtype: Any) -> tuple[Any, list[Any], list[Any]]:
    """Value, gradients, and gradients of the gradients along random directions; by fn in place of the op."""
    rng = np.random.default_rng(call.seed)
    ts = [Tensor(x.astype(dtype)) for x in call.xs]
    y = call.f(fn, *ts)
    g = rng.standard_normal(y.shape).astype(dtype)
    first = [dense(d) for d in gradients(y, ts, g)]
    graph = gradients(y, ts, g, create_graph=True)
    along = sum(np.sum(d * rng.standard_normal(d.shape).astype(dtype)) for d in graph)
    return y.data, first, [dense(d) for d in gradients(along, ts)] if type(along) is Tensor else []


def agree(call: Call) -> None:
    """An op and its reference, in value, first and second order, in both precisions."""
    op = call.case.row
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-4)):
        value, first, second = orders(op, call, dtype)
        value_r, first_r, second_r = orders(TABLE[op].reference, call, dtype)
        assert value.dtype == value_r.dtype == dtype, f"{value.dtype}, the reference {value_r.dtype}"
        close(value, value_r, 1 + np.abs(value), tolerance, "value")
        for ours, theirs in zip([*first, *second], [*first_r, *second_r], strict=True):
            assert ours.dtype == dtype
            close(ours, theirs, 1 + np.abs(theirs), tolerance, "gradient")


@pytest.mark.parametrize("case", FUSED, ids=lambda case: full_name(case.row))
@given(SEEDS)
def test_fused_is_its_reference(case: Case, seed: int) -> None:
    agree(case.call(seed))


# --- Cross-entropy ----------------------------------------------------------------------------------------------------


def test_cross_entropy_of_large_logits_is_exact() -> None:
    x = Tensor(np.array([[1e4, -1e4, 0.0], [0.0, 1e4, 0.0]]))
    loss = softmax_cross_entropy(x, np.array([1, 1]), reduction="none")
    assert np.array_equal(loss.data, [2e4, 0.0])
    assert np.array_equal(gradients(loss, [x], [1, 1])[0], [[1, -1, 0], [0, 0, 0]])


def test_cross_entropy_is_probabilities_less_one_at_the_label() -> None:
    x = Tensor(np.log([[1.0, 2.0, 5.0]]))
    loss = softmax_cross_entropy(x, np.array([2]))
    assert np.isclose(loss.item(), -np.log(5 / 8)) and np.allclose(gradients(loss)[x], [[1 / 8, 2 / 8, 5 / 8 - 1]])


def test_ignored_labels_count_for_nothing() -> None:
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(4, 3)), np.array([0, -100, 2, -100])
    t, kept = Tensor(x), Tensor(x[::2])
    for reduction in ("mean", "sum"):
        ours = softmax_cross_entropy(t, labels, ignore_index=-100, reduction=reduction)
        theirs = softmax_cross_entropy(kept, labels[::2], reduction=reduction)
        assert np.isclose(ours.item(), theirs.item(), rtol=1e-15)
        d = gradients(ours)[t]
        assert np.allclose(d[::2], gradients(theirs)[kept], rtol=1e-14) and not d[1::2].any()
    assert softmax_cross_entropy(t, labels, ignore_index=-100, reduction="none").data[1] == 0
    assert labels.tolist() == [0, -100, 2, -100]


@pytest.mark.parametrize("shape", [(2,), (0,)])
def test_a_sum_over_no_label_that_counts_is_0(shape: tuple[int, ...]) -> None:
    for reduction, loss in (("sum", 0.0), ("none", np.zeros(shape))):
        x = Tensor(np.ones((*shape, 3)))
        y = softmax_cross_entropy(x, np.full(shape, -1), ignore_index=-1, reduction=reduction)
        assert np.array_equal(y.data, loss) and not gradients(y, [x], np.ones(y.shape))[0].any()
    with pytest.raises(ValueError, match="is left to average: the batch is empty or ignored"):
        softmax_cross_entropy(x, np.full(shape, -1), ignore_index=-1)


X = np.zeros((2, 3))
TABLE_5 = np.zeros((5, 2))


@pytest.mark.parametrize("make", [np.asarray, Tensor], ids=["arrays", "Tensors"])
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda m: softmax_cross_entropy(m(X), np.array([0, -1])),
            ValueError,
            "softmax_cross_entropy: label -1 at position (1) is outside [0, 3)",
        ),
        (
            lambda m: softmax_cross_entropy(m(X), np.array([3, 0])),
            ValueError,
            "softmax_cross_entropy: label 3 at position (0) is outside [0, 3)",
        ),
        (
            lambda m: softmax_cross_entropy(m(X[None]), np.array([[0, 7]])),
            ValueError,
            "label 7 at position (0, 1) is outside [0, 3)",
        ),
        (
            lambda m: softmax_cross_entropy(m(X), np.array([0.0, 1.0])),
            TypeError,
            "labels are float64, not integers: class numbers, not one-hot rows",
        ),
        (lambda m: softmax_cross_entropy(m(X), np.eye(3)[:2]), TypeError, "labels are float64, not integers"),
        (
            lambda m: softmax_cross_entropy(m(X), np.zeros((2, 1), int)),
            ValueError,
            "logits (2, 3) want labels (2,), not (2, 1)",
        ),
        (lambda m: softmax_cross_entropy(m(1.0), np.array(0)), ValueError, "logits () want labels"),
        (
            lambda m: softmax_cross_entropy(m(X[:0]), np.zeros(0, int)),
            ValueError,
            "no label of (0,) is left to average: the batch is empty or ignored",
        ),
        (
            lambda m: softmax_cross_entropy(m(X), np.array([9, 9]), ignore_index=9),
            ValueError,
            "no label of (2,) is left to average",
        ),
        (
            lambda m: softmax_cross_entropy(m(X), np.array([0, 0]), reduction="avg"),
            ValueError,
            "reduction 'avg' is none of 'mean', 'sum', 'none'",
        ),
        (
            lambda m: embedding(m(TABLE_5), np.array([0, 5])),
            ValueError,
            "embedding: id 5 at position (1) is outside [0, 5)",
        ),
        (
            lambda m: embedding(m(TABLE_5), np.array([[0], [-1]])),
            ValueError,
            "embedding: id -1 at position (1, 0) is outside [0, 5)",
        ),
        (
            lambda m: embedding(m(TABLE_5), np.array([0.0])),
            TypeError,
            "embedding: ids are float64, not integers: round or look them up first",
        ),
        (lambda m: embedding(m(TABLE_5), Tensor([1.0])), TypeError, "embedding: ids are float64, not integers"),
        (
            lambda m: embedding(m(TABLE_5[0]), np.array([0])),
            ValueError,
            "embedding: the table has shape (2,), not (V, D)",
        ),
        (
            lambda m: embedding_bag(m(TABLE_5), np.array([0, 5]), np.array([0])),
            ValueError,
            "embedding_bag: id 5 at position (1) is outside [0, 5)",
        ),
        (
            lambda m: embedding_bag(m(TABLE_5), np.array([[0]]), np.array([0])),
            TypeError,
            "both are flat arrays of integers",
        ),
        (
            lambda m: embedding_bag(m(TABLE_5), np.array([0]), np.array([0.0])),
            TypeError,
            "both are flat arrays of integers",
        ),
        *[
            (
                lambda m, o=o: embedding_bag(m(TABLE_5), np.array([0, 1]), np.array(o)),
                ValueError,
                "offsets must start at 0, never decrease and end by 2",
            )
            for o in ([1], [0, 2, 1], [0, 3])
        ],
        (
            lambda m: tg.affine(m(X), np.zeros((3, 2)), np.zeros((2, 1))),
            ValueError,
            "affine: x (2, 3), W (3, 2), b (2, 1) do not fit: (..., D), (D, K), (K,)",
        ),
        (
            lambda m: tg.affine(m(X), np.zeros((2, 2)), np.zeros(2)),
            ValueError,
            "affine: x (2, 3), W (2, 2), b (2,) do not fit",
        ),
        (lambda m: tg.affine(m(X), np.zeros((3, 2)), np.zeros(1)), ValueError, "b (1,) do not fit"),
        (
            lambda m: tg.affine(m(X), np.zeros((3, 2), np.float32), np.zeros(2)),
            TypeError,
            "affine: float32 and float64 mixed: bring all arguments to one dtype",
        ),
    ],
)
def test_refusals_name_the_remedy(make: Any, call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        call(make)


@pytest.mark.parametrize("make", [np.asarray, Tensor], ids=["arrays", "Tensors"])
def test_probabilities_fed_to_the_cross_entropy_warn(make: Any) -> None:
    p = np.array([[0.25, 0.75], [0.5, 0.5]])
    with pytest.warns(UserWarning, match=r"logits \(2, 2\) are probabilities already: pass the values before softmax"):
        softmax_cross_entropy(make(p), np.array([0, 1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        softmax_cross_entropy(make(np.log(p)), np.array([0, 1]))
        for row in ([0.5, 0.9], [1.5, -0.5]):  # one row may sum to 1 by chance, or be positive
            softmax_cross_entropy(make(np.array([[0.2, 0.8], row])), np.array([0, 1]))


def test_ignored_rows_may_hold_anything_to_any_order() -> None:
    x = Tensor(np.array([[1.0, 2.0], [np.nan, np.inf], [0.0, 3.0]]))
    loss = softmax_cross_entropy(x, np.array([0, -1, 1]), ignore_index=-1)
    (first,) = gradients(loss, [x])
    (again,) = gradients(loss, [x], create_graph=True)
    np.testing.assert_allclose(again.data, first, atol=1e-15)
    assert np.isfinite(first).all() and not first[1].any()
    (second,) = gradients(np.sum(again * again), [x])
    assert np.isfinite(second).all() and not second[1].any()


def test_integer_logits_are_refused_and_unsigned_offsets_are_not() -> None:
    with pytest.raises(TypeError, match=r"logits \(1, 2\) are int64: pass floats"):
        softmax_cross_entropy(np.array([[0, 1]]), np.array([0]))
    table, ids = np.arange(6.0).reshape(3, 2), np.array([0, 1, 2])
    assert np.array_equal(embedding_bag(table, ids, np.array([0, 2], np.uint64)), [[1, 2], [4, 5]])

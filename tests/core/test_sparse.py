"""A RowSparse acts as the array that it stands for; lengths of gradients are exact at every magnitude."""

from __future__ import annotations

import copy
import operator
import pickle
from typing import Any

import numpy as np
import pytest

from tinygrad_nlp import RowSparse, Tensor, embedding
from tinygrad_nlp.core.sparse import length

ROWS, VALUES = np.array([2, 0, 2]), np.random.default_rng(0).normal(size=(3, 2))


def sparse(dtype: Any = float) -> RowSparse:
    return RowSparse(ROWS, VALUES.astype(dtype), (4, 2))


OTHER = np.random.default_rng(1).normal(size=(4, 2))
SEEN: list[Any] = [
    np.asarray, np.sum, np.mean, np.max, np.abs, np.linalg.norm, np.isfinite, np.argmax, np.ravel, np.transpose, len,
    np.count_nonzero, np.shape, np.ndim, np.size, np.copy, np.sqrt.__call__, list, lambda g: g.sum(), lambda g: g.T,
    lambda g: g.sum(axis=0), lambda g: g.max(), lambda g: g.any(), lambda g: g.reshape(2, 4), lambda g: g.tolist(),
    lambda g: g.ndim, lambda g: g.size, lambda g: g.shape, lambda g: g.dtype, lambda g: g.astype(np.float32),
    lambda g: g[2], lambda g: g[2, 1], lambda g: g[:, 0], lambda g: g[np.array([True, False, True, False])],
    lambda g: g[[2, 2]], lambda g: -g, lambda g: +g, lambda g: abs(g), lambda g: g * 2, lambda g: 2 * g,
    lambda g: g / 2, lambda g: g * np.float64(2), lambda g: np.float64(2) * g, lambda g: np.array(2.0) * g,
    lambda g: np.float32(2) * g, lambda g: g + 1, lambda g: 1 - g, lambda g: g - 1, lambda g: g + g, lambda g: g - g,
    lambda g: g * g, lambda g: g**2, lambda g: 2 / (g + 1), lambda g: g + OTHER, lambda g: OTHER + g,
    lambda g: OTHER - g, lambda g: g - OTHER, lambda g: OTHER * g, lambda g: g * OTHER, lambda g: g @ OTHER.T,
    lambda g: OTHER.T @ g, lambda g: g * [1.0, 2.0], lambda g: g == 0, lambda g: g > 0, lambda g: np.add.reduce(g),
    lambda g: np.maximum(g, OTHER), lambda g: np.divmod(g, 2), lambda g: np.where(g > 0, g, 0),
    lambda g: np.concatenate([g, g]), lambda g: np.stack([g, OTHER]), lambda g: g.item(1),
    lambda g: np.allclose(g, np.asarray(g)), lambda g: np.array_equal(g, g), lambda g: np.array(g, dtype=np.float32),
    lambda g: np.einsum("ij->j", g), lambda g: np.multiply(g, 2, out=np.empty((4, 2))),
    lambda g: pickle.loads(pickle.dumps(g)), lambda g: copy.deepcopy(g), lambda g: np.asarray(g, np.float32),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("look", SEEN)
def test_it_acts_as_the_array(look: Any, dtype: Any) -> None:
    found, expected = look(sparse(dtype)), look(sparse(dtype).todense())
    assert np.shape(found) == np.shape(expected)
    assert getattr(found, "dtype", None) == getattr(expected, "dtype", None)
    if isinstance(expected, np.dtype):
        assert found == expected
    else:
        np.testing.assert_allclose(
            np.asarray(found), expected, rtol=1e-14 if np.asarray(expected).dtype == float else 1e-6
        )


def test_what_optimisers_see_stays_sparse() -> None:
    g = sparse()
    for found in (
        g + g,
        g - g,
        2 * g,
        g * 2,
        g / 2,
        -g,
        np.float64(2) * g,
        np.array(2.0) * g,
        np.multiply(g, 2),
        sum([g, g], g),
    ):
        assert type(found) is RowSparse
    t = Tensor(np.zeros((4, 2)))
    t.grad = g
    t.grad *= 0.5
    assert type(t.grad) is RowSparse and np.allclose(t.grad, sparse().todense() / 2)


@pytest.mark.parametrize("update", [operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow])
@pytest.mark.parametrize("by", [2.0, OTHER, "itself"], ids=["number", "array", "sparse"])
def test_it_can_be_changed_in_place(update: Any, by: Any) -> None:
    g, dense = sparse(), sparse().todense()
    if update is operator.ipow and by is not OTHER:
        by = 2.0
    same = g
    with np.errstate(invalid="ignore", divide="ignore"):
        g, expected = (
            update(g, sparse() if isinstance(by, str) else by),
            update(dense, dense.copy() if isinstance(by, str) else by),
        )
    assert g is same
    np.testing.assert_allclose(np.asarray(same), expected, rtol=1e-14)
    np.testing.assert_array_equal(sparse().todense(), RowSparse(ROWS, VALUES, (4, 2)).todense())  # nothing else changed


def test_entries_can_be_set() -> None:
    g, dense = sparse(), sparse().todense()
    g[0], dense[0] = 7, 7
    g[:, 1], dense[:, 1] = 0, 0
    np.testing.assert_array_equal(g, dense)
    table = Tensor(np.zeros((4, 2)))
    table.grad = g
    assert np.asarray(table.grad).tolist() == dense.tolist() and g.rows.tolist() == [0, 1, 2, 3]


def test_what_it_has_not_is_named() -> None:
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        _ = sparse().colour
    with pytest.raises(ValueError, match="ambiguous"):
        bool(sparse())
    with pytest.raises(TypeError, match="unhashable"):
        hash(sparse())


def test_a_users_gradient_of_a_large_table() -> None:
    table = Tensor(np.ones((40_000, 4)))
    embedding(table, np.array([7, 7, 4_000])).sum().backward()
    assert type(table.grad) is RowSparse
    assert (
        table.grad.sum() == 12
        and np.linalg.norm(table.grad) == np.sqrt(4 * (4 + 1))
        and table.grad[7].tolist() == [2] * 4
    )
    assert "zero but for rows [   7, 4000]" in repr(table.grad) and len(repr(table.grad)) < 200


# --- Lengths ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("exponent", [-300, -160, -40, -30, -22, -10, 0, 10, 20, 30, 37, 160, 300])
def test_lengths_are_exact_at_every_magnitude(dtype: Any, exponent: int) -> None:
    limits = np.finfo(dtype)
    if not float(limits.tiny) < 10.0**exponent < float(limits.max):
        return
    a = np.array([[3.0, 0.0], [0.0, 4.0]], dtype) * dtype(10.0**exponent)
    for g in (a, a.T, a[::-1], RowSparse(np.array([1, 0, 1]), np.stack([a[1] / 2, a[0], a[1] / 2]), (2, 2))):
        assert length(g) == pytest.approx(5 * 10.0**exponent, rel=4 * float(limits.eps))


def test_lengths_of_nothing_and_of_no_numbers() -> None:
    assert length(np.zeros(3)) == length(np.empty((0, 2))) == 0.0 and length(np.float32(-2)) == 2
    assert length(np.array([np.inf, 1])) == np.inf and np.isnan(length(np.array([np.nan, 1])))


def test_a_sum_only_collects_parts_until_they_are_twice_the_table() -> None:
    """Looking up a table T times costs O(T)."""
    g = RowSparse(np.array([0, 3]), np.ones((2, 2)), (4, 2))
    total, parts = g, []
    for _ in range(4):
        total = total + g
        parts.append(len(total.parts))
    assert parts == [2, 3, 4, 1] and np.array_equal(total.todense()[[0, 3]], np.full((2, 2), 5.0))

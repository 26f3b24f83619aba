"""Lookups in tables: dense and row-sparse gradients of embedding and embedding_bag, and the arithmetic of RowSparse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.battery.checks import dense, numbers
from tinygrad_nlp import RowSparse, Tensor, embedding, embedding_bag, gradients
from tinygrad_nlp.engine import writable


def test_a_sum_of_row_sparse_gradients_keeps_at_most_twice_the_table() -> None:
    rng = np.random.default_rng(0)
    total, expected = RowSparse(np.empty(0, int), np.empty((0, 2)), (9, 2)), np.zeros((9, 2))
    for _ in range(50):
        rows, values = rng.integers(0, 9, 4), rng.normal(size=(4, 2))
        total = total + RowSparse(rows, values, (9, 2))
        np.add.at(expected, rows, values)  # NumPy itself is the oracle
        assert len(total.rows) <= 18
        np.testing.assert_allclose(total.todense(), expected, atol=1e-12)


@pytest.mark.parametrize("rows", [30, 40_000])
def test_small_tables_get_dense_gradients_and_large_ones_row_sparse(rows: int) -> None:
    rng = np.random.default_rng(0)
    table, ids = Tensor(rng.normal(size=(rows, 2))), rng.integers(0, 30, (4, 3))
    offsets = np.array([0, 0, 5])
    for y in (embedding(table, ids), embedding_bag(table, ids.ravel(), offsets)):
        g = rng.normal(size=y.shape)
        (d,) = gradients(y, [table], g)
        assert type(d) is (RowSparse if rows > 30 else np.ndarray)
        expected = np.zeros((rows, 2))
        if y.ndim == 3:
            np.add.at(expected, ids, g)  # NumPy itself is the oracle
        else:
            for bag, g_bag in zip(np.split(ids.ravel(), offsets[1:]), g, strict=True):
                for i in bag:
                    expected[i] += g_bag / len(bag)
            assert not y.data[0].any()  # the empty bag
        assert np.allclose(dense(d), expected, rtol=1e-14)


def test_empty_lookups() -> None:
    for rows in (3, 40_000):
        table = Tensor(np.ones((rows, 2)))
        for y in (
            embedding(table, []),
            embedding(table, np.zeros((0, 3), int)),
            embedding_bag(table, [], np.array([0, 0])),
        ):
            assert y.shape in ((0, 2), (0, 3, 2), (2, 2)) and not y.data.any()
            assert not dense(gradients(np.sum(y), [table])[0]).any()


def test_row_sparse_arithmetic() -> None:
    rng = np.random.default_rng(0)
    a = RowSparse(np.array([2, 0, 2]), rng.normal(size=(3, 2)), (4, 2))
    b = RowSparse(np.array([1, 2]), rng.normal(size=(2, 2)), (4, 2))
    d = rng.normal(size=(4, 2))
    for ours, expected in [
        (a + b, a.todense() + b.todense()),
        (a + d, a.todense() + d),
        (d + a, a.todense() + d),
        (2 * a, 2 * a.todense()),
        (a * 0.5, a.todense() / 2),
        ((a + b).coalesce(), a.todense() + b.todense()),
        (a + b + a, 2 * a.todense() + b.todense()),
    ]:
        assert np.allclose(dense(ours), expected, rtol=1e-15, atol=1e-15)
    together = (a + b).coalesce()
    assert together.rows.tolist() == [0, 1, 2] and together.unique and together.coalesce() is together
    assert a.rows.tolist() == [2, 0, 2], "a sum leaves its terms alone"
    assert a.astype(np.float32).dtype == np.float32 and a.dtype == np.float64
    small = RowSparse(np.array([2, 0, 2]), np.array([[1.0], [2.0], [3.0]]), (4, 1))
    assert repr(small) == "RowSparse(a table (4, 1) float64, zero but for rows [0, 2]:\n[[2.],\n [4.]])"


def test_a_table_used_in_every_way_at_once() -> None:
    """Looked up, indexed, averaged and whole, in one loss; grads add up over two backward passes."""
    rng = np.random.default_rng(0)
    table = Tensor(rng.normal(size=(40_000, 2)))
    ids = np.array([1, 5, 1])

    def loss(t: Any, lookup: Any) -> Any:
        return np.sum(lookup(t) ** 2) + np.sum(t[3] ** 3) + np.sum(t[ids] * t[ids]) + np.mean(t)

    for by in (lambda t: embedding(t, ids), lambda t: embedding_bag(t, ids, np.array([0, 1]))):
        (d,), (two,) = gradients(loss(table, by), [table]), gradients(loss(table, by), [table], create_graph=True)
        assert np.allclose(numbers(two), d, rtol=1e-14)
    table.grad = None
    for _ in range(2):
        np.sum(embedding(table, ids)).backward()
    assert type(table.grad) is RowSparse and table.grad.todense()[1, 0] == 4
    np.sum(table).backward()
    assert type(table.grad) is np.ndarray and table.grad[1, 0] == 5 and table.grad[0, 0] == 1
    writable(table)[...] = 0.0

"""What SciPy does with Tensors: products with sparse matrices, and refusals that name what to use instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sparse
import scipy.special as special

from tinygrad_nlp import Tensor, expm, gradients, log_softmax, logsumexp, polygamma, softmax, solve_triangular

REFUSED = [
    (special.logsumexp, 1, "tinygrad_nlp.logsumexp"),
    (special.softmax, 1, "tinygrad_nlp.softmax"),
    (special.log_softmax, 1, "tinygrad_nlp.log_softmax"),
    (lambda x: special.polygamma(1, x), 1, "tinygrad_nlp.polygamma"),
    (scipy.linalg.expm, 1, "tinygrad_nlp.expm"),
    (scipy.linalg.solve_triangular, 2, "tinygrad_nlp.solve_triangular"),
    (scipy.linalg.inv, 1, "np.linalg.inv"),
    (scipy.linalg.eigh, 1, "np.linalg.eigh"),
    (scipy.linalg.logm, 1, "functions of tinygrad_nlp.table(), or give it to op()"),
]


@pytest.mark.parametrize(("fn", "arguments", "instead"), REFUSED)
def test_the_message_names_what_to_use_instead(fn: Any, arguments: int, instead: str) -> None:
    with pytest.raises(TypeError, match="makes an array of a Tensor, and the gradient would be lost") as caught:
        fn(*[Tensor(np.eye(2) + 1.0)] * arguments)
    assert str(caught.value).endswith(instead) and ".data" not in str(caught.value)


def test_ours_are_scipys() -> None:
    a, b = np.array([[1.0, 0.5], [0.2, 2.0]]), np.array([1.0, 3.0])
    for ours, theirs in [
        (logsumexp(Tensor(b)), special.logsumexp(b)),
        (softmax(Tensor(b)), special.softmax(b)),
        (log_softmax(Tensor(b)), special.log_softmax(b)),
        (polygamma(2, Tensor(b)), special.polygamma(2, b)),
        (expm(Tensor(a)), scipy.linalg.expm(a)),
        (solve_triangular(Tensor(a), Tensor(b), lower=True), scipy.linalg.solve_triangular(a, b, lower=True)),
    ]:
        np.testing.assert_allclose(ours.data, theirs, rtol=1e-13)


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array, sparse.coo_matrix])
@pytest.mark.parametrize("shape", [(3,), (3, 2)])
def test_sparse_products(kind: Any, shape: tuple[int, ...]) -> None:
    """Value, gradient and second order are those of the dense matrix, on either side."""
    dense, rng = np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 3.0]]), np.random.default_rng(0)
    x, h = rng.normal(size=shape), rng.normal(size=(*shape[1:], 2)).T
    for f, g in [(lambda m, t: m @ t, h), (lambda m, t: t.T @ m.T, h.T)]:
        found = []
        for m in (kind(dense), Tensor(dense)):
            t = Tensor(x)
            y = f(m, t)
            (first,) = gradients(np.sum(y * y * g), [t], create_graph=True)
            found.append((y.data, first.data, gradients(np.sum(first * first), [t])[0]))
        for ours, right in zip(*found, strict=True):
            np.testing.assert_allclose(ours, right)

"""Naive Bayes n-grams: the grams of a slow count, a ratio by hand, and a minimum that is one."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_nlp import Tensor, gradcheck, gradients
from tinygrad_nlp.nlp import bags, naive_bayes
from tinygrad_nlp.nlp.naive_bayes import Grams, log_ratio, logistic_regression, sparse_product, weighted

TEXTS = st.lists(st.lists(st.integers(0, 5), max_size=7), min_size=1, max_size=8)


def grams_of(text, order):
    return {tuple(text[i : i + k]) for k in range(1, order + 1) for i in range(len(text) - k + 1)}


@given(TEXTS, TEXTS, st.integers(1, 4))
def test_the_grams_of_texts_are_those_that_the_first_texts_have(train, test, order):
    grams = Grams(*bags.from_lists(train, np.int32), order)
    known = set().union(*(grams_of(text, order) for text in train))
    assert grams.count == len(known)
    for texts in (train, test):
        X = grams.matrix(*bags.from_lists(texts, np.int32))
        assert X.sum(1).tolist() == [len(grams_of(text, order) & known) for text in texts]
        assert X.shape == (len(texts), len(known)) and set(X.data.tolist()) <= {1.0}
    columns = np.asarray(grams.matrix(*bags.from_lists(train, np.int32)).sum(0))
    assert sorted(columns) == sorted(sum(gram in grams_of(text, order) for text in train) for gram in known)


def test_an_id_that_the_first_texts_have_not_makes_no_gram_of_theirs():
    """(0, 2) of ids below 2 would be named as (1, 0) is."""
    grams = Grams(np.array([1, 0]), np.array([0]), 2)
    assert grams.count == 3 and grams.matrix(np.array([0, 2, 0]), np.array([0])).toarray().tolist() == [[1, 0, 0]]


def test_the_ratio_by_hand():
    X = scipy.sparse.csr_array(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]))
    p, q = np.array([3, 2]) / 5, np.array([1, 2]) / 3
    np.testing.assert_allclose(log_ratio(X, np.array([1, 1, 0])), np.log(p / q))
    np.testing.assert_allclose(weighted(X, np.array([2.0, 3.0])).toarray(), X.toarray() * [2, 3])


def test_the_product_with_a_sparse_matrix_is_differentiated_right():
    rng = np.random.default_rng(0)
    X = scipy.sparse.random_array((6, 4), density=0.5, rng=rng).tocsr()
    assert gradcheck(lambda w: sparse_product(X, w), rng.normal(size=4))
    w = Tensor(rng.normal(size=4))
    (g,) = gradients(np.sum(sparse_product(X, w) ** 2), [w])
    np.testing.assert_allclose(g, 2 * X.T @ (X @ w.data))


@pytest.mark.parametrize("sparse", [True, False])
def test_the_fit_is_at_the_minimum(sparse):
    rng = np.random.default_rng(0)
    dense, labels = rng.normal(size=(40, 3)) * (rng.random((40, 3)) < 0.7), rng.integers(0, 2, 40)
    X, product = (scipy.sparse.csr_array(dense), sparse_product) if sparse else (dense, np.matmul)
    fit = logistic_regression(X, labels, strength=2.0, product=product)
    assert fit.gradient_norm < 1e-4

    def loss(w, b):
        return np.logaddexp(0, -(2 * labels - 1) * (dense @ w + b)).sum() + w @ w / 4

    best = loss(fit.w, fit.b)
    for _ in range(50):
        assert loss(fit.w + 0.01 * rng.normal(size=3), fit.b + 0.01 * rng.normal()) >= best - 1e-6
    np.testing.assert_allclose(fit.log_odds(X), dense @ fit.w + fit.b)
    assert naive_bayes.Linear._fields[-1] == "evaluations"


def test_evaluations_are_counted():
    calls = []

    def product(X, w):
        calls.append(1)
        return np.matmul(X, w)

    fit = logistic_regression(np.eye(4), np.array([0, 1, 1, 0]), product=product)
    assert fit.evaluations == len(calls) > 1

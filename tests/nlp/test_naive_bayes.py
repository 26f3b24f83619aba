"""Naive Bayes n-grams: the grams of a slow count, a ratio by hand, and a minimum that is one."""

import numpy as np
import pytest
import scipy.sparse
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from tinygrad_nlp import Tensor, gradcheck, gradients
from tinygrad_nlp.nlp import bags, naive_bayes
from tinygrad_nlp.nlp.naive_bayes import Grams, joined, log_ratio, logistic_regression, sparse_product, weighted

TEXTS = st.lists(st.lists(st.integers(0, 5), max_size=7), min_size=1, max_size=8)


def grams_of(text, order):
    return {tuple(text[i : i + k]) for k in range(1, order + 1) for i in range(len(text) - k + 1)}


@given(TEXTS, TEXTS, st.integers(1, 4))
def test_the_grams_of_texts_are_those_that_the_first_texts_have(train, test, order):
    grams = Grams(*bags.from_lists(train, np.int32), order)
    known = set().union(*(grams_of(text, order) for text in train))
    assert grams.own.shape[1] == len(known)
    for texts in (train, test):
        X = grams.matrix(*bags.from_lists(texts, np.int32))
        assert X.sum(1).tolist() == [len(grams_of(text, order) & known) for text in texts]
        assert X.shape == (len(texts), len(known)) and set(X.data.tolist()) <= {1.0}
    columns = np.asarray(grams.matrix(*bags.from_lists(train, np.int32)).sum(0))
    assert sorted(columns) == sorted(sum(gram in grams_of(text, order) for text in train) for gram in known)


def test_an_id_that_the_first_texts_have_not_makes_no_gram_of_theirs():
    """(0, 2) of ids below 2 would be named as (1, 0) is."""
    grams = Grams(np.array([1, 0]), np.array([0]), 2)
    assert grams.own.shape[1] == 3
    assert grams.matrix(np.array([0, 2, 0]), np.array([0])).toarray().tolist() == [[1, 0, 0]]


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


@given(TEXTS, st.integers(1, 3))
def test_joined_columns_give_the_same_fit(texts, order):
    """As a fit of all columns, its log-odds of other texts included, whatever the values; and PᵀP = 1."""
    rng, ids = np.random.default_rng(len(texts)), bags.from_lists(texts, np.int32)
    labels, grams = rng.integers(0, 2, len(texts)), Grams(*ids, order)
    X = weighted(grams.own, rng.normal(size=grams.own.shape[1]))
    P = joined(X)
    once = np.asarray(grams.own.sum(0)) == 1
    assert P.shape == (X.shape[1], np.sum(~once) + len(texts))
    gram = (P.T @ P).toarray()
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-12)
    filled = np.diag(gram) > 0
    np.testing.assert_allclose(np.diag(gram)[filled], 1)
    assert filled.sum() == np.sum(~once) + len(np.unique(grams.own[:, once].nonzero()[0]))
    one, other = (logistic_regression(A, labels, strength=2.0, steps=5) for A in (X, X @ P))
    Y = weighted(grams.matrix(*bags.from_lists([text[1:] for text in texts], np.int32)), rng.normal(size=X.shape[1]))
    np.testing.assert_allclose(other.log_odds(Y @ P), one.log_odds(Y), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(P @ other.w, one.w, rtol=1e-6, atol=1e-8)


def test_a_gram_that_no_text_has_weighs_nothing():
    """As if its column were not there, in the ratio and in the fit."""
    X = scipy.sparse.csr_array(np.array([[1.0, 0, 0, 1], [1, 0, 1, 0], [0, 0, 1, 0]]))
    labels, some = np.array([1, 1, 0]), [0, 2, 3]
    ratio = log_ratio(X, labels)
    assert ratio[1] == 0
    np.testing.assert_array_equal(ratio[some], log_ratio(X[:, some], labels))
    assert joined(weighted(X, ratio)).toarray()[1].tolist() == [0] * 5  # two common columns and three rows


def test_l_bfgs_sees_the_loss_and_the_gradient_of_the_formula():
    """As many evaluations as for the formula written out, and the same minimum."""
    rng = np.random.default_rng(1)
    X, labels = rng.normal(size=(60, 5)) * 3, rng.integers(0, 2, 60)
    sign = 2 * labels - 1.0

    def loss(p):
        margin = sign * (X @ p[:-1] + p[-1])
        g = -sign * scipy.special.expit(-margin)
        total = np.logaddexp(0, -margin).sum() + p[:-1] @ p[:-1] / 8
        return total / 60, np.append(X.T @ g + p[:-1] / 4, g.sum()) / 60

    options = {"maxiter": 100, "maxcor": 6, "gtol": 1e-5}
    wanted = minimize(loss, np.zeros(6), jac=True, method="L-BFGS-B", options=options)
    fit = logistic_regression(X, labels, strength=4.0, product=np.matmul)
    assert fit.evaluations == wanted.nfev > 10
    np.testing.assert_allclose([*fit.w, fit.b], wanted.x, rtol=1e-6)


def test_evaluations_are_counted():
    calls = []

    def product(X, w):
        calls.append(1)
        return np.matmul(X, w)

    fit = logistic_regression(np.eye(4), np.array([0, 1, 1, 0]), product=product)
    assert fit.evaluations == len(calls) > 1

"""Reading: static, with a short memory, learning on, mixed; each against the plain way to compute it."""

from itertools import pairwise

import numpy as np
import pytest

from tinygrad_nlp.nlp import reading
from tinygrad_nlp.nlp.models import CharRNN, WordRNN
from tinygrad_nlp.nn import frozen
from tinygrad_nlp.rules import log_softmax


@pytest.fixture
def model():
    return CharRNN(5, 4, 6, "gru", rng=np.random.default_rng(0), dtype=np.float64)


IDS = np.random.default_rng(1).integers(0, 5, 70)


def one_by_one(model, ids):
    """ln p of each id after the first, an id at a time."""
    model, state, found = frozen(model), None, []
    for before, after in pairwise(ids):
        logits, state = model(np.array([[before]]), state)
        found.append(log_softmax(logits[0, 0])[after])
    return np.array(found)


def test_a_text_is_read_in_order_whatever_the_pieces(model):
    np.testing.assert_allclose(reading.log_probabilities(model, IDS), one_by_one(model, IDS), rtol=1e-9)
    streams = reading.log_probabilities(model, IDS[:61], batch=3)
    np.testing.assert_allclose(streams[:20], one_by_one(model, IDS[:21]), rtol=1e-9)
    np.testing.assert_allclose(streams[20:40], one_by_one(model, IDS[20:41]), rtol=1e-9)


@pytest.mark.parametrize("context", [1, 3, 100])
def test_a_short_memory_sees_this_many_ids_and_no_more(model, context):
    found = reading.short_log_probabilities(model, IDS, context)
    for t in (1, 2, 5, 40):
        expected = one_by_one(model, IDS[max(t - context, 0) : t + 1])[-1]
        assert found[t - 1] == pytest.approx(expected, rel=1e-9)


def test_a_model_that_learns_pays_before_it_learns_and_is_left_as_it_was(model):
    before, state = model.state_dict(), np.tile([0, 1, 2, 3], 100)
    found = reading.dynamic_log_probabilities(model, state, rate=0.5, chunk=10)
    np.testing.assert_allclose(found[:10], one_by_one(model, state[:11]), rtol=1e-9)
    assert found[-50:].mean() > found[:50].mean() + 0.2
    assert all((model.state_dict()[name] == value).all() for name, value in before.items())
    assert all(t.grad is None for t in model.parameters())


def test_with_no_rate_it_learns_nothing(model):
    found = reading.dynamic_log_probabilities(model, IDS, rate=0.0)
    np.testing.assert_allclose(found, one_by_one(model, IDS), rtol=1e-9)


def test_a_mixture_is_an_average_of_probabilities_and_its_weight_the_best():
    p, q = np.log([0.5, 0.2, 0.9]), np.log([0.1, 0.4, 0.3])
    np.testing.assert_allclose(np.exp(reading.mixed(p, q, 0.25)), 0.25 * np.exp(p) + 0.75 * np.exp(q))
    assert (reading.mixed(p, q, 1) == p).all() and (reading.mixed(p, q, 0) == q).all()
    weight = reading.best_weight(p, q)
    assert all(reading.mixed(p, q, weight).mean() >= reading.mixed(p, q, w).mean() for w in np.linspace(0, 1, 21))
    assert reading.best_weight(p, p - 1) == 1


def test_distributions_hold_what_each_id_gets(model):
    found = reading.log_distributions(model, IDS)
    assert found.shape == (len(IDS) - 1, 5)
    np.testing.assert_allclose(np.exp(found).sum(1), 1)
    np.testing.assert_allclose(found[np.arange(len(IDS) - 1), IDS[1:]], reading.log_probabilities(model, IDS))


def test_a_log_linear_mixture_by_hand():
    p, q = np.array([[0.5, 0.25, 0.25]]), np.array([[0.1, 0.1, 0.8]])
    product = p**2 * q**0.5
    np.testing.assert_allclose(np.exp(reading.log_linear(np.log(p), np.log(q), (2, 0.5))), product / product.sum())
    np.testing.assert_allclose(reading.log_linear(np.log(p), np.log(q), (1, 0)), np.log(p))


def test_the_best_exponents_are_those_that_made_the_text():
    """Ids drawn from p² q^½: found to three standard errors, and better than any near them."""
    rng = np.random.default_rng(0)
    log_p, log_q = (log_softmax(rng.normal(size=(20_000, 5)) * s) for s in (0.5, 1.5))
    true = np.exp(reading.log_linear(log_p, log_q, (2, 0.5)))
    ids = (rng.random((len(true), 1)) > np.cumsum(true, 1)).sum(1)
    a, b = found = reading.best_exponents(log_p.astype(np.float32), log_q, ids)
    assert abs(a - 2) < 0.1 and abs(b - 0.5) < 0.05

    def nats(exponents):
        return -reading.log_linear(log_p, log_q, exponents)[np.arange(len(ids)), ids].mean()

    assert all(nats(found) <= nats((a + da, b + db)) + 1e-9 for da in (-0.02, 0, 0.02) for db in (-0.02, 0, 0.02))


def test_the_output_layer_of_the_word_model_is_its_embedding():
    model = WordRNN(7, 4, rng=np.random.default_rng(0), dtype=np.float64)
    ids = np.array([[1, 2], [3, 4], [5, 6]])
    h, _ = model.layer(model.embedding.table.data[ids])
    np.testing.assert_allclose(frozen(model)(ids)[0], h.data @ model.embedding.table.data.T, rtol=1e-12)
    assert sum(t.shape == (7, 4) for t in model.parameters()) == 1

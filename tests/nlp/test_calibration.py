"""Log loss, calibration and temperature, against numbers that were drawn to be calibrated."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit

from tinygrad_nlp.nlp import calibration
from tinygrad_nlp.nlp.calibration import LogOdds, ensemble


def drawn(seed, n=20_000):
    """Log-odds and labels that follow them."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(0, 2, n)
    return log_odds, (rng.random(n) < expit(log_odds)).astype(int)


def cross_entropy(p, labels):
    return -np.mean(np.where(labels == 1, np.log(p), np.log(1 - p)))


def test_who_is_right_as_often_as_it_says_is_calibrated_and_who_is_too_sure_is_not():
    log_odds, labels = drawn(0)
    assert calibration.calibration_error(expit(log_odds), labels) < 0.02
    assert calibration.calibration_error(expit(3 * log_odds), labels) > 0.05
    assert calibration.temperature(3 * log_odds, labels) == pytest.approx(3, rel=0.05)
    assert calibration.log_loss(log_odds, labels) == pytest.approx(cross_entropy(expit(log_odds), labels))


def test_the_error_is_the_distance_of_confidence_from_accuracy():
    p, labels = np.array([0.9, 0.9, 0.1, 0.1]), np.array([1, 0, 0, 0])  # confidence 0.9 in all, three of four are right
    assert calibration.calibration_error(p, labels) == pytest.approx(0.9 - 0.75)


def test_log_odds_are_divided_by_the_temperature_of_the_validation_part_alone():
    log_odds, labels = drawn(1)
    told = LogOdds(2.5 * log_odds[:9_000], 7.0 * log_odds[9_000:])
    found = told.tempered(labels[:9_000])
    best = minimize_scalar(lambda t: cross_entropy(expit(told.validation / t), labels[:9_000]), bracket=(1, 3)).x
    np.testing.assert_allclose(found.validation, told.validation / best, rtol=1e-3)
    np.testing.assert_allclose(found.test, told.test / best, rtol=1e-3)


def test_two_models_with_errors_of_their_own_are_better_together():
    log_odds, labels = drawn(2)
    rng, half = np.random.default_rng(3), 10_000
    one, other = (scale * (log_odds + rng.normal(0, 2, len(log_odds))) for scale in (1.0, 4.0))
    both = ensemble(LogOdds(one[:half], one[half:]), LogOdds(other[:half], other[half:]), labels[:half])
    alone = [cross_entropy(expit(z[half:] / calibration.temperature(z, labels)), labels[half:]) for z in (one, other)]
    assert cross_entropy(expit(both.test), labels[half:]) < min(alone) - 0.02
    assert calibration.temperature(both.validation, labels[:half]) == pytest.approx(1, rel=0.01)


def test_quality_is_accuracy_log_loss_and_calibration_error():
    log_odds, labels = drawn(4, 500)
    found = calibration.quality(log_odds, labels)
    assert found["accuracy"] == np.mean((expit(log_odds) > 0.5) == labels)
    assert found["log_loss"] == pytest.approx(cross_entropy(expit(log_odds), labels))
    assert found["calibration_error"] == calibration.calibration_error(expit(log_odds), labels)

"""How sure a classifier of two classes may be: log loss, calibration, the temperature that sets it right, mixtures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..rules import sigmoid


def calibration_error(p: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """How far confidence is from accuracy, 0 to 1: Σ over bins of confidence of |accuracy − mean confidence| · share.

    p (B,) is P(label = 1). The expected calibration error of Guo et al. 2017, with the more likely label's confidence.
    """
    confidence, right = np.maximum(p, 1 - p), (p > 0.5) == (labels == 1)
    place = np.minimum(((confidence - 0.5) * 2 * bins).astype(int), bins - 1)
    off = np.bincount(place, right - confidence, minlength=bins)
    return float(np.abs(off).sum() / len(p))


def log_loss(log_odds: np.ndarray, labels: np.ndarray) -> float:
    """Mean cross-entropy in nats of labels (B,), 0 or 1, by the log-odds of 1, (B,)."""
    return float(np.mean(np.logaddexp(0, np.where(labels == 1, -log_odds, log_odds))))


def temperature(log_odds: np.ndarray, labels: np.ndarray) -> float:
    """The T with which log_odds / T has the smallest log loss: fit it on held-out examples (Guo et al. 2017)."""
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(lambda t: log_loss(log_odds / np.exp(t), labels), bounds=(-3, 3), method="bounded")
    return float(np.exp(found.x))


def quality(log_odds: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy, log loss in nats and calibration error of labels (B,), 0 or 1, by the log-odds of 1, (B,)."""
    error = calibration_error(sigmoid(log_odds), labels)
    right = float(np.mean((log_odds > 0) == (labels == 1)))
    return {"accuracy": right, "log_loss": log_loss(log_odds, labels), "calibration_error": error}


class LogOdds(NamedTuple):
    """What a model says of reviews, (B,) each."""

    validation: np.ndarray
    test: np.ndarray

    def tempered(self, labels: np.ndarray) -> LogOdds:
        """Over the temperature that fits the validation reviews, which have these labels, best."""
        t = temperature(self.validation, labels)
        return LogOdds(self.validation / t, self.test / t)


def ensemble(one: LogOdds, other: LogOdds, labels: np.ndarray) -> LogOdds:
    """Two models together: the sum of their tempered log-odds, tempered."""
    both = (a + b for a, b in zip(one.tempered(labels), other.tempered(labels), strict=True))
    return LogOdds(*both).tempered(labels)

"""Figures of merit: perplexity, bits per character, accuracy, and intervals around them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass
class Perplexity:
    """exp of the mean cross-entropy, kept as a sum of nats and a count, so that any batching gives the same figure.

    >>> figure = Perplexity().add(nats=3 * math.log(10), tokens=3).add(nats=math.log(10), tokens=1)
    >>> round(figure.value, 9), round(figure.bits, 6)
    (10.0, 3.321928)
    """

    nats: float = 0.0  # −Σ ln p, over all tokens
    tokens: int = 0

    def add(self, nats: float, tokens: int) -> Perplexity:
        """Count `tokens` more, which cost `nats` in total (a *sum*, not a mean)."""
        self.nats += float(nats)
        self.tokens += int(tokens)
        return self

    def add_log_probabilities(self, log_probabilities: np.ndarray, base: float = math.e) -> Perplexity:
        """Count one token for each log-probability, in logarithms to `base`; any shape."""
        nats = -math.log(base) * float(np.sum(log_probabilities, dtype=np.float64))
        return self.add(nats, np.size(log_probabilities))

    def __add__(self, other: Perplexity) -> Perplexity:
        """The figure of both texts together."""
        return Perplexity(self.nats + other.nats, self.tokens + other.tokens)

    @property
    def mean(self) -> float:
        """Cross-entropy in nats per token. Raises ValueError without tokens."""
        if not self.tokens:
            raise ValueError("perplexity of no tokens: the text is empty, or shorter than one prediction")
        return self.nats / self.tokens

    @property
    def bits(self) -> float:
        """Cross-entropy in bits per token; bits per character when the tokens are characters."""
        return self.mean / math.log(2)

    @property
    def value(self) -> float:
        """The perplexity: e^(nats per token) = 2^(bits per token) = b^(mean to base b), whatever b."""
        return self.to_base(math.e)

    def to_base(self, base: float) -> float:
        """The perplexity by way of logarithms to `base`; the same for every base, which is claim 0.e."""
        return base ** (self.mean / math.log(base)) if self.mean < 700 else math.inf

    def bits_per_character(self, characters: int) -> float:
        """Bits that the model spends on the text, for each of its `characters`: compares words with characters.

        A word model with an unknown word says less than the text does: state `unknown_share` beside the figure.
        """
        return self.nats / math.log(2) / characters


class WordBits(NamedTuple):
    """A word model's cost on a text, in the unit of a character model."""

    bits_per_character: float
    unknown_share: float  # of the tokens, 0 to 1: what the model does not spell out


def word_bits(figure: Perplexity, text: str, unknown: int) -> WordBits:
    """Convert a word model's figure on `text`, of whose tokens `unknown` were the unknown word."""
    return WordBits(figure.bits_per_character(len(text)), unknown / figure.tokens)


def accuracy(predictions: np.ndarray, labels: np.ndarray) -> float:
    """The share of predictions (B,) equal to labels (B,), 0 to 1. Raises ValueError for none or unequal shapes."""
    if np.shape(predictions) != np.shape(labels) or not np.size(labels):
        raise ValueError(
            f"accuracy of predictions {np.shape(predictions)} against labels {np.shape(labels)}: give one"
            " or more of each, in the same shape"
        )
    return float(np.mean(np.asarray(predictions) == labels))


class Interval(NamedTuple):
    """A mean with its bootstrap interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


def interval(sample: np.ndarray, rng: np.random.Generator, confidence: float = 0.95) -> Interval:
    """The mean of a sample (N,) (one value a seed, or one hit a review) with its percentile bootstrap interval.

    Raises ValueError for fewer than two values. Values that are all equal give an interval of no width.
    """
    from scipy.stats import bootstrap

    sample = np.asarray(sample, dtype=float)
    if sample.ndim != 1 or len(sample) < 2:
        raise ValueError(f"a bootstrap interval needs a sample (N,) of two or more values, got shape {sample.shape}")
    bounds = bootstrap(
        (sample,), np.mean, confidence_level=confidence, method="percentile", n_resamples=2_000, batch=100, rng=rng
    ).confidence_interval
    return Interval(float(sample.mean()), float(bounds.low), float(bounds.high))


def paired_difference(a: np.ndarray, b: np.ndarray, rng: np.random.Generator, confidence: float = 0.95) -> Interval:
    """The mean of a − b over the same seeds or reviews (N,), with its interval: 0 outside it means a difference."""
    if np.shape(a) != np.shape(b):
        raise ValueError(f"paired samples must have the same shape, got {np.shape(a)} and {np.shape(b)}")
    return interval(np.subtract(a, b, dtype=float), rng, confidence)

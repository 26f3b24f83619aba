"""Figures of merit: perplexity, bits per character, accuracy, and intervals around them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

ROUNDING = 1e-5  # how far above 0 a log-probability may be: log_softmax in float32 rounds that far at most


def log_of_base(base: float) -> float:
    """ln of the base of logarithms; ValueError for a number that is none."""
    if not 0 < base < math.inf or base == 1:
        raise ValueError(f"{base} is no base of logarithms: use 2 for bits, math.e for nats, or 10")
    return math.log(base)


def checked_cost(nats: float, tokens: int) -> tuple[float, int]:
    """Both as plain numbers; ValueError where they cannot be a cost and a count."""
    if not (tokens >= 0 and tokens % 1 == 0):
        raise ValueError(f"{tokens} tokens: count them, in a whole number from 0 on")
    if not nats >= -ROUNDING * tokens:  # false for NaN as well
        raise ValueError(f"{nats} nats for {tokens} tokens: −Σ ln p is at least 0 and not NaN; has training diverged?")
    return float(nats), int(tokens)


@dataclass
class Perplexity:
    """exp of the mean cross-entropy, kept as a sum of nats and a count, so that any batching gives the same figure.

    >>> figure = Perplexity().add(nats=3 * math.log(10), tokens=3).add(nats=math.log(10), tokens=1)
    >>> round(figure.value, 9), round(figure.bits, 6)
    (10.0, 3.321928)
    """

    nats: float = 0.0  # −Σ ln p, over all tokens
    tokens: int = 0

    def __post_init__(self) -> None:
        self.nats, self.tokens = checked_cost(self.nats, self.tokens)

    def add(self, nats: float, tokens: int) -> Perplexity:
        """Count `tokens` more, which cost `nats` in total (a *sum*, not a mean).

        Raises ValueError where nats is NaN or negative, and where tokens is no whole number from 0 on.
        """
        nats, tokens = checked_cost(nats, tokens)
        self.nats += nats
        self.tokens += tokens
        return self

    def add_log_probabilities(self, log_probabilities: np.ndarray, base: float = math.e) -> Perplexity:
        """Count one token for each log-probability, in logarithms to `base`; any shape.

        Raises ValueError for NaN and for what is no logarithm of a probability: p is at most 1.
        """
        nats = np.negative(log_probabilities, dtype=np.float64) * log_of_base(base)
        if not np.all(nats > -ROUNDING):  # false for NaN as well
            at = np.unravel_index(int(np.argmin(nats)), nats.shape)
            found = f"{np.asarray(log_probabilities)[at]:.6g} at {tuple(map(int, at))}"
            remedy = "pass logarithms of probabilities, log_softmax(logits), and their base"
            raise ValueError(f"{found} is not the logarithm to base {base:.6g} of a probability: {remedy}")
        return self.add(max(float(np.sum(nats)), 0.0), nats.size)

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
        one = log_of_base(base)
        return base ** (self.mean / one) if self.mean < 700 else math.inf

    def bits_per_character(self, characters: int) -> float:
        """Bits that the model spends on the text, for each of its `characters`: compares words with characters.

        A word model with an unknown word says less than the text does: state `unknown_share` beside the figure.
        Raises ValueError unless there is a character.
        """
        if not characters > 0:
            raise ValueError(f"bits per character of {characters} characters: give the length of the text, 1 or more")
        return self.nats / math.log(2) / characters


class WordBits(NamedTuple):
    """A word model's cost on a text, in the unit of a character model."""

    bits_per_character: float
    unknown_share: float  # of the tokens, 0 to 1: what the model does not spell out


def word_bits(figure: Perplexity, text: str, unknown: int) -> WordBits:
    """Convert a word model's figure on `text`, of whose tokens `unknown` were the unknown word.

    Raises ValueError for a figure without tokens, an empty text, and more unknown words than tokens.
    """
    if not 0 <= unknown <= figure.tokens or not figure.tokens:
        raise ValueError(f"{unknown} unknown words of {figure.tokens} tokens: count both on the same text, not empty")
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
    """A mean with its interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


def interval(sample: np.ndarray, rng: np.random.Generator, confidence: float = 0.95) -> Interval:
    """The mean of a sample (N,) (one value a seed, or one hit a review) with its percentile bootstrap interval.

    Raises ValueError for fewer than two values, and for NaN or infinity among them. Values that are all equal give an
    interval of no width.
    """
    from scipy.stats import bootstrap

    sample = np.asarray(sample, dtype=float)
    if sample.ndim != 1 or len(sample) < 2:
        raise ValueError(f"a bootstrap interval needs a sample (N,) of two or more values, got shape {sample.shape}")
    if not np.isfinite(sample).all():
        raise ValueError(f"a bootstrap interval needs finite numbers, got {sample[~np.isfinite(sample)][0]}: drop it")
    bounds = bootstrap(
        (sample,), np.mean, confidence_level=confidence, method="percentile", n_resamples=2_000, batch=100, rng=rng
    ).confidence_interval
    return Interval(float(sample.mean()), float(bounds.low), float(bounds.high))


def paired_difference(a: np.ndarray, b: np.ndarray, rng: np.random.Generator, confidence: float = 0.95) -> Interval:
    """The mean of a − b over the same seeds or reviews (N,), with its interval: 0 outside it means a difference."""
    if np.shape(a) != np.shape(b):
        raise ValueError(f"paired samples must have the same shape, got {np.shape(a)} and {np.shape(b)}")
    return interval(np.subtract(a, b, dtype=float), rng, confidence)


def t_interval(sample: np.ndarray, confidence: float = 0.95) -> Interval:
    """The mean of a few values, one a seed (N,), with Student's t interval: mean ± t SD / √N, N − 1 degrees of freedom.

    The percentile bootstrap of three values is [min, max] and covers the mean in 74 % of cases only. Raises ValueError
    for fewer than two values.
    """
    from scipy.stats import t

    sample = np.asarray(sample, dtype=float)
    if sample.ndim != 1 or len(sample) < 2:
        raise ValueError(f"a t interval needs a sample (N,) of two or more values, got shape {sample.shape}")
    mean = float(sample.mean())
    half = float(t.ppf((1 + confidence) / 2, len(sample) - 1) * sample.std(ddof=1) / math.sqrt(len(sample)))
    return Interval(mean, mean - half, mean + half)


def p_value(sample: np.ndarray) -> float:
    """The probability of a mean this far from 0 if the true one were 0: two-sided t-test of (N,), 1 for one value."""
    from scipy.stats import ttest_1samp

    sample = np.asarray(sample, dtype=float)
    if len(sample) < 2:
        return 1.0
    if np.ptp(sample) == 0:
        return float(sample[0] == 0)
    return float(ttest_1samp(sample, 0).pvalue)


def holm(p_values: dict[str, float], level: float = 0.05) -> dict[str, bool]:
    """Which of several hypotheses are refused so that the probability of one false refusal is at most `level`.

    The smallest of m p-values is compared with level / m, the next with level / (m − 1), …, up to the first that is too
    large (Holm 1979).

    >>> holm({"a": 0.001, "b": 0.04, "c": 0.03})
    {'a': True, 'b': False, 'c': False}
    """
    refused, going = dict.fromkeys(p_values, False), True
    for i, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        going = going and p_values[name] <= level / (len(p_values) - i)
        refused[name] = going
    return refused

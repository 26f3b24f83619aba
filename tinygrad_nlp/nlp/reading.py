"""What a language model says of a text as it reads: with its weights as they are, learning on, or forgetting.

A model is any function (ids (T, B), state) -> logits (T, B, V), state, such as a CharRNN. Every function gives ln p of
each id after the first, (T − 1,), in nats, so that any two of them can be mixed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.optimize import minimize

from ..engine import Tensor, gradients, writable
from ..fused import softmax_cross_entropy
from ..module import named_tensors
from ..nn import frozen
from ..rules import log_softmax
from .text import streams


def picked(logits: Any, targets: np.ndarray) -> np.ndarray:
    """ln p of each target (...) by logits (..., V), which ln p of all are too."""
    log_p: np.ndarray = np.take_along_axis(log_softmax(logits), targets[..., None], -1)[..., 0]
    return log_p


def read(
    model: Any, ids: np.ndarray, batch: int = 1, mine: slice = slice(None)
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Logits (T, B, V) and targets (T, B), piece by piece, of a frozen model whose state goes on."""
    model, state = frozen(model), None
    for x, targets in streams(ids, 1_000, batch):
        logits, state = model(x[:, mine], state)
        yield logits, targets[:, mine]


def log_probabilities(model: Any, ids: np.ndarray, batch: int = 1, mine: slice = slice(None)) -> np.ndarray:
    """ln p of each id of a text (T,) from a zero state; weights never change.

    With `batch` parallel streams, to be quick, each but the first begins in the middle of the text with no memory, and
    a few ids at the end may be left out; `mine` are the streams that this process reads.
    """
    parts = [picked(logits, targets) for logits, targets in read(model, ids, batch, mine)]
    return np.concatenate(parts).T.ravel()


def log_distributions(model: Any, ids: np.ndarray) -> np.ndarray:
    """ln p of every id at the place of each id after the first, (T − 1, V), read as by log_probabilities()."""
    return np.concatenate([log_softmax(logits)[:, 0] for logits, _ in read(model, ids)])


def dynamic_log_probabilities(
    model: Any, ids: np.ndarray, rate: float = 0.05, chunk: int = 32, pull: float = 1e-3
) -> np.ndarray:
    """ln p of each id by a live model that learns as it reads: after each chunk w ← w − rate ∂CE/∂w + pull (w₀ − w).

    Dynamic evaluation (Krause et al. 2018), with plain SGD. A chunk is predicted before it is learnt, so no id is seen
    before it is paid for, but the model is another one at the end: it is left as it was, and the figure stands beside
    that of compressors, which learn as they read too, not beside that of models which do not.
    """
    parameters = named_tensors(model)
    start, state, parts = {name: t.data.copy() for name, t in parameters.items()}, None, []
    try:
        for x, targets in streams(ids, chunk):
            logits, state = model(x, state)
            parts.append(picked(logits.data, targets)[:, 0])
            state = frozen(state)
            for t in parameters.values():
                t.grad = None
            softmax_cross_entropy(logits, targets).backward()
            for name, t in parameters.items():
                w = writable(t)
                w -= rate * t.grad
                w += pull * (start[name] - w)
    finally:
        for name, t in parameters.items():
            writable(t)[...], t.grad = start[name], None
    return np.concatenate(parts)


def short_log_probabilities(model: Any, ids: np.ndarray, context: int) -> np.ndarray:
    """ln p of each id by a model that sees only the `context` ids before it, read from a zero state."""
    model, rows = frozen(model), np.arange(1, len(ids))
    length = np.minimum(rows, context)  # there is less at the beginning of a text
    found = np.empty(len(rows))
    for n in np.unique(length):
        at = rows[length == n]
        for some in np.split(at, range(2_000, len(at), 2_000)):
            logits, _ = model(ids[some - n + np.arange(n)[:, None]], None)
            found[some - 1] = picked(logits[-1], ids[some])
    return found


def mixed(log_p: np.ndarray, log_q: np.ndarray, weight: float) -> np.ndarray:
    """ln (weight · p + (1 − weight) · q): two models' predictions, averaged."""
    if not 0 < weight < 1:
        return log_p if weight >= 1 else log_q
    return np.logaddexp(np.log(weight) + log_p, np.log1p(-weight) + log_q)


def best_weight(log_p: np.ndarray, log_q: np.ndarray, step: float = 0.05) -> float:
    """The weight of the first of two models with which their mixture predicts this text best, from a grid."""
    return float(max(np.arange(0, 1 + step / 2, step), key=lambda weight: mixed(log_p, log_q, weight).mean()))


def log_linear(log_p: np.ndarray, log_q: np.ndarray, exponents: tuple[float, float]) -> np.ndarray:
    """ln pᵃ qᵇ / Σ pᵃ qᵇ of two models' distributions (N, V): where one of them is sure that an id does not come, it
    does not. Klakow 1998, "Log-linear interpolation of language models"; Hinton 2002, product of experts."""
    a, b = exponents
    mixture: np.ndarray = log_softmax(a * log_p + b * log_q)
    return mixture


def best_exponents(log_p: np.ndarray, log_q: np.ndarray, ids: np.ndarray) -> tuple[float, float]:
    """The exponents of log_linear() with which the mixture predicts these ids (N,) best: by L-BFGS with our gradients,
    from ½ each. The cross-entropy of logits that are linear in them is convex."""
    log_p, log_q = log_p.astype(float), log_q.astype(float)

    def loss(exponents: np.ndarray) -> tuple[float, np.ndarray]:
        a, b = Tensor(exponents[0]), Tensor(exponents[1])
        total = softmax_cross_entropy(a * log_p + b * log_q, ids)
        return total.item(), np.array(gradients(total, [a, b]))

    a, b = minimize(loss, [0.5, 0.5], jac=True, method="L-BFGS-B").x.tolist()
    return a, b

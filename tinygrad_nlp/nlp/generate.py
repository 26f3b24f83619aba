"""Sampling from a language model, one symbol at a time.

    letters, rng = Characters(), np.random.default_rng(0)
    for i in itertools.islice(generate(model, letters.encode("ROMEO:"), rng=rng, temperature=0.7), 500):
        print(letters.decode([i]), end="", flush=True)

The model's distribution may be sharpened (temperature) or cut to its likeliest symbols (top_k, top_p) before each draw.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..nn import frozen
from ..rules import softmax


def check_options(temperature: float, top_k: int | None, top_p: float) -> None:
    """Refuse options that mean nothing, naming the option."""
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature is {temperature}: use 0 (always the likeliest), 1 (as learnt) or another")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k is {top_k}: use 1 or more, or None to keep all")
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p}: use more than 0, and 1 to keep all")


def distribution(logits: Any, *, temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0) -> np.ndarray:
    """The probabilities (V,), float64, from which sample() draws for logits (V,), some of which may be −inf.

    In this order: softmax(logits / temperature), where 0 leaves only the likeliest; only the top_k likeliest; of these
    only the fewest that together have top_p (Holtzman et al. 2020, "The curious case of neural text degeneration").
    Ties go to the lower id. Raises ValueError for options out of range, logits of another shape, NaN and +inf.

    >>> distribution(np.log([0.5, 0.3, 0.2]), top_k=2)
    array([0.625, 0.375, 0.   ])
    >>> distribution(np.log([0.5, 0.3, 0.2]), temperature=0)
    array([1., 0., 0.])
    """
    check_options(temperature, top_k, top_p)
    x = np.asarray(logits, np.float64)
    if x.ndim != 1 or not x.size or not math.isfinite(x.max()):
        what = f"cannot sample from logits of shape {x.shape}"
        raise ValueError(f"{what}: give a row (V,) without NaN or +inf, at least one of them finite")
    if temperature == 0:
        temperature, top_k = 1.0, 1
    likeliest_first = np.argsort(-x, kind="stable")[:top_k]
    p = softmax((x[likeliest_first] - x.max()) / temperature)
    kept = 1 + int(np.searchsorted(np.cumsum(p)[:-1], top_p))
    y = np.zeros(x.size)
    y[likeliest_first[:kept]] = p[:kept] / p[:kept].sum()
    return y


def sample(
    logits: Any, *, rng: np.random.Generator, temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0
) -> int:
    """One id drawn from logits (V,); options and errors as for distribution()."""
    return int(rng.choice(np.size(logits), p=distribution(logits, temperature=temperature, top_k=top_k, top_p=top_p)))


def generate(
    model: Any,
    prompt: Sequence[int] | np.ndarray,
    *,
    rng: np.random.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
) -> Iterator[int]:
    """Read the ids of a prompt (T,) and go on without end, an id at a time, each drawn given all before it.

    model is a CharRNN, or any function (ids (T, 1), state) -> logits (T, 1, V), state. Raises ValueError at once for an
    empty prompt and for options as in distribution().
    """
    check_options(temperature, top_k, top_p)
    ids = np.asarray(prompt)
    if ids.ndim != 1 or not ids.size:
        raise ValueError(f"the prompt has shape {ids.shape}: give one or more ids (T,) to go on from")

    def drawn() -> Iterator[int]:
        step, state, chunk = frozen(model), None, ids[:, None]
        while True:
            logits, state = step(chunk, state)
            i = sample(logits[-1, 0], rng=rng, temperature=temperature, top_k=top_k, top_p=top_p)
            yield i
            chunk = np.array([[i]])

    return drawn()

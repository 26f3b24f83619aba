"""Backpropagation through time as a map: how much the loss at step t feels the hidden state of step s, ‖∂L_t/∂h_s‖.

By the chain rule ∂L_t/∂h_s is ∂L_t/∂h_t times t − s Jacobians of the cell. Where those shrink, gradients vanish and
the network cannot learn what far steps had to say; where they stretch, gradients explode (Bengio et al. 1994).
Truncation cuts the product off at the boundaries of chunks, and clipping bounds what is left.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import notebook
from ..core.sparse import length
from ..engine import Tensor, gradients
from ..nn import frozen
from ..tree import map_leaves, named_leaves

SHADES = "·░▒▓█"  # each ten times the one before; the last is for the largest number and down to a tenth of it
SCREEN = 32  # rows and columns of the text, at most


class TimeMap(notebook.Printed):
    """What time_map() returns: print it, .plot() it, or take .array (T, T), row t and column s, 0 for s > t."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def by_lag(self) -> np.ndarray:
        """The mean of ‖∂L_t/∂h_s‖ over all t − s = k that truncation has not cut off, for each lag k (T,); else 0."""
        lags = [np.diagonal(self.array, -k) for k in range(len(self.array))]
        return np.array([norms[norms > 0].mean() if norms.any() else 0.0 for norms in lags])

    def factor(self) -> float:
        """How the gradient changes with each step back: the slope of log by_lag() over the lags, as a factor.

        NaN where fewer than two lags have a gradient.
        """
        norms = self.by_lag()
        lags = np.flatnonzero(norms)
        return float(np.exp(np.polyfit(lags, np.log(norms[lags]), 1)[0])) if len(lags) > 1 else float("nan")

    def text(self) -> str:
        norms, step = self.by_lag(), -(-len(self.array) // SCREEN)
        top = self.array.max() or 1.0
        lines = [f"‖∂L_t/∂h_s‖ over {len(norms)} steps: × {self.factor():.3g} for each step back"]
        reach = int(np.flatnonzero(norms > 0.01 * norms[0]).max(initial=0))
        lines += [f"a hundredth of what it is at its own step is left up to {reach} steps back; largest {top:.3g}"]
        for row in self.array[::step]:
            with np.errstate(divide="ignore"):
                tens = np.log10(row[::step] / top)
            lines.append(
                " ".join(" " if v == -np.inf else SHADES[max(int(v) - 1, -len(SHADES))] for v in tens).rstrip()
            )
        return "\n".join([*lines, f"down: t, right: s{f', every {step}' if step > 1 else ''}; █ largest, a tenth, … ·"])

    __repr__ = text

    def _repr_html_(self) -> str:
        top, n = self.array.max() or 1.0, len(self.array)
        with np.errstate(divide="ignore"):
            strength = np.clip(1 + np.log10(self.array / top) / len(SHADES), 0, 1)  # a shade less for each tenth
        pixels = np.full((n, n, 4), (*notebook.PLUS, 0), np.uint8)
        pixels[..., 3] = 255 * strength
        about = f"a map of ‖∂L_t/∂h_s‖, {n} by {n}: down the loss at t, right the state at s"
        heads = [notebook.line(text) for text in str(self).split("\n")[:2]]
        legend = "down: t, right: s; full colour is the largest, paler by a fifth for each tenth of it"
        return notebook.block(*heads, notebook.picture(pixels, about, max(160, min(480, 8 * n))), notebook.line(legend))

    def plot(self, ax: Any = None) -> Any:
        """A heat map of log₁₀ ‖∂L_t/∂h_s‖ on Matplotlib axes, which are returned; new ones unless given."""
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError("TimeMap.plot needs the extra [plot]: pip install matplotlib") from error
        ax = plt.subplots()[1] if ax is None else ax
        with np.errstate(divide="ignore"):
            image = ax.imshow(np.log10(np.ma.masked_equal(self.array, 0)), cmap="viridis")
        ax.figure.colorbar(image, ax=ax, label="log₁₀ ‖∂L_t/∂h_s‖")
        ax.set(xlabel="state s", ylabel="loss t", title=f"× {self.factor():.3g} for each step back")
        return ax


def time_map(
    cell: Callable[[Any, Any], tuple[Any, Any]],
    x: Any,
    state: Any,
    loss: Callable[[int, Any], Any] | None = None,
    truncate: int | None = None,
    clip: float | None = None,
) -> TimeMap:
    """‖∂L_t/∂h_s‖ for every two steps s ≤ t of a sequence x (T, B, n).

    cell(x_t, state) -> (output, state) is an nn.RNN, GRU, LSTM or any function like them; it gets one step, (1, B, n).
    state is what it starts from, an array or a pair of them, as for LSTM, where the norm is over both. loss(t, h) is
    L_t, one number, of the hidden state h (B, H); the sum of h if left out. With truncate=k the state is cut off from
    its history every k steps; with clip=c each row is scaled, as clip_norm scales a gradient, to a norm of at most c.

    It takes T backward passes. Raises ValueError for an empty sequence.

    >>> halve = lambda x, h: (0.5 * h, 0.5 * h)
    >>> time_map(halve, np.zeros((3, 1, 1)), np.ones((1, 1))).array
    array([[1.  , 0.  , 0.  ],
           [0.5 , 1.  , 0.  ],
           [0.25, 0.5 , 1.  ]])
    """
    if not len(x):
        raise ValueError(f"time_map: x {np.shape(x)} has no steps: give it at least one, (T, B, n)")
    cell = frozen(cell)  # its weights are constants here: only the states want gradients
    states, norms = [], np.zeros((len(x), len(x)))
    now = map_leaves(Tensor, frozen(state))
    for t in range(len(x)):
        if truncate and t % truncate == 0:
            now = map_leaves(Tensor, frozen(now))
        now = cell(x[t : t + 1], now)[1]
        states.append([h for _, h in named_leaves(now)])
        h = states[-1][0]
        L = h.sum() if loss is None else loss(t, h)
        found = iter(gradients(L, [h for parts in states for h in parts]))
        norms[t, : t + 1] = [math.hypot(*(length(next(found)) for _ in parts)) for parts in states]
    if clip is not None:
        norms *= np.minimum(1, clip / np.maximum(np.linalg.norm(norms, axis=1, keepdims=True), clip))
    return TimeMap(norms)

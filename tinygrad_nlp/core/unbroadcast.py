"""The one place where broadcasting and dtype promotion are undone, for every rule of the table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .interface import name


def fit(share: Any, a: Any, t: Any, i: int) -> Any:
    """Undo what a call did to the shape and dtype of its argument i: sum over the axes it stretched, and cast back."""
    if not hasattr(share, "dtype"):
        share = np.asarray(share)
    if share.dtype.kind not in "fiub":
        what = f"the rule of `{name(t.fn)}` gave argument {i} a gradient of {share.dtype}"
        raise TypeError(f"{what}: return an array of real numbers")
    if share.shape != a.data.shape:
        n = len(share.shape)
        before, after = right_aligned(a.shape, n), right_aligned(t.shape, n)
        stretched = tuple(k for k in range(n) if share.shape[k] != before[k] or k < n - a.ndim)
        if n < a.ndim or any(before[k] != 1 or after[k] != share.shape[k] for k in stretched):
            what = (
                f"the rule of `{name(t.fn)}` gave argument {i}, of shape {a.shape}, a gradient of shape {share.shape}"
            )
            axes = ", ".join(str(k) for k in stretched) or "none"
            raise ValueError(f"{what}: give it the argument's shape (sum over axis {axes})")
        if type(share) is np.ndarray and share.dtype == np.float32:
            rows = np.moveaxis(share, stretched, range(len(stretched)))
            share = sum_rows(rows.reshape(math.prod(rows.shape[: len(stretched)]), a.size)).reshape(a.shape)
        else:
            share = np.sum(share, axis=stretched, keepdims=True).reshape(a.shape)
    return share if share.dtype == a.data.dtype else share.astype(a.dtype)


def sum_rows(a: np.ndarray) -> np.ndarray:
    """The sum (D,) of the rows of a matrix (N, D), 128 at a time, then of those sums: as fast as a.sum(0).

    NumPy adds rows one after the other, which in float32 is off by 1 % for a million equal ones: each is added to a sum
    that is much larger. Along the last axis NumPy adds up in blocks itself.
    """
    while len(a) > 256:
        whole = len(a) // 128 * 128
        sums = a[:whole].reshape(whole // 128, 128, a.shape[1]).sum(axis=1)
        a = np.concatenate([sums, a[whole:]]) if whole < len(a) else sums
    return a.sum(axis=0)


def right_aligned(shape: tuple[int, ...], n: int) -> tuple[int, ...]:
    """The last n entries of a shape, 1 where it has fewer: how broadcasting lines shapes up."""
    return ((1,) * n + shape)[len(shape) :]

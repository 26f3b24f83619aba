"""Axes, and the order of entries, as NumPy takes them."""
# tested in tests/calculus/test_composites.py

from __future__ import annotations

from typing import Any

import numpy as np


def count(x: Any, axis: Any) -> int:
    """How many entries of x are reduced into one."""
    axes = range(np.ndim(x)) if axis is None else axes_of(axis, np.ndim(x))
    return int(np.prod([np.shape(x)[i] for i in axes], dtype=int))


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Axes as NumPy takes them, from 0 on; AxisError for one that is not there, ValueError for one named twice."""
    return tuple(np.lib.array_utils.normalize_axis_tuple(axis, ndim))


def axis_of(axis: int, ndim: int) -> int:
    """One axis, from 0 on; TypeError for a tuple."""
    return np.lib.array_utils.normalize_axis_index(axis, ndim)


def fixed(order: str) -> Any:
    """An order of entries that does not depend on how an array lies in memory."""
    if order not in ("C", "F"):
        raise ValueError(f"order={order!r} depends on how an array lies in memory: the gradient needs 'C' or 'F'")
    return order

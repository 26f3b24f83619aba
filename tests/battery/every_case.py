"""Every case of every room, and how to call the flat functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.battery import (
    cases_fused,
    cases_joining,
    cases_linear_algebra,
    cases_moving,
    cases_products,
    cases_reductions,
    cases_shapes,
    cases_special,
    cases_statistics,
)
from tests.battery.cases import CASES
from tinygrad_nlp.calculus.cones import no_limit

ROOMS = (  # importing them fills CASES
    *(cases_fused, cases_joining, cases_linear_algebra, cases_moving, cases_products, cases_reductions, cases_shapes),
    *(cases_special, cases_statistics),
)

# --- Flat functions: name of NumPy's function -> the arguments to call it on ------------------------------------------

ONE = (
    *(np.logical_not, np.any, np.all, np.isnan, np.isinf, np.isfinite, np.sign, np.signbit, np.spacing, np.fix),
    *(np.floor, np.ceil, np.trunc, np.rint, np.round, np.around, np.argmax, np.argmin, np.nanargmax, np.nanargmin),
    *(np.argsort, np.nonzero, np.flatnonzero, np.isreal, np.iscomplex, np.iscomplexobj, np.isrealobj, np.isposinf),
    *(np.isneginf, np.imag, np.angle, np.argwhere, np.count_nonzero, np.shape, np.ndim, np.size, np.zeros_like),
    *(np.ones_like, np.empty_like, np.array2string, np.array_repr, np.array_str, np.lexsort),
)
TWO = (
    *(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal, np.isclose, np.allclose, np.isin),
    *(np.array_equal, np.array_equiv, np.logical_and, np.logical_or, np.logical_xor, np.floor_divide, np.result_type),
    *(np.may_share_memory, np.shares_memory),
)
FLAT: dict[Any, Any] = {fn: lambda d: [d.array(d.shape(min_dims=1, min_side=1))] for fn in ONE}
FLAT |= {fn: lambda d: [d.array(s, away=0.3) for s in d.broadcastable(2)] for fn in TWO}
FLAT[np.searchsorted] = lambda d: [np.sort(d.array((4,))), d.array((3,))]
FLAT[np.digitize] = lambda d: [d.array(d.shape()), np.sort(d.array((4,)))]
FLAT[np.argpartition] = lambda d: [d.array((*d.shape(), 4)), d.integer(0, 3)]

COVERED = {c.row for c in CASES} | set(FLAT) | {no_limit}  # no_limit: test_limits, exactly

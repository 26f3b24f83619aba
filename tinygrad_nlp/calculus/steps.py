"""Steps and choices: flat wherever they have a derivative at all, so their results are plain arrays."""
# tested in tests/calculus/test_every_row.py

import numpy as np

from .rows import flat

flat(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal, np.isclose, np.allclose)
flat(np.array_equal, np.array_equiv, np.isin, np.logical_and, np.logical_or, np.logical_xor, np.logical_not)
flat(np.any, np.all, np.isnan, np.isinf, np.isfinite, np.isposinf, np.isneginf, np.isreal, np.iscomplex)
flat(np.iscomplexobj, np.isrealobj, np.imag, np.angle)
flat(
    np.sign, np.signbit, np.floor, np.ceil, np.trunc, np.rint, np.round, np.around, np.fix, np.floor_divide, np.spacing
)
flat(np.argmax, np.argmin, np.nanargmax, np.nanargmin, np.argsort, np.argpartition, np.lexsort, np.nonzero)
flat(np.flatnonzero, np.argwhere, np.count_nonzero, np.searchsorted, np.digitize)
flat(np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.empty_like, np.result_type, np.array2string)
flat(np.array_repr, np.array_str, np.may_share_memory, np.shares_memory)

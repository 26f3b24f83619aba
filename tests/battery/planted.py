"""Mistakes to plant in the real table and the real engine, as data. test_planted.py plants one at a time, and
something must notice.

Every bug ever found here joins the list. The usual ones of hand-written derivatives are all there: a factor, a sign,
a transpose, an axis not summed, the upstream gradient ignored, only the diagonal, a contribution lost, a side of a
kink.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special as special

import tinygrad_nlp as tg
from tinygrad_nlp import engine, fused, polygamma, recurrent, rules
from tinygrad_nlp.calculus import joining, kinds, lengths, linear_algebra, shapes
from tinygrad_nlp.calculus.cones import ratio
from tinygrad_nlp.core import interface, sparse
from tinygrad_nlp.rules import mT, spread

inv, solve = np.linalg.inv, np.linalg.solve


def twice(i: int, g: Any, y: Any, spec: str, *arrays: Any) -> Any:
    return 2 * rules.one_operand(i, g, y, spec, *arrays)


def extreme_to_all(g: Any, y: Any, x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return spread(g, x, axis, keepdims) * (x == spread(y, x, axis, keepdims))


# (function, argument or None for each=, wrong derivative, what is wrong)
RULES: list[tuple[Any, int | None, Any, str]] = [
    (np.negative, 0, lambda g, y, x: g, "sign"),
    (np.add, 1, lambda g, y, a, b: 0 * g, "one argument forgotten"),
    (np.subtract, 1, lambda g, y, a, b: g, "sign"),
    (np.multiply, 0, lambda g, y, a, b: g * a, "the factor itself, not the other"),
    (np.multiply, 1, lambda g, y, a, b: a, "upstream ignored"),
    (np.divide, 0, lambda g, y, a, b: g, "denominator lost"),
    (np.divide, 1, lambda g, y, a, b: -g * a / b, "denominator not squared"),
    (np.divide, 1, lambda g, y, a, b: g * y / b, "sign"),
    (np.power, 0, lambda g, y, a, b: g * b * a**b, "exponent not lowered"),
    (np.power, 0, lambda g, y, a, b: g * a ** (b - 1), "exponent not brought down"),
    (np.power, 0, lambda g, y, a, b: g * b * np.abs(a) ** (b - 1), "negative base"),
    (np.power, 1, lambda g, y, a, b: g * y, "logarithm lost"),
    (np.remainder, 1, lambda g, y, a, b: 0 * g, "the quotient forgotten"),
    (np.remainder, 1, lambda g, y, a, b: -g * a / b, "quotient not rounded"),
    (np.reciprocal, 0, lambda g, y, x: g * y * y, "sign"),
    (np.square, 0, lambda g, y, x: g * x, "factor 2"),
    (np.sqrt, 0, lambda g, y, x: g / y, "factor 1/2"),
    (np.cbrt, 0, lambda g, y, x: g / (3 * y), "power"),
    (np.hypot, 1, lambda g, y, a, b: g * ratio(a, y), "arguments swapped"),
    (np.hypot, 0, lambda g, y, a, b: g * a / y, "0/0 at the tip"),
    (np.exp, 0, lambda g, y, x: g * x, "input for output"),
    (np.exp, 0, lambda g, y, x: y, "upstream ignored"),
    (np.exp2, 0, lambda g, y, x: g * y, "log 2 lost"),
    (np.expm1, 0, lambda g, y, x: g * y, "the 1 lost"),
    (np.log2, 0, lambda g, y, x: g / x, "log 2 lost"),
    (np.log10, 0, lambda g, y, x: g / x * rules.LN10, "log 10 on the wrong side"),
    (np.log1p, 0, lambda g, y, x: g / x, "the 1 lost"),
    (np.logaddexp, 1, lambda g, y, a, b: g * special.expit(a - b), "arguments swapped"),
    (np.logaddexp, 0, lambda g, y, a, b: g * special.expit(a - b), "∞ − ∞"),
    (np.sin, 0, lambda g, y, x: -g * np.cos(x), "sign"),
    (np.cos, 0, lambda g, y, x: g * np.sin(x), "sign"),
    (np.tan, 0, lambda g, y, x: g * (1 + y), "not squared"),
    (np.arcsin, 0, lambda g, y, x: g / np.sqrt(1 + x * x), "sign inside"),
    (np.arccos, 0, lambda g, y, x: g / np.sqrt((1 - x) * (1 + x)), "sign"),
    (np.arctan, 0, lambda g, y, x: g / (1 + x), "not squared"),
    (np.arctan2, 1, lambda g, y, a, b: g * a / (a * a + b * b), "sign"),
    (np.cosh, 0, lambda g, y, x: -g * np.sinh(x), "the circular function's sign"),
    (np.tanh, 0, lambda g, y, x: g * (1 - y), "not squared"),
    (np.tanh, 0, lambda g, y, x: g * (1 - x * x), "input for output"),
    (np.arctanh, 0, lambda g, y, x: g / (1 + x * x), "the circular function's sign"),
    (np.deg2rad, 0, lambda g, y, x: g * 180 / np.pi, "inverse factor"),
    (special.expit, 0, lambda g, y, x: y * (1 - y), "upstream ignored"),
    (special.logit, 0, lambda g, y, x: g * x * (1 - x), "product for quotient"),
    (special.log_expit, 0, lambda g, y, x: g * special.expit(x), "sign of the argument"),
    (special.erf, 0, lambda g, y, x: g * np.exp(-x * x), "2/√π lost"),
    (special.gammaln, 0, lambda g, y, x: g * np.log(x), "Stirling's formula for digamma"),
    (special.digamma, 0, lambda g, y, x: g * polygamma(2, x), "wrong order"),
    (
        special.digamma,
        0,
        lambda g, y, x: g * special.polygamma(1, x) if isinstance(x, np.ndarray) else 0 * g,
        "right, but a constant to second order",
    ),
    (special.xlogy, 1, lambda g, y, a, b: g / b, "factor a lost"),
    (np.absolute, 0, lambda g, y, x: g, "the identity"),
    (np.absolute, 0, lambda g, y, x: g * np.where(x < 0, -1, 1), "a side of the kink"),
    (np.maximum, 0, lambda g, y, a, b: g * (a >= b), "ties counted twice"),
    (np.maximum, 1, lambda g, y, a, b: g * (b <= a), "the smaller one"),
    (np.fmin, 0, lambda g, y, a, b: g * (a == y), "ties counted twice"),
    (np.where, 1, lambda g, y, c, a, b: g, "both branches"),
    (np.where, 2, lambda g, y, c, a, b: np.where(c, g, 0), "the other branch"),
    (np.sum, 0, lambda g, y, x, axis=None, *, keepdims=False: spread(g, x, axis, True), "reduced axes not put back"),
    (np.sum, 0, lambda g, y, x, axis=None, *, keepdims=False: np.ones_like(x), "upstream ignored"),
    (np.sum, 0, lambda g, y, x, axis=None, *, keepdims=False: spread(g, x, axis, keepdims) / max(1, x.size), "a mean"),
    (np.max, 0, lambda g, y, x, axis=None, *, keepdims=False: spread(g, x, axis, keepdims) + 0.0, "to every entry"),
    (np.max, 0, extreme_to_all, "ties counted twice"),
    (np.cumsum, 0, lambda g, y, x, axis=None: np.reshape(np.cumsum(g, axis), x.shape), "not reversed"),
    (
        lengths.length,
        0,
        lambda g, y, x, axis=None, *, keepdims=False: x * spread(g, x, axis, keepdims),
        "length not divided by",
    ),
    (
        lengths.length,
        0,
        lambda g, y, x, axis=None, *, keepdims=False: x * spread(g / y, x, axis, keepdims),
        "0/0 at zero",
    ),
    (tg.logsumexp, 0, lambda g, y, x, axis=-1, *, keepdims=False: spread(g, x, axis, keepdims) + 0.0, "softmax lost"),
    (tg.softmax, 0, lambda g, y, x, axis=-1: g * y * (1 - y), "only the diagonal"),
    (tg.softmax, 0, lambda g, y, x, axis=-1: y * (g - np.sum(g * y)), "summed over the batch"),
    (tg.softmax, 0, lambda g, y, x, axis=-1: 0 * g, "rows of zeros: what a sum of outputs sees"),
    (tg.log_softmax, 0, lambda g, y, x, axis=-1: g - np.exp(y), "upstream not summed"),
    (tg.relu, 0, lambda g, y, x: g * (x >= 0), "a side of the kink"),
    (tg.relu, 0, lambda g, y, x: g * (g > 0), "the sign of the gradient"),
    (tg.sigmoid, 0, lambda g, y, x: g * y * (1 - x), "input for output"),
    (np.transpose, 0, lambda g, y, x, axes=None: np.transpose(g, axes), "permutation not inverted"),
    (
        np.moveaxis,
        0,
        lambda g, y, x, source, destination: np.reshape(np.moveaxis(g, source, destination), x.shape),
        "not undone",
    ),
    (np.reshape, 0, lambda g, y, x, shape: np.reshape(np.reshape(g, (-1,))[::-1], x.shape), "order"),
    (np.roll, 0, lambda g, y, x, shift, axis=None: np.roll(g, shift, axis), "the same way again"),
    (np.flip, 0, lambda g, y, x, axis=None: g, "not undone"),
    (np.tril, 0, lambda g, y, x, k=0: np.tril(g), "k forgotten"),
    (np.triu, 0, lambda g, y, x, k=0: np.triu(g, -k), "sign of k"),
    (shapes.zero_pad, 0, lambda g, y, x, width: g[tuple(slice(n) for n in x.shape)], "offset forgotten"),
    (rules.scatter, 0, lambda g, y, x, index, shape: 0 * x, "to second order only"),
    (np.matmul, 0, lambda g, y, a, b: g @ b, "transpose forgotten"),
    (
        np.matmul,
        1,
        lambda g, y, a, b: mT(rules.d_right(g, y, a, b)) if np.ndim(b) > 1 else rules.d_right(g, y, a, b),
        "transposed",
    ),
    (rules.contract, None, twice, "factor 2"),
    (np.linalg.inv, 0, lambda g, y, x: -y @ g @ y, "transposes forgotten"),
    (np.linalg.inv, 0, lambda g, y, x: mT(y) @ g @ mT(y), "sign"),
    (np.linalg.det, 0, lambda g, y, x: g[..., None, None] * mT(linear_algebra.cofactors(x)), "transpose forgotten"),
    (np.linalg.det, 0, lambda g, y, x: g[..., None, None] * mT(inv(x)), "determinant lost"),
    (
        np.linalg.solve,
        1,
        lambda g, y, a, b: solve(a, g[..., None])[..., 0] if b.ndim == 1 else solve(a, g),
        "transpose forgotten",
    ),
    (np.linalg.solve, 1, lambda g, y, a, b: solve(mT(a), g), "a stack of matrices and one vector"),
    (np.linalg.cholesky, 0, lambda g, y, x: mT(inv(y)) @ np.tril(mT(y) @ g) @ inv(y), "diagonal not halved"),
    (linear_algebra.logabsdet, 0, lambda g, y, x: g[..., None, None] * inv(x), "transpose forgotten"),
    (tg.affine, 2, lambda g, y, x, W, b: np.mean(fused.as_matrix(g), 0), "a mean over the batch"),
    (tg.affine, 2, lambda g, y, x, W, b: np.sum(g, 0), "one axis not summed"),
]

# (function, where, pattern, what stands there instead, what is wrong), as plant.py reads them: in ops differentiated by
# hand, composites, and the helpers of rules
SOURCES: list[tuple[Any, Any, str, str, str]] = [
    (tg.softmax_cross_entropy, fused.d_softmax_cross_entropy, "saved *= g.reshape(-1, 1)", "pass", "upstream ignored"),
    (
        tg.softmax_cross_entropy,
        engine.TABLE[tg.softmax_cross_entropy].forward,
        "e[n, labels] -= weight",
        "pass",
        "the label forgotten",
    ),
    (tg.rnn, recurrent.d_rnn, "np.square(y)", "y + 0.0", "not squared"),
    (tg.rnn, recurrent.d_rnn, "dh += g_before", "pass", "an output's own gradient lost"),
    (tg.rnn, recurrent.d_rnn, "saved[:-1]", "saved[1:]", "the state after, not before"),
    (tg.rnn, recurrent.d_rnn, "g[-1].copy()", "g[-1]", "the upstream gradient written to"),
    (tg.gru, recurrent.d_gru, "dh *= z_t", "pass", "the carried state's gate"),
    (
        tg.gru,
        recurrent.d_gru,
        "np.subtract(states[:-1], n, out=a_n)",
        "np.subtract(n, states[:-1], out=a_n)",
        "sign of a gate",
    ),
    (tg.gru, recurrent.d_gru, "np.subtract(rz, drz, out=drz)", "drz[...] = rz", "a gate's own derivative"),
    (recurrent.lstm_states, recurrent.d_lstm_states, "dc *= f_t", "pass", "the forget gate"),
    (recurrent.lstm_states, recurrent.d_lstm_states, "dc += gc_t", "pass", "the gradient of the cells"),
    (tg.embedding, sparse.add_rows, "one_hot @ values", "one_hot @ values / 2", "factor 1/2"),
    (
        tg.embedding_bag,
        engine.TABLE[tg.embedding_bag].forward,
        "np.maximum(lengths, 1)",
        "np.maximum(lengths, 2)",
        "length of a bag of one",
    ),
    (
        interface.getitem,
        sparse.scatter_values,
        "np.bincount(places, np.ravel(g), minlength=size)",
        "np.bincount(places, minlength=size)",
        "upstream ignored",
    ),
    (interface.getitem, sparse.Patches.todense, "dense[index] += g", "dense[index] = g", "overlapping parts overwrite"),
    (interface.getitem, sparse.is_basic, "all(_x)", "True or all(_x)", "repeated ids overwrite"),
    (np.var, engine.TABLE[np.var].forward, "_n - ddof", "_n", "ddof forgotten"),
    (np.mean, engine.TABLE[np.mean].forward, "count(a, axis)", "a.size", "the size of all"),
    (
        np.sort,
        engine.TABLE[np.sort].forward,
        "np.argsort(a, axis, kind='stable')",
        "np.argsort(a, 0, kind='stable')",
        "the wrong axis",
    ),
    (np.cumprod, engine.TABLE[np.cumprod].forward, "step *= 2", "step += 1", "steps skipped"),
    (np.pad, engine.TABLE[np.pad].forward, "np.zeros_like(array)", "np.zeros(array.shape)", "float32 lost"),
    (np.linalg.norm, lengths.d_p_length, "p - 1", "p", "the root"),
    (np.linalg.norm, lengths.d_p_length, "np.where(away, y, 1)", "y", "0 · inf at zero"),
    (joining.join, joining.parts, "slice(end - a.shape[axis], end)", "slice(0, a.shape[axis])", "offset forgotten"),
    (
        np.sum,
        rules.spread,
        "_k or axis is None or np.ndim(x) == 0",
        "_k or axis is None",
        "a 0-d array reduced over axis 0",
    ),
    (
        np.einsum,
        engine.TABLE[np.einsum].forward,
        "_n == 1 != size[c]",
        "_n == 1 != size[c] and i == 0",
        "a size of 1, second",
    ),
    (tg.embedding, fused.d_embedding, "g.copy()", "g", "two tables share memory"),
    (
        tg.softmax_cross_entropy,
        fused.checked_labels,
        "logits.dtype.type(count if reduction == 'mean' else 1)",
        "(count if reduction == 'mean' else 1)",
        "float32 lost in the reference",
    ),
]

ACCUMULATED = "_f[_a] = _f[_a] + _s if _c else _s"
SORTED = "sorted(_f, key=_k, reverse=True)"
SUMMED = "np.sum(_s, axis=_x, keepdims=True).reshape(_a.shape)"

# (function of the engine, pattern, what stands there instead, what is wrong)
ENGINE: list[tuple[Any, str, str, str]] = [
    (engine.gradients, ACCUMULATED, "_f[_a] = _s", "overwrite instead of accumulate"),
    (
        engine.gradients,
        ACCUMULATED,
        "_f[_a] = operator.iadd(_f[_a], _s) if _c else _s",
        "aliased buffers: accumulate into somebody else's array",
    ),
    (sparse.owned, "_g.copy()", "_g", "aliased buffers: two gradients share memory"),
    (sparse.owned, "_g.base is not None", "False", "aliased buffers: a view of another gradient"),
    (sparse.owned, "id(_g) in _s", "False", "aliased buffers: one array for two leaves"),
    (engine.history, SORTED, "_f", "wrong order: as discovered"),
    (engine.history, SORTED, "sorted(_f, key=_k)", "wrong order: oldest first"),
    (engine.gradients, "min(_x, default=-1)", "max(_x, default=-1)", "zeros for the older of two wanted Tensors"),
    (engine.writable, "_t.updated = next(births)", "_t.birth = _t.updated = next(births)", "zeros for an updated leaf"),
    (
        engine.history,
        "_a.updated > _t.birth",
        "_a.updated > _t.birth and _a not in seen",
        "stale graphs found by luck",
    ),
    (
        engine.shares,
        "enumerate(_t.args)",
        "[(_t.args.index(_b), _b) for _b in set(_t.args)]",
        "same parent once",
    ),
    (engine.fit, "_s if _s.dtype == _a.data.dtype else _s.astype(_a.dtype)", "_s", "dtype drift"),
    (engine.fit, SUMMED, "np.mean(_s, axis=_x, keepdims=True).reshape(_a.shape)", "lost broadcast: a mean"),
    (
        engine.fit,
        SUMMED,
        "_s[tuple(slice(1) if k in _x else slice(None) for k in range(_s.ndim))].reshape(_a.shape)",
        "lost broadcast: the first entry",
    ),
    (engine.fit, "_s.shape != _a.data.shape", "_s.size > _a.data.size", "shapes compared by size"),
    (engine.seed, "np.array(_g, dtype=_y.dtype)", "np.array(_g, float)", "dtype drift from the upstream gradient"),
    (engine.seed, "np.array(_g, dtype=_y.dtype)", "np.ones_like(_y.data)", "upstream ignored"),
    (engine.Tensor.backward, "_d if _x._grad is None else _s", "_d", "grad overwritten"),
    (
        kinds.replayed,
        "gradients(_y, _l, _g, create_graph=_c)",
        "gradients(_y, _l, _g, create_graph=False)",
        "second order lost in fused ops",
    ),
    (engine.remembered, "_v.setflags(write=False)", "pass", "intermediates can be edited"),
    (engine.remembered, "return _t", "_t.saved = _t\nreturn _t", "every node a reference cycle"),
    (
        kinds.Fused.joint_shares,
        "_t.saved.pop()",
        "_t.saved[-1]",
        "buffers that a derivative wrote to are used again",
    ),
    (engine.writable, "_t.updated = next(births)", "pass", "stale graphs accepted"),
    (
        engine.Tensor.__init__,
        "np.array(_a, order='C')",
        "np.asarray(_a, order='C')",
        "the caller's array is the Tensor's",
    ),
    (
        rules.d_getitem,
        "Patches([(_i, _g)], _x.shape, _g.dtype)",
        "scatter_values(_g, _i, _x.shape)",
        "a loop over x[t] costs O(T²)",
    ),
]

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
from tinygrad_nlp import engine, fused, recurrent, rules
from tinygrad_nlp.core import interface, sparse
from tinygrad_nlp.rules import mT, ratio, spread, zeta

inv, solve = np.linalg.inv, np.linalg.solve


def first_part(i: int, g: Any, y: Any, *arrays: Any, axis: int) -> Any:
    return np.moveaxis(np.moveaxis(g, axis, 0)[: arrays[i].shape[axis]], 0, axis)


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
    (special.digamma, 0, lambda g, y, x: g * zeta(3, x), "wrong zeta"),
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
        rules.length,
        0,
        lambda g, y, x, axis=None, *, keepdims=False: x * spread(g, x, axis, keepdims),
        "length not divided by",
    ),
    (
        rules.length,
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
    (rules.zero_pad, 0, lambda g, y, x, width: g[tuple(slice(n) for n in x.shape)], "offset forgotten"),
    (rules.join, None, first_part, "offset forgotten"),
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
    (np.linalg.det, 0, lambda g, y, x: (g * y)[..., None, None] * inv(x), "transpose forgotten"),
    (np.linalg.det, 0, lambda g, y, x: g[..., None, None] * mT(inv(x)), "determinant lost"),
    (
        np.linalg.solve,
        1,
        lambda g, y, a, b: solve(a, g[..., None])[..., 0] if b.ndim == 1 else solve(a, g),
        "transpose forgotten",
    ),
    (np.linalg.solve, 1, lambda g, y, a, b: solve(mT(a), g), "a stack of matrices and one vector"),
    (np.linalg.cholesky, 0, lambda g, y, x: mT(inv(y)) @ np.tril(mT(y) @ g) @ inv(y), "diagonal not halved"),
    (rules.logabsdet, 0, lambda g, y, x: g[..., None, None] * inv(x), "transpose forgotten"),
    (tg.affine, 2, lambda g, y, x, W, b: np.mean(fused.rows(g), 0), "a mean over the batch"),
    (tg.affine, 2, lambda g, y, x, W, b: np.sum(g, 0), "one axis not summed"),
]

# (function, source, source instead, what is wrong): in ops differentiated by hand, composites, and the helpers of rules
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
    (tg.gru, recurrent.d_gru, "states[:-1] - n)", "n - states[:-1])", "sign of a gate"),
    (tg.gru, recurrent.d_gru, "np.subtract(rz, drz, drz)", "drz[...] = rz", "a gate's own derivative"),
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
    (interface.getitem, sparse.is_basic, "return all(", "return True or all(", "repeated ids overwrite"),
    (np.var, engine.TABLE[np.var].forward, "- ddof", "", "ddof forgotten"),
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
    (np.linalg.norm, engine.TABLE[np.linalg.norm].forward, "(1 / ord)", "0.5", "the root"),
    (
        np.linalg.norm,
        engine.TABLE[np.linalg.norm].forward,
        "np.where(total == 0, 1, total)",
        "total",
        "0 · inf at zero",
    ),
    (np.sum, rules.spread, " or np.ndim(x) == 0", "", "a 0-d array reduced over axis 0"),
    (
        np.einsum,
        engine.TABLE[np.einsum].forward,
        "== 1 != size[c]",
        "== 1 != size[c] and i == 0",
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

# (function of the engine, source, source instead, what is wrong)
ENGINE: list[tuple[Any, str, str, str]] = [
    (engine.gradients, "found[a] = found[a] + share", "found[a] = share", "overwrite instead of accumulate"),
    (
        engine.gradients,
        "found[a] = found[a] + share",
        "found[a] += share",
        "aliased buffers: accumulate into somebody else's array",
    ),
    (engine.gradients, "found[a] = share.copy()", "found[a] = share", "aliased buffers: two gradients share memory"),
    (engine.history, "sorted(found, key=by_birth, reverse=True)", "found", "wrong order: as discovered"),
    (engine.history, "reverse=True", "reverse=False", "wrong order: oldest first"),
    (engine.gradients, "if results_only else -1", "if wanted else -1", "zeros for a leaf that was updated"),
    (engine.history, "if a.birth > t.birth:", "if a.birth > t.birth and a not in seen:", "stale graphs found by luck"),
    (
        engine.shares,
        "for i, a in enumerate(t.args):",
        "for i, a in [(t.args.index(a), a) for a in set(t.args)]:",
        "same parent once",
    ),
    (engine.fit, "share if share.dtype == a.data.dtype else share.astype(a.dtype)", "share", "dtype drift"),
    (
        engine.fit,
        "np.sum(share, axis=stretched, keepdims=True).reshape(a.shape)",
        "np.mean(share, axis=stretched, keepdims=True).reshape(a.shape)",
        "lost broadcast: a mean",
    ),
    (
        engine.fit,
        "np.sum(share, axis=stretched, keepdims=True).reshape(a.shape)",
        "share[tuple(slice(1) if k in stretched else slice(None) for k in range(n))].reshape(a.shape)",
        "lost broadcast: the first entry",
    ),
    (engine.fit, "share.shape != a.data.shape", "share.size > a.data.size", "shapes compared by size"),
    (engine.seed, "dtype=y.dtype", "dtype=float", "dtype drift from the upstream gradient"),
    (
        engine.seed,
        "np.array(g.data if type(g) is Tensor else g, dtype=y.dtype)",
        "np.ones_like(y.data)",
        "upstream ignored",
    ),
    (engine.Tensor.backward, "d if x.grad is None else plain(x.grad + d)", "d", "grad overwritten"),
    (engine.replay, "create_graph=create_graph", "create_graph=False", "second order lost in fused ops"),
    (engine.call, "value.setflags(write=False)", "pass", "intermediates can be edited"),
    (engine.call, "t.saved = None", "t.saved = t", "every node a reference cycle"),
    (
        engine.shares,
        "keywords, t.saved = (keywords | {'saved': saved}, spent)",
        "keywords = keywords | {'saved': saved}",
        "buffers that a derivative wrote to are used again",
    ),
    (engine.writable, "t.birth = next(births)", "pass", "stale graphs accepted"),
    (
        engine.Tensor.__init__,
        "data = np.array(array, order='C')",
        "data = np.asarray(array, order='C')",
        "the caller's array is the Tensor's",
    ),
    (
        rules.d_getitem,
        "Patches([(index, g)], x.shape, g.dtype)",
        "scatter_values(g, index, x.shape)",
        "a loop over x[t] costs O(T²)",
    ),
]

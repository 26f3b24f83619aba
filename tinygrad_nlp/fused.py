"""Ops differentiated by hand, each beside its reference: the same function as a plain composition. Read this file
third.

The fused derivative is what one finds with pencil and paper; the reference is differentiated by the chain rule. That
both agree, in value, first and second order, is a theorem about each pair and a test. Fused ops take arrays or
Tensors, float32 or float64 but never mixed, and may write into buffers of their own; time comes first, then the
batch: (T, B, H).
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import scipy.sparse

from .calculus.kinds import Saved, values
from .calculus.rows import op
from .core.sparse import RowSparse, add_rows
from .core.types import Array
from .core.unbroadcast import sum_rows
from .recurrent import one_dtype
from .rules import logsumexp

SMALL = 1 << 16  # a table of at most this many numbers gets a dense gradient, which is cheaper than keeping track


def as_matrix(a: Array) -> Array:
    """(..., D) as a matrix (N, D): one large product instead of many small ones."""
    return a if a.ndim == 2 else a.reshape(math.prod(a.shape[:-1]), a.shape[-1])


# --- Affine map -------------------------------------------------------------------------------------------------------


def affine_reference(x: Array, W: Array, b: Array) -> Array:
    return x @ W + b


@op(
    lambda g, y, x, W, b: (as_matrix(g) @ W.T).reshape(x.shape),
    lambda g, y, x, W, b: as_matrix(x).T @ as_matrix(g),
    lambda g, y, x, W, b: sum_rows(as_matrix(g)),
    reference=affine_reference,
)
def affine(x: Array, W: Array, b: Array) -> Array:
    """x W + b for x (..., D), W (D, K), b (K,): (..., K) by one matrix product.

    Raises ValueError where the shapes do not fit, b included: a bias that broadcasts by accident is an error; TypeError
    for mixed dtypes.
    """
    if W.ndim != 2 or x.ndim == 0 or x.shape[-1] != W.shape[0] or b.shape != W.shape[1:]:
        raise ValueError(f"affine: x {x.shape}, W {W.shape}, b {b.shape} do not fit: (..., D), (D, K), (K,)")
    y = np.empty((math.prod(x.shape[:-1]), W.shape[1]), one_dtype("affine", x, W, b))
    np.matmul(as_matrix(x), W, out=y)
    y += b
    return y.reshape(*x.shape[:-1], W.shape[1])


# --- Softmax and cross-entropy ----------------------------------------------------------------------------------------


def softmax_cross_entropy_reference(
    logits: Array, labels: Any, ignore_index: int | None = None, reduction: str = "mean"
) -> Array:
    """−log softmax(x)ₖ = log Σⱼ exp(xⱼ) − xₖ for label k."""
    labels, weight = checked_labels(logits, labels, ignore_index, reduction)
    if ignore_index is not None:
        logits = np.where(weight[..., None] == 0, 0, logits)  # an ignored row may hold anything
    loss = logsumexp(logits) - np.take_along_axis(logits, labels[..., None], -1)[..., 0]
    loss = loss * weight
    return loss if reduction == "none" else np.sum(loss)


def d_softmax_cross_entropy(
    g: Array,
    y: Array,
    logits: Array,
    labels: Any,
    ignore_index: int | None = None,
    reduction: str = "mean",
    *,
    saved: Any,
) -> Array:
    """ŷ − y, the probabilities, less one at the label, is what the forward pass has saved."""
    if reduction == "none" or g != 1:
        saved *= g.reshape(-1, 1)
    return (saved.reshape(logits.shape),)


@op(d_softmax_cross_entropy, reference=softmax_cross_entropy_reference)
def softmax_cross_entropy(
    logits: Array, labels: Any, ignore_index: int | None = None, reduction: str = "mean"
) -> Array:
    """Cross-entropy of softmax(logits) and integer labels, in nats.

    logits (..., V); labels (...), integers in [0, V); positions whose label is ignore_index count for nothing.
    reduction: "mean" over the positions that count, "sum", or "none" for (...).

    With ŷ = softmax(x), CE = −Σᵢ yᵢ log ŷᵢ and y one at label k: CE = log Σⱼ exp(xⱼ) − xₖ, so ∂CE/∂xᵢ = exp(xᵢ)/Σⱼ
    exp(xⱼ) − [i = k], which is ŷ − y.

    Raises TypeError for labels that are no integers, ValueError for a shape or a label that does not fit (−1 is not
    the last class) and when nothing is left to average; a sum over nothing is 0. Warns when the logits are
    probabilities already.

    >>> bool(softmax_cross_entropy(np.zeros((1, 8)), np.array([3])) == np.log(8))
    True
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"softmax_cross_entropy: reduction {reduction!r} is none of 'mean', 'sum', 'none'")
    labels, weight = checked_labels(logits, labels, ignore_index, reduction)
    shape, x, labels = labels.shape, as_matrix(logits), labels.ravel()
    n, top = np.arange(len(labels)), x.real.max(axis=1, keepdims=True)
    if (
        len(top)
        and 0 < top[0, 0] <= 1
        and x.shape[1] > 1
        and x[0].real.min() >= 0
        and np.all(x.real >= 0)
        and np.all(abs(x.real.sum(1) - 1) < 1e-5)
    ):
        remedy = "pass the values before softmax"
        warnings.warn(f"softmax_cross_entropy: logits {logits.shape} are probabilities already: {remedy}", stacklevel=4)
    e = x - top
    if ignore_index is not None:
        weight = np.ravel(weight)
        e[weight == 0] = 0  # an ignored row may hold anything
    picked = e[n, labels]
    np.exp(e, out=e)
    total = e.sum(axis=1)
    loss = (np.log(total) - picked) * weight
    e *= (weight / total)[:, None]
    e[n, labels] -= weight  # ŷ − y, in the memory of the exponentials
    return Saved(loss.reshape(shape) if reduction == "none" else loss.sum(), e)


def checked_labels(logits: Array, labels: Any, ignore_index: int | None, reduction: str) -> tuple[np.ndarray, Any]:
    """Labels as an array with 0 where ignored, and what each weighs in the result: 1 or 1 / their number, 0 where
    ignored."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"softmax_cross_entropy: labels are {labels.dtype}, not integers: class numbers, not one-hot rows"
        )
    if logits.dtype.kind not in "fc":
        raise TypeError(f"softmax_cross_entropy: logits {logits.shape} are {logits.dtype}: pass floats")
    if logits.ndim == 0 or labels.shape != logits.shape[:-1]:
        raise ValueError(
            f"softmax_cross_entropy: logits {logits.shape} want labels {logits.shape[:-1]}, not {labels.shape}"
        )
    kept: Any = True if ignore_index is None else labels != ignore_index
    count = labels.size if ignore_index is None else np.count_nonzero(kept)
    if not count and reduction == "mean":
        raise ValueError(
            f"softmax_cross_entropy: no label of {labels.shape} is left to average: the batch is empty or ignored"
        )
    if ignore_index is not None:
        labels = np.where(kept, labels, 0)
    check_range("softmax_cross_entropy: label", labels, logits.shape[-1])
    return labels, kept / logits.dtype.type(count if reduction == "mean" else 1)


def check_range(what: str, numbers: np.ndarray, size: int) -> None:
    """Refuse integers outside [0, size), naming the first; negative ones too: −1 never means the last."""
    if numbers.size and numbers.astype(np.uint64).max() >= size:  # a negative one, unsigned, is larger than any size
        where = np.unravel_index(np.flatnonzero((numbers < 0) | (numbers >= size))[0], numbers.shape)
        at = ", ".join(str(int(i)) for i in where)
        raise ValueError(f"{what} {numbers[where]} at position ({at}) is outside [0, {size})")


# --- Lookups ----------------------------------------------------------------------------------------------------------


def checked_ids(what: str, table: Array, ids: Any) -> np.ndarray:
    ids = np.asarray(values(ids))
    if ids.dtype.kind not in "iu" and ids.size:
        raise TypeError(f"{what}: ids are {ids.dtype}, not integers: round or look them up first")
    if np.ndim(table) != 2:
        raise ValueError(f"{what}: the table has shape {np.shape(table)}, not (V, D)")
    ids = ids if ids.size else ids.astype(np.intp)
    check_range(f"{what}: id", ids, table.shape[0])
    return ids


def embedding_reference(table: Array, ids: Any) -> Array:
    return table[np.asarray(ids)]


def d_embedding(g: Array, y: Array, table: Array, ids: Any) -> Array:
    """Each looked-up row gets the gradient of its copy; rows looked up twice get the sum."""
    flat, g = np.ravel(ids).astype(np.intp), g.reshape(np.size(ids), table.shape[1])
    return (add_rows(flat, g, len(table)) if table.size <= SMALL else RowSparse(flat, g.copy(), table.shape),)


@op(d_embedding, reference=embedding_reference)
def embedding(table: Array, ids: Any) -> Array:
    """Rows of a table (V, D) for integer ids (...): (..., D).

    The gradient of a large table is a RowSparse, of a small one an array. Raises TypeError for ids that are no
    integers, ValueError for one outside [0, V).
    """
    return table.take(checked_ids("embedding", table, ids), 0)


def embedding_bag_reference(table: Array, ids: Any, offsets: Any) -> Array:
    bags = np.split(ids, offsets[1:])[: len(offsets)]
    means = [np.mean(table[bag], 0) if len(bag) else 0 * np.sum(table, 0) for bag in bags]
    return np.stack(means) if means else table[:0]


def d_embedding_bag(g: Array, y: Array, table: Array, ids: Any, offsets: Any, *, saved: Any) -> Array:
    """A row of a bag of n gets g / n, once for each time it is there: Aᵀ g, of A only the columns in use."""
    if saved is None:
        return d_embedding(g, y, table, ids)
    used = np.zeros(len(table), bool)
    used[saved.indices] = True
    rows = np.flatnonzero(used)
    place = np.empty(len(table), np.int32)
    place[rows] = np.arange(len(rows))
    A = scipy.sparse.csr_array((saved.data, place[saved.indices], saved.indptr), (len(g), len(rows)))
    gradient = RowSparse(rows, A.T @ g, table.shape, unique=True)
    return (gradient.todense() if table.size <= SMALL else gradient,)


@op(d_embedding_bag, reference=embedding_bag_reference)
def embedding_bag(table: Array, ids: Any, offsets: Any) -> Array:
    """Means of rows of a table (V, D) over ragged bags: flat ids (N,), bag b being ids[offsets[b]:offsets[b + 1]]
    and the last one running to the end: (B, D), zeros for an empty bag.

    The mean of word vectors of Iyyer et al. 2015, "Deep unordered composition rivals syntactic methods". The
    gradient is as in embedding(). Raises TypeError for ids or offsets that are no integers, ValueError for an id
    outside [0, V) or offsets that do not start at 0, decrease, or pass the end.
    """
    ids, offsets = checked_ids("embedding_bag", table, ids), np.asarray(offsets)
    if ids.ndim != 1 or offsets.ndim != 1 or (offsets.dtype.kind not in "iu"):
        what = f"ids {ids.shape} and offsets {offsets.shape} of {offsets.dtype}"
        raise TypeError(f"embedding_bag: {what}: both are flat arrays of integers")
    bounds = np.append(offsets.astype(np.intp), len(ids))
    lengths = np.diff(bounds)
    if bounds[0] != 0 or lengths.min(initial=0) < 0:
        raise ValueError(
            f"embedding_bag: offsets must start at 0, never decrease and end by {len(ids)}, the number of ids"
        )
    if len(ids) == len(lengths) and np.all(lengths == 1):  # bags of one are lookups
        return Saved(table.take(ids, 0), None)
    weights = np.repeat((1 / np.maximum(lengths, 1)).astype(table.dtype), lengths)
    A = scipy.sparse.csr_array((weights, ids, bounds), (len(offsets), len(table)))  # the means are A table
    return Saved(np.asarray(A @ table), A)

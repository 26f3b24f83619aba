"""Cases of the composites that networks use, and of the ops differentiated by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_nlp as tg
from tests.battery.cases import case, keywords, reduction
from tests.battery.drawing import Draw
from tinygrad_nlp.recurrent import lstm_states

# --- Statistics and products ------------------------------------------------------------------------------------------


def var_twin(x: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    squares = np.square(x - np.mean(x, axis, keepdims=True))
    n = squares.size // max(1, np.sum(squares, axis).size)
    return np.sum(squares, axis, keepdims=keepdims) / (n - ddof)


def std_twin(x: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    return np.sqrt(var_twin(x, axis, ddof, keepdims))


reduction(np.mean, min_dims=1, min_side=1)
reduction(np.prod)
reduction(np.cumprod, several=False, keepdims=False)


def moment(row: Any, twin: Any) -> None:
    @case(row, twin=twin)
    def build(d: Draw) -> tuple[Any, ...]:
        x = d.distinct(d.shape(min_dims=1, min_side=2))
        chosen = {"axis": d.pick(None, *range(-x.ndim, x.ndim), tuple(range(x.ndim)))}
        chosen |= d.pick({}, {"ddof": 1}, {"ddof": 0.5}, {"keepdims": True}, {"ddof": 1, "keepdims": True})
        return lambda fn, x: fn(x, **chosen), x


moment(np.var, var_twin)
moment(np.std, std_twin)


@case(np.prod, label="with zeros")
def prod_with_zeros(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1))
    x = np.where(d.integers(0, 3, x.shape) == 0, 0.0, x)
    chosen = keywords(d, x.ndim)
    return lambda fn, x: fn(x, **chosen), x


@case(np.cumprod, label="with zeros")
def cumprod_with_zeros(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1, max_side=5))
    x = np.where(d.integers(0, 3, x.shape) == 0, 0.0, x)
    axis = d.integer(-x.ndim, x.ndim - 1)
    return lambda fn, x: fn(x, axis), x


@case(
    np.clip,
    twin=lambda x, low, high: (
        x
        if high is None and low is None
        else np.where(
            (x.real > (-9 if low is None else low)) & (x.real < (9 if high is None else high)),
            x,
            np.clip(x.real, low, high),
        )
    ),
)
def clip(d: Draw) -> tuple[Any, ...]:
    low, high = d.pick((-0.5, 0.5), (None, 0.5), (-0.5, None), (np.array([-1.0, -0.5]), 1.5))
    shape = d.shape()
    return lambda fn, x: fn(x, low, high), d.distinct((*shape, 2) if isinstance(low, np.ndarray) else shape)


@case(np.clip, twin=lambda x, low, high: np.minimum(np.maximum(x, low), high), label="bounds that are Tensors")
def clip_by_tensors(d: Draw) -> tuple[Any, ...]:
    low, x, high = (d.distinct(s, o) for s, o in zip(d.broadcastable(3), (0.3, 0, 0.6), strict=True))
    return lambda fn, x, low, high: fn(x, low, high), x, low - 0.5, high + 0.5


# --- Lists, pieces, repetitions ---------------------------------------------------------------------------------------


@case(np.stack)
def stack(d: Draw) -> tuple[Any, ...]:
    shape = d.shape(max_dims=2)
    axis = d.integer(-len(shape) - 1, len(shape))
    constant = d.array(shape)
    if d.integer(0, 1):
        return lambda fn, x: fn([constant, x, x], axis), d.array(shape)
    return lambda fn, *xs: fn(xs, axis=axis), *(d.array(shape) for _ in range(d.integer(1, 3)))


def rows_of(row: Any) -> None:
    @case(row)
    def build(d: Draw) -> tuple[Any, ...]:
        shape = list(d.shape())
        axis = 0 if row is np.vstack or len(shape) == 1 else 1
        xs = []
        for _ in range(d.integer(1, 3)):
            if len(shape) > 1 or (row is np.hstack and shape):
                shape[axis] = d.integer(0, 3)
            xs.append(d.array(tuple(shape)))
        return lambda fn, *xs: fn([*xs, np.ones(xs[0].shape)]), *xs


rows_of(np.vstack)
rows_of(np.hstack)


def pieces(row: Any) -> None:
    @case(row)
    def build(d: Draw) -> tuple[Any, ...]:
        shape = list(d.shape(min_dims=1))
        axis = d.integer(-len(shape), len(shape) - 1)
        n = d.integer(1, 3)
        how = d.pick(n, [1, 2], [0, 1, 1], [2, 9], np.array([1]), [-1])
        if row is np.split and how is n:
            shape[axis] *= n

        def f(fn: Any, x: Any) -> Any:
            parts = fn(x, how, axis)
            assert [p.shape for p in parts] == [p.shape for p in row(np.zeros(shape), how, axis)]
            return np.concatenate([np.ravel(part) for part in parts[::-1]])

        return f, d.array(tuple(shape))


pieces(np.split)
pieces(np.array_split)


def half(row: Any, axis: int) -> None:
    @case(row)
    def build(d: Draw) -> tuple[Any, ...]:
        shape = list(d.shape(min_dims=2 if row is np.vsplit else 1 + axis))
        shape[axis] *= 2
        return lambda fn, x: np.concatenate([np.ravel(part) for part in fn(x, 2)[::-1]]), d.array(tuple(shape))


half(np.vsplit, 0)
half(np.hsplit, 1)


@case(np.column_stack)
def column_stack(d: Draw) -> tuple[Any, ...]:
    n = d.integer(0, 4)
    return lambda fn, a, b: fn([a, b, a]), d.array((n,)), d.array((n, d.integer(0, 3)))


@case(np.diff)
def diff(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1))
    n, axis = d.integer(0, 3), d.integer(-x.ndim, x.ndim - 1)
    return lambda fn, x: fn(x, n, axis), x


@case(np.average)
def average(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1, min_side=1))
    axis = d.integer(-x.ndim, x.ndim - 1)
    weights = d.array((x.shape[axis],) if d.pick(True, False) else x.shape, 0.5, 2)
    if d.pick(True, False):
        return lambda fn, x: fn(x, axis), x
    return lambda fn, x, w: fn(x, axis, w), x, weights


@case(np.atleast_1d)
@case(np.atleast_2d)
def at_least(d: Draw) -> tuple[Any, ...]:
    return lambda fn, x: fn(x), d.array(d.shape())


@case(np.full_like, twin=lambda a, fill: np.broadcast_to(fill, a.shape) + 0 * a)
def full_like(d: Draw) -> tuple[Any, ...]:
    shape = d.shape()
    return lambda fn, a, fill: fn(a, fill), d.array((3, *shape)), d.array(shape)


@case(np.flipud)
@case(np.fliplr)
@case(np.matrix_transpose)
def of_matrices(d: Draw) -> tuple[Any, ...]:
    return lambda fn, x: fn(x), d.array(d.shape(min_dims=2))


@case(np.vdot, twin=lambda a, b: np.sum(np.ravel(a) * np.ravel(b)))
def vdot(d: Draw) -> tuple[Any, ...]:
    shape = d.shape()
    return lambda fn, a, b: fn(a, b), d.array(shape), d.array(shape)


@case(np.tile)
def tile(d: Draw) -> tuple[Any, ...]:
    reps = d.pick(0, 1, 2, (2,), (2, 1), (1, 2, 3), (0, 2), ())
    return lambda fn, x: fn(x, reps), d.array(d.shape())


@case(np.repeat)
def repeat(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1))
    axis = d.axis(x.ndim, several=False)
    n = x.size if axis is None else x.shape[axis]
    repeats = d.pick(d.integer(0, 3), d.integers(0, 3, n), [2])
    return lambda fn, x: fn(x, repeats, axis), x


PAD_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def pad_twin(x: Any, width: Any, **keywords: Any) -> Any:
    """For complex x: constants are real, and the other modes only move numbers."""
    imaginary = np.pad(x.imag, width, **({} if keywords.get("mode", "constant") == "constant" else keywords))
    return np.pad(x.real, width, **keywords) + 1j * imaginary


@case(np.pad, twin=pad_twin)
def pad(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_side=1))
    width = d.pick(1, 0, (1, 2), *[[(d.integer(0, 4), d.integer(0, 4)) for _ in x.shape]] * (x.ndim > 0))
    mode = d.pick(*PAD_MODES)
    chosen = d.pick({"mode": mode}, {}, {"constant_values": 1.5}, {"mode": mode})
    return lambda fn, x: fn(x, width, **chosen), x


@case(np.take)
def take(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1, min_side=1))
    axis = d.axis(x.ndim, several=False)
    n = x.size if axis is None else x.shape[axis]
    indices = d.pick(d.integer(-n, n - 1), d.integers(-n, n, (2, 3)), [0, 0, -1], np.zeros(0, int))
    return lambda fn, x: fn(x, indices, axis), x


@case(np.take_along_axis)
def take_along_axis(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=1, min_side=1))
    axis = d.axis(x.ndim, several=False)
    n = x.size if axis is None else x.shape[axis]
    thin = d.integer(0, 3) == 0  # the other axes of the indices may broadcast
    shape = (
        (4,)
        if axis is None
        else tuple(2 if k == axis % x.ndim else 1 if thin else side for k, side in enumerate(x.shape))
    )
    indices = d.integers(-n, n, shape)
    return lambda fn, x: fn(x, indices, axis), x


@case(np.sort)
def sort(d: Draw) -> tuple[Any, ...]:
    x = d.distinct(d.shape(min_dims=1))
    axis = d.axis(x.ndim, several=False)
    return lambda fn, x: fn(x, axis), x


@case(np.diagonal)
def diagonal(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=2))
    axis1, axis2 = (int(k) for k in d.rng.permutation(x.ndim)[:2])
    offset = d.integer(-3, 3)
    return lambda fn, x: fn(x, offset, axis1, axis2 - x.ndim), x


@case(np.diag)
def diag(d: Draw) -> tuple[Any, ...]:
    k = d.integer(-3, 3)
    return lambda fn, x: fn(x, k), d.array(d.shape(min_dims=1, max_dims=2))


@case(np.trace)
def trace(d: Draw) -> tuple[Any, ...]:
    x = d.array(d.shape(min_dims=2))
    axis1, axis2 = (int(k) for k in d.rng.permutation(x.ndim)[:2])
    offset = d.integer(-2, 2)
    return lambda fn, x: fn(x, offset, axis1, axis2), x


# --- Products ---------------------------------------------------------------------------------------------------------


def product(row: Any, shapes_of: Any) -> None:
    @case(row)
    def build(d: Draw) -> tuple[Any, ...]:
        first, second = shapes_of(d)
        a, b = d.array(first), d.array(second)
        kind = d.pick("both", "both", "left", "right")
        if kind == "left":
            return lambda fn, a: fn(a, b), a
        return (lambda fn, b: fn(a, b), b) if kind == "right" else (lambda fn, a, b: fn(a, b), a, b)


def dot_shapes(d: Draw) -> Any:
    m, n, k, j = (d.integer(0, 3) for _ in range(4))
    return d.pick(
        ((), ()),
        ((), (m, n)),
        ((m,), ()),
        ((n,), (n,)),
        ((m, n), (n,)),
        ((n,), (n, k)),
        ((m, n), (n, k)),
        ((j, m, n), (n,)),
        ((n,), (j, n, k)),
        ((m, n), (j, n, k)),
        ((j, m, n), (n, k)),
    )


def inner_shapes(d: Draw) -> Any:
    m, n, k, j = (d.integer(0, 3) for _ in range(4))
    return d.pick(((), ()), ((), (m, n)), ((m,), ()), ((n,), (n,)), ((m, n), (n,)), ((n,), (k, n)), ((m, n), (j, k, n)))


product(np.dot, dot_shapes)
product(np.inner, inner_shapes)
product(np.outer, lambda d: (d.shape(max_dims=2), d.shape(max_dims=2)))
product(np.kron, lambda d: (d.shape(max_dims=2), d.shape(max_dims=2)))


@case(np.tensordot)
def tensordot(d: Draw) -> tuple[Any, ...]:
    m, n, k, j = (d.integer(0, 3) for _ in range(4))
    first, second, axes = d.pick(
        ((m, n), (n, k), 1),
        ((m, n), (k, j), 0),
        ((m, n, k), (n, k, j), 2),
        ((m, n), (k, n), (-1, -1)),
        ((m, n, k), (k, j, n), ([1, 2], [2, 0])),
        ((m, n), (n, m), ((0, 1), (1, 0))),
        ((n,), (n,), 1),
        ((m, n, k), (k, m), ([0, -1], [1, 0])),
        ((n, n), (n,), (0, 0)),
    )
    return lambda fn, a, b: fn(a, b, axes), d.array(first), d.array(second)


SPECS = """
    ij,jk->ik ij,jk i,i i,i->i ii ii->i iij->j ...ij,...jk->...ik ...i,i->... ij,jk,kl->il ij->ji ba ij-> i->
    ij,ij-> bij,bjk->bik i,j->ij ijk->k ... i...->... iji->j ii,ii->i ijj,k->ik ,i->i a,ab,abc->abc ij,kj
    i...,i...->... ij...,j...->i... iii->i ij,j,i-> ...a,...a bi,bj,ij->b aab,bcc->ac ab,bc-> i,i,i->"""
EINSUMS = tuple(SPECS.split())


def einsum_call(d: Draw, spec: str, thin: bool) -> tuple[Any, ...]:
    """Operands for a specification; thin: some axes have size 1 and broadcast."""
    full = d.shape(max_dims=2)
    side = {letter: d.integer(0, 3) for letter in sorted(set(spec) - set(" .,->"))}
    xs = []
    for letters in spec.replace(" ", "").split("->")[0].split(","):
        skip = d.integer(0, len(full)) if thin else 0
        shape: list[int] = []
        for c in letters.replace("...", "."):
            shape += full[skip:] if c == "." else [1 if thin and letters.count(c) == 1 and d.integer(0, 1) else side[c]]
        xs.append(d.array(tuple(shape)))
    return lambda fn, *xs: fn(spec, *xs), *xs


case(np.einsum)(lambda d: einsum_call(d, d.pick(*EINSUMS), False))
case(np.einsum, label="axes of size 1")(
    lambda d: einsum_call(d, d.pick("ij,jk->ik", "ij,jk", "ij,ij->", "...i,i->...", "i,j,ij"), True)
)


# --- Ops differentiated by hand ---------------------------------------------------------------------------------------


@case(tg.affine, twin=lambda x, W, b: x @ W + b)
def affine(d: Draw) -> tuple[Any, ...]:
    n, k = d.integer(1, 3), d.integer(0, 3)
    x, W, b = d.array((*d.shape(max_dims=2), n)), d.array((n, k)), d.array((k,))
    return (
        (lambda fn, W, b: fn(x.astype(W.dtype), W, b), W, b)
        if d.integer(0, 3) == 0
        else (lambda fn, x, W, b: fn(x, W, b), x, W, b)
    )


@case(tg.softmax_cross_entropy)
def cross_entropy(d: Draw) -> tuple[Any, ...]:
    shape, n = d.shape(min_side=1, max_dims=2), d.integer(1, 5)
    labels, reduction = d.integers(0, n, shape), d.pick("mean", "sum", "none")
    ignore = d.pick(None, -1, -100, 0) if labels.size > 1 else None
    if ignore is not None:
        labels = np.where(d.integers(0, 3, shape) == 0, ignore, labels)
        labels.flat[0], labels.flat[-1] = ignore, n - 1 if n > 1 else 0
        ignore = ignore if n > 1 or ignore < 0 else None
    return lambda fn, x: fn(x, labels, ignore_index=ignore, reduction=reduction), d.array((*shape, n), -4, 4)


@case(tg.embedding)
def embedding(d: Draw) -> tuple[Any, ...]:
    n = d.integer(1, 5)
    ids = d.integers(0, n, d.shape(max_dims=2))
    return lambda fn, x: fn(x, ids), d.array((n, d.integer(1, 3)))


@case(tg.embedding_bag)
def embedding_bag(d: Draw) -> tuple[Any, ...]:
    n, lengths = d.integer(1, 5), [d.integer(0, 3) for _ in range(d.integer(1, 4))]
    ids = d.integers(0, n, sum(lengths))
    offsets = np.cumsum([0, *lengths[:-1]])
    return lambda fn, x: fn(x, ids, offsets), d.array((n, d.integer(1, 3)))


def cell(row: Any, gates: int, states: int) -> None:
    @case(row)
    def build(d: Draw) -> tuple[Any, ...]:
        T, B, H = d.integer(1, 4), d.integer(1, 3), d.integer(1, 3)
        xs = [d.array((T, B, gates * H)), *(d.array((B, H)) for _ in range(states)), d.array((H, gates * H))]
        given = [False, *(d.integer(0, 3) == 0 for _ in xs[1:])]  # constants, in the dtype of the others

        def f(fn: Any, *some: Any) -> Any:
            rest = iter(some)
            return fn(
                *[a.astype(some[0].dtype) if constant else next(rest) for a, constant in zip(xs, given, strict=True)]
            )

        return f, *(x for x, constant in zip(xs, given, strict=True) if not constant)


cell(tg.rnn, 1, 1)
cell(tg.gru, 3, 1)
cell(lstm_states, 4, 2)

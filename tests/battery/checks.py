"""What must hold for every row, whatever its inputs: four checks of a drawn Call. test_rows runs them over the
table, test_planted against planted mistakes.

The oracles are independent of the library: the complex step, Im f(x + ihv)/h, which has no rounding error to speak
of, and central differences, which ask nothing of f. Both along a random direction, against a random upstream gradient
g: ⟨g, Jv⟩ = ⟨Jᵀg, v⟩.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.battery.drawing import Call, is_tensor
from tinygrad_nlp import RowSparse, Tensor, gradients
from tinygrad_nlp.strategies import laid_out

H = 1e-5  # step of the differences


def dense(g: Any) -> np.ndarray:
    """A gradient as an array."""
    return g.todense() if isinstance(g, RowSparse) else g


def numbers(g: Any) -> np.ndarray:
    return g.data if is_tensor(g) else np.asarray(g)


def close(a: Any, b: Any, scale: Any, tolerance: float, what: str) -> None:
    """scale: of what was added up, where a and b may be the little that is left of it, down to an exact zero."""
    error = float(np.max(np.abs(np.asarray(a) - b), initial=0))
    limit = tolerance * (1e-2 + float(np.max(scale, initial=0)))
    assert error <= limit, f"{what}: {a} against {b}, off by {error:.1e}, more than {limit:.1e}"


def as_views(xs: Any, seed: int) -> tuple[list[Tensor], list[Tensor], list[Any]]:
    """Tensors of values xs that are contiguous, reversed, transposed or strided views; the leaves behind them; how to
    go from the gradient of a view to that of its leaf."""
    leaves, views, undo = [], [], []
    for k, x in enumerate(xs):
        kind = (seed >> 2 * k) & 3
        if kind == 1:
            leaves.append(Tensor(np.flip(x)))
            views.append(np.flip(leaves[-1]))
            undo.append(np.flip)
        elif kind == 2:
            leaves.append(Tensor(np.transpose(x)))
            views.append(np.transpose(leaves[-1]))
            undo.append(np.transpose)
        elif kind == 3:
            leaves.append(Tensor(np.repeat(x[..., None], 2, -1)))
            views.append(leaves[-1][..., 0])
            undo.append(lambda g: np.stack([g, 0 * g], -1))
        else:
            leaves.append(Tensor(x))
            views.append(leaves[-1])
            undo.append(lambda g: g)
    return leaves, views, undo


def first_order(call: Call) -> None:
    """The value is NumPy's; gradients agree with the complex step to 1e-12 and with central differences to 1e-6."""
    rng = np.random.default_rng(call.seed)
    xs = call.xs
    _, ts, _ = as_views(xs, call.seed)
    y, expected = call.on(ts), np.asarray(call.on(xs))
    assert is_tensor(y), f"{type(y)} came out of Tensors"
    assert y.shape == expected.shape and y.dtype == expected.dtype, (
        f"{y.shape} {y.dtype}, NumPy {expected.shape} {expected.dtype}"
    )
    close(y.data, expected, np.abs(expected), 1e-12, "value against NumPy's")
    g = laid_out(rng.standard_normal(y.shape), ("contiguous", "reversed", "strided", "read-only")[call.seed % 4])
    for i, (x, d) in enumerate(zip(xs, gradients(y, ts, g), strict=True)):
        d = dense(d)
        assert type(d) is np.ndarray and d.shape == x.shape and d.dtype == x.dtype, (
            f"argument {i}: gradient {d.shape} {d.dtype} of {x.shape}"
        )
        v = rng.standard_normal(x.shape)

        def along(step: Any, i: int = i, v: Any = v) -> tuple[Any, ...]:
            return tuple(x + step * v if k == i else x for k, x in enumerate(xs))

        ours = np.sum(d * v)
        if call.case.twin is not False:
            dy = np.imag(call.complex(along(1e-30j))) / 1e-30
            close(
                ours,
                np.sum(g * dy),
                np.sum(np.abs(d * v)) + np.sum(np.abs(g * dy)) + np.sum(np.abs(g)),
                1e-12,
                f"argument {i}, complex step",
            )
        dy = (call.on(along(H)) - np.asarray(call.on(along(-H)))) / (2 * H)
        close(
            ours,
            np.sum(g * dy),
            np.sum(np.abs(d * v)) + np.sum(np.abs(g * dy)),
            1e-6,
            f"argument {i}, central differences",
        )


def second_order(call: Call) -> None:
    """Gradients with create_graph are the plain ones; their own gradients agree with differences of gradients, with
    uᵀHv = vᵀHu, and, with respect to g, with the forward derivative Jv."""
    rng = np.random.default_rng(call.seed)
    _, ts, _ = as_views(call.xs, call.seed)
    y = call.on(ts)
    g = Tensor(rng.standard_normal(y.shape))
    us, vs = ([rng.standard_normal(x.shape) for x in call.xs] for _ in range(2))
    graph = gradients(y, ts, g, create_graph=True)
    plain = [dense(d) for d in gradients(y, ts, g)]
    for i, (d, p) in enumerate(zip(graph, plain, strict=True)):
        assert np.shape(d) == p.shape and numbers(d).dtype == p.dtype, f"argument {i}: {np.shape(d)} with create_graph"
        close(numbers(d), p, np.abs(p), 1e-10, f"argument {i}: gradient with create_graph")

    def inner(ds: Any, directions: Any) -> Any:
        return sum(np.sum(d * v) for d, v in zip(ds, directions, strict=True))

    def at(step: float) -> list[np.ndarray]:
        moved = [Tensor(x + step * v) for x, v in zip(call.xs, vs, strict=True)]
        return [dense(d) for d in gradients(call.on(moved), moved, g)]

    *hv, jv = map(dense, gradients(inner(graph, vs), [*ts, g]))
    hu = [dense(d) for d in gradients(inner(graph, us), ts)]
    moved = [[x + step * v for x, v in zip(call.xs, vs, strict=True)] for step in (H, -H)]
    forward = (np.asarray(call.on(moved[0])) - call.on(moved[1])) / (2 * H)
    close(jv, forward, np.abs(forward), 1e-6, "Jv by two reverse sweeps")
    change = [(more - less) / (2 * H) for more, less in zip(at(H), at(-H), strict=True)]
    scale = sum(np.sum(np.abs(u * d)) for u, d in zip(us, hv, strict=True)) + sum(
        np.sum(np.abs(v * d)) for v, d in zip(vs, hu, strict=True)
    )
    scale += sum(np.sum(np.abs(u * d)) for u, d in zip(us, change, strict=True)) + 1e-3 * inner(
        map(abs, plain), map(abs, us)
    )
    close(inner(hv, us), inner(change, us), scale, 1e-6, "uᵀHv against differences of gradients")
    close(inner(hv, us), inner(hu, vs), scale, 1e-9, "uᵀHv = vᵀHu")


def metamorphic(call: Call) -> None:
    """Gradients are linear in g, the same for a view as for a copy, the same twice; nothing that went in changes;
    what comes out shares memory with nothing; a read-only g of stride 0 is taken."""
    rng = np.random.default_rng(call.seed)
    xs = [x.copy() for x in call.xs]
    ts = [Tensor(x) for x in xs]
    y = call.on(ts)
    value, g1, g2 = y.data.copy(), rng.standard_normal(y.shape), rng.standard_normal(y.shape)
    kept = [g1.copy(), g2.copy()]
    first, second = ([dense(d) for d in gradients(y, ts, g)] for g in (g1, g2))
    both, again = ([dense(d) for d in gradients(y, ts, g)] for g in (2 * g1 - 3 * g2, g1))
    for i, (a, b, c, d) in enumerate(zip(first, second, both, again, strict=True)):
        scale = np.max(np.abs([*a.flat, *b.flat, *g1.flat, *g2.flat]), initial=0)
        close(2 * a - 3 * b, c, scale, 1e-12, f"argument {i}: linear in g")
        assert np.array_equal(a, d), f"argument {i}: two runs differ"
        others = [*xs, y.data, g1, g2, *second, *first[:i], *(t.data for t in ts)]
        assert a.size == 0 or not any(np.shares_memory(a, other) for other in others), (
            f"argument {i}: its gradient shares memory"
        )
    for before, after in zip(
        [*call.xs, *call.xs, value, *kept], [*xs, *(t.data for t in ts), y.data, g1, g2], strict=True
    ):
        assert np.array_equal(before, after), "an input was changed in place"
    leaves, views, undo = as_views(xs, call.seed // 7)
    through = gradients(call.on(views), leaves, g1)
    for i, (a, b, back) in enumerate(zip(first, through, undo, strict=True)):
        close(back(a), dense(b), np.abs(a) + np.max(np.abs(g1), initial=0), 1e-12, f"argument {i}: a view is its copy")
    constant = Tensor(value)
    earlier = constant * 1.0  # made before the call, so served after it from the same g
    *beside, last = gradients(call.on(ts) + earlier, [*ts, constant], g1)
    assert np.array_equal(last, g1) and all(np.array_equal(dense(d), a) for d, a in zip(beside, first, strict=True)), (
        "g was written to"
    )
    gradients(y, ts, np.broadcast_to(1.0, y.shape))
    for g in {**gradients(y, g=g1)}.values():
        assert np.asarray(dense(g)).flags.writeable


def single_precision(call: Call) -> None:
    """In float32: NumPy's dtype comes out, each gradient has its Tensor's dtype, and float64's numbers as far as they
    go."""
    rng = np.random.default_rng(call.seed)
    small = [x.astype(np.float32) for x in call.xs]
    ts, wide = [Tensor(x) for x in small], [Tensor(x.astype(np.float64)) for x in small]
    y, y64 = call.on(ts), call.on(wide)
    assert y.dtype == np.asarray(call.on(small)).dtype, f"float32 became {y.dtype}"
    g = rng.standard_normal(y.shape).astype(np.float32)
    for i, (a, b) in enumerate(zip(gradients(y, ts, g), gradients(y64, wide, g), strict=True)):
        assert a.dtype == np.float32, f"argument {i}: the gradient of a float32 Tensor is {a.dtype}"
        close(dense(a), dense(b), 1 + np.abs(dense(b)), 5e-5, f"argument {i}: float32 against float64")

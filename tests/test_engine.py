"""The engine: shared nodes, order, accumulation. Random programs are compared with forward mode, every leaf."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from tests.battery.drawing import SEEDS
from tests.battery.forward_mode import push
from tinygrad_nlp import RowSparse, Tensor, embedding, engine, gradients, softmax_cross_entropy
from tinygrad_nlp.engine import call, history
from tinygrad_nlp.seeing.observing import observing
from tinygrad_nlp.strategies import LAYOUTS, laid_out, programs

# --- Random programs --------------------------------------------------------------------------------------------------


@given(programs(), SEEDS)
def test_random_programs_agree_with_forward_mode(program: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    leaves = [Tensor(x) for x in program.leaves]
    y = program(*leaves)
    g = laid_out(rng.standard_normal(y.shape), str(rng.choice(LAYOUTS)))
    found = gradients(y, g=g)
    assert set(found) == set(leaves)
    for i, leaf in enumerate(leaves):
        tangents = [rng.standard_normal(x.shape) if k == i else np.zeros(x.shape) for k, x in enumerate(program.leaves)]
        value, derivative = push(program, program.leaves, tangents)
        assert np.allclose(y.data, value, rtol=1e-12, atol=1e-12)
        scale = np.sum(abs(g * derivative)) + np.sum(abs(found[leaf] * tangents[i])) + 1
        assert abs(np.sum(g * derivative) - np.sum(found[leaf] * tangents[i])) < 1e-11 * scale, (
            f"leaf {i} of\n{program}"
        )
        assert found[leaf].dtype == np.float64 and found[leaf].shape == leaf.shape


@given(programs(), SEEDS)
def test_intermediates_are_leaves_of_what_comes_after(program: Any, seed: int) -> None:
    """For any value inside, gradients(y, [value]) is the gradient of the rest of the program with the value as a
    leaf."""
    rng = np.random.default_rng(seed)
    leaves = [Tensor(x) for x in program.leaves]
    values: list[Any] = list(leaves)
    for fn, places, keywords in program.steps:
        values.append(fn(*[values[k] for k in places], **keywords))
    y, k = values[-1], int(rng.integers(len(values)))
    g = rng.standard_normal(y.shape)
    again: list[Any] = [Tensor(v.data) if i <= k or i < len(leaves) else None for i, v in enumerate(values)]
    for i, (fn, places, keywords) in enumerate(program.steps, len(leaves)):
        if i > k:
            again[i] = fn(*[again[p] for p in places], **keywords)
    expected = gradients(again[-1], [again[k]], g)[0]
    assert np.allclose(gradients(y, [values[k]], g)[0], expected, rtol=1e-12, atol=1e-13)


@given(programs(), SEEDS)
def test_programs_to_second_order(program: Any, seed: int) -> None:
    """uᵀHv by a second reverse sweep, against forward mode through differences of the gradient."""
    rng = np.random.default_rng(seed)
    leaves = [Tensor(x) for x in program.leaves]
    y = program(*leaves)
    g, vs = rng.standard_normal(y.shape), [rng.standard_normal(x.shape) for x in program.leaves]
    graph = gradients(y, leaves, g, create_graph=True)
    along = sum(np.sum(d * v) for d, v in zip(graph, vs, strict=True))
    hv = gradients(along, leaves)

    def at(step: float) -> list[np.ndarray]:
        moved = [Tensor(x + step * v) for x, v in zip(program.leaves, vs, strict=True)]
        return gradients(program(*moved), moved, g)

    for ours, more, less in zip(hv, at(1e-5), at(-1e-5), strict=True):
        change = (more - less) / 2e-5
        assert np.allclose(ours, change, rtol=1e-6, atol=1e-6 * (1 + np.max(np.abs(change), initial=0))), program


# --- Accumulation and order -------------------------------------------------------------------------------------------


def test_the_same_tensor_on_both_sides() -> None:
    x = Tensor([3.0, -2.0])
    (x * x + x / x - x @ x).sum().backward()
    assert np.array_equal(x.grad, 2 * x.data - 4 * x.data)


def test_backward_adds_to_grad_and_gradients_leaves_it_alone() -> None:
    x = Tensor([1.0, 2.0])
    y = (x * x).sum()
    y.backward()
    y.backward()
    assert np.array_equal(x.grad, [4.0, 8.0])
    gradients(y)
    assert np.array_equal(x.grad, [4.0, 8.0])


def test_two_gradients_share_no_memory() -> None:
    a, b = Tensor(np.ones(3)), Tensor(np.ones(3))
    g = np.arange(3.0)
    (a + b + a.reshape(3)).backward(g)
    a.grad *= 10
    g *= 10
    assert np.array_equal(b.grad, [0, 1, 2]) and np.array_equal(a.grad, [0, 20, 40])


def test_a_gradient_is_no_view_of_another() -> None:
    a, b, c = Tensor(np.ones((2, 3))), Tensor(np.ones((3, 2))), Tensor(np.ones((3, 2)))
    found = gradients(a.T + b + np.broadcast_to(c, (3, 2)), g=np.ones((3, 2)))
    for x, y in ((a, b), (b, c), (a, c)):
        assert not np.shares_memory(found[x], found[y]) and found[x].flags.writeable


def test_gradients_of_two_tables_share_no_memory() -> None:
    """Row-sparse ones neither: an optimiser may scale their values in place."""
    a, b = (Tensor(np.zeros((40_000, 2))) for _ in range(2))
    found = gradients(embedding(a, np.array([1, 2])) + embedding(b, np.array([1, 2])), g=np.ones((2, 2)))
    assert type(found[a]) is RowSparse and not np.shares_memory(found[a].values, found[b].values)


def test_a_graph_can_be_walked_again() -> None:
    """Derivatives write into what the forward pass has saved; asked again, the call is run again."""
    rng = np.random.default_rng(3)
    x, labels = Tensor(rng.standard_normal((3, 4))), np.array([0, 3, 1])
    loss = softmax_cross_entropy(x, labels)
    one, two, three = (gradients(loss, [x], np.array(2.0))[0] for _ in range(3))
    assert np.array_equal(one, two) and np.array_equal(two, three)
    e = np.exp(x.data - x.data.max(1, keepdims=True))
    np.testing.assert_allclose(one, 2 / 3 * (e / e.sum(1, keepdims=True) - np.eye(4)[labels]), rtol=1e-12, atol=1e-15)
    assert not any(np.may_share_memory(a, b) for a, b in [(one, two), (two, three), (one, three)])


def test_diamonds_and_long_ways_round() -> None:
    """A node reached both directly and by a long detour waits for all its contributions."""
    x = Tensor(2.0)
    a = x * 1.0
    long = a
    for _ in range(10):
        long = long * 1.0
    (a * long + a).backward()
    assert x.grad == 2 * 2.0 + 1


def test_sixty_doublings() -> None:
    x = Tensor(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad == 2.0**60 and len(history(y)) == 61


def test_a_chain_of_100_000() -> None:
    x = Tensor(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    assert x.grad == 1.0
    del y  # and dropping the graph does not recurse either


def test_a_loop_over_steps_costs_the_order_of_its_length() -> None:
    """Counted, not timed: the numbers in all the shares of x, for T uses of x[t], grow as T and not as T²."""

    def numbers(T: int) -> int:
        counted = 0

        class Count:
            def forward(self, t: Tensor) -> None:
                pass

            def backward(self, t: Tensor, g: Any, a: Any, share: Any) -> None:
                nonlocal counted
                parts = getattr(share, "parts", None)
                counted += share.size if parts is None else sum(np.size(part) for _, part in parts)

        x = Tensor(np.ones((T, 4)))
        y = sum(np.sum(np.tanh(x[t])) for t in range(T))
        with observing(Count()):
            found = gradients(y)[x]
        assert np.allclose(found, 1 - np.tanh(1) ** 2)
        return counted

    assert numbers(100) < 2.1 * numbers(50)


def test_iteration_and_unpacking() -> None:
    x = Tensor(np.arange(6.0).reshape(3, 2))
    a, _, c = x
    sum((row * row).sum() for row in x).backward()
    assert np.array_equal(x.grad, 2 * x.data) and len(x) == 3 and np.array_equal((a + c).data, [4, 6])


def test_observers_see_every_call_and_every_share() -> None:
    seen: list[str] = []

    class Log:
        def forward(self, t: Tensor) -> None:
            seen.append(f"forward {t.fn.__name__}")

        def backward(self, t: Tensor, g: Any, a: Any, share: Any) -> None:
            seen.append(f"backward {t.fn.__name__} {share!r}")

    x = Tensor(2.0)
    with observing(Log()):
        np.exp(x * x).backward()
    assert [line.split()[:2] for line in seen] == [
        ["forward", "multiply"],
        ["forward", "exp"],
        ["backward", "exp"],
        *[["backward", "multiply"]] * 2,
    ]


# --- gradients(): what may be asked -----------------------------------------------------------------------------------


def test_what_y_does_not_depend_on_is_zero() -> None:
    x, z = Tensor([1.0, 2.0]), Tensor(np.ones((2, 3), np.float32))
    a, b, c = gradients(np.sum(x), [x, z, x])
    assert np.array_equal(b, np.zeros((2, 3))) and b.dtype == np.float32 and np.array_equal(a, c)
    assert gradients(np.sum(x), []) == []


def test_the_gradient_of_the_output_and_of_a_leaf_that_is_the_output() -> None:
    x = Tensor([1.0, 2.0])
    y = x * 3.0
    dy, dx = gradients(y, [y, x], np.array([1.0, 10.0]))
    assert np.array_equal(dy, [1, 10]) and np.array_equal(dx, [3, 30])
    assert np.array_equal(gradients(x, g=[1, 2])[x], [1, 2])


def test_a_gradient_may_be_a_list_an_integer_array_or_a_tensor() -> None:
    x = Tensor(np.ones(2, np.float32))
    for g in ([1, 2], np.array([1, 2]), Tensor([1.0, 2.0]), np.float64([1, 2])):
        found = gradients(x * 2.0, g=g)[x]
        assert np.array_equal(found, [2, 4]) and found.dtype == np.float32


def test_higher_orders() -> None:
    x = Tensor(0.7)
    y = np.sin(x)
    for k in range(1, 6):
        (y,) = gradients(y, [x], create_graph=True)
        assert abs(y.item() - np.sin(0.7 + k * np.pi / 2)) < 1e-14


def test_create_graph_gives_tensors_for_all_leaves() -> None:
    x, z = Tensor([0.5]), Tensor([2.0])
    found = gradients(x * x * z, create_graph=True)
    assert set(found) == {x, z} and all(type(d) is Tensor for d in found.values())
    assert gradients(found[x])[x] == 4.0


def test_a_mixed_graph_of_a_sparse_and_a_dense_use_of_one_table() -> None:
    table = Tensor(np.random.default_rng(0).normal(size=(40_000, 2)))
    ids = np.array([3, 5, 3])
    looked = gradients(np.sum(embedding(table, ids)))[table]
    assert type(looked) is RowSparse and looked.rows.size == 3
    for y in (
        np.sum(embedding(table, ids)) + np.sum(table),
        np.sum(table) + np.sum(embedding(table, ids)),
        np.sum(table[7]) + np.sum(embedding(table, ids)),
        np.sum(embedding(table, ids)) + np.sum(table[7]),
    ):
        found = gradients(y)[table]
        expected = looked.todense() + (1.0 if found[0, 0] else 0.0)
        expected[7] = 1.0
        assert type(found) is np.ndarray and np.array_equal(found, expected)
    through = gradients(np.sum(embedding(table * 2.0, ids)))[table]
    assert np.array_equal(through, 2 * looked.todense())


def test_repr_names_the_call() -> None:
    x = Tensor([1.0, 2.0])
    assert repr(x) == "Tensor([1., 2.])" and repr(x * 2.0) == "Tensor([2., 4.], made by multiply)"
    assert f"{x.sum():.2f}" == "3.00" and f"{x}" == repr(x) and Tensor([2.5]).item() == 2.5


def test_an_exception_in_backward_leaves_every_grad_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(g: Any, y: Any, x: Any) -> Any:
        raise RuntimeError("on the way")

    x, z = Tensor([1.0]), Tensor([2.0])
    (x * z).backward()
    before = x.grad.copy(), z.grad.copy()
    y = np.sin(np.tanh(x) * z) * z
    monkeypatch.setattr(engine.TABLE[np.tanh], "derivatives", (broken,))
    with pytest.raises(RuntimeError, match="on the way"):
        y.backward()
    assert (x.grad, z.grad) == before


def test_call_is_the_forward_pass() -> None:
    x = Tensor([0.5])
    y = call(np.sin, (x,))
    assert y.fn is np.sin and y.args == (x,) and y.kwargs == {} and history(y) == [y, x]

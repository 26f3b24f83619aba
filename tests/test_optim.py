"""Optimisers against their papers' formulas in plain NumPy, dense and row-sparse; what they take and what they keep."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from tinygrad_nlp import RowSparse, Tensor, nn, optim

RNG = np.random.default_rng


class Textbook:
    """One array's optimiser, formula by formula, without buffers or blocks."""

    def __init__(self, w: np.ndarray, kind: str, lr: float, **settings: float) -> None:
        self.w, self.kind, self.lr, self.s = w.copy(), kind, lr, settings
        self.u = self.m = self.v = np.zeros_like(w)

    def step(self, g: np.ndarray, t: int) -> None:
        if self.kind == "sgd":
            g = g + self.s.get("weight_decay", 0) * self.w
            self.u = self.s.get("momentum", 0) * self.u + g
            self.w = self.w - self.lr * self.u
            return
        b1, b2, eps = (self.s.get(key, usual) for key, usual in (("b1", 0.8), ("b2", 0.95), ("eps", 1e-3)))
        self.m = b1 * self.m + (1 - b1) * g
        self.v = b2 * self.v + (1 - b2) * g**2
        m_hat, v_hat = self.m / (1 - b1**t), self.v / (1 - b2**t)
        self.w = self.w - self.lr * self.s.get("weight_decay", 0) * self.w - self.lr * m_hat / (np.sqrt(v_hat) + eps)


ADAM = {"betas": (0.8, 0.95), "eps": 1e-3}
MADE: dict[str, tuple[Any, str, dict[str, float]]] = {
    "sgd": (lambda model: optim.SGD(model, 0.1), "sgd", {}),
    "momentum": (lambda model: optim.SGD(model, 0.1, momentum=0.9), "sgd", {"momentum": 0.9}),
    "decay": (
        lambda model: optim.SGD(model, 0.1, momentum=0.9, weight_decay=0.2),
        "sgd",
        {"momentum": 0.9, "weight_decay": 0.2},
    ),
    "adam": (lambda model: optim.Adam(model, 0.1, **ADAM), "adam", {}),
    "adamw": (lambda model: optim.AdamW(model, 0.1, **ADAM, weight_decay=0.2), "adam", {"weight_decay": 0.2}),
}
SHAPES = [
    (),
    (0,),
    (5,),
    (3, 4),
    (2, 0, 3),
    (70000,),
    (700, 130),
    (2, 40000),
]  # with a BLOCK of 2¹⁶, the last three go in several


@pytest.mark.parametrize("name", MADE)
def test_dense_steps_are_the_textbook(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optim, "BLOCK", 1 << 16)
    make, kind, settings = MADE[name]
    rng = RNG(0)
    tensors = [Tensor(rng.standard_normal(shape)) for shape in SHAPES] + [Tensor(rng.standard_normal((4, 300)).T)]
    books = [Textbook(t.data, kind, 0.1, **settings) for t in tensors]
    optimizer = make(tensors)
    for t in range(1, 5):
        optimizer.lr = 0.1 / t
        for tensor, book in zip(tensors, books, strict=True):
            tensor.grad, book.lr = rng.standard_normal(tensor.shape), 0.1 / t
            book.step(tensor.grad, t)
        kept = [tensor.grad.copy() for tensor in tensors]
        optimizer.step()
        for tensor, book, g in zip(tensors, books, kept, strict=True):
            np.testing.assert_allclose(tensor.data, book.w, rtol=1e-12, atol=1e-12)
            np.testing.assert_array_equal(tensor.grad, g)  # a gradient belongs to its user


@pytest.mark.parametrize(("make", "decay"), [(optim.Adam, 0.0), (optim.AdamW, 0.01)])
def test_defaults_are_those_of_the_papers_and_of_pytorch(make: Any, decay: float) -> None:
    """lr 0.001, β 0.9 and 0.999, ε 1e-8, λ 0.01: a gradient of 1e-8 shows ε, steps of both signs the betas."""
    start = np.array([1.0, -2.0, 3.0])
    t = Tensor(start)
    optimizer, book = (
        make([t]),
        Textbook(start, "adam", 0.001, b1=0.9, b2=0.999, eps=1e-8, weight_decay=decay),
    )
    for step, sign in enumerate([1, 1, -1, 1, -1, -1], 1):
        g = sign * np.array([1e-8, 0.5, 2.0]) * step
        t.grad = g
        optimizer.step()
        book.step(g, step)
        np.testing.assert_allclose(t.data - start, book.w - start, rtol=1e-10)
    assert optim.SGD([t], 0.1).momentum == optim.SGD([t], 0.1).weight_decay == 0
    assert optim.Average([t]).decay == 0.995


def sparse(rng: np.random.Generator, V: int, D: int, n: int) -> RowSparse:
    """A gradient in two parts with repeated rows."""
    parts = [RowSparse(rng.integers(0, V, n), rng.standard_normal((n, D)), (V, D)) for _ in range(2)]
    return parts[0] + parts[1]


@pytest.mark.parametrize("name", MADE)
def test_row_sparse_steps_are_the_textbook_on_the_rows_that_were_looked_up(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optim, "BLOCK", 1 << 16)
    make, kind, settings = MADE[name]
    rng = RNG(1)
    table = Tensor(rng.standard_normal((900, 100)))
    optimizer, books = make([table]), [Textbook(row, kind, 0.1, **settings) for row in table.data]
    for t in range(1, 5):
        table.grad = sparse(rng, 900, 100, 700)
        touched, dense = np.unique(table.grad.rows), table.grad.todense()
        for row in touched:
            books[row].step(dense[row], t)  # t counts all steps, those without this row too
        optimizer.step()
        np.testing.assert_allclose(table.data, [book.w for book in books], rtol=1e-12, atol=1e-12)
        assert optim.rows_in_block(table.shape) < len(touched) < 900  # two blocks


@pytest.mark.parametrize(("kind", "decay"), [(optim.Adam, {}), (optim.AdamW, {"weight_decay": 0.2})])
@pytest.mark.parametrize(("V", "D"), [(900, 100), (1, 1), (7, 0)])
def test_adam_on_all_rows_takes_a_row_sparse_gradient_as_the_dense_one_that_it_stands_for(
    kind: Any, decay: dict[str, float], V: int, D: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optim, "BLOCK", 1 << 12)  # 23 blocks, some of them without a gradient
    start = RNG(1).standard_normal((V, D))
    tables = [Tensor(start) for _ in range(4)]
    optimizers = [
        kind([t], 0.1, **ADAM, **decay, lazy=lazy) for t, lazy in zip(tables, (False, False, True, True), strict=True)
    ]
    for t in range(3):
        g = sparse(RNG(t), V, D, 5)
        tables[0].grad, tables[1].grad, tables[2].grad, tables[3].grad = g, g.todense(), g.todense(), g
        for optimizer in optimizers:
            optimizer.step()
    for t in tables[1:3]:
        np.testing.assert_allclose(tables[0].data, t.data, rtol=1e-12, atol=1e-14)
    for a, b in zip(optimizers[0].state_dict().values(), optimizers[1].state_dict().values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    assert V < 900 or np.abs(tables[0].data - tables[3].data).max() > 0.01  # a lazy one would not pass


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.0, 0.9), (0.5, 0.0)], ids=str)
@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_a_long_run_of_adam_is_that_of_pytorch(betas: Any, lazy: bool, decay: float) -> None:
    torch, rng = pytest.importorskip("torch"), RNG(7)
    start = rng.standard_normal((30, 4))
    ours, theirs = Tensor(start), torch.nn.Parameter(torch.tensor(start))
    optimizer: Any = optim.AdamW([ours], 0.01, betas, weight_decay=decay, lazy=lazy)
    other = torch.optim.AdamW([theirs], 0.01, betas, weight_decay=decay)
    for step in range(300):
        g = sparse(rng, 30, 4, 9) if step % 2 and not lazy else rng.standard_normal((30, 4))
        ours.grad, theirs.grad = g, torch.tensor(np.asarray(g))
        optimizer.lr = other.param_groups[0]["lr"] = 0.01 / (1 + step / 100)
        optimizer.step()
        other.step()
    np.testing.assert_allclose(ours.data, theirs.detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("D", [0, 1, 3])
@pytest.mark.parametrize("kinds", [("f4", "f8"), ("f8", "f4")], ids=str)
def test_a_row_sparse_gradient_of_another_dtype_or_without_columns(name: str, D: int, kinds: Any) -> None:
    """As a dense one does, it moves its rows in the table's dtype; all others stay."""
    rng = RNG(4)
    table = Tensor(rng.standard_normal((10, D)).astype(kinds[0]))
    twin, before = Tensor(table.data[[3]]), table.data.copy()
    table.grad = RowSparse(np.array([3]), rng.standard_normal((1, D)).astype(kinds[1]), (10, D))
    twin.grad = table.grad.values
    on_all_rows = Tensor(table.data)
    on_all_rows.grad = table.grad
    for t in (table, twin):
        MADE[name][0]([t]).step()
    if name == "adam":  # rows without moments stay in any case
        optim.Adam([on_all_rows], 0.1, **ADAM, lazy=False).step()
        np.testing.assert_allclose(on_all_rows.data, table.data, rtol=1e-5)
    np.testing.assert_allclose(table.data[3], twin.data[0], rtol=1e-5)
    assert np.array_equal(np.delete(table.data, 3, 0), np.delete(before, 3, 0)) and table.dtype == kinds[0]


def test_an_sgd_with_an_update_of_its_own_uses_it_for_few_rows_too() -> None:
    class Signs(optim.SGD):
        def update(self, w: np.ndarray, g: np.ndarray, *buffers: np.ndarray) -> None:
            w -= self.lr * np.sign(g)

    table = Tensor(np.zeros((4, 2)))
    table.grad = RowSparse(np.array([1, 1]), np.array([[5.0, -3.0], [2.0, 1.0]]), (4, 2))
    Signs([table], 0.5).step()
    assert np.array_equal(table.data, [[0, 0], [-0.5, 0.5], [0, 0], [0, 0]])


def test_plain_sgd_is_the_same_sparse_and_dense() -> None:
    rng = RNG(2)
    one = Tensor(rng.standard_normal((50, 3)))
    two = Tensor(one.data)
    for g in (sparse(rng, 50, 3, 20), sparse(rng, 50, 3, 0), sparse(rng, 50, 3, 200)):
        one.grad, two.grad = g, g.todense()
        optim.SGD([one], 0.3).step()
        optim.SGD([two], 0.3).step()
    np.testing.assert_allclose(one.data, two.data, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", MADE)
def test_float32_stays_float32(name: str) -> None:
    t = Tensor(np.ones((3, 2), np.float32))
    optimizer = MADE[name][0]([t])
    optimizer.lr = np.float64(0.1)
    for g in (np.ones((3, 2), np.float32), RowSparse(np.array([1]), np.ones((1, 2), np.float32), (3, 2))):
        t.grad = g
        optimizer.step()
    assert t.data.dtype == np.float32 and not t.data.flags.writeable
    assert all(a.dtype == np.float32 for a in optimizer.named_buffers().values())


def test_each_parameter_once_and_only_with_a_gradient() -> None:
    a, b = Tensor([1.0]), Tensor([1.0])
    optimizer = optim.SGD([a, a, b, a], 0.5)
    a.grad = np.ones(1)
    optimizer.step()
    assert a.data == [0.5] and b.data == [1.0] and optimizer.steps == 1
    optimizer.zero_grad()
    assert a.grad is None
    optimizer.step()
    assert a.data == [0.5]


def test_what_an_optimiser_takes() -> None:
    model = nn.Linear(2, 2, rng=RNG(3))
    for given in (model, model.parameters(), iter(model.parameters()), {"x": model}, model.W):
        assert model.W in optim.Adam(given).parameters.values()
    with pytest.raises(ValueError, match=r"no Tensor in this Linear: pass a live Module"):
        optim.SGD(nn.frozen(model), 0.1)
    with pytest.raises(ValueError, match=r"'1' \(2,\) is the result of a call"):
        optim.SGD([model.W, model.b * 2], 0.1)
    wrong: list[dict[str, Any]] = [{"lr": -1}, {"lr": np.nan}, {"betas": (1, 0.9)}, {"betas": (0.9, -0.1)}, {"eps": -1}]
    wrong += [{"betas": (0.9, 1)}]  # v would never change
    for arguments in wrong:
        with pytest.raises(ValueError, match=r"(lr|betas|eps) is .*: use a number in \[0, "):
            optim.Adam(model, **arguments)
    with pytest.raises(ValueError, match=r"momentum is 1"):
        optim.SGD(model, 0.1, momentum=1)
    with pytest.raises(ValueError, match=r"weight_decay is -1"):
        optim.AdamW(model, weight_decay=-1)


def test_a_graph_from_before_a_step_is_refused() -> None:
    t = Tensor([1.0, 2.0])
    y = (t * t).sum()
    y.backward()
    optim.SGD([t], 0.1).step()
    with pytest.raises(RuntimeError, match="forward pass again"):
        y.backward()


@pytest.mark.parametrize("name", [*MADE, "all rows"])
def test_resume_is_exact(name: str) -> None:
    def run(optimizer: Any, t: Tensor, steps: range) -> None:
        for step in steps:
            rng = RNG(step)
            t.grad = sparse(rng, 30, 4, 9) if step % 2 else rng.standard_normal((30, 4))
            optimizer.lr *= 0.9
            optimizer.step()

    all_rows = partial(optim.Adam, lr=0.1, lazy=False)
    make, start = MADE[name][0] if name in MADE else all_rows, RNG(4).standard_normal((30, 4))
    whole, first = Tensor(start), Tensor(start)
    run(make([whole]), whole, range(8))
    before = make([first])
    run(before, first, range(5))
    second = Tensor(first.data)
    after = make([second])
    state = before.state_dict()
    run(before, first, range(5, 6))  # the state is a copy: going on does not move it
    after.load_state_dict(state)
    run(after, second, range(5, 8))
    np.testing.assert_array_equal(second.data, whole.data)


def test_an_optimiser_state_that_does_not_fit_is_refused_whole() -> None:
    optimizer = optim.Adam({"w": Tensor(np.ones(3))}, 0.1)
    state = optimizer.state_dict()
    assert list(state) == ["step", "lr", "m.w", "v.w"]
    for change, message in [
        ({"m.w": np.ones(2)}, r"'m.w' is \(3,\) float64 in the Adam, \(2,\) float64 in the state"),
        ({"momentum.w": np.ones(3)}, "'momentum.w' is missing in the Adam"),
    ]:
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict({**state, "step": np.array(9), "v.w": np.ones(3), **change})
    with pytest.raises(ValueError, match=r"'v.w' is \(3,\) float64 in the Adam, missing in the state"):
        optimizer.load_state_dict({name: a for name, a in state.items() if name != "v.w"})
    assert optimizer.steps == 0 and not optimizer.named_buffers()["v.w"].any()


@pytest.mark.parametrize(
    "make", [partial(optim.SGD, lr=0.1), optim.Adam, optim.AdamW, partial(optim.clip_norm, max_norm=1.0)]
)
def test_parameter_groups_are_refused_because_their_settings_would_be_ignored(make: Any) -> None:
    w, b = Tensor([1.0]), Tensor([2.0])
    w.grad = b.grad = np.ones(1)
    for groups in (
        [{"params": [w]}, {"params": [b], "lr": 0.001}],
        ({"params": [w], "weight_decay": 0.1},),
        {"params": [w, b], "lr": 0.1},
        (group for group in [{"params": w, "lr": 0.1}]),
        [w, {"lr": 0.1, "betas": (0.9, 0.9), "params": [b]}],
    ):
        with pytest.raises(
            ValueError, match=r"'(lr|weight_decay)'.* of a parameter group would be ignored: build an optimiser"
        ):
            make(groups)
    for tree in ([{"params": [w]}, {"params": [b]}], {"params": {"w": w, "b": b}}, [w, b], {"w": w, "b": b}):
        make(tree)

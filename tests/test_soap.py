"""SOAP beside its formula written out, beside Adam where it is Adam, and beside eigenvectors that are known."""

from typing import Any

import numpy as np
import pytest

from tests.test_optim import sparse
from tinygrad_nlp import Tensor
from tinygrad_nlp.optim import Adam
from tinygrad_nlp.soap import SOAP

RNG = np.random.default_rng
SHAPES = [(), (0,), (5,), (3, 4), (4, 3), (1, 6), (7, 1), (0, 3), (3, 0), (2, 3, 4), (12, 2)]


class Textbook:
    """One matrix by the formulas of soap.py, with Adam's moments as its paper writes them."""

    def __init__(
        self, w: np.ndarray, betas: tuple[float, float], eps: float, decay: float, every: int, damping: float = 0.01
    ) -> None:
        self.w, self.betas, self.eps, self.decay, self.every, self.damping = w.copy(), betas, eps, decay, every, damping
        self.C, self.Q = np.zeros((len(w), len(w))), np.eye(len(w))
        self.m, self.v, self.seen = np.zeros(w.shape), np.zeros(w.shape), 0

    def step(self, g: np.ndarray, t: int, lr: float) -> None:
        (b1, b2), n = self.betas, len(self.w)
        if self.seen % self.every == 0:
            self.C = self.decay * self.C + (1 - self.decay) * g @ g.T
            damped = self.C + self.damping * np.trace(self.C) / n * np.eye(n)
            order = np.argsort(-np.diag(self.Q.T @ self.C @ self.Q), kind="stable")
            old, m, self.v = self.Q[:, order], self.m[order], self.v[order]
            self.Q = np.linalg.qr(damped @ old)[0]
            self.m = self.Q.T @ (old @ m)
        self.seen += 1
        turned = self.Q.T @ g
        self.m = b1 * self.m + (1 - b1) * turned
        self.v = b2 * self.v + (1 - b2) * turned**2
        step = (self.m / (1 - b1**t)) / (np.sqrt(self.v / (1 - b2**t)) + self.eps)
        self.w = self.w - lr * self.Q @ step


@pytest.mark.parametrize("every", [1, 3])
def test_matrices_are_the_textbook_and_all_else_is_adam(every: int) -> None:
    rng, settings = RNG(every), {"betas": (0.8, 0.95), "eps": 1e-3}
    tensors = [Tensor(rng.standard_normal(shape)) for shape in SHAPES] + [Tensor(rng.standard_normal((4, 6)).T)]
    matrices = {i for i, t in enumerate(tensors) if t.ndim == 2 and t.size and len(t.data) <= 10}
    books = {i: Textbook(tensors[i].data, decay=0.7, every=every, **settings) for i in matrices}
    plain = [Tensor(t.data.copy()) for t in tensors]
    optimizer = SOAP(tensors, 0.1, decay=0.7, every=every, largest=10, **settings)
    adam = Adam(plain, 0.1, **settings)
    for t in range(1, 9):
        optimizer.lr = adam.lr = 0.1 / t
        given = [rng.standard_normal(tensor.shape) for tensor in tensors]
        for tensor, other, g in zip(tensors, plain, given, strict=True):
            tensor.grad, other.grad = g.copy(), g
        optimizer.step()
        adam.step()
        for i, (tensor, g) in enumerate(zip(tensors, given, strict=True)):
            if i in books:
                books[i].step(g, t, 0.1 / t)
            np.testing.assert_allclose(tensor.data, books[i].w if i in books else plain[i].data, rtol=1e-9, atol=1e-12)
            np.testing.assert_array_equal(tensor.grad, g)  # a gradient belongs to its user


def test_defaults() -> None:
    """lr 0.003, β 0.9 and 0.999, ε 1e-8, 0.8 and 0.01 for C, every tenth gradient: gradients around 1e-8 show ε."""
    rng = RNG(5)
    t = Tensor(rng.standard_normal((5, 3)))
    optimizer, book = SOAP([t]), Textbook(t.data, (0.9, 0.999), 1e-8, 0.8, 10)
    for step in range(1, 24):
        t.grad = rng.standard_normal((5, 3)) * 1e-8 * step
        optimizer.step()
        book.step(t.grad, step, 0.003)
        np.testing.assert_allclose(t.data, book.w, rtol=1e-9, atol=1e-12)
    assert set(SOAP([Tensor(np.ones((n, 1), np.float32)) for n in (1_000, 1_001)]).bases) == {"0"}


def test_each_matrix_counts_its_own_gradients() -> None:
    """One that has a gradient in even steps only is turned all the same, and stays as it is in the others."""
    w, rng = Tensor(RNG(0).standard_normal((4, 3))), RNG(1)
    optimizer = SOAP({"w": w}, 0.1, every=2)
    for step in range(1, 9):
        before = w.data.copy(), {name: a for name, a in optimizer.state_dict().items() if name != "step"}
        w.grad = None if step % 2 else rng.standard_normal((4, 3))
        optimizer.step()
        if step % 2:
            after = w.data, {name: a for name, a in optimizer.state_dict().items() if name != "step"}
            np.testing.assert_equal(after, before)
    assert optimizer.seen["w"] == 4 and np.abs(optimizer.bases["w"] - np.eye(4)).max() > 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_everything_has_the_dtype_of_the_weights(dtype: Any) -> None:
    w = Tensor(RNG(0).standard_normal((4, 3)).astype(dtype))
    optimizer = SOAP([w], 0.1)
    for other in (np.float32, np.float64):
        w.grad = RNG(1).standard_normal((4, 3)).astype(other)
        optimizer.step()
    kinds = {name: a.dtype for name, a in optimizer.state_dict().items() if "." in name and not name.startswith("seen")}
    assert w.dtype == dtype and set(kinds.values()) == {np.dtype(dtype)}


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e20])
def test_a_gradient_that_cannot_be_squared_is_refused_before_anything_changes(wrong: float) -> None:
    w = Tensor(np.ones((4, 3), np.float32))
    optimizer = SOAP({"w": w}, 0.1)
    w.grad = np.ones((4, 3), np.float32)
    optimizer.step()
    before = {name: a for name, a in optimizer.state_dict().items() if name != "step"}
    w.grad[1, 2] = wrong
    kept = w.data.copy()
    with pytest.raises(FloatingPointError, match=r"SOAP: the gradient of 'w' \(4, 3\) is not finite, or too large"):
        optimizer.step()
    np.testing.assert_equal({name: a for name, a in optimizer.state_dict().items() if name != "step"}, before)
    np.testing.assert_array_equal(w.data, kept)


def test_row_sparse_gradients_are_arrays_for_small_tables_and_adams_for_large_ones() -> None:
    for largest, wanted in ((900, SOAP), (899, Adam)):
        start, rng = RNG(0).standard_normal((900, 5)), RNG(1)
        ours, others = Tensor(start), Tensor(start)
        optimizer, other = SOAP([ours], 0.1, largest=largest), wanted([others], 0.1)
        for _ in range(3):
            ours.grad = g = sparse(rng, 900, 5, 40)
            others.grad = g.todense() if wanted is SOAP else g
            optimizer.step()
            other.step()
        np.testing.assert_array_equal(ours.data, others.data)
        assert ours.grad is g


def covariance(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues 4, 1, 1/4 … and random eigenvectors."""
    return 4.0 ** -np.arange(6) * 4, np.linalg.qr(rng.standard_normal((6, 6)))[0]


def test_the_basis_goes_to_the_eigenvectors_of_the_gradients() -> None:
    """Of gradients whose covariance is known: each column is an eigenvector, up to its sign, the largest first."""
    rng = RNG(2)
    values, vectors = covariance(rng)
    w = Tensor(np.zeros((6, 400)))
    optimizer = SOAP([w], 0.0, decay=0.98, every=1)
    for _ in range(200):
        w.grad = vectors * np.sqrt(values) @ rng.standard_normal((6, 400))
        optimizer.step()
    ((name, Q),) = optimizer.bases.items()
    np.testing.assert_allclose(np.abs(vectors.T @ Q), np.eye(6), atol=0.05)
    np.testing.assert_allclose(Q.T @ Q, np.eye(6), atol=1e-12)
    np.testing.assert_allclose(np.linalg.eigvalsh(optimizer.moments[name])[::-1], 400 * values, rtol=0.1)


def test_it_goes_down_a_valley_that_no_axis_follows() -> None:
    """½ tr(wᵀ A w) with curvatures from 1 to 10⁻³: along the axes, in any order, Adam gets down as well as SOAP, but
    where the valley lies across them its steps, of one size for each weight, zigzag."""

    def left(kind: Any, vectors: np.ndarray) -> float:
        A, w = vectors * np.logspace(0, -3, 6) @ vectors.T, Tensor(RNG(9).standard_normal((6, 40)))
        optimizer = kind([w], 0.1, betas=(0.9, 0.99))
        for step in range(300):
            w.grad = A @ w.data
            optimizer.lr = 0.1 * (1 - step / 300)
            optimizer.step()
        return float(0.5 * np.sum(w.data * (A @ w.data)))

    along, across = np.eye(6), np.linalg.qr(RNG(3).standard_normal((6, 6)))[0]
    assert left(SOAP, across) < 0.01 * left(Adam, across)
    for axes in (along, along[:, ::-1]):
        assert max(left(SOAP, axes), left(Adam, axes)) < 1e-6 * left(Adam, across)


def test_a_state_goes_on_to_the_same_bytes() -> None:
    def trained(steps: range, state: Any = None, start: Any = None) -> tuple[Any, SOAP]:
        w = Tensor(RNG(4).standard_normal((5, 3)) if start is None else start)
        optimizer = SOAP({"w": w}, 0.1, every=2)
        if state:
            optimizer.load_state_dict(state)
        for step in steps:
            w.grad = RNG(step).standard_normal((5, 3))
            optimizer.step()
        return w.data.copy(), optimizer

    whole, _ = trained(range(9))
    half, optimizer = trained(range(4))
    state = optimizer.state_dict()
    assert set(state) == {"step", "lr", "m.w", "v.w", "moment.w", "basis.w", "seen.w"}
    np.testing.assert_array_equal(trained(range(4, 9), state, half)[0], whole)
    del state["basis.w"]
    with pytest.raises(ValueError, match=r"'basis.w' is \(5, 5\) float64 in the SOAP, missing in the state"):
        optimizer.load_state_dict(state)


@pytest.mark.parametrize(
    "wrong",
    [{"decay": 1.0}, {"decay": -0.1}, {"damping": -1.0}, {"every": 0}, {"every": 2.5}, {"lr": -1.0},
     {"betas": (1.0, 0.9)}],
)  # fmt: skip
def test_settings_out_of_range_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.* is .*: use a (whole )?number"):
        SOAP([Tensor(np.ones((2, 2)))], **wrong)

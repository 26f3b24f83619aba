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
    """One matrix by the formulas of the paper, with moments as they stand there."""

    def __init__(self, w: np.ndarray, betas: tuple[float, float], eps: float, decay: float, every: int) -> None:
        self.w, self.betas, self.eps, self.decay, self.every = w.copy(), betas, eps, decay, every
        self.C, self.Q = np.zeros((len(w), len(w))), np.eye(len(w))
        self.m, self.v = np.zeros(w.shape), np.zeros(w.shape)

    def step(self, g: np.ndarray, t: int, lr: float) -> None:
        (b1, b2), n = self.betas, len(self.w)
        if t % self.every == 1 % self.every:
            self.C = self.decay * self.C + (1 - self.decay) * g @ g.T
            damped = self.C + 0.01 * np.trace(self.C) / n * np.eye(n)
            old, self.Q = self.Q, np.linalg.qr(damped @ self.Q)[0]
            self.m = self.Q.T @ (old @ self.m)
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
    np.testing.assert_allclose(np.linalg.eigvalsh(optimizer.covariances[name])[::-1], 400 * values, rtol=0.1)


def test_it_goes_down_a_valley_that_no_axis_follows() -> None:
    """½ tr(wᵀ A w) with curvatures from 1 to 10⁻³: along the axes Adam gets down as well as SOAP, but where the valley
    lies across them its steps, of one size for each weight, zigzag."""

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
    assert max(left(SOAP, along), left(Adam, along)) < 0.01 * left(Adam, across)


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
    assert set(state) == {"step", "lr", "m.w", "v.w", "covariance.w", "basis.w"}
    np.testing.assert_array_equal(trained(range(4, 9), state, half)[0], whole)
    del state["basis.w"]
    with pytest.raises(ValueError, match=r"'basis.w' is \(5, 5\) float64 in the SOAP, missing in the state"):
        optimizer.load_state_dict(state)


@pytest.mark.parametrize("wrong", [{"decay": 1.0}, {"decay": -0.1}, {"every": 0}, {"lr": -1.0}, {"betas": (1.0, 0.9)}])
def test_settings_out_of_range_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.* is .*: use a number in"):
        SOAP([Tensor(np.ones((2, 2)))], **wrong)

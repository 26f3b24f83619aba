"""Where the forward pass takes a limit, the backward pass takes it too; conventions at kinks are first order only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special as special

from tinygrad_nlp import Tensor, gradients, hessian, logsumexp, polygamma, sigmoid


def slopes(fn: Any, *arguments: Any) -> list[Any]:
    """The gradient of the sum of fn with respect to each argument."""
    tensors = [Tensor(a) for a in arguments]
    with np.errstate(all="ignore"):
        return [d.tolist() for d in gradients(np.sum(fn(*tensors)), tensors)]


def test_x_log_y_and_its_kin_at_0() -> None:
    p = [0.0, 0.0, 0.5, 1.0]
    assert slopes(special.xlogy, p, [0.0, 1.0, 1.0, 1.0]) == [[0, 0, 0, 0], [0, 0, 0.5, 1]]
    assert slopes(special.rel_entr, [0.0, 1.0], [0.0, 2.0]) == [[0, 1 - np.log(2)], [0, -0.5]]
    assert slopes(special.kl_div, [0.0, 1.0], [0.0, 2.0]) == [[0, -np.log(2)], [1, 0.5]]
    assert slopes(special.xlog1py, [0.0, 1.0], [-1.0, 1.0]) == [[0, np.log(2)], [0, 0.5]]
    mixed = hessian(lambda ab: special.xlogy(ab[0], ab[1]))(np.array([0.0, 2.0]))
    assert mixed.tolist() == [[0, 0.5], [0.5, 0]], "where only a is 0 nothing is a convention"


def test_impossible_states() -> None:
    """A path of weight e^−∞ has no share; the possible ones beside it have theirs."""
    low = -np.inf
    assert slopes(logsumexp, [low, low]) == [[0, 0]]
    assert slopes(lambda x: logsumexp(x, axis=1), [[low, low], [low, 1.0]]) == [[[0, 0], [0, 1]]]
    assert slopes(np.logaddexp, [low, low, 1.0], [low, 1.0, low]) == [[0, 0, 1], [0, 1, 0]]
    assert slopes(np.logaddexp2, [low, 1.0], [low, low]) == [[0, 1], [0, 0]]
    curved = hessian(lambda x: np.logaddexp(x[0], x[1]))(np.array([1.0, 1.0]))
    np.testing.assert_allclose(curved, [[0.25, -0.25], [-0.25, 0.25]])


def test_determinants_of_singular_matrices() -> None:
    """∂ det is the matrix of cofactors, to second order too: it has no inverse in it."""
    a = np.array([[1.0, 2.0], [2.0, 4.0]])
    np.testing.assert_allclose(slopes(np.linalg.det, a)[0], [[4, -2], [-2, 1]], rtol=1e-14)
    np.testing.assert_allclose(slopes(np.linalg.det, np.zeros((3, 3)))[0], np.zeros((3, 3)))
    curved = hessian(np.linalg.det)(np.zeros((2, 2)))
    np.testing.assert_allclose(curved.reshape(4, 4), [[0, 0, 0, 1], [0, 0, -1, 0], [0, -1, 0, 0], [1, 0, 0, 0]])


def test_statistics_of_one_entry_are_nan_and_so_are_their_gradients() -> None:
    for fn in (np.std, np.var):
        x = Tensor([3.0])
        with np.errstate(all="ignore"):
            y = fn(x, ddof=1)
            assert np.isnan(y.item()) and np.isnan(gradients(y, [x])[0]).all()


SMOOTH: list[Any] = [
    (lambda x: np.linalg.norm(x) ** 2, 2 * np.eye(3)),
    (lambda x: np.linalg.norm(x, axis=0) ** 2, 2 * np.eye(3)),
    (lambda x: np.square(np.linalg.norm(x)), 2 * np.eye(3)),
    (lambda x: np.linalg.norm(x) * np.linalg.norm(x), 2 * np.eye(3)),
    (lambda x: np.std(x) ** 2, 2 / 3 * (np.eye(3) - 1 / 3)),
    (lambda x: np.std(x) * np.std(x), 2 / 3 * (np.eye(3) - 1 / 3)),
    (lambda x: np.std(x) * np.std(x, ddof=1), (2 / 3) ** 0.5 * (np.eye(3) - 1 / 3)),
    (lambda x: np.nanstd(x, ddof=1) * np.nanstd(x, ddof=1), np.eye(3) - 1 / 3),
    (lambda x: np.linalg.norm(x[[0, 2]]) * np.linalg.norm(x[[0, 2]]), 2 * np.diag([1.0, 0, 1])),
    (lambda x: np.hypot(x[0], x[1]) ** 2, np.diag([2.0, 2, 0])),
    (lambda x: np.sum(np.abs(x) ** 2), 2 * np.eye(3)),
    (lambda x: np.sum(np.abs(x)), np.zeros((3, 3))),
    (lambda x: np.sum(np.abs(x) * np.abs(2 * x)), 4 * np.eye(3)),
    (lambda x: np.sum(np.abs(-2 * x / 5) * np.abs(x * 3.0) / np.float64(2)), 1.2 * np.eye(3)),
    (lambda x: np.linalg.norm(x) * np.linalg.norm(-3 * x), 6 * np.eye(3)),
    (lambda x: np.linalg.norm(x) * np.linalg.norm(-x), 2 * np.eye(3)),
    (lambda x: np.linalg.norm(x) * np.linalg.norm(2 * x) + np.linalg.norm(x / 2) ** 2, 4.5 * np.eye(3)),
    (lambda x: np.hypot(3 * x[0], 3 * x[1]) * np.hypot(x[0], x[1]), np.diag([6.0, 6, 0])),
    (lambda x: np.cos(np.linalg.norm(x)) + np.exp(-(np.linalg.norm(2 * x) ** 2)), -9 * np.eye(3)),
]


@pytest.mark.parametrize(("f", "right"), SMOOTH)
def test_squares_of_lengths_are_smooth_at_0(f: Any, right: np.ndarray) -> None:
    np.testing.assert_allclose(hessian(f)(np.zeros(3)), right, atol=1e-15)
    assert not np.any(slopes(f, np.zeros(3))[0])


CONVENTIONS: list[
    Any
] = [  # f, its Hessian here over the identity, and the right one, None where there is none or another
    (lambda x: np.sum(np.abs(x) * np.abs(np.sin(x))), 0, 2),
    (lambda x: np.std(x[:2]) * np.std(2 * x[:2]), 0, None),
    (lambda x: np.sum(np.maximum(x, -x) ** 2), 0, 2),
    (lambda x: np.sum(np.maximum(x, 0) ** 2), 0.5, None),
    (lambda x: np.hypot(2 * x[0], x[1]) * np.hypot(x[0], x[1]), 0, None),
    (lambda x: np.sum(np.abs(x[0]) * np.abs(x)[1:]), 0, None),
]


@pytest.mark.parametrize(("f", "here", "right"), CONVENTIONS)
def test_what_the_page_of_cones_says_of_other_lengths_and_of_kinks(f: Any, here: float, right: float | None) -> None:
    """A convention remains there, and no more is promised; where it differs from what is right, both are given."""
    found = hessian(f)(np.zeros(3))
    assert np.array_equal(found, here * np.eye(3)) and here != right


def test_a_length_itself_has_no_second_derivative_at_0() -> None:
    assert np.isnan(hessian(np.linalg.norm)(np.zeros(2))).any()
    rows = hessian(lambda x: np.sum(np.linalg.norm(x, axis=1)))(np.array([[0.0, 0.0], [3.0, 4.0]]))
    assert np.isfinite(rows[1, :, 1]).all(), "the other rows have theirs"


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("power", [-200, -30, 0, 30, 200])
def test_lengths_are_scaled_first(dtype: Any, power: int) -> None:
    power = power // 7 if dtype is np.float32 else power
    scale = dtype(10.0) ** power
    x = np.array([3 * scale, 4 * scale], dtype)
    for fn in (np.linalg.norm, lambda t: np.linalg.norm(t, 3), lambda t: np.hypot(t[0], t[1]), np.std):
        t = Tensor(x)
        y = fn(t)
        (d,) = gradients(y, [t])
        plain = Tensor(np.array([3.0, 4.0], dtype))
        (right,) = gradients(fn(plain), [plain])
        np.testing.assert_allclose(d, right, rtol=1e-5 if dtype is np.float32 else 1e-13)
        np.testing.assert_allclose(y.data / scale, fn(np.array([3.0, 4.0])), rtol=1e-5)


def test_norms_of_order_below_1() -> None:
    for ord in (0.5, -1, -2):
        x = np.array([0.0, 3.0, -4.0])
        with np.errstate(all="ignore"):
            t = Tensor(x)
            y = np.linalg.norm(t, ord)
            assert y.item() == pytest.approx(np.linalg.norm(x, ord))
            assert np.isfinite(gradients(y, [t])[0]).all()
            empty = Tensor(np.zeros(0))
            assert np.linalg.norm(empty, ord).item() == np.linalg.norm(np.zeros(0), ord)
            assert gradients(np.linalg.norm(empty, ord), [empty])[0].shape == (0,)


def test_far_out() -> None:
    np.testing.assert_allclose(slopes(np.arctan2, 1e-200, 1e-200), [5e199, -5e199])
    np.testing.assert_allclose(slopes(np.arctan2, 1e200, 1e200), [5e-201, -5e-201])
    np.testing.assert_allclose(slopes(np.arcsinh, [1e200]), [[1e-200]])
    np.testing.assert_allclose(slopes(np.arccosh, [1e200]), [[1e-200]])
    for fn in (sigmoid, special.expit):
        np.testing.assert_allclose(slopes(fn, [40.0, -40.0]), [[np.exp(-40.0)] * 2], rtol=1e-14)
    np.testing.assert_allclose(polygamma(1, np.array([0.5])), [np.pi**2 / 2])


@pytest.mark.parametrize("shape", [(3, 3), (4, 2)])
def test_repeated_singular_values(shape: tuple[int, int]) -> None:
    """What is made of the values has its gradient; what is made of vectors that are a choice is refused."""
    x = Tensor(np.eye(*shape))
    (d,) = gradients(np.sum(np.linalg.svdvals(x)), [x])
    np.testing.assert_allclose(d, np.eye(*shape), atol=1e-14)
    u, s, v = np.linalg.svd(x, full_matrices=False)
    with pytest.raises(np.linalg.LinAlgError, match="singular values or eigenvalues that repeat"):
        gradients(np.sum((u * s) @ v * np.random.default_rng(0).normal(size=shape)), [x])
    a = Tensor(np.diag([2.0, 2.0, 5.0]))
    w, q = np.linalg.eigh(a)
    np.testing.assert_allclose(gradients(np.sum(w), [a])[0], np.eye(3), atol=1e-14)
    with pytest.raises(np.linalg.LinAlgError, match="use the values without the vectors"):
        gradients(np.sum(q * np.random.default_rng(1).normal(size=(3, 3))), [a])


@pytest.mark.parametrize(("small", "rank"), [(10, 1), (1_000, 2)])
def test_least_squares_cut_off_what_numpy_cuts_off(small: float, rank: int) -> None:
    """A singular value below max(m, n) ε of the largest counts as 0, and its direction takes no part."""
    a, b = np.zeros((100, 2)), np.ones(100)
    a[0, 0], a[1, 1] = 1, small * np.finfo(float).eps
    x = np.linalg.lstsq(Tensor(a), b)[0]
    np.testing.assert_allclose(x.data, np.linalg.lstsq(a, b)[0], rtol=1e-12)
    assert np.linalg.lstsq(Tensor(a), b)[2] == rank == np.count_nonzero(x.data)


def test_thousands_of_parts_are_taken_apart_once() -> None:
    """The backward pass of np.stack visits its parts once, not once for each part."""
    from tinygrad_nlp.calculus import joining
    from tinygrad_nlp.engine import TABLE

    calls = []
    parts = [Tensor(float(i)) for i in range(50)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TABLE[joining.join], "derivatives", lambda *a, **k: calls.append(1) or joining.parts(*a, **k))
        found = gradients(np.stack(parts), parts, np.arange(50.0))
    assert [d.item() for d in found] == list(range(50)) and len(calls) == 1

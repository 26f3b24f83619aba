"""transforms.py against finite differences, closed forms, and autograd where it is installed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_nlp import RowSparse, Tensor, embedding, gradients, nn, softmax, softmax_cross_entropy
from tinygrad_nlp.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

rng = np.random.default_rng(0)


def smooth(x):
    """A function (..., n) -> (..., n) that mixes entries, of arrays or Tensors."""
    return np.tanh(x) * np.exp(0.3 * np.flip(x, -1)) + np.sum(x * x)


def difference(f, x, v, h=1e-6):
    return (f(x + h * v) - f(x - h * v)) / (2 * h)


shapes = st.sampled_from([(), (1,), (3,), (2, 3), (0,), (2, 0)])


def scalar(x):
    return np.sum(np.sin(x) * np.exp(0.2 * x)) ** 2


@given(shapes, st.sampled_from([np.float32, np.float64]), st.integers(0, 99))
def test_grad_has_the_arguments_shape_and_dtype_and_is_the_slope(shape, dtype, seed):
    r = np.random.default_rng(seed)
    x, v = r.normal(size=shape).astype(dtype), r.normal(size=shape)
    value, slope = value_and_grad(scalar)(x)
    assert type(slope) is np.ndarray and slope.shape == shape and slope.dtype == dtype
    near = 1e-4 if dtype == np.float32 else 1e-6
    np.testing.assert_allclose(value, scalar(x), rtol=near)
    np.testing.assert_allclose(np.sum(slope * v), difference(scalar, x.astype(float), v), rtol=near, atol=near)


@given(st.sampled_from([(1,), (4,), (2, 3)]), st.integers(0, 99))
def test_vjp_jvp_and_jacobian_are_one_linear_map(shape, seed):
    r = np.random.default_rng(seed)
    x, v, g = r.normal(size=(3, *shape))
    J = jacobian(smooth)(x)
    assert J.shape == shape + shape
    y, pullback = vjp(smooth)(x)
    z, pushforward = jvp(smooth)(x)
    np.testing.assert_array_equal(y, smooth(x))
    np.testing.assert_array_equal(z, smooth(x))
    np.testing.assert_allclose(pushforward(v), difference(smooth, x, v), atol=1e-7)
    np.testing.assert_allclose(pushforward(v), np.tensordot(J, v, x.ndim), atol=1e-12)
    np.testing.assert_allclose(pullback(g), np.tensordot(g, J, x.ndim), atol=1e-12)


def test_jacobian_of_a_0d_or_empty_function():
    assert jacobian(np.sin)(0.0) == 1 and jacobian(np.sin)(0.0).shape == ()
    assert jacobian(np.tanh)(np.zeros((0, 2))).shape == (0, 2, 0, 2)
    assert jacobian(lambda x: x[:0])(np.zeros((2, 3), np.float32)).shape == (0, 3, 2, 3)
    assert jacobian(np.sum)(np.zeros((2, 0))).shape == (2, 0)


def test_hessian_and_hvp_against_differences_of_the_gradient():
    x, v = rng.normal(size=(2, 5))
    H = hessian(scalar)(x)
    np.testing.assert_allclose(H, H.T, atol=1e-12)
    np.testing.assert_allclose(H @ v, difference(grad(scalar), x, v), atol=1e-6)
    np.testing.assert_allclose(hvp(scalar)(x)(v), H @ v, atol=1e-12)
    np.testing.assert_array_equal(hvp(lambda x: np.sum(3 * x))(x)(v), np.zeros(5))


def test_hessian_of_a_quadratic_form_is_its_symmetric_matrix():
    A = rng.normal(size=(4, 4))
    np.testing.assert_allclose(hessian(lambda x: x @ A @ x)(rng.normal(size=4)), A + A.T, atol=1e-13)


def test_derivatives_of_any_order():
    f, expected = np.sin, [np.cos(0.7), -np.sin(0.7), -np.cos(0.7), np.sin(0.7), np.cos(0.7)]
    for value in expected:
        f = grad(f)
        np.testing.assert_allclose(f(0.7), value, atol=1e-14)
    np.testing.assert_allclose(hessian(lambda x: jacobian(smooth)(x)[0, 1])(np.ones(2)), third(np.ones(2)), atol=1e-6)


def third(x):
    h = 1e-5
    H = jacobian(jacobian(smooth))
    return np.stack([(H(x + e) - H(x - e))[0, 1] / (2 * h) for e in h * np.eye(2)], axis=-1)


def test_the_transforms_mix():
    x, v = rng.normal(size=(2, 3))
    forward_over_reverse = jvp(grad(scalar))(x)[1](v)
    reverse_over_forward = grad(lambda x: jvp(scalar)(x)[1](v))(x)
    np.testing.assert_allclose(forward_over_reverse, hvp(scalar)(x)(v), atol=1e-12)
    np.testing.assert_allclose(reverse_over_forward, hvp(scalar)(x)(v), atol=1e-12)
    through_vjp = grad(lambda x: np.sum(vjp(smooth)(x)[1](v)))(x)
    np.testing.assert_allclose(through_vjp, np.einsum("ijk,i->k", jacobian(jacobian(smooth))(x), v), atol=1e-12)
    outer = grad(lambda x: np.sum(hvp(scalar)(x)(v)))(x)
    np.testing.assert_allclose(np.sum(outer * v), difference(lambda x: np.sum(hvp(scalar)(x)(v)), x, v), rtol=1e-6)


def test_an_inner_variable_is_not_the_outer_one():
    """d/dx of x · (d/dy (x + y) at y = x) is 1, not 2 (Siskind and Pearlmutter 2005, perturbation confusion)."""
    assert grad(lambda x: x * grad(lambda y: x + y)(x))(3.0) == 1
    assert grad(lambda x: x * grad(lambda y: x * y)(2.0))(3.0) == 6  # the inner argument is an array
    assert grad(lambda x: x * jvp(lambda y: x * y)(2.0)[1](1.0))(3.0) == 6
    assert grad(lambda x: x * jacobian(lambda y: x * y)(2.0))(3.0) == 6


def test_tensors_in_tensors_out():
    x = Tensor([1.0, 2.0])
    slope = grad(lambda x: np.sum(x**3))(x)
    assert type(slope) is Tensor
    slope.sum().backward()
    np.testing.assert_allclose(x.grad, [6, 12])
    value, zero = value_and_grad(lambda x: np.sum(x))(x)
    assert type(value) is type(zero) is Tensor
    other = grad(lambda a, b: np.sum(a * b))(np.ones(2), x)  # a Tensor that is not differentiated here
    assert type(other) is Tensor


def test_argnum_and_structures():
    a, b = rng.normal(size=(2, 3))

    def f(a, b, scale=1.0):
        return scale * np.sum(a * b * b)

    np.testing.assert_allclose(grad(f, 1)(a, b, scale=2.0), 4 * a * b)
    found = grad(f, (1, 0))(a, b)
    assert type(found) is tuple
    np.testing.assert_allclose(found[0], 2 * a * b)
    np.testing.assert_allclose(found[1], b * b)
    (H11, H10), (H01, H00) = hessian(f, (1, 0))(a, b)
    np.testing.assert_allclose(H11, np.diag(2 * a))
    np.testing.assert_allclose(H10, np.diag(2 * b))
    np.testing.assert_allclose(H01, H10.T)
    np.testing.assert_array_equal(H00, np.zeros((3, 3)))

    tree = {"w": a, "layers": [(b, 2.0), [a]]}

    def g(t):
        return np.sum(t["w"] * t["layers"][0][0]) * t["layers"][0][1] + np.sum(t["layers"][1][0])

    found = grad(g)(tree)
    assert list(found) == ["w", "layers"] and type(found["layers"][0]) is tuple
    np.testing.assert_allclose(found["w"], 2 * b)  # the array that is there twice is two arguments
    np.testing.assert_allclose(found["layers"][1][0], np.ones(3))
    np.testing.assert_allclose(found["layers"][0][1], a @ b)
    direction = {"w": b, "layers": [(a, 1.0), [b]]}
    expected = 2 * b @ b + 2 * a @ a + a @ b + b.sum()
    np.testing.assert_allclose(jvp(g)(tree)[1](direction), expected)
    np.testing.assert_allclose(hvp(g)(tree)(direction)["w"], 2 * a + b)


class Model:
    """The least that transforms know of a Module."""

    def __init__(self):
        self.table = Tensor(rng.normal(size=(40_000, 2)))
        self.W = self.tied = Tensor(rng.normal(size=(2, 2)))
        self.shift = np.ones(2)  # a constant

    def named_parameters(self):
        return ((name, t) for name, t in (("table", self.table), ("W", self.W)))

    def __call__(self, ids):
        return np.tanh(embedding(self.table, ids) @ self.W + self.shift) @ self.tied


def test_modules():
    model = Model()

    def loss(m):
        return softmax_cross_entropy(m(np.array([3, 7, 3])), np.array([0, 1, 1]))

    value, found = value_and_grad(loss)(model)
    expected = loss(model)
    expected.backward()
    assert type(model.table.grad) is RowSparse and value == expected.data
    assert list(found) == ["table", "W"] and {type(g) for g in found.values()} == {np.ndarray}
    np.testing.assert_allclose(found["table"], model.table.grad.todense())
    np.testing.assert_allclose(found["W"], model.W.grad)
    direction = {"table": np.zeros((40_000, 2)), "W": rng.normal(size=(2, 2))}

    def moved(h):
        twin = Model()
        twin.table, twin.W = model.table, Tensor(model.W.data + h * direction["W"])
        twin.tied = twin.W
        return grad(loss)(twin)["W"]

    H_v = hvp(loss)(model)(direction)
    np.testing.assert_allclose(H_v["W"], (moved(1e-6) - moved(-1e-6)) / 2e-6, atol=1e-8)
    both = grad(lambda pair: loss(pair[0]) + loss(model))((model, np.ones(1)))
    np.testing.assert_allclose(both[0]["W"], found["W"])  # the model in the enclosing function is a constant


def test_a_real_layer():
    layer, x = nn.Linear(3, 2, rng=rng, dtype=np.float64), rng.normal(size=(4, 3))
    H = hessian(lambda m: np.sum(m(x) ** 2))(layer)
    np.testing.assert_allclose(H["b"]["b"], 8 * np.eye(2))
    np.testing.assert_allclose(H["W"]["b"], 2 * np.einsum("ni,jk->ijk", x, np.eye(2)))
    with pytest.raises(TypeError, match="argument 0 of `<lambda>`, a Linear, has no Tensors: pass the live model"):
        grad(lambda m: np.sum(m(x)))(nn.frozen(layer))


def two(tree):
    return tree["x"]


def boom(x):
    raise ValueError("boom")


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (
            lambda: grad(np.tanh)(np.zeros(2)),
            ValueError,
            r"`tanh` returned shape \(2,\), not one number: take its .sum\(\), or j",
        ),
        (
            lambda: grad(np.sum)(np.arange(3)),
            TypeError,
            "argument 0 of `sum` is int64, which has no gradient: make it float",
        ),
        (lambda: grad(two)({"x": 1.0, "ids": np.arange(2)}), TypeError, r"\['ids'\] of argument 0 of `two` is int64"),
        (lambda: grad(np.sin)(2), TypeError, "argument 0 of `sin` is int, which has no gradient"),
        (
            lambda: grad(np.multiply, 2)(1.0, 2.0),
            ValueError,
            "argnum 2: `multiply` was called with 2 arguments by position",
        ),
        (lambda: grad(np.multiply, -1)(1.0, 2.0), ValueError, "argnum -1: .*: name one of them, counted from 0"),
        (
            lambda: grad(lambda x: 3.0)(1.0),
            TypeError,
            "`<lambda>` returned float, not a Tensor: compute the result from its",
        ),
        (lambda: jacobian(lambda x: (3.0,))(1.0), TypeError, "`<lambda>` returned tuple, not a Tensor"),
        (
            lambda: jvp(np.sum)(np.zeros(3))[1](np.zeros(2)),
            ValueError,
            r"direction has shape \(2,\): give it the argument's, \(3",
        ),
        (
            lambda: hvp(two)({"x": 1.0})({"a": 1.0}),
            ValueError,
            r"direction has entries \['a'\]: give it the argument's, \['x'\]",
        ),
        (lambda: vjp(np.tanh)(np.zeros(2))[1](np.zeros(3)), ValueError, r"g has shape \(3,\) but the output \(2,\)"),
        (lambda: grad(boom)(1.0), ValueError, "boom"),
    ],
)
def test_errors_name_the_remedy(run, error, message):
    with pytest.raises(error, match=message):
        run()
    assert type(grad(np.sin)(1.0)) is np.ndarray  # the error has left nothing behind


def test_a_tensor_that_a_function_closes_over_is_a_value():
    """Outside other transforms the answer is arrays; as an argument, or inside another transform, it is a variable."""
    x = Tensor(3.0)
    closed = grad(lambda y: x * y)(2.0)
    assert type(closed) is np.ndarray and closed == 3
    assert gradients(grad(lambda y, x: x * y)(2.0, x), [x])[0] == 1
    assert grad(lambda x: x * grad(lambda y: x * y)(2.0))(3.0) == 6  # x², by x


def test_nothing_is_changed_or_shared():
    x = rng.normal(size=3)
    kept = x.copy()
    first, second = grad(lambda a, b: np.sum(a) + np.sum(b), (0, 1))(x, x)
    first += 1
    np.testing.assert_array_equal(second, np.ones(3))
    np.testing.assert_array_equal(x, kept)
    model = nn.Linear(2, 2, rng=rng)
    grad(lambda m: np.sum(m.W))(model)
    assert model.W.grad is None


def test_autograd_agrees():
    autograd = pytest.importorskip("autograd")
    anp = pytest.importorskip("autograd.numpy")
    x, W, v = rng.normal(size=3), rng.normal(size=(3, 3)), rng.normal(size=3)

    def net(np_, x, W):
        h = np_.tanh(x @ W)
        return np_.log(np_.sum(np_.exp(h @ W.T)) + np_.sum(h * h))

    ours, theirs = (lambda x, W: net(np, x, W)), (lambda x, W: net(anp, x, W))
    for n in (0, 1):
        np.testing.assert_allclose(grad(ours, n)(x, W), autograd.grad(theirs, n)(x, W), rtol=1e-12)
    np.testing.assert_allclose(hessian(ours)(x, W), autograd.hessian(theirs)(x, W), atol=1e-12)
    np.testing.assert_allclose(hvp(ours)(x, W)(v), autograd.hessian_vector_product(theirs)(x, W, v), atol=1e-12)
    np.testing.assert_allclose(
        jacobian(lambda x: softmax(x @ W))(x),
        autograd.jacobian(lambda x: anp.exp(x @ W) / anp.sum(anp.exp(x @ W)))(x),
        atol=1e-12,
    )

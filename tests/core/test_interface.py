"""A Tensor as NumPy sees it: operators, methods, keywords, dtypes, and what is refused at the call."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from tests.core.refusing import refused
from tinygrad_nlp import Tensor, gradients, relu, softmax_cross_entropy

T = Tensor


@pytest.mark.parametrize("fn", [np.fft.fft, np.linalg.eig, np.unwrap, np.histogram, np.unique, np.bincount])
def test_a_function_outside_the_table_raises_naming_the_remedy(fn: Any) -> None:
    message = f"`{fn.__name__}` is not in the table of derivatives: build it from functions of tinygrad_nlp.table()"
    with pytest.raises(TypeError, match=re.escape(message)) as caught:
        fn(T([[1.0, 2.0], [3.0, 5.0]]))
    assert "rule(), composite() or flat(); on constants use t.data" in str(caught.value)


def test_out_where_and_ufunc_methods_are_refused() -> None:
    t, out, mask = T([1.0, 2.0]), np.zeros(2), np.array([True, False])
    refused(
        TypeError,
        "`add` of a Tensor takes no keyword out= (known: a, b): write a = a + t for a += t",
        lambda: np.add(t, 1.0, out=out),
    )
    refused(TypeError, "`exp` of a Tensor takes no keyword where=", lambda: np.exp(t, where=mask))
    refused(TypeError, "`sum` of a Tensor takes no keyword out=", lambda: np.sum(t, out=out))
    refused(TypeError, "`sum` of a Tensor takes no keyword where=", lambda: np.sum(t, where=mask))
    refused(
        TypeError,
        "np.add.reduce has no derivative: use a function of the table, such as np.sum",
        lambda: np.add.reduce(t),
    )
    refused(TypeError, "np.add.at has no derivative", lambda: np.add.at(out, [0, 0], t))  # what is refused
    refused(TypeError, "np.multiply.outer has no derivative", lambda: np.multiply.outer(t, t))
    refused(TypeError, "np.add.accumulate has no derivative", lambda: np.add.accumulate(t))
    assert not out.any()


def test_tensors_in_keywords_and_unknown_keywords_are_refused_at_the_call() -> None:
    t = T([1.0, 2.0])
    refused(
        TypeError,
        "`sum` of a Tensor takes no keyword dtype= (known: axis, keepdims): cast with .astype(dtype), before the call",
        lambda: np.sum(t, dtype=float),
    )
    refused(TypeError, "`sum` of a Tensor takes no keyword dtype=", lambda: t.sum(dtype=float))
    refused(
        TypeError, "`squeeze` of a Tensor: got an unexpected keyword argument 'order'", lambda: t.squeeze(order="F")
    )
    refused(
        ValueError,
        "order='A' depends on how an array lies in memory",
        lambda: np.sum(np.reshape(t, (2, 1), order="A")).backward(),
    )
    refused(
        TypeError, "`where` has no derivative for its argument 0: pass its values, t.data", lambda: np.where(t, t, t)
    )
    refused(TypeError, "`getitem` has no derivative for its argument 1: pass its values, t.data", lambda: t[T(0.0)])
    refused(TypeError, "`sum` has no derivative for its argument 1: pass its values", lambda: np.sum(t, T(0.0)))
    refused(TypeError, "`max` of a Tensor takes no keyword initial=", lambda: np.max(t, 0, None, False, 3.0))
    refused(
        TypeError,
        "`sum` of a Tensor: got an unexpected keyword argument 'dim': NumPy calls it axis=",
        lambda: t.sum(dim=0),
    )
    assert np.array_equal(gradients(np.clip(t, a_min=T([1.5, 0.0]), a_max=None), [t], [1, 1])[0], [0, 1]), (
        "composites bind keywords"
    )


def test_operators_with_constants_on_either_side() -> None:
    t, a = T([1.0, 4.0]), np.array([2.0, 3.0])
    for ours, theirs in [
        (1 + t, [2, 5]),
        (t - 1, [0, 3]),
        (a - t, [1, -1]),
        (2 * t, [2, 8]),
        (a / t, [2, 0.75]),
        (t / a, [0.5, 4 / 3]),
        (2**t, [2, 16]),
        (t**a, [1, 64]),
        (-t, [-1, -4]),
        (+t, [1, 4]),
        (abs(-t), [1, 4]),
        (a @ t, 14),
        (t @ a, 14),
        (7 % t, [0, 3]),
        (t % 3, [1, 1]),
    ]:
        assert type(ours) is Tensor and np.allclose(ours.data, theirs)
    for ours, theirs in [
        (t > 2, [False, True]),
        (t >= 4, [False, True]),
        (t < a, [True, False]),
        (t <= 1, [True, False]),
        (7 // t, [7, 1]),
        (t // 3, [0, 1]),
        (t == 4, [False, True]),
        (t != 4, [True, False]),
        (t > 2, [False, True]),
    ]:
        assert type(ours) is np.ndarray and ours.tolist() == theirs
    assert {t: 1}[t] == 1, "Tensors are keys, by identity"


def test_python_numbers_keep_float32() -> None:
    t = T(np.ones(3, np.float32))
    for y in (
        t * 2,
        2.0 * t,
        t / 3,
        1 - t,
        t**2,
        t**0.5,
        2**t,
        np.maximum(t, 0),
        np.clip(t, 0, 1),
        np.mean(t),
        np.std(t),
        np.var(t, ddof=1),
        np.where(t > 0, t, 0),
        relu(t),
        np.prod(t),
        np.linalg.norm(t),
        np.linalg.norm(t, 3),
        np.pad(t, 1),
        np.sum(t) / 3,
        softmax_cross_entropy(t, np.array(1)),
    ):
        assert y.dtype == np.float32, y
        assert gradients(np.sum(y), [t])[0].dtype == np.float32
    wide = np.sum(t * np.ones(3)) + np.sum(T(np.ones(3)) * t)
    assert wide.dtype == np.float64 and gradients(wide, [t])[0].dtype == np.float32


def test_methods_for_axes() -> None:
    x = np.arange(6.0).reshape(1, 2, 3)
    for f in (lambda t: t.transpose(2, 0, 1), lambda t: t.transpose((1, 2, 0)), lambda t: t.transpose(), lambda t: t.T):
        assert np.array_equal(f(T(x)).data, f(x)) and f(T(x)).fn is np.transpose
    assert T(x).reshape(3, 2).shape == T(x).reshape((3, 2)).shape == (3, 2)


def test_any_and_all() -> None:
    for values in ([0.0, 2.0], [0.0, 0.0], [1.0, 2.0]):
        assert (T(values).any(), T(values).all()) == (any(values), all(values))


def test_what_numpy_refuses_composites_refuse() -> None:
    x = np.ones((2, 3))
    for f in (
        lambda x: np.prod(x, axis=5),
        lambda x: np.take(x, [0], axis=3),
        lambda x: np.tensordot(x, np.ones((3, 2)), ((4,), (0,))),
        lambda x: np.average(x, weights=np.ones((2, 1))),
        lambda x: np.average(x, weights=np.zeros((2, 3))),
        lambda x: np.einsum("...i->i", x),
        lambda x: np.vdot(x, np.ones(1)),
        lambda x: np.linalg.norm(x[None], 1),
        lambda x: np.diff(x, n=-1),
        lambda x: np.vsplit(x[0], 3),
        lambda x: np.linalg.matrix_power(x[:1], 0),
        lambda x: np.take_along_axis(x, np.zeros(2, int), 1),
        lambda x: np.clip(x, 0, None, min=3),
    ):
        errors = []
        for a in (x, T(x)):
            with pytest.raises((ValueError, TypeError, IndexError, ZeroDivisionError)) as caught:
                f(a)
            errors.append(caught.value)
        assert "\n" not in str(errors[1])


def test_lists_are_constants_in_operators() -> None:
    x = T([2.0, 3.0])
    np.testing.assert_allclose(gradients(np.sum(x ** [0, 2]), [x]), [[0.0, 6.0]])
    np.testing.assert_allclose(gradients(np.sum([1.0, 2.0] * x), [x]), [[1.0, 2.0]])

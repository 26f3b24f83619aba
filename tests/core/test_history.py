"""A Tensor's history is not lost without a word: it is no array, no number, and cannot be changed in place."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import pytest

from tests.core.refusing import refused
from tinygrad_nlp import Tensor, embedding, gradients

T = Tensor

LOST = (
    "a Tensor (2,) made an array or a number would lose its history: its values are t.data and t.item(); "
    "to differentiate, np.stack a list, and np.stack or np.where for h[t] = …"
)


def test_a_tensor_is_not_an_array() -> None:
    t = T([1.0, 2.0])
    for call in (
        lambda: np.asarray(t),
        lambda: np.array([t, t]),
        lambda: np.asarray(t, dtype=float),
        lambda: Tensor(t),
    ):
        refused(TypeError, LOST, call)
    assert T([[2.5]]).item() == T(2.5).item() == 2.5 and t.tolist() == [1, 2] and bool(T(1.0)) and not T(0.0)
    with pytest.raises(ValueError, match="size 1"):
        t.item()


@pytest.mark.parametrize("array", [2.0, [2.0], [[2.0]], np.float32(2)])
def test_a_tensor_is_not_a_number(array: Any) -> None:
    """NumPy and math would take the value out of the graph, and its gradient would be lost without a word."""
    t, made = T(array), T(array) * 1.0
    for convert in (float, int, complex, round, operator.index, math.exp, math.sqrt, math.floor, math.ceil, math.trunc):
        refused(TypeError, LOST.replace("(2,)", str(t.shape)), lambda f=convert: f(t))
        refused(TypeError, LOST.replace("(2,)", str(t.shape)), lambda f=convert: f(made))
    for convert in (np.float64, np.float32, np.int64, np.array, np.asarray, np.arange, lambda a: np.full(2, a)):
        refused(TypeError, LOST.replace("(2,)", str(t.shape)), lambda f=convert: f(t))
    assert f"{t:.3f} {t * 1.0:>6.1f}" == "2.000    2.0"
    with pytest.raises(TypeError, match=r"t\.item\(\)"):
        _ = "%.3f" % t  # noqa: UP031 (% is what is tested)


def written(h: np.ndarray, value: Any, how: str) -> None:
    if how == "h[0] = t":
        h[0] = value
    elif how == "h[0] += t":
        h[0] += value
    elif how == "h[0, 1] = t":
        h[0, 1] = value
    elif how == "h[:] = t":
        h[:] = value
    elif how == "h.flat[0] = t":
        h.flat[0] = value
    elif how == "h.fill(t)":
        h.fill(value)
    else:
        h[h == 0] = value


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, complex])
@pytest.mark.parametrize("how", ["h[0] = t", "h[0] += t", "h[0, 1] = t", "h[:] = t", "h.flat[0] = t", "h.fill(t)", ""])
@pytest.mark.parametrize("t", [T(3.0), T([3.0]), T([3.0, 4.0]), T([3.0, 4.0])[0], T(3.0) * 2], ids=repr)
def test_an_array_cannot_be_filled_with_tensors(kind: Any, how: str, t: Tensor) -> None:
    """NumPy raises our error, or its own because of ours, and the array is as it was."""
    h = np.zeros((2, 2), kind)
    with pytest.raises((TypeError, ValueError)) as caught:
        written(h, t, how)
    if how != "h.flat[0] = t":  # NumPy says less there
        chain = [str(e) for e in (caught.value, caught.value.__cause__) if e]
        assert any("t.item()" in said or "a = a + t for a += t" in said for said in chain), chain
    assert not h.any()


def test_a_leaf_with_a_gradient_is_not_updated_by_hand() -> None:
    """p -= lr * p.grad gives the name p to another Tensor: the model keeps the old one and never learns."""
    p, table = T([1.0, 2.0]), T(np.ones((3, 2)))
    (p * p).sum().backward()
    embedding(table, np.array([0, 2])).sum().backward()
    updates = {"+=": operator.iadd, "-=": operator.isub, "*=": operator.imul, "/=": operator.itruediv}
    updates |= {"**=": operator.ipow, "%=": operator.imod}
    for sign, update in updates.items():
        for by in (0.1 * p.grad, 0.1, np.float32(1), [1.0, 2.0]):
            message = f"p {sign} … on a leaf that has a gradient would give its name to another Tensor"
            refused(TypeError, message, lambda update=update, by=by: update(p, by))
    refused(TypeError, "use an optimiser, optim.SGD(parameters, lr)", lambda: operator.isub(table, 0.1 * table.grad))
    refused(TypeError, "or write p.data @= …", lambda: operator.imatmul(p, np.ones((2, 2))))
    assert p.data.tolist() == [1, 2] and table.data.tolist() == np.ones((3, 2)).tolist()


def test_in_place_operators_rebind_elsewhere() -> None:
    for t in (T([1.0, 2.0]), T([1.0, 2.0]) * 2):
        for update, plain in (
            (operator.iadd, operator.add),
            (operator.isub, operator.sub),
            (operator.imul, operator.mul),
            (operator.itruediv, operator.truediv),
            (operator.ipow, operator.pow),
            (operator.imod, operator.mod),
        ):
            for by in (3.0, np.array([3.0, 4.0]), [3.0, 4.0], T([3.0, 4.0])):
                new = update(t, by)
                assert new is not t and np.array_equal(new.data, plain(t, by).data)
                assert np.array_equal(*(gradients(y, [t], np.ones(2))[0] for y in (new, plain(t, by))))
    p = T([1.0])
    p.sum().backward()
    p += p  # a Tensor: a sum in a program, not an update
    assert p.data.tolist() == [2]


def test_integers_complex_numbers_and_objects_are_no_tensors() -> None:
    for array in (
        np.arange(3),
        [1, 2],
        np.array([True]),
        3,
        np.ones(2, complex),
        np.ones(2, np.float16),
        np.array(["a"]),
        None,
    ):
        refused(TypeError, "a Tensor holds float32 or float64, not", lambda array=array: T(array))
    refused(
        TypeError,
        "not int64 (shape (3,)): ids, masks and labels stay arrays; numbers: np.asarray(a).astype(float)",
        lambda: T(np.arange(3)),
    )
    for call in (lambda: T([1.0]).astype(int), lambda: T([1.0]) * 1j, lambda: np.exp(1j * T([1.0]))):
        with pytest.raises(TypeError, match=r"a Tensor is float32 or float64; for constants use t\.data"):
            call()


def test_a_tensor_copies_what_it_is_made_of() -> None:
    a = np.ones(2)
    t = T(a)
    a[0] = 5.0
    assert t.data.tolist() == [1, 1] and T([1.0, 2.0]).dtype == np.float64 and T(np.float32(1)).dtype == np.float32
    assert a.flags.writeable and T([]).shape == (0,) and T([[1.5]]).shape == (1, 1)


def test_nothing_is_changed_in_place() -> None:
    t, old, array = T([1.0, 2.0]), None, np.zeros(2)
    old = t
    t += 1
    assert t is not old and t.fn is np.add and old.data.tolist() == [1, 2]
    refused(
        TypeError,
        "a Tensor cannot be changed in place: build a new one, such as np.where(mask, value, t)",
        lambda: operator.setitem(t, 0, 1.0),
    )
    refused(TypeError, "`add` of a Tensor takes no keyword out=", lambda: operator.iadd(array, t))
    assert not array.any()
    for data in (t.data, old.data, (t * 2.0).data, np.reshape(t, (2, 1)).data):
        with pytest.raises(ValueError, match="read-only"):
            data[0] = 5.0
    constant = np.ones(2)
    for y in (
        t * constant,
        np.where([True, False], t, constant),
        np.concatenate([t, constant]),
        np.stack([t, constant]),
    ):
        gradients(np.sum(y))
    constant[0] = 2.0  # the user's own arrays stay writable


def test_a_matrix_is_no_array() -> None:
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix([[1.0, 2.0], [3.0, 4.0]])
    refused(TypeError, "`multiply` met a matrix", lambda: T(np.ones((2, 2))) * matrix)

"""Composites beyond what the table's cases draw: every einsum, refusals with their remedies, NumPy's own keywords and
lists."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest

from tests.battery.cases_products import EINSUMS
from tests.battery.cases_shapes import PAD_MODES
from tinygrad_nlp import Tensor, gradients
from tinygrad_nlp.engine import history

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("spec", EINSUMS)
@pytest.mark.parametrize("thin", [False, True])
def test_every_einsum(spec: str, thin: bool) -> None:
    """Value and gradients, the latter by the product rule: each operand enters linearly. thin: one axis of size 1 an
    operand."""
    side, xs = dict(zip("abcijkl", (2, 3, 4, 2, 3, 4, 5), strict=True)), []
    for n, letters in enumerate(spec.replace(" ", "").split("->")[0].split(",")):
        shape = [5 if c == "." else side[c] for c in letters.replace("...", ".")]
        single = [k for k, c in enumerate(letters.replace("...", ".")) if letters.count(c) == 1 and c != "."]
        if thin and single:
            shape[single[n % len(single)]] = 1
        xs.append(RNG.normal(size=shape))
    ts = [Tensor(x) for x in xs]
    y = np.einsum(spec, *ts)
    assert np.allclose(y.data, np.einsum(spec, *xs), rtol=1e-13, atol=1e-13)
    g = RNG.normal(size=y.shape)
    for i, d in enumerate(gradients(y, ts, g)):
        v = RNG.normal(size=xs[i].shape)
        change = np.einsum(spec, *[v if k == i else x for k, x in enumerate(xs)])
        assert d.shape == v.shape and abs(np.sum(d * v) - np.sum(g * change)) < 1e-12 * (1 + np.sum(np.abs(d * v)))


@pytest.mark.parametrize(
    "spec",
    ["ij->ji", "ii->", "ij,jk->ik", "ij,jk->", "ij,jk", "ij,jk,kl->li", "ij,ij", "...i,...i->...", "i...,i->..."],
)
def test_einsum_by_lists_is_that_by_letters(spec: str) -> None:
    """einsum(a, [0, 1], b, [1, 2], [0, 2]) is einsum("ij,jk->ik", a, b); without the last list, as without an arrow."""

    def places(letters: str) -> list[Any]:
        found = [ord(c) - ord("a") for c in letters.replace("...", "")]
        at = letters.find("...")
        return found if at < 0 else [*found[:at], Ellipsis, *found[at:]]

    left, arrow, out = spec.partition("->")
    rng = np.random.default_rng(0)
    xs = [
        rng.standard_normal((3, 3)[: max(len(part.replace("...", "")), 2 * ("..." in part))])
        for part in left.split(",")
    ]
    found = []
    for by_lists in (False, True):
        ts = [Tensor(x) for x in xs]
        operands: list[Any] = [part for pair in zip(ts, map(places, left.split(",")), strict=True) for part in pair]
        y = np.einsum(*operands, *([places(out)] if arrow else [])) if by_lists else np.einsum(spec, *ts)
        found.append([y.data, *gradients(y, ts, np.cos(y.data))])
    for ours, right in zip(*found, strict=True):
        np.testing.assert_allclose(ours, right, rtol=1e-13)


def test_einsum_of_constants_and_tensors_and_a_plan() -> None:
    a, b, c = RNG.normal(size=(2, 3)), Tensor(RNG.normal(size=(3, 4))), RNG.normal(size=(4, 2))
    y = np.einsum("ij,jk,ki->", a, b, c, optimize=True)
    assert np.allclose(gradients(y, [b])[0], (c @ a).T)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: np.einsum("ij,jk->ik", t), ValueError, "einsum 'ij,jk->ik' names 2 operands but got 1"),
        (lambda t: np.einsum("ijk->i", t), ValueError, "einsum 'ijk->i': 'ijk' has 3 letters for an operand of 2 axes"),
        (lambda t: np.einsum("ij,ij->", t, t.T), ValueError, "einsum 'ij,ij->': axis 'i' has sizes 2 and 3"),
        (lambda t: np.tensordot(t, t, 1), ValueError, "tensordot: axes [1] of (2, 3) and [0] of (2, 3) differ in size"),
        (
            lambda t: np.linalg.norm(t[0], "fro"),
            ValueError,
            "ord='fro' is for matrices, and (3,) along (0,) are vectors",
        ),
        (lambda t: np.linalg.norm(t, 3), ValueError, "linalg.norm: a matrix has no ord=3: 'fro', 'nuc', 1, 2, inf"),
        (lambda t: np.linalg.svd(t), TypeError, "svd of a Tensor (2, 3) with full_matrices=True has columns that are"),
        (lambda t: np.linalg.qr(t, "raw"), TypeError, "qr of a Tensor (2, 3) has no mode 'raw': 'reduced' and 'r'"),
        (
            lambda t: np.linalg.norm(t[0], 0),
            TypeError,
            "ord=0 counts what is not zero, which has no gradient: use it on t.data",
        ),
        (
            lambda t: np.pad(t, 1, mode="mean"),
            TypeError,
            "pad of a Tensor has no mode 'mean': constant, edge, reflect, symmetric and wrap",
        ),
        (lambda t: np.split(t, 2, axis=1), ValueError, "array split does not result in an equal division"),
        (
            lambda t: np.mean(t, dtype=float),
            TypeError,
            "`mean` of a Tensor takes no keyword dtype= (known: a, axis, keepdims): cast with .astype(dtype)",
        ),
        (lambda t: np.std(t, mean=1.0), TypeError, "`std` of a Tensor takes no keyword mean="),
        (lambda t: np.concatenate([t, t], dtype=float), TypeError, "`concatenate` of a Tensor takes no keyword dtype="),
    ],
)
def test_refusals_name_the_remedy(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        call(Tensor(np.ones((2, 3))))


def test_clip_takes_both_of_numpys_spellings() -> None:
    x = Tensor([-2.0, 0.5, 3.0])
    for y in (
        np.clip(x, -1, 1),
        np.clip(x, a_min=-1, a_max=1),
        x.clip(-1, 1),
        x.clip(min=-1, max=1),
        np.clip(x, min=-1, max=1),
    ):
        assert np.array_equal(y.data, [-1, 0.5, 1]) and np.array_equal(gradients(y, [x], np.ones(3))[0], [0, 1, 0])
    assert np.array_equal(x.clip(max=1).data, [-2, 0.5, 1]) and np.array_equal(x.clip(min=1).data, [1, 1, 3])


@pytest.mark.parametrize("ord", [None, 1, 2, 3, np.inf])
def test_the_gradient_of_every_norm_at_zero_is_zero(ord: Any) -> None:
    x = Tensor(np.zeros((2, 3)))
    for y in (np.linalg.norm(x, ord, axis=1), np.linalg.norm(x[0], ord)):
        assert not y.data.any() and not gradients(np.sum(y), [x])[0].any()


@pytest.mark.parametrize("mode", PAD_MODES)
def test_pads_keep_float32_and_0_d(mode: str) -> None:
    x = Tensor(np.ones((2, 2), np.float32))
    assert np.pad(x, 1, mode=mode).dtype == np.float32
    point = Tensor(2.0)
    y = np.pad(point, 1, mode=mode)
    assert y.shape == () and gradients(y)[point] == 1.0


@pytest.mark.parametrize("fn", [np.sum, np.mean, np.prod, np.max, np.min, np.var, np.std])
def test_a_0_d_tensor_may_be_reduced_over_axis_0_as_in_numpy(fn: Any) -> None:
    for axis in (None, ()) if fn in (np.mean, np.var, np.std) else (None, 0, -1, ()):
        x = Tensor(2.0)
        y = fn(x, axis=axis)
        assert y.shape == () and y.item() == fn(np.array(2.0), axis=axis)
        assert gradients(y)[x] == (0.0 if fn in (np.var, np.std) else 1.0)


@pytest.mark.parametrize("fn", [np.cumsum, np.cumprod])
def test_a_0_d_tensor_may_be_accumulated(fn: Any) -> None:
    for axis in (None, 0, -1):
        x = Tensor(2.0)
        y = fn(x, axis=axis)
        assert np.array_equal(y.data, fn(np.array(2.0), axis=axis)) and gradients(y)[x] == 1


def test_statistics_of_too_few_warn_as_numpy_does() -> None:
    with pytest.warns(RuntimeWarning):
        assert np.isnan(np.std(Tensor([1.0]), ddof=2).item())
    with pytest.warns(RuntimeWarning):
        assert np.isnan(np.mean(Tensor(np.zeros(0))).item())


def test_products_with_several_zeros_to_second_order() -> None:
    """∂²/∂x₀∂x₁ of x₀x₁x₂ is x₂, also where all three are zero or two are."""
    for values in ([0.0, 0.0, 3.0], [0.0, 0.0, 0.0], [2.0, 0.0, 3.0]):
        x = Tensor(values)
        (first,) = gradients(np.prod(x), [x], create_graph=True)
        second = [gradients(first[i], [x])[0].tolist() for i in range(3)]
        a, b, c = values
        assert first.data.tolist() == [b * c, a * c, a * b] and second == [[0, c, b], [c, 0, a], [b, a, 0]]


def fewest(sizes: tuple[int, ...]) -> int:
    """The multiplications that a chain of matrices of these sizes needs, by trying every last product."""
    last = (
        fewest(sizes[: k + 1]) + fewest(sizes[k:]) + sizes[0] * sizes[k] * sizes[-1] for k in range(1, len(sizes) - 1)
    )
    return min(last, default=0)


@pytest.mark.parametrize("sizes", [(30, 35, 15, 5, 10, 20, 25), (2, 9, 1, 9, 2), (1, 3, 9, 2), (3, 1, 2, 9, 1)])
def test_a_chain_of_matrices_is_multiplied_in_the_cheapest_order(sizes: tuple[int, ...]) -> None:
    """The first is the example of Cormen et al., Introduction to Algorithms, section 15.2, with 15,125."""
    chain = [Tensor(np.ones(pair)) for pair in itertools.pairwise(sizes)]
    made = [t.args for t in history(np.linalg.multi_dot(chain)) if t.fn is np.matmul]
    assert sum(a.shape[0] * a.shape[1] * b.shape[1] for a, b in made) == fewest(sizes)
    assert sizes[0] != 30 or fewest(sizes) == 15_125


def test_slogdet_is_numpys_pair() -> None:
    a = np.array([[[0.0, 2.0], [1.0, 0.5]], [[2.0, 0.0], [0.0, 3.0]]])
    result = np.linalg.slogdet(Tensor(a))
    assert np.array_equal(result.sign, [-1, 1]) and np.allclose(result.logabsdet.data, np.log([2, 6]))


def test_lists_of_arrays_tensors_and_numbers() -> None:
    x = Tensor([1.0, 2.0])
    for y in (
        np.stack([x, [3.0, 4.0]]),
        np.vstack([x, np.array([3.0, 4.0])]),
        np.concatenate([x, [3.0, 4.0]]),
        np.hstack([x, 3.0, 4.0]),
    ):
        assert np.array_equal(np.ravel(y.data), [1, 2, 3, 4]) and np.array_equal(
            gradients(np.sum(y * y), [x])[0], [2, 4]
        )
    pair = np.stack([x[0], x[1] * 2.0, 5.0])
    assert np.array_equal(gradients(pair, [x], [1, 10, 100])[0], [1, 20])
    assert np.dot(2.0, x).data.tolist() == [2, 4] and np.inner(x, 2.0).data.tolist() == [2, 4]


def test_integer_steps_through_methods() -> None:
    x = Tensor(np.arange(6.0).reshape(2, 3))
    assert (
        x.T.shape == (3, 2)
        and x.reshape(3, 2).shape == x.reshape((3, 2)).shape == x.transpose(1, 0).shape == x.transpose((1, 0)).shape
    )
    assert x.transpose().shape == x.swapaxes(0, 1).shape == (3, 2) and x.ravel().shape == x.flatten().shape == (6,)
    assert (
        x[None].squeeze(0).shape == (2, 3)
        and x.repeat(2, axis=0).shape == (4, 3)
        and x.take([0, 0], axis=1).shape == (2, 2)
    )
    assert x.dot(np.ones(3)).data.tolist() == [3, 12] and x.trace().item() == 4 and x.diagonal().data.tolist() == [0, 4]
    assert (
        x.argmax() == 5 and x.argsort(axis=1).tolist() == [[0, 1, 2]] * 2 and x.nonzero()[0].tolist() == [0, 0, 1, 1, 1]
    )
    assert (
        x.max(axis=0).data.tolist() == [3, 4, 5]
        and x.min().item() == 0
        and x.mean(axis=1, keepdims=True).data.tolist() == [[1], [4]]
    )
    assert (
        x.var().item() == np.var(x.data)
        and x.std(ddof=1).item() == np.std(x.data, ddof=1)
        and x.prod(axis=1).data.tolist() == [0, 60]
    )
    assert x.cumsum(axis=1).data[0].tolist() == [0, 1, 3] and x.cumprod(axis=1).data[1].tolist() == [3, 12, 60]
    assert x.any() and not x.all() and x.round().tolist() == x.tolist() and x.argmin() == 0 and x.copy().fn is np.copy
    assert (x // 2).tolist() == [[0, 0, 1], [1, 2, 2]] and (7 % (x + 1.0)).data.tolist() == [[0, 1, 1], [3, 2, 1]]


def test_lists_of_tensors_beside_a_tensor() -> None:
    a, b = Tensor(2.0), Tensor(3.0)
    y = np.concatenate([Tensor([7.0]), [a, b], [b, 1.0]])
    assert y.data.tolist() == [7, 2, 3, 3, 1] and gradients(y, [a, b], [5.0, 1, 10, 100, 1000]) == [1, 110]

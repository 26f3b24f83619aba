"""Trees: leaves by name, shared leaves stay shared, and one vector of all parameters for scipy.optimize."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_nlp import Tensor, gradients, nn, ravel, softmax_cross_entropy, value_and_grad
from tinygrad_nlp.strategies import arrays, shapes
from tinygrad_nlp.tree import map_leaves, named_leaves

Pair = namedtuple("Pair", "first second")


def test_leaves_have_dotted_names_and_shared_ones_come_once() -> None:
    a, b = np.ones(2), Tensor(np.zeros(3))
    tree = {"x": [a, (b, 7)], "y": Pair(b, "name"), "z": a}
    assert [(name, leaf is a) for name, leaf in named_leaves(tree)] == [("x.0", True), ("x.1.0", False)]
    doubled = map_leaves(lambda leaf: (leaf.data if isinstance(leaf, Tensor) else leaf) + 1, tree)
    assert doubled["x"][0] is doubled["z"] and doubled["x"][1][0] is doubled["y"].first
    assert type(doubled["y"]) is Pair and doubled["y"].second == "name" and doubled["x"][1][1] == 7


@given(st.data())
def test_there_and_back(data: Any) -> None:
    """Any tree: the same numbers, shapes and dtypes; 0-d and empty leaves too."""
    leaves = [data.draw(arrays(data.draw(shapes()))) for _ in range(data.draw(st.integers(1, 4)))]
    leaves = [a.astype(data.draw(st.sampled_from((np.float32, np.float64)))) for a in leaves]
    tree = {"all": leaves, "ids": np.arange(3), "first": leaves[0]}
    vector, unravel = ravel(tree)
    assert vector.dtype == np.float64 and vector.shape == (sum(a.size for a in leaves),)
    back = unravel(vector)
    assert back["first"] is back["all"][0] and back["ids"] is tree["ids"]
    for a, b in zip(leaves, back["all"], strict=True):
        assert a.dtype == b.dtype and np.array_equal(a, b)


def test_of_a_model_only_tensors_are_parameters_and_gradients_flow() -> None:
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Linear(3, 4, rng=rng, dtype=np.float64), np.tanh, nn.Linear(4, 2, rng=rng, dtype=np.float64)
    )
    model.scale = np.full(2, 2.0)
    x, labels = rng.normal(size=(5, 3)), rng.integers(0, 2, 5)
    vector, unravel = ravel(model)
    assert vector.size == sum(t.size for t in model.parameters()) == 26
    _, slope = value_and_grad(lambda v: softmax_cross_entropy(unravel(v)(x), labels))(vector)
    found = gradients(softmax_cross_entropy(model(x), labels))
    assert np.allclose(slope, np.concatenate([np.ravel(found[t]) for t in model.parameters()]), rtol=1e-13)


def test_scipy_finds_what_least_squares_has_in_closed_form() -> None:
    rng = np.random.default_rng(1)
    A, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    start, unravel = ravel({"w": Tensor(np.zeros(3)), "b": Tensor(0.0)})

    def loss(v: Any) -> Any:
        p = unravel(v)
        return np.mean((A @ p["w"] + p["b"] - y) ** 2)

    found = scipy.optimize.minimize(value_and_grad(loss), start, jac=True, method="L-BFGS-B", options={"ftol": 1e-14})
    right = np.linalg.lstsq(np.column_stack([A, np.ones(20)]), y, rcond=None)[0]
    assert np.allclose(found.x, right, atol=1e-5)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="has no parameters: give it Tensors or float arrays"):
        ravel({"ids": np.arange(3)})
    _, unravel = ravel([np.ones(2)])
    with pytest.raises(ValueError, match=r"the vector has shape \(3,\), the parameters are \(2,\)"):
        unravel(np.ones(3))

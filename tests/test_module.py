"""A Module's bookkeeping: names of parameters, repr, state, the layer that an error names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_nlp import Tensor, nn, relu
from tinygrad_nlp.engine import writable


class Deep(nn.Module):
    """Layers at several depths and in every kind of container."""

    def __init__(self, wrong: int, rng: np.random.Generator) -> None:
        widths = [4, 50, 20, 20]
        widths[wrong] = 7
        deep = [nn.Linear(n, m, rng=rng) for n, m in zip(widths, [50, 20, 20, 3], strict=True)]
        self.encoder = nn.Sequential(deep[0], np.tanh, nn.Sequential(relu, deep[1]))
        self.parts = {"between": (deep[2], deep[3])}

    def forward(self, x: Any) -> Any:
        first, second = self.parts["between"]
        return second(first(self.encoder(x)))


PLACES = ["encoder.layers[0]", "encoder.layers[2].layers[1]", "parts['between'][0]", "parts['between'][1]"]


@pytest.mark.parametrize("wrong", range(4))
@pytest.mark.parametrize("still", [False, True])
def test_a_shape_error_names_the_layer_and_both_shapes_at_any_depth(wrong: int, still: bool) -> None:
    model = Deep(wrong, np.random.default_rng(0))
    model = nn.frozen(model) if still else model
    x = (5, [4, 50, 20, 20][wrong])
    widths = f"7 → {[50, 20, 20, 3][wrong]}"
    says = f"{PLACES[wrong]} (Linear {widths}): affine: x {x}, W (7, {[50, 20, 20, 3][wrong]})"
    for _ in range(2):  # an error is named once, however often it rises
        with pytest.raises(ValueError, match="do not fit") as raised:
            model(np.ones((5, 4), np.float32))
        assert str(raised.value).startswith(says) and "\n" not in str(raised.value)
    assert eval(f"model.{PLACES[wrong]}", {"model": model}).W.shape[0] == 7


def test_other_errors_of_a_layer_name_it_too_and_stay_what_they_are() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(TypeError, match=r"^layers\[0\] \(Linear 2 → 3\): x \(1, 2\) is float64 but W"):
        nn.Sequential(nn.Linear(2, 3, rng=rng))(np.ones((1, 2)))
    with pytest.raises(ValueError, match=r"^layers\[0\] \(Embedding 5 → 2\): .*7"):
        nn.Sequential(nn.Embedding(5, 2, rng=rng))(np.array([7]))

    class Summing(nn.Module):
        def forward(self, x: Any, axis: int) -> Any:
            if axis == 7:
                return x[axis]
            if axis == 8:
                raise KeyError("eight")
            return np.sum(x, axis)

    with pytest.raises(IndexError, match=r"^Summing: index 7 is out of bounds") as outside:
        Summing()(np.ones(2), 7)
    assert type(outside.value) is IndexError
    with pytest.raises(np.exceptions.AxisError, match=r"^axis 9 is out of bounds"):  # has a text of its own
        Summing()(np.ones(2), 9)
    with pytest.raises(KeyError, match=r"^'eight'$"):
        Summing()(np.ones(2), 8)


class Tied(nn.Module):
    """Shared parameters, a constant, modules in a dict."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.parts = {"in": nn.Linear(2, 2, rng=rng), "out": nn.Linear(2, 2, rng=rng)}
        self.parts["out"].W = self.parts["in"].W
        self.mask = np.array([1.0, 0.0], np.float32)
        self.scale, self.settings = Tensor(np.float32(2)), {"unused": 3}

    def forward(self, x: Any) -> Any:
        return self.parts["out"](self.parts["in"](x) * self.mask) * self.scale


def test_parameters_are_named_once_and_arrays_are_none() -> None:
    model = Tied(np.random.default_rng(9))
    assert [name for name, _ in model.named_parameters()] == ["parts.in.W", "parts.in.b", "parts.out.b", "scale"]
    assert model.parameters()[0] is model.parts["out"].W
    assert repr(model).splitlines() == [
        "Tied (9 parameters)",
        "  parts: dict",
        "    in: Linear 2 → 2",
        "      W: (2, 2) float32",
        "      b: (2,) float32",
        "    out: Linear 2 → 2",
        "      W: (2, 2) float32",
        "      b: (2,) float32",
        "  mask: (2,) float32, constant",
        "  scale: () float32",
    ]
    twin = nn.frozen(model)
    assert twin.parts["in"].W is twin.parts["out"].W
    assert repr(nn.Sequential(relu, nn.Dropout(0.5, rng=np.random.default_rng(0)))).splitlines() == [
        "Sequential (0 parameters)",
        "  layers: list",
        "    0: relu",
        "    1: Dropout rate=0.5",
    ]


def test_state_dict_goes_round() -> None:
    one, two = Tied(np.random.default_rng(10)), Tied(np.random.default_rng(11))
    x, state = np.ones((3, 2), np.float32), one.state_dict()
    assert not np.array_equal(one(x).data, two(x).data)
    two.load_state_dict(state)
    np.testing.assert_array_equal(one(x).data, two(x).data)
    writable(one.scale)[...] = 7
    assert state["scale"] == 2 and two.scale.item() == 2  # copies, both ways
    assert all(not np.shares_memory(a, t.data) for a, t in zip(state.values(), one.parameters(), strict=True))


def test_a_graph_from_before_loading_is_refused() -> None:
    model = Tied(np.random.default_rng(12))
    y = model(np.ones((3, 2), np.float32)).sum()
    model.load_state_dict(model.state_dict())
    with pytest.raises(RuntimeError, match="forward pass again"):
        y.backward()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts.in.b": None}, r"'parts.in.b' is \(2,\) float32 in the Tied, missing in the state"),
        ({"extra": np.zeros(3)}, r"'extra' is missing in the Tied, \(3,\) float64 in the state"),
        ({"scale": np.zeros((1,), np.float32)}, r"'scale' is \(\) float32 in the Tied, \(1,\) float32 in the state"),
        ({"parts.in.b": np.zeros(2)}, r"'parts.in.b' is \(2,\) float32 in the Tied, \(2,\) float64 in the state"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_whole(change: dict[str, Any], message: str) -> None:
    model = Tied(np.random.default_rng(13))
    before = model.state_dict()
    state = {name: a for name, a in ({k: a + 1 for k, a in before.items()} | change).items() if a is not None}
    with pytest.raises(ValueError, match=message) as error:
        model.load_state_dict(state)
    assert "\n" not in str(error.value)
    assert all(np.array_equal(a, before[name]) for name, a in model.state_dict().items())

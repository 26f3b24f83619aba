"""summary(): the shapes that come out of each layer, and the numbers and bytes that it holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_nlp import Tensor, nn, summary
from tinygrad_nlp.nlp.models import CharRNN, DeepAveragingNetwork, WordRNN

RNG = np.random.default_rng(0)


class Branched(nn.Module):
    """Tied weights, a constant, a loose Tensor, two outputs, a layer that is not called."""

    def __init__(self) -> None:
        self.parts = {"in": nn.Linear(4, 6, rng=RNG, dtype=np.float64), "out": nn.Linear(6, 4, rng=RNG, bias=False)}
        self.again = nn.Linear(4, 6, rng=RNG, dtype=np.float64)
        self.again.W = self.parts["in"].W
        self.unused, self.mask, self.loose = nn.Linear(2, 2, rng=RNG), np.ones(6), [Tensor(np.zeros((2, 5)))]

    def forward(self, x: Any, twice: bool = False) -> Any:
        h = self.again(x) if twice else self.parts["in"](x)
        return {"h": h * self.mask, "y": [self.parts["out"](h.astype(np.float32))]}


def test_what_each_layer_gives_and_holds() -> None:
    model = Branched()
    found = {layer.name: layer for layer in summary(model, np.ones((3, 4))).layers}
    assert {name: layer.outputs for name, layer in found.items()} == {
        "": ((3, 6), (3, 4)),
        "parts['in']": ((3, 6),),
        "parts['out']": ((3, 4),),
        "again": (),
        "unused": (),
    }
    held = {name: (layer.parameters, layer.constants, layer.bytes) for name, layer in found.items()}
    assert held == {
        "": (10, 6, 128),
        "parts['in']": (30, 0, 240),
        "parts['out']": (24, 0, 96),
        "again": (6, 0, 48),  # its W was counted above
        "unused": (6, 0, 24),
    }
    whole = summary(model, x=np.ones((3, 4)), twice=True)
    assert whole.layers[3].outputs == ((3, 6),) and whole.layers[1].outputs == ()
    assert whole.parameters == sum(t.size for t in model.parameters()) == 76 and whole.bytes == 536
    assert whole.output_bytes == 3 * 6 * 8 * 2 + 3 * 4 * 4  # h, h masked, y
    assert "not called" in str(whole) and "76 parameters and 6 constants, 536 bytes" in whole.total()


@pytest.mark.parametrize(
    ("model", "inputs", "output"),
    [
        (CharRNN(9, 4, 5, "lstm", layers=2, dropout=0.5, rng=RNG), (np.zeros((7, 2), int),), (7, 2, 9)),
        (CharRNN(90, 4, 5, "gru", rng=RNG), (np.zeros((7, 2), int),), (7, 2, 90)),
        (WordRNN(9, 4, 0.5, rng=RNG), (np.zeros((7, 2), int),), (7, 2, 9)),
        (DeepAveragingNetwork(9, 4, rng=RNG), (np.arange(5), np.array([0, 3])), (2, 2)),
        (nn.GRU(3, 4, rng=RNG, batch_first=True), (np.zeros((2, 7, 3), np.float32),), (2, 7, 4)),
    ],
)
def test_models(model: Any, inputs: Any, output: Any) -> None:
    before, states = repr(model), [m.rng.bit_generator.state for m in nn.modules(model) if isinstance(m, nn.Dropout)]
    found = summary(model, *inputs)
    assert found.layers[0].outputs[0] == output and found.parameters == sum(t.size for t in model.parameters())
    assert all(layer.outputs for layer in found.layers if "Linear" in layer.title or "GRU" in layer.title)
    assert repr(model) == before and not any("forward" in vars(m) for m in nn.modules(model))  # nothing is changed
    assert states == [m.rng.bit_generator.state for m in nn.modules(model) if isinstance(m, nn.Dropout)]
    assert found._repr_html_().count("<tr") == len(found.layers) + 1


def test_a_frozen_model_has_constants_and_a_wrong_input_names_the_layer() -> None:
    model = nn.Sequential(nn.Linear(4, 3, rng=RNG), nn.Linear(3, 2, rng=RNG))
    still = summary(nn.frozen(model), np.ones((1, 4), np.float32))
    assert still.parameters == 0 and still.bytes == 4 * (15 + 8) == summary(model, np.ones((1, 4), np.float32)).bytes
    with pytest.raises(ValueError, match=r"layers\[0\] \(Linear 4 → 3\)"):
        summary(model, np.ones((1, 5), np.float32))
    with pytest.raises(TypeError, match=r"not a Module: summary\(model, \*inputs\)"):
        summary(np.ones(2), model)

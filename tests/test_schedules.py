"""Schedules of the learning rate, and the running average of a model's weights."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_nlp import nn, optim

RNG = np.random.default_rng


def test_schedules() -> None:
    assert [optim.step_decay(step, 20_000) for step in (0, 19_999, 20_000, 39_999, 40_000)] == [1, 1, 0.5, 0.5, 0.25]
    assert optim.step_decay(25, 10, factor=0.1) == pytest.approx(0.01)
    assert [optim.cosine_decay(step, 10, floor=0.2) for step in (0, 10, 11)] == pytest.approx([1, 0.2, 0.2])
    assert optim.cosine_decay(5, 10, floor=0.2) == pytest.approx(0.6)
    assert optim.linear_decay(500, 2000) == 0.75 and optim.linear_decay(2001, 2000) == 0
    assert optim.warm_up(0, 0) == 1 and optim.warm_up(9, 100) == 0.1


def test_average_follows_the_formula_and_resumes() -> None:
    rng, model = RNG(6), nn.Sequential(nn.Dropout(0.5, rng=RNG(7)), nn.Linear(3, 2, rng=RNG(8), dtype=np.float64))
    average, optimizer = optim.Average(model, 0.5), optim.SGD(model, 1.0)
    twin, expected = average.model(), model.state_dict()
    for t in range(12):
        for parameter in model.parameters():
            parameter.grad = rng.standard_normal(parameter.shape)
        optimizer.step()
        if t == 6:
            resumed = optim.Average(model, 0.5)
            resumed.load_state_dict(average.state_dict())
            average = resumed
            twin = average.model()
        average.update()
        d = min(0.5, (1 + t) / (10 + t))
        now = model.state_dict()
        expected = {name: d * a + (1 - d) * now[name] for name, a in expected.items()}
    for name, a in average.averages.items():
        np.testing.assert_allclose(a, expected[name], rtol=1e-12)
    x = np.ones((4, 3))
    np.testing.assert_array_equal(twin(x), x @ average.averages["layers.1.W"] + average.averages["layers.1.b"])
    state = average.state_dict()
    for wrong in ({**state, "w": np.ones(2)}, {name: np.ones(9) for name in state}):
        with pytest.raises(ValueError, match="in the Average"):
            average.load_state_dict(wrong)
    assert all(np.array_equal(a, state[name]) for name, a in average.state_dict().items())

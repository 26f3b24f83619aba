"""preflight.py: nothing on healthy models, and one sick model for each finding."""

import re
from functools import partial

import numpy as np
import pytest

from tinygrad_nlp import Tensor, nn, relu, softmax, softmax_cross_entropy
from tinygrad_nlp.engine import writable
from tinygrad_nlp.nlp.models import CharRNN, DeepAveragingNetwork, NeuralBigram
from tinygrad_nlp.optim import SGD
from tinygrad_nlp.seeing.preflight import preflight

rng = np.random.default_rng(0)
x, labels = rng.normal(size=(16, 4)).astype(np.float32), rng.integers(0, 3, 16)
BATCH = (x, labels)


def cross_entropy(model, batch):
    return softmax_cross_entropy(model(batch[0]), batch[1])


class Net(nn.Module):
    """A healthy classifier, with places to make it ill."""

    def __init__(self, between=np.tanh, after=None, **extra):
        self.first, self.last = nn.Linear(4, 8, rng=rng), nn.Linear(8, 3, rng=rng)
        self.between, self.after = between, after
        vars(self).update(extra)

    def forward(self, x):
        y = self.last(self.between(self.first(x)))
        return y if self.after is None else self.after(y)


def loud():
    model = Net()
    writable(model.last.W)[...] *= 100
    return model


def saturated():
    model = Net()
    writable(model.first.b)[...] = 9
    return model


def dead():
    model = Net(relu)
    writable(model.first.b)[...] = -9
    return model


def noisy(h, rng=np.random.default_rng(0)):  # noqa: B008 (one generator, used up call by call)
    return h + rng.normal(size=h.shape).astype(np.float32) * np.float32(0.1)


def squares(model, batch):
    error = model(batch[0])[:, :1] - batch[1].astype(np.float32)
    return np.mean(error * error)


def no_logarithm(model, batch):
    return -np.mean(np.take_along_axis(softmax(model(batch[0])), batch[1][:, None], 1))


def gaussian(model, batch):
    """−log of a density, which may be below 0: standard deviation 1/100 at the start."""
    residual, spread = model(batch[0])[:, 0] * 0.01, model(batch[0])[:, 1] - 4.6
    return np.mean(0.5 * np.square(residual / np.exp(spread)) + np.log(np.exp(spread)))


def shuffled(model, batch, rng=np.random.default_rng(0)):  # noqa: B008 (one generator, used up call by call)
    return softmax_cross_entropy(model(rng.permutation(batch[0])) * 0 + batch[0][:, :3], batch[1])


SICK = [
    (loud, cross_entropy, "the loss starts at .* where ignorance of 3 classes is ln 3 = 1.1: .* last layer smaller"),
    (lambda: Net(after=lambda y: y * 0 + 9 * np.eye(3, dtype=np.float32)[labels]), cross_entropy, "the labels leak"),
    (lambda: Net(after=softmax), cross_entropy, "is given probabilities: give it the logits"),
    (
        saturated,
        cross_entropy,
        r"% of the outputs of `tanh` at .* are within 0.01 of -1 or 1, where its gradient vanishes",
    ),
    (dead, cross_entropy, "100% of the units of `relu` at .* are 0 for every example"),
    (Net, squares, r"`subtract` at .* makes \(16, 16\) of \(16,\) and \(16, 1\): reshape one"),
    (lambda: Net(spare=Tensor([1.0])), cross_entropy, r"no gradient reaches spare \(1,\): the loss does not use it"),
    (lambda: Net(between=lambda h: h * np.float32(0)), cross_entropy, r"gradient of first.W \(4, 8\) is 0: dead units"),
    (lambda: Net(between=noisy), cross_entropy, "two evaluations of the frozen model differ .* use nn.Dropout"),
    (
        lambda: Net(after=lambda y: y - np.mean(y, 0)),
        cross_entropy,
        "the logits of example 0 at .* change with the other",
    ),
    (Net, no_logarithm, r"the loss starts at -0\..*, below 0, .*: the logarithm is forgotten, or the sign is wrong"),
    (Net, lambda model, batch: -cross_entropy(model, batch), "below 0.* or the sign is wrong"),
    (
        Net,
        lambda model, batch: cross_entropy(model, batch) * 0 - 3,
        "Adam on one batch took the loss from -3 to -3",
    ),
    (Net, shuffled, "100 steps of Adam on one batch took the loss from .* the labels do not belong to the inputs"),
    (lambda: Net(after=lambda y: np.log(y * y * 0)), cross_entropy, "`log` at .* made -inf: .*keep its argument away"),
]


@pytest.mark.parametrize(("make", "loss", "message"), SICK)
def test_each_illness_is_found(make, loss, message):
    found = preflight(make(), BATCH, loss)
    assert any(re.search(message, sentence) for sentence in found), found


def test_parameters_that_the_optimiser_does_not_know():
    model = Net()
    found = preflight(model, BATCH, cross_entropy, SGD(model.last, 0.1))
    assert found == [
        "first.W (4, 8) is not in the SGD: build the optimiser from the whole model",
        "first.b (8,) is not in the SGD: build the optimiser from the whole model",
    ]


def bags_loss(model, batch):
    return softmax_cross_entropy(model(batch["ids"], batch["offsets"]), batch["labels"])


def sequence_loss(model, batch):
    return softmax_cross_entropy(model(batch[0])[0], batch[1])


IDS, BIGRAMS = rng.integers(0, 20, (2, 12, 4)), rng.integers(0, 50, (2, 40))
BAGS = {"ids": rng.integers(0, 30, 64), "offsets": np.arange(0, 64, 8), "labels": rng.integers(0, 2, 8)}
HEALTHY = [
    (Net, BATCH, cross_entropy, 0),
    (lambda: Net(nn.Dropout(0.2, rng=np.random.default_rng(1))), BATCH, cross_entropy, 0),
    (Net, BATCH, gaussian, 0),
    (partial(NeuralBigram, 50, rng=rng), tuple(BIGRAMS), cross_entropy, 0),
    (partial(CharRNN, 20, 8, 16, "rnn", rng=rng), tuple(IDS), sequence_loss, 1),
    (partial(CharRNN, 20, 8, 16, "gru", layers=2, dropout=0.2, rng=rng), tuple(IDS), sequence_loss, 1),
    (partial(DeepAveragingNetwork, 30, 16, rng=rng), BAGS, bags_loss, 0),
]


@pytest.mark.parametrize(("make", "batch", "loss", "axis"), HEALTHY)
def test_a_healthy_model_passes_and_is_not_changed(make, batch, loss, axis):
    model = make()
    before = model.state_dict()
    generators = [repr(m.rng.bit_generator.state) for m in nn.modules(model) if isinstance(m, nn.Dropout)]
    assert preflight(model, batch, loss, SGD(model, 0.1), axis) == []
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[key])
        assert dict(model.named_parameters())[key].grad is None
    after = [repr(m.rng.bit_generator.state) for m in nn.modules(model) if isinstance(m, nn.Dropout)]
    assert after == generators

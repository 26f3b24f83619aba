"""preflight(): what to look at before a long training run, on one batch and in seconds.

Each check is a function below and yields sentences: what was found, where, and the remedy. The recipe is Karpathy's ("A
recipe for training neural networks", 2019): check the loss at the start, overfit one batch, look for what is silently
wrong.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.special

from ..core import notebook
from ..core.interface import name
from ..core.sparse import RowSparse
from ..engine import Tensor, gradients
from ..fused import softmax_cross_entropy
from ..module import named_tensors
from ..nn import Dropout, frozen, modules
from ..optim import Adam
from ..recurrent import rnn
from ..rules import relu, sigmoid
from .observing import observing
from .watch import Watch, accidental_broadcast, place

Loss = Callable[[Any, Any], Any]
LIMITS: dict[Any, tuple[int, int]] = {np.tanh: (-1, 1), rnn: (-1, 1), sigmoid: (0, 1), scipy.special.expit: (0, 1)}


def preflight(model: Any, batch: Any, loss: Loss, optimizer: Any = None, axis: int = 0, steps: int = 100) -> Findings:
    """What is suspicious before training: a list of sentences, each with its remedy, empty if all is well. Print it.

    loss(model, batch) is one number; with frozen(model) it takes arrays only. If the batch is a tuple of arrays, its
    examples lie along `axis` of each. `steps` is how long Adam may try to overfit the batch. Nothing is changed.
    """
    try:
        made, value = traced(copy.deepcopy(model), batch, loss)
        found = [
            *start(made),
            *below_zero(made, number(value)),
            *probabilities(made),
            *stuck_units(made),
            *(what for t in made if (what := accidental_broadcast(t))),
            *idle_parameters(model, batch, loss),
            *forgotten_parameters(model, optimizer),
            *random_evaluation(model, batch, loss),
            *mixed_examples(model, batch, loss, axis),
            *cannot_overfit(model, batch, loss, steps),
        ]
        return Findings(found)
    except FloatingPointError as error:  # raised by the watch() inside: it says where and what to do
        return Findings([str(error)])


class Findings(list[str], notebook.Printed):
    """What preflight() returns: a list of sentences, printed as one."""

    def text(self) -> str:
        return "\n".join(f"• {what}" for what in self) or "preflight: nothing suspicious"

    def _repr_html_(self) -> str:
        if not self:
            return notebook.block(notebook.line(str(self), notebook.GOOD))
        head = f"preflight: {len(self)} finding{'s' if len(self) > 1 else ''}"
        return notebook.block(notebook.line(head), *(notebook.line(what, notebook.BAD) for what in self))


class Trace(Watch):
    """An observer that keeps every result of the forward pass."""

    def __init__(self) -> None:
        self.made: list[Tensor] = []

    def forward(self, t: Tensor) -> None:
        self.made.append(t)
        super().forward(t)


def traced(model: Any, batch: Any, loss: Loss) -> tuple[list[Tensor], Any]:
    """Every Tensor that a call made on the way to the loss, and the loss."""
    trace = Trace()
    with observing(trace), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the library warns of is among our findings
        value = loss(model, batch)
    return trace.made, value


def without_dropout(model: Any) -> Any:
    """A live copy whose results do not depend on chance."""
    copied = copy.deepcopy(model)
    for module in modules(copied):
        if isinstance(module, Dropout):
            module.rate = 0.0
    return copied


def start(made: list[Tensor]) -> Iterator[str]:
    """A model that knows nothing gives each of n classes 1/n: its cross-entropy is ln n."""
    for t in made:
        if t.fn is softmax_cross_entropy and t.size == 1 and len(t.args) < 4:
            n, value = t.args[0].shape[-1], t.item()
            ignorance = f"ignorance of {n} classes is ln {n} = {np.log(n):.3g}"
            says = f"the loss starts at {value:.3g} nats at {place(t)}, where {ignorance}"
            if value > 1.3 * np.log(n) + 0.3:
                yield f"{says}: the model is confident and wrong; make the initial weights of its last layer smaller"
            elif value < 0.5 * np.log(n):
                yield f"{says}: the labels leak into the inputs, or the model is trained already"


def number(value: Any) -> float:
    """A loss as a number, whether a Tensor, an array or a number of Python's."""
    return float(value.item() if hasattr(value, "item") else value)


def below_zero(made: list[Tensor], value: float) -> Iterator[str]:
    """−log p is never negative for a probability p; for a density, whose loss takes a logarithm itself, it may be."""
    of_density = any("log" in name(t.fn) and name(t.fn) not in ("log_softmax", "log_expit") for t in made)
    if value < 0 and not of_density:
        what = f"the loss starts at {value:.3g}, below 0, where no cross-entropy and no squared error can be"
        yield f"{what}: the logarithm is forgotten, or the sign is wrong (softmax_cross_entropy takes both upon itself)"


def probabilities(made: list[Tensor]) -> Iterator[str]:
    """Softmax twice still trains, slowly and badly."""
    for t in made:
        if t.fn is softmax_cross_entropy:
            x = t.args[0].data
            if x.size and x.shape[-1] > 1 and x.min() >= 0 and np.allclose(x.sum(-1), 1, atol=1e-3):
                yield f"{place(t)} is given probabilities: give it the logits, because it takes the softmax itself"


def stuck_units(made: list[Tensor]) -> Iterator[str]:
    """Where a non-linearity is flat, nothing is learned."""
    for t in made:
        if t.fn in LIMITS and t.size:
            low, high = LIMITS[t.fn]
            share = np.mean((t.data < low + 0.01) | (t.data > high - 0.01))
            if share > 0.5:
                what = f"{share:.0%} of the outputs of {place(t)} are within 0.01 of {low} or {high}"
                yield f"{what}, where its gradient vanishes: smaller initial weights, or inputs of unit variance"
        elif t.fn is relu and t.ndim > 1 and t.size:
            dead = np.mean(~(t.data > 0).any(axis=tuple(range(t.ndim - 1))))
            if dead > 0.5:
                what = f"{dead:.0%} of the units of {place(t)} are 0 for every example, so they never learn"
                yield f"{what}: look at the bias, and make the initial weights or the learning rate smaller"


def idle_parameters(model: Any, batch: Any, loss: Loss) -> Iterator[str]:
    """Parameters that the loss does not depend on, or only with derivative 0."""
    model = without_dropout(model)
    _, value = traced(model, batch, loss)
    found = gradients(value) if isinstance(value, Tensor) else {}
    for key, t in named_tensors(model).items():
        g = found.get(t)
        if g is None:
            yield f"no gradient reaches {key} {t.shape}: the loss does not use it, or takes .data on the way"
        elif not (g.values if isinstance(g, RowSparse) else g).any():
            yield f"the gradient of {key} {t.shape} is 0: dead units or weights of 0 lie between it and the loss"


def forgotten_parameters(model: Any, optimizer: Any) -> Iterator[str]:
    """Parameters that no step would change."""
    if optimizer is not None:
        known = {id(t) for t in optimizer.parameters.values()}
        for key, t in named_tensors(model).items():
            if id(t) not in known:
                kind = type(optimizer).__name__
                yield f"{key} {t.shape} is not in the {kind}: build the optimiser from the whole model"


def random_evaluation(model: Any, batch: Any, loss: Loss) -> Iterator[str]:
    """Evaluation is a function of model and data."""
    model = frozen(copy.deepcopy(model))
    first, second = (number(traced(model, batch, loss)[1]) for _ in range(2))
    if first != second:
        what = f"two evaluations of the frozen model differ ({first:.6g}, {second:.6g}): something random is live"
        yield f"{what}; use nn.Dropout, which frozen() turns off, and draw nothing else in forward()"


def mixed_examples(model: Any, batch: Any, loss: Loss, axis: int) -> Iterator[str]:
    """What the model says about one example must not depend on the others: its gradient would mix them."""
    if not isinstance(batch, tuple) or not all(isinstance(a, np.ndarray) and a.ndim > axis for a in batch):
        return
    sizes = {a.shape[axis] for a in batch}
    n = min(sizes)
    if len(sizes) > 1 or n < 3:
        return
    model, others = without_dropout(model), tuple(np.take(a, [0] + [2] * (n - 1), axis) for a in batch)
    for t, other in zip(*(traced(model, b, loss)[0] for b in (batch, others)), strict=False):
        if t.fn is softmax_cross_entropy and t.args[0].ndim > axis + 1 and t.args[0].shape[axis] == n:
            first, second = (np.take(u.args[0].data, 0, axis) for u in (t, other))
            if not np.allclose(first, second, rtol=1e-3, atol=1e-5):
                what = f"the logits of example 0 at {place(t)} change with the other examples of the batch"
                yield f"{what}: look for a reshape or a sum over the axis of examples, axis {axis}"


def cannot_overfit(model: Any, batch: Any, loss: Loss, steps: int) -> Iterator[str]:
    """A model that cannot learn one batch by heart will learn nothing from many."""
    model = without_dropout(model)
    optimizer, values = Adam(model, 0.01), []
    for _ in range(steps + 1):
        value = traced(model, batch, loss)[1]
        values.append(number(value))
        if isinstance(value, Tensor):
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
    if steps and values[0] - values[-1] < 0.3 * abs(values[0]):
        what = f"{steps} steps of Adam on one batch took the loss from {values[0]:.3g} to {values[-1]:.3g} only"
        yield f"{what}: the labels do not belong to the inputs, or the gradient is cut off or wrong (gradcheck tells)"

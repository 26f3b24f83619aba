"""Optimisers, gradient clipping, schedules, weight averaging.

    optimizer = Adam(model, lr=0.005)
    for step in range(2000):
        optimizer.zero_grad()
        loss(model, ...).backward()
        clip_norm(model, 1.0)
        optimizer.lr = 0.005 * linear_decay(step, 2000)
        optimizer.step()

Each optimiser is one update(w, g, ...) in place, a formula on arrays; step() brings it the parameters block by block,
small enough to stay in the processor's cache. Of a row-sparse gradient it brings only the rows that were looked up: the
weights and moments of all others stay as they are ("lazily"; the count of steps, which corrects Adam's bias, is common
to all rows).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .core import habits
from .core.sparse import RowSparse, length
from .engine import writable
from .module import check_state, named_tensors
from .nn import frozen
from .schedules import cosine_decay as cosine_decay
from .schedules import linear_decay as linear_decay
from .schedules import step_decay as step_decay
from .schedules import warm_up as warm_up
from .tree import map_leaves

BLOCK = 1 << 16  # numbers of a parameter updated at a time
Betas = tuple[float, float]
FEW = 100  # up to this many rows, np.subtract.at is faster than adding up those that repeat


def in_range(name: str, value: float, low: float, high: float = math.inf) -> float:
    """value as a float; ValueError unless low ≤ value < high."""
    if not low <= value < high:
        raise ValueError(f"{name} is {value}: use a number in [{low}, {high})")
    return float(value)


class Optimizer(habits.Answering):
    """What all optimisers share. `parameters` by name, `lr` (assign to it for a schedule), `steps` done.

    A subclass names its buffers in `slots`, one of each for each parameter, and defines update(w, g, *buffers), which
    changes the weights w and their buffers in place for a gradient g of the same shape.
    """

    slots: tuple[str, ...] = ()
    update: Callable[..., None]

    def __init__(self, model: Any, lr: float) -> None:
        self.parameters = named_tensors(model)
        self.lr, self.steps = in_range("lr", lr, 0), 0
        self.buffers = {name: [np.zeros_like(t.data) for _ in self.slots] for name, t in self.parameters.items()}

    def __getattr__(self, name: str) -> Any:
        raise habits.missing(type(self).__name__, name, habits.OPTIMIZER)

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        self.steps += 1
        for name, t in self.parameters.items():
            if t.grad is not None:
                self.update_parameter(name, writable(t), t.grad)

    def update_parameter(self, name: str, w: np.ndarray, g: Any) -> None:
        """Update the weights of one parameter and its buffers: only looked-up rows, or all of it block by block."""
        buffers = self.buffers[name]
        if isinstance(g, RowSparse):
            self.update_rows(g, [w, *buffers])
        elif w.size <= BLOCK:
            self.update(w, g, *buffers)
        else:
            n = rows_in_block(w.shape)
            for i in range(0, len(w), n):
                self.update(w[i : i + n], g[i : i + n], *(a[i : i + n] for a in buffers))

    def update_rows(self, g: RowSparse, arrays: list[np.ndarray]) -> None:
        """Update the weights and buffers of the rows that have a gradient."""
        self.on_rows(self.update, g, arrays)

    def on_rows(self, update: Callable[..., None], g: RowSparse, arrays: list[np.ndarray]) -> None:
        """Gather the rows that have a gradient, update them, put them back."""
        g = g.coalesce()
        if not g.values.size:
            return
        n, row = rows_in_block(g.shape), np.dtype((np.void, arrays[0].itemsize * g.shape[1]))
        tables = [a.view(row) for a in arrays]  # each row one item: NumPy then copies it in one piece
        for i in range(0, len(g.rows), n):
            rows = g.rows[i : i + n]
            parts = [a.take(rows, axis=0) for a in arrays]
            update(parts[0], g.values[i : i + n], *parts[1:])
            for table, part in zip(tables, parts, strict=True):
                table.put(rows, part.view(row))

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, because backward() adds to what is there. A gradient that is forgotten is None."""
        if not set_to_none:
            raise ValueError("zero_grad: gradients that are forgotten are None here, not zeros: leave set_to_none out")
        for t in self.parameters.values():
            t.grad = None

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of the buffers by name, with "step" and "lr": all that an exact resume needs."""
        buffers = {name: a.copy() for name, a in self.named_buffers().items()}
        return {"step": np.array(self.steps), "lr": np.array(float(self.lr)), **buffers}

    def named_buffers(self) -> dict[str, np.ndarray]:
        """Every buffer as "slot.parameter", slot by slot."""
        return {f"{slot}.{n}": self.buffers[n][i] for i, slot in enumerate(self.slots) for n in self.parameters}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over a state_dict(). Raises ValueError, having changed nothing, unless names, shapes and dtypes fit."""
        check_state(type(self).__name__, self.state_dict(), state)
        self.steps, self.lr = int(state["step"]), float(state["lr"])
        for name, a in self.named_buffers().items():
            a[...] = state[name]


def rows_in_block(shape: tuple[int, ...]) -> int:
    return max(1, BLOCK // max(1, math.prod(shape[1:])))


class SGD(Optimizer):
    """w ← w − lr g, or with momentum μ: u ← μ u + g, w ← w − lr u. weight_decay λ adds λ w to g. As PyTorch's."""

    def __init__(self, model: Any, lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        self.momentum = in_range("momentum", momentum, 0, 1)
        self.weight_decay = in_range("weight_decay", weight_decay, 0)
        self.slots = ("momentum",) if momentum else ()
        super().__init__(model, lr)

    def update(self, w: np.ndarray, g: np.ndarray, *buffers: np.ndarray) -> None:
        if self.weight_decay:
            g = g + self.weight_decay * w
        for u in buffers:
            u *= self.momentum
            u += g
            g = u
        w -= float(self.lr) * g

    def update_rows(self, g: RowSparse, arrays: list[np.ndarray]) -> None:
        """Where w only loses lr g, a row that is there twice may lose it twice: few rows need not be added up first."""
        stateless = type(self).update is SGD.update and len(arrays) == 1 and not self.weight_decay
        if not stateless or len(g.rows) > FEW:
            super().update_rows(g, arrays)
        else:
            np.subtract.at(arrays[0], g.rows, float(self.lr) * g.values)


class Adam(Optimizer):
    """m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², w ← w − lr m̂ / (√v̂ + ε); at step t m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 −
    β₂ᵗ).

    Kingma and Ba 2015, "Adam: a method for stochastic optimization". Row-sparse gradients are taken as by PyTorch's
    SparseAdam, but for its ε, which is not scaled with v̂; with lazy=False as zeros in the other rows, which then move
    as well. The buffers are β₁m/(1 − β₁) and β₂v/(1 − β₂), decayed already for the next step: that saves passes over
    memory, and the factors join the learning rate. With lazy=False the root of v is kept instead, because rows without
    a gradient then need no square root: √(β₂v) = √β₂ √v.
    """

    slots = ("m", "v")

    def __init__(
        self, model: Any, lr: float = 0.001, betas: Betas = (0.9, 0.999), eps: float = 1e-8, lazy: bool = True
    ) -> None:
        self.betas = in_range("the first of betas", betas[0], 0, 1), in_range("the second of betas", betas[1], 0, 1)
        self.eps, self.lazy = in_range("eps", eps, 0), lazy
        super().__init__(model, lr)

    def update(self, w: np.ndarray, g: np.ndarray, *buffers: np.ndarray) -> None:
        (m, v), root = buffers, np.empty_like(w)  # one scratch array is enough
        if self.lazy:
            m += g
            v += np.multiply(g, g, out=root)
            np.sqrt(v, out=root)
            v *= self.betas[1]
            self.move(w, m, root, root)
        else:
            self.gain(m, g, v)
            self.move(w, m, v, root)

    def update_rows(self, g: RowSparse, arrays: list[np.ndarray]) -> None:
        """All rows where lazy is False: the moments gain the gradient where there is one, and then all rows move."""
        if self.lazy:
            return super().update_rows(g, arrays)
        w, m, root = arrays
        self.on_rows(self.gain, g, [m, root])
        n = rows_in_block(w.shape)
        scratch = np.empty_like(w[:n])
        for i in range(0, len(w), n):
            self.move(w[i : i + n], m[i : i + n], root[i : i + n], scratch[: len(w) - i])

    def gain(self, m: np.ndarray, g: np.ndarray, root: np.ndarray) -> None:
        """What a gradient adds to m and to v, of which the root is kept."""
        m += g
        root *= root
        root += g * g
        np.sqrt(root, out=root)

    def move(self, w: np.ndarray, m: np.ndarray, root: np.ndarray, change: np.ndarray) -> None:
        """w ← w − lr m̂ / (√v̂ + ε) for the root of v, in the memory of `change`; then what is kept decays."""
        beta1, beta2 = self.betas
        scale = math.sqrt((1 - beta2**self.steps) / (1 - beta2))  # √v̂ = √v / scale, and ε may be multiplied instead
        np.add(root, self.eps * scale, out=change)
        if root is not change:
            root *= math.sqrt(beta2)
        np.divide(m, change, out=change)
        m *= beta1
        change *= float(self.lr) * scale * (1 - beta1) / (1 - beta1**self.steps)
        w -= change


class AdamW(Adam):
    """Adam after w ← (1 − lr λ) w: Loshchilov and Hutter 2019, "Decoupled weight decay regularization"."""

    def __init__(
        self,
        model: Any,
        lr: float = 0.001,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        lazy: bool = True,
    ) -> None:
        self.weight_decay = in_range("weight_decay", weight_decay, 0)
        super().__init__(model, lr, betas, eps, lazy)

    def move(self, w: np.ndarray, m: np.ndarray, root: np.ndarray, change: np.ndarray) -> None:
        w *= 1 - float(self.lr) * self.weight_decay
        super().move(w, m, root, change)


def clip_norm(model: Any, max_norm: float) -> float:
    """Scale all gradients by one factor so that their joint Euclidean length is at most max_norm; return what it was.

    Pascanu et al. 2013, "On the difficulty of training recurrent neural networks". Parameters as for an optimiser.
    Raises FloatingPointError, having scaled nothing, for a gradient with NaN or infinity, naming the parameter.
    """
    max_norm = math.inf if max_norm == math.inf else in_range("max_norm", max_norm, 0)
    with_gradient = {name: t for name, t in named_tensors(model).items() if t.grad is not None}
    for t in with_gradient.values():
        if isinstance(t.grad, RowSparse):
            t.grad = t.grad.coalesce()  # once, for its length and for the step
    norms = {name: length(t.grad) for name, t in with_gradient.items()}
    for name, norm in norms.items():
        if not math.isfinite(norm):
            what = f"the gradient of {name!r} {with_gradient[name].shape} holds NaN or infinity"
            raise FloatingPointError(f"clip_norm: {what}: run the step under watch() to see the call it comes from")
    total = math.hypot(*norms.values())
    if total == math.inf:
        raise FloatingPointError("clip_norm: the joint length of all gradients is more than a float can hold")
    if total > max_norm:
        factor = max_norm / total
        for t in with_gradient.values():
            kind = t.grad.dtype
            t.grad = t.grad * factor if factor > np.finfo(kind).tiny else (t.grad.astype(float) * factor).astype(kind)
    return total


class Average:
    """A running average of a model's weights, often better than the last: a ← a + (1 − d)(w − a) after each step.

    d = min(decay, (1 + t) / (10 + t)) at update t, so that the first weights go soon. Polyak and Juditsky 1992.
    average.model() is a frozen model with the averages.
    """

    def __init__(self, model: Any, decay: float = 0.995) -> None:
        self.live, self.decay, self.updates = model, in_range("decay", decay, 0, 1), 0
        self.averages = {name: t.data.copy() for name, t in named_tensors(model).items()}

    def update(self) -> None:
        """Take in the weights as they are now."""
        share = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, t in named_tensors(self.live).items():
            self.averages[name] += share * (t.data - self.averages[name])

    def model(self) -> Any:
        """The model with the averages for its parameters, frozen; it sees later updates."""
        by_id = {id(t): self.averages[name] for name, t in named_tensors(self.live).items()}
        return frozen(map_leaves(lambda leaf: by_id.get(id(leaf), leaf), self.live))

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of the averages by name, with "updates"."""
        return {"updates": np.array(self.updates), **{name: a.copy() for name, a in self.averages.items()}}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over a state_dict(). Raises ValueError, having changed nothing, unless names, shapes and dtypes fit."""
        check_state("Average", self.state_dict(), state)
        self.updates = int(state["updates"])
        for name, a in self.averages.items():
            a[...] = state[name]


__getattr__ = habits.of_module("tinygrad_nlp.optim", habits.OPTIMIZERS)

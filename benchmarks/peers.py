"""The work of kernels.py in PyTorch, autograd and MyGrad, if installed: pip install autograd mygrad torch.

PyTorch is used as its manual advises for a CPU: one call runs a recurrent layer over the whole sequence, lookups take
ids, Adam is the fused one. Its recurrent layers have a second bias, which is kept at zero. autograd and MyGrad have
neither layers nor optimisers: they differentiate a plain formula, and kernels makes the update.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from . import kernels
from .kernels import Arrays, Side


class PyTorch:
    """The models of kernels.py as users of PyTorch have them."""

    def __init__(self) -> None:
        import torch

        self.torch = torch

    def linear(self, W: np.ndarray, b: np.ndarray) -> Any:
        layer = self.torch.nn.Linear(*W.shape)
        layer.weight.data, layer.bias.data = self.torch.tensor(W.T.copy()), self.torch.tensor(b)
        return layer

    def adam(self, parameters: Any, lr: float) -> Any:
        return self.torch.optim.Adam(parameters, lr, fused=True)

    def training(self, model: Any, batches: Any, optimizers: Any, forward: Any = None) -> Side:
        entropy = self.torch.nn.functional.cross_entropy
        data = itertools.cycle([tuple(map(self.torch.from_numpy, batch)) for batch in batches])

        def step() -> float:
            *inputs, labels = next(data)
            for optimizer in optimizers:
                optimizer.zero_grad()
            logits = (forward or model)(*inputs)
            loss = entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1))
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            return loss.item()

        def read() -> Arrays:  # weights of layers are transposed, those of lookups are not
            named = [(name, a.detach().numpy()) for name, a in model.named_parameters() if a.requires_grad]
            return [a if name.startswith("lookup") else a.T for name, a in named]

        return step, read

    def chain(self, parameters: Arrays, batches: Any, length: int) -> Side:
        tanh, leaves = self.torch.tanh, [self.torch.tensor(a, requires_grad=True) for a in parameters]
        x, w, b = leaves

        def step() -> float:
            y = x
            for _ in range(length // 3):
                y = tanh(y * w + b)
            total = y.sum()
            total.backward()
            x.grad = w.grad = b.grad = None
            return total.item()

        return step, lambda: [t.detach().numpy() for t in leaves]

    def bigram(self, parameters: Arrays, batches: Any) -> Side:
        nn, (E, W1, b1, W2, b2) = self.torch.nn, parameters
        model = nn.Sequential()
        model.add_module("lookup", nn.Embedding.from_pretrained(self.torch.tensor(E), freeze=False, sparse=True))
        model.extend([self.linear(W1, b1), nn.Sigmoid(), self.linear(W2, b2)])
        return self.training(model, batches, [self.torch.optim.SGD(model.parameters(), 0.3)])

    def mlp(self, parameters: Arrays, batches: Any) -> Side:
        nn, (W1, b1, W2, b2, W3, b3) = self.torch.nn, parameters
        model = nn.Sequential(self.linear(W1, b1), nn.ReLU(), self.linear(W2, b2), nn.ReLU(), self.linear(W3, b3))
        return self.training(model, batches, [self.adam(model.parameters(), 0.001)])

    def averaged_embedding(self, parameters: Arrays, batches: Any, sparse: bool) -> Side:
        nn, (E, W, b) = self.torch.nn, parameters
        lookup = nn.EmbeddingBag.from_pretrained(self.torch.tensor(E), freeze=False, mode="mean", sparse=sparse)
        model = nn.ModuleDict({"lookup": lookup, "output": self.linear(W, b)})
        if sparse:
            optimizers = [
                self.torch.optim.SparseAdam(list(lookup.parameters()), 0.001),
                self.adam(model["output"].parameters(), 0.001),
            ]
        else:
            optimizers = [self.adam(model.parameters(), 0.001)]
        return self.training(model, batches, optimizers, lambda ids, offsets: model["output"](lookup(ids, offsets)))

    def character_rnn(self, parameters: Arrays, batches: Any, cell: str, onednn: bool = True) -> Side:
        """onednn=False leaves out the library that runs a whole LSTM as one operation; it has no part in the other
        cells."""
        torch, nn, (E, Wx, bx, W, Wo, bo) = self.torch, self.torch.nn, parameters
        layer = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](len(Wx), len(W))
        for name, a in {"weight_ih_l0": Wx.T, "weight_hh_l0": W.T, "bias_ih_l0": bx, "bias_hh_l0": 0 * bx}.items():
            getattr(layer, name).data.copy_(torch.tensor(a.copy()))
        layer.bias_hh_l0.requires_grad_(False)
        lookup, output = nn.Embedding.from_pretrained(torch.tensor(E), freeze=False), self.linear(Wo, bo)
        model = nn.ModuleDict({"lookup": lookup, "layer": layer, "output": output})
        optimizers = [self.adam([a for a in model.parameters() if a.requires_grad], 0.005)]

        def forward(ids: Any) -> Any:
            torch.backends.mkldnn.enabled = onednn
            return output(layer(lookup(ids))[0])

        step, read = self.training(model, batches, optimizers, forward)
        return step, lambda: [read()[i] for i in (0, 1, 3, 2, 4, 5)]  # PyTorch's order is E, Wx, W, bx, Wo, bo


class Plain:
    """Formulas in the functions of another library `np`; gradients(loss, parameters) gives the loss and its
    gradients."""

    def __init__(self, np: Any, gradients: Callable[[Any, Arrays], tuple[float, Arrays]]) -> None:
        self.np, self.gradients = np, gradients

    def training(self, parameters: Arrays, batches: Any, update: Any, logits: Any) -> Side:
        data = itertools.cycle(batches)

        def step() -> float:
            *inputs, labels = next(data)

            def loss(*p: Any) -> Any:
                z = logits(*p, *inputs)
                picked = z[np.arange(labels.size), labels.ravel()]
                return (self.np.log(self.np.sum(self.np.exp(z), axis=1)) - picked).mean()

            value, gradients = self.gradients(loss, parameters)
            update(gradients)
            return value

        return step, lambda: parameters

    def chain(self, parameters: Arrays, batches: Any, length: int) -> Side:
        def total(x: Any, w: Any, b: Any) -> Any:
            for _ in range(length // 3):
                x = self.np.tanh(x * w + b)
            return x.sum()

        return lambda: self.gradients(total, parameters)[0], lambda: parameters

    def bigram(self, parameters: Arrays, batches: Any) -> Side:
        def logits(E: Any, W1: Any, b1: Any, W2: Any, b2: Any, ids: np.ndarray) -> Any:
            h = 0.5 * self.np.tanh(0.5 * (self.np.matmul(E[ids], W1) + b1)) + 0.5
            return self.np.matmul(h, W2) + b2

        def update(gradients: Arrays) -> None:
            for w, g in zip(parameters, gradients, strict=True):
                w -= 0.3 * g

        return self.training(parameters, batches, update, logits)

    def mlp(self, parameters: Arrays, batches: Any) -> Side:
        def logits(W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any, x: np.ndarray) -> Any:
            h = self.np.maximum(self.np.matmul(x, W1) + b1, 0)
            h = self.np.maximum(self.np.matmul(h, W2) + b2, 0)
            return self.np.matmul(h, W3) + b3

        return self.training(parameters, batches, kernels.adam(parameters, 0.001), logits)


def autograd() -> Plain:
    """pip install autograd"""
    import autograd.numpy as anp
    from autograd import value_and_grad

    def gradients(loss: Any, parameters: Arrays) -> tuple[float, Arrays]:
        value, found = value_and_grad(loss, argnum=tuple(range(len(parameters))))(*parameters)
        return float(value), list(found)

    return Plain(anp, gradients)


def mygrad() -> Plain:
    """pip install mygrad"""
    import mygrad as mg

    def gradients(loss: Any, parameters: Arrays) -> tuple[float, Arrays]:
        leaves = [mg.tensor(a) for a in parameters]
        value = loss(*leaves)
        value.backward()
        return float(value.item()), [t.grad for t in leaves]

    return Plain(mg, gradients)

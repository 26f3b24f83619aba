"""summary(): the layers of a model with the shapes that come out of them, their parameters and their bytes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..core import notebook
from ..engine import Tensor
from ..module import Module, named_modules, title
from ..nn import frozen
from ..tree import branches, named_leaves

HEADS = ("layer", "", "output", "parameters", "bytes")


class Layer(NamedTuple):
    """A Module in a model. `outputs` are the shapes that its forward() gave, none where it was not called; parameters,
    constants (numbers) and bytes are of its own Tensors and arrays, which count where they come first."""

    name: str  # the expression that leads to it, such as layers[2]; empty for the model itself
    title: str
    outputs: tuple[tuple[int, ...], ...]
    parameters: int
    constants: int
    bytes: int


class Summary(notebook.Printed):
    """What summary() returns: print it, or look at `layers`. output_bytes is what all outputs take together."""

    def __init__(self, layers: list[Layer], output_bytes: int) -> None:
        self.layers, self.output_bytes = layers, output_bytes

    @property
    def parameters(self) -> int:
        """The number of parameters."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def bytes(self) -> int:
        """What parameters and constants take."""
        return sum(layer.bytes for layer in self.layers)

    def total(self) -> str:
        """The last line."""
        constants = sum(layer.constants for layer in self.layers)
        held = f"{self.parameters:,} parameters{f' and {constants:,} constants' if constants else ''}"
        return f"{held}, {self.bytes:,} bytes; outputs of layers {self.output_bytes:,} bytes"

    def cells(self) -> list[tuple[str, ...]]:
        """The table, a line for each layer."""
        lines = []
        for layer in self.layers:
            shapes = ", ".join(map(str, layer.outputs)) or "not called"
            numbers = (f"{n:,}" if layer.bytes else "" for n in (layer.parameters, layer.bytes))
            lines.append((layer.name or "the model", layer.title, shapes, *numbers))
        return lines

    def text(self) -> str:
        """What print() shows."""
        return "\n".join([*aligned([HEADS, *self.cells()], left=3), self.total()])

    __repr__ = text

    def _repr_html_(self) -> str:
        return notebook.block(notebook.table(HEADS, self.cells()), notebook.line(self.total()))


def summary(model: Module, *inputs: Any, **keywords: Any) -> Summary:
    """The layers of a model as it is called on these inputs, with output shapes, parameters and bytes. Print it.

    The model runs once, frozen: without gradients and without dropout. Nothing is changed. Raises what the model
    raises, which names the layer where a shape does not fit.

    >>> from tinygrad_nlp import nn
    >>> rng = np.random.default_rng(0)
    >>> model = nn.Sequential(nn.Linear(4, 50, rng=rng), np.tanh, nn.Linear(50, 3, rng=rng))
    >>> print(summary(model, np.ones((32, 4), np.float32)))
    layer                     output    parameters  bytes
    the model  Sequential     (32, 3)
    layers[0]  Linear 4 → 50  (32, 50)         250  1,000
    layers[2]  Linear 50 → 3  (32, 3)          153    612
    403 parameters, 1,612 bytes; outputs of layers 6,784 bytes
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: the model is {type(model).__name__}, not a Module: summary(model, *inputs)")
    still, made = frozen(model), {}  # a copy of every Module, so that only these are listened to

    def listening(name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(forward)
        def heard(*args: Any, **kwargs: Any) -> Any:
            made[name] = output = forward(*args, **kwargs)
            return output

        return heard

    for name, module in named_modules(still):
        for method in ("scan", "forward"):  # scan: of recurrent layers whose inputs are projected already
            if hasattr(type(module), method):
                vars(module)[method] = listening(name, getattr(module, method))
    still(*inputs, **keywords)
    outputs = {name: [leaf for _, leaf in named_leaves(output)] for name, output in made.items()}
    memory: dict[int, int] = {}  # bytes by the array that owns them: a last state is a part of all states
    for leaf in (leaf for leaves in outputs.values() for leaf in leaves):
        array = leaf.data if isinstance(leaf, Tensor) else leaf
        owner = array if array.base is None else array.base
        memory[id(owner)] = max(memory.get(id(owner), 0), array.nbytes)
    counted: set[int] = set()
    layers = []
    for name, module in named_modules(model):
        own = {id(leaf): leaf for leaf in own_leaves(module) if id(leaf) not in counted}.values()
        counted |= set(map(id, own))
        parameters = sum(leaf.size for leaf in own if isinstance(leaf, Tensor))
        constants = sum(leaf.size for leaf in own) - parameters
        size = sum(leaf.size * leaf.dtype.itemsize for leaf in own)
        shapes = tuple(leaf.shape for leaf in outputs.get(name, ()))
        layers.append(Layer(name, title(module), shapes, parameters, constants, size))
    return Summary(layers, sum(memory.values()))


def own_leaves(module: Any) -> Iterator[Any]:
    """The Tensors and arrays of a Module that are not in a Module inside it."""
    for branch in (branches(module) or {}).values():
        if isinstance(branch, (Tensor, np.ndarray)):
            yield branch
        elif not isinstance(branch, Module):
            yield from own_leaves(branch)


def aligned(lines: list[tuple[str, ...]], left: int) -> list[str]:
    """Lines of cells as columns: the first `left` of them to the left, the others, numbers, to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]

"""What a layer is: a Module, a plain tree of Tensors, arrays and other Modules, whose forward() is NumPy.

It knows the arguments that it was made with, so that another can be made, and names itself where a shape does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from .console import tolerant_output
from .core import habits
from .engine import Tensor, writable
from .tree import branches, named_leaves


class Module(habits.Answering):
    """Something with parameters and a forward(). Its attributes: Tensors, arrays (constants), Modules, lists and dicts
    of them, and whatever else it needs.

    >>> from tinygrad_nlp import nn
    >>> layer = nn.Linear(2, 3, rng=np.random.default_rng(0))
    >>> layer
    Linear 2 → 3 (9 parameters)
      W: (2, 3) float32
      b: (3,) float32
    >>> layer(np.ones((5, 2), np.float32)).shape
    (5, 3)

    An error about a shape, a dtype or an index that rises in forward() names the layer.

    >>> nn.Sequential(layer, nn.Linear(4, 1, rng=np.random.default_rng(0)))(np.ones((5, 2), np.float32))
    Traceback (most recent call last):
    ValueError: layers[1] (Linear 4 → 1): affine: x (5, 3), W (4, 1), b (1,) do not fit: (..., D), (D, K), (K,)
    """

    __slots__ = ("__dict__", "__weakref__", "_made_with")  # what vars() shows are the branches, and only these
    _made_with: tuple[tuple[Any, ...], dict[str, Any]]
    forward: Callable[..., Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        module = super().__new__(cls)
        module._made_with = args, kwargs
        return module

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self.forward(*args, **kwargs)
        except (ValueError, TypeError, IndexError) as error:
            name_layer(error, self)
            raise

    def __getattr__(self, name: str) -> Any:
        raise habits.missing(f"a {type(self).__name__}", name, habits.MODULE)

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """(dotted name, Tensor) in order of definition; a shared Tensor comes once, and arrays are no parameters."""
        return ((name, leaf) for name, leaf in named_leaves(self) if isinstance(leaf, Tensor))

    def parameters(self) -> list[Tensor]:
        """The Tensors of named_parameters()."""
        return [t for _, t in self.named_parameters()]

    def state_dict(self) -> dict[str, np.ndarray]:
        """A copy of every parameter's values, by name."""
        return {name: t.data.copy() for name, t in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over the values of a state_dict().

        Raises ValueError, having changed nothing, unless all names, shapes and dtypes agree.
        """
        parameters = dict(self.named_parameters())
        check_state(type(self).__name__, {name: t.data for name, t in parameters.items()}, state)
        for name, t in parameters.items():
            writable(t)[...] = state[name]

    def _sizes(self) -> tuple[int, ...]:
        """What title() shows as n_in → n_out."""
        return ()

    def __str__(self) -> str:
        tolerant_output()  # most likely it is printed next
        return repr(self)

    def __repr__(self) -> str:
        count = sum(t.size for t in self.parameters())
        return "\n".join([f"{title(self)} ({count:,} parameter{'' if count == 1 else 's'})", *outline(self, "  ")])


def check_state(owner: str, ours: Mapping[str, np.ndarray], state: Mapping[str, np.ndarray]) -> None:
    """Refuse a state that does not fit ours, naming every key that is missing on one side or differs."""

    def kind(arrays: Mapping[str, np.ndarray], name: str) -> str:
        return f"{np.shape(arrays[name])} {np.asarray(arrays[name]).dtype}" if name in arrays else "missing"

    kinds = [(name, kind(ours, name), kind(state, name)) for name in dict.fromkeys([*ours, *state])]
    problems = [f"{name!r} is {a} in the {owner}, {b} in the state" for name, a, b in kinds if a != b]
    if problems:
        raise ValueError(f"{'; '.join(problems)}: build the {owner} as it was when the state was saved")


def named_tensors(model: Any) -> dict[str, Tensor]:
    """The Tensors of a Module, a tree or any iterable of Tensors, by name; one that is there twice comes once.

    Raises ValueError where there is none, where one is the result of a call, and for parameter groups as PyTorch has
    them, because their own settings would be ignored.
    """
    if isinstance(model, Tensor):
        model = [model]
    model = model if branches(model) is not None else list(model)
    for group in (model, *(model if isinstance(model, (list, tuple)) else ())):
        if isinstance(group, dict) and "params" in group and len(group) > 1:
            others = ", ".join(repr(key) for key in group if key != "params")
            remedy = "build an optimiser for each group, Adam(group['params'], lr=...), and step() each"
            raise ValueError(f"{others} of a parameter group would be ignored: {remedy}")
    found = {name: t for name, t in named_leaves(model) if isinstance(t, Tensor)}
    for name, t in found.items():
        if t.fn is not None:
            raise ValueError(f"{name!r} {t.shape} is the result of a call, not a parameter: pass the Tensors you made")
    if not found:
        what = f"there is no Tensor in this {type(model).__name__}"
        raise ValueError(f"{what}: pass a live Module (a frozen one has arrays) or its parameters()")
    return found


def title(module: Any) -> str:
    """A Module's class, its sizes and its plain settings."""
    sizes = " → ".join(map(str, module._sizes()))
    shown = [f"{key}={value}" for key, value in vars(module).items() if isinstance(value, (int, float, str))]
    return " ".join([type(module).__name__, *([sizes] if sizes else []), *shown])


def outline(tree: Any, indent: str) -> Iterator[str]:
    """One line for each leaf, function and Module below a tree."""
    for key, branch in (branches(tree) or {}).items():
        if isinstance(branch, (Tensor, np.ndarray)):
            yield f"{indent}{key}: {branch.shape} {branch.dtype}{'' if isinstance(branch, Tensor) else ', constant'}"
        elif isinstance(branch, Module) or any(outline(branch, "")):
            yield f"{indent}{key}: {title(branch) if isinstance(branch, Module) else type(branch).__name__}"
            yield from outline(branch, indent + "  ")
        elif hasattr(branch, "__name__"):
            yield f"{indent}{key}: {branch.__name__}"


def named_modules(tree: Any, name: str = "") -> Iterator[tuple[str, Module]]:
    """Every Module in a tree, itself included, with the expression that leads to it, such as layers[2] or parts['in'].

    A Module that is shared comes at each of its names.
    """
    if isinstance(tree, Module):
        yield name, tree
    for key, branch in (branches(tree) or {}).items():
        inner = f"{name}.{key}".lstrip(".") if isinstance(tree, Module) else f"{name}[{key!r}]"
        yield from named_modules(branch, inner)


def modules(tree: Any) -> Iterator[Module]:
    """Every Module in a tree, itself included."""
    return (module for _, module in named_modules(tree))


def name_layer(error: Exception, module: Module) -> None:
    """Begin an error's message with the layer that it rose in, as seen from the Module that it passes through."""
    if len(error.args) == 1 and isinstance(error.args[0], str) and type(error).__str__ is BaseException.__str__:
        layer, said = vars(error).setdefault("layer", (module, error.args[0]))
        for name, part in named_modules(module):
            if part is layer:
                error.args = (f"{name} ({title(layer)}): {said}" if name else f"{title(layer)}: {said}",)
                break

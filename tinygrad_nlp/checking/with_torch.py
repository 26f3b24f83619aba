"""gradcheck() for PyTorch: a torch.autograd.Function, an nn.Module or any function of tensors.

    import torch
    from tinygrad_nlp.checking import with_torch

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]                     # the 2 is forgotten

    print(with_torch.gradcheck(Square.apply, np.ones((2, 3))))  # WRONG … factor 1/2 everywhere
    with_torch.gradcheck(torch.nn.Linear(3, 4), np.ones((2, 3)))   # weights and biases are checked too

The forward pass runs on NumPy's arrays turned into tensors on the CPU, and its numeric derivatives are compared with
what torch.autograd.grad returns, so a Function's own backward is what is judged. The check runs a second time on views
with gaps in memory, and with an upstream gradient that is one, because backward passes that call .view() or reach
into memory are right only without gaps. For properties, draw arrays with `strategies.TORCH_LAYOUTS`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..tree import branches
from .check import gradcheck as check
from .point import argument_names
from .report import Report

try:
    import torch
except ImportError as error:
    raise ImportError("tinygrad_nlp.checking.with_torch needs PyTorch: pip install torch") from error


def gradcheck(f: Callable[..., Any], *args: Any, seed: int = 0, names: Sequence[str] | None = None) -> Report:
    """Compare the gradient that PyTorch computes of f at args with numeric derivatives, as gradcheck() does.

    f: a function of tensors such as MyFunction.apply, or a Module, whose parameters are checked as `parameters`. args:
    arrays or CPU tensors, and dicts, lists and tuples of them; integers are constants. What the backward pass raises
    is a problem in the report. Raises TypeError for tensors of another device or of half precision.
    """
    arrays: list[Any] = [as_arrays(a) for a in args]
    call = f
    if isinstance(f, torch.nn.Module):
        constants, parameters = dict(f.named_buffers()), {key: as_arrays(p) for key, p in f.named_parameters()}
        dtype = np.result_type(*parameters.values()) if parameters else np.dtype(np.float32)
        arrays = [parameters, *(mapped(lambda a: a.astype(dtype) if a.dtype.kind == "f" else a, arrays, np.ndarray))]
        names = ["parameters", *(names or argument_names(f.forward, len(args)))]

        def call(parameters: Any, *inputs: Any) -> Any:
            like = next(iter(parameters.values()), torch.zeros(())).dtype
            buffers = {
                key: b.to(like, copy=True) if b.is_floating_point() else b.clone() for key, b in constants.items()
            }
            return torch.func.functional_call(f, {**parameters, **buffers}, inputs)

    def forward(*inputs: Any) -> Any:
        with torch.no_grad():
            return as_arrays(call(*map(as_tensors, inputs)))

    names = names or argument_names(named_function(f), len(args))
    complaints: list[str] = []

    def backward(gaps: bool, g: Any, *inputs: Any) -> Any:
        first = len(arrays) - len(args)  # a Module's own parameters have no gaps
        views = [*inputs[:first], *(mapped(with_gaps, a, np.ndarray) for a in inputs[first:])] if gaps else inputs
        tensors = [as_tensors(a) for a in views]
        leaves = [t.requires_grad_() for t in tensors_in(tensors) if t.is_floating_point()]
        outputs = [y for y in tensors_in(call(*tensors)) if y.is_floating_point()]
        gs = [as_tensors(with_gaps(a) if gaps else a) for a in (g if isinstance(g, tuple) else (g,))]
        tied = [(y, dy) for y, dy in zip(outputs, gs, strict=True) if y.requires_grad]
        if not tied:
            complaints.append("the output does not depend on the arguments for PyTorch: look for detach, data or item")
            found: Sequence[Any] = [None] * len(leaves)
        else:
            try:
                found = torch.autograd.grad([y for y, _ in tied], leaves, [dy for _, dy in tied], allow_unused=True)
            except RuntimeError as error:
                complaints.append(f"the backward pass raised RuntimeError: {' '.join(str(error).split())}")
                found = [None] * len(leaves)
        gradients = {id(t): d for t, d in zip(leaves, found, strict=True)}
        return [gradient_of(part, gradients) for part in tensors]

    report = check(forward, *arrays, gradient=functools.partial(backward, False), seed=seed, names=names)
    if report and not complaints:
        again = check(forward, *arrays, gradient=functools.partial(backward, True), seed=seed, names=names)
        if not again or complaints:
            again.problems.append("right for arrays without gaps in memory, but not for views: use reshape, not view")
            report = again
    report.problems += dict.fromkeys(complaints)
    return report


def named_function(f: Any) -> Callable[..., Any]:
    """The function whose arguments have names: for MyFunction.apply, MyFunction.forward after its ctx."""
    kind = getattr(f, "__self__", None)
    if isinstance(kind, type) and issubclass(kind, torch.autograd.Function):
        function: Any = kind  # a type checker without torch knows it as a type only
        old_style = function.setup_context is torch.autograd.Function.setup_context
        return functools.partial(function.forward, None) if old_style else function.forward
    return f


def mapped(change: Callable[[Any], Any], tree: Any, kind: type) -> Any:
    """The tree with each leaf of a kind replaced by change(leaf)."""
    inside = branches(tree) if isinstance(tree, (dict, list, tuple)) else None
    if inside is None:
        return change(tree) if isinstance(tree, kind) else tree
    parts = {key: mapped(change, part, kind) for key, part in inside.items()}
    return parts if isinstance(tree, dict) else type(tree)(parts.values())


def as_arrays(tree: Any) -> Any:
    """Tensors as arrays on the same memory."""
    return mapped(array_of, tree, torch.Tensor)


def array_of(t: torch.Tensor) -> np.ndarray:
    """A tensor's array. Raises TypeError where NumPy has none."""
    if t.device.type != "cpu" or t.dtype in (torch.float16, torch.bfloat16):
        raise TypeError(f"a tensor on {t.device} of {t.dtype}: pass t.cpu().float(), in float32 or float64")
    return np.asarray(t.detach().resolve_conj().resolve_neg().numpy())


def as_tensors(tree: Any) -> Any:
    """Arrays as tensors on the same memory, so that writing into one is noticed; copies where torch takes none."""
    return mapped(tensor_of, tree, np.ndarray)


def tensor_of(a: np.ndarray) -> torch.Tensor:
    if not a.flags.writeable or any(step < 0 for step in a.strides):
        a = a.copy()
    return torch.from_numpy(a)


def tensors_in(tree: Any) -> list[torch.Tensor]:
    """Every tensor in a tree, in order."""
    found: list[torch.Tensor] = []
    mapped(found.append, tree, torch.Tensor)
    return found


def gradient_of(tree: Any, gradients: dict[int, Any]) -> Any:
    """The gradients of the tensors in a tree as arrays: zeros where PyTorch says None, None for integers."""

    def one(t: torch.Tensor) -> Any:
        if not t.is_floating_point():
            return None
        d = gradients[id(t)]
        return np.zeros(t.shape) if d is None else array_of(d.to_dense())

    return mapped(one, tree, torch.Tensor)


def with_gaps(a: np.ndarray) -> np.ndarray:
    """An array equal to a, every second number of a larger one along each axis."""
    holder = np.zeros([2 * side for side in a.shape], a.dtype)
    view = holder[(slice(None, None, 2),) * a.ndim + (...,)]
    view[...] = a
    return view

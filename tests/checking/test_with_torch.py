"""gradcheck of PyTorch's functions: right ones pass, mistakes are named, and a backward pass that did not run is not
approved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from tests.checking import foreign
from tests.checking.foreign import W42, product, x34
from tinygrad_nlp.strategies import TORCH_LAYOUTS, arrays

torch = pytest.importorskip("torch")
from tinygrad_nlp.checking import with_torch  # noqa: E402 (below the skip, because it needs torch)

gradcheck = with_torch.gradcheck


def function(forward, backward):
    """A torch.autograd.Function that saves its arguments and output; backward(g, y, *arguments)."""

    class Fn(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *args):
            y = forward(*args)
            ctx.save_for_backward(y, *args)
            return y

        @staticmethod
        def backward(ctx, g):
            return backward(g, *ctx.saved_tensors)

    return Fn.apply


def lookup(table, ids):
    return table[ids]


def overwritten(g, y, table, ids):
    d = torch.zeros_like(table)
    d[ids] = g
    return d, None


def accumulated(g, y, table, ids):
    return torch.zeros_like(table).index_add_(0, ids, g), None


def in_place(g, y, x):
    return g.mul_(2 * x)


RIGHT = [
    *foreign.right(function, torch, torch.relu),
    (function(lookup, accumulated), (x34, np.array([0, 2, 0]))),
    (torch.nn.functional.softplus, (x34,)),
    (torch.nn.Linear(4, 2), (x34,)),
    (torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Tanh()), (x34,)),
    (torch.nn.Embedding(5, 3), (np.array([1, 4, 1]),)),
    (lambda x: x.mean(), (torch.tensor(x34, dtype=torch.float32),)),
]
MISTAKES = foreign.mistakes(function, torch, torch.relu) | {
    "gradient of W transposed": (
        function(product, lambda g, y, x, W: (g @ W.T, g.T @ x)), (x34, W42), "raised RuntimeError",
    ),
    "repeated ids": (function(lookup, overwritten), (x34, np.array([0, 2, 0, 1])), "overwritten"),
    "g changed in place": (function(torch.square, in_place), (x34,), "changed the upstream gradient g in place"),
    "nothing for W": (
        function(product, lambda g, y, x, W: (g @ W.T, None)), (x34, W42), "zeros: every number is 0",
    ),
    "a part detached": (lambda x: x + torch.tanh(x).detach(), (x34,), "derivative left out"),
    "all detached": (lambda x: torch.tanh(x).detach(), (x34,), "look for detach, data or item"),
    "view of a gradient": (
        function(torch.square, lambda g, y, x: (g.view(-1) * 2 * x.reshape(-1)).view(x.shape)), (x34,), "use reshape",
    ),
    "the memory behind x": (
        function(torch.square, lambda g, y, x: g * 2 * x.as_strided(x.shape, (4, 1))), (x34,), "not for views",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", RIGHT, ids=range(len(RIGHT)))
def test_right_ones_pass(case: Any) -> None:
    f, args = case
    foreign.check(gradcheck(f, *args))


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_found_and_named(name: str) -> None:
    f, args, says = MISTAKES[name]
    foreign.check(gradcheck(f, *args), says)


def test_the_users_own_backward_pass_runs():
    calls = []
    fn = function(torch.sin, lambda g, y, x: calls.append(1) or g * torch.cos(x))
    assert gradcheck(fn, x34) and len(calls) >= 2


def test_arguments_have_the_names_that_forward_gives_them() -> None:
    class Old(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, scale: Any) -> Any:
            return x * scale

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, g

    class New(Old):
        @staticmethod
        def forward(image: Any, factor: Any) -> Any:
            return image * factor

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None: ...

    names = [[a.name for a in gradcheck(kind.apply, x34, 1 + x34).arguments] for kind in (Old, New)]
    assert names == [["x", "scale"], ["image", "factor"]]


def test_parameters_are_named_and_left_as_they_were():
    layer = torch.nn.BatchNorm1d(4)
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    report = gradcheck(layer, x34)
    assert report and [a.name for a in report.arguments] == ["parameters.weight", "parameters.bias", "input"]
    assert all(torch.equal(value, before[key]) for key, value in layer.state_dict().items())


def test_dtypes_and_layouts():
    fn = function(torch.tanh, lambda g, y, x: g * (1 - y * y))
    assert gradcheck(fn, x34.astype(np.float32)) and gradcheck(fn, x34[::-2, ::-1]) and gradcheck(fn, x34.T)
    assert gradcheck(fn, np.array(0.5)) and gradcheck(fn, np.zeros((0, 3)))
    with pytest.raises(TypeError, match=r"of torch\.float16: pass"):
        gradcheck(fn, torch.zeros(3, dtype=torch.float16))


@settings(max_examples=10, deadline=None)
@given(arrays(layouts=TORCH_LAYOUTS))
def test_arrays_of_these_layouts_are_tensors_without_a_copy(x):
    assert np.shares_memory(torch.from_numpy(x).numpy(), x) or x.size == 0
    assert gradcheck(lambda x: x * torch.sin(x), x)

"""gradcheck of PyTorch's functions: right ones pass, mistakes are named, and a backward pass that did not run is not
approved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from tinygrad_nlp.strategies import TORCH_LAYOUTS, arrays

torch = pytest.importorskip("torch")
from tinygrad_nlp.checking import with_torch  # noqa: E402 (it needs torch)

rng = np.random.default_rng(0)
x34, W42, b2 = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), rng.normal(size=2)
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


def affine(x, W, b):
    return x @ W + b


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
    (function(torch.tanh, lambda g, y, x: g * (1 - y * y)), (x34,)),
    (function(affine, lambda g, y, x, W, b: (g @ W.T, x.T @ g, g.sum(0))), (x34, W42, b2)),
    (function(lookup, accumulated), (x34, np.array([0, 2, 0]))),
    (function(torch.relu, lambda g, y, x: g * (x > 0)), (np.array([-1.0, 0.0, 2.0]),)),
    (torch.nn.functional.softplus, (x34,)),
    (lambda x: {"a": torch.sin(x), "b": [x.sum()]}, (x34,)),
    (torch.nn.Linear(4, 2), (x34,)),
    (torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Tanh()), (x34,)),
    (torch.nn.Embedding(5, 3), (np.array([1, 4, 1]),)),
    (lambda x: x.mean(), (torch.tensor(x34, dtype=torch.float32),)),
]
MISTAKES = {  # eight and more, as they are made; what the report says
    "upstream ignored": (function(torch.tanh, lambda g, y, x: 1 - y * y), (x34,), "upstream ignored"),
    "input for output": (function(torch.tanh, lambda g, y, x: g * (1 - x * x)), (x34,), "input for output"),
    "W not transposed": (
        function(lambda x, W: x @ W, lambda g, y, x, W: (g @ W, x.T @ g)), (x34, rng.normal(size=(4, 4))), "transpose",
    ),
    "gradient of W transposed": (
        function(lambda x, W: x @ W, lambda g, y, x, W: (g @ W.T, g.T @ x)), (x34, W42), "raised RuntimeError",
    ),
    "mean as a sum": (
        function(lambda x: x.mean(), lambda g, y, x: g * torch.ones_like(x)), (x34,), "factor 12 everywhere",
    ),
    "mask inverted": (function(torch.relu, lambda g, y, x: g * (x < 0)), (x34,), "mask inverted"),
    "repeated ids": (function(lookup, overwritten), (x34, np.array([0, 2, 0, 1])), "overwritten"),
    "g changed in place": (function(torch.square, in_place), (x34,), "changed the upstream gradient g in place"),
    "nothing for W": (
        function(lambda x, W: x @ W, lambda g, y, x, W: (g @ W.T, None)), (x34, W42), "zeros: every number is 0",
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
def test_right_ones_pass(case):
    f, args = case
    report = gradcheck(f, *args)
    assert report, report


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_found_and_named(name):
    f, args, says = MISTAKES[name]
    report = gradcheck(f, *args)
    assert not report and says in str(report), report


def test_the_users_own_backward_pass_runs():
    calls = []
    fn = function(torch.sin, lambda g, y, x: calls.append(1) or g * torch.cos(x))
    assert gradcheck(fn, x34) and len(calls) >= 2


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

"""Names that users of other libraries know: at least 90 % of them work here or are answered with our way."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import tinygrad_nlp
from tinygrad_nlp import Tensor, nn, optim
from tinygrad_nlp.core import habits

TENSOR = """
    numpy detach item tolist cpu cuda to device requires_grad requires_grad_ grad grad_fn is_leaf retain_grad
    backward view reshape permute transpose T mT t unsqueeze squeeze expand flatten ravel contiguous clone
    copy size shape ndim dim numel dtype float double half long int bool type add sub mul div pow matmul mm
    bmm dot exp log sqrt tanh sigmoid relu softmax log_softmax logsumexp sin cos abs sum mean var std max min
    prod cumsum argmax argmin argsort sort norm clamp clip gather index_select masked_fill chunk split repeat
    tile zero_ fill_ add_ mul_ copy_ register_hook any all round trace diagonal take astype at swapaxes topk
    block_until_ready
"""
MODULE = """
    train eval training to cuda cpu float double half parameters named_parameters state_dict load_state_dict
    zero_grad requires_grad_ forward apply modules children named_modules add_module register_buffer
    register_parameter
"""
OPTIMIZER = """
    step zero_grad state_dict load_state_dict param_groups add_param_group lr state
"""
PACKAGE = """
    tensor Tensor no_grad inference_mode enable_grad manual_seed zeros ones randn rand arange eye cat stack
    where exp tanh matmul einsum float16 bfloat16 device cuda save load jit compile vmap grad value_and_grad
    vjp jvp jacfwd jacrev hessian jacobian linearize checkpoint stop_gradient custom_vjp custom_jvp pmap scan
    random numpy tree_util ravel_pytree nn optim autograd Function functional F cross_entropy nll_loss
    mse_loss binary_cross_entropy_with_logits relu softmax log_softmax sigmoid dropout one_hot linear
    embedding layer_norm gelu clip_grad_norm_ DataLoader Variable elementwise_grad
"""
LAYERS = """
    Linear Embedding EmbeddingBag RNN GRU LSTM Dropout Sequential Module Parameter ModuleList ModuleDict ReLU
    Tanh Sigmoid Softmax CrossEntropyLoss MSELoss NLLLoss BCEWithLogitsLoss Flatten Identity LayerNorm
    BatchNorm1d Conv2d MultiheadAttention RNNCell GRUCell LSTMCell init functional utils
"""
OPTIMIZERS = """
    SGD Adam AdamW RMSprop Adagrad LBFGS lr_scheduler clip_grad_norm_ swa_utils
"""


def unanswered(owner: Any, names: str) -> list[str]:
    """The names that neither work nor are answered with a remedy."""
    left = []
    for name in names.split():
        try:
            getattr(owner, name)
        except AttributeError as error:
            if f"has no attribute {name!r}: " not in str(error) or "\n" in str(error):
                left.append(name)
    return left


def test_at_least_90_percent_of_the_names_are_answered() -> None:
    model = nn.Linear(2, 2, rng=np.random.default_rng(0))
    asked = [
        (np.tanh(Tensor([[1.0, 2.0]])), TENSOR),
        (model, MODULE),
        (optim.Adam(model), OPTIMIZER),
        (tinygrad_nlp, PACKAGE),
        (nn, LAYERS),
        (optim, OPTIMIZERS),
    ]
    left = [name for owner, names in asked for name in unanswered(owner, names)]
    total = sum(len(names.split()) for _, names in asked)
    assert total > 240 and len(left) <= 0.1 * total, left


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tanh", "write np.tanh(t)"),
        ("relu", "write tinygrad_nlp.relu(t)"),
        ("numpy", "t.data"),
        ("view", "t.reshape(shape)"),
        ("grad", "gradients(loss, [t])"),
    ],
)
def test_a_tensor_says_our_way(name: str, says: str) -> None:
    with pytest.raises(AttributeError) as raised:
        getattr(Tensor([1.0]) * 2, name)
    assert says in str(raised.value)


def test_remedies_are_not_for_what_works() -> None:
    """A remedy for a name that exists would never be read."""
    t, model = Tensor([1.0]) * 2, nn.Linear(2, 2, rng=np.random.default_rng(0))
    adam = optim.Adam(model)
    for owner, table in (
        (t, habits.TENSOR),
        (model, habits.MODULE),
        (adam, habits.OPTIMIZER),
        (tinygrad_nlp, habits.PACKAGE),
        (nn, habits.LAYERS),
        (optim, habits.OPTIMIZERS),
    ):
        assert [name for name in table if hasattr(owner, name)] == []


def test_what_costs_nothing_works() -> None:
    x = Tensor([1.0, 2.0])
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    optimizer = optim.SGD([x], 0.1)
    optimizer.zero_grad(set_to_none=True)
    assert x.grad is None
    with pytest.raises(ValueError, match="leave set_to_none out"):
        optimizer.zero_grad(set_to_none=False)
    with pytest.raises(AttributeError, match=r"has no attribute '_not_there'$"):
        x._not_there  # noqa: B018
    assert np.array_equal(pickle.loads(pickle.dumps(x)).data, x.data) and not hasattr(x, "__wrapped__")

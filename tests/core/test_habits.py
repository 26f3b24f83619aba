"""Names that users of other libraries know: at least 90 % of them work here or are answered with our way."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.special

import tinygrad_nlp
from tinygrad_nlp import Tensor, gradients, nn, optim
from tinygrad_nlp.core import habits
from tinygrad_nlp.core.answers import ACTIVATIONS

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


def functions_of(thing: Any) -> list[str]:
    """What can be called; a module holds other modules and the like too."""
    return [name for name in names_of(thing) if callable(getattr(thing, name))]


def names_of(thing: Any) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_")]


def peers() -> dict[str, tuple[str, Any, Any]]:
    """Whose names are looked for where: (library, what gives its names, what is asked)."""
    t, model = np.tanh(Tensor([[1.0, 2.0]])), nn.Linear(2, 2, rng=np.random.default_rng(0))
    return {
        "np.ndarray": ("numpy", lambda numpy: numpy.ndarray, t),
        "torch.Tensor": ("torch", lambda torch: torch.Tensor, t),
        "torch.nn.Module": ("torch", lambda torch: torch.nn.Module, model),
        "torch.nn": ("torch", lambda torch: torch.nn, nn),
        "torch.nn.functional": ("torch", lambda torch: torch.nn.functional, tinygrad_nlp),
        "torch.optim": ("torch", lambda torch: torch.optim, optim),
        "torch.optim.Optimizer": ("torch", lambda torch: torch.optim.Optimizer, optim.Adam(model)),
        "jax.Array": ("jax", lambda jax: jax.Array, t),
        "jax": ("jax", lambda jax: jax, tinygrad_nlp),
        "jax.nn": ("jax", lambda jax: jax.nn, tinygrad_nlp),
        "jax.numpy": ("jax", lambda jax: jax.numpy, tinygrad_nlp),
    }


# Names that their users do not write: those that a library leaves in its modules on the way.
INNER = """
    Callable DType Optional ScalingType SwizzleType assert_int_or_pair boolean_dispatch handle_torch_function
    has_torch_function has_torch_function_unary has_torch_function_variadic T_destination OptimizerPostHook
    OptimizerPreHook ComplexWarning
"""


@pytest.mark.parametrize("whose", peers())
def test_at_least_90_percent_of_the_names_that_a_peer_has_itself_are_answered(whose: str) -> None:
    library, of, owner = peers()[whose]
    named = functions_of if whose == "torch.nn.functional" else names_of
    names = set(named(of(pytest.importorskip(library)))) - set(INNER.split())
    left = unanswered(owner, " ".join(sorted(names)))
    assert len(names) >= 10 and len(left) <= 0.1 * len(names), f"{len(left)} of {len(names)}: {left}"


def test_an_answer_says_which_of_numpys_functions_take_tensors() -> None:
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    for name, says in [
        ("kron", r"write np.kron\(t\)"),
        ("bincount", r"np.bincount takes arrays: on constants np.bincount\(t"),
    ]:
        with pytest.raises(AttributeError, match=f": {says}"):
            getattr(x, name)
        with pytest.raises(AttributeError, match=f": {says}"):
            getattr(tinygrad_nlp, name)
    with pytest.raises(AttributeError, match=r": write np.pi$"):
        tinygrad_nlp.pi  # noqa: B018 (the lookup raises)
    assert x.nbytes == 32 and x.itemsize == 8 and np.array_equal(x.ptp(axis=0).data, [2, 2])


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"gumbel_softmax", "identity"}))
def test_what_an_answer_tells_to_compose_is_what_the_peer_computes(name: str) -> None:
    """Value and gradient, on random numbers, with the peer's own defaults."""
    library = pytest.importorskip("torch").nn.functional
    numbers = np.random.default_rng(0).uniform(-4, 4, (3, 8))
    numbers = np.abs(numbers) if name == "log1mexp" else numbers
    x = Tensor(numbers)
    given = {"x": x, "np": np, "scipy": scipy, "slope": 0.25, "threshold": 0.1, "value": 20.0, "n": 8}
    given |= {f: getattr(tinygrad_nlp, f) for f in ("relu", "sigmoid", "softmax", "logsumexp")}
    given["a"], given["b"] = np.split(x, 2, -1)  # of glu
    ours = eval(ACTIVATIONS[name].partition(", where ")[0], given)
    settings: dict[str, Any] = {"threshold": {"threshold": 0.1, "value": 20.0}, "softmin": {"dim": -1}}.get(name, {})
    if hasattr(library, name):
        torch = pytest.importorskip("torch")
        theirs_x = torch.tensor(numbers, requires_grad=True)
        weight = [torch.tensor([0.25], dtype=torch.float64)] if name == "prelu" else []
        settings |= {"lower": 0.25, "upper": 0.25} if name == "rrelu" else {}
        theirs = getattr(library, name)(theirs_x, *weight, **settings)
        g = np.random.default_rng(1).normal(size=theirs.shape)
        theirs.backward(torch.tensor(g))
        expected, slope = theirs.detach().numpy(), theirs_x.grad.numpy()
    else:
        jax = pytest.importorskip("jax")
        with jax.enable_x64(True):
            f = getattr(jax.nn, name)
            f = partial(f, axis=-1) if name == "logmeanexp" else f
            expected, pull = jax.vjp(f, jax.numpy.asarray(numbers))
            g = np.random.default_rng(1).normal(size=expected.shape)
            slope = np.asarray(pull(jax.numpy.asarray(g))[0])
    np.testing.assert_allclose(ours.data, expected, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(gradients(ours, [x], g)[0], slope, rtol=1e-4, atol=1e-7)


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


RNG = np.random.default_rng(0)
X = Tensor([[1.0, 2.0], [3.0, 4.0]])
MODEL = nn.Linear(2, 2, rng=RNG)
CALLS: list[tuple[Callable[[], Any], str]] = [
    (lambda: X.sum(dim=0), "NumPy calls it axis="),
    (lambda: X.mean(axis=0, keepdim=True), "NumPy calls it keepdims="),
    (lambda: X.argmax(dim=0), "NumPy calls it axis="),
    (lambda: X.var(unbiased=False), "NumPy calls it ddof=: 1 for True"),
    (lambda: tinygrad_nlp.softmax(X, dim=1), r"softmax\(\): .*'dim': NumPy calls it axis="),
    (lambda: tinygrad_nlp.logsumexp(np.ones(2), dim=0), r"logsumexp\(\): .*'dim': NumPy calls it axis="),
    (lambda: tinygrad_nlp.softmax_cross_entropy(X, np.array([0, 1]), weight=np.ones(2)), "reduction='none'"),
    (lambda: Tensor([1.0], requires_grad=True), "an array is a constant: leave it out"),
    (lambda: Tensor([1], dtype=np.float32), r"\.astype\(dtype\)"),
    (lambda: np.exp(X).backward(gradient=np.ones((2, 2))), r"backward\(g\)"),
    (lambda: np.sum(X).backward(create_graph=True), r"gradients\(loss, xs, create_graph=True\)"),
    (lambda: nn.Linear(2, 2), r"'rng': .*default_rng\(seed\)"),
    (lambda: nn.Linear(in_features=2, out_features=2, rng=RNG), r"Linear\(n_in, n_out\)"),
    (lambda: nn.Linear(2, 2, rng=RNG, device="cpu"), "memory of the CPU"),
    (lambda: nn.GRU(2, 3, num_layers=2, rng=RNG), "the one below"),
    (lambda: nn.LSTM(2, 3, bidirectional=True, rng=RNG), r"x\[::-1\]"),
    (lambda: nn.Dropout(p=0.5, rng=RNG), r"Dropout\(rate, rng=rng\)"),
    (lambda: optim.Adam(MODEL, learning_rate=0.1), "here it is lr="),
    (lambda: optim.Adam(MODEL, weight_decay=0.1), r"AdamW\(model, weight_decay=…\)"),
    (lambda: optim.SGD(MODEL, 0.1, nesterov=True), r"update\(w, g, …\)"),
    (lambda: tinygrad_nlp.grad(np.sum, argnums=0), "here it is argnum="),
    (lambda: tinygrad_nlp.vjp(np.sum, np.ones(2)), r"write vjp\(f\)\(x\)"),
    (lambda: tinygrad_nlp.jvp(np.sum, (np.ones(2),), (np.ones(2),)), r"write jvp\(f\)\(x\)"),
]


@pytest.mark.parametrize(("call", "says"), CALLS, ids=[says for _, says in CALLS])
def test_a_call_as_another_library_wants_it_is_answered(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(TypeError, match=says) as raised:
        call()
    assert "\n" not in str(raised.value) and "Did you mean" not in str(raised.value)


def test_an_answer_to_a_keyword_is_for_what_is_not_taken() -> None:
    """A layer of the user's may have a keyword that ours have not, and errors of its own."""

    class Mine(nn.Module):
        def __init__(self, dim: int, **settings: Any) -> None:
            self.W, self.settings = Tensor(np.ones(dim)), settings

    class Child(Mine):
        pass

    assert Child(dim=3, device="cpu").settings == {"device": "cpu"} and Child(dim=3).W.shape == (3,)
    assert list(inspect.signature(Mine).parameters) == ["dim", "settings"]
    assert inspect.signature(tinygrad_nlp.grad).parameters["argnum"].default == 0
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'wrong'$"):
        nn.Linear(2, 2, rng=RNG, wrong=1)
    assert MODEL([1.0, 2.0]).dtype == np.float32  # a list is a constant, as in operators


def test_a_smoothed_loss_is_what_the_answer_says() -> None:
    torch = pytest.importorskip("torch")
    logits, labels, s = RNG.normal(size=(4, 3)), np.array([0, 2, 1, 1]), 0.1
    loss = tinygrad_nlp.softmax_cross_entropy(logits, labels)
    given = {"s": s, "loss": loss, "np": np, "log_softmax": tinygrad_nlp.log_softmax, "logits": logits}
    formula = habits.KEYWORDS["label_smoothing"].partition(" is ")[2]
    peers = torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(labels), label_smoothing=s)
    assert np.isclose(eval(formula, given), peers.item(), rtol=1e-12)


def keywords_of(peer: Any) -> set[str]:
    kinds = inspect.Parameter
    of = inspect.signature(peer).parameters.values()
    others = (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD, kinds.POSITIONAL_ONLY)
    return {p.name for p in of if p.kind not in others and not p.name.startswith("_")}


def test_at_least_90_percent_of_the_keywords_of_pytorch_and_jax_are_answered() -> None:
    """What the same thing takes there is taken here, or answered."""
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    pairs = [(getattr(torch.nn, name), getattr(nn, name)) for name in ("Linear", "Embedding", "Dropout")]
    pairs += [(torch.nn.RNNBase, nn.GRU)]
    pairs += [(getattr(torch.optim, name), getattr(optim, name)) for name in ("SGD", "Adam", "AdamW")]
    pairs += [(torch.Tensor.backward, Tensor.backward)]
    same = ("softmax", "log_softmax", "relu", "embedding")
    pairs += [(getattr(torch.nn.functional, name), getattr(tinygrad_nlp, name)) for name in same]
    pairs += [(torch.nn.functional.cross_entropy, tinygrad_nlp.softmax_cross_entropy)]
    pairs += [(getattr(jax, name), getattr(tinygrad_nlp, name)) for name in ("grad", "value_and_grad", "hessian")]
    asked = [(theirs.__name__, key, ours) for theirs, ours in pairs for key in keywords_of(theirs) - {"self"}]
    left = [(whose, key) for whose, key, ours in asked if key not in {*keywords_of(ours), *habits.KEYWORDS}]
    assert len(asked) > 80 and len(left) <= 0.1 * len(asked), f"{len(left)} of {len(asked)}: {left}"


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
        x._not_there  # noqa: B018 (the lookup raises)
    assert np.array_equal(pickle.loads(pickle.dumps(x)).data, x.data) and not hasattr(x, "__wrapped__")

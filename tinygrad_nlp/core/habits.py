"""What users of PyTorch, JAX and NumPy look for, and our way to it: one table, asked when an attribute is not there.

An answer is one line. It costs nothing, because Python asks only for names that do not exist.
"""

from __future__ import annotations

from typing import Any

import numpy as np

FLOATS = "Tensors are float32 or float64: t.astype(np.float32), or dtype= of a layer"
FROZEN = "there is no training mode: frozen(model) is the same model with arrays and without dropout"
CPU = "everything is in the memory of the CPU: leave it out"
CONSTANT = "an array is a constant and a Tensor wants a gradient: use the array, t.data"
NO_UPDATE = "Tensors are not changed in place: build a new one, such as np.where(mask, value, t)"
GRAPH = "a graph stays until it is dropped, so it can be walked again: leave it out"
LOSS = "losses are functions: softmax_cross_entropy(logits, labels)"
SQUARES = "losses are functions: np.mean((prediction - target) ** 2)"
BINARY = "losses are functions: np.mean(np.logaddexp(0, z) - y * z) for logits z and labels y of 0 and 1"
RANDOM = "every random function takes rng=, a generator: rng = np.random.default_rng(seed)"
NUMPYS = "NumPy's own works on Tensors: np.concatenate, np.stack, np.where, …"
NORMALISED = "compose it: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)"
ATTENTION = "compose it: softmax(q @ k.mT / np.sqrt(d)) @ v, as the lesson on attention does"
INIT = "initialisers are functions of nn: nn.xavier_uniform, nn.orthogonal, … passed as init="

TENSOR = {
    **dict.fromkeys(("numpy", "detach", "detach_", "value", "primal"), CONSTANT + ", which is read-only"),
    **dict.fromkeys(("requires_grad", "requires_grad_", "retain_grad", "stop_gradient"), CONSTANT),
    **dict.fromkeys(("cpu", "cuda", "to", "device", "is_cuda", "pin_memory", "block_until_ready"), CPU),
    **dict.fromkeys(("float", "double", "half", "bfloat16", "type", "long", "int", "bool"), FLOATS),
    **dict.fromkeys(("zero_", "fill_", "copy_", "add_", "sub_", "mul_", "div_", "clamp_", "masked_fill_"), NO_UPDATE),
    **dict.fromkeys(("view", "view_as", "reshape_as", "contiguous"), "write t.reshape(shape)"),
    "grad": "only leaves have .grad; gradients(loss, [t]) gives the gradient of a result",
    "grad_fn": "t.fn, t.args and t.kwargs are the call that made it; explain(t) shows the backward pass",
    "is_leaf": "a leaf has t.fn is None",
    "permute": "write t.transpose(axes)",
    "unsqueeze": "write np.expand_dims(t, axis)",
    "expand": "write np.broadcast_to(t, shape)",
    "expand_as": "write np.broadcast_to(t, shape)",
    "numel": "write t.size",
    "dim": "write t.ndim",
    "t": "write t.T",
    "mm": "write a @ b",
    "bmm": "write a @ b",
    "matmul": "write a @ b",
    "at": "write np.where(mask, value, t), because Tensors are not changed in place",
    "masked_fill": "write np.where(mask, value, t)",
    "gather": "write np.take_along_axis(t, ids, axis)",
    "index_select": "write np.take(t, ids, axis)",
    "chunk": "write np.array_split(t, n, axis)",
    "split": "write np.split(t, n, axis)",
    "clamp": "write np.clip(t, low, high)",
    "norm": "write np.linalg.norm(t)",
    "topk": "write np.argsort(t.data)[..., -k:] for the places",
    "backward_hooks": "explain(loss) and watch() see every share of a gradient",
    "register_hook": "explain(loss) and watch() see every share of a gradient",
    "clone": "write t.copy(), or Tensor(t.data) for a new leaf",
    "pow": "write t ** n",
    "add": "write a + b",
    "sub": "write a - b",
    "mul": "write a * b",
    "div": "write a / b",
}
MODULE = {
    **dict.fromkeys(("train", "eval", "training"), FROZEN),
    **dict.fromkeys(("to", "cuda", "cpu"), CPU),
    **dict.fromkeys(("float", "double", "half"), "give dtype= when the model is made"),
    "zero_grad": "optimizer.zero_grad() forgets all gradients",
    "requires_grad_": "frozen(part) is the same part with arrays, which are constants",
    "apply": "initialisers are given as init= when a layer is made",
    "modules": "nn.modules(model) goes through all of them",
    "children": "vars(model) holds them by name",
    "named_modules": "nn.modules(model) goes through all of them",
    "add_module": "assign it: model.name = module",
    **dict.fromkeys(("register_buffer", "register_parameter"), "assign it: arrays are constants, Tensors parameters"),
    "backward": "loss.backward(), where loss is the number that the model's output gives",
}
OPTIMIZER = {
    "param_groups": "optimizer.lr is the rate of all; for several rates use one optimiser a group",
    "add_param_group": "use one optimiser a group",
    "state": "optimizer.buffers, by parameter; state_dict() copies them",
    "minimize": "loss.backward(), then optimizer.step()",
    "apply_gradients": "loss.backward(), then optimizer.step()",
    "apply_updates": "optimizer.step()",
    "init": "the constructor takes the model: Adam(model, lr=0.001)",
    "update_params": "optimizer.step()",
}
OPTIMIZERS = {
    "lr_scheduler": "schedules are functions of the step: optimizer.lr = rate * linear_decay(step, total)",
    **dict.fromkeys(
        ("RMSprop", "Adagrad", "Adadelta", "NAdam", "LBFGS", "Lion", "Muon"),
        "a subclass of Optimizer is one update(w, g, …)",
    ),
    "LBFGS": "scipy.optimize.minimize(…, method='L-BFGS-B') on ravel(model)",
    "swa_utils": "Average(model) keeps averaged weights",
    **dict.fromkeys(("clip_grad_norm_", "clip_by_global_norm"), "clip_norm(model, max_norm)"),
    "sgd": "SGD(model, lr)",
    "adam": "Adam(model, lr)",
    "adamw": "AdamW(model, lr)",
    "chain": "call clip_norm(model, c) before optimizer.step()",
}
PACKAGE = {
    **dict.fromkeys(("no_grad", "inference_mode", "enable_grad", "set_grad_enabled", "stop_gradient"), CONSTANT),
    **dict.fromkeys(("tensor", "as_tensor", "from_numpy", "asarray", "array"), "write Tensor(array)"),
    **dict.fromkeys(("zeros", "ones", "full", "arange", "eye", "linspace"), "write Tensor(np.zeros(shape))"),
    **dict.fromkeys(("randn", "rand", "manual_seed", "random", "randint", "PRNGKey"), RANDOM),
    **dict.fromkeys(("float16", "half", "bfloat16", "int64", "bool"), FLOATS),
    **dict.fromkeys(
        ("cat", "concat", "stack", "where", "einsum", "exp", "log", "tanh", "matmul"),
        "NumPy's own works on Tensors: np.concatenate, np.stack, np.where, …",
    ),
    **dict.fromkeys(("jit", "pmap", "compile", "xla_computation"), "there is no compiler: NumPy runs as it is written"),
    "vmap": "write it for stacks: matmul, einsum and the rows of the table take leading axes",
    **dict.fromkeys(("jacfwd", "jacrev"), "jacobian(f) is both"),
    "linearize": "jvp(f)(x) gives the value and v -> Jv",
    "custom_vjp": "decorate the function with op(derivative)",
    "custom_jvp": "decorate the function with op(derivative)",
    "defvjp": "rule(fn, derivative, …) adds a row to the table",
    "Function": "decorate the function with op(derivative)",
    "Variable": "write Tensor(array)",
    "Parameter": "write Tensor(array): what wants a gradient is a parameter",
    **dict.fromkeys(("device", "cuda", "devices", "device_put"), CPU),
    "numpy": "import numpy as np: its functions work on Tensors",
    "tree_util": "tree.map_leaves, tree.named_leaves and ravel",
    "tree_map": "tree.map_leaves(change, tree)",
    "ravel_pytree": "ravel(tree) gives the vector and the way back",
    "make_jaxpr": "explain(y) shows the calls and their derivatives",
    "elementwise_grad": "jacobian(f), or gradients(y, [x], np.ones(y.shape))",
    "make_vjp": "vjp(f)",
    "checkpoint_sequential": "checkpoint(f) for each piece",
    "utils": "optim.clip_norm, nlp.text.random_chunks, run.Run",
    "autograd": "gradients(y, xs), grad(f), or loss.backward()",
    "functional": "functions are in tinygrad_nlp itself: softmax_cross_entropy, relu, softmax, embedding",
    "F": "functions are in tinygrad_nlp itself: softmax_cross_entropy, relu, softmax, embedding",
    "cross_entropy": "softmax_cross_entropy(logits, labels)",
    "nll_loss": "softmax_cross_entropy(logits, labels) takes the logits",
    "mse_loss": SQUARES,
    **dict.fromkeys(("binary_cross_entropy", "binary_cross_entropy_with_logits"), BINARY),
    "dropout": "nn.Dropout(rate, rng=rng)",
    "one_hot": "labels stay class numbers; np.eye(n)[labels] makes rows",
    "linear": "affine(x, W, b)",
    "layer_norm": NORMALISED,
    "conv2d": "there are no convolutions; np.convolve has one dimension",
    "gelu": "compose it: x * scipy.special.ndtr(x)",
    "silu": "compose it: x * sigmoid(x)",
    "clip_grad_norm_": "optim.clip_norm(model, max_norm)",
    "DataLoader": "nlp.text.random_chunks and streams, nlp.bags.shuffled",
    "scan": "nn.RNN, nn.GRU and nn.LSTM, or a Python loop and np.stack",
}
LAYERS = {
    "CrossEntropyLoss": LOSS,
    "NLLLoss": LOSS,
    "MSELoss": SQUARES,
    "L1Loss": "losses are functions: np.mean(np.abs(prediction - target))",
    "BCELoss": BINARY,
    "BCEWithLogitsLoss": BINARY,
    "ReLU": "a layer may be any function: Sequential(Linear(…), relu, …)",
    "Tanh": "a layer may be any function: Sequential(Linear(…), np.tanh, …)",
    "Sigmoid": "a layer may be any function: Sequential(Linear(…), sigmoid, …)",
    "Softmax": "softmax_cross_entropy takes logits; for probabilities softmax(x)",
    "LogSoftmax": "softmax_cross_entropy takes logits; for logarithms log_softmax(x)",
    "GELU": "a layer may be any function: lambda x: x * scipy.special.ndtr(x)",
    "Flatten": "a layer may be any function: lambda x: x.reshape(len(x), -1)",
    "Identity": "a layer may be any function: lambda x: x",
    "ModuleList": "a plain list of layers will do",
    "ModuleDict": "a plain dict of layers will do",
    "ParameterList": "a plain list of Tensors will do",
    "Parameter": "write Tensor(array)",
    "init": INIT,
    "functional": PACKAGE["functional"],
    "utils": "optim.clip_norm(model, max_norm)",
    "RNNCell": "RNN takes whole sequences; one step is a sequence of length 1",
    "GRUCell": "GRU takes whole sequences; one step is a sequence of length 1",
    "LSTMCell": "LSTM takes whole sequences; one step is a sequence of length 1",
    **dict.fromkeys(
        ("LayerNorm", "BatchNorm1d"),
        "compose it: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)",
    ),
    **dict.fromkeys(("Conv1d", "Conv2d", "MaxPool2d"), "there are no convolutions"),
    **dict.fromkeys(
        ("MultiheadAttention", "Transformer"),
        "compose it: softmax(q @ k.mT / np.sqrt(d)) @ v, as the lesson on attention does",
    ),
    "DataParallel": "tinygrad_nlp.parallel shares a batch among ranks",
}


UFUNCS = {name for name in dir(np) if isinstance(getattr(np, name), np.ufunc)}
ANSWERED = (set(TENSOR) | UFUNCS | {"relu", "sigmoid", "softmax", "log_softmax", "logsumexp"}) - {"grad"}


def missing(owner: str, name: str, remedies: dict[str, str]) -> AttributeError:
    """The error for an attribute that is not there, with our way to what it would do, where the table knows one."""
    remedy = remedies.get(name)
    if remedy is None and remedies is TENSOR and callable(getattr(np, name, None)) and not name.startswith("_"):
        remedy = f"write np.{name}(t)"
    if remedy is None and remedies is TENSOR and name in ("relu", "sigmoid", "softmax", "log_softmax", "logsumexp"):
        remedy = f"write tinygrad_nlp.{name}(t)"
    return AttributeError(f"{owner} has no attribute {name!r}" + (f": {remedy}" if remedy else ""))


class Answer:
    """An attribute of Tensors that is not there, and says so with our way to it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        raise missing("a Tensor", self.name, TENSOR)


def of_module(owner: str, remedies: dict[str, str]) -> Any:
    """A module's __getattr__, which says our way to names of other libraries."""

    def __getattr__(name: str) -> Any:
        raise missing(owner, name, remedies)

    return __getattr__

"""What users of PyTorch, JAX and NumPy look for, as tables: an answer, and the names that it is the answer to."""
# tested in tests/core/test_habits.py

from __future__ import annotations

FLOATS = "Tensors are float32 or float64: t.astype(np.float32), or dtype= of a layer"
FROZEN = "there is no training mode: frozen(model) is the same model with arrays and without dropout"
CPU = "everything is in the memory of the CPU: leave it out"
CONSTANT = "an array is a constant and a Tensor wants a gradient: use the array, t.data"
NO_UPDATE = "Tensors are not changed in place: build a new one, such as np.where(mask, value, t)"
LOSS = "losses are functions: softmax_cross_entropy(logits, labels)"
SQUARES = "losses are functions: np.mean((prediction - target) ** 2)"
ABSOLUTE = "losses are functions: np.mean(np.abs(prediction - target)), or whatever NumPy says"
HINGE = "losses are functions: np.mean(np.maximum(0, margin - y * score)), or whatever NumPy says"
BINARY = "losses are functions: np.mean(np.logaddexp(0, z) - y * z) for logits z and labels y of 0 and 1"
COSINE = "compose it: np.sum(a * b, -1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))"
RANDOM = "every random function takes rng=, a generator: rng = np.random.default_rng(seed)"
NORMALISED = "compose it: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)"
ATTENTION = "compose it: softmax(q @ k.mT / np.sqrt(d)) @ v, as the lesson on attention does"
INIT = "initialisers are functions of nn: nn.xavier_uniform, nn.orthogonal, … passed as init="
FUNCTIONS = "functions are in tinygrad_nlp itself: softmax_cross_entropy, relu, softmax, embedding"
NO_IMAGES = "there are no convolutions and no images; np.convolve and np.pad work on Tensors"
OPTIMISERS = "a subclass of Optimizer is one update(w, g, …)"
OWN = "decorate the function with op(derivative)"
ONES = "a matrix of 0 and 1 (scipy.sparse) @ t adds rows up, and np.where(mask, a, b) chooses"
SEEN = "explain(loss) and watch() see every share of a gradient"
ELEMENTWISE = "a layer may be any function: Sequential(Linear(…), "

# What PyTorch's activations are, as one writes them here.
ACTIVATIONS = {
    "relu6": "np.clip(x, 0, 6)",
    "hardtanh": "np.clip(x, -1, 1)",
    "hard_tanh": "np.clip(x, -1, 1)",
    "hardsigmoid": "np.clip(x / 6 + 0.5, 0, 1)",
    "hard_sigmoid": "np.clip(x / 6 + 0.5, 0, 1)",
    "hardswish": "x * np.clip(x / 6 + 0.5, 0, 1)",
    "hard_swish": "x * np.clip(x / 6 + 0.5, 0, 1)",
    "hard_silu": "x * np.clip(x / 6 + 0.5, 0, 1)",
    "hardshrink": "np.where(np.abs(x.data) > 0.5, x, 0)",
    "softshrink": "np.sign(x.data) * relu(np.abs(x) - 0.5)",
    "threshold": "np.where(x.data > threshold, x, value)",
    "leaky_relu": "np.maximum(x, 0.01 * x)",
    "prelu": "np.maximum(x, slope * x), where slope is a Tensor",
    "rrelu": "np.maximum(x, slope * x), where rng draws slope",
    "elu": "np.where(x.data > 0, x, np.expm1(np.minimum(x, 0)))",
    "celu": "np.where(x.data > 0, x, np.expm1(np.minimum(x, 0)))",
    "selu": "1.0507 * np.where(x.data > 0, x, 1.6733 * np.expm1(np.minimum(x, 0)))",
    "gelu": "x * scipy.special.ndtr(x)",
    "silu": "x * sigmoid(x)",
    "swish": "x * sigmoid(x)",
    "mish": "x * np.tanh(np.logaddexp(0, x))",
    "glu": "a * sigmoid(b), where a, b = np.split(x, 2, -1)",
    "softplus": "np.logaddexp(0, x)",
    "softsign": "x / (1 + np.abs(x))",
    "soft_sign": "x / (1 + np.abs(x))",
    "softmin": "softmax(-x)",
    "tanhshrink": "x - np.tanh(x)",
    "logsigmoid": "scipy.special.log_expit(x)",
    "log_sigmoid": "scipy.special.log_expit(x)",
    "squareplus": "(x + np.sqrt(x * x + 4)) / 2",
    "log1mexp": "np.log(-np.expm1(-x))",
    "logmeanexp": "logsumexp(x) - np.log(n)",
    "sparse_plus": "np.where(x.data < 1, relu(x + 1) ** 2 / 4, x)",
    "sparse_sigmoid": "np.clip((x + 1) / 2, 0, 1)",
    "gumbel_softmax": "softmax((x + rng.gumbel(size=x.shape)) / temperature)",
    "identity": "x",
}


def by_name(groups: dict[str, str]) -> dict[str, str]:
    """{answer: names} as {name: answer}."""
    return {name: answer for answer, names in groups.items() for name in names.split()}


TENSOR = by_name(
    {
        CONSTANT + ", which is read-only": "numpy detach value primal retains_grad is_inference",
        CONSTANT: "requires_grad retain_grad stop_gradient volatile",
        CPU: """cpu cuda to device is_cuda pin_memory block_until_ready is_cpu is_ipu is_xpu is_xla is_mps is_mtia
            is_maia is_meta is_vulkan is_mkldnn is_pinned is_shared ipu xpu mtia get_device to_mkldnn to_device
            sharding committed share_memory record_stream addressable_data addressable_shards global_shards
            copy_to_host_async is_fully_addressable is_fully_replicated""",
        FLOATS: """float double half bfloat16 type long int bool byte char short cfloat cdouble chalf type_as
            is_floating_point is_complex is_signed is_quantized dequantize q_scale q_zero_point qscheme int_repr
            q_per_channel_axis q_per_channel_scales q_per_channel_zero_points grad_dtype real imag conj conjugate
            is_conj is_neg resolve_conj resolve_neg conj_physical""",
        "there are no sparse Tensors: a matrix of scipy.sparse may stand on either side of @": """is_sparse
            is_sparse_csr to_sparse to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr to_dense
            sparse_dim dense_dim sparse_mask coalesce is_coalesced indices values crow_indices col_indices
            ccol_indices row_indices smm sspaddmm to_padded_tensor is_nested resize_as_sparse sparse_resize
            sparse_resize_and_clear""",
        "its memory is that of t.data, an array": """data_ptr const_data_ptr storage untyped_storage storage_offset
            storage_type stride strides layout dim_order element_size is_contiguous is_set_to base ctypes flags flat
            byteswap getfield setfield setflags tobytes tofile dump dumps hash_tensor as_subclass output_nr""",
        "write t.reshape(shape)": "view view_as reshape_as contiguous unflatten resize resize_as",
        "write np.zeros(shape), or Tensor(np.zeros(shape))": """new new_empty new_empty_strided new_full new_ones
            new_tensor new_zeros""",
        "only leaves have .grad; gradients(loss, [t]) gives the gradient of a result": "grad",
        "t.fn, t.args and t.kwargs are the call that made it; explain(t) shows the backward pass": "grad_fn",
        "a leaf has t.fn is None": "is_leaf",
        "Tensors are changed by an optimiser, or t.data = values": "put fill module_load index_put",
        "write t.transpose(axes)": "permute",
        "write np.swapaxes(t, i, j)": "swapdims adjoint",
        "write t.T": "t H",
        "write t.mT": "mH",
        "write np.expand_dims(t, axis)": "unsqueeze",
        "write np.broadcast_to(t, shape)": "expand expand_as",
        "write t.sum(axis)": "sum_to_size",
        "write t.size": "numel nelement",
        "write t.ndim": "dim ndimension",
        "write a.shape == b.shape": "is_same_size",
        "write a @ b": "mm bmm mv",
        "write c + a @ b": "addmm addmv addbmm baddbmm",
        "write c + np.outer(a, b)": "addr",
        "write np.outer(a, b)": "ger",
        "write t + scale * a * b": "addcmul",
        "write t + scale * a / b": "addcdiv",
        "write a + weight * (b - a)": "lerp",
        "write np.where(mask, value, t), because Tensors are not changed in place": "at",
        "write np.where(mask, value, t)": "masked_fill index_fill masked_scatter fill_diagonal",
        "write t[mask]": "masked_select nonzero_static compress",
        "write t[ids], or t[i:j]": "index narrow narrow_copy select unfold as_strided slice_inverse",
        "write np.take_along_axis(t, ids, axis)": "gather take_along_dim",
        "write np.take(t, ids, axis)": "index_select choose",
        ONES: """scatter scatter_add scatter_reduce index_add index_copy index_reduce diagonal_scatter select_scatter
            slice_scatter as_strided_scatter""",
        "write np.array_split(t, n, axis)": "chunk tensor_split unsafe_chunk",
        "write np.split(t, places, axis)": "split_with_sizes unsafe_split unsafe_split_with_sizes",
        "a Tensor can be iterated over: list(t)": "unbind",
        "write np.repeat(t, n, axis)": "repeat_interleave",
        "write np.clip(t, low, high)": "clamp clamp_min clamp_max",
        "write np.linalg.norm(t)": "norm",
        "write np.linalg.norm(a - b)": "dist",
        "write t / np.maximum(1, np.linalg.norm(t) / most)": "renorm",
        "write np.argsort(t.data)[..., -k:] for the places": "topk",
        "write np.sort(t)[..., k]": "kthvalue msort",
        "np.unique(t.data, return_counts=True) counts them": "mode unique_consecutive",
        "write t.min() and t.max()": "aminmax",
        "np.maximum.accumulate(t.data) gives the values; it has no derivative here": "cummax cummin",
        "write np.log(np.cumsum(np.exp(t - t.data.max()))) + t.data.max()": "logcumsumexp",
        "write np.histogram(t.data)": "histc",
        SEEN: """backward_hooks register_hook register_post_accumulate_grad_hook reinforce""",
        "write t.copy(), or Tensor(t.data) for a new leaf": "clone",
        "write t ** n": "pow",
        "write 1 / np.sqrt(t)": "rsqrt",
        "write t - np.trunc(t)": "frac",
        "write np.sign(t)": "sgn",
        "write -t": "neg",
        "write a + b": "add",
        "write a - b": "sub subtract",
        "write a * b": "mul",
        "write a / b": "div",
        "compare: a == b, a < b, …, which give arrays": "eq ne lt le gt ge is_nonzero",
        "write scipy.special.gammaln(t)": "lgamma mvlgamma",
        "write scipy.special.psi(t)": "digamma",
        "write scipy.special.gammainc(a, t)": "igamma",
        "write scipy.special.gammaincc(a, t)": "igammac",
        "scipy.special has it, under the same name": "erf erfc erfinv logit xlogy",
        "write tinygrad_nlp.polygamma(n, t)": "polygamma",
        "np.linalg has it, under the same name": """det slogdet cholesky qr svd solve lstsq matrix_power pinv inv""",
        "np.linalg.eigh and eigvalsh take Tensors": "eig eigh",
        "write np.linalg.slogdet(t)[1]": "logdet",
        "write np.linalg.inv(t)": "inverse",
        "write np.linalg.pinv(t)": "pinverse",
        "write np.linalg.solve(A, b)": "cholesky_solve cholesky_inverse lu lu_solve orgqr ormqr geqrf symeig",
        "write tinygrad_nlp.solve_triangular(A, b)": "triangular_solve",
        "write tinygrad_nlp.expm(t)": "matrix_exp",
        "write np.diag(t)": "diag_embed",
        "write np.moveaxis(t, i, j)": "movedim",
        RANDOM: "bernoulli multinomial uniform random",
        "np.fft takes arrays: np.fft.rfft(t.data); it has no derivative here": "stft istft",
        "write relu(x) or another function of the whole Tensor": "apply map map2",
        **{f"write {text}": name for name, text in ACTIVATIONS.items() if name in ("hardshrink", "prelu")},
    }
)
# PyTorch's updates are a name and _: these, beside the names above and those of NumPy's functions.
IN_PLACE = """
    requires_grad apply cauchy exponential geometric log_normal normal random uniform set clip absolute true_divide relu
    tanh sigmoid square sqrt exp log resize resize_as bernoulli map map2 squeeze unsqueeze swapaxes transpose t tril
    triu cumsum cumprod round put index_put share_memory detach sgn logical_and zero copy sparse_resize erf
    sparse_resize_and_clear resize_as_sparse conj_physical rsqrt frac neg renorm addcmul addcdiv lerp digamma
"""

MODULE = by_name(
    {
        FROZEN: "train eval training",
        CPU: "to cuda cpu ipu xpu mtia to_empty share_memory",
        "give dtype= when the model is made": "float double half bfloat16 type",
        "optimizer.zero_grad() forgets all gradients": "zero_grad",
        "frozen(part) is the same part with arrays, which are constants": "requires_grad_",
        "initialisers are given as init= when a layer is made": "apply",
        "nn.modules(model) goes through all of them, nn.named_modules(model) with their names": """modules
            named_modules named_children get_submodule""",
        "vars(model) holds them by name": "children get_parameter get_buffer",
        "assign it: model.name = module": "add_module register_module set_submodule",
        "assign it: arrays are constants, Tensors parameters": """register_buffer register_parameter buffers
            named_buffers""",
        "loss.backward(), where loss is the number that the model's output gives": "backward",
        "there is no compiler: NumPy runs as it is written": "compile",
        "summary(model, x) listens to every layer; explain(loss) and watch() see every share of a gradient": """
            register_forward_hook register_forward_pre_hook register_backward_hook register_full_backward_hook
            register_full_backward_pre_hook""",
        "save(path, model) keeps arguments, settings and arrays; state_dict() the parameters": """get_extra_state
            set_extra_state register_state_dict_post_hook register_state_dict_pre_hook
            register_load_state_dict_post_hook register_load_state_dict_pre_hook""",
        "print(model) shows plain attributes": "extra_repr",
        "parameters have names as on paper: W (n_in, n_out), b, and the table of an Embedding": """weight bias
            weight_ih_l0 weight_hh_l0 bias_ih_l0 bias_hh_l0""",
        "shapes of parameters say it: layer.W.shape": """in_features out_features input_size hidden_size num_embeddings
            embedding_dim""",
    }
)
OPTIMIZER = by_name(
    {
        "optimizer.lr is the rate of all; for several rates use one optimiser a group": "param_groups",
        "use one optimiser a group": "add_param_group",
        "optimizer.buffers, by parameter; state_dict() copies them": "state",
        "loss.backward(), then optimizer.step()": "minimize apply_gradients",
        "optimizer.step()": "apply_updates update_params",
        "the constructor takes the model: Adam(model, lr=0.001)": "init",
        "a training loop is a loop: write it before or after optimizer.step()": """register_step_pre_hook
            register_step_post_hook register_state_dict_pre_hook register_state_dict_post_hook
            register_load_state_dict_pre_hook register_load_state_dict_post_hook profile_hook_step""",
    }
)
OPTIMIZERS = by_name(
    {
        "schedules are functions of the step: optimizer.lr = rate * linear_decay(step, total)": "lr_scheduler",
        OPTIMISERS: """RMSprop Adagrad Adadelta NAdam Lion Muon ASGD Adafactor Adamax RAdam Rprop SparseAdam""",
        "from tinygrad_nlp.soap import SOAP": "SOAP Shampoo",
        "scipy.optimize.minimize(…, method='L-BFGS-B') on ravel(model)": "LBFGS",
        "Average(model) keeps averaged weights": "swa_utils",
        "clip_norm(model, max_norm)": "clip_grad_norm_ clip_by_global_norm",
        "SGD(model, lr)": "sgd",
        "Adam(model, lr)": "adam",
        "AdamW(model, lr)": "adamw",
        "call clip_norm(model, c) before optimizer.step()": "chain",
    }
)
# Keywords, for whatever function they are given to.
KEYWORDS = by_name(
    {
        "write a = a + t for a += t": "out",
        "cast with .astype(dtype), before the call or after it": "dtype",
        "choose with np.where(mask, t, neutral) before the call; neutral changes no result, as 0 in a sum": "where",
        "add it to the result, or choose with np.maximum or np.minimum": "initial",
        "NumPy calls it axis=": "dim dims",
        "NumPy calls it keepdims=": "keepdim",
        "NumPy calls it ddof=: 1 for True, 0 for False": "unbiased",
        "NumPy calls it ddof=": "correction",
        CPU: "device pin_memory non_blocking",
        "a Tensor wants a gradient and an array is a constant: leave it out": "requires_grad",
        "backward(g) takes the gradient of the output": "gradient grad_tensors",
        "gradients(loss, xs, create_graph=True) gives Tensors to be differentiated again": "create_graph",
        "gradients(loss, [t]) gives the gradients of those": "inputs",
        "here it is argnum=, a number or several in a tuple": "argnums",
        "compute the rest in a function of its own: f returns one number": "has_aux",
        "there are no complex or integer Tensors: leave it out": "holomorphic allow_int",
        "sizes go by position: Linear(n_in, n_out), GRU(n_in, hidden), Embedding(V, D)": """in_features out_features
            input_size hidden_size num_embeddings embedding_dim""",
        "Dropout(rate, rng=rng)": "p",
        "write the layers one after the other: each is called with the states of the one below": "num_layers",
        "a second layer reads x[::-1], and np.concatenate([a, b[::-1]], -1) joins both": "bidirectional",
        "put a Dropout between two layers": "dropout",
        "RNN is tanh; another is a loop over time, or a row for the table": "nonlinearity",
        "the gradient of a looked-up table is sparse anyway: leave it out": "sparse",
        "a row that must stay is written back after optimizer.step(); ignore_index= leaves labels out": "padding_idx",
        "change the rows after optimizer.step()": "max_norm norm_type scale_grad_by_freq",
        "put a Linear behind it": "proj_size",
        "here it is f": "fun func",
        "multiply the losses of reduction='none' by a weight of your own": "weight",
        "the smoothed loss is (1 - s) * loss - s * np.mean(log_softmax(logits))": "label_smoothing",
        "reduction= is 'mean', 'sum' or 'none'": "size_average reduce",
        "here these are logits and labels": "input target",
        "the first argument is a model or its Tensors: Adam(model)": "params",
        "here it is lr=": "learning_rate",
        "AdamW(model, weight_decay=…) takes it": "weight_decay",
        "a subclass of SGD or Adam is one update(w, g, …)": "dampening nesterov amsgrad decoupled_weight_decay",
        "go down -loss": "maximize",
        "there is one way to do it: leave it out": "foreach fused capturable differentiable inplace",
        RANDOM: "generator key seed",
    }
)

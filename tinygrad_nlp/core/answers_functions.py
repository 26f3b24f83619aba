"""Answers to names looked for in tinygrad_nlp itself and in nn: those of torch, its functional, jax and jax.nn."""
# tested in tests/core/test_habits.py

from __future__ import annotations

from .answers import (
    ABSOLUTE,
    ACTIVATIONS,
    ATTENTION,
    BINARY,
    CONSTANT,
    COSINE,
    CPU,
    ELEMENTWISE,
    FLOATS,
    FUNCTIONS,
    HINGE,
    INIT,
    LOSS,
    NO_IMAGES,
    NORMALISED,
    OWN,
    RANDOM,
    SQUARES,
    by_name,
)

PACKAGE = {name: f"compose it: {text}" for name, text in ACTIVATIONS.items()} | by_name(
    {
        CONSTANT: "no_grad inference_mode enable_grad set_grad_enabled stop_gradient freeze",
        "write Tensor(array)": "tensor as_tensor from_numpy asarray array Array Variable",
        "write Tensor(array): what wants a gradient is a parameter": "Parameter",
        "write Tensor(np.zeros(shape))": "zeros ones full arange eye linspace empty_ref new_ref",
        RANDOM: """randn rand manual_seed random randint PRNGKey key bernoulli multinomial normal
            threefry_partitionable default_prng_impl enable_custom_prng legacy_prng_key""",
        FLOATS: """float16 half bfloat16 int64 bool enable_x64 numpy_dtype_promotion dtypes allow_f16_reductions
            float0 default_matmul_precision numpy_rank_promotion bfloat16_ int2 int4 uint1 uint2 uint4 int1
            float4_e2m1fn float6_e2m3fn float6_e3m2fn float8_e3m4 float8_e4m3 float8_e4m3b11fnuz float8_e4m3fn
            float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu""",
        "NumPy's own works on Tensors: np.concatenate, np.stack, np.where, …": "cat lax",
        "there is no compiler: NumPy runs as it is written": """jit pmap compile xla_computation disable_jit make_xla
            check_tracer_leaks checking_leaks clear_caches ensure_compile_time_eval explain_cache_misses log_compiles
            export ffi interpreters stages pure_callback no_tracing no_execution experimental lib closure_convert
            effects_barrier set_mesh""",
        "write it for stacks: matmul, einsum and the rows of the table take leading axes": "vmap smap shard_map",
        "jacobian(f) is both": "jacfwd jacrev",
        "jvp(f)(x) gives the value and v -> Jv": "linearize",
        "vjp(f)(x) gives the value and g -> Jᵀg": "linear_transpose fwd_and_bwd make_vjp",
        OWN: "custom_vjp custom_jvp custom_gradient custom_derivatives custom_batching Function softmax_custom_jvp",
        "rule(fn, derivative, …) adds a row to the table": "defvjp",
        CPU: """device cuda devices device_put device_get Device default_device device_count local_devices
            local_device_count host_count host_id host_ids process_count process_index process_indices default_backend
            sharding NamedSharding Shard P make_mesh reshard remove_size_one_mesh_axis_from_type auto_pcast memory
            transfer_guard transfer_guard_device_to_device transfer_guard_device_to_host transfer_guard_host_to_device
            live_arrays copy_to_host_async block_until_ready distributed make_array_from_callback
            make_array_from_process_local_data make_array_from_single_device_arrays dlpack from_dlpack
            array_garbage_collection_guard thread_guard""",
        "np.errstate and watch() say where a NaN is born": "debug_nans debug_infs debug debug_key_reuse",
        "there is nothing to configure: settings are arguments": """config enable_checks print_environment_info
            make_user_context jax2tf_associative_scan_reductions checkpoint_policies api_util ad""",
        "profile(loss) says what each function costs": "profiler monitoring",
        "summary(model, x) gives the shapes without a gradient": "eval_shape ShapeDtypeStruct typeof",
        "names are those of your variables: explain(loss)": "named_call named_scope",
        "checkpoint(f)": "remat",
        "SciPy's own works on Tensors: scipy.special.erf, scipy.special.gammaln, …": "scipy special ops",
        "import numpy as np: its functions work on Tensors": "numpy",
        "tree.map_leaves, tree.named_leaves and ravel": "tree_util",
        "tree.map_leaves(change, tree)": "tree_map",
        "ravel(tree) gives the vector and the way back": "ravel_pytree",
        "explain(y) shows the calls and their derivatives": "make_jaxpr",
        "jacobian(f), or gradients(y, [x], np.ones(y.shape))": "elementwise_grad",
        "checkpoint(f) for each piece": "checkpoint_sequential",
        "optim.clip_norm, nlp.text.random_chunks, run.Run": "utils",
        "gradients(y, xs), grad(f), or loss.backward()": "autograd",
        FUNCTIONS: "functional F",
        "softmax_cross_entropy(logits, labels)": "cross_entropy linear_cross_entropy ctc_loss",
        "softmax_cross_entropy(logits, labels) takes the logits": "nll_loss",
        SQUARES: "mse_loss",
        ABSOLUTE: "l1_loss smooth_l1_loss huber_loss kl_div gaussian_nll_loss poisson_nll_loss",
        HINGE: """hinge_embedding_loss margin_ranking_loss multi_margin_loss multilabel_margin_loss soft_margin_loss
            multilabel_soft_margin_loss triplet_margin_loss triplet_margin_with_distance_loss cosine_embedding_loss""",
        BINARY: "binary_cross_entropy binary_cross_entropy_with_logits",
        COSINE: "cosine_similarity",
        "write np.linalg.norm(a - b, axis=-1)": "pairwise_distance pdist cdist",
        "nn.Dropout(rate, rng=rng)": """dropout alpha_dropout feature_alpha_dropout dropout1d dropout2d dropout3d""",
        "labels stay class numbers; np.eye(n)[labels] makes rows": "one_hot",
        "affine(x, W, b)": "linear",
        "write np.einsum('bi,oij,bj->bo', x, W, y)": "bilinear",
        "write a @ b": "grouped_mm scaled_grouped_mm scaled_mm scaled_matmul scaled_dot_general mm bmm",
        NORMALISED: "layer_norm batch_norm group_norm instance_norm rms_norm local_response_norm standardize normalize",
        ATTENTION: """scaled_dot_product_attention multi_head_attention_forward dot_product_attention
            get_scaled_dot_general_config""",
        NO_IMAGES: """conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d conv_tbc max_pool1d
            max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d lp_pool1d lp_pool2d lp_pool3d max_unpool1d
            max_unpool2d max_unpool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d
            adaptive_max_pool2d adaptive_max_pool3d adaptive_max_pool1d_with_indices adaptive_max_pool2d_with_indices
            adaptive_max_pool3d_with_indices max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices
            fractional_max_pool2d fractional_max_pool3d fractional_max_pool2d_with_indices
            fractional_max_pool3d_with_indices interpolate upsample upsample_nearest upsample_bilinear grid_sample
            affine_grid pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle image""",
        "np.lib.stride_tricks.sliding_window_view(t, shape) works on Tensors": "fold unfold",
        INIT: "initializers init",
        "optim.clip_norm(model, max_norm)": "clip_grad_norm_",
        "nlp.text.random_chunks and streams, nlp.bags.shuffled": "DataLoader",
        "nn.RNN, nn.GRU and nn.LSTM, or a Python loop and np.stack": "scan",
        "Tensors are not changed in place: write relu(x)": "relu_",
    }
)
PACKAGE |= {f"{name}_": f"Tensors are not changed in place: write {text}" for name, text in ACTIVATIONS.items()}


def layer(answer: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), answer)


ENTRY_BY_ENTRY = """
    GELU SiLU ELU CELU SELU ReLU6 Hardtanh Hardsigmoid Hardswish Hardshrink Softshrink Threshold PReLU RReLU Mish GLU
    Softplus Softsign Softmin Tanhshrink LogSigmoid Identity
"""
OF_IMAGES = """
    Conv ConvTranspose LazyConv LazyConvTranspose MaxPool AvgPool LPPool MaxUnpool AdaptiveAvgPool AdaptiveMaxPool
    FractionalMaxPool CircularPad ConstantPad ReflectionPad ReplicationPad ZeroPad
"""
LAYERS = {
    **layer(LOSS, "CrossEntropyLoss NLLLoss NLLLoss2d LinearCrossEntropyLoss LinearCrossEntropyOptions CTCLoss"),
    **layer(LOSS, "AdaptiveLogSoftmaxWithLoss"),
    **layer(SQUARES, "MSELoss"),
    **layer(ABSOLUTE, "L1Loss SmoothL1Loss HuberLoss KLDivLoss GaussianNLLLoss PoissonNLLLoss"),
    **layer(HINGE, "HingeEmbeddingLoss MarginRankingLoss MultiMarginLoss MultiLabelMarginLoss SoftMarginLoss"),
    **layer(HINGE, "MultiLabelSoftMarginLoss TripletMarginLoss TripletMarginWithDistanceLoss CosineEmbeddingLoss"),
    **layer(BINARY, "BCELoss BCEWithLogitsLoss"),
    **layer(COSINE, "CosineSimilarity"),
    **layer("write np.linalg.norm(a - b, axis=-1)", "PairwiseDistance"),
    **layer(f"{ELEMENTWISE}relu, …)", "ReLU"),
    **layer(f"{ELEMENTWISE}np.tanh, …)", "Tanh"),
    **layer(f"{ELEMENTWISE}sigmoid, …)", "Sigmoid"),
    **{name: f"{ELEMENTWISE}lambda x: {ACTIVATIONS[name.lower()]}, …)" for name in ENTRY_BY_ENTRY.split()},
    **layer(f"{ELEMENTWISE}lambda x: np.maximum(x, 0.01 * x), …)", "LeakyReLU"),
    **layer("softmax_cross_entropy takes logits; for probabilities softmax(x)", "Softmax Softmax2d"),
    **layer("softmax_cross_entropy takes logits; for logarithms log_softmax(x)", "LogSoftmax"),
    **layer(f"{ELEMENTWISE}lambda x: x.reshape(len(x), -1), …)", "Flatten Unflatten"),
    **layer("a plain list of layers will do", "ModuleList"),
    **layer("a plain dict of layers will do", "ModuleDict"),
    **layer("a plain list or dict of Tensors will do", "ParameterList ParameterDict Container"),
    **layer("write Tensor(array)", "Parameter UninitializedParameter parameter"),
    **layer("assign an array to an attribute: it is a constant", "Buffer UninitializedBuffer"),
    **layer(INIT, "init factory_kwargs"),
    **layer(FUNCTIONS, "functional grad common_types"),
    **layer("optim.clip_norm(model, max_norm)", "utils"),
    **layer("RNN takes whole sequences; one step is a sequence of length 1", "RNNCell RNNCellBase"),
    **layer("GRU takes whole sequences; one step is a sequence of length 1", "GRUCell"),
    **layer("LSTM takes whole sequences; one step is a sequence of length 1", "LSTMCell"),
    **layer("RNN, GRU and LSTM share Recurrent", "RNNBase"),
    **layer("sizes are given: Linear(n_in, n_out, rng=rng)", "LazyLinear"),
    **layer("write np.einsum('bi,oij,bj->bo', x, W, y)", "Bilinear"),
    **layer("Dropout(rate, rng=rng)", "AlphaDropout FeatureAlphaDropout Dropout1d Dropout2d Dropout3d"),
    **layer(NORMALISED, "LayerNorm RMSNorm GroupNorm BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm CrossMapLRN2d"),
    **layer(
        NORMALISED, "InstanceNorm1d InstanceNorm2d InstanceNorm3d LocalResponseNorm LazyBatchNorm1d LazyBatchNorm2d"
    ),
    **layer(NORMALISED, "LazyBatchNorm3d LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d"),
    **layer(ATTENTION, "MultiheadAttention Transformer TransformerEncoder TransformerEncoderLayer TransformerDecoder"),
    **layer(ATTENTION, "TransformerDecoderLayer attention"),
    **layer("tinygrad_nlp.parallel shares a batch among ranks", "DataParallel parallel"),
    **{f"{kind}{n}d": NO_IMAGES for n in (1, 2, 3) for kind in OF_IMAGES.split()},
    **layer(NO_IMAGES, "Fold Unfold PixelShuffle PixelUnshuffle ChannelShuffle Upsample UpsamplingNearest2d"),
    **layer(NO_IMAGES, "UpsamplingBilinear2d"),
    **layer("weights are float32 or float64: there is no quantisation", "quantized quantizable qat intrinsic"),
}

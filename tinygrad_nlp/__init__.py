"""Reverse-mode automatic differentiation in NumPy: a table of functions and their derivatives, and what grows on it."""

import numpy as np

from . import nlp, nn, optim, run
from .calculus import composites, products
from .calculus.listing import table
from .calculus.rows import composite, flat, op, rule
from .checking.check import check_fused, gradcheck
from .checking.taylor import taylor_test
from .core.sparse import RowSparse
from .engine import Tensor, gradients
from .fused import affine, embedding, embedding_bag, softmax_cross_entropy
from .recurrent import gru, lstm, rnn
from .rules import log_softmax, logsumexp, relu, sigmoid, softmax
from .seeing.bptt import time_map
from .seeing.explain import explain
from .seeing.preflight import preflight
from .seeing.watch import watch
from .transforms import checkpoint, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

__all__ = [
    "RowSparse",
    "Tensor",
    "affine",
    "check_fused",
    "checkpoint",
    "composite",
    "composites",
    "embedding",
    "embedding_bag",
    "explain",
    "flat",
    "grad",
    "gradcheck",
    "gradients",
    "gru",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "log_softmax",
    "logsumexp",
    "lstm",
    "nlp",
    "nn",
    "op",
    "optim",
    "preflight",
    "products",
    "relu",
    "rnn",
    "rule",
    "run",
    "sigmoid",
    "softmax",
    "softmax_cross_entropy",
    "table",
    "taylor_test",
    "time_map",
    "value_and_grad",
    "vjp",
    "watch",
]
__version__ = "0.1.0"

# glibc gives freed arrays back to the system, to fetch them again page by page, until a block of 32 MB was freed once.
# No page is touched here, so it costs nothing; on Linux it makes a training step up to 35 % faster.
np.empty((1 << 25) - (1 << 13), np.uint8)

"""Reverse-mode automatic differentiation in NumPy: a table of functions and their derivatives, and what grows on it."""

from . import composites
from .engine import Tensor, gradients
from .fused import affine, embedding, embedding_bag, gru, lstm, rnn, softmax_cross_entropy
from .rules import log_softmax, logsumexp, relu, sigmoid, softmax
from .sparse import RowSparse
from .table import composite, flat, op, rule, table

__all__ = [
    "RowSparse",
    "Tensor",
    "affine",
    "composite",
    "composites",
    "embedding",
    "embedding_bag",
    "flat",
    "gradients",
    "gru",
    "log_softmax",
    "logsumexp",
    "lstm",
    "op",
    "relu",
    "rnn",
    "rule",
    "sigmoid",
    "softmax",
    "softmax_cross_entropy",
    "table",
]
__version__ = "0.1.0"

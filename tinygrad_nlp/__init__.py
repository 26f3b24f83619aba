"""Reverse-mode automatic differentiation in NumPy: a table of functions and their derivatives, and what grows on it.

To be read in this order:

    engine       Tensor, call, history, gradients: the whole of backpropagation
    rules        the table, as a page of calculus
    fused        ops differentiated by hand (ŷ − y), each beside the composition that it means
    recurrent    RNN, GRU and LSTM through time, by hand and by reference
    module       what a layer is: a plain tree of Tensors with a forward()
    nn           layers, each a Module
    optim        SGD, Adam, clipping, averages; its schedules are in a file of their own

Used by name:

    transforms   grad, vjp, jvp, jacobian, hessian, hvp and checkpoint, which take functions
    tree         dicts, lists and Modules with Tensors at their leaves
    run          a training loop that can be killed and resumed to the same bytes
    saving       save and load: a Module with its configuration in one file
    files        files that are whole or not there
    npz          arrays and trees of them in such files, read without trust
    schedules    what a learning rate is multiplied by, step by step
    soap         Adam in the directions in which a matrix's gradients lie
    console      what commands share: one clear line for bad input
    parallel     ranks that share a batch, over MPI, and train as one process does
    shared_run   what each rank does in a run that ranks share
    strategies   the shapes and layouts that break gradients, for Hypothesis

Rooms behind them:

    core         what the engine stands on: the array side of a Tensor, broadcasting undone, sparse gradients, messages
    calculus     what stands around the table: how a row is made, and the functions defined by others
    checking     is a gradient right, and if not, what is wrong with it? gradcheck and what it is made of
    seeing       backpropagation made visible: explain, watch, preflight, summary, profile, gradients through time
    koans        broken derivatives for you to repair
    course       what the lessons share, and lessons as notebooks
    nlp          language modelling on top of the engine: corpora, text, counts, metrics, models, sampling
"""

from . import course, nlp, nn, optim, run
from .calculus import decompositions, joining, lengths, products, reductions, shapes, statistics, steps  # noqa: F401 (they fill the table)
from .calculus.linear_algebra import expm, solve_triangular
from .calculus.listing import table
from .calculus.rows import composite, flat, op, rule
from .calculus.special import polygamma
from .checking.check import check_fused, gradcheck
from .checking.taylor import taylor_test
from .core import habits
from .core.sparse import RowSparse
from .engine import TABLE, Tensor, gradients
from .fused import affine, embedding, embedding_bag, softmax_cross_entropy
from .recurrent import gru, lstm, rnn
from .rules import log_softmax, logsumexp, relu, sigmoid, softmax
from .saving import load, save
from .seeing.bptt import time_map
from .seeing.explain import explain
from .seeing.preflight import preflight
from .seeing.profile import profile
from .seeing.summary import summary
from .seeing.watch import watch
from .transforms import checkpoint, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .tree import ravel

__all__ = [
    "RowSparse",
    "Tensor",
    "affine",
    "check_fused",
    "checkpoint",
    "composite",
    "course",
    "embedding",
    "embedding_bag",
    "explain",
    "expm",
    "flat",
    "grad",
    "gradcheck",
    "gradients",
    "gru",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "load",
    "log_softmax",
    "logsumexp",
    "lstm",
    "nlp",
    "nn",
    "op",
    "optim",
    "polygamma",
    "preflight",
    "profile",
    "ravel",
    "relu",
    "rnn",
    "rule",
    "run",
    "save",
    "sigmoid",
    "softmax",
    "softmax_cross_entropy",
    "solve_triangular",
    "summary",
    "table",
    "taylor_test",
    "time_map",
    "value_and_grad",
    "vjp",
    "watch",
]
__version__ = "0.1.0"
habits.table = TABLE
__getattr__ = habits.of_module("tinygrad_nlp", habits.PACKAGE)

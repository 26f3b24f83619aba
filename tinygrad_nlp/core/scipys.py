"""What SciPy's functions are told that make arrays of their arguments, because Tensors do not reach them."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

OURS = ("logsumexp", "softmax", "log_softmax", "polygamma", "expm", "solve_triangular")
NUMPYS = {  # SciPy's name -> NumPy's, which Tensors reach
    **{name: f"np.linalg.{name}" for name in ("inv", "det", "norm", "solve", "cholesky", "svd", "svdvals", "qr")},
    **{name: f"np.linalg.{name}" for name in ("eigh", "eigvalsh", "lstsq", "pinv")},
    **{"kron": "np.kron", "block_diag": "np.block", "convolve": "np.convolve", "correlate": "np.correlate"},
    **{"trapezoid": "np.trapezoid", "dot": "A @ t", "zeta": "tinygrad_nlp.polygamma"},
}


def callers() -> list[tuple[str, str]]:
    """The functions of SciPy that ask for an array, innermost first, with their modules."""
    found, frame = [], inspect.currentframe()
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith("scipy."):
            wrapped = [v.__name__ for v in frame.f_locals.values() if inspect.isfunction(v)]  # of a decorator's wrapper
            found += [(module, n) for n in (frame.f_code.co_name, *wrapped)]
        elif found:
            break
        frame = frame.f_back
    return found


def refused(asked: list[tuple[str, str]]) -> TypeError:
    """Names the function to use in place of SciPy's, which would lose the gradient."""
    names = [name for _, name in asked]
    instead = [f"tinygrad_nlp.{name}" for name in names if name in OURS] + [NUMPYS[n] for n in names if n in NUMPYS]
    what = f"SciPy's {instead[-1].rpartition('.')[2] if instead else names[-1]} makes an array of a Tensor"
    remedy = f"use {instead[-1]}" if instead else "write it in functions of tinygrad_nlp.table(), or give it to op()"
    return TypeError(f"{what}, and the gradient would be lost: {remedy}")


def is_sparse_product(asked: list[tuple[str, str]]) -> bool:
    """Whether it is a sparse matrix A that asks, in A @ t."""
    return any(module.startswith("scipy.sparse") and name == "__matmul__" for module, name in asked)


def not_an_array() -> Any:
    """What NumPy takes for no array: A @ t is then left to t."""
    return np.array(None, dtype=object)


def sparse_product(a: Any, b: Any) -> Any:
    """a @ b, of which one is a matrix of scipy.sparse, as a function that can have a row."""
    return a @ b

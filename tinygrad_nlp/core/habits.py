"""What users of PyTorch, JAX and NumPy look for, and our way to it, asked when an attribute is not there.

An answer is one line, from answers.py and answers_functions.py, or from NumPy's own names. It costs nothing, because
Python asks only for names that do not exist.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np

from .answers import IN_PLACE, MODULE, NO_UPDATE, OPTIMIZER, OPTIMIZERS, TENSOR
from .answers_functions import LAYERS, PACKAGE

__all__ = ["LAYERS", "MODULE", "OPTIMIZER", "OPTIMIZERS", "PACKAGE", "TENSOR", "Answer", "missing", "of_module"]

table: Container[Any] = ()  # of derivatives: the package gives it, so that an answer says which functions take Tensors
NUMPYS = set(dir(np))
FUNCTIONS = {key for key in NUMPYS if key[0] != "_" and callable(f := getattr(np, key)) and not isinstance(f, type)}
OURS = ("relu", "sigmoid", "softmax", "log_softmax", "logsumexp")
KNOWN = {*TENSOR, *FUNCTIONS, *OURS}
ANSWERED = KNOWN | {f"{key}_" for key in (*KNOWN, *IN_PLACE.split())}


def missing(owner: str, name: str, remedies: dict[str, str]) -> AttributeError:
    """The error for an attribute that is not there, with our way to what it would do, where there is one."""
    remedy = remedies.get(name)
    if remedy is None and remedies is TENSOR:
        remedy = of_tensor(name)
    elif remedy is None and remedies is PACKAGE:
        remedy = of_numpy(name)
    return AttributeError(f"{owner} has no attribute {name!r}" + (f": {remedy}" if remedy else ""))


def of_tensor(name: str) -> str | None:
    """The answer to a name that is one of NumPy's or of this package's functions, or ends as PyTorch's updates do."""
    if name in OURS:
        return f"write tinygrad_nlp.{name}(t)"
    return NO_UPDATE if name.endswith("_") and name in ANSWERED else of_numpy(name)


def of_numpy(name: str) -> str | None:
    """The answer to a name of NumPy."""
    if name.startswith("_") or name not in NUMPYS:
        return None
    value = getattr(np, name)
    if not callable(value) or isinstance(value, type):
        return f"write np.{name}"
    return f"write np.{name}(t)" if value in table else f"np.{name} takes arrays: on constants np.{name}(t.data)"


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

"""What users of PyTorch, JAX and NumPy look for, and our way to it, asked when an attribute is not there.

An answer is one line, from answers.py and answers_functions.py, or from NumPy's own names. It costs nothing, because
Python asks only for names that do not exist. Keywords that a function does not take are answered in the same way.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Container
from typing import Any, TypeVar

import numpy as np

from .answers import IN_PLACE, KEYWORDS, MODULE, NO_UPDATE, OPTIMIZER, OPTIMIZERS, TENSOR
from .answers_functions import LAYERS, PACKAGE

__all__ = ["KEYWORDS", "LAYERS", "MODULE", "OPTIMIZER", "OPTIMIZERS", "PACKAGE", "TENSOR", "Answer"]
__all__ += ["Answering", "answer", "answering", "missing", "of_module"]

F = TypeVar("F", bound=Callable[..., Any])

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


def answer(error: TypeError) -> None:
    """Add our way to what Python says of a keyword that a function does not take, or of a generator that is missing."""
    keyword = re.search(r"unexpected keyword argument '(\w+)'(\. Did you mean '\w+'\?)?$", str(error))
    if keyword and keyword[1] in KEYWORDS:
        error.args = (f"{str(error)[: keyword.end(1) + 1]}: {KEYWORDS[keyword[1]]}",)
    elif str(error).endswith("missing 1 required keyword-only argument: 'rng'"):
        error.args = (f"{error}: {KEYWORDS['seed']}",)


def answering(f: F) -> F:
    """Decorate a function that is not called often: it answers keywords that other libraries have."""

    @functools.wraps(f)
    def answered(*args: Any, **kwargs: Any) -> Any:
        try:
            return f(*args, **kwargs)
        except TypeError as error:
            answer(error)
            raise

    return answered  # type: ignore[return-value]  # wraps() made it an F


class Answering:
    """A class whose constructor and backward() answer keywords that other libraries have."""

    __slots__ = ()

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        for method in {"__init__", "backward"} & vars(cls).keys():  # what is inherited does so already
            setattr(cls, method, answering(vars(cls)[method]))

"""What makes a Tensor look like an array: operators, methods and NumPy's functions all end in the engine's dispatch().

Each operator and method is the NumPy function of the same meaning, so that the table has one row for both. What an
array allows but a remembered call cannot (writing in place, out=, .reduce) is refused here, with the remedy.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse

from . import habits, notebook, scipys


def getitem(x: Any, index: Any) -> Any:
    """x[index], as a function that can have a row."""
    return x[index]


def astype(x: Any, dtype: Any) -> Any:
    """x.astype(dtype), as a function that can have a row."""
    return x.astype(dtype)


def name(fn: Any) -> str:
    """What messages call a function."""
    return str(getattr(fn, "__name__", fn))


def method(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A method that is a NumPy function: t.sum(axis=0) is np.sum(t, axis=0), and help() says so."""

    def of_tensor(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._dispatch(fn, (self, *args), kwargs)

    of_tensor.__name__ = of_tensor.__qualname__ = name(fn)
    whose = "np." if hasattr(np, name(fn)) else ""
    of_tensor.__doc__ = f"What {whose}{name(fn)} gives of this Tensor: a Tensor, where that has a gradient."
    with contextlib.suppress(TypeError, ValueError):  # ufuncs written in C have no signature
        parameters = list(inspect.signature(fn).parameters.values())
        itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        of_tensor.__signature__ = inspect.Signature([itself, *parameters[1:]])  # type: ignore[attr-defined]  # for help()
    return of_tensor


def infix(fn: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b: a._call(fn, (a, np.asarray(b) if type(b) is list else b))


def reflected(fn: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b: a._call(fn, (np.asarray(b) if type(b) is list else b, a))


def product(a: Any, b: Any) -> Callable[..., Any]:
    """The function that a @ b is: np.matmul, except beside a matrix of scipy.sparse."""
    known = type(a) is type(b) or isinstance(a, np.ndarray) or isinstance(b, np.ndarray)
    return np.matmul if known or not (scipy.sparse.issparse(a) or scipy.sparse.issparse(b)) else scipys.sparse_product


def in_place(sign: str, fn: Callable[..., Any]) -> Callable[..., Any]:
    """t += a, which Python reads as t = t + a, unless t is a parameter that somebody means to train by hand."""

    def rebound(t: Any, a: Any) -> Any:
        if t.fn is None and t.grad is not None and not isinstance(a, NumPyInterface):
            what = f"p {sign} … on a leaf that has a gradient would give its name to another Tensor and train nothing"
            raise TypeError(f"{what}: use an optimiser, optim.SGD(parameters, lr).step(), or write p.data {sign} …")
        return t._call(fn, (t, np.asarray(a) if type(a) is list else a))

    return rebound


def no_history(self: Any, *_: Any, **__: Any) -> Any:
    """Refuse np.asarray(t), float(t) and their like: NumPy and math call them, and what they get has no history."""
    if asked := scipys.callers():
        if scipys.is_sparse_product(asked):
            return scipys.not_an_array()
        raise scipys.refused(asked)
    what = f"a Tensor {self.shape} made an array or a number would lose its history"
    values = "its values are t.data and t.item()"
    raise TypeError(f"{what}: {values}; to differentiate, np.stack a list, and np.stack or np.where for h[t] = …")


class NumPyInterface(notebook.Shown, habits.Answering):
    """The array side of Tensor. The engine supplies `_data`, the two ways in (_call for rows with a derivative and
    _dispatch for any function), and _writable, the one door to a leaf's values."""

    __slots__ = ()
    _data: np.ndarray
    _call: Callable[..., Any]
    _dispatch: Callable[..., Any]
    _writable: Callable[..., np.ndarray]
    _grad: Any
    fn: Callable[..., Any] | None

    @property
    def data(self) -> np.ndarray:
        """The values, an array that is read-only. Assigning to it, which leaves allow, writes new values of the same
        shape and dtype, and puts graphs that used the old ones out of date."""
        return self._data

    @data.setter
    def data(self, values: Any) -> None:
        values = np.asarray(values)
        if values.shape != self.shape or values.dtype != self.dtype:
            what = f"this Tensor is {self.shape} {self.dtype}, the new values are {values.shape} {values.dtype}"
            raise ValueError(f"{what}: give it values of its own shape and dtype, or make a new Tensor")
        self._writable()[...] = values

    @property
    def grad(self) -> Any:
        """What backward() has added up in a leaf, or None. AttributeError for the result of a call."""
        if self.fn is not None:
            raise habits.missing("a Tensor", "grad", habits.TENSOR)
        return self._grad

    @grad.setter
    def grad(self, gradient: Any) -> None:
        self._grad = gradient

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if type(vars(NumPyInterface).get(name)) is not habits.Answer]

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self._data.size

    @property
    def nbytes(self) -> int:
        """The bytes of all entries."""
        return self._data.nbytes

    @property
    def itemsize(self) -> int:
        """The bytes of an entry."""
        return self._data.itemsize

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._data.dtype

    @property
    def T(self) -> Any:
        """The axes in reverse order."""
        return np.transpose(self)

    @property
    def mT(self) -> Any:
        """The last two axes swapped: each matrix of a stack, transposed."""
        return np.matrix_transpose(self)

    __add__, __radd__ = infix(np.add), reflected(np.add)
    __sub__, __rsub__ = infix(np.subtract), reflected(np.subtract)
    __mul__, __rmul__ = infix(np.multiply), reflected(np.multiply)
    __truediv__, __rtruediv__ = infix(np.divide), reflected(np.divide)
    __pow__, __rpow__ = infix(np.power), reflected(np.power)
    __floordiv__, __rfloordiv__ = method(np.floor_divide), lambda a, b: np.floor_divide(b, a)
    __mod__, __rmod__ = infix(np.remainder), reflected(np.remainder)
    __neg__, __pos__, __abs__ = method(np.negative), method(np.positive), method(np.absolute)
    __lt__, __le__ = method(np.less), method(np.less_equal)
    __gt__, __ge__ = method(np.greater), method(np.greater_equal)
    __eq__, __ne__ = method(np.equal), method(np.not_equal)
    __iadd__, __isub__ = in_place("+=", np.add), in_place("-=", np.subtract)
    __imul__, __itruediv__ = in_place("*=", np.multiply), in_place("/=", np.divide)
    __ipow__, __imod__, __imatmul__ = in_place("**=", np.power), in_place("%=", np.remainder), in_place("@=", np.matmul)
    __array__ = __float__ = __int__ = __complex__ = __index__ = no_history
    __round__ = __trunc__ = __floor__ = __ceil__ = no_history
    __hash__ = object.__hash__  # by identity: Tensors are keys of the dictionary that gradients() returns
    __getitem__ = method(getitem)

    sum, mean, var, std = method(np.sum), method(np.mean), method(np.var), method(np.std)
    max, min, clip = method(np.max), method(np.min), method(np.clip)
    prod, cumsum, cumprod = method(np.prod), method(np.cumsum), method(np.cumprod)
    ravel, flatten, squeeze, swapaxes = method(np.ravel), method(np.ravel), method(np.squeeze), method(np.swapaxes)
    dot, trace, diagonal, take, repeat = (method(f) for f in (np.dot, np.trace, np.diagonal, np.take, np.repeat))
    argmax, argmin, argsort, nonzero = method(np.argmax), method(np.argmin), method(np.argsort), method(np.nonzero)
    ptp, searchsorted, argpartition = method(np.ptp), method(np.searchsorted), method(np.argpartition)
    any, all, round, copy, astype = method(np.any), method(np.all), method(np.round), method(np.copy), method(astype)

    def __matmul__(self, b: Any) -> Any:
        return self._call(product(self, b), (self, np.asarray(b) if type(b) is list else b))

    def __rmatmul__(self, a: Any) -> Any:
        return self._call(product(a, self), (np.asarray(a) if type(a) is list else a, self))

    def reshape(self, *shape: Any) -> Any:
        """The same numbers in another shape: t.reshape(2, 3) or t.reshape((2, 3))."""
        return self._dispatch(np.reshape, (self, shape[0] if len(shape) == 1 else shape), {})

    def transpose(self, *axes: Any) -> Any:
        """Axes in another order: t.transpose(1, 0, 2), t.transpose((1, 0, 2)), or reversed without arguments."""
        return self._dispatch(np.transpose, (self, axes[0] if len(axes) == 1 else axes or None), {})

    def item(self) -> float:
        """The one number of a one-element Tensor; ValueError for any other size."""
        return float(self._data.item())

    def tolist(self) -> Any:
        """The numbers as nested lists."""
        return self._data.tolist()

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if method != "__call__":
            raise TypeError(f"np.{name(ufunc)}.{method} has no derivative: use a function of the table, such as np.sum")
        if list in map(type, args):
            args = tuple(np.asarray(a) if type(a) is list else a for a in args)
        return self._dispatch(ufunc, args, kwargs)

    def __array_function__(self, fn: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self._dispatch(fn, args, kwargs)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError("a Tensor cannot be changed in place: build a new one, such as np.where(mask, value, t)")

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __len__(self) -> int:
        return len(self._data)

    def __bool__(self) -> bool:
        return bool(self._data)

    def __reduce__(self) -> Any:
        if self.fn is not None:
            raise TypeError(f"a Tensor made by `{name(self.fn)}` cannot be copied or pickled: copy its values, t.data")
        return type(self), (self._data,)

    def __repr__(self) -> str:
        made = "" if self.fn is None else f", made by {name(self.fn)}"
        return f"Tensor({np.array2string(self._data, separator=', ', prefix='Tensor(')}{made})"

    def _repr_html_(self) -> str:
        made = "a leaf" if self.fn is None else f"made by {name(self.fn)}"
        return notebook.block(notebook.line(f"Tensor {self.shape} {self.dtype}, {made}"), notebook.numbers(self._data))

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self._data.size == 1 else format(str(self), spec)


for _name in habits.ANSWERED:  # descriptors, because __getattr__ would slow down every attribute that is there
    if not hasattr(NumPyInterface, _name):
        setattr(NumPyInterface, _name, habits.Answer(_name))

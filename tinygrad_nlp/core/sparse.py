"""Gradients that are zero almost everywhere: of a table whose rows were looked up, and of a Tensor that was indexed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse


class RowSparse(np.lib.mixins.NDArrayOperatorsMixin):
    """The gradient of a looked-up table (V, D): values (N, D) to be added at rows (N,), which may repeat; zero
    elsewhere.

    It acts as the array that it stands for: NumPy's functions, operators, methods and indexing make that array and go
    on with it. Sums and differences of RowSparse, and multiples, stay sparse. Optimisers touch only the rows that were
    looked up.

    >>> g = RowSparse(np.array([2, 0, 2]), np.ones((3, 1)), (4, 1))
    >>> g.todense().ravel()
    array([1., 0., 2., 0.])
    >>> float(np.linalg.norm(g)), g.sum(axis=0), (2 * g).rows, g[2]
    (2.23606797749979, array([3.]), array([2, 0, 2]), array([2.]))
    """

    __slots__ = ("dtype", "parts", "shape", "unique")
    __hash__ = None  # type: ignore[assignment]  # as an array

    def __init__(self, rows: np.ndarray, values: np.ndarray, shape: tuple[int, ...], unique: bool = False) -> None:
        self.parts = [(rows, values)]  # sums only collect parts: looking up a table T times costs O(T)
        self.shape, self.dtype, self.unique = shape, values.dtype, unique

    @property
    def rows(self) -> np.ndarray:
        """The rows (N,) that are not zero; repeated ones add up."""
        return self._joined()[0]

    @property
    def values(self) -> np.ndarray:
        """What each of `rows` gets (N, D)."""
        return self._joined()[1]

    def _joined(self) -> tuple[np.ndarray, np.ndarray]:
        if len(self.parts) > 1:
            rows, values = zip(*self.parts, strict=True)
            self.parts = [(np.concatenate(rows), np.concatenate(values))]
        return self.parts[0]

    def todense(self) -> np.ndarray:
        """The array (V, D) that this stands for, repeated rows added up."""
        if self.unique:
            dense = np.zeros(self.shape, self.dtype)
            dense[self.rows] = self.values
            return dense
        return add_rows(self.rows, self.values, self.shape[0])

    def coalesce(self) -> RowSparse:
        """The same gradient with each row named once, in ascending order."""
        if self.unique:
            return self
        rows, values = self._joined()
        used = np.zeros(self.shape[0], bool)
        used[rows] = True
        ours = used.nonzero()[0]
        place = np.empty(self.shape[0], np.intp)
        place[ours] = np.arange(ours.size)
        return RowSparse(ours, add_rows(place[rows], values, ours.size), self.shape, unique=True)

    def astype(self, dtype: Any) -> RowSparse:
        """The same gradient in another float dtype."""
        return RowSparse(self.rows, self.values.astype(dtype), self.shape, self.unique)

    # --- What stays sparse ---

    def __add__(self, other: Any) -> Any:
        if isinstance(other, RowSparse) and other.shape == self.shape:
            total = RowSparse(*self.parts[0], self.shape)
            total.parts = self.parts + other.parts
            many = sum(len(rows) for rows, _ in total.parts) > 2 * self.shape[0]
            return total.coalesce() if many else total  # never more to keep than twice the table
        return self.todense() + (other.todense() if isinstance(other, (RowSparse, Patches)) else other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self + -other

    def __neg__(self) -> RowSparse:
        return self * -1

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs and (ufunc is np.multiply or (ufunc is np.divide and args[0] is self)):
            factor = args[1] if args[0] is self else args[0]
            if np.isscalar(factor) or (type(factor) is np.ndarray and factor.ndim == 0):
                return RowSparse(self.rows, ufunc(self.values, factor), self.shape, self.unique)
        if isinstance(kwargs.get("out", (None,))[0], RowSparse):  # g *= 2
            return kwargs["out"][0]._become(ufunc(*map(made_dense, args)))
        return getattr(ufunc, method)(*map(made_dense, args), **kwargs)

    # --- What acts as the array that it stands for ---

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.todense().astype(dtype or self.dtype, copy=False)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in self.__slots__:
            raise AttributeError(f"RowSparse has no {name}")
        return getattr(self.todense(), name)

    def __getitem__(self, index: Any) -> Any:
        return self.todense()[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        dense = self.todense()
        dense[index] = value
        self._become(dense)

    def _become(self, dense: np.ndarray) -> RowSparse:
        """Stand for another array from now on: after g *= 2 or g[0] = 0."""
        self.parts, self.unique = [(np.arange(self.shape[0]), dense.astype(self.dtype, copy=False))], True
        return self

    def __len__(self) -> int:
        return self.shape[0]

    def __bool__(self) -> bool:
        return bool(self.todense())

    def __repr__(self) -> str:
        used = self.coalesce()
        numbers = np.array2string(used.values, separator=", ", threshold=100)
        rows = np.array2string(used.rows, separator=", ", threshold=20)
        return f"RowSparse(a table {self.shape} {self.dtype}, zero but for rows {rows}:\n{numbers})"


def made_dense(a: Any) -> Any:
    return a.todense() if isinstance(a, RowSparse) else a


def length(g: Any) -> float:
    """The Euclidean length of a gradient, finite wherever its entries are and their length can be written: they are
    scaled first where their squares would overflow (float32 at 10¹⁹, float64 at 10¹⁵⁴) or vanish."""
    a = g.coalesce().values if isinstance(g, RowSparse) else np.asarray(g)  # rows that are there twice add up first
    square = float(np.vdot(a, a))
    if 1e-30 < square < math.inf:
        return math.sqrt(square)
    top = float(np.max(np.abs(a), initial=0))
    return top * float(np.linalg.norm(np.ravel(a.astype(np.float64) / top))) if 0 < top < math.inf else top


def settled(g: Any, t: Any) -> Any:
    """The gradient of t when all its shares are added up: an array, but for the looked-up table that is a leaf."""
    if isinstance(g, np.generic):  # NumPy's sum of two 0-d arrays
        return np.asarray(g)
    return g.todense() if type(g) is Patches or (type(g) is RowSparse and t.fn is not None) else g


def owned(found: dict[Any, Any]) -> dict[Any, Any]:
    """Gradients as users get them, who may write into them: memory that is shared with anything is copied.

    A gradient that reached its leaf without a sum on the way may be a view, an array of the forward pass, which is
    read-only, or the gradient of something else.
    """
    seen: set[int] = set()
    for t, g in found.items():
        if type(g) is np.ndarray:
            if g.base is not None or not g.flags.writeable or id(g) in seen:
                found[t] = g = g.copy()
            seen.add(id(g))
    return found


def add_rows(rows: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """An array (n, D) with values (N, D) added at rows (N,): by a sparse 0-1 matrix, 30 × faster than np.add.at."""
    ones = np.ones(rows.size, values.dtype)
    one_hot = scipy.sparse.csc_array((ones, rows, np.arange(rows.size + 1)), (n, rows.size))
    return np.asarray(one_hot @ values)


class Patches:
    """The gradient of x when only parts x[index] were used: a list of (index, gradient of the part), added up once.

    A loop over x[t] makes T parts; adding each into zeros of x's size would cost O(T²).
    """

    __slots__ = ("dtype", "parts", "shape")
    __array_ufunc__ = None

    def __init__(self, parts: list[tuple[Any, Any]], shape: tuple[int, ...], dtype: Any) -> None:
        self.parts, self.shape, self.dtype = parts, shape, dtype

    def todense(self) -> np.ndarray:
        """The array that this stands for."""
        dense = np.zeros(self.shape, self.dtype)
        for index, g in self.parts:
            if is_basic(index):
                dense[index] += g
            else:
                dense += scatter_values(g, index, self.shape)
        return dense

    def __add__(self, other: Any) -> Any:
        other = other.todense() if isinstance(other, RowSparse) else other
        parts = other.parts if isinstance(other, Patches) else [(..., other)]
        self.parts.extend(parts)  # in place: it lives only between the uses of x and x itself
        return self

    __radd__ = __add__


def is_basic(index: Any) -> bool:
    """Whether an index can name no place twice: slices, integers, None, Ellipsis and boolean masks."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        part is None or part is Ellipsis or isinstance(part, (slice, int, np.integer, bool, np.bool_)) for part in parts
    ) or (isinstance(index, np.ndarray) and index.dtype == bool)


def scatter_values(g: Any, index: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The transpose of x[index]: zeros of `shape` with g added at index, places that repeat adding up."""
    size = int(np.prod(shape))
    if is_basic(index):
        dense = np.zeros(shape, g.dtype)
        dense[index] = g
        return dense
    places = np.arange(size).reshape(shape)[index].ravel()
    return np.bincount(places, np.ravel(g), minlength=size).reshape(shape).astype(g.dtype)

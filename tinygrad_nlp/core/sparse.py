"""Gradients that are zero almost everywhere: of a table whose rows were looked up, and of a Tensor that was indexed."""
# tested in tests/test_fused.py

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse


class RowSparse:
    """The gradient of a looked-up table (V, D): values (N, D) to be added at rows (N,), which may repeat; zero
    elsewhere.

    Sums of RowSparse stay sparse; a sum with an array is an array. Optimisers touch only the rows that were looked up.

    >>> g = RowSparse(np.array([2, 0, 2]), np.ones((3, 1)), (4, 1))
    >>> g.todense().ravel()
    array([1., 0., 2., 0.])
    """

    __slots__ = ("dtype", "parts", "shape", "unique")
    __array_ufunc__ = None  # array + RowSparse asks RowSparse.__radd__

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

    def __add__(self, other: Any) -> Any:
        if isinstance(other, RowSparse):
            total = RowSparse(*self.parts[0], self.shape)
            total.parts = self.parts + other.parts
            many = sum(len(rows) for rows, _ in total.parts) > 2 * self.shape[0]
            return total.coalesce() if many else total  # never more to keep than twice the table
        return self.todense() + (other.todense() if isinstance(other, Patches) else other)

    __radd__ = __add__

    def __mul__(self, factor: float) -> RowSparse:
        return RowSparse(self.rows, self.values * factor, self.shape, self.unique)

    __rmul__ = __mul__

    def __rsub__(self, other: Any) -> Any:
        return other + self * -1.0  # W.data - rate * W.grad

    def astype(self, dtype: Any) -> RowSparse:
        """The same gradient in another float dtype."""
        return RowSparse(self.rows, self.values.astype(dtype), self.shape, self.unique)

    def __repr__(self) -> str:
        return f"RowSparse({self.rows.size} rows of a table {self.shape}, {self.dtype})"


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

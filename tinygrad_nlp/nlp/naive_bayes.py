"""Linear classifiers of word n-grams weighted by naive Bayes (Wang and Manning 2012), on the engine.

Each text is the set of its n-grams; each n-gram's 1 is replaced by its log-count ratio r, and a logistic regression
decides. There is no randomness: the loss is convex, and L-BFGS goes to its minimum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from scipy.optimize import minimize

from ..calculus.rows import op
from ..engine import Tensor, gradients
from . import bags


# --- N-grams of bags of running text ----------------------------------------------------------------------------------
class Grams:
    """The n-grams up to an order that some texts have, numbered: `own` (B, count) says which text has which, and
    matrix() which of them other texts have."""

    def __init__(self, ids: np.ndarray, offsets: np.ndarray, order: int) -> None:
        self.size, self.keys, found = int(ids.max(initial=0)) + 1, [], []
        before = np.zeros(len(ids), np.int64)
        for _ in range(order):  # a gram is named by the number of the gram without its last id, and its last id
            listed, numbers = bags.numbered(self._keys(before, ids))
            self.keys.append(listed)
            found.append(numbers)
            before = self._before(numbers, offsets)
        self.own = self._matrix(found, ids, offsets)

    def _keys(self, before: np.ndarray, ids: np.ndarray) -> np.ndarray:
        return np.where((before >= 0) & (ids < self.size), before * self.size + ids, -1)

    @staticmethod
    def _before(numbers: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """The number of the gram that ends one place before, −1 at the start of a text."""
        before = np.concatenate([[-1], numbers])
        before[offsets] = -1
        return before[: len(numbers)]

    def _matrix(self, found: list[np.ndarray], ids: np.ndarray, offsets: np.ndarray) -> scipy.sparse.csr_array:
        """Of the number of each order's gram at each place, −1 where there is none."""
        bag = np.repeat(np.arange(len(offsets)), bags.lengths(ids, offsets))
        first = np.cumsum([0, *map(len, self.keys)])  # grams of one id have the first numbers, then those of two
        row = np.concatenate([bag[numbers >= 0] for numbers in found])
        column = np.concatenate([numbers[numbers >= 0] + n for numbers, n in zip(found, first, strict=False)])
        X = scipy.sparse.csr_array((np.ones(len(row)), (row, column)), (len(offsets), int(first[-1])))
        X.sum_duplicates()
        X.data[:] = 1
        return X

    def matrix(self, ids: np.ndarray, offsets: np.ndarray) -> scipy.sparse.csr_array:
        """(B, count), 1 where a text has a gram, however often."""
        before, found = np.zeros(len(ids), np.int64), []
        for listed in self.keys:
            wanted, place = bags.numbered(self._keys(before, ids))
            number = np.searchsorted(listed, wanted)  # quick, as both are sorted
            known = np.append(listed, -1)[number] == wanted
            found.append(np.append(np.where(known, number, -1), -1)[place])  # −1 stays −1
            before = self._before(found[-1], offsets)
        return self._matrix(found, ids, offsets)


# --- The classifier ---------------------------------------------------------------------------------------------------
def d_sparse_product(g: Any, y: Any, X: scipy.sparse.csr_array, w: Any) -> Any:
    return sparse_product(X.T, g)


@op(None, d_sparse_product)
def sparse_product(X: scipy.sparse.csr_array, w: Any) -> Any:
    """X w for a constant sparse X (B, V) and w (V,): ∂/∂w is Xᵀ g."""
    return X @ w


def log_ratio(X: scipy.sparse.csr_array, labels: np.ndarray) -> np.ndarray:
    """ln (p/‖p‖₁) / (q/‖q‖₁), where p and q are one more than the number of good and of bad texts with each gram; 0 for
    a gram that no text has."""
    good, bad = X.T @ (labels == 1.0), X.T @ (labels == 0.0)
    seen = good + bad > 0
    p, q = 1 + good[seen], 1 + bad[seen]
    ratio = np.zeros(X.shape[1])
    ratio[seen] = np.log(p / p.sum()) - np.log(q / q.sum())
    return ratio


def weighted(X: scipy.sparse.csr_array, ratio: np.ndarray) -> scipy.sparse.csr_array:
    """X with each 1 replaced by its gram's ratio."""
    return scipy.sparse.csr_array((ratio[X.indices], X.indices, X.indptr), X.shape)


def joined(X: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """P (V, V') with which X P is as good as X (B, V) for a logistic regression: the columns that only one row has
    become one for each row, and those that no row has are left out.

    A gradient Xᵀ g is alike, up to their values, in all columns of one row, so they stay in one direction u, and P
    has it for a column: w = P w', and ‖w‖ = ‖w'‖ because PᵀP = I. From zero, L-BFGS takes the very same steps.
    """
    (B, V), row = X.shape, np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    rows = np.bincount(X.indices, minlength=V)
    alone = rows[X.indices] == 1
    common, single, owner = np.flatnonzero(rows > 1), X.indices[alone], row[alone]
    length = np.sqrt(np.bincount(owner, X.data[alone] ** 2, minlength=B))
    value = np.concatenate([np.ones(len(common)), X.data[alone] / np.where(length > 0, length, 1)[owner]])
    place = np.concatenate([common, single]), np.concatenate([np.arange(len(common)), len(common) + owner])
    return scipy.sparse.csr_array((value, place), (V, len(common) + B))


class Linear(NamedTuple):
    """A fitted classifier: log-odds(good) = x · w + b; and how far the minimum is."""

    w: np.ndarray
    b: float
    gradient_norm: float
    evaluations: int

    def log_odds(self, X: Any) -> np.ndarray:
        """(B,) of rows X (B, V)."""
        return np.asarray(X @ self.w + self.b)


def logistic_regression(
    X: Any, labels: np.ndarray, strength: float = 1.0, product: Callable[..., Any] = sparse_product, steps: int = 100
) -> Linear:
    """The minimum of ½ ‖w‖² / strength + Σ log(1 + exp(−s (x · w + b))), s = ±1, by L-BFGS with our gradients.

    product(X, w) -> (B,): sparse_product, or np.matmul for a dense X.
    """
    sign, evaluations = np.where(labels == 1, 1.0, -1.0), 0

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal evaluations
        evaluations += 1
        w, b = Tensor(parameters[:-1]), Tensor(parameters[-1])
        total = np.sum(np.logaddexp(0, -sign * (product(X, w) + b))) + np.sum(w * w) * (0.5 / strength)
        dw, db = gradients(total, [w, b])
        return total.item() / len(labels), np.append(dw, db) / len(labels)

    start = np.zeros(X.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": steps, "maxcor": 6, "gtol": 1e-5})
    return Linear(found.x[:-1], float(found.x[-1]), float(np.linalg.norm(found.jac)), evaluations)

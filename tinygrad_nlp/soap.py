"""SOAP: Adam in the directions in which a matrix's gradients lie, not along its single weights.

    optimizer = SOAP(model, lr=0.007)

Adam divides each number's step by the size of that number's gradients. Where a layer's inputs rise and fall together,
as the states of a recurrent network do, their rows of the gradient are nearly alike, and the small differences between
them are lost. SOAP first turns the gradient into the eigenvectors of the averaged g gᵀ: in that basis its rows are
uncorrelated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .core.sparse import RowSparse
from .optim import Adam, Betas, in_range


class SOAP(Adam):
    """For a matrix w (n, k), Adam is given Qᵀ g, and w changes by Q times the change that Adam makes; all else is left
    to Adam.

    At every `every`-th gradient of a matrix, the first included, its moment C ← β C + (1 − β) g gᵀ (n, n) takes in that
    gradient, and Q ← the orthonormal factor of (C + δI) Q with its columns in the order of their eigenvalues: one step
    of orthogonal iteration to the eigenvectors of C (Golub and Van Loan 2013, section 8.2.4). m is turned into the new
    basis; v goes along with its column, because Q changes little. δ is `damping` times the mean eigenvalue. Directions
    much weaker than that stay mixed, which is the price of results that rounding does not change.

    Vyas et al. 2024, "SOAP: Improving and stabilizing Shampoo using Adam", one-sided. There every gradient goes into C,
    Q begins with exact eigenvectors instead of the identity, and the side that is turned is the smaller one; here it is
    the side of what comes in. Gupta et al. 2018, "Shampoo".

    A step costs two more products of (n, n) by (n, k), and now and then a QR decomposition (n, n) and three products.
    Matrices of more than `largest` rows, such as tables of many words, are left to Adam; row-sparse gradients of
    smaller ones are taken as arrays. Raises ValueError for settings out of range, FloatingPointError for a matrix's
    gradient that is not finite or too large to square, before anything of that matrix has changed.
    """

    def __init__(
        self,
        model: Any,
        lr: float = 0.003,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        decay: float = 0.8,  # β, of C
        damping: float = 0.01,
        every: int = 10,
        largest: int = 1_000,
    ) -> None:
        super().__init__(model, lr, betas, eps)
        self.decay, self.damping = in_range("decay", decay, 0, 1), in_range("damping", damping, 0)
        if every < 1 or every != int(every):
            raise ValueError(f"every is {every}: use a whole number of 1 or more")
        self.every = int(every)
        self.moments, self.bases, self.seen = {}, {}, {}
        for name, t in self.parameters.items():
            if t.ndim == 2 and t.size and t.shape[0] <= largest:
                self.moments[name] = np.zeros((t.shape[0], t.shape[0]), t.dtype)
                self.bases[name] = np.eye(t.shape[0], dtype=t.dtype)
                self.seen[name] = np.array(0)  # gradients so far

    def update_parameter(self, name: str, w: np.ndarray, g: Any) -> None:
        if name not in self.bases:
            return super().update_parameter(name, w, g)
        g = g.todense() if isinstance(g, RowSparse) else g
        if not np.isfinite(np.vdot(g, g)):
            what = f"the gradient of {name!r} {g.shape} is not finite, or too large to square"
            raise FloatingPointError(f"SOAP: {what}: run the step under watch() to see the call it comes from")
        if self.seen[name] % self.every == 0:
            self.turn(name, g)
        self.seen[name] += 1
        Q, change = self.bases[name], np.zeros_like(w)
        super().update_parameter(name, change, Q.T @ g)  # what Adam makes of zeros is its change
        w += Q @ change

    def turn(self, name: str, g: np.ndarray) -> None:
        """Bring the basis of a matrix nearer to the eigenvectors of its gradients, and the moments with it."""
        C, Q, (m, v) = self.moments[name], self.bases[name], self.buffers[name]
        C *= self.decay
        C += (1 - self.decay) * (g @ g.T)
        CQ = C @ Q
        eigenvalues = np.einsum("ij,ij->j", Q, CQ)  # qᵀ C q of each column, as well as they are known
        order = np.argsort(-eigenvalues, kind="stable")
        m[...], v[...], old = m[order], v[order], Q[:, order]
        new, _ = np.linalg.qr(CQ[:, order] + self.damping * np.trace(C) / len(C) * old)
        m[...] = (new.T @ old) @ m
        Q[...] = new

    def named_buffers(self) -> dict[str, np.ndarray]:
        """Every buffer as "slot.parameter": m, v, and of each matrix moment, basis and seen."""
        more = {"moment": self.moments, "basis": self.bases, "seen": self.seen}
        return super().named_buffers() | {f"{slot}.{name}": a for slot, of in more.items() for name, a in of.items()}

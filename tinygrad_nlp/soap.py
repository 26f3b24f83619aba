"""SOAP: Adam in the directions in which a matrix's gradients lie, not along its single weights.

    optimizer = SOAP(model, lr=0.007)

Adam divides each number's step by the size of that number's gradients. Where inputs of a layer go up and down together,
as the states of a recurrent network do, all their rows of the gradient say nearly the same, and what tells them apart
is drowned. SOAP turns the gradient first: into the eigenvectors of g gᵀ, along which rows are uncorrelated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .core.sparse import RowSparse
from .engine import writable
from .optim import Adam, Betas, in_range


class SOAP(Adam):
    """For a matrix w (n, k): Adam for Qᵀ g, whose change of w is Q times what Adam says; for all else it is Adam.

    Every `every` steps C ← β C + (1 − β) g gᵀ (n, n) and Q ← the orthonormal factor of C Q, one step of the power
    iteration to the eigenvectors of C (orthogonal iteration: Golub and Van Loan 2013, section 8.2.4); m turns with Q.
    Vyas et al. 2024, "SOAP: Improving and stabilizing Shampoo using Adam", its one-sided form, on the side of what
    comes in; Gupta et al. 2018, "Shampoo". Q starts as the identity, with which SOAP is Adam, and C is damped by a
    hundredth of its mean eigenvalue, so that rounding does not choose a basis where the gradients have none.

    A step costs two more products of (n, n) by (n, k). Matrices of more than `largest` rows, such as large tables of
    embeddings, are left to Adam; row-sparse gradients of smaller ones are taken as arrays. Raises ValueError for
    settings out of range.
    """

    def __init__(
        self,
        model: Any,
        lr: float = 0.003,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        decay: float = 0.8,  # β
        every: int = 10,
        largest: int = 1_000,
    ) -> None:
        super().__init__(model, lr, betas, eps)
        self.decay, self.every = in_range("decay", decay, 0, 1), int(in_range("every", every, 1))
        self.covariances, self.bases = {}, {}
        for name, t in self.parameters.items():
            if t.ndim == 2 and t.size and len(t) <= largest:
                self.covariances[name] = np.zeros((len(t), len(t)), t.dtype)
                self.bases[name] = np.eye(len(t), dtype=t.dtype)

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        turned = {name: t for name, t in self.parameters.items() if t.grad is not None and name in self.bases}
        gradients = {name: t.grad for name, t in turned.items()}
        for t in turned.values():
            t.grad = None
        super().step()
        for name, t in turned.items():
            t.grad = g = gradients[name]
            if isinstance(g, RowSparse):
                g = g.todense()
            self.turn(name, g)
            change, Q = np.zeros_like(g), self.bases[name]
            self.update(change, Q.T @ g, *self.buffers[name])
            w = writable(t)
            w += Q @ change

    def turn(self, name: str, g: np.ndarray) -> None:
        """Every few steps, bring the basis of a matrix nearer to the eigenvectors of its gradients."""
        if (self.steps - 1) % self.every:
            return
        C, Q, m = self.covariances[name], self.bases[name], self.buffers[name][0]
        C *= self.decay
        C += (1 - self.decay) * (g @ g.T)
        new, _ = np.linalg.qr(C @ Q + 0.01 * np.trace(C) / len(C) * Q)
        m[...] = (new.T @ Q) @ m
        Q[...] = new

    def named_buffers(self) -> dict[str, np.ndarray]:
        """Every buffer as "slot.parameter": m, v, and of each matrix covariance and basis."""
        more = {"covariance": self.covariances, "basis": self.bases}
        return super().named_buffers() | {f"{slot}.{name}": a for slot, of in more.items() for name, a in of.items()}

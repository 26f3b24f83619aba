"""The whole engine, small: what a Tensor remembers, and how a gradient is found from it.

Question: what must a Tensor remember of the call that made it, so that a gradient can find its way back?
Expect: the gradient of a small network, first by the forty lines here, then by tinygrad_nlp, and no difference.
"""

import itertools

import numpy as np

import tinygrad_nlp
from tinygrad_nlp.core.unbroadcast import fit
from tinygrad_nlp.engine import TABLE  # NumPy function -> row, with one derivative for each argument

births = itertools.count()


# %% A Tensor is an array that remembers the call that made it: NumPy hands it every call that it takes part in
class Tensor(np.lib.mixins.NDArrayOperatorsMixin):
    def __init__(self, data, fn=None, args=(), kwargs=None):
        self.data, self.fn, self.args, self.kwargs = np.asarray(data), fn, args, kwargs or {}
        self.shape, self.ndim, self.birth = self.data.shape, self.data.ndim, next(births)

    def __array_ufunc__(self, fn, method, *args, **kwargs):
        return call(fn, args, kwargs)

    def __array_function__(self, fn, types, args, kwargs):
        return call(fn, args, kwargs)

    __hash__ = object.__hash__  # by identity, so that Tensors can be the keys of a dictionary


# %% The forward pass: run the function on the arrays, and remember the call
def call(fn, args, kwargs):
    row = TABLE[fn]
    if row.kind == "composite":  # defined by other functions of the table: np.mean is np.sum(a) / n
        return row.forward(*args, **kwargs)
    y = row.forward(*[a.data if isinstance(a, Tensor) else a for a in args], **kwargs)
    return Tensor(y, fn, args, kwargs) if row.kind == "rule" else y


# %% The order of the backward pass: a call is younger than its arguments, so the youngest comes first
def history(y):
    found = [y]
    for t in found:  # the list grows while it is walked
        found += {a for a in t.args if isinstance(a, Tensor)} - set(found)
    return sorted(found, key=lambda t: t.birth, reverse=True)


# %% The backward pass: each call hands its gradient g on to its arguments, by its row; shares of one Tensor add up
def gradients(y, g):
    found = {y: g}
    for t in history(y):
        arrays = [a.data if isinstance(a, Tensor) else a for a in t.args]
        for i, a in enumerate(t.args):
            if isinstance(a, Tensor):
                share = TABLE[t.fn].derivatives[i](found[t], t.data, *arrays, **t.kwargs)
                share = fit(share, a, t, i)  # sums over the axes along which NumPy has stretched a
                found[a] = found[a] + share if a in found else share
    return found


# %% It runs, and finds what the real engine finds: W is used twice, b is stretched, np.mean is a composite
if __name__ == "__main__":
    tinygrad_nlp.course.begin(__doc__)
    x, W0, b0 = np.split(np.random.default_rng(0).normal(size=(8, 3)), [4, 7])
    for T, gradients_of in [(Tensor, gradients), (tinygrad_nlp.Tensor, tinygrad_nlp.gradients)]:
        W, b = T(W0), T(b0[0])
        found = gradients_of(np.mean((np.tanh(x @ W + b) @ W) ** 2), g=np.ones(()))
        print(f"{T.__module__:<20}∂loss/∂b {np.round(found[b], 6)}   ‖∂loss/∂W‖ {np.linalg.norm(found[W]):.12f}")

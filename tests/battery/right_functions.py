"""Random functions whose gradients are right, for a gradcheck that must not raise a false alarm: whole numbers, exact
cancellation, kinks and ties, magnitudes from 1e-12 to 1e12, functions that refuse complex numbers.

    python -m tests.battery.right_functions 10000

draws that many, says for which of them gradcheck says WRONG, and how many of as many gradients that are off by 1 % at
their largest entry it finds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.special as special

import tinygrad_nlp as tg
from tinygrad_nlp.checking.check import gradcheck
from tinygrad_nlp.tree import named_leaves

Rng = np.random.Generator


class Drawn(NamedTuple):
    """A function with its arguments; gradient is by hand, or None for the engine's."""

    name: str
    f: Callable[..., Any]
    args: tuple[Any, ...]
    gradient: Callable[..., Any] | None = None


# --- Arguments --------------------------------------------------------------------------------------------------------


def numbers(rng: Rng, *shape: int) -> np.ndarray:
    """Normal, whole, partly zero, or tied."""
    kind = rng.integers(4)
    if kind == 0:
        return rng.normal(size=shape)
    if kind == 1:
        return rng.integers(-4, 5, shape).astype(float)
    if kind == 2:
        return rng.normal(size=shape) * (rng.random(shape) < 0.6)
    return rng.choice([-1.5, 0.25, 2.0], shape)


def magnitude(rng: Rng) -> float:
    return float(10 ** rng.uniform(-12, 12)) if rng.random() < 0.7 else float(10.0 ** rng.integers(-12, 13))


# --- Families: (rng) -> f and its arguments ---------------------------------------------------------------------------

m, n = 3, 4


def labels(rng: Rng) -> np.ndarray:
    return rng.integers(0, n, m)


def hinge(rng: Rng) -> Any:
    y = labels(rng)
    rows = np.arange(m)
    mask = np.eye(n)[y]

    def f(X, W):
        scores = X @ W
        margins = np.maximum(0, scores - scores[rows, y][:, None] + 1) * (1 - mask)
        return np.sum(margins) / m

    return f, numbers(rng, m, 3), numbers(rng, 3, n)


def layer_norm(x):
    centred = x - np.mean(x, axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + 1e-5)


def elementwise(rng: Rng) -> Any:
    smooth = [np.sin, np.tanh, np.exp, np.square, np.arctan, np.expm1, tg.sigmoid, special.erf, np.logaddexp2]
    fn = smooth[rng.integers(len(smooth) - 1)]
    return fn, numbers(rng, m, n)


def positive(rng: Rng) -> Any:
    fn = [np.log, np.sqrt, np.log1p, np.cbrt, lambda x: x**1.5, special.gammaln, lambda x: 1 / x][rng.integers(7)]
    return fn, abs(numbers(rng, m, n)) + 0.5


def well_conditioned(rng: Rng) -> np.ndarray:
    while True:
        A = numbers(rng, 3, 3) + rng.integers(0, 3) * np.eye(3)
        if abs(np.linalg.det(A)) > 0.3:
            return A


def cross_entropy(y: np.ndarray) -> Callable[..., Any]:
    return lambda x: tg.softmax_cross_entropy(x, y)


def lookup(ids: np.ndarray) -> Callable[..., Any]:
    return lambda table: tg.embedding(table, ids)


def weighted(rng: Rng, fn: Callable[..., Any]) -> Callable[..., Any]:
    c = rng.integers(-3, 4, n).astype(float)
    return lambda x: fn(x, c)


SCALED: dict[str, Callable[[Rng], Any]] = {  # f(x / s) * t is drawn too
    "elementwise": elementwise,
    "positive": positive,
    "row sums minus means": lambda rng: (lambda x: np.sum(x - np.mean(x, -1, keepdims=True), -1), numbers(rng, m, n)),
    "sum minus mean": lambda rng: (lambda x: np.sum(x - np.mean(x)), numbers(rng, m, n)),
    "centred": lambda rng: (lambda x: x - np.mean(x, 0), numbers(rng, m, n)),
    "weights that sum to 0": lambda rng: (
        weighted(rng, lambda x, c: np.sum(x @ (c - np.mean(c)))),
        np.ones((m, n)) * numbers(rng, m, 1),
    ),
    "thirds": lambda rng: (lambda x: 0.1 * x + 0.2 * x - 0.3 * x, numbers(rng, m, n)),
    "x / 3 three times": lambda rng: (lambda x: x - x / 3 - x / 3 - x / 3, numbers(rng, m, n)),
    "x - x": lambda rng: (lambda x: x * 3.3 - x * 3.3, numbers(rng, m)),
    "binomial": lambda rng: ((lambda x: (x + 1) ** 2 - x * x - 2 * x - 1), numbers(rng, m, n)),
    "sin² + cos²": lambda rng: (lambda x: np.sin(x) ** 2 + np.cos(x) ** 2, numbers(rng, m)),
    "log exp": lambda rng: (lambda x: np.log(np.exp(x)) - x, numbers(rng, m)),
    "sum of softmax": lambda rng: (lambda x: np.sum(tg.softmax(x), -1), numbers(rng, m, n)),
    "softmax": lambda rng: (tg.softmax, numbers(rng, m, n) * rng.choice([1, 10, 300])),
    "log_softmax": lambda rng: (tg.log_softmax, numbers(rng, m, n) * rng.choice([1, 50])),
    "logsumexp": lambda rng: (tg.logsumexp, numbers(rng, m, n) * rng.choice([1, 1000])),
    "layer norm": lambda rng: (layer_norm, rng.normal(size=(m, n))),
    "sum of layer norm": lambda rng: (lambda x: np.sum(layer_norm(x), -1), rng.normal(size=(m, n))),
    "variance": lambda rng: (lambda x: np.var(x, -1), numbers(rng, m, n)),
    "variance of equal numbers": lambda rng: (lambda x: np.var(x, -1), np.ones((m, n)) * numbers(rng, m, 1)),
    "det": lambda rng: (np.linalg.det, well_conditioned(rng)),
    "slogdet": lambda rng: (lambda x: np.linalg.slogdet(x)[1], well_conditioned(rng)),
    "inv": lambda rng: (np.linalg.inv, well_conditioned(rng)),
    "solve": lambda rng: (np.linalg.solve, well_conditioned(rng), numbers(rng, 3, 2)),
    "matmul": lambda rng: (np.matmul, numbers(rng, m, n), numbers(rng, n, 2)),
    "x xᵀ minus its transpose": lambda rng: (lambda x: x @ x.T - (x @ x.T).T, numbers(rng, m, n)),
    "trace": lambda rng: (lambda x: np.trace(x @ x) - np.sum(x * x.T), numbers(rng, 3, 3)),
    "product": lambda rng: (np.multiply, numbers(rng, m, n), numbers(rng, n)),
    "quotient": lambda rng: (np.divide, numbers(rng, m, n), abs(numbers(rng, n)) + 1),
    "squared distance": lambda rng: (lambda x, y: np.sum((x - y) ** 2), numbers(rng, m, n), numbers(rng, n)),
    "squares apart": lambda rng: (lambda x, y: np.sum(x**2 - y**2), numbers(rng, m), numbers(rng, m)),
    "cumsum": lambda rng: (lambda x: np.cumsum(x, -1)[..., -1] - np.sum(x, -1), numbers(rng, m, n)),
    "differences": lambda rng: (lambda x: np.sum(x[1:] - x[:-1]), numbers(rng, 5)),
    "norm": lambda rng: (lambda x: np.linalg.norm(x), numbers(rng, m, n)),
    "abs": lambda rng: (np.abs, numbers(rng, m, n)),
    "relu": lambda rng: (tg.relu, numbers(rng, m, n)),
    "max": lambda rng: (lambda x: np.max(x, -1), numbers(rng, m, n)),
    "maximum": lambda rng: (np.maximum, numbers(rng, m, n), numbers(rng, n)),
    "minimum": lambda rng: (np.minimum, numbers(rng, m, n), numbers(rng, n)),
    "sort": lambda rng: (np.sort, numbers(rng, m, n)),
    "sum of relus": lambda rng: (lambda x, W: np.sum(tg.relu(x @ W)), numbers(rng, m, n), numbers(rng, n, 2)),
    "deep relu": lambda rng: (lambda x, W: tg.relu(tg.relu(x @ W) - 1), numbers(rng, m, n), numbers(rng, n, 2)),
    "distance": lambda rng: (lambda x, y: np.sum(np.abs(x - y)), numbers(rng, m, n), numbers(rng, n)),
    "clip": lambda rng: (lambda x: np.clip(x, -1, 2), numbers(rng, m, n)),
    "floor": lambda rng: (lambda x: x * 2 + np.floor(x), numbers(rng, m, n)),
    "sign": lambda rng: (lambda x: np.sign(x) + x, numbers(rng, m, n)),
    "hinge": hinge,
    "cross-entropy": lambda rng: (cross_entropy(labels(rng)), numbers(rng, m, n) * rng.choice([1, 10, 100])),
    "lookup": lambda rng: (lookup(rng.integers(0, 5, 6)), numbers(rng, 5, 2)),
    "outer": lambda rng: (lambda x, y: np.outer(x, y) - np.outer(y, x).T, numbers(rng, m), numbers(rng, m)),
    "einsum": lambda rng: (lambda x, y: np.einsum("ij,jk->ik", x, y), numbers(rng, m, n), numbers(rng, n, m)),
    "several": lambda rng: (lambda x: {"a": np.tanh(x), "b": np.sum(x) - np.sum(x.T)}, numbers(rng, m, n)),
    "mixed magnitudes": lambda rng: (lambda x: x * x, numbers(rng, m, n) * 10 ** rng.uniform(-12, 12, (m, n))),
}


def refuse_complex(f: Callable[..., Any]) -> Callable[..., Any]:
    """f, which raises on complex numbers, so that only differences are left."""

    def real(*args: Any) -> Any:
        if any(np.iscomplexobj(a.data if type(a) is tg.Tensor else a) for a in args):
            raise TypeError("real numbers only")
        return f(*args)

    return real


def draw(rng: Rng) -> Drawn:
    """One function, at arguments of a random magnitude, its outputs of another."""
    names = list(SCALED)
    name = names[rng.integers(len(names))]
    f, *args = SCALED[name](rng)
    s, t = (magnitude(rng), magnitude(rng)) if rng.random() < 0.7 else (1.0, 1.0)
    if not any(np.any(a) for a in args):
        s = 1.0  # zeros do not tell at what magnitude they are

    def scaled(*args: Any) -> Any:
        return times(t, f(*[a / s for a in args]))

    real = rng.random() < 0.4
    name += f", x / {s:g}, times {t:g}" + ", real" * real
    return Drawn(name, refuse_complex(scaled) if real else scaled, tuple(np.asarray(a) * s for a in args))


def times(t: float, y: Any) -> Any:
    return {key: t * part for key, part in y.items()} if isinstance(y, dict) else t * y


def off_by_one_percent(drawn: Drawn, kinks: list[list[tuple[int, ...]]]) -> Callable[..., Any]:
    """A backward pass for it that is 1 % too large at the entry that matters most, of those that are at no kink."""

    def backward(g: Any, *args: Any) -> Any:
        tensors = [tg.Tensor(a) for a in args]
        out = drawn.f(*tensors)
        outputs, gs = ([t for _, t in named_leaves({0: out})], g if type(g) is tuple else (g,))
        y = sum(np.sum(o * part) for o, part in zip(outputs, gs, strict=True))
        found = [np.array(d.todense() if hasattr(d, "todense") else d) for d in tg.gradients(y, tensors)]
        weight = [abs(d * a) for d, a in zip(found, args, strict=True)]
        for w, places in zip(weight, kinks, strict=True):
            for at in places:
                w[at] = 0
        size = max(np.max(abs(o.data), initial=0) for o in outputs)
        if max(np.max(w, initial=0) for w in weight) <= 1e-10 * size:
            return [2 * np.abs(a) + s for a, s in zip(args, scales(args, y), strict=True)]  # nothing to be 1 % off
        best = max(range(len(args)), key=lambda k: np.max(weight[k], initial=0))
        found[best][np.unravel_index(np.argmax(weight[best]), args[best].shape)] *= 1.01
        return found

    return backward


def scales(args: Any, y: Any) -> list[float]:
    """Numbers of the size of gradients."""
    return [float(1 + abs(y.data)) / (float(np.max(abs(a), initial=0)) or 1.0) for a in args]


CANCELS = ("row sums", "sum minus", "weights that", "thirds", "x / 3", "x - x", "binomial", "sin²", "log exp")
CANCELS += ("sum of softmax", "sum of layer", "variance of equal", "x xᵀ", "trace", "cumsum", "differences", "outer")


def main(count: int, seed: int = 0) -> tuple[list[str], list[str], int]:
    """(false alarms, mistakes that were missed, mistakes planted) of this many functions."""
    alarms, missed, planted = [], [], 0
    for k in range(count):
        drawn = draw(np.random.default_rng([seed, k]))
        try:
            report = gradcheck(drawn.f, *drawn.args, gradient=drawn.gradient, seed=k)
        except Exception as error:  # of any kind: the function is right
            alarms.append(f"{k} {drawn.name}: {type(error).__name__}: {error}")
            continue
        if not report:
            alarms.append(f"{k} {drawn.name}: {report!r}")
        elif not drawn.name.startswith(CANCELS):
            planted += 1
            wrong = off_by_one_percent(drawn, [a.kinks for a in report.arguments])
            if gradcheck(drawn.f, *drawn.args, gradient=wrong, seed=k):
                missed.append(f"{k} {drawn.name}")
    return alarms, missed, planted


if __name__ == "__main__":
    np.seterr(all="ignore")
    alarms, missed, planted = main(int(sys.argv[1]), int((sys.argv[2:] or ["0"])[0]))
    print(*alarms, sep="\n")
    print("--- missed ---", *missed, sep="\n")
    found = f"{planted - len(missed)} of {planted} mistakes found"
    print(f"{len(alarms)} false alarms in {sys.argv[1]} right functions; {found}")

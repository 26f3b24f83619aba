"""A function at its arguments, for check.py: its float leaves by name, its outputs as one vector, how they move."""
# tested in tests/checking/test_check.py

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..calculus.kinds import values
from ..engine import Tensor
from ..tree import branches, map_leaves, named_leaves
from .differences import Move, Noise, complex_step, differences

RAYS, RAY = 2, range(1, 9)  # lines through the arguments on which rounding is measured, and the places on each side


class Point:
    """A function at its arguments: a flat vector of outputs that depends on named leaves.

    The leaves are the float arrays of each argument; in one that holds Tensors (a Module, say) only those. `native` has
    them in their own dtypes; `leaves` in float64 where the function takes that, so that differences of float32
    functions are sharp. made_of: how large the numbers are, at least, of which each output is made."""

    def __init__(
        self,
        f: Callable[..., Any],
        args: Sequence[Any],
        names: Sequence[str] | None = None,
        made_of: Sequence[float] = (),
    ) -> None:
        self.f = f
        self.tree = dict(zip(names or argument_names(f, len(args)), distinct(args), strict=True))
        self.names: dict[int, str] = {}
        for key, arg in self.tree.items():
            found = [(path, a) for path, a in named_leaves(arg, key) if a.dtype.kind == "f" and id(a) not in self.names]
            tensors = [(path, a) for path, a in found if type(a) is Tensor]
            self.names.update((id(a), path) for path, a in tensors or found)
        if not self.names:
            remedy = "pass numbers as np.array(x), ids as integers"
            raise TypeError(f"none of the arguments ({', '.join(self.tree)}) holds a float array or Tensor: {remedy}")
        self.native = {self.names[id(a)]: values(a) for _, a in named_leaves(self.tree) if id(a) in self.names}
        self.leaves, self.dtype = self.native, np.result_type(*self.native.values())
        if any(a.dtype != np.float64 for a in self.native.values()):
            doubles = {key: copied(a, np.float64) for key, a in self.native.items()}
            try:
                self.outputs(doubles)
                self.leaves, self.dtype = doubles, np.dtype(np.float64)
            except Exception:  # it insists on its dtype: its numerics are those of that dtype
                pass
        outputs = self.outputs(self.leaves)
        self.shapes, self.dtypes = [o.shape for o in outputs], [o.dtype for o in outputs]
        self.y = flatten(outputs)
        eps = max(float(np.finfo(dtype).eps) for dtype in (*self.dtypes, self.dtype))
        sizes = made_of or [0.0] * len(outputs)
        least = flatten([np.full(o.shape, size) for o, size in zip(outputs, sizes, strict=True)])
        nearby = np.maximum(self.change(0.01), least)
        hidden = np.minimum(self.change(1.0), 1e6 * np.maximum(abs(self.y), nearby))
        self.noise = Noise(np.maximum(self.rounding(eps, hidden), eps * least), eps, nearby, hidden)

    def rounding(self, eps: float, hidden: np.ndarray) -> np.ndarray:
        """How far rounding puts each output off: what third differences leave of it along rays from the arguments,
        since they take away all that is smooth (Moré and Wild 2011, Estimating computational noise). On a ray that
        leaves the arguments behind, no kink or jump is crossed; the opposite ray looks at the other side of a relu.
        Where a sigmoid is flat, its rounding shows at longer steps only, and there it is that of numbers as large as
        `hidden`."""
        fine, coarse = self.third_differences(16 * eps), self.third_differences(eps**0.4)
        return np.maximum(fine, np.minimum(coarse, 4 * eps * hidden)) + eps * abs(self.y)

    def third_differences(self, step: float) -> np.ndarray:
        """The largest along a few rays, scaled to the size of one rounding."""
        found = np.zeros(self.y.size)
        for k in range(RAYS):
            rng = np.random.default_rng(k)
            d = {key: random_direction(x, rng) for key, x in self.leaves.items()}
            for way in (step, -step):
                places = [{key: copied(x + way * j * d[key], x.dtype) for key, x in self.leaves.items()} for j in RAY]
                outputs = [self.moved(leaves) for leaves in places]
                if all(y.size == found.size for y in outputs):
                    found = np.fmax(found, np.max(abs(np.diff(outputs, 3, axis=0)), axis=0) / math.sqrt(20))
        return found

    def change(self, part: float) -> np.ndarray:
        """How much each output changes when every number moves by about this part of itself; where it does not, its
        size."""
        rng = np.random.default_rng(0)
        moved = {key: copied(x + part * random_direction(x, rng), x.dtype) for key, x in self.leaves.items()}
        y = self.moved(moved)
        change = np.nan_to_num(abs(y - self.y), posinf=0) if y.size == self.y.size else np.zeros(self.y.size)
        return np.where(change > 0, change, min(float(np.max(abs(self.y), initial=0)), 1.0) or 1.0)

    def arguments(self, leaves: dict[str, Any]) -> list[Any]:
        """The arguments with other leaves in their places and copies of the rest, in the dtype of the leaves."""
        float64 = all(a.dtype.itemsize >= 8 for a in leaves.values())

        def put(a: Any) -> Any:
            new = leaves[self.names[id(a)]] if id(a) in self.names else values(a)
            constant = id(a) not in self.names and new.dtype.kind == "f" and float64
            return new if type(new) is Tensor else copied(new, np.float64 if constant else new.dtype)

        return list(map_leaves(put, self.tree).values())

    def outputs(self, leaves: dict[str, Any]) -> list[np.ndarray]:
        """The float outputs for other leaves, as a list of arrays."""
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            return [values(o) for o in results(self.f(*self.arguments(leaves)))]

    def moved(self, leaves: dict[str, Any]) -> np.ndarray:
        """The outputs for leaves that were moved, as one vector: NaN where the function raises beyond its domain, as
        cholesky does where log gives NaN."""
        try:
            return flatten(self.outputs(leaves))
        except Exception:  # the function is the user's, and may raise anything beyond its domain
            return np.full(self.y.size, np.nan)

    def move(self, key: str, d: np.ndarray, leaves: dict[str, Any] | None = None) -> Move:
        """s -> the outputs with s d added to one leaf."""
        leaves = leaves or self.leaves
        x = leaves[key]
        return lambda s: self.moved({**leaves, key: (x + s * d).astype(complex if s.imag else x.dtype)})

    def trusts_complex_step(self, key: str, rng: np.random.Generator) -> bool:
        """Whether the complex step agrees with differences along a random direction: it does not at kinks, nor where
        the function drops the imaginary part, as abs does."""
        move = self.move(key, random_direction(self.leaves[key], rng))
        exact = complex_step(move)
        if exact is None:
            return False
        found = differences(move, self.y, (1.0,), np.ones(self.y.size), self.noise)
        allowed = 10 * found.error + self.noise.eps**0.3 * abs(exact)
        ones = np.ones(self.y.size)
        sharp = np.all(found.error <= 1e-3 * np.max(abs(exact), initial=0))
        sharp |= np.sum(found.error) <= 1e-9 * self.noise.natural(self.y, ones, 1.0)  # a derivative of 0
        return bool(np.all(abs(exact - found.value) <= allowed) and sharp and not np.any(found.kink))


def distinct(args: Sequence[Any]) -> list[Any]:
    """The arguments, an array or Tensor that is passed twice as two arrays, since each has a gradient of its own."""
    seen: set[int] = set()
    found = []
    for a in args:
        again = id(a) in seen and isinstance(a, (Tensor, np.ndarray))
        seen.add(id(a))
        found.append(values(a).view() if again else a)
    return found


def rerounded(leaves: dict[str, Any], rng: np.random.Generator, amount: float) -> dict[str, Any]:
    """The leaves with each number moved by up to this part of itself."""
    return {key: copied(x * (1 + amount * rng.uniform(-1, 1, x.shape)), x.dtype) for key, x in leaves.items()}


def random_direction(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Normal numbers of the size of x's own, so that a small step does not leave the domain of a logarithm."""
    return rng.normal(size=x.shape) * own_sizes(x)


def own_sizes(x: np.ndarray) -> np.ndarray:
    """The size of each number, a typical one for zeros."""
    return np.where(x == 0, typical(x), abs(x))


def typical(x: np.ndarray) -> float:
    """The size of x's numbers: the root of their mean square, 1 where all are 0."""
    top = float(np.max(abs(x), initial=0))
    return top * float(np.sqrt(np.mean(np.square(x / top)))) if 0 < top < np.inf else 1.0


def argument_names(f: Callable[..., Any], n: int) -> list[str]:
    """The names of a function's first n arguments, as far as its signature tells; NumPy's before 2.4 have none."""
    if isinstance(f, np.ufunc):
        return ["x"] if f.nin == 1 else [f"x{i}" for i in range(1, n + 1)]
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:n]
    return positional + [f"args[{k}]" for k in range(n - len(positional))]


def results(out: Any) -> Iterator[Any]:
    """The float and complex arrays and Tensors that a function returned, inside dicts, lists and tuples too."""
    inside = branches(out)
    if inside is not None:
        for part in inside.values():
            yield from results(part)
    elif out is not None:
        out = out if type(out) is Tensor else np.asarray(out)
        if out.dtype.kind in "fc":
            yield out


def flatten(arrays: Sequence[Any]) -> np.ndarray:
    """Arrays as one vector, float64 or complex128."""
    return np.concatenate([np.zeros(0), *map(np.ravel, arrays)])


def upstream(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """A gradient of the output: both signs, nothing near 0 or 1, no two alike."""
    return np.asarray(rng.choice([-1, 1], shape) * rng.uniform(1.1, 1.9, shape)).astype(dtype)


def copied(a: np.ndarray, dtype: Any) -> np.ndarray:
    """A copy in a dtype, with the order of axes and the directions in memory of the original."""
    back: Any = (*[slice(None, None, -1 if step < 0 else 1) for step in a.strides], ...)
    return a[back].astype(dtype, order="K")[back]


def snapshot(tree: Any) -> list[bytes]:
    """Every byte of the arrays and Tensors in a tree."""
    return [values(a).tobytes() for _, a in named_leaves({0: tree})]

"""A function at its arguments, for check.py: its float leaves by name, its outputs as one vector, and its gradient
there, by the engine or by hand."""
# tested in tests/checking/test_check.py

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..calculus.kinds import values
from ..engine import Tensor, gradients
from ..tree import branches, map_leaves, named_leaves
from .diagnose import dense
from .differences import Move, central, complex_step


class Point:
    """A function at its arguments: a flat vector of outputs that depends on named leaves.

    The leaves are the float arrays of each argument; in one that holds Tensors (a Module, say) only those. `native` has
    them in their own dtypes; `leaves` in float64 where the function takes that, so that differences of float32
    functions are sharp."""

    def __init__(
        self, f: Callable[..., Any], args: Sequence[Any], names: Sequence[str] | None = None, floor: float = 0.0
    ) -> None:
        self.f = f
        self.tree = dict(zip(names or argument_names(f, len(args)), args, strict=True))
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
            doubles = {key: twin(a, np.float64) for key, a in self.native.items()}
            try:
                self.outputs(doubles)
                self.leaves, self.dtype = doubles, np.dtype(np.float64)
            except Exception:  # it insists on its dtype: its numerics are those of that dtype
                pass
        outputs = self.outputs(self.leaves)
        self.shapes, self.dtypes = [o.shape for o in outputs], [o.dtype for o in outputs]
        self.y = flatten(outputs)
        self.eps = max(float(np.finfo(dtype).eps) for dtype in (*self.dtypes, self.dtype))
        self.noise = self.eps * flatten([magnitude(o, floor) for o in outputs])

    def arguments(self, leaves: dict[str, Any]) -> list[Any]:
        """The arguments with other leaves in their places and copies of the rest, in the dtype of the leaves."""
        float64 = all(a.dtype.itemsize >= 8 for a in leaves.values())

        def put(a: Any) -> Any:
            new = leaves[self.names[id(a)]] if id(a) in self.names else values(a)
            constant = id(a) not in self.names and new.dtype.kind == "f" and float64
            return new if type(new) is Tensor else twin(new, np.float64 if constant else new.dtype)

        return list(map_leaves(put, self.tree).values())

    def outputs(self, leaves: dict[str, Any]) -> list[np.ndarray]:
        """The float outputs for other leaves, as a list of arrays."""
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            return [values(o) for o in results(self.f(*self.arguments(leaves)))]

    def move(self, key: str, d: np.ndarray) -> Move:
        """s -> the outputs with s d added to one leaf."""
        x = self.leaves[key]
        return lambda s: flatten(self.outputs({**self.leaves, key: (x + s * d).astype(complex if s.imag else x.dtype)}))

    def trusts_complex_step(self, key: str, rng: np.random.Generator) -> bool:
        """Whether the complex step agrees with differences along a random direction: it does not at kinks, nor where
        the function drops the imaginary part, as abs does."""
        x = self.leaves[key]
        move = self.move(key, random_direction(x, rng))
        exact = complex_step(move)
        if exact is None:
            return False
        found = central(move, 1.0, np.ones(self.y.size), self.noise, self.eps)
        allowed = 10 * found.error + self.eps**0.3 * abs(exact)
        return bool(
            np.all(abs(exact - found.value) <= allowed) and np.all(found.error <= 1e-3 * np.max(abs(exact), initial=0))
        )


def magnitude(y: np.ndarray, floor: float) -> np.ndarray:
    """How large the numbers were, roughly, of which each output was made: 1 − 1e-17 leaves rounding of 1, not of 1e-17.
    At least floor; at least 1 where an output array reaches that, or is nothing but rounding of 1."""
    top = float(np.max(abs(y), initial=0))
    return np.maximum(abs(y), max(floor, min(top, 1.0) if top > 1e-15 else 1.0))


def random_direction(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Normal numbers, smaller where x is, so that a small step does not leave the domain of a logarithm."""
    return rng.normal(size=x.shape) * np.where(x == 0, 1, np.minimum(abs(x), 1))


def argument_names(f: Callable[..., Any], n: int) -> list[str]:
    """The names of a function's first n arguments, as far as its signature tells."""
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


def twin(a: np.ndarray, dtype: Any) -> np.ndarray:
    """A copy with the order of axes and the directions in memory of the original."""
    back: Any = (*[slice(None, None, -1 if step < 0 else 1) for step in a.strides], ...)
    return a[back].astype(dtype, order="K")[back]


def snapshot(tree: Any) -> list[bytes]:
    """Every byte of the arrays and Tensors in a tree."""
    return [values(a).tobytes() for _, a in named_leaves({0: tree})]


# --- Its gradient -----------------------------------------------------------------------------------------------------


def by_engine(point: Point, leaves: dict[str, Any], gs: Sequence[Any]) -> dict[str, Any]:
    """The gradient of every leaf as the engine finds it; one without influence has zeros."""
    y, g, tensors = graph(point, leaves, gs)
    found = [np.zeros(t.shape) for t in tensors.values()] if y is None else gradients(y, list(tensors.values()), g)
    return dict(zip(tensors, map(dense, found), strict=True))


def graph(point: Point, leaves: dict[str, Any], gs: Sequence[Any]) -> tuple[Any, Any, dict[str, Tensor]]:
    """The function run on Tensors: its output, the output's gradient, the Tensors at the leaves."""
    tensors = {key: Tensor(a) for key, a in leaves.items()}
    return (*one_output(point.f(*point.arguments(tensors)), gs), tensors)


def one_output(out: Any, gs: Sequence[Any]) -> tuple[Any, Any]:
    """An output and its gradient; for several, the number Σ g·output, whose gradient is 1; None where there is no
    Tensor."""
    pairs = [(o, g.astype(o.dtype)) for o, g in zip(results(out), gs, strict=True) if type(o) is Tensor]
    if len(pairs) > 1:
        return sum(np.sum(o * g) for o, g in pairs), None
    return pairs[0] if pairs else (None, None)


def gradient_function(point: Point, gs: Sequence[Any]) -> Callable[..., Any]:
    """args -> the gradients of the leaves: Tensors of Tensors, arrays of arrays."""

    def first_order(*args: Any) -> list[Any]:
        tree = dict(zip(point.tree, args, strict=True))
        leaves = [a for path, a in named_leaves(tree) if path in point.leaves]
        on_tensors = any(type(a) is Tensor for a in leaves)
        tensors = {id(a): a if type(a) is Tensor else Tensor(a) for a in leaves}
        inputs = map_leaves(lambda a: tensors.get(id(a), a), tree)
        y, g = one_output(point.f(*inputs.values()), gs)
        if y is None:
            return [np.zeros(t.shape) for t in tensors.values()]
        return [dense(d) for d in gradients(y, list(tensors.values()), g, create_graph=on_tensors)]

    return first_order


def by_hand(
    gradient: Callable[..., Any], problems: list[str], point: Point, leaves: dict[str, Any], gs: Sequence[Any]
) -> dict[str, Any]:
    """The gradients that a user's backward pass returns, by the names of the leaves; problems say what else it did."""
    args, sent = point.arguments(leaves), [g.astype(np.result_type(*leaves.values())) for g in gs]
    before = [snapshot(a) for a in args], snapshot(sent)
    returned = gradient(sent[0] if len(sent) == 1 else tuple(sent), *args)
    for key, was, a in zip(point.tree, before[0], args, strict=True):
        if snapshot(a) != was:
            problems.append(f"the backward pass changed its argument {key} in place: work on a copy")
    if snapshot(sent) != before[1]:
        problems.append(
            "the backward pass changed the upstream gradient g in place, which others may use: work on a copy"
        )
    wanted = [key for key, a in point.tree.items() if any(id(leaf) in point.names for _, leaf in named_leaves(a))]
    returned = tuple(returned) if isinstance(returned, (tuple, list)) else (returned,)
    keys = list(point.tree) if len(returned) == len(point.tree) else wanted
    if len(returned) != len(keys):
        what = f"the backward pass returned {len(returned)} gradients for {len(wanted)} arguments ({', '.join(wanted)})"
        problems.append(f"{what}: return one for each, in their order")
    found: dict[str, Any] = {}
    for key, value in zip(keys, returned, strict=False):
        if value is not None and branches(point.tree[key]) is None:
            found[key] = np.array(dense(value))  # a copy: it may be g itself
        else:
            found.update((path, np.array(dense(a))) for path, a in named_leaves(value, key))
    return found

"""Hypothesis strategies for testing gradients: arrays of every shape and layout, axes, indices, einsum specs, random
programs.

Hypothesis's own arrays are, left alone, never 0-d, empty or strided; those are where gradients go wrong. A property of
your own:

    import numpy as np
    from hypothesis import given, strategies as st
    from tinygrad_nlp import gradcheck
    from tinygrad_nlp.strategies import arrays, axes, shapes

    def standardise(x, axis):
        centred = x - np.mean(x, axis, keepdims=True)
        return centred / np.sqrt(1 + np.mean(centred * centred, axis, keepdims=True))

    @given(st.data())
    def test_standardise(data):
        shape = data.draw(shapes(min_side=1))
        x, axis = data.draw(arrays(shape)), data.draw(axes(shape))
        report = gradcheck(lambda x: standardise(x, axis), x)
        assert report, report

Numbers come from a seed that Hypothesis draws: a failing example prints its arrays, and shrinks in shape and layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special as special

try:
    import hypothesis.extra.numpy as hnp
    import hypothesis.strategies as st
except ImportError as error:
    raise ImportError(
        "tinygrad_nlp.strategies needs Hypothesis, of the extra [test]: pip install hypothesis"
    ) from error

LAYOUTS = ("contiguous", "fortran", "strided", "reversed", "broadcast", "read-only")
TORCH_LAYOUTS = ("contiguous", "fortran", "strided")  # what torch.from_numpy takes without a copy or a warning
Shape = tuple[int, ...]


def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 4) -> st.SearchStrategy[Shape]:
    """Shapes, 0-d and empty ones among them."""
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)


def broadcastable_shapes(
    n: int, max_dims: int = 3, min_side: int = 0, max_side: int = 4
) -> st.SearchStrategy[tuple[Shape, ...]]:
    """n shapes that broadcast against one another."""
    drawn = hnp.mutually_broadcastable_shapes(num_shapes=n, max_dims=max_dims, min_side=min_side, max_side=max_side)
    return drawn.map(lambda found: found.input_shapes)


def spread_out(rng: np.random.Generator, shape: Shape, low: float, high: float, kinks: Sequence[float]) -> np.ndarray:
    """Float64 numbers in (low, high), all different, none near a kink: each has a cell of its own, shuffled."""
    n = int(np.prod(shape))
    gap = (high - low) / 50
    cells = (rng.permutation(n) + rng.uniform(0.25, 0.75, n)) / max(n, 1)
    x = low + cells * (high - low - 2 * gap * len(kinks))
    for kink in sorted(kinks):
        x += 2 * gap * (x > kink - gap)
    return x.reshape(shape)


def laid_out(x: np.ndarray, layout: str) -> np.ndarray:
    """An array equal to x in another memory layout; "broadcast" repeats x's first entry along every axis, at stride
    0."""
    if layout == "fortran":
        return np.array(x, order="F")
    if layout == "strided":
        holder = np.full([2 * side for side in x.shape], np.nan, x.dtype)
        view = holder[(slice(None, None, 2),) * x.ndim + (...,)]
        view[...] = x
        return view
    if layout == "reversed":
        backwards = (slice(None, None, -1),) * x.ndim + (...,)
        return x[backwards].copy()[backwards]
    if layout == "broadcast" and x.ndim and x.size:
        return np.broadcast_to(x[:1].copy(), x.shape)
    x = x.copy()
    x.flags.writeable = layout != "read-only"
    return x


@st.composite
def arrays(
    draw: st.DrawFn,
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    low: float = -2.0,
    high: float = 2.0,
    kinks: Sequence[float] = (),
    dtype: Any = np.float64,
    layouts: Sequence[str] = LAYOUTS,
) -> np.ndarray:
    """Float arrays with numbers in (low, high), of any shape and memory layout.

    kinks are numbers to stay away from by a 50th of the range: kinks=[0] for relu. Numbers differ from one another, so
    that maxima do not tie, in every layout but "broadcast", which is an array with stride 0 along its first axis; it
    and "read-only" refuse writing. layouts says which may be drawn."""
    if shape is None:
        shape = draw(shapes())
    elif isinstance(shape, st.SearchStrategy):
        shape = draw(shape)
    layout = draw(st.sampled_from(tuple(layouts)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return laid_out(spread_out(rng, shape, low, high, kinks).astype(dtype), layout)


def axes(shape: Shape, none: bool = True, tuples: bool = True) -> st.SearchStrategy[Any]:
    """What axis= may be for an array of this shape: None, an int, negative or not, or a tuple of ints, () among
    them."""
    n = len(shape)
    signed = st.integers(-n, n - 1) if n else st.nothing()
    several = st.lists(signed, unique_by=lambda k: k % n, max_size=n).map(tuple)
    return st.one_of(*[st.none()] * none, signed, *[several] * tuples)


def indices(shape: Shape) -> st.SearchStrategy[Any]:
    """Index expressions for an array of this shape: integers, slices, new axes and ...; integer arrays that repeat
    places; masks; an integer array beside slices."""
    kinds: list[st.SearchStrategy[Any]] = [hnp.basic_indices(shape, allow_newaxis=True), hnp.arrays(bool, shape)]
    if shape and min(shape) > 0:
        kinds.append(hnp.integer_array_indices(shape, result_shape=shapes(max_dims=2, max_side=3)))
        kinds.append(beside_slices(shape))
    return st.one_of(kinds)


@st.composite
def beside_slices(draw: st.DrawFn, shape: Shape) -> tuple[Any, ...]:
    """One axis taken by an array of ids, which repeat, the others by slices or an integer."""
    axis = draw(st.integers(0, len(shape) - 1))
    ids = st.integers(-shape[axis], shape[axis] - 1)
    taken = hnp.arrays(np.intp, shapes(max_dims=2, max_side=3), elements=ids)
    others = [st.one_of(st.slices(n), st.integers(0, n - 1)) for n in shape]
    return tuple(draw(taken if k == axis else other) for k, other in enumerate(others))


@st.composite
def einsum_specs(draw: st.DrawFn, max_operands: int = 3, min_side: int = 0) -> tuple[str, list[Shape]]:
    """(spec, shapes of the operands) for np.einsum: letters shared, repeated within an operand (diagonals) or summed,
    the output named or implied, with or without an ellipsis."""
    sides = {letter: draw(st.integers(min_side, 3)) for letter in "abcd"}
    operand = st.lists(st.sampled_from("abcd"), max_size=3).map("".join)
    operands = draw(st.lists(operand, min_size=1, max_size=max_operands))
    used = sorted(set("".join(operands)))
    dots = [draw(st.integers(0, 1)) for _ in operands] if draw(st.booleans()) else [0] * len(operands)
    spec = ",".join("..." * d + letters for d, letters in zip(dots, operands, strict=True))
    if draw(st.booleans()):
        kept = draw(st.permutations(used))[: draw(st.integers(0, len(used)))]
        spec += "->" + "..." * any(dots) + "".join(kept)
    batch = draw(st.integers(1, 3))
    return spec, [(batch,) * d + tuple(sides[k] for k in letters) for d, letters in zip(dots, operands, strict=True)]


# --- Random programs --------------------------------------------------------------------------------------------------


@dataclass
class Program:
    """A random straight-line program: leaves (arrays), then steps (fn, which values, keywords), each on values made
    before.

    Values are numbered: leaves first, then one a step; the last is the output, and every leaf and step has a part in
    it. Call it with as many arrays or Tensors as it has leaves; print it to read it."""

    leaves: list[np.ndarray]
    steps: list[tuple[Callable[..., Any], tuple[int, ...], dict[str, Any]]]

    def __call__(self, *leaves: Any) -> Any:
        values = list(leaves)
        for fn, places, keywords in self.steps:
            values.append(fn(*[values[k] for k in places], **keywords))
        return values[-1]

    def __repr__(self) -> str:
        lines = [f"v{k} = leaf of shape {x.shape}" for k, x in enumerate(self.leaves)]
        for k, (fn, places, keywords) in enumerate(self.steps, len(lines)):
            arguments = [f"v{p}" for p in places] + [f"{key}={value!r}" for key, value in keywords.items()]
            lines.append(f"v{k} = {fn.__name__}({', '.join(arguments)})")
        return "\n".join(lines)


SMOOTH = (np.tanh, np.sin, np.cos, np.arctan, np.negative, np.square, special.expit)
TWO = (np.add, np.subtract, np.multiply)


@st.composite
def programs(draw: st.DrawFn, max_leaves: int = 3, max_steps: int = 8, layouts: Sequence[str] = LAYOUTS) -> Program:
    """Random programs of smooth functions with broadcasting, reductions, products and shared values, on 1 to max_leaves
    leaves.

    Any step may use any value made before, the same one twice too: the tests that find an engine which loses a
    contribution."""
    first = draw(broadcastable_shapes(draw(st.integers(1, max_leaves)), max_dims=2, min_side=1, max_side=3))
    program = Program([draw(arrays(shape, -1, 1, layouts=layouts)) for shape in first], [])
    values: list[Any] = list(program.leaves)
    used: set[int] = set()

    def step(fn: Callable[..., Any], *places: int, **keywords: Any) -> None:
        values.append(np.asarray(fn(*[values[k] for k in places], **keywords)))
        program.steps.append((fn, places, keywords))
        used.update(places)

    for _ in range(draw(st.integers(1, max_steps))):
        a, b = draw(st.integers(0, len(values) - 1)), draw(st.integers(0, len(values) - 1))
        kind = draw(st.sampled_from(("one", "two", "two", "two", "reduce", "transpose", "matmul")))
        if kind == "one":
            step(draw(st.sampled_from(SMOOTH)), a)
        elif kind == "reduce":
            axis = draw(axes(values[a].shape))
            step(draw(st.sampled_from((np.sum, np.mean))), a, axis=axis, keepdims=draw(st.booleans()))
        elif kind == "transpose":
            step(np.transpose, a)
        elif kind == "matmul" and values[a].ndim and values[b].ndim and contracts(values[a].shape, values[b].shape):
            step(np.matmul, a, b)
        else:
            step(draw(st.sampled_from(TWO)), a, b if broadcast(values[a].shape, values[b].shape) else a)
    last = len(values) - 1
    for k in [k for k in range(last) if k not in used]:  # nothing is left over: every value has a part in the output
        step(np.sum, k)
        step(np.add, last, len(values) - 1)
        last = len(values) - 1
    return program


def broadcast(a: Shape, b: Shape) -> bool:
    """Whether two shapes broadcast."""
    return all(m == n or 1 in (m, n) for m, n in zip(a[::-1], b[::-1], strict=False))


def contracts(a: Shape, b: Shape) -> bool:
    """Whether matmul takes two shapes."""
    return a[-1] == b[-2 if len(b) > 1 else 0] and broadcast(a[:-2], b[:-2])

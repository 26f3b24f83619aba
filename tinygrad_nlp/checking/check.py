"""Is this gradient right, and if not, what is wrong with it? gradcheck() says, for any function.

    >>> W = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> def backward(g, x):  # of y = x W, whose gradient is g Wᵀ
    ...     return g @ W
    >>> report = gradcheck(lambda x: x @ W, np.array([[0.5, -1.0]]), gradient=backward)
    >>> bool(report), report.arguments[0].diagnosis
    (False, 'transpose: the Jacobian was applied instead of its transpose')

The gradient is compared with numeric derivatives (differences.py) under a random upstream gradient g, because with
g = 1 a backward pass that forgets g would look right. compare.py judges each number, diagnose.py names the mistake, and
strategies.py makes it a property of random arrays.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.interface import name
from ..engine import TABLE, Tensor
from .candidate import by_engine, by_hand, cost_and_gradient, gradient_function
from .compare import Comparison, compare_precisions
from .point import Point, flatten, results, snapshot, typical, upstream
from .report import Argument, Report
from .unchecked import unusable

__all__ = ["Argument", "Report", "check_fused", "gradcheck"]


def gradcheck(
    f: Callable[..., Any],
    *args: Any,
    gradient: Callable[..., Any] | None = None,
    order: int = 1,
    seed: int | np.random.Generator = 0,
    names: Sequence[str] | None = None,
) -> Report:
    """Compare the gradient of f at args with numeric derivatives, under a random upstream gradient.

    f: any function of arrays that returns a float array or number, or several in a dict, list or tuple. A pair (cost,
    gradient) of a number and what has the arguments' shapes is understood as such: the gradient in it is checked
    (return two outputs that only look like this as a list). args: arrays, Tensors, Modules, and dicts, lists and tuples
    of them. Every float array is checked, in an argument that holds Tensors only those; integers are constants.

    Arguments of up to 200 numbers are checked entry by entry; larger ones along four random directions and at up to 40
    entries. At a kink of f (relu at 0, a tie of max) any number between the slopes of both sides is right, and the
    place is listed. float32 is checked in float64 where f allows it, then against that.

    gradient: for a plain NumPy f, a backward pass by hand, gradient(g, *args) -> one gradient for each argument (None
    for integers), where g is the gradient of f's output or a tuple of them. order=2: check the gradient's own gradient
    too. seed: of the upstream gradient. names: of the arguments, where f's signature does not say.

    Raises TypeError where there is nothing to differentiate and for a gradient= that is no function, ValueError for
    order=2 by hand, and what f raises at args. What cannot be compared is a problem in the report, never right.

    >>> print(gradcheck(lambda x: np.maximum(x, 0), np.array([-1.0, 0.0, 2.0])))
    gradcheck: right
    argument  shape         worst at  given  numeric
    x         (3,)   right                            all 3 numbers, central differences; 1 at a kink, the first at (1,)
    """
    if gradient is not None and not callable(gradient):
        remedy = "pass a function gradient(g, *args), which multiplies by the output's gradient g"
        raise TypeError(f"gradcheck: gradient= is {type(gradient).__name__}, not a function: {remedy}")
    if order not in (1, 2) or (order == 2 and gradient is not None):
        raise ValueError(f"gradcheck: order={order!r} is not 1 or 2, or is 2 beside gradient=: order=2 is for Tensors")
    rng = np.random.default_rng(seed)
    point = Point(f, args, names)
    pair = None if gradient else cost_and_gradient(point)
    if pair:
        point, gradient = pair
    gs = [upstream(rng, shape, dtype) for shape, dtype in zip(point.shapes, point.dtypes, strict=True)]
    report = first_order(point, gs, gradient, rng)
    if report and order == 2:
        tensors = point.arguments({key: Tensor(a) for key, a in point.leaves.items()})
        made_of = [point.noise.natural(point.y, flatten(gs), typical(x)) for x in point.leaves.values()]
        slopes = Point(gradient_function(point, gs), tensors, list(point.tree), made_of)
        second = first_order(slopes, [upstream(rng, shape, point.dtype) for shape in slopes.shapes], None, rng)
        for a in second.arguments:
            a.name = f"∇ by {a.name}"
        report = Report(report.arguments + second.arguments, second.problems)
    return report


def first_order(point: Point, gs: Sequence[Any], gradient: Any, rng: np.random.Generator) -> Report:
    """Everything that gradcheck() says about one function."""
    report, args = Report([]), point.arguments(point.leaves)
    before = snapshot(args)
    out = point.f(*args)
    again = flatten([np.asarray(o) for o in results(out)])
    if snapshot(args) != before:
        report.problems.append("the function changed an argument in place: work on a copy")
    elif found := unusable(out):
        report.problems.append(found)
    elif not np.all(np.isfinite(point.y)):
        bad = int(np.flatnonzero(~np.isfinite(point.y))[0])
        report.problems.append(f"the function is not finite here: output {bad} of {point.y.size} is {point.y[bad]}")
    elif not np.array_equal(point.y, again):
        report.problems.append("the function's outputs differ from call to call: seed it, or turn dropout off")
    if report.problems:
        return report
    backward = functools.partial(by_hand, gradient) if gradient else by_engine
    given = backward(point, point.leaves, gs, report.problems)
    comparison = Comparison(point, gs, lambda leaves, gs: backward(point, leaves, gs, []))
    report.arguments = [comparison.check(key, given.get(key), rng) for key in point.leaves]
    if report and point.leaves is not point.native:
        compare_precisions(comparison, backward(point, point.native, gs, report.problems), given, report.arguments)
    return report


def check_fused(op: Callable[..., Any], *args: Any, seed: int | np.random.Generator = 0, **keywords: Any) -> Report:
    """Hold a fused op against its reference: values, the op's gradient against the reference's numeric derivatives, and
    the op's second order against differences of its gradient. Raises TypeError for a function without a reference.

    >>> from tinygrad_nlp.fused import affine
    >>> bool(check_fused(affine, np.ones((2, 3)), np.ones((3, 4)), np.ones(4)))
    True
    """
    row = TABLE.get(op)
    if row is None or row.reference is None:
        raise TypeError(f"check_fused: `{name(op)}` has no reference: gradcheck({name(op)}, ...) checks any function")
    fused, reference = functools.partial(op, **keywords), functools.partial(row.reference, **keywords)

    def backward(g: Any, *arrays: Any) -> Any:
        inner = Point(fused, arrays)
        found = by_engine(inner, inner.leaves, [g], [])
        return tuple(found.get(key) for key in inner.tree)

    report = gradcheck(reference, *args, gradient=backward, seed=seed)
    value, meant = (flatten(list(results(fn(*args)))) for fn in (fused, reference))
    if value.shape != meant.shape or not np.allclose(value, meant, rtol=1e-10, atol=1e-12):
        report.problems.append(f"`{name(op)}` and its reference differ in value")
    second = gradcheck(fused, *args, order=2, seed=seed)
    report.arguments += second.arguments
    report.problems += second.problems
    return report

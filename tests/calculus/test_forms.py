"""NumPy's call forms, drawn from NumPy's own signatures: every row gives NumPy's value, refuses what NumPy refuses, and
has the gradient of the form that it was called in."""

from __future__ import annotations

import inspect
import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from tests.battery.drawing import SEEDS, Draw
from tinygrad_nlp import Tensor, gradients
from tinygrad_nlp.calculus.forms import shared_order
from tinygrad_nlp.calculus.kinds import Each
from tinygrad_nlp.calculus.listing import full_name
from tinygrad_nlp.engine import TABLE

ARRAYS = ("a", "x", "m", "v", "ary", "arr", "array", "A", "y", "f", "val", "b", "x1", "x2", "condition")
LISTS = ("arrays", "tup")
SKIPPED = {  # functions whose arguments are not of one kind; their forms are drawn by their cases
    *(np.einsum, np.linspace, np.select, np.insert, np.block, np.average, np.cov, np.corrcoef, np.interp, np.gradient),
    *(np.linalg.tensorinv, np.linalg.tensorsolve, np.linalg.lstsq, np.polyval, np.convolve, np.correlate),
    *(np.full_like, np.linalg.multi_dot, np.where, np.broadcast_arrays, np.meshgrid, np.atleast_1d, np.atleast_2d),
    *(np.atleast_3d, np.tensordot, np.linalg.tensordot, np.kron, np.ediff1d, np.trapezoid, np.linalg.cond, np.clip),
    *(np.linalg.eigh, np.linalg.svd, np.linalg.qr, np.linalg.eigvalsh, np.linalg.cholesky, np.linalg.svdvals, np.frexp),
    *(np.linalg.pinv, np.linalg.solve, np.linalg.inv, np.cross, np.linalg.cross, np.nan_to_num, np.linalg.matrix_power),
}
REQUIRED = {  # values for arguments without a default
    **{"shape": (4,), "newshape": (4,), "new_shape": 3, "axis": 0, "axis1": 0, "axis2": 1, "source": 0},
    **{"destination": 1, "shift": 1, "repeats": 2, "reps": 2, "indices": np.zeros((1, 2), int), "obj": 0, "kth": 0},
    **{"indices_or_sections": 2, "q": 0.5, "pad_width": 1, "values": 1.0, "new_order": 0, "fill_value": 2.0},
    **{"dtype": float},
}
ROWS = [
    fn
    for fn, row in TABLE.items()
    if getattr(row, "numpys", None) is not None and row.kind != "flat" and fn not in SKIPPED
]


def value_of(d: Draw, parameter: str, x: np.ndarray) -> Any:
    """Something that a user might pass for a parameter; not all of it fits."""
    one = d.integer(-x.ndim - 1, x.ndim)
    several = d.axis(x.ndim, none=False)
    choices: dict[str, Any] = {
        "axis": lambda: d.pick(None, one, one, several, (0,), np.int64(0)),
        "axes": lambda: d.pick(None, tuple(d.rng.permutation(x.ndim).tolist()), (0, 1), (-1, -2)),
        "axis1": lambda: one,
        "axis2": lambda: d.integer(-x.ndim, x.ndim),
        "axisa": lambda: -1,
        "source": lambda: d.pick(one, (0, -1)),
        "destination": lambda: d.pick(one, (-1, 0)),
        "start": lambda: d.integer(-x.ndim, x.ndim),
        "keepdims": lambda: d.pick(True, False),
        "shape": lambda: d.pick(-1, x.shape[::-1], (x.size,), (1, *x.shape), (2, -1)),
        "new_shape": lambda: d.pick((2,), 3, (2, 2), ()),
        "order": lambda: d.pick("C", "C", "F"),
        "ddof": lambda: d.pick(0, 1, 0.5),
        "offset": lambda: d.integer(-2, 2),
        "k": lambda: d.integer(-2, 2),
        "n": lambda: d.integer(-1, 3),
        "N": lambda: d.integer(0, 3),
        "shift": lambda: d.pick(d.integer(-3, 3), (1, 2)),
        "reps": lambda: d.pick(2, (1, 2), (2, 1, 1), ()),
        "repeats": lambda: d.pick(2, 0, [1], [1, 2]),
        "indices": lambda: d.pick(0, -1, [0, 0], np.zeros((1,) * max(x.ndim, 1), int), np.zeros((2, 2), int), 9),
        "indices_or_sections": lambda: d.pick(1, 2, [1], [0, 2]),
        "obj": lambda: d.pick(0, [0], slice(0, 1), 7),
        "kth": lambda: d.pick(0, -1, [0]),
        "q": lambda: d.pick(0.5, 0.2, [0.1, 1.0]),
        "method": lambda: d.pick("linear", "lower", "nearest"),
        "ord": lambda: d.pick(None, 1, 2, 3, np.inf, -np.inf, "fro", 0.5, -1),
        "pad_width": lambda: d.pick(1, (1, 2), ((1, 0),)),
        "mode": lambda: d.pick("wrap", "clip", "edge", "raise"),
        "dtype": lambda: None,
        "out": lambda: None,
        "include_initial": lambda: d.pick(True, False),
        "increasing": lambda: d.pick(True, False),
        "prepend": lambda: d.pick(1.5, np.ones(x.shape)),
        "append": lambda: 0.5,
        "values": lambda: d.pick(1.0, [2.0], np.ones(x.shape)),
        "kind": lambda: None,
        "returned": lambda: False,
    }
    if parameter not in choices:
        raise KeyError(parameter)
    return choices[parameter]()


def filled(value: Any, a: Any) -> Any:
    """An argument of a call: a in the place of Tensor, two of it in the place of list."""
    places: dict[Any, Any] = {Tensor: a, list: [a, a]}
    return places[value] if isinstance(value, type) and value in places else value


def form(d: Draw, fn: Any) -> tuple[Any, np.ndarray]:
    """A call of fn as a function of one array, with some arguments by position and the others by name."""
    x = d.distinct(d.shape())
    positional: list[Any] = []
    named: dict[str, Any] = {}
    by_position = True
    first = True
    for p in inspect.signature(fn).parameters.values():
        optional = p.default is not p.empty
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            break
        if first or p.name in ARRAYS[-6:]:
            value: Any = list if p.name in LISTS else Tensor
            if not first and optional:
                by_position = False
                continue
            first = False
        else:
            if optional and d.integer(0, 2):
                by_position = False
                continue
            try:
                value = value_of(d, p.name, x)
            except KeyError:
                if not optional:
                    raise
                by_position = False
                continue
        if p.kind is p.KEYWORD_ONLY or (p.kind is not p.POSITIONAL_ONLY and (not by_position or d.integer(0, 2) == 0)):
            by_position = False
            named[p.name] = value
        elif by_position:
            positional.append(value)

    def call(a: Any) -> Any:
        found = fn(*[filled(v, a) for v in positional], **{key: filled(v, a) for key, v in named.items()})
        if isinstance(found, (list, tuple)):
            return np.concatenate([np.ravel(part) for part in found]) if len(found) else np.ravel(a)
        return found

    call.__doc__ = f"{full_name(fn)}(*{positional}, **{named}) of {x.shape}"
    return call, x


@pytest.mark.parametrize("fn", ROWS, ids=full_name)
@settings(max_examples=max(25, settings().max_examples // 4))
@given(SEEDS)
def test_every_form_means_what_numpy_means(fn: Any, seed: int) -> None:
    call, x = form(Draw(seed), fn)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            right = np.asarray(call(x))
        except Exception:  # of any kind: NumPy refuses this call
            try:
                y = call(Tensor(x))
            except Exception:  # and so do we; ours is the clearer one
                return
            # No numbers in, none out: np.quantile(x, 0.5, axis=()) fails on the way. Norms are 0 from NumPy 2.3 on.
            old = "norm" in fn.__name__ and np.lib.NumpyVersion(np.__version__) < "2.3.0"
            assert x.size == 0 and (y.size == 0 or old), f"{call.__doc__}: NumPy refuses it, and we give {y}"
            return
        t = Tensor(x)
        y = call(t)
        assert type(y) is Tensor, f"{call.__doc__}: {type(y)}"
        assert y.shape == right.shape, f"{call.__doc__}: {y.shape}, NumPy {right.shape}"
        np.testing.assert_allclose(y.data, right, rtol=1e-12, atol=1e-14, err_msg=str(call.__doc__))
        rng = np.random.default_rng(seed)
        g, v, h = rng.normal(size=y.shape), rng.normal(size=x.shape), 1e-6
        (d,) = gradients(y, [t], g)
        change = (np.asarray(call(x + h * v)) - np.asarray(call(x - h * v))) / (2 * h)
        ours, numeric = np.sum(d * v), np.sum(g * change)
    if np.isfinite(right).all():
        scale = 1 + np.sum(np.abs(d * v)) + np.sum(np.abs(g * change))
        assert abs(ours - numeric) < 1e-6 * scale, f"{call.__doc__}: {ours}, numeric {numeric}"


@pytest.mark.parametrize(
    ("ours", "first", "n"),
    [
        (["x", "axis"], 1, 2),
        (["x", "dtype"], 1, 1),
        (["x", "dtype"], 2, 2),
        (["a", "axis", "keepdims"], 0, 2),
        ([], 1, 0),
    ],
)
def test_how_many_arguments_have_the_place_that_they_have_in_numpy(ours: list[str], first: int, n: int) -> None:
    theirs = inspect.signature(lambda a, axis=None, dtype=None: None)
    assert shared_order(theirs, ours, first) == n and shared_order(None, ours, first) == np.inf


WITH_SIGNATURE = {fn: row for fn, row in TABLE.items() if getattr(row, "numpys", None) and row.kind != "flat"}


@pytest.mark.parametrize("fn", WITH_SIGNATURE, ids=full_name)
def test_every_default_is_numpys(fn: Any) -> None:
    """An argument that nobody gives, such as the axis of np.array_split, is what NumPy says it is."""
    row = WITH_SIGNATURE[fn]
    single = [row.derivatives.derivative] if isinstance(row.derivatives, Each) else row.derivatives
    for ours in [row.forward] if row.kind == "composite" else filter(None, single):
        for key, p in inspect.signature(ours).parameters.items():
            theirs = row.numpys.parameters.get(key, p).default
            if repr(theirs) == "<no value>":  # NumPy leaves it to others, or has two names for one argument
                assert p.default in (None, False), f"{key}={p.default}"
            else:
                newer = theirs is p.empty  # a default that an older NumPy does not have yet
                assert newer or p.default is p.empty or p.default == theirs, f"{key}={p.default}, NumPy {key}={theirs}"


@pytest.mark.parametrize("fn", ROWS, ids=full_name)
def test_every_default_may_be_written_out(fn: Any) -> None:
    """np.stack([t, t], 0, casting="same_kind") is np.stack([t, t]): an argument that has NumPy's default changes
    nothing, even where the table does not know it."""
    args: list[Any] = []
    named: dict[str, Any] = {}
    for p in inspect.signature(fn).parameters.values():
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) or repr(p.default) == "<no value>":
            continue
        if p.default is not p.empty and (fn, p.name) != (np.reshape, "shape"):  # NumPy 2.1 has None, and refuses it
            named[p.name] = "".join(list(p.default)) if isinstance(p.default, str) else p.default
        elif not args or p.name in ARRAYS[-6:]:
            args.append(list if p.name in LISTS else Tensor)
        else:
            args.append(REQUIRED[p.name])

    def call(a: Any, **keywords: Any) -> list[Any]:
        found = fn(*[filled(v, a) for v in args], **keywords)
        return list(found) if isinstance(found, (list, tuple)) else [found]

    for shape in ((2, 2), (4,), (2, 2, 2)):
        x = np.array([3.0, 1.0, 2.0, 5.0, 0.5, 4.0, 7.0, 6.0])[: math.prod(shape)].reshape(shape)
        try:
            right = call(x, **named)
        except (TypeError, ValueError):
            continue  # NumPy wants more axes, or fewer
        break
    for y in (call(Tensor(x)), call(Tensor(x), **named)):
        for ours, theirs in zip(y, right, strict=True):
            np.testing.assert_allclose(ours.data, theirs, rtol=1e-14)

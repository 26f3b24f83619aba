"""What the engine says when it refuses: each function makes an error that names what, where, and the remedy."""
# tested in tests/core/test_interface.py

from __future__ import annotations

from typing import Any

import numpy as np

from .interface import name


def no_float(array: np.ndarray) -> TypeError:
    remedy = "ids, masks and labels stay arrays; numbers: np.asarray(a).astype(float)"
    return TypeError(f"a Tensor holds float32 or float64, not {array.dtype} (shape {array.shape}): {remedy}")


def not_in_table(fn: Any) -> TypeError:
    remedy = "build it from functions of tinygrad_nlp.table(), or add a row with rule(), composite() or flat()"
    return TypeError(f"`{name(fn)}` is not in the table of derivatives: {remedy}; on constants use t.data")


def plain_array(fn: Any, value: Any) -> np.ndarray:
    """The result of a function as an array. Raises TypeError for np.matrix and its like, on which * means something
    else."""
    if isinstance(value, np.ndarray):
        raise TypeError(f"`{name(fn)}` met a {type(value).__name__}, whose * is not NumPy's: pass np.asarray(a)")
    return np.asarray(value)


def no_float_result(fn: Any, value: np.ndarray) -> TypeError:
    return TypeError(f"`{name(fn)}` gave {value.dtype}: a Tensor is float32 or float64; for constants use t.data")


def out_of_date(t: Any, a: Any) -> RuntimeError:
    what = f"a Tensor of shape {a.shape} was updated after `{name(t.fn)}` used it"
    return RuntimeError(f"{what}: run the forward pass again before backward, or update after it")


def checked(kind: type, y: Any, xs: Any) -> list[Any]:
    """What gradients() is asked for, as a list, which is empty for None. Raises TypeError unless all are Tensors."""
    if type(y) is not kind:
        what = f"nothing to differentiate: the output is {type(y).__name__}, not a Tensor"
        raise TypeError(f"{what}, so no Tensor is behind it")
    if isinstance(xs, (kind, np.ndarray)):
        raise TypeError("xs is a list of Tensors, not one: gradients(y, [x])")
    asked = [] if xs is None else list(xs)
    for x in asked:
        if type(x) is not kind:
            what = f"xs holds {type(x).__name__}"
            raise TypeError(f"{what}: gradients are with respect to Tensors; an array is a constant")
    return asked


def no_seed(y: Any) -> ValueError:
    what = f"the output has shape {y.shape}, not one number"
    return ValueError(f"{what}: take its .sum(), or pass its gradient as g=")


def wrong_seed(y: Any, g: Any) -> ValueError:
    what = f"g has shape {g.shape} but the output {y.shape}"
    return ValueError(f"{what}: pass a gradient of the output's shape")


def no_leaf(t: Any) -> TypeError:
    return TypeError(f"only leaves can be written to: `{name(t.fn)}` made this Tensor of shape {t.shape}")

"""save() and load(): a Module with its configuration in one file. Loading it executes nothing that is in the file.

    save("model.npz", model)
    model = load("model.npz", Model, Layer, activation)  # what the file may name beside this package is given by you

A Module remembers the arguments that it was made with. The file holds these, its plain settings and its arrays. load()
makes the Module anew from the arguments, by a class that it was given, and fills it: nothing is unpickled, nothing is
imported. A file that does not fit is refused, before more memory is used than its size justifies.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import nn
from .core.interface import name
from .engine import TABLE, Tensor, writable
from .files import FileError, damaged
from .module import Module, check_state, named_modules
from .npz import CAP, read_tree, write_tree
from .tree import branches, map_leaves, named_leaves

FORMAT = 2
SPARE = 100_000  # numbers that a model may draw beyond one for each byte in its file: some are drawn and then replaced
LAYERS = {key: a for key, a in vars(nn).items() if getattr(a, "__module__", "") == nn.__name__}  # and initialisers


def save(path: str | Path, model: Module) -> None:
    """Write a Module, live or frozen, atomically; one that holds no Tensor is taken for a frozen one, and is live when
    it comes back.

    Its constructor's arguments may be plain values, arrays, dtypes, random generators, Modules, functions that have a
    name, and lists, tuples and dicts of them. Raises TypeError for others, ValueError where a Module made from these
    arguments would not be of the same shape, FileError where the file cannot be written.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "model.npz")
    >>> save(path, nn.Sequential(nn.Linear(2, 3, rng=np.random.default_rng(0)), np.tanh))
    >>> load(path)
    Sequential (9 parameters)
      layers: list
        0: Linear 2 → 3
          W: (2, 3) float32
          b: (3,) float32
        1: tanh
    """
    if not isinstance(model, Module):
        remedy = "save(path, model) takes a Module; npz.write_tree(path, tree) writes other trees"
        raise TypeError(f"save: the model is {type(model).__name__}: {remedy}")
    write_tree(path, described(model))


def load(path: str | Path, *known: Callable[..., Any], rng: np.random.Generator | None = None, cap: int = CAP) -> Any:
    """Read what save() wrote: a live Module, whose random generators are all `rng` (default: seed 0).

    known: the classes and functions that the file may name; those of tinygrad_nlp.nn and of the table are known. Raises
    FileError, on one line, where the file is missing, damaged, larger than `cap` bytes, names something else, or does
    not fit the class that it names.
    """
    tree = read_tree(path, cap)
    try:
        return built(tree, known, rng)
    except FileError as error:
        raise FileError(f"{path} {error}") from error
    except Exception as error:  # whatever a file says, it is the file that is wrong
        raise damaged(path, error) from error


# %% A Module as a tree that write_tree() takes
def described(model: Module) -> dict[str, Any]:
    """All that built() needs. Raises TypeError and ValueError as save() does."""
    leaves = dict(named_leaves(model))
    live = any(isinstance(leaf, Tensor) for leaf in leaves.values())
    constants = [key for key, leaf in leaves.items() if live and isinstance(leaf, np.ndarray)]
    named: dict[str, Any] = {}
    tree = {
        "format": FORMAT,
        "module": packed(model, {id(leaf): key for key, leaf in leaves.items()}, named, type(model).__name__),
        "constants": constants,
        "settings": dict(plain_settings(model)),
        "values": {key: leaf.data if isinstance(leaf, Tensor) else leaf for key, leaf in leaves.items()},
    }
    try:
        built(tree, tuple(named.values()), None)
    except Exception as error:  # whatever the constructor raises
        what = f"save: a {type(model).__name__} made anew from its arguments is not like this one ({error})"
        raise ValueError(f"{what}: make what was changed since an argument of the constructor") from error
    return tree


def plain_settings(model: Module) -> Iterator[tuple[str, Any]]:
    """Every number, text and truth value that the Modules of a tree hold, such as the rate of a Dropout."""
    for path, module in named_modules(model):
        for key, value in vars(module).items():
            if isinstance(value, bool | int | float | str):
                yield f"{path}.{key}", value


def packed(value: Any, leaves: Mapping[int, str], named: dict[str, Any], where: str) -> Any:
    """An argument of a constructor as a tree; `named` collects the classes and functions in it."""
    pack = functools.partial(packed, leaves=leaves, named=named)
    match value:
        case Module():
            args, kwargs = value._made_with
            signature = inspect.signature(type(value).__init__)
            try:
                bound = signature.bind(value, *args, **kwargs)
            except TypeError as error:
                raise TypeError(f"save: {where} was not made by its constructor ({error}): save its values") from error
            bound.apply_defaults()
            arguments = list(bound.arguments.items())[1:]  # without self
            settings = {key: pack(a, where=f"{where}({key}=…)") for key, a in arguments}
            return {"is": "module", "of": naming(type(value), named, where), "settings": settings}
        case np.ndarray() if id(value) in leaves:
            return {"is": "leaf", "of": leaves[id(value)]}
        case Tensor():
            return {"is": "tensor", "of": value.data}
        case np.random.Generator():
            return {"is": "generator"}
        case np.dtype():
            return {"is": "dtype", "of": value.name}
        case functools.partial():
            function, args = pack(value.func, where=where), pack(value.args, where=where)
            return {"is": "partial", "of": function, "args": args, "settings": pack(value.keywords, where=where)}
        case list() | tuple():
            parts = [pack(a, where=f"{where}[{i}]") for i, a in enumerate(value)]
            return parts if isinstance(value, list) else tuple(parts)
        case dict():
            return {"is": "dict", "of": {key: pack(a, where=f"{where}[{key!r}]") for key, a in value.items()}}
        case type() if issubclass(value, np.generic):
            return {"is": "scalar", "of": np.dtype(value).name}
        case _ if callable(value):
            return {"is": "name", "of": naming(value, named, where)}
        case None | bool() | int() | float() | str() | np.ndarray() | np.generic():
            return value
    remedy = "give the constructor numbers, text, arrays, Modules or functions, and make it there"
    raise TypeError(f"save: {where} is {type(value).__name__}, which no file can hold: {remedy}")


def naming(value: Any, named: dict[str, Any], where: str) -> str:
    """The name by which load() will find a class or function. Raises TypeError where that would find another."""
    key = name(value)
    if not key.isidentifier():
        raise TypeError(f"save: {where} holds {key}, which no file can name: define it with def, outside of a call")
    if named.setdefault(key, value) is not value or ours().get(key, value) is not value:
        raise TypeError(f"save: {where} holds {value!r}, and {key!r} means something else too: give it another name")
    return key


def ours() -> dict[str, Any]:
    """What files may always name: the functions of the table, our layers and initialisers."""
    return {name(fn): fn for fn in reversed(TABLE)} | LAYERS | {"float": float}


# %% And back
class Zeros(np.random.Generator):
    """Draws zeros, in all no more than `most`, and counts what Modules hold, no more either: a file with few numbers
    cannot ask for a large model."""

    def __init__(self, most: int) -> None:
        super().__init__(np.random.PCG64(0))
        self.most, self.drawn, self.held = most, 0, 0
        self.leaves: dict[int, Any] = {}  # of the Modules made so far, by id: each is counted once

    def check(self, numbers: int, what: str) -> None:
        if numbers > self.most:
            raise ValueError(f"its settings ask for {what}, more numbers than the file holds")

    def hold(self, module: Module) -> None:
        new = {id(leaf): leaf for _, leaf in named_leaves(module) if id(leaf) not in self.leaves}
        self.leaves |= new
        self.held += sum(leaf.size for leaf in new.values())
        self.check(self.held, f"a {type(module).__name__}")

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        """Zeros."""
        shape = () if size is None else tuple(np.atleast_1d(size).tolist())
        self.drawn += math.prod(shape)
        self.check(self.drawn, f"a layer of shape {shape}")
        return np.zeros(shape, dtype)[()] if size is None else np.zeros(shape, dtype)

    def standard_normal(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        """Zeros."""
        return self.random(size, dtype)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Zeros."""
        return self.random(size)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Zeros."""
        return self.random(size)


def built(tree: Any, known: tuple[Callable[..., Any], ...], rng: np.random.Generator | None) -> Any:
    """The Module that a tree describes, filled. Raises ValueError, KeyError or TypeError, for one."""
    if tree["format"] != FORMAT:
        raise ValueError(f"its format is {tree['format']!r}, this version reads {FORMAT}")
    values = tree["values"]
    zeros = Zeros(sum(value.nbytes for value in values.values()) + SPARE)
    model = unpacked(tree["module"], values, {**ours(), **{name(a): a for a in known}}, zeros)
    if not isinstance(model, Module):
        raise ValueError(f"it holds a {type(model).__name__}, not a Module")
    leaves = dict(named_leaves(model))
    arrays = {key: leaf.data if isinstance(leaf, Tensor) else leaf for key, leaf in leaves.items()}
    check_state(type(model).__name__, arrays, values)
    constant, changed = set(tree["constants"]), {}
    for key, leaf in leaves.items():
        if isinstance(leaf, Tensor) and key not in constant:
            writable(leaf)[...] = values[key]
        elif isinstance(leaf, Tensor) or not np.array_equal(leaf, values[key], equal_nan=leaf.dtype.kind == "f"):
            changed[id(leaf)] = values[key]
    if changed:
        model = map_leaves(lambda leaf: changed.get(id(leaf), leaf), model)
    set_plain(model, tree["settings"])
    give(model, zeros, rng or np.random.default_rng(0))
    return model


def set_plain(model: Module, settings: Mapping[str, Any]) -> None:
    """Give the Modules of a tree their plain settings, which must be those that they have: text for text, a number for
    a number."""
    have = dict(plain_settings(model))
    for key in {**have, **settings}:
        new, given = have.get(key), settings.get(key)
        if not any(isinstance(new, kind) and isinstance(given, kind) for kind in (str, int | float)):
            raise ValueError(f"{key.lstrip('.')} is {new!r} in a new one and {given!r} in this")
    for path, module in named_modules(model):
        vars(module).update({key: settings[f"{path}.{key}"] for key in vars(module) if f"{path}.{key}" in have})


def give(tree: Any, zeros: Zeros, rng: np.random.Generator) -> None:
    """Put a random generator in the place of the one that drew zeros."""
    for key, branch in (branches(tree) or {}).items():
        if branch is zeros:
            (vars(tree) if isinstance(tree, Module) else tree)[key] = rng
        else:
            give(branch, zeros, rng)


def unpacked(tree: Any, values: Mapping[str, Any], known: Mapping[str, Any], zeros: Zeros) -> Any:
    """The argument of a constructor that packed() made a tree of."""

    def unpack(tree: Any) -> Any:
        return unpacked(tree, values, known, zeros)

    match tree:
        case {"is": "module", "of": str(key), "settings": dict(settings)}:
            kind = found(key, known)
            if not (isinstance(kind, type) and issubclass(kind, Module)):
                raise ValueError(f"{key!r} is no Module")
            signature = inspect.signature(kind.__init__)
            itself = next(iter(signature.parameters))
            if unknown := settings.keys() - signature.parameters.keys():
                raise TypeError(f"{key} takes no {', '.join(sorted(unknown))}")
            arguments = {key: unpack(a) for key, a in settings.items()}
            bound = inspect.BoundArguments(signature, {itself: None, **arguments})
            module = kind(*bound.args[1:], **bound.kwargs)
            zeros.hold(module)
            return module
        case {"is": "leaf", "of": str(key)}:
            return values[key]
        case {"is": "tensor", "of": np.ndarray() as array}:
            return Tensor(array)
        case {"is": "generator"}:
            return zeros
        case {"is": "dtype", "of": str(key)} if np.dtype(key).kind in "biuf":
            return np.dtype(key)
        case {"is": "scalar", "of": str(key)} if np.dtype(key).kind in "biuf":
            return np.dtype(key).type
        case {"is": "partial", "of": function, "args": tuple(args), "settings": keywords}:
            return functools.partial(unpack(function), *map(unpack, args), **unpack(keywords))
        case {"is": "dict", "of": dict(items)}:
            return {key: unpack(a) for key, a in items.items()}
        case {"is": "name", "of": str(key)}:
            return found(key, known)
        case list() | tuple():
            return type(tree)(map(unpack, tree))
        case int() if abs(tree) > zeros.most:
            raise ValueError(f"a setting is {tree}, and a file of this size may ask for {zeros.most:,} numbers at most")
        case None | bool() | int() | float() | str() | np.ndarray() | np.generic():
            return tree
    raise ValueError(f"it holds an argument that cannot be read: {str(tree)[:80]}")


def found(key: str, known: Mapping[str, Any]) -> Any:
    if key not in known:
        raise FileError(f"names {key!r}: pass that class or function to load(), if this is the file that you mean")
    return known[key]

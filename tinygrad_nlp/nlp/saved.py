"""Saved models: a model with its vocabulary and settings in one npz. Loading one executes nothing that is in the file.

    save("char_rnn.npz", model, Characters())
    model, characters, notes = load("char_rnn.npz")

The file names its class, one of `MODELS`, which is built anew from the settings and then filled. Whatever does not fit
is refused with both sides named, before more memory is used than the file's size justifies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..engine import Tensor, writable
from ..files import CAP, damaged, read_tree, write_tree
from ..nn import check_state
from ..tree import named_leaves
from .models import CELLS, NONLINEARITIES, CharRNN, DeepAveragingNetwork, NeuralBigram
from .text import Characters, Words

FORMAT = 1
SPARE = 100_000  # numbers a model may have beyond those in its file, so that a value which is missing is named
MODELS: dict[str, Any] = {model.__name__: model for model in (NeuralBigram, CharRNN, DeepAveragingNetwork)}
Vocabulary = Characters | Words | Sequence[str]


class LoadedModel(NamedTuple):
    """What load returns: a live model, its vocabulary (Characters, Words or a list of words) and its notes."""

    model: Any
    vocabulary: Any
    notes: dict[str, Any]


def save(path: str | Path, model: Any, vocabulary: Vocabulary, notes: Mapping[str, Any] | None = None) -> None:
    """Write a NeuralBigram, CharRNN or DeepAveragingNetwork, live or frozen, atomically.

    `notes` are plain values to keep beside it, such as the settings of its training. Raises TypeError for another
    class, ValueError where the vocabulary is not of the model's size, FileError where the file cannot be written.
    """
    name = type(model).__name__
    if type(model) not in MODELS.values():
        raise TypeError(f"cannot save a {name}, only {', '.join(MODELS)}: of other models save the state_dict()")
    settings = settings_of(model)
    check_size(vocabulary, settings["vocabulary"])
    live = any(True for _ in model.named_parameters())
    tree = {
        "format": FORMAT,
        "model": name,
        "settings": settings,
        "constant_embedding": name != "CharRNN" and live and isinstance(model.embedding.table, np.ndarray),
        "vocabulary": packed(vocabulary),
        "notes": dict(notes or {}),
        "values": {key: array(leaf) for key, leaf in named_leaves(model)},
    }
    write_tree(path, tree)


def load(path: str | Path, *, rng: np.random.Generator | None = None, cap: int = CAP) -> LoadedModel:
    """Read what save wrote; rng is for the dropout of a model that is trained further (default: seed 0).

    Raises FileError, on one line, where the file is missing, damaged, larger than `cap` bytes, or where a name, shape
    or dtype in it does not fit the model that it says it is.
    """
    tree = read_tree(path, cap)
    try:
        if tree["format"] != FORMAT:
            raise ValueError(f"its format is {tree['format']!r}, this version reads {FORMAT}")
        model, vocabulary = built(tree), unpacked(tree["vocabulary"])
        check_size(vocabulary, tree["settings"]["vocabulary"])
        if hasattr(model, "dropout"):
            model.dropout.rng = rng or np.random.default_rng(0)
        return LoadedModel(model, vocabulary, dict(tree["notes"]))
    except Exception as error:  # whatever a file says, it is the file that is wrong
        raise damaged(path, error) from error


# %% Models
def settings_of(model: Any) -> dict[str, Any]:
    """The arguments that make a model of the same shape."""
    vocabulary, dimension = model.embedding.table.shape
    settings = {"vocabulary": vocabulary, "dtype": str(model.embedding.table.dtype)}
    match model:
        case NeuralBigram():
            return settings | {"dimension": dimension, "hidden": model.hidden.W.shape[1]}
        case CharRNN():
            cell = name_of(type(model.layers[0]), CELLS)
            settings |= {"embedding": dimension, "hidden": model.layers[0].W.shape[0], "cell": cell}
            return settings | {"layers": len(model.layers), "dropout": float(model.dropout.rate)}
    first, *others = model.classify.layers  # Linear, f, Linear, f, …, Linear
    settings |= {"dimension": dimension, "layers": len(others) // 2, "width": first.W.shape[1]}
    nonlinearity = name_of(others[0], NONLINEARITIES) if others else "none"
    return settings | {"nonlinearity": nonlinearity, "classes": model.classify.layers[-1].W.shape[1]}


def name_of(value: Any, choices: Mapping[str, Any]) -> str:
    return next(name for name, choice in choices.items() if choice is value)


def array(leaf: Any) -> np.ndarray:
    return leaf.data if isinstance(leaf, Tensor) else leaf


class Zeros(np.random.Generator):
    """Draws zeros, in all no more than `numbers`: a file with few numbers cannot ask for a large model."""

    def __init__(self, numbers: int) -> None:
        super().__init__(np.random.PCG64(0))
        self.numbers = numbers

    def standard_normal(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        self.numbers -= math.prod(size)
        if self.numbers < 0:
            raise ValueError(f"its settings ask for a layer of shape {size}, more numbers than the file holds")
        return np.zeros(size, dtype)

    random = standard_normal


def built(tree: Any) -> Any:
    """The model that a file describes, filled with its values. Raises ValueError, KeyError or TypeError, for one."""
    name, settings, values = tree["model"], dict(tree["settings"]), tree["values"]
    if name not in MODELS:
        raise ValueError(f"it holds a {name!r}, not one of {', '.join(MODELS)}")
    numbers = sum(value.size for value in values.values())
    for key, value in settings.items():
        if type(value) not in (int, float, str) or (type(value) is int and not 0 <= value <= numbers):
            raise ValueError(f"its setting {key} is {value!r}, and it holds {numbers:,} numbers")
    if type(layers := settings.get("layers", 0)) is not int or layers > len(values):
        raise ValueError(f"its setting layers is {layers!r}, and it holds {len(values)} arrays")
    if tree["constant_embedding"]:
        settings["embedding"] = values["embedding.table"]
    settings["dtype"] = {"float32": np.float32, "float64": np.float64}[settings["dtype"]]
    model = MODELS[name](**settings, rng=Zeros(numbers + SPARE))
    leaves = dict(named_leaves(model))
    check_state(name, {key: array(leaf) for key, leaf in leaves.items()}, values)
    for key, leaf in leaves.items():
        if isinstance(leaf, Tensor):
            writable(leaf)[...] = values[key]
    return model


# %% Vocabularies
def packed(vocabulary: Vocabulary) -> dict[str, Any]:
    match vocabulary:
        case Characters():
            return {"characters": vocabulary.alphabet}
        case Words():
            return {"words": vocabulary.words}
    return {"list": [str(word) for word in vocabulary]}


def unpacked(tree: dict[str, Any]) -> Vocabulary:
    match tree:
        case {"characters": str(alphabet)}:
            return Characters(alphabet)
        case {"words": list(words)} if all(isinstance(word, str) for word in words):
            return Words(words)
        case {"list": list(words)} if all(isinstance(word, str) for word in words):
            return words
    raise ValueError("it holds no vocabulary that is known")


def check_size(vocabulary: Vocabulary, rows: int) -> None:
    """A model has a row for each symbol; beyond a plain list of words it may have more, for hashed bigrams."""
    exact = isinstance(vocabulary, Characters | Words)
    if len(vocabulary) > rows or (exact and len(vocabulary) < rows):
        sizes = f"the vocabulary has {len(vocabulary):,} symbols but the model {rows:,} rows"
        raise ValueError(f"{sizes}: pass the vocabulary that the model was built for")

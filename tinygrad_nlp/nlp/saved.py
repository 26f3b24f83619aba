"""Saved language models: a model with its vocabulary and settings in one npz, as saving.py describes a Module.

    save("char_rnn.npz", model, Characters())
    model, characters, notes = load("char_rnn.npz")

The file names its class, one of `MODELS`. Whatever does not fit is refused with both sides named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..files import damaged
from ..npz import CAP, read_tree, write_tree
from ..saving import built, described
from .models import CharRNN, DeepAveragingNetwork, NeuralBigram
from .text import Characters, Words

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
        remedy = "tinygrad_nlp.save(path, model) saves any Module, without a vocabulary"
        raise TypeError(f"cannot save a {name} here, only {', '.join(MODELS)}: {remedy}")
    tree = described(model)
    check_size(vocabulary, tree["module"]["settings"]["vocabulary"])
    write_tree(path, {**tree, "vocabulary": packed(vocabulary), "notes": dict(notes or {})})


def load(path: str | Path, *, rng: np.random.Generator | None = None, cap: int = CAP) -> LoadedModel:
    """Read what save wrote; rng is for the dropout of a model that is trained further (default: seed 0).

    Raises FileError, on one line, where the file is missing, damaged, larger than `cap` bytes, or where a name, shape
    or dtype in it does not fit the model that it says it is.
    """
    tree = read_tree(path, cap)
    try:
        name, settings = tree["module"]["of"], tree["module"]["settings"]
        if name not in MODELS:
            raise ValueError(f"it holds a {name!r}, not one of {', '.join(MODELS)}")
        if (layers := settings.get("layers", 0)) > len(tree["values"]):
            raise ValueError(f"its setting layers is {layers}, and it holds {len(tree['values'])} arrays")
        model, vocabulary = built(tree, tuple(MODELS.values()), rng), unpacked(tree["vocabulary"])
        check_size(vocabulary, settings["vocabulary"])
        return LoadedModel(model, vocabulary, dict(tree["notes"]))
    except Exception as error:  # whatever a file says, it is the file that is wrong
        raise damaged(path, error) from error


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

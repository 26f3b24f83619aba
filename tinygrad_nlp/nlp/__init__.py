"""Language modelling on top of the engine: corpora, text, counts, metrics, models, reading, sampling.

A module is loaded when it is first used."""
# tested in tests/test_rooms.py

from __future__ import annotations

import importlib
from typing import Any

MODULES = {
    name: f"{__name__}.{name}"
    for name in (
        "bags",
        "calibration",
        "cooccurrence",
        "corpora",
        "counts",
        "generate",
        "metrics",
        "models",
        "naive_bayes",
        "reading",
        "saved",
        "text",
        "vectors",
    )
}
MODULES["reviews"] = f"{__name__}.corpora.reviews"


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"tinygrad_nlp.nlp has no {name!r}: it has {', '.join(sorted(MODULES))}")
    return importlib.import_module(MODULES[name])

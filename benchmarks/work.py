"""The pieces of work: sizes, parameters and batches, drawn at random but alike for all sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from . import kernels, ours, peers, textbook
from .kernels import Arrays, Side


@dataclass
class Work:
    """One piece of work: which model of kernels.py, with what settings, from which parameters, on which batches; and at
    most how much of another side's time ours is to take."""

    model: str
    settings: dict[str, Any]
    parameters: Arrays
    batches: list[tuple[np.ndarray, ...]]
    goals: dict[str, float]
    sides: tuple[str, ...] = ("ours", "kernels alone", "textbook", "PyTorch")

    def side(self, name: str) -> Side:
        """The step of a side, and what reads its parameters; ImportError where the library is not installed."""
        library, _, variant = name.partition(", ")
        settings = self.settings | VARIANTS.get(variant, {})
        return getattr(LIBRARIES[library](), self.model)([a.copy() for a in self.parameters], self.batches, **settings)


LIBRARIES: dict[str, Callable[[], Any]] = {
    "ours": lambda: ours,
    "kernels alone": lambda: kernels,
    "textbook": lambda: textbook,
    "PyTorch": peers.PyTorch,
    "autograd": peers.autograd,
    "MyGrad": peers.mygrad,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "dense": {"sparse": False},
    "no oneDNN": {"onednn": False},
    "in 16 pieces": {"pieces": 16},
}
EVERYONE = ("ours", "kernels alone", "textbook", "PyTorch", "autograd", "MyGrad")


def drawn(rng: np.random.Generator, *shapes: tuple[int, ...]) -> Arrays:
    """Arrays of these shapes from N(0, 1/n_in), float32."""
    return [rng.standard_normal(s, np.float32) / np.float32(s[0] if len(s) > 1 else 10) ** 0.5 for s in shapes]


def chain(length: int = 300, width: int = 16) -> Work:
    """Small operations, 16 numbers each: what the engine itself costs."""
    parameters = drawn(np.random.default_rng(0), *[(width,)] * 3)
    return Work("chain", {"length": length}, parameters, [], {"PyTorch": 0.85}, EVERYONE)


def bigram(B: int = 50, V: int = 2000, D: int = 50, H: int = 50) -> Work:
    """Neural bigram: embedding 50, sigmoid 50, softmax over 2,000 words, batch 50, SGD."""
    rng = np.random.default_rng(0)
    batches = [tuple(rng.integers(0, V, (2, B))) for _ in range(8)]
    parameters = drawn(rng, (V, D), (D, H), (H,), (H, V), (V,))
    return Work("bigram", {}, parameters, batches, {"PyTorch": 0.9, "kernels alone": 1.2}, EVERYONE)


def mlp(B: int = 64, width: int = 512, classes: int = 10) -> Work:
    """512-512-512-10 with relu, batch 64, Adam."""
    rng, n = np.random.default_rng(0), width
    batches = [(rng.standard_normal((B, n), np.float32), rng.integers(0, classes, B)) for _ in range(8)]
    parameters = drawn(rng, (n, n), (n,), (n, n), (n,), (n, classes), (classes,))
    return Work("mlp", {}, parameters, batches, {"PyTorch": 1.0, "kernels alone": 1.2}, EVERYONE)


def averaged_embedding(B: int = 64, V: int = 30_000, D: int = 100, words: int = 230) -> Work:
    """64 reviews of about 230 tokens with Zipf's frequencies, V 30,000, D 100; Adam on the rows that were looked up, or
    (dense) on all 30,000. PyTorch is at its best with dense gradients and the fused Adam."""
    rng, batches = np.random.default_rng(0), []
    for _ in range(8):
        lengths = rng.integers(words // 3, 2 * words - words // 3, B)
        ids = np.minimum(np.exp(rng.random(lengths.sum()) * np.log(V)).astype(np.int64), V - 1)
        batches.append((ids, np.cumsum(lengths) - lengths, rng.integers(0, 2, B)))
    goals = {"PyTorch": 0.7, "kernels alone": 1.2, "PyTorch, dense": 1.2}
    libraries = ("ours", "kernels alone", "textbook", "PyTorch")
    sides = tuple(side + variant for side in libraries for variant in ("", ", dense"))
    return Work("averaged_embedding", {"sparse": True}, drawn(rng, (V, D), (D, 2), (2,)), batches, goals, sides)


def character_rnn(cell: str, T: int, B: int, H: int, V: int = 100, D: int | None = None) -> Work:
    """Embedding, of the same size as the hidden state unless D says otherwise, softmax over the alphabet, loss of every
    step, Adam (or by_soap)."""
    D = D or H
    rng, gates = np.random.default_rng(0), {"rnn": 1, "gru": 3, "lstm": 4}[cell]
    batches = [tuple(rng.integers(0, V, (2, T, B))) for _ in range(4)]
    parameters = drawn(rng, (V, D), (D, gates * H), (gates * H,), (H, gates * H), (H, V), (V,))
    goals = {"kernels alone": 1.2} | GOALS.get((cell, T, B, H), {})
    sides = ("ours", "kernels alone", "textbook", "PyTorch")
    sides += ("PyTorch, no oneDNN",) if cell == "lstm" else ()
    return Work("character_rnn", {"cell": cell}, parameters, batches, goals, sides)


def word_rnn(B: int = 20, T: int = 35, V: int = 2000, D: int = 200) -> Work:
    """A GRU whose output layer is its embedding, transposed. Only ours: it is not compared with others."""
    rng = np.random.default_rng(0)
    batches = [tuple(rng.integers(0, V, (2, T, B))) for _ in range(4)]
    return Work("word_rnn", {}, drawn(rng, (V, D), (D, 3 * D), (3 * D,), (D, 3 * D), (V,)), batches, {}, ("ours",))


GOALS = {
    ("rnn", 200, 1, 100): {"PyTorch": 0.35},
    ("gru", 200, 1, 100): {"PyTorch": 0.3},
    ("lstm", 200, 1, 100): {"kernels alone": 1.05},
    ("rnn", 64, 32, 128): {"PyTorch": 0.9},
    ("gru", 64, 32, 128): {"PyTorch": 0.6},
}
SIZES = ((200, 1, 100), (64, 32, 128), (128, 64, 256))
WORK: dict[str, Callable[[], Work]] = {
    "chain": chain,
    "bigram": bigram,
    "mlp": mlp,
    "averaged-embedding": averaged_embedding,
    **{
        f"{cell}-{T}x{B}x{H}": partial(character_rnn, cell, T, B, H)
        for cell in ("rnn", "gru", "lstm")
        for T, B, H in SIZES
    },
    "gru-64x32x256": partial(character_rnn, "gru", 64, 32, 256),
}


def by_soap(build: Callable[[int], Work], B: int) -> Work:
    """A piece of work whose optimiser is SOAP instead of Adam; of ours only."""
    piece = build(B)
    return replace(piece, settings=piece.settings | {"soap": True}, sides=("ours",), goals={})


BURST = 10  # steps of a recipe that are timed together, because SOAP turns its bases at every tenth


# The recipes of the examples, as many ranks share them: what builds one for a batch of B, and its B
RECIPES: dict[str, tuple[Callable[[int], Work], int]] = {
    "bigram: V 2,000, B 50": (bigram, 50),
    "char_rnn, literal: GRU 100, T 400, B 1": (lambda B: character_rnn("gru", 400, B, 100), 1),
    "char_rnn, strong: GRU 256, T 32, B 32": (partial(by_soap, lambda B: character_rnn("gru", 32, B, 256, D=100)), 32),
    "char_rnn, best: GRU 384, T 32, B 32": (partial(by_soap, lambda B: character_rnn("gru", 32, B, 384, D=100)), 32),
    "word_rnn: GRU 200, V 2,000, T 35, B 20": (partial(by_soap, word_rnn), 20),
    "sentiment: V 30,000, B 64": (averaged_embedding, 64),
}

"""Lesson 0: its forty lines find what the real engine finds, on random programs; and they are forty."""

from __future__ import annotations

import ast
import io
import runpy
import tokenize
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings

import tinygrad_nlp
from tests.battery.drawing import SEEDS
from tinygrad_nlp.strategies import programs

LESSON = Path(__file__).parents[2] / "examples" / "lessons" / "00_the_engine.py"
LAYOUT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
lesson = runpy.run_path(str(LESSON))


@settings(max_examples=200)
@given(programs(max_leaves=4, max_steps=12), SEEDS)
def test_lesson_0_equals_the_engine(program: Any, seed: int) -> None:
    small, real = [lesson["Tensor"](x) for x in program.leaves], [tinygrad_nlp.Tensor(x) for x in program.leaves]
    y, expected = program(*small), program(*real)
    g = np.random.default_rng(seed).standard_normal(expected.shape)
    found, right = lesson["gradients"](y, g), tinygrad_nlp.gradients(expected, real, g)
    assert np.allclose(y.data, expected.data, rtol=1e-12, atol=1e-14)
    for a, d in zip(small, right, strict=True):
        assert found[a].shape == d.shape and np.allclose(
            found[a], d, rtol=1e-12, atol=1e-12 * np.max(abs(d), initial=0)
        )


def test_the_engine_of_lesson_0_has_at_most_40_lines_of_code() -> None:
    source = LESSON.read_text(encoding="utf-8")
    tree = ast.parse(source)
    end = next(node.end_lineno or 0 for node in tree.body if getattr(node, "name", "") == "gradients")
    docstring = set(range(1, (tree.body[0].end_lineno or 0) + 1))
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type not in LAYOUT]
    assert len(source.splitlines()) <= 70
    assert 30 < len({t.start[0] for t in tokens if t.start[0] <= end} - docstring) <= 40

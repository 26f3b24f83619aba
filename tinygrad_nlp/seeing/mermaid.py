"""A backward pass as a Mermaid flowchart, for pages that draw Mermaid: GitHub, GitLab, JupyterLab, Quarto."""
# tested in tests/seeing/test_explain.py

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..engine import Tensor
from .events import BackwardPass, folded
from .text import brief, note


def flowchart(e: BackwardPass) -> Iterator[str]:
    """The lines of a flowchart from the result down to the leaves: values and gradients in its nodes, loops once."""
    node: dict[Tensor, str] = {}
    yield "flowchart TD"
    for k, (shown, hidden, period) in enumerate(folded(e.steps)):
        for step in shown:
            node[step.tensor] = f"n{step.number}"
            yield f'  n{step.number}["{lines(f"{step.name} = {step.call}", step.tensor.data, step.g)}"]'
        if hidden:
            node |= {step.tensor: f"more{k}" for step in hidden}
            yield f'  more{k}[["{quoted(note(hidden, period).strip())}"]]'
    for k, (leaf, g) in enumerate(e.gradients.items()):
        node[leaf] = f"leaf{k}"
        yield f'  leaf{k}(["{lines(e.names[id(leaf)], e.value(leaf), g)}"])'
    arrows: dict[str, None] = {}
    for step in e.steps:
        for s in step.shares:
            start, end = node[step.tensor], node[s.to]
            use = f", use {s.use} of {s.uses}" if s.uses > 1 else ""
            if "more" in start + end:
                arrows |= {f"  {start} --> {end}": None} if start != end else {}
            else:
                arrows[f'  {start} -->|"{quoted(s.rule)}{use}<br/>{quoted(brief(s.share))}"| {end}'] = None
    yield from arrows


def lines(first: str, value: Any, g: Any) -> str:
    """What stands in a node."""
    return "<br/>".join(map(quoted, [first, f"= {brief(value)}", f"∂ {brief(g)}"]))


def quoted(text: str) -> str:
    """Text that Mermaid takes as it is."""
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")

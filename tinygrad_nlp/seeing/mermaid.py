"""A backward pass as a Mermaid flowchart, for pages that draw Mermaid: GitHub, GitLab, JupyterLab, Quarto."""
# tested in tests/seeing/test_explain.py

from __future__ import annotations

from collections.abc import Iterator

from ..engine import Tensor
from .events import BackwardPass, folded, norm
from .text import note


def flowchart(e: BackwardPass) -> Iterator[str]:
    node: dict[Tensor, str] = {}
    yield "flowchart TD"
    for k, (shown, hidden, period) in enumerate(folded(e.steps)):
        for step in shown:
            node[step.tensor] = f"n{step.number}"
            yield f'  n{step.number}["{quoted(f"{step.name} = {step.call}")}<br/>{step.tensor.shape}"]'
        if hidden:
            node |= {step.tensor: f"more{k}" for step in hidden}
            yield f'  more{k}[["{quoted(note(hidden, period).strip())}"]]'
    for k, (leaf, g) in enumerate(e.gradients.items()):
        node[leaf] = f"leaf{k}"
        yield f'  leaf{k}(["{quoted(e.names[id(leaf)])} {leaf.shape}<br/>norm {norm(g):.4g}"])'
    arrows: dict[str, None] = {}
    for step in e.steps:
        for s in step.shares:
            start, end = node[step.tensor], node[s.to]
            use = f"<br/>use {s.use} of {s.uses}" if s.uses > 1 else ""
            if "more" in start + end:
                arrows |= {f"  {start} --> {end}": None} if start != end else {}
            else:
                arrows[f'  {start} -->|"{quoted(s.rule)}{use}"| {end}'] = None
    yield from arrows


def quoted(text: str) -> str:
    """Text that Mermaid takes as it is."""
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")

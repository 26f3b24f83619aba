"""The documentation is true: its code runs, and prints what stands below it; every public name is on a page."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import io
import pkgutil
import re
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinygrad_nlp
from tinygrad_nlp.engine import TABLE
from tinygrad_nlp.run import Run

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("[!l_]*/*.md")])  # not lessons/ and _build/, which are made
BLOCK = re.compile(r"```(python|text)\n(.*?)```", re.S)  # a {code-block} is a fragment, which does not run by itself


def blocks(page: Path) -> list[tuple[str, str]]:
    """(code, what it prints) for each block of a page, in order."""
    found = [match.groups() for match in BLOCK.finditer(page.read_text(encoding="utf-8"))]
    pairs = zip(found, [*found[1:], ("", "")], strict=False)
    return [(code, text if after == "text" else "") for (kind, code), (after, text) in pairs if kind == "python"]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem)
def test_the_code_of_a_page_prints_what_stands_below_it(page: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    rows = dict(TABLE)
    try:
        for code, text in blocks(page):
            for library in re.findall(r"^(?:import|from) (torch|jax)\b", code, re.M):
                pytest.importorskip(library)
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(code, page.name, "exec"), names)
            assert printed.getvalue() == text, f"{page.name} prints:\n{printed.getvalue()}"
    finally:
        TABLE.clear()  # a page may add to the table
        TABLE.update(rows)


def test_the_callback_for_tensorboard(tmp_path: Path, monkeypatch: Any) -> None:
    """The fragment as it stands on the page, with a writer of ours in the place of the library's."""
    written: list[tuple[str, float, int]] = []

    class SummaryWriter:
        def __init__(self, folder: str, purge_step: int) -> None:
            self.purged = purge_step

        def add_scalar(self, key: str, value: float, global_step: int) -> None:
            written.append((key, value, global_step))

        def close(self) -> None:
            written.append(("closed", self.purged, 0))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "tensorboardX", SimpleNamespace(SummaryWriter=SummaryWriter))
    page = (DOCS / "howto" / "log_a_run.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```\{code-block\} python\n(from tensorboardX.*?)```", page, re.S)
    exec(compile(code, "log_a_run.md", "exec"), {"Run": partial(Run, quiet=True)})
    assert [line for line in written if line[0] == "loss"] == [("loss", 1 / (step + 1), step) for step in range(7)]
    assert {line[0] for line in written} == {"loss", "seconds", "closed"} and written[-1] == ("closed", 0, 0)


RUN = {"koans.template", "koans.template_2", "koans.sandbox"}  # for a process of their own, not to be imported


def test_every_module_is_on_a_page_of_the_reference_and_every_public_name_has_a_sentence() -> None:
    """A room's own file is one sentence, but for those that define something."""
    pages = [path.read_text(encoding="utf-8") for path in (DOCS / "reference").glob("*.md")]
    shown = [name for page in pages for name in re.findall(r"^\.\. automodule:: (\S+)$", page, re.M)]
    assert len(shown) == len(set(shown)), "a module is on two pages"
    modules = {info.name: info.ispkg for info in pkgutil.walk_packages(tinygrad_nlp.__path__, "tinygrad_nlp.")}
    needed = {name for name, room in modules.items() if not room and not name.endswith("__main__")}
    needed -= {f"tinygrad_nlp.{name}" for name in RUN}
    assert needed <= set(shown), f"not in docs/reference: {sorted(needed - set(shown))}"
    assert set(shown) <= set(modules)
    for name in tinygrad_nlp.__all__:
        thing = getattr(tinygrad_nlp, name)
        where = thing.__name__ if inspect.ismodule(thing) else thing.__module__
        assert thing.__doc__ and (where in shown or modules.get(where)), f"{name} of {where} is on no page"
    index = (DOCS / "reference" / "index.md").read_text(encoding="utf-8").split()
    assert {path.stem for path in (DOCS / "reference").glob("*.md")} - {"index"} <= set(index)


def test_links_between_pages_lead_somewhere() -> None:
    """Files and headings; what is outside has https and a host."""
    headings = {page: anchors(page) for page in PAGES}
    links = [(page, target) for page in PAGES for target in re.findall(r"\]\(([^)\s]+)\)", prose(page))]
    assert len(links) >= 10
    for page, target in links:
        if "://" in target:
            assert re.fullmatch(r"https://[\w.-]+\.\w+(/\S*)?", target), f"{page.name}: {target}"
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        lesson = re.match(r"\.\./lessons/(\w+)$|lessons/(\w+)$", path)
        if lesson:  # made from a script when the site is built
            assert (ROOT / "examples" / "lessons" / f"{lesson[1] or lesson[2]}.py").exists(), f"{page.name}: {target}"
            continue
        assert there.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in headings[there], f"{page.name}: {target}"


def prose(page: Path) -> str:
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as MyST and GitHub make them."""
    heads = re.findall(r"^#+ (.*)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_pictures_are_drawn_from_real_numbers() -> None:
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "pictures.py")
    assert spec and spec.loader
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    rng = np.random.default_rng(0)
    x, W = rng.normal(size=(3, 2)), rng.normal(size=(2, 2))
    slope = 1 - np.tanh(x @ W) ** 2  # of sum(tanh(x W + b)) at b = 0
    drawn = pictures.backward_pass()
    for gradient in (x.T @ slope, slope.sum(0), slope):
        assert f"‖∂‖ = {np.linalg.norm(gradient):.3g}<" in drawn
    assert drawn.count("<rect") == 6 and drawn.count("<polygon") == 10
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for ratio in re.findall(r"^\|[^|]+\| (\d\.\d+) \|", readme.partition("| step | PyTorch |")[2], re.M):
        assert f">{ratio}<" in pictures.speed()

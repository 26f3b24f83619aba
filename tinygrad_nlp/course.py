"""What the lessons share: their command line, exercises that are checked, where the files are, and notebooks."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from .checking.report import Report
from .console import Parser, one_thread

LAST = "exercise: "  # what a lesson prints last begins with this


def begin(doc: str | None) -> None:
    """The command line of a lesson, whose docstring this is: it takes --help. In a notebook there is none.

    BLAS has one thread from here on, as far as `console.one_thread` can say so.
    """
    one_thread()
    script = sys._getframe(1).f_globals.get("__file__")
    if script and Path(script).name == Path(sys.argv[0]).name:
        Parser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()


def exercise(found: Report | bool, hint: str = "there is no answer yet, or a wrong one") -> None:
    """Print whether an exercise is solved, and if not, what gradcheck() says of it, or the hint.

    >>> exercise(2 + 2 == 5, "count again")
    exercise: not yet: count again
    """
    if found:
        print(f"{LAST}right")
        return
    if isinstance(found, Report):
        missing = [f"∂{a.name}" for a in found.arguments if a.diagnosis.startswith("missing")]
        wrong = [
            f"∂{a.name}: {a.diagnosis or f'{a.given:.6g} instead of {a.numeric:.6g}'}"
            for a in found.arguments
            if not a.right and f"∂{a.name}" not in missing
        ]
        absent = [f"there is no {' and no '.join(missing)}"] if missing else []
        hint = "; ".join(absent + wrong + found.problems)
    print(f"{LAST}not yet: {hint}")


def examples() -> Path:
    """The folder of the examples: in the installed package, or beside it in a clone of the repository."""
    package = Path(__file__).parent
    inside = package / "examples"
    return inside if inside.is_dir() else package.parent / "examples"


def lessons() -> list[Path]:
    """The scripts of the lessons, in their order."""
    return sorted((examples() / "lessons").glob("[0-9][0-9]_*.py"))


def text_of(lesson: Path) -> str:
    """What examples/README.md says about a lesson: the section that runs it, without what it prints."""
    sections = re.split(r"^(?=## )", (examples() / "README.md").read_text("utf-8"), flags=re.M)
    section = next(s for s in sections if f"lessons/{lesson.name}\n" in s)
    return re.sub(r"^```console\n.*?^```\n", "", section, flags=re.M | re.S).strip()


def notebook(lesson: Path) -> str:
    """A lesson as the text of a Jupyter notebook: the section of the README, then the cells of the script.

    Raises ImportError without jupytext (extra notebook).
    """
    try:
        import jupytext
    except ImportError as error:
        raise ImportError("notebooks need jupytext: pip install jupytext") from error
    code = lesson.read_text("utf-8").partition('"""')[2].partition('"""')[2]  # the section says what the docstring does
    said = "\n".join(f"# {line}".rstrip() for line in text_of(lesson).split("\n"))
    cells = re.sub(r"^# %% (.*\n)((?:#.*\n)*)", r"# %% [markdown]\n# ### \1#\n\2\n# %%\n", code, flags=re.M)
    book: Any = jupytext.reads(f"# %% [markdown]\n{said}\n\n# %%\n{cells.strip()}", fmt="py:percent")
    book.cells = [cell for cell in book.cells if cell.source]
    for i, cell in enumerate(book.cells):
        cell.source = cell.source.strip("\n")
        cell["id"] = f"cell-{i}"  # not at random, so that the same lesson gives the same file
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return str(jupytext.writes(book, fmt="ipynb"))

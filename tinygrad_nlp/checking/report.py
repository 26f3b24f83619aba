"""What gradcheck() found out: a Report, with an Argument for each array that was differentiated."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..core import notebook

LINE = 200  # characters of what is wrong, in a line


@dataclass
class Argument:
    """What was found out about the gradient of one argument; `index`, `given` and `numeric` belong to its worst
    place."""

    name: str
    shape: tuple[int, ...]
    right: bool
    checked: str
    index: tuple[int, ...] | None = None
    given: float = math.nan
    numeric: float = math.nan
    kinks: list[tuple[int, ...]] = field(default_factory=list)
    diagnosis: str = ""

    def pair(self) -> tuple[str, str]:
        """The given number and the numeric one, with as many digits as it takes to tell them apart."""
        for digits in (8, 12, 17):
            found = f"{self.given:.{digits}g}", f"{self.numeric:.{digits}g}"
            if found[0] != found[1]:
                break
        return found

    def __str__(self) -> str:
        """One line: x (3,) at (1,): 2 instead of 4; factor 1/2 everywhere."""
        worst = "" if self.index is None else " at {}: {} instead of {}".format(self.index, *self.pair())
        return "; ".join([f"{self.name} {self.shape}{worst}", *([self.diagnosis] if self.diagnosis else [])])


@dataclass(repr=False)
class Report(notebook.Printed):
    """The outcome of gradcheck(): true when all is right; printed, it is a table with a line for each argument.

    `problems` belong to no single argument: inputs changed in place, too few gradients, outputs that cannot be
    compared."""

    arguments: list[Argument]
    problems: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.arguments) and not self.problems and all(a.right for a in self.arguments)

    def text(self) -> str:
        lines = [("argument", "shape", "", "worst at", "given", "numeric", "")]
        for a in self.arguments:
            at = ("", "", "") if a.index is None else (str(a.index), *a.pair())
            notes = [note for note in (a.diagnosis, a.checked) if note]
            if a.kinks:
                notes.append(f"{len(a.kinks)} at a kink, the first at {a.kinks[0]}")
            lines.append((a.name, str(a.shape), "right" if a.right else "WRONG", *at, "; ".join(notes)))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines]
        table.insert(0, f"gradcheck: {'right' if self else 'WRONG'}")
        return "\n".join(table + [f"problem: {p}" for p in self.problems])

    def __repr__(self) -> str:
        """One line with what is wrong, which is what pytest shows of a failed `assert gradcheck(...)`."""
        wrong = [str(a) for a in self.arguments if not a.right] + self.problems
        said: list[str] = []
        for what in wrong:  # pytest shows 240 characters and cuts in the middle
            left = LINE - sum(len(part) + 3 for part in said)
            if len(what) > left and said:
                break
            said.append(what if len(what) <= left else what[: left - 1] + "…")
        rest = [f"and {len(wrong) - len(said)} more"] if len(said) < len(wrong) else []
        return " | ".join([f"<gradcheck: {'right' if self else 'WRONG'}", *said, *rest]) + ">"

    def _repr_html_(self) -> str:
        return notebook.report(str(self).splitlines()[0], bool(self), self.arguments, self.problems)

"""What a verdict row says, and the words that verdicts use."""

from __future__ import annotations

from typing import Any

from .figures import PLACES, Figures, Results, several

ONE_SEED = "¹"
LEGEND = {
    "holds": "what the row says is so, by the intervals beside it",
    "fails": "the opposite is so, by the intervals beside it",
    "undecided": "the intervals allow both",
    "no gain": "all intervals of the difference lie inside ± half a point of accuracy",
    "reproduced": "the published figures lie inside our mean ± 2 standard deviations over seeds",
    "not reproduced": "they do not",
    "explained": "how the published figures came about is shown, and they follow from it",
    "reached": "both published figures are reached",
    "close": "one of them is not",
    "improved": "better than published",
    "stands": "this explanation of the table is supported by the figures beside it",
    "falls": "it is not",
    "artefact": "the published figures are not about what they seem to be about",
    "shown": "a figure without a claim that it could confirm",
    "not tested": "what the claim is about is not among the data of this run",
    "not compared": "built-in text: the figures show only that everything works",
    "smoke": "a few steps of everything: no verdict",
    ONE_SEED: "of one seed, so what another would give is not known; its interval is over the text or the reviews",
}
NONE_CHOSEN, TEST_SEEN = "nothing", "the recipe, with test figures in view"
VALIDATION, FIRST_HALF = "the epoch, on validation reviews", f"weight and order, on the first half; {TEST_SEEN}"
Row = dict[str, Any]


def yes(condition: bool, one: str = "holds", other: str = "fails") -> str:
    return one if condition else other


def inside(value: float, f: Figures, name: str) -> bool:
    """Whether a published figure is inside mean ± 2 standard deviations over seeds; with one seed it never is."""
    return abs(value - f[name]) <= 2 * f.get(f"{name}.sd", 0.0)


def ends(f: Figures, name: str, over: str = "") -> tuple[float, float]:
    """The ends of a figure's interval, over seeds, the text or the reviews; twice the figure if it has none."""
    of = f"{name}.{over}" if over else name
    return f.get(f"{of}.low", f.get(name, f.get(of, 0.0))), f.get(f"{of}.high", f.get(name, f.get(of, 0.0)))


def said(f: Figures, name: str, digits: int, sign: str = "") -> str:
    """A figure with an interval: over seeds if there are several, else over the text or the reviews; marked if it is of
    one seed."""
    figure = f"{f[name]:{sign}.{digits}f}{ONE_SEED if f.get(f'{name}.seeds') == 1 else ''}"
    for over in ("", ".text", ".reviews"):
        if f"{name}{over}.low" in f:
            low, high = f[f"{name}{over}.low"], f[f"{name}{over}.high"]
            return f"{figure} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"
    return figure


class Verdicts:
    """One row a claim: id, claim, published, ours, verdict, comparable, and what a reader needs to judge the figure.

    state: "" for a full run on the real corpora; "smoke" or "built-in" where training or text do not allow a verdict.
    """

    def __init__(self, results: Results, f: Figures, state: str) -> None:
        self.results, self.f, self.state, self.rows = results, f, state, list[Row]()

    def row(
        self, id: str, claim: str, published: str | None, ours: str, verdict: str, unit: str = "", *,
        jobs: tuple[str, ...] = (), names: tuple[str, ...] = (), chosen: str = NONE_CHOSEN, always: bool = False,
        code: str = "", beside: str = "",
    ) -> None:  # fmt: skip
        """jobs: experiments whose CPU seconds and seeds count; names: figures whose intervals are told; always: the
        claim needs neither training nor text, so it is judged in every run; beside: what it may be compared with."""
        comparable = always or not self.state
        withheld = "smoke" if self.state == "smoke" else "not compared"
        cpu = self.results["cpu"]
        theirs = [key for job in jobs for key in cpu if key == job or key.rpartition("-")[0] == job]
        seeds = max([len(several(self.results, job)) for job in jobs], default=0)
        intervals = {
            f"{name}{over}": [self.f[f"{name}{over}.low"], self.f[f"{name}{over}.high"]]
            for name in names for over in ("", ".text", ".reviews") if f"{name}{over}.low" in self.f
        }  # fmt: skip
        self.rows.append(
            {
                "id": id,
                "claim": claim,
                "published": published if comparable or published is None else "not comparable",
                "ours": ours,
                "verdict": verdict if comparable else withheld,
                "comparable": comparable,
                "units": unit,
                "seeds": seeds,
                "intervals": intervals,
                "chosen_on": chosen,
                "cpu_seconds": round(sum(cpu[key] for key in theirs), 1),
                "comparability": (beside or "nothing published") if comparable else "nothing",
                "code": code,
            }
        )

    def both(self, name: str, digits: int = 3) -> str:
        """The figure of both passages, with its interval over seeds, or over blocks where there is one seed."""
        return " / ".join(said(self.f, name.format(place), digits) for place in PLACES)

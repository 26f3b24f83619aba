"""The figures that README.md and the headers of the examples quote: from expected.json, and from nowhere else.

    python examples/reproduction/expected.py OUT/report.json

takes over the figures of a finished reproduction, and writes them where they are quoted.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tinygrad_nlp.console import exit_code
from tinygrad_nlp.files import FileError, write_json, write_text

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = Path(__file__).with_name("expected.json")
DECIMAL = re.compile(r"\d+\.\d+")

# The decimals that stand in each place, in order: a figure and its digits, or what is no figure of ours as it stands.
LITERAL = [("rnn.literal.shakespeare.ppl", 2), ("rnn.literal.wikipedia.ppl", 2), "6.857", "15.361"]
STATIC, COUNTED = ("char.static.nats", 3), ("char.counts.7.nats", 3)
MIXED, DYNAMIC, ONLINE = (("char.mixed.nats", 3), ("char.dynamic.nats", 3), ("char.online.nats", 3))
COUNTS = [("bigram.counts.modified_kneser_ney.dev.ppl", 1), ("bigram.counts.dirichlet.dev.ppl", 1)]
BIGRAM = [("bigram.dev.ppl", 1), *COUNTS, ("bigram.counts.trigram.dev.ppl", 1)]
PASSAGES = [
    (f"bigram.{how}.{place}.ppl", 1) for how in ("words", "published") for place in ("shakespeare", "wikipedia")
]
RECURRENT = ("words.recurrent.ppl", 1)
TRAINED = [("sentiment.trained.accuracy", 3), ("sentiment.bigrams.accuracy", 3)]
RELU, LINEAR = ("sentiment.glove.relu.accuracy", 3), ("sentiment.glove.linear.accuracy", 3)
NB3, ENSEMBLE = ("sentiment.nb3.accuracy", 3), ("sentiment.ensemble.accuracy", 3)
QUOTED: dict[str, list[str | tuple[str, int]]] = {
    "README.md": [
        *BIGRAM, RECURRENT, ("words.mixed.ppl", 1), *LITERAL, STATIC, COUNTED, MIXED, DYNAMIC, ONLINE, *TRAINED, RELU,
        NB3, ENSEMBLE,
    ],
    "examples/bigram.py": [*BIGRAM, *PASSAGES, "7.7246", "25.633"],
    "examples/word_rnn.py": [RECURRENT, BIGRAM[0], BIGRAM[3]],
    "examples/char_rnn.py": ["0.005", *LITERAL, STATIC, MIXED, COUNTED, DYNAMIC, ONLINE, "0.8"],
    "examples/sentiment.py": [*TRAINED, RELU, LINEAR, NB3, ENSEMBLE],
}  # fmt: skip


def places(name: str, text: str) -> Iterator[re.Match[str]]:
    """The decimals of a file that are promises: in the header of an example, and in README's table of examples."""
    if name.endswith(".py"):
        yield from DECIMAL.finditer(text, 0, text.index('"""', 3))
        return
    for row in re.finditer(r"^\| `python examples/(?:bigram|word_rnn|char_rnn|sentiment)\.py.*$", text, re.MULTILINE):
        yield from DECIMAL.finditer(text, row.start(), row.end())


def promised(name: str, figures: dict[str, float]) -> list[str]:
    """What these decimals have to be."""
    return [q if isinstance(q, str) else f"{figures[q[0]]:.{q[1]}f}" for q in QUOTED[name]]


def rewritten(name: str, text: str, figures: dict[str, float]) -> str:
    """The file with the figures in place."""
    parts, end = [], 0
    for match, number in zip(places(name, text), promised(name, figures), strict=True):
        parts += [text[end : match.start()], number]
        end = match.end()
    return "".join([*parts, text[end:]])


def take_over(report: Path) -> None:
    """Put the figures of a finished reproduction on the real corpora in place of those before."""
    try:
        found = json.loads(report.read_bytes())
    except (OSError, ValueError) as error:
        raise FileError(f"cannot read {report}: {error}: name the report.json of a reproduction") from error
    if found["note"]:
        raise FileError(f"{report} promises nothing ({found['note']}): run it on the real corpora, without --smoke")
    names = sorted({q[0] for quoted in QUOTED.values() for q in quoted if not isinstance(q, str)})
    if missing := [name for name in names if name not in found["figures"]]:
        raise FileError(f"{report} lacks {', '.join(missing)}: GloVe has to be among the data")
    figures = {name: found["figures"][name] for name in names}
    write_json(EXPECTED, {"from": "a full run of examples/reproduce.py", "figures": figures})
    for name in QUOTED:
        write_text(ROOT / name, rewritten(name, (ROOT / name).read_text(encoding="utf-8"), figures))


if __name__ == "__main__":
    sys.exit(exit_code(lambda: take_over(Path(sys.argv[1])), Path(sys.argv[0]).name))

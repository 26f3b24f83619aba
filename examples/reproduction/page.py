"""report.json as one page: nothing loaded from elsewhere, for a phone as for a desk, by day and by night.

The page says nothing that report.json does not: page() sees only that, and report.json alone makes it again:

    python examples/reproduction/page.py OUT/report.json > OUT/report.html
"""

from __future__ import annotations

import io
import json
import re
import sys
from html import escape
from pathlib import Path
from typing import Any

from tinygrad_nlp.console import exit_code
from tinygrad_nlp.files import FileError

Spec = dict[str, Any]
INK = "#010203"  # stands for the colour of the page's text, which a picture does not know
COLOURS = ("#3b82c4", "#d9822b", "#3f9e5a", "#c2504f", "#8c6bb1", "#8a8a8a")  # seen well on white and on black
NONE = "–"
LEAST = 0.04  # of a zoomed axis: a difference of 0.004 is a tenth of it
STRONG = 0.6  # contribution of a word that is shaded fully

STYLE = """
:root { color-scheme: light dark; --page: #fdfdfb; --ink: #1d2329; --soft: #5b6570; --line: #d6dade;
  --for: 40 140 80; --against: 205 70 60 }
@media (prefers-color-scheme: dark) {
  :root { --page: #15181c; --ink: #e4e7ea; --soft: #9aa4ae; --line: #363c43; --for: 70 175 110; --against: 225 95 85 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif }
p, summary, .long { overflow-wrap: anywhere }
h1, h2 { line-height: 1.2 }
h2 { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1rem }
h2 span, .soft, caption { color: var(--soft) }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-variant-numeric: tabular-nums }
caption { text-align: left; padding-bottom: .3rem }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line) }
.long { font-size: .8em }
.summary td:first-child, .summary td:last-child { white-space: nowrap }
.summary small { display: block; color: var(--soft); line-height: 1.35 }
nav ul { columns: 18rem; padding-left: 1.2rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem }
dt { font-weight: 600 }
dd { margin: 0 }
.summary td:last-child { font-weight: 600 }
figure { margin: 1.5rem 0 }
figure svg { width: 100%; height: auto; max-width: 40rem; color: var(--ink); display: block }
.conclusion { border-left: .25rem solid var(--line); padding-left: .8rem }
details { margin: .7rem 0 }
summary { cursor: pointer }
.review { line-height: 1.9 }
mark { color: inherit; border-radius: .2em }
@media print {
  body { max-width: none; font-size: .85rem }
  h2, tr, figure, .conclusion { break-inside: avoid }
  h2 { break-after: avoid }
}
@media (max-width: 40rem) {
  td, th, caption, dd, li { overflow-wrap: anywhere }
  dl { grid-template-columns: 1fr }
  dd { margin-bottom: .4rem }
  .wide thead, .summary .none { display: none }
  .wide tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line) }
  .wide td { display: block; border: 0; padding: .1rem 0 }
  .wide td:not(:first-child)::before { content: attr(data-head) " "; color: var(--soft) }
  .summary tr { display: grid; grid-template-columns: auto 1fr auto; column-gap: .6rem }
  .summary td:nth-child(2)::before, .summary td:nth-child(5)::before { content: none !important }
  .summary td:nth-child(3) { grid-area: 2 / 1 / 3 / 4 }
  .summary td:nth-child(4) { grid-area: 3 / 1 / 4 / 4 }
  .summary td:nth-child(5) { grid-area: 1 / 3 }
}
"""


# %% The page
def page(report: Spec) -> str:
    """The whole page from the whole of report.json."""
    corpora = [[name, source["source"], source["sha256"]] for name, source in report["corpora"].items()]
    pictures = any(section.get("pictures") for section in report["sections"])
    missing = (
        "" if drawing() or not pictures else "<p class=soft>Pictures need the extra [plot]: pip install matplotlib</p>"
    )
    note = f"<p><b>{escape(report['note'])}</b></p>" if report["note"] else ""
    body = "\n".join(section(s) for s in report["sections"])
    contents = "".join(
        f"<li><a href='#{anchor(s['id'])}'>{escape(s['id'])} {escape(s['title'])}</a></li>" for s in report["sections"]
    )
    legend = "".join(f"<dt>{escape(word)}</dt><dd>{escape(meaning)}</dd>" for word, meaning in report["legend"].items())
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>The assignment, run again</title><link rel="icon" href="data:,"><style>{STYLE}</style></head><body>
<h1>The assignment, run again</h1>
<p>{escape(report["introduction"])}</p>
{note}{missing}
<nav><ul>{contents}<li><a href="#legend">What verdicts and marks mean</a></li>
<li><a href="#corpora">Corpora</a></li></ul></nav>
{summary(report)}
<h2 id="legend">What verdicts and marks mean</h2>
<dl>{legend}</dl>
{body}
<h2 id="corpora">Corpora</h2>
{table({"caption": "", "head": ["corpus", "source", "sha256"], "rows": corpora})}
</body></html>
"""


def anchor(id: str) -> str:
    return f"row-{id}"


def summary(report: Spec) -> str:
    """All rows, each with what is needed to judge its figure."""
    known = {s["id"] for s in report["sections"]}
    head = ["row", "claim", "published", "ours", "verdict"]
    rows = []
    for row in report["rows"]:
        of = [row["units"], f"{row['seeds']} seed{'' if row['seeds'] == 1 else 's'}" if row["seeds"] else ""]
        of += [f"chosen: {row['chosen_on']}" if row["seeds"] else "", f"compared with: {row['comparability']}"]
        of += [f"{row['cpu_seconds']} s of CPU" if row["cpu_seconds"] else ""]
        said = escape("; ".join(part for part in of if part))
        code = f"<a href='{escape(report['root'])}/{escape(row['code'])}'>{escape(row['code'])}</a>"
        id = escape(row["id"])
        id = f"<a href='#{anchor(id)}'>{id}</a>" if row["id"] in known else id
        published = row["published"] or NONE
        cells = [id, escape(row["claim"]), escape(published), f"{escape(row['ours'])}<small>{said}; {code}</small>"]
        cells.append(escape(row["verdict"]))
        styles = ["", "", "none" if published == NONE else "", "", ""]
        marked = zip(head, cells, styles, strict=True)
        rows.append("".join(f'<td class="{style}" data-head="{name}">{cell}</td>' for name, cell, style in marked))
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    heads = "".join(f"<th>{name}</th>" for name in head)
    return f'<table class="wide summary"><thead><tr>{heads}</tr></thead><tbody>\n{body}</tbody></table>'


def section(s: Spec) -> str:
    """A claim: method, tables, pictures, reviews, conclusion."""
    head = f"<h2 id='{anchor(s['id'])}'><span>{escape(s['id'])}</span> {escape(s['title'])}</h2>"
    parts = [head, f"<p>{escape(s['method'])}</p>"]
    parts += [table(t) for t in s["tables"]]
    parts += [figure(p, salt=f"{s['id']} {i}") for i, p in enumerate(s.get("pictures", ()))]
    parts += [review(r) for r in s.get("reviews", ())]
    return "\n".join([*parts, f"<p class=conclusion>{escape(s['conclusion'])}</p>"])


def table(t: Spec) -> str:
    """On a narrow screen tables with many columns become lists."""

    def cell(name: str, text: str) -> str:
        style = "long" if max(map(len, text.split()), default=0) > 40 else ""
        style = "none" if text == NONE else style
        return f'<td class="{style}" data-head="{escape(name)}">{escape(text)}</td>'

    head = "".join(f"<th>{escape(name)}</th>" for name in t["head"])
    rows = ("".join(cell(*c) for c in zip(t["head"], row, strict=True)) for row in t["rows"])
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    caption = f"<caption>{escape(t['caption'])}</caption>" if t["caption"] else ""
    wide = "wide" if len(t["head"]) > 3 else ""
    return f'<table class="{wide}">{caption}<thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>'


def review(r: Spec) -> str:
    """A review, its words shaded by what they contribute: green for good, red for bad."""
    words = "".join(f"{shaded(word, weight)} " for word, weight in r["words"])
    return (
        f"<details><summary>{escape(r['head'])}</summary><p class=soft>{escape(r['sum'])}<br>"
        f"{escape(r['strongest'])}<br>{escape(r['explanations'])}</p><p class=review>{words}</p></details>"
    )


def shaded(word: str, weight: float) -> str:
    strength = min(abs(weight) / STRONG, 1)
    if strength < 0.05:
        return escape(word)
    colour = "for" if weight > 0 else "against"
    return f'<mark style="background: rgb(var(--{colour}) / {strength:.2f})" title="{weight:+}">{escape(word)}</mark>'


# %% Pictures
def drawing() -> Any:
    """matplotlib, or None where it is not installed."""
    try:
        import matplotlib
    except ImportError:
        return None
    return matplotlib


def figure(p: Spec, salt: str) -> str:
    """A picture as SVG in the page, its text as outlines so that no font is needed; the same bytes each time."""
    matplotlib = drawing()
    if matplotlib is None:
        return ""
    from matplotlib.figure import Figure

    ink = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    style = {
        "svg.hashsalt": salt,
        "svg.fonttype": "path",
        "font.size": 9,
        "legend.frameon": False,
        **dict.fromkeys(ink, INK),
    }
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **style, "backend": "agg"}):
        drawn = Figure(figsize=(5, 3.2), layout="constrained")
        axes = drawn.subplots()
        texts = [x for points in p["series"].values() for x, *_ in points if isinstance(x, str)]
        (bars if texts else lines)(axes, p)
        axes.set(xlabel=p["x"], ylabel=p["y"])
        axes.spines[["top", "right"]].set_visible(False)
        if len(p["series"]) > 1:
            columns = min(3, max(1, 66 // (max(map(len, p["series"])) + 6)))  # as many names as fit side by side
            below = (0.5, -0.2 if p["x"] else -0.1)
            axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=below, ncols=columns)
        file = io.StringIO()
        drawn.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    ids = f"s{salt.replace(' ', '-').replace('.', '')}-"  # apart from those of the other pictures in the page
    svg = re.sub(r'\bid="', f'id="{ids}', svg).replace('href="#', f'href="#{ids}').replace("url(#", f"url(#{ids}")
    label = escape(p["caption"])
    return f'<figure role="img" aria-label="{label}">{svg}<figcaption class=soft>{label}</figcaption></figure>'


def lines(axes: Any, p: Spec) -> None:
    """Points joined, with their intervals if they have any."""
    for (name, points), colour in zip(p["series"].items(), COLOURS, strict=False):
        x, y = [point[0] for point in points], [point[1] for point in points]
        axes.plot(x, y, "o-", markersize=3, label=name, color=colour)
        if points and len(points[0]) == 4:
            axes.fill_between(
                x, [point[2] for point in points], [point[3] for point in points], alpha=0.25, color=colour, lw=0
            )


def bars(axes: Any, p: Spec) -> None:
    """Bars side by side for each x, from 0; zoom: points with their intervals, on a scale of at least LEAST."""
    names = list(dict.fromkeys(x for points in p["series"].values() for x, *_ in points))
    width = 0.8 / len(p["series"])
    for i, ((name, points), colour) in enumerate(zip(p["series"].items(), COLOURS, strict=False)):
        x = [names.index(point[0]) + (i + 0.5) * width - 0.4 for point in points]
        if not p.get("zoom"):
            axes.bar(x, [point[1] for point in points], 0.9 * width, label=name, color=colour)
            continue
        axes.plot(x, [point[1] for point in points], "o", markersize=5, label=name, color=colour)
        for at, (_, *ends) in zip(x, points, strict=True):
            if len(ends) == 3:
                axes.plot([at, at], ends[1:], lw=1.5, color=colour)
    axes.set_xticks(range(len(names)), names)
    if p.get("zoom"):
        low, high = axes.get_ylim()
        spare = max(LEAST - (high - low), 0) / 2
        axes.set_ylim(low - spare, high + spare)


def main() -> None:
    path = Path(sys.argv[1])
    try:
        report = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise FileError(f"cannot read {path}: {error}: name the report.json of a reproduction") from error
    sys.stdout.buffer.write(page(report).encode())  # the page says that it is UTF-8


if __name__ == "__main__":
    sys.exit(exit_code(main, Path(sys.argv[0]).name))

"""The page: the numbers of report.json and no others, nothing from elsewhere, readable at two widths."""

import copy
import html
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from reproduction.page import page

from tests.examples.reproduction import reproduced

EXAMPLES = Path(__file__).parents[3] / "examples"
NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")
VOID = {"meta", "link", "br"}


@pytest.fixture(scope="module")
def report():
    return reproduced.report()


@pytest.fixture(scope="module")
def made(report):
    pytest.importorskip("matplotlib")
    return page(report)


class Reader(HTMLParser):
    """The text of a page outside its style and pictures; ids, attributes, and whether tags are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.ids, self.attributes = [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        self.attributes += attributes
        self.ids += [value for name, value in attributes if name == "id"]

    def handle_startendtag(self, tag, attributes):
        self.attributes += attributes
        self.ids += [value for name, value in attributes if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "svg"} & set(self.open):
            self.text.append(data)


def test_the_page_is_what_reproduce_wrote(made):
    assert made == (reproduced.smoke_run() / "report.html").read_text(encoding="utf-8")


def test_every_number_on_the_page_is_in_the_report(report, made):
    known = set(NUMBER.findall(json.dumps(report, ensure_ascii=False)))
    shown = [number for text in Reader(made).text for number in NUMBER.findall(text)]
    assert len(shown) > 100 and set(shown) <= known


def test_every_number_of_the_rows_and_tables_is_on_the_page(report, made):
    text = " ".join(Reader(made).text)
    for row in report["rows"]:
        assert row["ours"] in text and row["claim"] in text and row["verdict"] in report["legend"]
        assert (EXAMPLES.parent / row["code"]).is_file(), row
    for section in report["sections"]:
        for table in section["tables"]:
            assert all(cell in text for row in table["rows"] for cell in row)


QUOTED = {"1.406", "1.4697", "1.886"}  # figures of others
ELSEWHERE = ("P(good) of the published five, by our models", "A line of the passage", "± half a point")
OTHERS = ("Perplexity with the memory cut to the last k characters", "Largest difference for a sentence, in nats")


def test_the_tables_figures_are_those_of_the_flat_map(report):
    rounded = {
        f"{value:{sign}.{digits}f}"
        for value in report["figures"].values()
        for digits in (1, 2, 3, 4)
        for sign in ("", "+")
    }
    for section in report["sections"]:
        for table in section["tables"]:
            for row in table["rows"]:
                if table["caption"] not in (*ELSEWHERE, *OTHERS):
                    decimals = re.findall(r"[+-]?\d+\.\d{2,4}\b", " ".join(row[1:]))
                    assert set(decimals) - QUOTED <= rounded, (table["caption"], row)


def test_the_policy_of_the_page_comes_before_all_that_it_is_about(made):
    policy = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; """
    assert made.index(policy) < min(made.index(tag) for tag in ("<title", "<link", "<style"))


def test_nothing_is_loaded_from_elsewhere(report, made):
    reader = Reader(made)
    assert "<script" not in made and "@import" not in made and "@font-face" not in made
    code = report["root"] + "/examples/"  # links to the code behind a row, which a reader may follow
    for name, value in reader.attributes:
        assert not (name.startswith("on") or name in ("src", "srcset", "data", "action"))
        assert name not in ("href", "xlink:href") or value.startswith(("#", "data:,", code)), (name, value)
    assert set(re.findall(r"url\((.)", made)) <= {"#"}


def test_ids_differ_and_references_lead_somewhere(made):
    reader = Reader(made)
    assert len(reader.ids) == len(set(reader.ids)) > 0
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', made)) <= set(reader.ids)


def test_the_same_report_is_the_same_bytes_after_a_round_trip(report, made):
    assert page(json.loads(json.dumps(report))) == made
    assert "20" not in re.findall(r"<dc:date>(..)", made)


def test_without_matplotlib_the_page_has_no_pictures_and_says_which_extra(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    plain = page(report)
    assert "<svg" not in plain and "the extra [plot]: pip install matplotlib" in plain
    Reader(plain)


def test_text_of_a_corpus_is_text_not_markup(report):
    planted, evil = copy.deepcopy(report), "<script>alert('&')</script>"
    planted["rows"][0]["claim"] = planted["note"] = planted["sections"][0]["title"] = planted["sections"][0][
        "method"
    ] = evil
    planted["sections"][0]["tables"][0]["rows"][0][0] = evil
    words = {"head": evil, "sum": evil, "strongest": evil, "explanations": evil, "words": [[evil, 0.0], [evil, 2.0]]}
    planted["sections"][0]["reviews"] = [words]
    made = page(planted)
    assert "<script" not in made and made.count(html.escape(evil)) >= 10
    Reader(made)


PROBE = """<script>
const found = parent.document.body.dataset;
addEventListener("error", e => found.error = e.message || "resource");
addEventListener("load", () => {
  document.querySelectorAll("details").forEach(d => d.open = true);
  const out = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 0.5);
  Object.assign(found, { width: innerWidth, scroll: document.documentElement.scrollWidth, out: out.length,
    requests: performance.getEntriesByType("resource").filter(e => !e.name.startsWith("data:")).length });
});</script>"""


@pytest.mark.parametrize("width", [400, 1280])
def test_in_chromium_nothing_is_cut_off_requested_or_wrong(made, tmp_path, width):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        pytest.skip("chromium is not installed")
    foreign = "<script>parent.document.body.dataset.foreign = 'ran'</script>"  # what the page's own policy must stop
    probed = html.escape(made.replace("<head>", "<head>" + PROBE).replace("</body>", foreign + "</body>"))
    framed = tmp_path / "framed.html"  # a window can't be as narrow as a phone, but a frame can
    framed.write_text(
        f'<body><iframe style="width: {width}px; height: 900px; border: 0" srcdoc="{probed}"></iframe>', "utf-8"
    )
    quiet = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
    ]
    quiet += [
        "--disable-component-update",
        "--disable-sync",
        "--dump-dom",
        "--hide-scrollbars",
        "--window-size=1400,1000",
    ]
    command = [chromium, *quiet, f"--user-data-dir={tmp_path}/profile", framed.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout
    found = dict(re.findall(r'data-(\w+)="([^"]*)"', re.search(r"<body[^>]*>", shown)[0]))
    assert found == {"width": str(width), "scroll": str(width), "out": "0", "requests": "0"}

"""notebook.py: what results look like in a notebook, which is executed and looked at in Chromium."""

import re
import struct
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest

from tests.seeing.browser import ask, needs_chromium
from tinygrad_nlp import Tensor
from tinygrad_nlp.core import notebook

CELLS = """
import numpy as np
from tinygrad_nlp import Tensor, explain, gradcheck, nn, preflight, run, softmax_cross_entropy, time_map, watch
rng = np.random.default_rng(0)
W = Tensor(rng.normal(size=(3, 2)))
---
W
---
loss = np.sum(np.tanh(rng.normal(size=(4, 3)) @ W)); explain(loss)
---
time_map(nn.RNN(2, 3, rng=rng, dtype=float), rng.normal(size=(12, 1, 2)), np.zeros((1, 3)))
---
x, labels = rng.normal(size=(6, 3)), rng.integers(0, 2, 6)
def loss_of(model, batch):
    return softmax_cross_entropy(model(batch[0]), batch[1])
preflight(nn.Linear(3, 2, rng=rng, dtype=float), (x * 0, labels), loss_of, steps=5)
---
with watch():
    np.log(W * 0)
---
try:
    with watch():
        np.sqrt(W * 0 - 1)
except FloatingPointError as error:
    found = error
found
---
gradcheck(lambda x: x @ W.data, rng.normal(size=(2, 3)), gradient=lambda g, x: g @ W.data.T + 0.1)
---
training = run.Run("a_run", save_seconds=60)
for step in training.steps(30):
    training.log(loss=1 / (1 + step))
""".strip()


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Each cell's outputs, the explanation's twenty times over."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    cells = CELLS.split("\n---\n")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells + [cells[2]] * 19])
    folder = tmp_path_factory.mktemp("notebook")
    nbclient.NotebookClient(book, allow_errors=True, resources={"metadata": {"path": folder}}, timeout=120).execute()
    return [cell.outputs for cell in book.cells]


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def html_of(found):
    return next(o["data"]["text/html"] for o in found if "data" in o)


def test_every_result_shows_itself_and_disturbs_nothing(outputs):
    shown = [outputs[k] for k in (1, 2, 3, 4, 6, 7, 8)]
    for found in shown:
        tags = Tags(html_of(found)).found
        assert not {tag for tag, _ in tags} & {"style", "script", "link"}
        assert not any("id" in attributes or "class" in attributes for _, attributes in tags)
        assert not any(value.startswith("http") for _, a in tags for key, value in a.items() if key in ("src", "href"))
        assert next(o for o in found if "data" in o)["data"]["text/plain"]
    assert "Tensor (3, 2) float64, a leaf" in html_of(outputs[1])
    assert html_of(outputs[2]).startswith('<iframe sandbox="allow-scripts"') and "srcdoc=" in html_of(outputs[2])
    assert outputs[2][0]["data"]["text/plain"].startswith("backward pass of loss = ")
    assert "a map of ‖∂L_t/∂h_s‖, 12 by 12" in html_of(outputs[3]) and "preflight: " in html_of(outputs[4])
    assert "gradcheck: WRONG" in html_of(outputs[7]) and "<td" in html_of(outputs[7])
    assert "step 30 of 30" in html_of(outputs[8]) and "polyline" in html_of(outputs[8])


def test_the_error_of_watch_names_the_line(outputs):
    error = next(o for o in outputs[5] if o.output_type == "error")
    text = "\n".join(error.traceback)
    assert error.ename == "NotFinite" and "→ np.log(W * 0)" in text and "remedy: log is -inf at 0" in text
    assert "tinygrad_nlp/engine.py" not in text
    assert "→ np.sqrt(W * 0 - 1)" in html_of(outputs[6]) and "made NaN" in html_of(outputs[6])


@needs_chromium
def test_the_twentieth_is_as_right_as_the_first_and_the_notebooks_style_stays(outputs):
    style = "<style>h1 { color: rgb(1, 2, 3) } td { color: rgb(4, 5, 6) } button { color: rgb(7, 8, 9) }</style>"
    probes = "<h1>a</h1><table><tr><td>a</table><button>a</button>"
    shown = "".join(html_of(outputs[k]) for k in (1, 2, 3, 4, 6, 7, 8, *range(9, 28)))
    inside = shown.replace('sandbox="allow-scripts"', "")  # so that the test can look in
    page = f"<!doctype html><html><body>{style}{probes}{inside}</body></html>"
    found = ask(page, "notebookOutputs()")
    assert found["probes"] == ["rgb(1, 2, 3)", "rgb(4, 5, 6)", "rgb(7, 8, 9)"]
    assert len(found["frames"]) == 20
    for frame in found["frames"]:
        assert frame["nodes"] == found["frames"][0]["nodes"] > 3 and frame["wide"] <= 0
        assert frame["counts"][0] == "given" and frame["counts"][1].startswith("backward 2 / ")
    assert found["pictures"] == [[12, 12]]


def test_a_picture_is_a_png():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 4)).astype(np.uint8)
    data = notebook.png(pixels)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, rest = {}, data[8:]
    while rest:
        (size,), kind = struct.unpack(">I", rest[:4]), rest[4:8]
        chunks[kind] = rest[8 : 8 + size]
        assert struct.unpack(">I", rest[8 + size : 12 + size])[0] == zlib.crc32(kind + chunks[kind])
        rest = rest[12 + size :]
    assert struct.unpack(">II", chunks[b"IHDR"][:8]) == (7, 5)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(5, 29)
    assert not rows[:, 0].any() and np.array_equal(rows[:, 1:].reshape(5, 7, 4), pixels)


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0), (40, 30), (2, 3, 4)])
def test_numbers_of_every_shape(shape):
    t = Tensor(np.random.default_rng(0).normal(size=shape))
    bundle = t._repr_mimebundle_()
    assert bundle["text/plain"] == repr(t) and f"Tensor {shape} float64" in bundle["text/html"]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", bundle["text/html"])
    if t.size <= notebook.ROWS * notebook.COLUMNS and t.size:
        numbers = [float(c.replace("−", "-")) for c in cells]
        np.testing.assert_allclose(numbers, t.data.ravel(), rtol=1e-3)
    assert len(cells) <= (notebook.ROWS + 1) * (notebook.COLUMNS + 1)


def test_strange_numbers_and_names():
    assert "nan" in notebook.numbers(np.array([np.nan, np.inf, -np.inf])) and "−inf" in notebook.numbers([-np.inf])
    assert "<b>" not in notebook.table(["<b>"], [["<b>"]]) + notebook.line("<b>") + notebook.framed("<b>", '"<b>')

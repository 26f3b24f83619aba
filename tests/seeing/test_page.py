"""The page of explain(): what it says is what the engine computed; it walks, folds and nudges in Chromium."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from tests.seeing.browser import ask, needs_chromium
from tinygrad_nlp import RowSparse, Tensor, embedding, gradients, sigmoid, softmax_cross_entropy
from tinygrad_nlp.nlp.models import CharRNN
from tinygrad_nlp.seeing.explain import explain

rng = np.random.default_rng(0)


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def unrolled(n, hidden=2):
    """The loss of a recurrent network written as a loop, whose W and U are used at every step."""
    W, U, h = Tensor(rng.normal(size=(hidden, hidden))), Tensor(rng.normal(size=(2, hidden))), np.ones((1, hidden))
    xs = rng.normal(size=(n, 1, 2))
    for t in range(n):
        h = np.tanh(xs[t] @ U + h @ W)
    return np.sum(h**2), W, U


def small():
    x, labels = np.array([[1.0, 0.0], [0.5, -1.0]]), np.array([0, 1])
    W, b, V = (Tensor(np.round(rng.normal(size=shape), 1)) for shape in [(2, 2), 2, (2, 2)])
    h = sigmoid(x @ W + b)
    loss = softmax_cross_entropy(h @ V, labels)
    return explain(loss)


# --- The data ---------------------------------------------------------------------------------------------------------


def test_the_page_is_one_file_and_its_data_are_safe(tmp_path):
    x, W = Tensor([[1.0, 2.0]]), Tensor(rng.normal(size=(2, 100)))
    y = np.sum(np.sinh(x @ W) * np.where(np.arange(100) == 50, -9, 1))
    page = explain(y, {"</script><b>{{data}}": x}).html(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
    assert not re.search(r"(src|href)\s*=\s*[\"']?(?!data:)\w+:", page) and "@import" not in page and "<b>" not in page
    assert page.count("http") == page.count("http-equiv") + page.count("http://www.w3.org/2000/svg")
    data = data_of(page)
    share = next(s for s in data["shares"] if data["nodes"][s["to"]]["name"] == "W")
    assert share["rule"] == "aᵀ g" and "def d_right" in data["rules"][share["code"]]["code"]
    reads = {symbol: (label, v) for symbol, label, v in share["reads"]}
    assert reads["a"][0] == "</script><b>{{data}}" and data["pictures"][reads["a"][1]]["rows"] == [[1, 2]]
    assert reads["b"][1] == "only its shape, (2, 100)"
    heat, expected = data["pictures"][share["total"]], gradients(y)[W]
    assert heat["columns"] == 48 and heat["most"] == float(f"{np.abs(expected).max():.4g}")
    bad = Tensor([np.nan, np.inf]) * 2
    assert [["nan", "inf"]] in [p.get("rows") for p in data_of(explain(bad, g=[np.nan, np.inf]).html())["pictures"]]


def test_rules_read_numbers_saved_arrays_and_sparse_gradients():
    table, logits = Tensor(rng.normal(size=(40_000, 3))), Tensor(rng.normal(size=(2, 3)))
    loss = softmax_cross_entropy(logits * 2.0 + embedding(table, np.array([1, 1])), np.array([0, 2]))
    data = data_of(explain(loss).html())
    names = [n["name"] for n in data["nodes"]]
    of = {
        names[s["to"]]: {r[0]: data["pictures"][r[2]] for r in s["reads"] if type(r[2]) is int} for s in data["shares"]
    }
    probabilities = np.exp(z := logits.data * 2 + table.data[[1, 1]]) / np.exp(z).sum(1, keepdims=True)
    saved = (probabilities - np.eye(3)[[0, 2]]) / 2
    np.testing.assert_allclose(of[names[data["shares"][0]["to"]]]["saved"]["rows"], saved, rtol=1e-3)
    assert of["logits"]["b"]["rows"] == [[2]] and of["table"]["ids"]["rows"] == [[1, 1]]
    assert "(40000, 3), 1 rows not 0" in [p["shape"] for p in data["pictures"]]


class Cells(HTMLParser):
    """The rows of a page's tables."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.inside = [], False
        self.feed(page[page.index('<details id="ledger"') : page.index("</details>")])

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
        self.inside = tag == "td"

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data.strip()


def test_the_ledger_has_every_call_share_and_gradient():
    e = small()
    rows = Cells(e.html()).rows
    calls = [row for row in rows if len(row) == 4 and row[0]]
    assert [row[1] for row in calls] == [f"{s.name} = {s.call}" for s in reversed(e.steps)]
    shares = [row for row in rows if len(row) == 5 and row[1].startswith("∂")]
    assert len(shares) == sum(len(s.shares) for s in e.steps) and shares[0][1] == "∂t3 += g (ŷ − y) / N"
    assert {row[0] for row in rows[-3:]} == {"b", "W", "V"}


def test_a_thousand_calls_stay_below_two_megabytes():
    loss, *_ = unrolled(250, hidden=8)
    page = explain(loss).html()
    assert len(data_of(page)["calls"]) > 1000 and len(page.encode()) <= 2e6


def test_nudge_curves_are_the_loss():
    W, x = Tensor([[0.3, -2.0]]), rng.normal(size=(2, 3))
    loss = np.sum(np.exp(W @ x) * np.arange(3.0))
    expected = gradients(loss)[W]
    nudges = data_of(explain(loss).html())["nudges"]
    assert [n["name"] for n in nudges] == ["W[0, 0]", "W[0, 1]"]
    for k, n in enumerate(nudges):
        assert n["slope"] == float(f"{expected[0, k]:.7g}")
        for at, value in zip(n["at"], n["loss"], strict=True):
            moved = W.data.copy()
            moved[0, k] = at
            np.testing.assert_allclose(value, np.sum(np.exp(moved @ x) * np.arange(3.0)), rtol=1e-5)
    log = data_of(explain(np.log(Tensor(0.25))).html())["nudges"][0]  # nothing left of 0
    assert "nan" in log["loss"] and log["loss"][20] == float(f"{np.log(0.25):.7g}")


def test_what_is_changed_afterwards_stays_as_it_was_on_the_page():
    W, xs = Tensor([1.0, 2.0]), np.ones((1, 2))
    e = explain(np.sum(xs[0] * W))
    W.data, xs[:] = np.array([7.0, 7.0]), 5
    data = data_of(e.html())
    values = {n["name"]: data["pictures"][n["value"]]["rows"] for n in data["nodes"]}
    assert values["W"] == [[1, 2]] and values["xs[0]"] == [[1, 1]]
    assert data["nudges"][0]["loss"][20] == 3


# --- In the browser ---------------------------------------------------------------------------------------------------


def close(rows, a):
    """The numbers on the page are those of the array, to four digits."""
    a = np.asarray(a)
    np.testing.assert_allclose(np.reshape(rows, a.shape), a, rtol=1e-3, atol=1e-12)


def check_share(step, shares, e):
    """One share: its use, its numbers before and after, and that only the last one is said to be the last."""
    name, use, uses = re.fullmatch(
        r"Backward: what (\S+) gets from a call(?:, use (\d+) of (\d+))?", step["heads"][0]
    ).groups()
    call = step["what"][0].split(" = ")[0]
    share = next(s for s in shares[call] if s.name == name and s.use == int(use or 1))
    assert share.uses == int(uses or 1) and step["rule"] == [f"∂{name} += {share.rule}"]
    said = {f["caption"].split(" (")[0]: f["rows"] for f in step["figures"]}
    close(next(rows for caption, rows in said.items() if caption.startswith("this share")), share.share)
    if share.before is not None:
        close(said[f"∂{name} so far"], share.before)
        close(said[f"∂{name} now"], share.total)
        np.testing.assert_allclose(share.before + share.share, share.total, rtol=1e-12)
    assert bool(step["done"]) == (share.use == share.uses)
    if share.use < share.uses:
        assert step["what"][-1].startswith(f"{share.uses - share.use} more share")
    elif share.to in e.gradients:
        close(said.get(f"∂{name} now", step["figures"][-1]["rows"]), e.gradients[share.to])
        assert f"adds it to {name}.grad" in step["done"][0]


def check_loop(step, shares, e):
    """A folded loop: how many shares each Tensor gets there, and its gradient before and after them."""
    figures = iter(step["figures"])
    for head in step["heads"][1:]:
        name, n, first, last, uses = re.match(
            r"(\S+) gets (\d+) shares? here: uses? (\d+)(?: to (\d+))? of (\d+)", head
        ).groups()
        first, last = int(first), int(last or first)
        mine = sorted((s for found in shares.values() for s in found if s.name == name), key=lambda s: s.use)
        assert len(mine) == int(uses) and last - first + 1 == int(n)
        if first > 1:
            close(next(figures)["rows"], mine[first - 1].before)
        close(next(figures)["rows"], mine[last - 1].total)
    complete = re.findall(r"∂(\S+) is complete", " ".join(step["done"]))
    assert complete == [h.split(" ")[0] for h in step["heads"][1:] if (m := re.findall(r"\d+", h)) and m[-2] == m[-1]]


@needs_chromium
def test_every_statement_on_an_unrolled_network_is_the_engines():
    loss, *_ = unrolled(7)
    e, expected = explain(loss), gradients(loss)
    shares = {s.name: s.shares for s in e.steps}
    values = {s.name: s.tensor.data for s in e.steps}
    loops, order = 0, [s.name for s in reversed(e.steps)]
    for k, steps in enumerate(ask(e.html(), "everyStepFoldedAndNot()")):
        assert steps[0]["heads"] == ["Given"] and steps[-1]["heads"] == ["Done"]
        for step in steps:
            head = step["heads"][0]
            if head.startswith("Forward: call"):
                name = step["rule"][0].split(" = ")[0]
                close(step["figures"][-1]["rows"], values[name])
                assert head == f"Forward: call {order.index(name) + 1} of {len(order)}"
            elif head.startswith("Backward: what"):
                check_share(step, shares, e)
            elif head == "Backward: a loop":
                check_loop(step, shares, e)
                loops += 1
            elif head == "The turn":
                close(step["figures"][0]["rows"], loss.data)
                assert f"loss = {loss.item():.4g}" in step["what"][0]
        assert k == 0 or len(steps) == 3 + len(e.steps) + sum(map(len, shares.values()))
        for figure, leaf in zip(steps[-1]["figures"], e.gradients, strict=True):
            close(figure["rows"], expected[leaf])
    assert loops == 1


@needs_chromium
def test_it_walks_by_key_button_slider_and_click():
    found = ask(small().html(), "walk()")
    assert found["seen"] == [
        *("given", "forward 1 / 5", "forward 2 / 5", "forward 1 / 5", "done", "done", "given", "forward 1 / 5"),
        *("the turn", "forward 3 / 5", "done", "backward 4 / 7", "backward 7 / 7", "backward 1 / 7"),
    ]
    assert found["unnamed"] == 0 and all(role == "button" and index == "0" for role, index, _ in found["roles"])
    assert "leaf W, value [" in " ".join(label for *_, label in found["roles"])
    assert found["said"].startswith("backward 1 / 7: ") and "∂t3 += g (ŷ − y) / N" in found["said"]


@needs_chromium
def test_it_plays_by_itself_and_each_share_travels():
    turn, later = ask(small().html(), "playThrough()", also="later")
    assert later["at"] == later["last"] and later["label"] == "play"
    assert later["travelled"] == list(range(turn + 1, later["last"]))


@needs_chromium
def test_loops_fold_and_unfold():
    loss, *_ = unrolled(12)
    found = ask(explain(loss).html(), "foldAndUnfold()")
    (nodes, steps), (all_nodes, all_steps) = found["folded"], found["unfolded"]
    assert nodes < 20 and all_nodes > 4 * 12 and all_steps > 8 * 12 > 3 * steps and found["again"] == [nodes, steps]
    assert found["label"] == "fold loops" and found["same"] and found["down"] and not found["overlap"]


@needs_chromium
def test_the_nudge_panel_says_what_the_curve_says():
    a = Tensor(3.0)
    said, tangents = ask(explain(a**2).html(), "nudgeTo(40)")
    assert said == "With a at 6 instead of 3, t1 is 36 instead of 9. The tangent says 27." and tangents == 1


@needs_chromium
@pytest.mark.parametrize(("width", "dark"), [(400, True), (1280, False)])
def test_narrow_and_dark(width, dark):
    e = explain(softmax_cross_entropy(CharRNN(7, 4, 5, "lstm", rng=rng)(np.ones((3, 1), int))[0], np.ones((3, 1), int)))
    found = ask(e.html(), "look()", *["--blink-settings=preferredColorScheme=0"] * dark, width=width)
    assert found["wide"] <= 0 and found["inner"] == width and found["requests"] == 0
    assert (found["ground"] < 50 and found["ink"] > 200) if dark else (found["ground"] > 200 and found["ink"] < 50)


@needs_chromium
def test_on_paper_both_passes_are_done():
    a, b = Tensor(3.0), Tensor([1.0, -2.0])
    found = ask(explain(np.sum(a * b)).html(), "onPaper()")
    assert sorted(found["gradients"]) == ["∂ [3 3]", "∂ −1"] and found["printed"]
    assert found["back"] == 2 and found["slider"] == "forward 2 / 2"


@needs_chromium
def test_without_scripts_the_ledger_stands_open():
    page = re.sub(r"<script(?! type)>.*?</script>", "", small().html(), flags=re.DOTALL)
    seen = "['#ledger tbody', '.bar'].map(query => document.querySelector(query).checkVisibility())"
    assert ask(page, seen) == [True, False]


def test_sparse_gradients_in_the_ledger():
    table = Tensor(rng.normal(size=(40_000, 3)))
    e = explain(np.sum(embedding(table, np.array([1, 2]))))
    assert type(e.gradients[table]) is RowSparse and "(40000, 3)" in Cells(e.html()).rows[-1][1]

"""gradcheck and check_fused: wrong gradients are caught and named, and inputs stay as they are."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_nlp as tg
from tests.battery.hand_written import MISTAKES, Mistake
from tests.checking.subjects import Model, diagnoses, w4, x34
from tinygrad_nlp.checking.check import check_fused, gradcheck
from tinygrad_nlp.engine import Tensor

pytestmark = pytest.mark.usefixtures("table_as_it_was")


# --- Hand-written backward passes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_classic_mistakes_are_caught_and_named_and_the_right_versions_pass(mistake: Mistake):
    for seed in range(12):
        args = mistake.args(np.random.default_rng(seed))
        report = gradcheck(mistake.f, *args, gradient=mistake.wrong, seed=seed)
        assert not report and not report.problems
        assert mistake.word in diagnoses(report), report
        right = gradcheck(mistake.f, *args, gradient=mistake.right, seed=seed)
        assert right, right


def test_there_are_enough_classic_mistakes():
    assert len(MISTAKES) >= 19 and len({m.name for m in MISTAKES}) == len(MISTAKES)


more_mistakes = [  # (f, backward, args, what the diagnosis says)
    (np.sin, lambda g, x: g * g * np.cos(x), (x34,), "upstream twice"),
    (np.sin, lambda g, x: g * np.cos(x) + 0.25, (x34,), "constant offset: 0.25"),
    (np.sin, lambda g, x: g * np.cos(x) / 12, (x34,), "factor 1/12 everywhere, which is 1/x.size or 1/y.size"),
    (np.sin, lambda g, x: -0.3 * g * np.cos(x), (x34,), "factor −0.3 everywhere"),
    (np.sin, lambda g, x: (g * np.cos(x)).T, (x34,), "transpose"),
    (np.sin, lambda g, x: (g * np.cos(x)).ravel(), (x34,), "reshape it"),
    (np.sin, lambda g, x: (g * np.cos(x)).sum(0), (x34,), "axis summed"),
    (np.sum, lambda g, x: g, (x34,), "axis not spread: shape () instead of (3, 4): broadcast it back over axis 0, 1"),
    (lambda x: np.sum(x, axis=1), lambda g, x: g, (x34,), "broadcast it back over axis 1"),
    (np.sin, lambda g, x: g * np.cos(x) ** 2, (x34,), "derivative twice"),
    (tg.softmax, lambda g, x: tg.softmax(x) * (1 - tg.softmax(x)), (w4,), "diagonal only, and upstream ignored"),
    (np.sin, lambda g, x: np.ones(5), (x34,), "shape (5,) instead of (3, 4)"),
    (np.sin, lambda g, x: np.ones((4, 3)), (x34,), "and other numbers"),
    (np.sin, lambda g, x: g.mean() * np.cos(x), (x34,), "upstream averaged"),
    (np.sin, lambda g, x: g / 0, (x34,), "not finite"),
    (np.sin, lambda g, x: None, (x34,), "missing"),
    (np.sin, lambda g, x: np.where(x > x.min(), g * np.cos(x), 0), (x34,), "zeros: 1 of 12 places"),
    (lambda x: np.cumsum(x), lambda g, x: np.cumsum(g), (w4,), "transpose: the Jacobian"),
    (lambda x: np.cumsum(x), lambda g, x: np.cumsum(g[::-1])[::-1] - g, (w4,), "diagonal missing"),
    (lambda x: np.outer(w4, x), lambda g, x: (g * w4[:, None])[-1], (w4,), "only the last counts"),
    (lambda x: np.outer(w4, np.cumsum(x)), lambda g, x: np.cumsum(g[0, ::-1])[::-1] * w4[0], (w4,), "only the first"),
    (lambda x: x + np.sin(x) + x * x, lambda g, x: g * np.cos(x), (w4,), "only use 1, by `sin`, counts"),
    (lambda x: x, lambda g, x: g.T, (x34[:, :3],), "transpose"),
]  # fmt: skip


@pytest.mark.parametrize("case", more_mistakes, ids=lambda case: case[3])
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_more_mistakes_by_name(case):
    f, backward, args, says = case
    report = gradcheck(f, *args, gradient=backward)
    assert not report
    assert says in diagnoses(report), report


def test_a_report_reads_as_a_table():
    def backward(g, x, W):
        return g @ W.T, np.where(np.arange(4) == 2, 0, x.T @ g)

    report = gradcheck(lambda x, W: x @ W, np.ones((2, 3)), np.ones((3, 4)), gradient=backward)
    assert [a.name for a in report.arguments] == ["x", "W"] and [a.right for a in report.arguments] == [True, False]
    W = report.arguments[1]
    assert W.index[1] == 2 and W.given == 0 and W.numeric != 0
    assert "W" in str(report) and f"{W.numeric:.8g}" in str(report) and str(W.index) in str(report)
    assert str(report).startswith("gradcheck: WRONG")
    assert repr(report).startswith("<gradcheck: WRONG | W (3, 4) at (") and "x (2, 3)" not in repr(report)


def test_ignored_integers_and_dicts_have_their_own_gradients():
    def f(p, ids):
        return p["E"][ids] + p["b"]

    def backward(g, p, ids):
        E = np.zeros_like(p["E"])
        np.add.at(E, ids, g)  # as students write it by hand
        return {"E": E, "b": g.sum(0)}, None

    args = {"E": x34, "b": w4}, np.array([2, 0, 2])
    assert gradcheck(f, *args, gradient=backward)
    assert gradcheck(f, *args, gradient=lambda g, p, ids: backward(g, p, ids)[0])  # integers may be left out
    report = gradcheck(f, *args, gradient=lambda g, p, ids: ({"E": backward(g, p, ids)[0]["E"]}, None))
    assert [(a.name, a.right) for a in report.arguments] == [("p.E", True), ("p.b", False)]


# --- Misbehaviour -----------------------------------------------------------------------------------------------------


def in_place_g(g, x, W):
    g *= 2
    return g / 2 @ W.T, x.T @ g / 2


def in_place_x(g, x, W):
    grads = g @ W.T, x.T @ g
    x += 1
    return grads


@pytest.mark.parametrize(
    ("backward", "says"),
    [
        (in_place_g, "changed the upstream gradient g in place"),
        (in_place_x, "changed its argument x in place"),
        (lambda g, x, W: g @ W.T, "returned 1 gradients for 2 arguments (x, W)"),
        (lambda g, x, W: (g @ W.T, x.T @ g, 0), "returned 3 gradients"),
        (lambda g, x, W: [], "returned 0 gradients for 2 arguments (x, W)"),
    ],
)
def test_what_else_a_backward_pass_does_wrong(backward, says):
    x, W = x34.copy(), np.ones((4, 2))
    report = gradcheck(lambda x, W: x @ W, x, W, gradient=backward)
    assert not report and says in str(report)
    assert np.array_equal(x, x34) and np.all(W == 1)


def test_an_empty_list_is_no_gradient_of_one_array_either():
    assert "returned 0 gradients for 1 arguments (x)" in str(gradcheck(np.sin, x34, gradient=lambda g, x: []))


@pytest.mark.parametrize(("lost", "says"), [(None, "missing"), (np.ones(1), "of shape (1,)")])
def test_a_gradient_that_is_lost_in_float32_only(lost, says):
    def backward(g, x):
        return lost if x.dtype == np.float32 else g * np.cos(x)

    report = gradcheck(np.sin, x34.astype(np.float32), gradient=backward)
    assert report.arguments[0].diagnosis == f"precision: right in float64, {says} in float32"


def test_problems_of_the_function_itself():
    def writes(x):
        x += 1
        return x * x

    rng = np.random.default_rng(0)
    for f, says in [
        (writes, "changed an argument in place"),
        (lambda x: x * rng.normal(), "differ from call to call"),
        (lambda x: np.log(x - x), "not finite here: output 0 of 4 is -inf"),
    ]:
        with np.errstate(all="ignore"):
            report = gradcheck(f, w4)
        assert not report and says in str(report) and says in report._repr_html_()
    with pytest.raises(TypeError, match=r"arguments \(ids\) holds a float array"):
        gradcheck(lambda ids: ids, np.arange(3))
    with pytest.raises(ValueError, match="order=3"):
        gradcheck(np.sin, w4, order=3)
    with pytest.raises(ValueError, match="order=2"):
        gradcheck(np.sin, w4, order=2, gradient=lambda g, x: g)


def test_inputs_keep_every_byte_and_layout_does_not_matter():
    base = np.random.default_rng(3).normal(size=(6, 8))
    for x in (base[::-2, ::2], base.T, np.broadcast_to(base[0], (3, 8)), base[:0], np.array(0.5)):
        before = x.tobytes()
        assert gradcheck(lambda x: np.tanh(x) * x, x, order=2)
        assert x.tobytes() == before
        assert not gradcheck(lambda x: np.tanh(x) * x, x, gradient=lambda g, x: 2 * g) or x.size == 0


# --- Kinks ------------------------------------------------------------------------------------------------------------


def test_kinks_are_reported_and_mistakes_beside_them_found():
    x = np.array([-1.0, 0.0, 2.0, 0.0])
    report = gradcheck(tg.relu, x)
    assert report and report.arguments[0].kinks == [(1,), (3,)] and "2 at a kink" in str(report)
    wrong = gradcheck(tg.relu, x, gradient=lambda g, x: g * np.array([0, 0, 2, 0]))
    assert not wrong and wrong.arguments[0].index == (2,)
    beyond = gradcheck(np.abs, x, gradient=lambda g, x: np.where(x == 0, 9 * g, g * np.sign(x)))
    assert not beyond and beyond.arguments[0].index in [(1,), (3,)]


def test_ties_share_whatever_the_shares_but_not_more_than_the_whole():
    x = np.array([1.0, 3.0, 3.0, 2.0])
    for shares, right in [([0, 0.5, 0.5, 0], True), ([0, 1, 0, 0], True), ([0, 1, 1, 0], False)]:
        report = gradcheck(lambda x: np.max(x), x, gradient=lambda g, x, shares=shares: g * np.array(shares))
        assert bool(report) == right, report
    assert "ties" in diagnoses(report)


def test_a_place_near_a_kink_is_no_kink():
    x = np.array([1e-5, -1e-5, 0.3])
    assert not gradcheck(lambda x: np.sqrt(x * x), x, gradient=lambda g, x: g * np.abs(np.sign(x)))
    assert gradcheck(lambda x: np.sqrt(x * x), x, gradient=lambda g, x: g * np.sign(x))


# --- The engine's own gradients ---------------------------------------------------------------------------------------


def test_modules_and_tensors():
    report = gradcheck(lambda model, x: model(x), Model(), x34, order=2)
    assert report, report
    assert [a.name for a in report.arguments] == ["model.W", "x", "∇ by model.W", "∇ by x"]
    assert gradcheck(np.sin, Tensor(x34))


def test_planted_rules_are_found_in_both_orders():
    wrong = tg.op(lambda g, y, x: g * np.sin(x))(lambda x: np.sin(x))
    assert not gradcheck(wrong, x34)
    late = tg.op(lambda g, y, x: (g * np.cos(x),), reference=lambda x: 2 * np.sin(x))(lambda x: np.sin(x))
    assert gradcheck(late, x34)
    report = gradcheck(late, x34, order=2)
    assert not report and [a.right for a in report.arguments] == [True, False] and report.arguments[1].name == "∇ by x"


def test_one_wrong_number_among_many_is_found():
    big = np.random.default_rng(0).normal(size=(50, 60))

    def backward(g, x):
        d = g * np.cos(x)
        d[31, 7] += 0.01
        return d

    assert not gradcheck(np.sin, big, gradient=backward)
    assert "factor 2 everywhere" in diagnoses(gradcheck(np.sin, big, gradient=lambda g, x: 2 * g * np.cos(x)))


def test_a_function_that_drops_the_gradient():
    report = gradcheck(lambda x: np.sin(x.data if type(x) is Tensor else x), x34)
    assert not report and "zeros" in diagnoses(report)


def test_fused_ops_equal_their_references():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(3, 4)), np.array([1, -7, 0])
    for op, args, keywords in [
        (tg.affine, (x34, np.ones((4, 2)), np.ones(2)), {}),
        (tg.softmax_cross_entropy, (logits, labels), {"ignore_index": -7, "reduction": "sum"}),
        (tg.rnn, (rng.normal(size=(2, 2, 3)), rng.normal(size=(2, 3)), rng.normal(size=(3, 3))), {}),
    ]:
        report = check_fused(op, *args, **keywords)
        assert report, report
    value = tg.op(lambda g, y, x: (g * np.cos(x),), reference=lambda x: np.sin(x) + 1)(lambda x: np.sin(x))
    assert "differ in value" in str(check_fused(value, x34))
    slope = tg.op(lambda g, y, x: (g * np.sin(x),), reference=lambda x: np.sin(x))(lambda x: np.sin(x))
    assert not check_fused(slope, x34)
    with pytest.raises(TypeError, match="no reference"):
        check_fused(tg.relu, x34)

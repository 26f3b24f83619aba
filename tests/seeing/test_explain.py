"""explain.py: the steps add up to the gradients in every form; the page walks, where Chromium is installed."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_nlp import RowSparse, Tensor, embedding, gradients, gru, relu, rnn, softmax_cross_entropy
from tinygrad_nlp.nlp.models import CharRNN, DeepAveragingNetwork, NeuralBigram
from tinygrad_nlp.seeing.explain import explain
from tinygrad_nlp.seeing.text import SCREEN
from tinygrad_nlp.seeing.watch import watch

rng = np.random.default_rng(0)


def dense(a):
    return a.todense() if type(a) is RowSparse else a


def check_sums(y, explanation, g=None):
    """Shares add up to the running sums, those to what gradients() gives, and uses are counted right."""
    shares = [s for step in explanation.steps for s in step.shares]
    for leaf, expected in gradients(y, g=g).items():
        mine = [s for s in shares if s.to is leaf]
        np.testing.assert_allclose(sum(dense(s.share) for s in mine), dense(expected), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(dense(mine[-1].total), dense(expected), rtol=1e-12, atol=1e-12)
        assert [(s.use, s.uses) for s in mine] == [(k + 1, len(mine)) for k in range(len(mine))]
        assert mine[0].before is None
    for step in explanation.steps[1:]:
        last = [s for s in shares if s.to is step.tensor][-1]
        np.testing.assert_allclose(dense(last.total), step.g, rtol=1e-12, atol=1e-12)


@given(st.integers(0, 10**6))
def test_contributions_add_up_on_random_graphs(seed):
    r = np.random.default_rng(seed)
    nodes = [Tensor(r.normal(size=(2, 3))), Tensor(r.normal(size=3)), Tensor(r.normal())]
    for _ in range(r.integers(1, 12)):
        a, b = (nodes[i] for i in r.integers(0, len(nodes), 2))
        pick = [lambda a, b: a * b, lambda a, b: a + b, lambda a, b: np.tanh(a) - b, lambda a, b: a[..., None] * 2.0]
        made = (
            pick[r.integers(0, 3 if a.ndim > 2 else 4)](a, b) if np.ndim(a) + np.ndim(b) < 5 else np.sum(a) + b[..., 0]
        )
        nodes.append(made if made.shape in ((2, 3), (3,), ()) else np.sum(made))
    y = nodes[-1]
    g = r.normal(size=y.shape)
    if y.fn is not None:
        explanation = explain(y, g=g)
        check_sums(y, explanation, g)
        assert str(explanation) and explanation.mermaid() and explanation.html()


def test_text_says_names_rules_uses_and_sums():
    x = Tensor([1.0, 2.0])
    weights = {"first": Tensor([3.0, 4.0])}
    y = np.sum(np.tanh(0 * x) + x * x * weights["first"])
    text = str(explain(y))
    assert text.startswith("backward pass of y = 19: 6 calls, newest first")
    assert re.search(r"∂x \+= g ∘ b +use 1 of 3 +\(2,\) +\[3 8\] +\[3 8\]", text)
    assert re.search(r"∂x \+= g ∘ a +use 2 of 3 +\(2,\) +\[3 8\] +\[6 16\] +17.09", text)
    assert re.search(r"∂x \+= g ∘ a +use 3 of 3 +\(2,\) +\[0 0\] +\[6 16\] +17.09", text)
    assert "∂weights['first'] += g ∘ a" in text and "g ∘ (1 − y²)" in text
    assert x.grad is None


def test_names_can_be_given_and_lines_are_known_under_watch():
    def made():
        return Tensor([2.0])

    a = [made() for _ in range(3)]
    with watch():
        y = a[0] * made()
    text = str(explain(y, {"slope": a[0]}))
    assert "slope * leaf1" in text and "test_explain.py:" in text
    assert "a[0]" in str(explain(y))


def test_broadcasting_is_said():
    x, b = Tensor(np.ones((3, 2))), Tensor(np.zeros(2))
    y = np.sum(x + b)
    assert re.search(r"∂b \+= g, summed +\(2,\) +\[3 3\]", str(explain(y)))
    assert ", summed" not in str(explain(np.sum(x @ b)))


def test_calls_are_written_as_one_would():
    x, mask = Tensor(np.ones((2, 3))), np.ones(3, bool)
    big = np.where(mask, x[::-1, 1:][:, :1], 2.5)
    text = str(explain(np.sum(np.max(big, axis=0, keepdims=True) / np.pi + np.zeros((1, 3)))))
    for call in (
        "x[::-1, 1:]",
        "where(mask, ",
        ", 2.5)",
        "max(big, axis=0, keepdims=True)",
        " / 3.141592653589793",
        "array(1, 3)",
    ):
        assert call in text, call


def test_loops_are_folded():
    W, h = Tensor(rng.normal(size=(3, 3))), np.zeros(3)
    for x in rng.normal(size=(50, 3)):
        h = np.tanh(x + h @ W)
    y = np.sum(h)
    explanation = explain(y)
    check_sums(y, explanation)
    assert "the last 3 calls 48 times more, up to 148" in str(explanation)
    assert len(str(explanation).splitlines()) < 25
    assert explanation.text(everything=True).count("tanh") == 50
    assert explanation.mermaid().count("tanh") == 2


def test_a_long_graph_without_loops_still_fits_a_screen():
    x, pick = Tensor([0.1]), [np.tanh, np.sin, np.exp, np.square, np.cos, np.sinh]
    y = x
    for i in rng.integers(0, 6, 200):
        y = pick[i](y) * 0.5
    text = str(explain(y))
    assert len(text.splitlines()) <= SCREEN + 3 and "more lines: .text(everything=True)" in text


def cross_entropy(logits, labels):
    return softmax_cross_entropy(logits[0] if isinstance(logits, tuple) else logits, labels)


FEW = rng.integers(0, 7, 6)
MODELS = [
    (NeuralBigram(7, 4, 5, rng=rng), (FEW,), FEW),
    (NeuralBigram(9000, 8, 5, rng=rng), (FEW,), FEW),
    (CharRNN(7, 4, 5, "rnn", rng=rng), (FEW[:, None],), FEW[:, None]),
    (CharRNN(7, 4, 5, "lstm", layers=2, rng=rng), (FEW[:, None],), FEW[:, None]),
    (DeepAveragingNetwork(30, 4, 2, rng=rng), (FEW, np.array([0, 3])), np.array([0, 1])),
]


@pytest.mark.parametrize(("model", "inputs", "labels"), MODELS)
def test_models_fit_a_screen_with_a_row_for_each_layer(model, inputs, labels):
    loss = cross_entropy(model(*inputs), labels)
    explanation = explain(loss)
    check_sums(loss, explanation)
    text = str(explanation)
    assert len(text.splitlines()) <= 40 and " more" not in text
    assert re.search(r"= model\.\S+: affine\(t\d+, W, b\)", text) and "∂" in text and "g (ŷ − y) / N" in text
    for key, _ in model.named_parameters():
        assert f"∂model.{key} += " in text
    assert explanation.html().count("affine") > 1


def test_joint_sparse_indexed_and_each_rules():
    table, W = Tensor(rng.normal(size=(40_000, 3))), Tensor(rng.normal(size=(3, 3)))
    x = embedding(table, np.array([[1, 2], [1, 3]])) + table[5]
    states = rnn(x, np.zeros((2, 3)), W)
    y = np.sum(np.concatenate([states[0], states[1], states[0]]) * np.einsum("ij,jk->ik", W, W)[0])
    explanation = explain(y)
    check_sums(y, explanation)
    assert "2 rows" in explanation.html() or "rows not 0" in explanation.html()
    h = gru(Tensor(np.zeros((2, 1, 6))), np.zeros((1, 2)), Tensor(np.zeros((2, 6))))
    assert "[δr, δz, δn]" in str(explain(h, g=np.ones((2, 1, 2))))


def test_errors():
    with pytest.raises(TypeError, match="not a Tensor"):
        explain(np.ones(2))
    with pytest.raises(ValueError, match=r"take its .sum\(\), or pass its gradient as g="):
        explain(Tensor([1.0, 2.0]) * 2)
    assert "0 calls" in str(explain(Tensor(1.0)))


def test_mermaid_is_well_formed_and_keeps_values():
    x, a = Tensor([1.0, -2.0]), Tensor(0.5)
    y = np.sum(relu(x) * x) - a**2 * 0.2567
    lines = explain(y).mermaid().splitlines()
    assert lines[0] == "flowchart TD"
    nodes = {m[1] for line in lines if (m := re.match(r'  (\w+)[(\[]+"[^"]*"[)\]]+$', line))}
    arrows = [m.groups() for line in lines if (m := re.match(r'  (\w+) -->\|"[^"]*"\| (\w+)$', line))]
    assert len(nodes) + len(arrows) == len(lines) - 1
    assert nodes == {end for arrow in arrows for end in arrow}
    text = "\n".join(lines)
    assert "g ∘ [x &gt; 0], use 2 of 2<br/>[1 -0]" in text
    assert '(["a<br/>= 0.5<br/>∂ -0.2567"])' in text and "= a²<br/>" in text and "**" not in text

"""Claims: the names that a reader of report.json relies on, verdicts that follow the figures, and attributions."""

import copy

import numpy as np
import pytest
from reproduction.attribution import negated, strongest, suspects, worst_stretch
from reproduction.claims import PUBLISHED, figures, hits, rows, several, spread

from tests.examples.reproduction import reproduced

PROMISED = """rnn.shakespeare.ppl rnn.wikipedia.ppl bigram.published.shakespeare.ppl bigram.published.wikipedia.ppl
bigram.words.shakespeare.ppl bigram.words.wikipedia.ppl bigram.dev.ppl bigram.counts.dev.ppl char_bigram.shakespeare.ppl
char_bigram.wikipedia.ppl sentiment.trained.accuracy sentiment.frozen.accuracy"""


@pytest.fixture(scope="module")
def results():
    return reproduced.results()


@pytest.fixture(scope="module")
def measured(results):
    return figures(results)


@pytest.fixture
def f(measured):
    return dict(measured)


def verdicts(results, f, state=""):
    return {(row["id"], row["claim"]): row["verdict"] for row in rows(results, f, state)}


def test_every_promised_figure_is_there_and_finite(f):
    assert set(PROMISED.split()) <= set(f)
    assert all(isinstance(value, float) and np.isfinite(value) for value in f.values())


def test_a_figure_lies_in_its_interval(f):
    for name in f:
        if f"{name}.low" in f:
            assert f[f"{name}.low"] <= f[name] <= f[f"{name}.high"], name


def test_all_rows_of_the_assignment_are_there(results, f):
    ids = [row["id"] for row in rows(results, f)]
    assert set(ids) == {"0.a", "0.b", "0.c", "0.d", "0.e", "0.f", "0.g", "0.f-0.g", "0.h"}
    assert all(set(row) == {"id", "claim", "published", "ours", "verdict", "comparable"} for row in rows(results, f))


@pytest.mark.parametrize(("state", "withheld"), [("smoke", "smoke"), ("built-in", "not compared")])
def test_a_run_that_shows_nothing_judges_only_what_needs_no_training(results, f, state, withheld):
    found = rows(results, f, state)
    assert all(row["published"] in (None, "not comparable") for row in found)
    judged = {row["id"] for row in found if row["verdict"] != withheld}
    assert judged == {"0.a", "0.b", "0.c", "0.e"}  # of 0.c the gradient check
    assert [row["verdict"] for row in found if row["id"] == "0.c"] == ["holds", withheld, withheld]
    assert all(row["comparable"] == (row["verdict"] != withheld) for row in found)


@pytest.mark.parametrize(
    ("claim", "figure", "good", "bad"),
    [
        ("∂CE/∂θ = ŷ − y", "softmax.chain_rule", 1e-12, 1e-3),
        ("the neural bigram's gradient is right", "bigram.gradient.largest_relative_difference", 1e-9, 0.1),
        ("the neural bigram, trained by SGD, beats interpolated counts", "bigram.dev.ppl", 1.0, 1e4),
        ("perplexity does not depend on the base", "perplexity.bases.largest_difference", 1e-13, 1e-3),
        ("characters: no unknown words", "words.wikipedia.unknown", 0.3, 0.0),
    ],
)
def test_a_verdict_follows_its_figure(results, f, claim, figure, good, bad):
    f["words.shakespeare.unknown"] = 0.2
    answers = [{c: v for (_, c), v in verdicts(results, f | {figure: value}).items()}[claim] for value in (good, bad)]
    assert answers == ["holds", "fails"]


def test_the_published_figures_are_reached_by_both_passages_or_not_at_all(results, f):
    claim = ("0.f", "character RNN, published budget, GRU")
    at = {f"char.gru.{place}.ppl": value for place, value in PUBLISHED["rnn"].items()}
    assert verdicts(results, f | at)[claim] == "reached"
    assert verdicts(results, f | at | {"char.gru.wikipedia.ppl": 15.4})[claim] == "close"


@pytest.mark.parametrize(
    ("gap", "neutral", "domain", "difficulty"),
    [(1, -0.2, "stands", "falls"), (1, 1, "falls", "stands"), (1, 0.5, "stands", "stands")],
)
def test_which_explanation_stands(results, f, gap, neutral, domain, difficulty):
    found = verdicts(results, f | {"bits.shakespeare.gap": gap, "bits.reviews.gap": neutral})
    assert found["0.g", "Shakespeare is easier because it was trained on"] == domain
    assert found["0.g", "or because Wikipedia is harder"] == difficulty


@pytest.mark.parametrize(
    ("gain", "low", "high", "deeper", "bent"),
    [
        (0.001, -0.001, 0.002, "holds", "fails"),
        (0.001, 0.0005, 0.002, "in part", "holds"),
        (0.02, -0.01, 0.05, "in part", "fails"),
        (0.02, 0.01, 0.03, "fails", "holds"),
        (-0.02, -0.03, -0.01, "fails", "fails"),
    ],
)
def test_the_sentences_about_layers_and_non_linearity(results, f, gain, low, high, deeper, bent):
    for name in ("gain.network-3-none.over.network-1-none.seeds", "gain.network-1-relu.over.network-1-none.seeds"):
        f |= {name: gain, f"{name}.low": low, f"{name}.high": high}
    found = verdicts(results, f)
    assert found["0.h", "more linear layers: slight, not significant"] == deeper
    assert found["0.h", "a non-linearity: significant"] == bent


def test_seeds_are_taken_in_order_and_names_do_not_run_into_each_other():
    results = {"char-1": 1, "char-0": 0, "char-gru-0": 7, "characters": 9, "char-2": 2}
    assert several(results, "char") == [0, 1, 2] and several(results, "char-gru") == [7]


def test_the_interval_of_one_seed_is_its_value_and_of_more_holds_the_mean():
    assert spread([0.5]) == (0.5, 0.5, 0.5)
    mean, low, high = spread([0.1, 0.2, 0.6])
    assert low <= mean <= high and mean == pytest.approx(0.3) and low < high


def test_hits_of_each_review_are_averaged_over_seeds():
    results = {
        f"n-{i}": {"right": np.packbits(np.array(bits, bool)).tobytes().hex()}
        for i, bits in enumerate([[1, 0] * 8, [1] * 16])
    }
    assert hits(results, "n").tolist() == [1.0, 0.5] * 8


def test_contributions_add_up_to_the_log_odds(results):
    reviews = results["linear-0"]["reviews"]
    assert reviews
    for review in reviews.values():
        total = review["bias"] + sum(weight * counted for _, weight, counted in review["words"])
        assert total == pytest.approx(review["log_odds"], abs=1e-4 * len(review["words"]))
        assert review["p"] == pytest.approx(1 / (1 + np.exp(-review["log_odds"])), abs=1e-5)


def review(text, weights, label, bias=0.0):
    words = [[word, float(weight), 1] for word, weight in zip(text.split(), weights, strict=True)]
    return {"words": words, "label": label, "bias": bias, "log_odds": bias + sum(weights)}


def test_negation_is_supported_if_turning_the_negated_words_round_mends_the_decision():
    assert suspects(review("it is not good at all", [0, 0, -0.2, 1, 0, 0], 0))["negation"]
    assert not suspects(review("it is good and not bad", [0, 0, 1, 0, 0, -0.1], 0))["negation"]
    assert negated(["n", "o", "t"]).sum() == 0
    assert negated(["isn't", "so", "good", "really", "fine"]).tolist() == [False, True, True, True, False]


def test_contrast_digression_and_balance():
    turned = suspects(review("dull plot but great fun", [-1, -1, 0, 0.5, 0.4], 1))
    assert turned["contrast"] and not turned["balance"]
    assert not suspects(review("great fun but dull plot", [0.5, 0.4, 0, -1, -1], 1))["contrast"]
    assert suspects(review("a b c d e f g h", [0.1] * 6 + [-2, -2], 1))["digression"]
    assert not suspects(review("a b c d e f g h", [-0.5] * 8, 1))["digression"]
    assert suspects(review("up down", [1, -1.01], 1))["balance"]
    assert worst_stretch(np.array([])) == 0 and worst_stretch(np.array([1.0, 2.0])) == 0


def test_the_strongest_words_are_added_up_and_repeated_ones_that_do_not_count_left_out():
    words = [["bad", -1.0, 1], ["good", 0.8, 1], ["bad", -1.0, 0], ["good", 0.8, 1]]
    assert strongest({"words": words}) == [("good", 1.6), ("bad", -1.0)]


def test_a_review_is_confirmed_by_most_models_only(results, f):
    results, name = copy.deepcopy(results), "test/pos/1_9"
    models = [results[model] for model in ("linear-0", "trained-0", "bigrams-0", "frozen-0")]
    results["linear-0"]["reviews"][name] = {"label": 1}
    for wrong, verdict in enumerate(("right", "mixed", "mixed", "confirmed", "confirmed")):
        for i, model in enumerate(models):
            model["p"][name] = 0.1 if i < wrong else 0.9
        assert verdicts(results, f)["0.j", f"{name} is misclassified"] == verdict

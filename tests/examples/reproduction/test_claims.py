"""Claims: the names that a reader of report.json relies on, verdicts that follow the figures, and attributions."""

import copy

import numpy as np
import pytest
from reproduction.attribution import negated, strongest, suspects, worst_stretch
from reproduction.claims import verdicts
from reproduction.figures import PUBLISHED, figures, hits, over_seeds, several
from reproduction.sentiment_claims import judged_gain, judges
from reproduction.verdicts import LEGEND, ONE_SEED

from tests.examples.reproduction import reproduced

PROMISED = """rnn.shakespeare.ppl rnn.wikipedia.ppl bigram.published.shakespeare.ppl bigram.published.wikipedia.ppl
bigram.words.shakespeare.ppl bigram.words.wikipedia.ppl bigram.dev.ppl bigram.counts.dev.ppl char_bigram.shakespeare.ppl
char_bigram.wikipedia.ppl sentiment.trained.accuracy sentiment.frozen.accuracy rnn.literal.shakespeare.ppl
rnn.literal.shakespeare.sd rnn.literal.wikipedia.ppl rnn.literal.wikipedia.sd char.static.nats char.static.cpu_seconds
char.mixed.nats char.mixed.cpu_seconds char.online.nats char.no_leak.best.shakespeare.ppl
char.no_leak.best.wikipedia.ppl sentiment.nb2.accuracy sentiment.nb3.accuracy sentiment.ensemble.accuracy
words.mixed.ppl words.recurrent.ppl"""


@pytest.fixture(scope="module")
def results():
    return reproduced.results()


@pytest.fixture(scope="module")
def measured(results):
    return figures(results)


@pytest.fixture
def f(measured):
    return dict(measured)


def words(results, f, state=""):
    return {(row["id"], row["claim"]): row["verdict"] for row in verdicts(results, f, state)}


def test_every_promised_figure_is_there_and_finite(results):
    f = figures(results | {"literal-1": results["literal-0"]})  # a default run has several seeds of the literal recipe
    assert set(PROMISED.split()) <= set(f)
    assert all(isinstance(value, float) and np.isfinite(value) for value in f.values())


def test_a_figure_of_one_seed_is_marked_where_it_stands_and_has_no_standard_deviation(results, f):
    of_one = next(row["ours"] for row in verdicts(results, f) if row["claim"] == "character GRU by the literal recipe")
    assert of_one.count(ONE_SEED) == 2 and "SD" not in of_one and "rnn.literal.shakespeare.sd" not in f
    again = results | {"literal-1": results["literal-0"]}
    rows = verdicts(again, figures(again))
    of_two = next(row["ours"] for row in rows if row["claim"] == "character GRU by the literal recipe")
    assert ONE_SEED not in of_two and "SD 0.00 / 0.00" in of_two


def test_a_figure_lies_in_its_interval(f):
    for name in f:
        for over in ("", ".reviews"):
            if f"{name}{over}.low" in f:
                assert f[f"{name}{over}.low"] <= f[name] <= f[f"{name}{over}.high"], name


def test_an_interval_over_reviews_is_that_of_the_accuracy_beside_it(results):
    """Also where the best epoch is not the last one, and where nearly all reviews are right."""
    found = results["bigrams-0"]
    count = 4 * len(found["right"])
    for accuracy in (0.6, 1 - 1 / count, 1.0):
        changed = found | {"best": found["best"] | {"test": accuracy}}
        f = figures(results | {"bigrams-0": changed})
        low, high = (f[f"sentiment.bigrams.accuracy.reviews.{end}"] for end in ("low", "high"))
        assert 0 <= low <= accuracy <= high <= 1 and high - low < 4 / count**0.5


def test_all_rows_of_the_assignment_are_there_and_say_how_they_were_measured(results, f):
    found = verdicts(results, f)
    assert {row["id"] for row in found} >= {
        "0.a",
        "0.b",
        "0.c",
        "0.d",
        "0.e",
        "0.f",
        "0.g",
        "0.f-0.g",
        "0.h",
        "Q2",
        "Q6",
    }
    for row in found:
        assert row["ours"] and row["verdict"] in LEGEND and row["comparability"]
        assert row["seeds"] >= 0 and row["cpu_seconds"] >= 0 and row["chosen_on"]
        assert all(low <= high for low, high in row["intervals"].values())


def test_a_weight_was_chosen_where_counts_are_mixed_in(results, f):
    rows = [row for row in verdicts(results, f) if row["code"] == "examples/char_rnn.py"]
    assert len(rows) > 8
    for row in rows:
        assert ("weight" in row["chosen_on"]) == ("counts" in row["claim"]), row["claim"]


@pytest.mark.parametrize(("state", "withheld"), [("smoke", "smoke"), ("built-in", "not compared")])
def test_a_quick_or_built_in_run_judges_only_what_needs_no_training(results, f, state, withheld):
    found = verdicts(results, f, state)
    assert all(row["published"] in (None, "not comparable") for row in found)
    assert {row["id"] for row in found if row["verdict"] != withheld} == {"0.a", "0.b", "0.c", "0.e", "Q2", "Q6"}
    assert all(row["comparable"] == (row["verdict"] != withheld) for row in found)


@pytest.mark.parametrize(
    ("claim", "figure", "good", "bad"),
    [
        ("∂CE/∂θ = ŷ − y", "softmax.chain_rule", 1e-12, 1e-3),
        ("gradients of a sigmoid RNN at t and at t − 1", "recurrent_by_hand.engine", 1e-12, 1e-3),
        ("the neural bigram's gradient is right", "bigram.gradient.largest_relative_difference", 1e-9, 0.1),
        ("the neural bigram, trained by SGD, beats interpolated counts", "bigram.dev.ppl", 1.0, 1e4),
        ("perplexity does not depend on the base", "perplexity.bases.largest_difference", 1e-13, 1e-3),
        ("characters: no unknown words", "words.wikipedia.unknown", 0.3, 0.0),
    ],
)
def test_a_verdict_follows_its_figure(results, f, claim, figure, good, bad):
    f["words.shakespeare.unknown"] = 0.2
    answers = [{c: v for (_, c), v in words(results, f | {figure: value}).items()}[claim] for value in (good, bad)]
    assert answers == ["holds", "fails"]


def test_a_published_pair_is_reproduced_if_both_figures_lie_within_two_standard_deviations(results, f):
    claim = ("0.f", "character GRU by the literal recipe")
    for place, value in PUBLISHED["rnn"].items():
        f |= {f"rnn.literal.{place}.ppl": value + 0.3, f"rnn.literal.{place}.ppl.sd": 0.2}
    assert words(results, f)[claim] == "reproduced"
    assert words(results, f | {"rnn.literal.wikipedia.ppl": 15.8})[claim] == "not reproduced"


def test_the_published_bigram_pair_is_explained_by_probabilities_near_those_of_counts(results, f):
    claim = ("0.f", "the published pair is two probabilities")
    assert claim not in words(results, f)  # other texts have no such pair
    f |= {"bigram.inverted.published.inside": 0.14, "bigram.inverted.published.ends": 0.0015}
    assert words(results, f)[claim] == "explained"
    assert words(results, f | {"bigram.inverted.published.inside": 0.3})[claim] == "not reproduced"


@pytest.mark.parametrize(
    ("gap", "modern", "wikipedia", "domain", "difficulty"),
    [(1, -0.2, 2.9, "stands", "falls"), (1, 1, 9.0, "falls", "stands"), (1, 0.5, 9.0, "stands", "stands")],
)
def test_which_explanation_stands(results, f, gap, modern, wikipedia, domain, difficulty):
    f |= {"bits.shakespeare.gap": gap, "bits.reviews.gap": modern, "blank.wikipedia.bits": wikipedia}
    found = words(results, f | {"blank.shakespeare.bits": 3.2, "blank.shakespeare.bits.sd": 0.1})
    assert found["0.g", "Shakespeare is easier because it was trained on"] == domain
    assert found["0.g", "or because Wikipedia is harder"] == difficulty


@pytest.mark.parametrize(
    ("seeds", "reviews", "holm", "judged"),
    [
        ((-0.001, 0.002), (-0.004, 0.004), 0, "no gain"),
        ((0.0005, 0.002), (0.0001, 0.003), 1, "no gain"),  # certain, and too small to speak of
        ((-0.001, 0.02), (0.001, 0.02), 0, "undecided"),
        ((0.01, 0.02), (0.005, 0.03), 1, "gain"),
        ((0.01, 0.02), (0.005, 0.03), 0, "undecided"),  # one of many comparisons
        ((0.01, 0.02), (-0.001, 0.03), 1, "undecided"),  # other reviews might say the opposite
        ((-0.03, -0.01), (-0.03, -0.01), 1, "loss"),
    ],
)
def test_a_gain_is_believed_if_seeds_and_reviews_show_it(results, f, seeds, reviews, holm, judged):
    flat = "gain.network-3-none.over.network-1-none"
    for unit, (low, high) in {"seeds": seeds, "reviews": reviews}.items():
        f |= {f"{flat}.{unit}.low": low, f"{flat}.{unit}.high": high}
    f[f"{flat}.holm"] = float(holm)
    assert judged_gain(f, flat) == judged
    claim = ("0.h", "more linear layers: slight, not significant")
    assert words(results, f)[claim] == "not tested"  # the claim is about GloVe, which was not there
    given = copy.deepcopy(results)
    given["vectors"]["source"] = "GloVe 6B"
    assert words(given, f)[claim] == {"no gain": "holds", "undecided": "undecided"}.get(judged, "fails")


def test_seeds_are_taken_in_order_and_names_do_not_run_into_each_other():
    results = {"char-1": 1, "char-0": 0, "char-gru-0": 7, "characters": 9, "char-2": 2}
    assert several(results, "char") == [0, 1, 2] and several(results, "char-gru") == [7]


def test_one_seed_has_no_interval_and_three_have_students():
    assert over_seeds("x", [0.5]) == {"x": 0.5, "x.seeds": 1.0}
    found = over_seeds("x", [0.1, 0.2, 0.6])
    half = 4.302653 * np.std([0.1, 0.2, 0.6], ddof=1) / 3**0.5
    assert found["x.high"] - found["x"] == pytest.approx(half, rel=1e-6) and found["x"] == pytest.approx(0.3)


def test_an_interval_of_perplexities_stays_above_1():
    """Two seeds that are far apart: Student's interval of the values themselves would begin far below 0."""
    found = over_seeds("x.ppl", [np.exp(3.0), np.exp(3.2)])
    half = 12.7062 * np.std([3.0, 3.2], ddof=1) / 2**0.5
    assert found["x.ppl.low"] == pytest.approx(np.exp(3.1 - half), rel=1e-5) and found["x.ppl.low"] > 1
    assert found["x.ppl.high"] == pytest.approx(np.exp(3.1 + half), rel=1e-5)


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


def test_misclassified_reviews_are_counted_for_each_model(results, f):
    results, name = copy.deepcopy(results), "test/pos/1_9"
    results["linear-0"]["reviews"][name] = {"label": 1}
    for i, model in enumerate(judges(results).values()):
        model["p"][name] = 0.1 if i < 2 else 0.9
    (row,) = [row for row in verdicts(results, f) if row["id"] == "0.j"]
    assert row["ours"].count("1 of 1") == 2 and row["verdict"] == "shown"

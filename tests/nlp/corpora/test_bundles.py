"""The registry, the bundles with and without data, counting bigrams, and (given real data) the published anchors."""

import hashlib
import math
import os
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nlp import assert_one_line
from tests.nlp.corpora.packing import GOOD, archived, members, tar_of
from tinygrad_nlp.nlp import corpora, counts, text
from tinygrad_nlp.nlp.corpora import CorpusError, Unavailable, builtin, bundles, registry, reviews
from tinygrad_nlp.nlp.metrics import Perplexity

DATA = os.environ.get("TINYGRAD_NLP_DATA")


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No data folder, an empty cache, no network."""

    def unreachable(url, *_, **__):
        raise Unavailable(f"no answer from {url}: check the network")

    monkeypatch.delenv("TINYGRAD_NLP_DATA", raising=False)
    monkeypatch.setenv("TINYGRAD_NLP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(registry, "download", unreachable)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder with a small news corpus and small texts, known to the registry."""
    listed = [text.UNKNOWN, "<s>", "</s>", "the", "end", ".", *(f"word{i}" for i in range(1994))]
    files = {
        "tiny-shakespeare": "Speak, speak.\n" * 5_000,
        "wikipedia-passage": "Māori – settled.\n",
        "news-dev": "-DOCSTART-\t X\n\n" + "The\tDT\nend\tNN\n.\t.\n\n" * 10,
        "news-vocabulary": "".join(f"{word:9}\t{5000 - i}\t0.01\n" for i, word in enumerate([*listed, "no more"])),
    }
    for name, content in files.items():
        row = corpora.REGISTRY[name]
        path = tmp_path / "data" / row.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8", newline="")
        digest = hashlib.sha256(content.encode()).hexdigest()
        monkeypatch.setitem(registry.REGISTRY, name, replace(row, check=f"sha256:{digest}"))
    return tmp_path / "data"


# %% The registry
def test_every_row_can_be_checked():
    for name, row in corpora.REGISTRY.items():
        assert name == row.name and row.size > 0 and row.licence
        assert re.fullmatch("sha256:[0-9a-f]{64}|git:[0-9a-f]{40}", row.check)
        assert row.url.startswith("https://") or name == "shakespeare-passage"
        assert not row.path.startswith("/") and ".." not in row.path
    assert len({row.path for row in corpora.REGISTRY.values()}) == len(corpora.REGISTRY)


def test_a_data_folder_that_is_not_there_is_an_error_and_no_fallback(tmp_path, monkeypatch):
    for bundle in (corpora.characters, corpora.news, corpora.film_reviews, corpora.review_text):
        with pytest.raises(CorpusError, match=r"data folder .*nowhere is not there: correct --data"):
            bundle(tmp_path / "nowhere")
    monkeypatch.setenv("TINYGRAD_NLP_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(CorpusError, match="elsewhere is not there"):
        corpora.find("imdb")


def test_a_missing_file_is_an_error_when_a_folder_was_given(data):
    with pytest.raises(CorpusError, match=r"imdb: .*aclImdb_v1.tar.gz is missing, and no answer from") as raised:
        corpora.film_reviews(data)
    assert not isinstance(raised.value, Unavailable)
    assert corpora.find("news-train", data) is None


def test_a_damaged_text_is_an_error(data):
    path = data / "tinyshakespeare.txt"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorpusError, match=r"wrong checksum of .*tinyshakespeare.txt: damaged.* delete it") as raised:
        corpora.characters(data)
    assert "\n" not in str(raised.value)


def test_unknown_names_are_told_the_known_ones():
    with pytest.raises(CorpusError, match="'wsj': use one of tiny-shakespeare, "):
        corpora.fetch("wsj")


def test_a_local_archive_with_another_checksum_is_accepted_and_said_so(tmp_path):
    archived(tmp_path, tar_of(*members(GOOD)), "aclImdb_v1.tar.gz")
    bundle = corpora.film_reviews(tmp_path)
    assert (len(bundle.train), len(bundle.test), bundle.leaked.tolist()) == (2, 2, [False, True])
    report = bundle.sources["imdb"].report()
    assert report["source"] == "data folder" and "not the published one" in report["note"] and not bundle.fallback
    english = corpora.review_text(tmp_path, size=30, held_out=9)
    assert english.train == "A fine film.\nFine!\nNot a fine " and english.held_out == "A FINE fi"


# %% Bundles from a data folder
def test_characters_cut_the_passage_where_its_file_is_missing(data):
    bundle = corpora.characters(data)
    assert bundle.train[bundle.span] == bundle.familiar and len(bundle.familiar) == 52_847 - 51_094
    assert bundle.foreign == "Maori - settled.\n" and not bundle.fallback
    digest = hashlib.sha256(bundle.familiar.encode()).hexdigest()
    report = bundle.sources["shakespeare-passage"].report()
    assert report == {"source": "cut from tiny-shakespeare", "sha256": digest, "note": ""}
    rest = bundle.without_leak(margin=100)
    assert rest == bundle.train[: 51_094 - 100] + bundle.train[52_847 + 100 :]


def test_a_damaged_passage_is_an_error_although_it_could_be_cut(data):
    (data / "shakespeare_for_perplexity.txt").write_text("damaged")
    with pytest.raises(CorpusError, match="wrong checksum"):
        corpora.characters(data)


def test_news_splits_by_sentences(data):
    bundle = corpora.news(data)
    assert len(bundle.vocabulary) == 2_000 and bundle.word_counts[:2].tolist() == [5_000, 4_999]
    assert bundle.sentences == [["The", "end", "."]] * 10 + [[]]  # 11 sentences: 9 to train on, 2 to test on
    assert len(bundle.train) == 9 * 4 and len(bundle.test) == 4 + 1
    assert [bundle.vocabulary.words[i] for i in bundle.train[1]] == ["the", "end"]


@given(st.text(alphabet="a\t1.\n x"))
def test_any_vocabulary_file_is_read_or_refused(listed):
    try:
        words, frequencies = bundles._vocabulary(listed, "vocab.txt")
    except CorpusError as error:
        assert_one_line(error)
    else:
        assert len(words) == len(frequencies) == len(text.lines(listed))


# %% Built-in corpora
@pytest.mark.parametrize("bundle", [corpora.characters, corpora.news, corpora.film_reviews, corpora.review_text])
def test_without_data_and_network_one_line_says_that_text_is_built_in(bundle):
    first, second = bundle(), bundle()
    assert first.fallback.startswith("Built-in corpora are used, so no published figure compares: no answer from https")
    assert "\n" not in first.fallback
    assert {name: source.report() for name, source in first.sources.items()} == {
        name: source.report() for name, source in second.sources.items()
    }  # the same text every time
    for source in first.sources.values():
        assert source.origin == "built-in" and re.fullmatch("[0-9a-f]{64}", source.sha256)


def test_built_in_text_has_the_shape_of_the_real():
    characters = corpora.characters()
    text.Characters().encode(characters.train + characters.foreign)  # in the alphabet
    assert characters.train[characters.span] == characters.familiar and len(characters.train) > 100_000
    news = corpora.news()
    assert len(news.vocabulary) == 2_000 and len(news.train) > 5 * len(news.test) > 1_000
    assert news.word_counts.min() > 0
    english = corpora.review_text()
    assert len(english.train) > 200_000 and english.train.isascii() and "<br />" not in english.train


def test_without_the_data_extra_a_run_still_works(monkeypatch):
    monkeypatch.delenv("TINYGRAD_NLP_CACHE")
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match="pip install pooch filelock"):
        corpora.fetch("imdb")
    assert "the extra [data]: pip install pooch filelock" in corpora.characters().fallback
    assert corpora.find("imdb") is None


@pytest.mark.parametrize("missing", ["pooch", "filelock"])
def test_without_the_data_extra_a_data_folder_is_read_all_the_same(tmp_path, monkeypatch, missing):
    archived(tmp_path, tar_of(*members(GOOD)), "aclImdb_v1.tar.gz")
    if missing == "pooch":
        monkeypatch.delenv("TINYGRAD_NLP_CACHE")
    monkeypatch.setitem(sys.modules, missing, None)
    bundle = corpora.film_reviews(tmp_path)
    assert len(bundle.train) == 2 and not bundle.fallback


def test_drawn_reviews_have_the_traits_that_fool_a_model():
    drawn = builtin.drawn_reviews(np.random.default_rng(0), train=400, test=200)
    assert drawn == builtin.drawn_reviews(np.random.default_rng(0), train=400, test=200)
    assert drawn != builtin.drawn_reviews(np.random.default_rng(1), train=400, test=200)
    train, test = reviews.tokenise(drawn)
    assert (len(train), len(test)) == (400, 200) and train.labels.mean() == test.labels.mean() == 0.5
    everything = " ".join(content for _, content in drawn)
    for trait in ("is not", "may be", "cousin", "It tells of", "<br />"):
        assert trait in everything
    opposite = [
        any(word in content.lower() for word in (builtin._BAD if "/pos/" in name else builtin._GOOD))
        for name, content in drawn
    ]
    assert 0.5 < np.mean(opposite) < 1  # most reviews hold words of the other side


def perplexity(log_probabilities):
    return Perplexity().add_log_probabilities(log_probabilities).value


# %% The published anchors
@pytest.mark.skipif(not DATA, reason="needs the real corpora: set TINYGRAD_NLP_DATA")
def test_anchors_of_the_word_models():
    news = corpora.news(DATA)
    assert (len(news.train), len(news.test)) == (109_303, 13_136)
    everything = np.concatenate([news.train, news.test])
    share = news.word_counts / news.word_counts.sum()
    assert perplexity(np.log(share[everything[:, 1]])) == pytest.approx(226.5, abs=0.05)
    model = counts.CountBigram(news.train, 2_000)
    assert perplexity(model.dirichlet(news.test)) == pytest.approx(89.5, abs=0.05)
    cut = int(0.9 * len(news.train))
    weights = counts.best_weights(news.train[:cut], news.train[cut:], 2_000)
    assert perplexity(model.interpolated(news.test, weights)) == pytest.approx(85.1, abs=0.05)
    assert perplexity(model.kneser_ney(news.test)) == pytest.approx(77.4, abs=0.05)
    whole = counts.CountBigram(everything, 2_000)
    for name, tokens, by_line, by_word in (("shakespeare-passage", 42, 6.6, 118), ("wikipedia-passage", 16, 26.2, 79)):
        passage = corpora.text_of(name, DATA)[0]
        lines = news.vocabulary.pairs(text.line_tokens(passage))
        assert len(lines) == tokens and perplexity(whole.dirichlet(lines)) == pytest.approx(by_line, abs=0.05)
        words = news.vocabulary.pairs(text.word_tokens(passage))
        assert perplexity(whole.dirichlet(words)) == pytest.approx(by_word, abs=0.6)


@pytest.mark.skipif(not DATA, reason="needs the real corpora: set TINYGRAD_NLP_DATA")
def test_anchors_of_the_character_models():
    bundle, alphabet = corpora.characters(DATA), text.Characters()
    assert len(bundle.train) == 1_115_394 and bundle.train[bundle.span] == bundle.familiar
    model = counts.CountBigram(counts.successive(alphabet.encode(bundle.train)), len(alphabet))
    for passage, anchor in ((bundle.familiar, 12.22), (bundle.foreign, 18.42)):
        assert perplexity(model.add(counts.successive(alphabet.encode(passage)))) == pytest.approx(anchor, rel=4e-3)


@pytest.mark.skipif(not DATA, reason="needs the real corpora: set TINYGRAD_NLP_DATA")
def test_anchors_of_the_reviews():
    bundle = corpora.film_reviews(DATA)
    assert len(bundle.train) == len(bundle.test) == 25_000 and bundle.leaked.sum() == 123
    assert bundle.train.labels.mean() == bundle.test.labels.mean() == 0.5
    for name in ("test/pos/5950_10", "test/neg/9975_4", "test/pos/9714_9", "test/neg/5723_2", "test/neg/2290_4"):
        assert bundle.test.labels[bundle.test.row(name)] == ("pos" in name)
    again = corpora.film_reviews(DATA)  # now from the parsed cache
    assert math.isclose(again.test.ids.sum(), bundle.test.ids.sum()) and again.test.vocabulary == bundle.test.vocabulary

"""Reviews from an archive: what is read, their tokens, the parsed cache. What is refused: test_untrusted_archives."""

import os
import tarfile

import numpy as np
import pytest

from tests.nlp.corpora.packing import GOOD, archived, member, members, tar_of
from tinygrad_nlp.nlp import bags, corpora
from tinygrad_nlp.nlp.corpora import CorpusError, download, reviews
from tinygrad_nlp.npz import read_npz, write_npz


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_NLP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_reads_reviews_and_skips_what_is_not_one(tmp_path):
    others = [
        member("aclImdb", kind=tarfile.DIRTYPE),
        member("aclImdb/README", b"hello"),
        member("aclImdb/train/unsup/0_0.txt", b"no label"),
        member("aclImdb/train/pos/0_9.txt.bak", b"no"),
        member("x/aclImdb/train/pos/0_9.txt", b"no"),
        member("aclImdb/train/pos/0_9.txt\n", b"no"),
    ]
    read = dict(reviews.stream(archived(tmp_path, tar_of(*others, *members(GOOD)))))
    assert read == {name[len("aclImdb/") : -len(".txt")]: text for name, text in GOOD.items()}


def test_missing_archive_and_missing_half(tmp_path):
    with pytest.raises(CorpusError, match=r"cannot read .*nowhere"):
        list(reviews.stream(tmp_path / "nowhere"))
    half = {name: text for name, text in GOOD.items() if "test" not in name}
    with pytest.raises(CorpusError, match=r"half.*it has 0 test reviews"):
        reviews.load(archived(tmp_path, tar_of(*members(half)), "half"), "digest")


# %% Tokens and the cache
def test_ids_are_ranks_by_training_frequency_whatever_the_order():
    content = [(name[len("aclImdb/") : -len(".txt")], text) for name, text in GOOD.items()]
    train, test = reviews.tokenise(content)
    again, _ = reviews.tokenise(content[::-1])
    assert train.names.tolist() == ["train/neg/3_2", "train/pos/0_9"] and train.labels.tolist() == [0, 1]
    assert train.vocabulary == again.vocabulary and train.ids.tolist() == again.ids.tolist()
    assert train.vocabulary[0] == "fine" and train.vocabulary[-1] == "dull"  # a word of the test reviews only is last
    assert test.words(test.row("test/pos/2_10")) == ["a", "fine", "film", ".", "fine", "!"]
    assert train.words(0) == ["not", "a", "fine", "film", "at", "all"]
    counts = np.bincount(train.ids, minlength=len(train.vocabulary))
    assert (np.diff(counts) <= 0).all()


def test_reviews_without_a_word_are_refused():
    content = [(f"{split}/{label}/0_5", " ") for split in ("train", "test") for label in ("neg", "pos")]
    with pytest.raises(CorpusError, match="its 4 reviews are all empty: fetch it again"):
        reviews.tokenise(content)


def test_a_test_review_also_in_train_is_found():
    content = [(name[len("aclImdb/") : -len(".txt")], text) for name, text in GOOD.items()]
    train, test = reviews.tokenise([*content, ("test/pos/7_8", "a fine film. fine!")])
    assert test.names[reviews.also_in(test, train)].tolist() == ["test/pos/2_10", "test/pos/7_8"]
    assert not reviews.also_in(test.take(np.array([0])), train).any()


def test_taking_reviews():
    train, _ = reviews.tokenise([(name[len("aclImdb/") : -len(".txt")], text) for name, text in GOOD.items()])
    assert train.take(np.array([True, False])).words(0) == train.words(0)
    assert train.take(np.array([1, 0, 1])).names.tolist() == [train.names[1], train.names[0], train.names[1]]
    assert len(train.take(np.array([], dtype=int))) == 0


def test_parsed_cache_is_used_and_a_damaged_one_is_made_again(tmp_path, cache):
    pytest.importorskip("filelock")
    archive = archived(tmp_path, tar_of(*members(GOOD)))
    first = reviews.load(archive, "a" * 64)
    archive.unlink()  # so what follows must come from the cache
    (path,) = cache.glob("*.npz")
    assert_same(first, reviews.load(archive, "a" * 64))
    whole = path.read_bytes()
    archived(tmp_path, tar_of(*members(GOOD)))
    for damaged in (b"", whole[:100], whole[:-30], bytes([*whole[:200], whole[200] ^ 1, *whole[201:]])):
        path.write_bytes(damaged)
        assert_same(first, reviews.load(archive, "a" * 64))
        assert path.read_bytes()[:2] == b"PK" and len(path.read_bytes()) == len(whole)
    archive.unlink()
    with pytest.raises(CorpusError, match="cannot read"):  # another source, another key
        reviews.load(archive, "b" * 64)
    assert sorted(file.suffix for file in cache.iterdir() if file.suffix != ".lock") == [".npz"]


def test_a_parsed_cache_with_other_content_is_named_and_made_again(tmp_path, cache, capsys):
    """As somebody who edits it would leave it: a whole archive, with right checksums of its members."""
    pytest.importorskip("filelock")
    archive = archived(tmp_path, tar_of(*members(GOOD)))
    first = reviews.load(archive, "a" * 64)
    (path,) = cache.glob("*.npz")
    whole = read_npz(path)
    without = {name: array for name, array in whole.items() if name != "sha256"}
    for change in (
        {"train_labels": 1 - whole["train_labels"]},
        {"test_ids": -whole["test_ids"]},
        {"train_ids": whole["test_ids"]},
    ):
        for kept in (whole, without):
            write_npz(path, kept | change)
            assert_same(first, reviews.load(archive, "a" * 64))
            assert f"{path} is not as it was written" in capsys.readouterr().err
            assert read_npz(path).keys() == whole.keys()


def test_with_the_archive_in_the_data_folder_nothing_is_written_elsewhere(tmp_path, monkeypatch):
    monkeypatch.delenv("TINYGRAD_NLP_CACHE")
    monkeypatch.setattr(download, "cache_folder", lambda: pytest.fail("the cache was asked for"))
    monkeypatch.setattr(reviews, "cache_folder", lambda: pytest.fail("the cache was asked for"))
    (tmp_path / "data").mkdir()
    archive = archived(tmp_path / "data", tar_of(*members(GOOD)), "aclImdb_v1.tar.gz")
    found = corpora.film_reviews(tmp_path / "data")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]
    pytest.importorskip("filelock")
    again = corpora.film_reviews(tmp_path / "data", tmp_path / "out")
    assert_same((found.train, found.test), (again.train, again.test))
    assert [path.suffix for path in (tmp_path / "out").iterdir() if path.suffix != ".lock"] == [".npz"]


def test_an_unwritable_cache_is_told_before_the_work(tmp_path, monkeypatch):
    pytest.importorskip("filelock")
    (tmp_path / "file").touch()
    monkeypatch.setenv("TINYGRAD_NLP_CACHE", os.fspath(tmp_path / "file"))
    with pytest.raises(CorpusError, match=r"cannot write reviews-.* set TINYGRAD_NLP_CACHE"):
        reviews.load(archived(tmp_path, tar_of(*members(GOOD))), "c" * 64)


def assert_same(one: tuple[reviews.Reviews, ...], other: tuple[reviews.Reviews, ...]) -> None:
    for a, b in zip(one, other, strict=True):
        assert a.vocabulary == b.vocabulary
        for field in ("ids", "offsets", "labels", "names"):
            left, right = getattr(a, field), getattr(b, field)
            assert left.dtype == right.dtype and left.tolist() == right.tolist()
        assert len(bags.lengths(a.ids, a.offsets)) == len(a)

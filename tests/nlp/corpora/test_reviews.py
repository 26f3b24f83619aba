"""The archive of reviews: what is read, what is refused by name, damage of every kind, the parsed cache.

One file, though a long one, because every test packs the same four reviews into an archive of its own.
"""

import gzip
import io
import os
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nlp import assert_one_line
from tinygrad_nlp.files import read_npz, write_npz
from tinygrad_nlp.nlp import bags, corpora
from tinygrad_nlp.nlp.corpora import CorpusError, download, reviews

GOOD = {
    "aclImdb/train/pos/0_9.txt": "A fine film.<br />Fine!",
    "aclImdb/train/neg/3_2.txt": "Not a fine film\x85at all",
    "aclImdb/test/neg/11_1.txt": "Dull.",
    "aclImdb/test/pos/2_10.txt": "A FINE film. Fine !",
}


def member(
    name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(content), link
    return info, content


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def members(content: dict[str, str]) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [member(name, text.encode()) for name, text in content.items()]


def archived(folder: Path, tar: bytes, name: str = "archive.tar.gz") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(tar, 1, mtime=0))
    return path


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


def test_an_archive_of_a_folder_names_its_members_from_there_on(tmp_path):
    """tar -czf a.tar.gz . writes ./aclImdb/…; what is refused by name is refused by this one too."""
    there = archived(tmp_path, tar_of(member("./", kind=tarfile.DIRTYPE), *members({f"./{n}": GOOD[n] for n in GOOD})))
    assert list(reviews.stream(there)) == [(name[len("aclImdb/") : -len(".txt")], GOOD[name]) for name in GOOD]
    for name, why in [
        ("././aclImdb/train/pos/5_9.txt", ""),
        (".//aclImdb/train/pos/5_9.txt", ""),
        ("./aclImdb/train/pos/../5_9.txt", "leads out"),
        ("./aclImdb/train/pos/0_9.txt", "it is there twice"),
    ]:
        archive = archived(tmp_path, tar_of(*members(GOOD), member(name, b"x")))
        if why:
            with pytest.raises(CorpusError, match=why):
                list(reviews.stream(archive))
        else:
            assert len(list(reviews.stream(archive))) == 4  # no name of a review


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (member("aclImdb/train/pos/5_9.txt", kind=tarfile.SYMTYPE, link="/etc/passwd"), "link or a device"),
        (
            member("aclImdb/train/pos/5_9.txt", kind=tarfile.LNKTYPE, link="aclImdb/train/pos/0_9.txt"),
            "link or a device",
        ),
        (member("aclImdb/train/pos/5_9.txt", kind=tarfile.CHRTYPE), "link or a device"),
        (member("aclImdb/zero", kind=tarfile.FIFOTYPE), "link or a device"),
        (member("/aclImdb/train/pos/5_9.txt", b"x"), "leads out"),
        (member("aclImdb/train/pos/../5_9.txt", b"x"), "leads out"),
        (member("../evil.txt", b"x"), "leads out"),
        (member("aclImdb/train/pos/0_9.txt", b"again"), "there twice"),
        (member("aclImdb/train/pos/5_9.txt", b"x" * 200), "more than the cap of 100"),
    ],
)
def test_refused_by_name(tmp_path, bad, why):
    archive = archived(tmp_path, tar_of(*members(GOOD), bad))
    with pytest.raises(CorpusError, match=why) as raised:
        list(reviews.stream(archive, member_cap=100))
    assert repr(bad[0].name) in str(raised.value) and str(archive) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_total_cap_counts_what_is_skipped(tmp_path):
    archive = archived(tmp_path, tar_of(member("aclImdb/train/unsup/0_0.txt", b"\0" * 1_000_000), *members(GOOD)))
    with pytest.raises(CorpusError, match="more than the cap of 500,000 bytes"):
        list(reviews.stream(archive, total_cap=500_000))


def test_a_header_of_two_gigabytes_is_not_believed(tmp_path):
    liar = tarfile.TarInfo("aclImdb/extended")
    liar.type, liar.size = tarfile.XHDTYPE, 2 << 30
    with pytest.raises(CorpusError, match="damaged"):
        list(reviews.stream(archived(tmp_path, liar.tobuf() + tar_of(*members(GOOD)))))


def test_a_negative_size_ends(tmp_path):
    liar = bytearray(tarfile.TarInfo("aclImdb/README").tobuf(tarfile.GNU_FORMAT))
    liar[124:136] = b"\xff" * 10 + b"\xf0\x00"  # −4096 in base 256: a reader that believes it goes round in circles
    liar[148:156] = b" " * 8
    liar[148:156] = b"%06o\0 " % sum(liar)
    with pytest.raises(CorpusError, match=r"negative size|damaged"):
        list(reviews.stream(archived(tmp_path, tar_of(*members(GOOD))[: 8 * 512] + bytes(liar))))


def test_a_broken_header_is_no_end(tmp_path):
    """Not even where nothing follows it, so that only the member of this header would be missing."""
    start, last = tar_of(*members(GOOD))[: 8 * 512], bytearray(tarfile.TarInfo("aclImdb/train/pos/77_9.txt").tobuf())
    whole = len(list(reviews.stream(archived(tmp_path, start + bytes(last) + bytes(1024)))))
    assert whole == 1 + len(list(reviews.stream(archived(tmp_path, start))))
    last[148:156] = b"000000\0 "  # the checksum
    with pytest.raises(CorpusError, match="damaged"):
        list(reviews.stream(archived(tmp_path, start + bytes(last) + bytes(1024))))


def test_damage_in_a_review_names_member_and_byte(tmp_path):
    archive = archived(tmp_path, tar_of(member("aclImdb/train/pos/5_9.txt", b"na\xefve")))
    with pytest.raises(CorpusError, match=r"5_9.txt: byte 2 \(0xef\) is not UTF-8"):
        list(reviews.stream(archive))


def test_every_truncation_is_noticed(tmp_path):
    whole = archived(tmp_path, tar_of(*members(GOOD))).read_bytes()
    part = tmp_path / "part.tar.gz"
    for size in range(0, len(whole), 7):
        part.write_bytes(whole[:size])
        with pytest.raises(CorpusError):
            reviews.tokenise(reviews.stream(part))


@given(place=st.integers(0, 10_000), byte=st.integers(1, 255), inside=st.booleans())
def test_a_flipped_byte_gives_an_error_or_a_right_answer(tmp_path_factory, place, byte, inside):
    tar = bytearray(tar_of(*members(GOOD)))
    packed = bytearray(tar if inside else gzip.compress(tar, mtime=0))
    packed[place % len(packed)] ^= byte
    path = tmp_path_factory.getbasetemp() / "flipped.tar.gz"
    path.write_bytes(gzip.compress(packed, 1) if inside else packed)
    try:
        read = dict(reviews.stream(path))
    except CorpusError as error:
        assert_one_line(error)
        return
    right = {name[len("aclImdb/") : -len(".txt")]: text for name, text in GOOD.items()}
    if inside:  # the archive's own checksum covers the flip: members may be renamed, or a letter changed
        assert len(read) <= len(right) and all(reviews.REVIEW.fullmatch(f"aclImdb/{name}.txt") for name in read)
    else:
        assert read == right


@given(st.binary(max_size=2_000))
def test_garbage_is_an_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "garbage.tar.gz"
    for content in (data, gzip.compress(data, 1)):
        path.write_bytes(content)
        with pytest.raises(CorpusError):
            reviews.tokenise(reviews.stream(path))


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


def extended(kind: bytes, content: bytes) -> bytes:
    """A header that names another header, as for long names."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = kind, len(content)
    return info.tobuf(tarfile.GNU_FORMAT) + content + b"\0" * (-len(content) % 512)


HEADERS = {
    "400 in a row": extended(tarfile.GNUTYPE_LONGNAME, b"a" * 200) * 400,
    "a megabyte of name": extended(tarfile.GNUTYPE_LONGNAME, b"a" * 1_000_000),
    "half a megabyte of digits": extended(tarfile.XHDTYPE, b"1" * 500_000),
    "1,000 digits": extended(tarfile.XHDTYPE, b"1" * 1_000),
    "400 of digits": extended(tarfile.XHDTYPE, b"11 a=bcdefg\n" * 20) * 400,
}


@pytest.mark.parametrize("start", HEADERS.values(), ids=HEADERS)
def test_headers_are_refused_before_they_cost_anything(tmp_path, start):
    archive = archived(tmp_path, start + tar_of(*members(GOOD)))
    before = time.process_time()
    with pytest.raises(CorpusError, match=r"is damaged \((a header|headers|invalid header)"):
        list(reviews.stream(archive))
    assert time.process_time() - before < 1


def test_names_that_are_a_little_long_are_read(tmp_path):
    content = dict(GOOD) | {"aclImdb/" + "a" * 300: "not a review"}
    assert len(list(reviews.stream(archived(tmp_path, tar_of(*members(content)))))) == 4


def test_an_archive_that_unpacks_to_much_more_than_its_size(tmp_path):
    archive = archived(tmp_path, tar_of(member("aclImdb/train/unsup/0_0.txt", b"\0" * (6 << 20)), *members(GOOD)))
    with pytest.raises(CorpusError, match="holds more than the cap of 4,"):
        list(reviews.stream(archive))


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

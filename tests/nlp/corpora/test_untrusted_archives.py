"""Archives that are read without trust: names that lead out, links, bombs, false headers, damage of every kind."""

import gzip
import tarfile
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nlp import assert_one_line
from tests.nlp.corpora.packing import GOOD, archived, member, members, tar_of
from tinygrad_nlp.nlp.corpora import CorpusError, reviews


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

"""Word vectors in the formats of GloVe, word2vec and fastText, from a text file, gzip, and streamed from a zip."""

import gzip
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nlp import assert_one_line
from tinygrad_nlp.nlp import vectors
from tinygrad_nlp.nlp.corpora import CorpusError
from tinygrad_nlp.nlp.vectors import read_vectors

GOOD = "the 0.5 -1 2e-1\n\x85 1 2 3\nfilm 4 5 6"  # U+0085 is a word of the published files: it ends no line


def written(folder, content: str | bytes):
    path = folder / "vectors.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_reads_the_vocabulary_and_reports_coverage(tmp_path):
    read = read_vectors(written(tmp_path, GOOD), ["film", "unseen", "the", "\x85"], 3)
    assert read.table.dtype == np.float32 and read.found.tolist() == [True, False, True, True]
    np.testing.assert_array_equal(read.table, np.float32([[4, 5, 6], [0, 0, 0], [0.5, -1, 0.2], [1, 2, 3]]))
    assert read.coverage == 0.75


def test_streams_a_member_of_a_zip(tmp_path):
    path = tmp_path / "glove.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("glove.3d.txt", GOOD)
    assert read_vectors(path, ["film"], 3, "glove.3d.txt").table.tolist() == [[4, 5, 6]]
    assert [file.name for file in tmp_path.iterdir()] == ["glove.zip"]  # nothing was extracted
    with pytest.raises(CorpusError, match=r"no member 'glove.9d.txt': choose one of glove.3d.txt"):
        read_vectors(path, ["film"], 3, "glove.9d.txt")
    data = bytearray(path.read_bytes())
    data[45] ^= 255
    path.write_bytes(data)
    with pytest.raises(CorpusError, match=r"damaged|is not UTF-8|line"):
        read_vectors(path, ["film"], 3, "glove.3d.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("the 1 2 3\nfilm 1 2\n", "line 2 has 2 numbers, not 3"),
        ("the 1 2 3 4\n", "line 1 has 4 numbers, not 3: choose the file of that width"),
        ("film noir 1 2\nthe 1 2 3", "line 1: could not convert string to float"),
        ("film\n", "line 1 has 0 numbers, not 3"),
        (". . . 1 2 3\nthe . . 1 2 3 4\n", "line 2 has 4 numbers, not 3"),
        ("2 4\nthe 1 2 3 4\nfilm 1 2 3 4", "its first line says width 4, not 3: ask for that width"),
        ("3 3\nthe 1 2 3\nfilm 1 2 3", "its first line promises 3 rows, it has 2: fetch it again"),
        ("2 3\nthe \0\1\2", "word2vec's binary format is not read here"),
        ("2 3\n", "is empty"),
        ("\n\n", "is empty"),
        ("the 1 2 nan", "line 1 has a number that is not finite"),
        ("the 1 2 1e300", "not finite"),
        ("the 1 2 x", "line 1: could not convert"),
        ("", "is empty"),
        ("the 1 2 3\nthe 4 5 6", "line 2: 'the' is there twice, with other numbers: delete one of its two rows"),
        (b"\xff 1 2 3", r"line 1: byte 0 \(0xff\) is not UTF-8"),
        ("the 1 2 " + "3" * 100_000, "not finite|numbers"),
    ],
)
def test_bad_rows_are_named(tmp_path, content, message):
    with pytest.raises(CorpusError, match=message):
        read_vectors(written(tmp_path, content), ["the", "film"], 3)


@pytest.mark.parametrize(
    "content",
    [
        "the .1 .2 .3\n. . . .4 .5 .6\nat name@domain.com .7 .8 .9\ncat 1 2 3\n",  # glove.840B's tokens with spaces
        "4 3\nthe .1 .2 .3\n. . . .4 .5 .6\nx 0 0 0\ncat 1 2 3\n",  # word2vec's first line
        "the .1 .2 .3 \n. . . .4 .5 .6 \ncat 1 2 3 \n",  # its own writer ends each row with a space
        "the\t.1\t.2\t.3\r\n. . .\t.4 .5\t.6\r\ncat  1  2  3\n\n \n",
        "a 1 2 3\na 4 5 6\nthe .1 .2 .3\n. . . .4 .5 .6\ncat 1 2 3\ncat 1 2 3",  # twice: unwanted, or the same row
        gzip.compress(b"the .1 .2 .3\n. . . .4 .5 .6\ncat 1 2 3", mtime=0),
        b"\xef\xbb\xbfthe .1 .2 .3\n. . . .4 .5 .6\ncat 1 2 3",  # a byte-order mark
    ],
)
def test_the_formats_of_the_field(tmp_path, content):
    read = read_vectors(written(tmp_path, content), ["cat", "the", "unseen", ". . .", "the"], 3)
    expected = np.float32([[1, 2, 3], [0.1, 0.2, 0.3], [0, 0, 0], [0.4, 0.5, 0.6], [0.1, 0.2, 0.3]])
    np.testing.assert_array_equal(read.table, expected)
    assert read.found.tolist() == [True, True, False, True, True]


def test_one_number_a_row_has_no_first_line(tmp_path):
    assert read_vectors(written(tmp_path, "2 5\n3 7\n"), ["3", "2"], 1).table.tolist() == [[7], [5]]


def test_compressed_files_that_are_damaged_or_not_named(tmp_path):
    whole = gzip.compress(GOOD.encode() * 50)
    with pytest.raises(CorpusError, match=r"is damaged .*: fetch it again"):
        read_vectors(written(tmp_path, whole[: len(whole) // 2]), ["the"], 3)
    with pytest.raises(CorpusError, match=r"is damaged .*: fetch it again"):
        read_vectors(written(tmp_path, whole[:-6] + b"\0" * 6), ["unseen"], 3)
    path = tmp_path / "glove.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("glove.3d.txt", GOOD)
    with pytest.raises(CorpusError, match=r"glove.zip is a zip: name the member to read, member=, one of glove.3d.txt"):
        read_vectors(path, ["the"], 3)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(CorpusError, match="damaged"):
        read_vectors(path, ["the"], 3)


def test_endless_tables_are_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(vectors, "ROWS_CAP", 2)
    with pytest.raises(CorpusError, match="more than 2 rows"):
        read_vectors(written(tmp_path, "a 1\nb 2\nc 3\n"), ["a"], 1)


def test_missing_file(tmp_path):
    with pytest.raises(CorpusError, match="cannot read"):
        read_vectors(tmp_path / "nowhere.txt", ["the"], 3)
    with pytest.raises(CorpusError, match="damaged"):
        read_vectors(written(tmp_path, GOOD), ["the"], 3, "member.txt")


@given(st.binary(max_size=300))
def test_garbage_is_an_error_or_rows_of_the_right_width(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "garbage.txt"
    path.write_bytes(data)
    try:
        read = read_vectors(path, ["the", "a"], 2)
    except CorpusError as error:
        assert_one_line(error)
    else:
        assert len(data.split()) >= 3 and np.isfinite(read.table).all()

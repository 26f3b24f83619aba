"""Word vectors in GloVe's format, from a text file and streamed from a zip."""

import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_nlp.nlp import vectors
from tinygrad_nlp.nlp.corpora import CorpusError
from tinygrad_nlp.nlp.vectors import read_vectors

GOOD = "the 0.5 -1 2e-1\n\x85 1 2 3\nfilm 4 5 6"  # U+0085 is a word of the published files: it ends no line


def is_one_line(error: Exception) -> None:
    """A message for a terminal: one line, not empty."""
    assert str(error) and "\n" not in str(error)


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
        ("the  1 2 3\n", "line 1 has 4 numbers"),
        ("the 1 2 3\n\nfilm 1 2 3", "line 2 has 0 numbers"),
        ("the 1 2 nan", "line 1 has a number that is not finite"),
        ("the 1 2 1e300", "not finite"),
        ("the 1 2 x", "line 1: could not convert"),
        ("", "is empty"),
        ("a 1 2 3\na 4 5 6", "line 2: 'a' is there twice"),
        (b"\xff 1 2 3", r"line 1: byte 0 \(0xff\) is not UTF-8"),
        ("the 1 2 " + "3" * 100_000, "not finite|numbers"),
    ],
)
def test_bad_rows_are_named(tmp_path, content, message):
    with pytest.raises(CorpusError, match=message):
        read_vectors(written(tmp_path, content), ["the"], 3)


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
        is_one_line(error)
    else:
        assert data.count(b" ") >= 2 and np.isfinite(read.table).all()

"""Files that were made to do harm: each reader takes or refuses them, in little time and memory. 5,000 of them:

HYPOTHESIS_PROFILE=explore python -m pytest tests/test_hostile.py
"""

import gzip
import io
import re
import tarfile
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_nlp import load, nn, save
from tinygrad_nlp.files import FileError
from tinygrad_nlp.nlp import saved
from tinygrad_nlp.nlp.corpora import reviews
from tinygrad_nlp.nlp.models import CharRNN, DeepAveragingNetwork
from tinygrad_nlp.nlp.text import Characters
from tinygrad_nlp.nlp.vectors import read_vectors
from tinygrad_nlp.npz import read_tree, write_tree
from tinygrad_nlp.run import Run

WORDS = ["film", "good", "the"]
GREAT = [b"9" * 9, b"4294967295", b"-1", b"1000000", b"9" * 30, b"0", b"1e308", b"nan", b"\xff" * 8, b"(", b"'<U0'"]


@st.composite
def harmed(draw, good):
    """Good bytes with one to four changes: flipped, cut, repeated thousands of times, numbers made great."""
    content = good
    for _ in range(draw(st.integers(1, 4))):
        at, end = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        end = min(end, at + 600)
        numbers = list(re.finditer(rb"\d+", content)) or [None]
        number = draw(st.sampled_from(numbers))
        change = draw(st.sampled_from(["flip", "cut", "repeat", "great", "insert"]))
        if change == "flip" and at < len(content):
            content = content[:at] + bytes([content[at] ^ draw(st.integers(1, 255))]) + content[at + 1 :]
        elif change == "cut":
            content = content[:at] + content[end:]
        elif change == "repeat":
            content = content[:at] + content[at:end] * draw(st.sampled_from([2, 30, 500])) + content[end:]
        elif change == "great" and number is not None:
            content = content[: number.start()] + draw(st.sampled_from(GREAT)) + content[number.end() :]
        else:
            content = content[:at] + draw(st.binary(max_size=60)) + content[at:]
    return content[: 1 << 19]


def taken_or_refused(path, read):
    """At most 100 MiB for each MiB of the file, and as much to begin with; 5 seconds; one line of complaint."""
    size = path.stat().st_size / (1 << 20)
    tracemalloc.start()
    began, complaint = time.process_time(), ""
    try:
        read(path)
    except FileError as error:
        complaint = str(error)
    finally:
        seconds, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert len(complaint) < 2_000 and (not complaint or complaint.isprintable())
    assert peak < 100 * (1 + size) * (1 << 20) and seconds < 5


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


def model(path, which):
    if which:
        saved.save(
            path, CharRNN(5, 3, 4, "lstm", layers=2, rng=np.random.default_rng(0)), Characters("abcde"), {"steps": 7}
        )
    else:
        saved.save(path, DeepAveragingNetwork(3, 4, 2, 5, rng=np.random.default_rng(0)), list("abc"))


@given(st.data(), st.booleans())
@pytest.mark.filterwarnings("default")  # Python's parser has things to say about some headers
def test_models(place, data, which):
    path = place / "model.npz"
    model(path, which)
    rebuilt(path, data)
    taken_or_refused(path, saved.load)


@given(st.data())
@pytest.mark.filterwarnings("default")
def test_any_module(place, data):
    path, rng = place / "module.npz", np.random.default_rng(0)
    parts = [nn.Embedding(5, 3, rng=rng), nn.GRU(3, 4, rng=rng, batch_first=True), nn.Dropout(0.5, rng=rng), np.tanh]
    save(path, nn.Sequential(*parts, nn.Linear(4, 2, rng=rng, init=nn.orthogonal)))
    rebuilt(path, data)
    taken_or_refused(path, load)


@given(st.data())
@pytest.mark.filterwarnings("default")
def test_checkpoints(place, data):
    folder = place / "run"
    for old in folder.glob("checkpoint-*"):
        old.unlink()

    def run(resume):
        rng = np.random.default_rng(0)
        return Run(folder, keep={"x": np.zeros(3), "h": [1.0]}, generators={"rng": rng}, resume=resume)

    list(run(False).steps(1))
    path = folder / "checkpoint-000000001.npz"
    write_tree(path, read_tree(path) | {"seconds": 0.0})  # the same bytes each time
    rebuilt(path, data)
    taken_or_refused(path, lambda _: run(True))


def rebuilt(path, data):
    """The archive again, with one member harmed and its checksum right, or the whole of it harmed."""
    inside = members(path)
    name = data.draw(st.sampled_from([*sorted(inside), None]))
    if name is None:
        path.write_bytes(data.draw(harmed(path.read_bytes())))
        return
    with zipfile.ZipFile(path, "w") as archive:
        for other, content in inside.items():
            archive.writestr(other, data.draw(harmed(content)) if other == name else content)


@given(st.data())
def test_archives_of_reviews(place, data):
    file = io.BytesIO()
    kind = data.draw(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    with tarfile.open(fileobj=file, mode="w", format=kind) as tar:
        for name in ("aclImdb/train/pos/0_9.txt", "aclImdb/" + "long/" * 40, "aclImdb/test/neg/1_1.txt"):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = 5, 0.5
            tar.addfile(info, io.BytesIO(b"good."))
    path = place / "archive.tar.gz"
    path.write_bytes(gzip.compress(data.draw(harmed(file.getvalue())), 1))
    taken_or_refused(path, lambda path: list(reviews.stream(path)))


@given(st.data())
def test_word_vectors(place, data):
    content = data.draw(harmed(b"3 2\nfilm 0.5 -1\ngood 1 2e-3\nthe 3 4\n"))
    path, member = place / "vectors", data.draw(st.sampled_from([None, "v.txt"]))
    if member:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, content)
    else:
        path.write_bytes(gzip.compress(content) if data.draw(st.booleans()) else content)
    taken_or_refused(path, lambda path: read_vectors(path, WORDS, 2, member))


@pytest.mark.parametrize("packed", ["zip", "gzip"])
def test_vectors_that_unpack_to_much_more_than_their_size(tmp_path, packed):
    rows = b"".join(b"%d%s 0 0\n" % (i, b"a" * 60_000) for i in range(400))
    path, member = tmp_path / "vectors", "v.txt" if packed == "zip" else None
    if member:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, rows)
    else:
        path.write_bytes(gzip.compress(rows))
    with pytest.raises(FileError, match="unpacks to more than 30 times its size"):
        read_vectors(path, WORDS, 2, member)
    taken_or_refused(path, lambda path: read_vectors(path, WORDS, 2, member))


def test_many_layers_of_nothing(tmp_path):
    path = tmp_path / "m.npz"
    model(path, 0)
    tree = read_tree(path)
    tree["module"]["settings"] |= {"vocabulary": 1, "dimension": 0, "width": 0, "layers": 10**6, "classes": 1}
    values = {"embedding.table": np.zeros((1, 0), np.float32), "x": np.zeros(10**6, bool)}
    write_tree(path, tree | {"values": values})
    with pytest.raises(FileError, match="its setting layers is 1000000, and it holds 2 arrays"):
        saved.load(path)
    taken_or_refused(path, saved.load)

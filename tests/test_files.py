"""Files that are whole or not there: what is written comes back, atomically, with many writers."""

import contextlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import posix
from tinygrad_nlp import files
from tinygrad_nlp.files import FileError, digest, replacing, write_json, write_text
from tinygrad_nlp.npz import read_npz


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all the examples of a property."""
    return tmp_path_factory.mktemp("files")


keys = st.text(max_size=4).filter(lambda key: not key.startswith("$"))


# %% There and back
def test_json_and_text(tmp_path):
    write_json(tmp_path / "r.json", {"loss": np.float32(0.5), "rows": np.arange(2), "name": "σ"})
    assert json.loads((tmp_path / "r.json").read_text("utf-8")) == {"loss": 0.5, "rows": [0, 1], "name": "σ"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "r.json", {"loss": float("nan")})
    assert "0.5" in (tmp_path / "r.json").read_text("utf-8")
    write_text(tmp_path / "t", "a\r\nb\x85")
    assert (tmp_path / "t").read_bytes() == b"a\r\nb\xc2\x85"


def test_digest_tells_shape_dtype_and_order_apart():
    texts = [("ab",), ("a", "b"), (b"ab", "")]
    values = [*texts, (np.zeros(2),), (np.zeros((2, 1)),), (np.zeros(2, "f4"),), (np.arange(2.0),)]
    assert len({digest(*value) for value in values}) == len(values)
    a = np.arange(6).reshape(2, 3)
    assert digest(a) == digest(np.asfortranarray(a)) and digest("ab") == digest(b"ab")


# %% Atomic
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_a_write_that_fails_changes_nothing(tmp_path, error):
    write_text(tmp_path / "t", "old")

    def fail():
        with replacing(tmp_path / "t") as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        fail()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    write_text(tmp_path / "t", "old")
    with replacing(tmp_path / "t") as file:
        file.write(b"new")
        file.flush()
        assert (tmp_path / "t").read_text() == "old"
    assert (tmp_path / "t").read_text() == "new"


@posix
def test_folders_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"cannot write .*absent/x: No such file or directory: write to a folder"):
        write_text(tmp_path / "absent" / "x", "")
    with pytest.raises(FileError, match=r"cannot write .*file/x: Not a directory"):
        write_text(tmp_path / "file" / "x", "")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match=r"cannot write .*folder: Is a directory"):
        write_text(tmp_path / "folder", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


FULL = """
import resource, sys, numpy as np
from tinygrad_nlp.files import FileError
from tinygrad_nlp.npz import write_npz
write_npz(sys.argv[1], {"x": np.arange(3)})
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
try:
    write_npz(sys.argv[1], {"x": np.zeros(100_000)})
except FileError as error:
    print(error)
"""


@posix
def test_a_full_disk(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-c", FULL, str(tmp_path / "x.npz")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    remedy = "free some space or write to another folder"
    assert done.stdout == f"cannot write {tmp_path / 'x.npz'}: the disk is full: {remedy}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]
    assert read_npz(tmp_path / "x.npz")["x"].tolist() == [0, 1, 2]


# %% Many writers, links, kept results
def test_threads_and_processes_that_write_one_path_all_succeed(tmp_path):
    """One file in the end, whole, of one of them; nothing else is left."""
    path = tmp_path / "x.json"
    script = (
        "import sys; from tinygrad_nlp.files import write_json; [write_json(sys.argv[1], {'by': i}) for i in range(99)]"
    )
    command = [sys.executable, "-c", script, str(path)]
    others = [subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.getcwd()}) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: write_json(path, {"by": i}), range(400)))
    assert [process.wait(60) for process in others] == [0, 0]
    assert json.loads(path.read_text())["by"] in range(400) and [p.name for p in tmp_path.iterdir()] == ["x.json"]


@posix
def test_links_are_replaced_and_never_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "x").symlink_to(victim)
    write_text(tmp_path / "x", "ours")
    assert (tmp_path / "x").read_text() == "ours" and not (tmp_path / "x").is_symlink()
    monkeypatch.setattr(files.secrets, "token_hex", lambda size: "guessed")
    (tmp_path / ".x.guessed.part").symlink_to(victim)
    with pytest.raises(FileError, match=r"cannot write .*x: File exists"):
        write_text(tmp_path / "x", "through the link")
    (tmp_path / "log").symlink_to(victim)
    with pytest.raises(FileError, match=r"cannot write .*log"):
        files.append(tmp_path / "log", "through the link")
    assert victim.read_text() == "mine"


@posix
def test_a_lock_is_for_one_at_a_time_and_a_link_at_its_name_is_not_followed(tmp_path):
    pytest.importorskip("filelock")
    inside = []

    def work(i, patience=60.0):
        with files.locked(tmp_path / "lock", patience, "the folder"):
            inside.append(i)
            assert inside == [i]
            inside.remove(i)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    with files.locked(tmp_path / "lock", 0, ""), pytest.raises(FileError, match="the folder is in use by another"):
        work(0, patience=0.2)  # by this very thread
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    with pytest.raises(FileError, match="cannot write"), files.locked(tmp_path / "link", 0, ""):
        pass
    assert not (tmp_path / "victim").exists()


kept = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.lists(st.booleans())


@given(st.dictionaries(keys.filter(lambda key: key != "sha256"), kept), st.data())
def test_a_kept_value_comes_back_or_is_refused(folder, value, data):
    path = folder / "kept.json"
    files.write_sealed(path, value)
    assert files.read_sealed(path) == value
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with contextlib.suppress(FileError):
        assert files.read_sealed(path) == value  # it was white space


@pytest.mark.parametrize("content", ["", "[]", "{}", "5", '{"loss": 1}', '{"loss": 1, "sha256": null}', "[" * 10**5])
def test_what_is_not_sealed_is_refused(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(FileError, match=r"x\.json is damaged or not ours"):
        files.read_sealed(tmp_path / "x.json")


@given(st.text())
def test_what_is_shown_can_be_printed_and_printable_text_stays(text):
    shown = files.shown(text)
    assert all(c.isprintable() or c in "\n\t" for c in shown) and str(FileError(text)).isprintable()
    assert shown == text if text.isprintable() else not text or shown
    shown.encode()  # without lone surrogates

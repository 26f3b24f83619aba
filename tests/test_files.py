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
from hypothesis.extra import numpy as hnp

from tests import posix
from tinygrad_nlp import files
from tinygrad_nlp.files import (
    FileError,
    digest,
    read_npz,
    read_tree,
    replacing,
    write_json,
    write_npz,
    write_text,
    write_tree,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all the examples of a property."""
    return tmp_path_factory.mktemp("files")


def same(a, b):
    """Equal values, types, dtypes, shapes and layouts, NaN and all."""
    if isinstance(a, np.ndarray):
        layout = a.flags.f_contiguous, a.flags.c_contiguous
        kept = layout == (b.flags.f_contiguous, b.flags.c_contiguous) or not any(layout)
        return (type(b), a.dtype, a.shape, a.tobytes()) == (np.ndarray, b.dtype, b.shape, b.tobytes()) and kept
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a.tobytes() == b.tobytes() if isinstance(a, np.generic) else a == b or (a != a and b != b)


dtypes = st.sampled_from(["?", "i1", "<i8", ">i4", "u2", "f2", "f4", "f8", ">f8", "U3"])
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)).flatmap(
    lambda a: st.sampled_from([a, a.T, a[::-1] if a.ndim else a, np.asfortranarray(a)])
)
numpy_numbers = st.sampled_from([np.float32(1.5), np.float64(0.1), np.int64(-3)])
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | numpy_numbers
keys = st.text(max_size=4).filter(lambda key: not key.startswith("$"))
trees = st.recursive(
    plain | arrays,
    lambda t: st.lists(t, max_size=3) | st.lists(t, max_size=3).map(tuple) | st.dictionaries(keys, t, max_size=3),
    max_leaves=8,
)


# %% There and back
@given(trees)
def test_trees_come_back_as_they_were(folder, tree):
    write_tree(folder / "tree.npz", tree)
    assert same(tree, read_tree(folder / "tree.npz"))
    with np.load(folder / "tree.npz", allow_pickle=False) as plain_numpy_can_read_it:
        assert "tree" in plain_numpy_can_read_it


@pytest.mark.parametrize("keys", [("a.b", "a"), ("tree", "x"), ("a/b", "a b"), ("é\0", "é\1")])
def test_names_that_collide_or_are_odd(tmp_path, keys):
    tree = {keys[0]: np.zeros(1), keys[1]: {"b": np.ones(2)}, "": np.ones(3)}
    write_tree(tmp_path / "t.npz", tree)
    assert same(tree, read_tree(tmp_path / "t.npz"))


def test_the_same_arrays_are_the_same_bytes(tmp_path):
    for name in "ab":
        write_npz(tmp_path / name, {"x": np.arange(5), "y": np.float32(1) * np.ones((2, 3))})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"model": {"f": print}}, "`model.f` is builtin_function_or_method, which cannot be saved"),
        ({"a": [1, 2j]}, "`a.1` is complex"),
        ({1: 2}, "the key 1 of ``"),
        ({"a": {"$array": "x"}}, r"the key '\$array' of `a`"),
        ({"o": np.array([print])}, "array `o` holds object"),
        ({"o": np.ones(1, "f4,f4")}, "array `o` holds .*: only numbers"),
    ],
)
def test_what_cannot_be_saved_is_named(tmp_path, value, message):
    with pytest.raises(TypeError, match=message):
        write_tree(tmp_path / "t.npz", value)
    assert not list(tmp_path.iterdir())


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
from tinygrad_nlp.files import FileError, write_npz
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

"""Files that are whole or not there, and archives that are read without trusting them."""

import contextlib
import io
import json
import os
import pickle
import subprocess
import sys
import tracemalloc
import zipfile
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


# %% Untrusted
def refused(path, message, **options):
    """Refused with this message, on one line, having used little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(FileError, match=message) as caught:
            read_tree(path, **options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert peak < 3 * (path.stat().st_size if path.exists() else 0) + 2_000_000


def npy(array=None, header=None):
    """The bytes of an npy file, or of one with this header and 8 bytes of data."""
    file = io.BytesIO()
    if header is None:
        np.lib.format.write_array(file, array, allow_pickle=True)
        return file.getvalue()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(8)


def archive(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("a pickle in a file was executed",)


def header(shape, dtype="'<f8'"):
    return f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}}}"


BAD_MEMBERS = {
    "a pickle": npy(np.array([Bomb()], object)),
    "a bare pickle": pickle.dumps(Bomb()),
    "a huge shape": npy(header=header("(1000000000000,)")),
    "a shape that overflows": npy(header=header("(4294967296, 4294967296)")),
    "an overflow to nothing": npy(header=header("(18446744073709551616, 0)")),
    "a negative shape": npy(header=header("(-1,)")),
    "two negative sides": npy(header=header("(-1, -1)")),
    "a record": npy(header=header("(1,)", "[('a', '<f4'), ('b', '<f4')]")),
    "objects": npy(header=header("(1,)", "'|O'")),
    "a huge text": npy(header=header("(1,)", "'<U500000000'")),
    "empty text": npy(header=header("(1000000000000,)", "'<U0'")),
    "deep brackets": npy(header="(" * 5000 + ")" * 5000),
    "a call": npy(header="__import__('os').abort()"),
    "version 9": b"\x93NUMPY\x09\x00" + bytes(20),
    "nothing": b"",
}


@pytest.mark.parametrize("data", BAD_MEMBERS.values(), ids=BAD_MEMBERS)
@pytest.mark.filterwarnings("default")  # Python's parser has things to say about some headers
def test_bad_members(tmp_path, data):
    path = archive(tmp_path / "x.npz", {"tree.npy": npy(np.frombuffer(b"1", np.uint8)), "x.npy": data})
    refused(path, "is damaged or not ours")


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_bombs(tmp_path, compression):
    refused(archive(tmp_path / "x.npz", {"x.npy": bytes(10_000_000)}, compression), "a member is compressed")


def test_members_that_overlap(tmp_path):
    """Many names for one piece of data, each "stored": together they claim more than the archive has."""
    path = archive(tmp_path / "x.npz", {f"{i}.npy": npy(np.zeros(10_000)) if i == 0 else b"" for i in range(50)})
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    first = data[directory + 16 : directory + 28]  # checksum and both sizes
    at = directory
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        data[at + 16 : at + 28] = first
        data[at + 42 : at + 46] = bytes(4)
        at += 4
    path.write_bytes(data)
    refused(path, "the members claim to be larger than the archive")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as file:
        file.writestr("tree.npy", b"1")
        file.writestr("tree.npy", b"2")
    refused(tmp_path / "x.npz", "two members have one name")


BAD_TREES = ["", "[" * 100_000, '{"$array": "x"}', '{"$tuple": 5}', '{"$array": ["x"]}', "1" * 5000, "\xff"]


@pytest.mark.parametrize("text", BAD_TREES)
def test_bad_trees(tmp_path, text):
    write_npz(tmp_path / "x.npz", {"tree": np.frombuffer(text.encode("latin-1"), np.uint8)})
    refused(tmp_path / "x.npz", "is damaged or not ours")


def test_missing_large_and_foreign_files(tmp_path):
    refused(tmp_path / "absent", "cannot read .*absent: No such file or directory: check the name")
    refused(tmp_path, "cannot read .*: Is a directory")
    write_npz(tmp_path / "x.npz", {"x": np.zeros(1000)})
    refused(tmp_path / "x.npz", "bytes, more than the 5,000 that are read", cap=5_000)
    refused(tmp_path / "x.npz", "KeyError: 'tree'")
    (tmp_path / "text").write_text("to be or not to be")
    refused(tmp_path / "text", "File is not a zip file")


TREE = {"model": {"W": np.arange(12.0).reshape(3, 4), "b": np.zeros(4, np.float32)}, "cursor": 17, "words": ["to"]}


@given(st.data())
@pytest.mark.filterwarnings("default")
def test_damaged_bytes_give_an_error_or_the_right_tree(folder, data):
    path = folder / "damaged.npz"
    write_tree(path, TREE)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, max(len(content) - 1, 0)))
        change = data.draw(st.sampled_from(["flip", "cut", "insert", "remove"]))
        if change == "flip" and content:
            content[at] ^= data.draw(st.integers(1, 255))
        elif change == "cut":
            del content[at:]
        elif change == "insert":
            content[at:at] = data.draw(st.binary(max_size=30))
        else:
            del content[at : at + 30]
    path.write_bytes(content)
    read_or_refuse(path, TREE)


def read_or_refuse(path, right=None):
    """Read the right tree (where one is given), or get a FileError, having used little memory."""
    tracemalloc.start()
    try:
        tree = read_tree(path)
    except FileError:
        tree = right
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert right is None or same(tree, right)
    assert peak < 3 * path.stat().st_size + 2_000_000


@given(st.data())
@pytest.mark.filterwarnings("default")
def test_members_with_a_right_checksum_and_wrong_bytes_give_an_error_or_arrays(folder, data):
    path = folder / "crafted.npz"
    write_tree(path, TREE)
    with zipfile.ZipFile(path) as file:
        members = {name: bytearray(file.read(name)) for name in file.namelist()}
    content = members[data.draw(st.sampled_from(sorted(members)))]
    at = data.draw(st.integers(0, len(content)))
    telling = st.sampled_from([b"9" * 20, b"(", b"-", b"'|O'", b"[", b'{"$tuple":'])
    content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8) | telling)
    archive(path, {name: bytes(content) for name, content in members.items()})
    read_or_refuse(path)


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


CLAIMS = {
    "text of no width": {"x.npy": npy(header=header("(100000000,)", "'<U0'"))[:-8]},
    "nothing of huge entries": {"x.npy": npy(header=header("(0,)", "'<U500000000'"))[:-8]},
}


@pytest.mark.parametrize("members", CLAIMS.values(), ids=CLAIMS)
def test_claims_without_bytes(tmp_path, members):
    refused(archive(tmp_path / "x.npz", {"tree.npy": npy(np.frombuffer(b"1", np.uint8)), **members}), "is damaged")


def test_an_array_that_is_claimed_twice(tmp_path):
    tree = np.frombuffer(b'[{"$array": "x"}, {"$array": "x"}]', np.uint8)
    write_npz(tmp_path / "x.npz", {"tree": tree, "x": np.zeros(5)})
    refused(tmp_path / "x.npz", "KeyError: 'x'")


def test_a_member_that_claims_to_be_larger_on_disk_is_refused_before_memory_is_set_aside(tmp_path):
    path = tmp_path / "a.npz"
    write_npz(path, {"a": np.zeros(3)})
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 23] ^= 0x40  # the highest byte of the compressed size: one gigabyte more
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(FileError, match="a member is compressed"):
        read_npz(path)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()

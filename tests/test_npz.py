"""Archives of arrays: trees come back as they were, and pickles, bombs, false claims and damage are refused."""

import io
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_nlp.files import FileError
from tinygrad_nlp.npz import read_npz, read_tree, write_npz, write_tree


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


# %% Without trust
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

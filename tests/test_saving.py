"""save() and load(): any Module there and back to the byte, and nothing but a clear error from files that lie."""

from __future__ import annotations

import tracemalloc
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_nlp
from tinygrad_nlp import Tensor, load, nn, optim, relu, save, softmax
from tinygrad_nlp.files import FileError
from tinygrad_nlp.module import Module
from tinygrad_nlp.nlp.models import WordRNN
from tinygrad_nlp.npz import read_tree, write_tree
from tinygrad_nlp.tree import named_leaves

RNG = np.random.default_rng(0)


def steep(x: Any) -> Any:
    """A non-linearity of the user's own."""
    return np.tanh(3 * x)


class Block(nn.Module):
    """A user's layer: a function, a dtype, an array and a table of settings are among its arguments."""

    def __init__(self, width: int, activation: Any, scale: Any, *, rng: Any, dtype: Any = np.float32, **more: Any):
        self.linear = nn.Linear(width, width, rng=rng, dtype=dtype)
        self.activation, self.scale, self.temperature = activation, np.asarray(scale, dtype), 1.0
        self.more, self.drop = more, [nn.Dropout(more.get("rate", 0.0), rng=rng)]

    def forward(self, x: Any) -> Any:
        return self.drop[0](self.activation(self.linear(x) * self.scale)) / self.temperature


class Model(nn.Module):
    """Tied weights, Modules as arguments, parameters that are 0-d and empty."""

    def __init__(self, blocks: list[Any], sizes: tuple[int, ...], *, rng: Any) -> None:
        self.blocks, self.sizes = blocks, sizes
        self.first = nn.Linear(*sizes, rng=rng, dtype=np.float64)
        self.again = {"tied": self.first.W}
        self.gain, self.nothing = Tensor(2.0), Tensor(np.zeros((0, 3)))

    def forward(self, x: Any) -> Any:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return x @ self.again["tied"].T * self.gain


def model() -> Model:
    blocks = [
        Block(3, steep, [1.0, -1.0, 0.5], rng=RNG, dtype=np.float64, rate=0.25),
        Block(3, np.tanh, np.ones(3), rng=RNG, dtype=np.dtype("float64"), note={"by": ["me", None, True]}),
    ]
    return Model(blocks, (2, 3), rng=RNG)


def same(one: Any, two: Any) -> None:
    """The same classes, settings, names, dtypes and bytes."""
    assert repr(one) == repr(two)
    a, b = dict(named_leaves(one)), dict(named_leaves(two))
    assert list(a) == list(b)
    for key, leaf in a.items():
        other = b[key]
        assert type(leaf) is type(other) and leaf.dtype == other.dtype and leaf.shape == other.shape
        values = [t.data if isinstance(t, Tensor) else t for t in (leaf, other)]
        assert values[0].tobytes() == values[1].tobytes() or leaf.size == 0, key


def test_a_users_module_there_and_back(tmp_path: Any) -> None:
    made = model()
    made.blocks[0].temperature = np.float64(0.5)  # a float, and a number
    made.blocks[1].temperature = 3
    optim.SGD(made, 0.1).zero_grad()
    made.gain.data = np.float64(7)
    save(tmp_path / "m.npz", made)
    back = load(tmp_path / "m.npz", Model, Block, steep, rng=np.random.default_rng(3))
    same(made, back)
    assert back.blocks[0].activation is steep and back.blocks[1].more == {"note": {"by": ["me", None, True]}}
    assert back.again["tied"] is back.first.W and back.sizes == (2, 3)
    x = RNG.standard_normal((5, 2))
    assert nn.frozen(back)(x).tobytes() == nn.frozen(made)(x).tobytes()
    assert back.blocks[0].drop[0].rng.bit_generator.state == np.random.default_rng(3).bit_generator.state
    save(tmp_path / "again.npz", back)
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "m.npz").read_bytes()
    back(x).sum().backward()  # it is a live one
    assert all(t.grad is not None for key, t in back.named_parameters() if key != "nothing")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_layer_there_and_back(tmp_path: Any, dtype: Any) -> None:
    make = {"rng": RNG, "dtype": dtype}
    table = RNG.standard_normal((4, 2)).astype(dtype)
    layers = [
        nn.Linear(2, 3, bias=False, init=partial(nn.normal, std=0.1), **make),
        nn.Linear(2, 3, init=nn.orthogonal, **make),
        nn.Embedding(4, 2, **make),
        nn.Sequential(nn.Embedding.from_pretrained(table), nn.Linear(2, 2, **make)),
        nn.EmbeddingBag.from_pretrained(table, freeze=False),
        *(kind(2, 3, batch_first=True, **make) for kind in (nn.RNN, nn.GRU, nn.LSTM)),
        nn.Sequential(nn.Linear(2, 2, **make), np.tanh, relu, nn.Sequential(nn.Dropout(0.5, rng=RNG)), softmax),
        nn.Sequential(),
        WordRNN(5, 3, 0.5, rng=RNG, dtype=dtype),
    ]
    for layer in layers:
        save(tmp_path / "m.npz", layer)
        same(layer, load(tmp_path / "m.npz", WordRNN))


def test_constants_and_frozen_models_keep_their_values(tmp_path: Any) -> None:
    made = Block(2, np.tanh, [1.0, 2.0], rng=RNG)
    made.scale = np.array([5.0, np.nan], np.float32)  # as running means change
    save(tmp_path / "m.npz", made)
    same(made, load(tmp_path / "m.npz", Block))
    save(tmp_path / "m.npz", nn.frozen(made))
    back = load(tmp_path / "m.npz", Block)
    same(made, back)
    assert back.parameters()


class Changed(nn.Module):
    """A Module that may be changed after it was made, or made of what no file can hold."""

    def __init__(self, what: Any = None, *, rng: Any = None) -> None:
        self.W = Tensor(np.ones(2))
        self.what = what


def linear_of_ours() -> Any:
    class Linear(nn.Module):
        pass

    return Linear()


def test_what_cannot_be_made_again_is_refused_when_it_is_saved(tmp_path: Any) -> None:
    added, dtype, without = Changed(), Changed(), Changed.__new__(Changed, 1, 2, 3)
    added.temperature = 0.5
    dtype.W = Tensor(np.ones(2, np.float32))
    for made, error, message in [
        (
            added,
            ValueError,
            "temperature is None in a new one and 0.5 in this.*make what was changed since",
        ),
        (dtype, ValueError, r"'W' is \(2,\) float64 in the Changed, \(2,\) float32 in the state"),
        (without, TypeError, "Changed was not made by its constructor .*save its values"),
        (Changed(lambda x: x), TypeError, r"Changed\(what=…\) holds <lambda>, which no file can name: define it"),
        (
            Changed({"a": [object()]}),
            TypeError,
            r"Changed\(what=…\)\['a'\]\[0\] is object, which no file can hold",
        ),
        (linear_of_ours(), TypeError, "'Linear' means something else too: give it another name"),
        (Changed(10**9), ValueError, "a setting is 1000000000"),
        (np.ones(2), TypeError, r"the model is ndarray: save\(path, model\) takes a Module"),
    ]:
        with pytest.raises(error, match=message):
            save(tmp_path / "m.npz", made)
    assert not list(tmp_path.iterdir())


# %% Files that lie
def refused(path: Any, tree: Any, message: str, *known: Any) -> None:
    write_tree(path, tree)
    with pytest.raises(FileError, match=message) as caught:
        load(path, *known)
    assert "\n" not in str(caught.value)


def test_a_file_names_nothing_that_the_caller_did_not_give(tmp_path: Any) -> None:
    path = tmp_path / "m.npz"
    save(path, model())
    tree = read_tree(path)
    with pytest.raises(FileError, match="names 'Model': pass that class or function to load"):
        load(path)
    with pytest.raises(FileError, match="names 'steep'"):
        load(path, Model, Block)

    def of(key: str, value: Any) -> dict[str, Any]:
        settings = tree["module"]["settings"]
        return tree | {"module": tree["module"] | {"settings": settings | {key: value}}}

    known = (Model, Block, steep)
    for name in ("os.system", "__import__", "eval", "tinygrad_nlp.nn.Linear"):
        refused(path, of("blocks", {"is": "name", "of": name}), "names ", *known)
        refused(path, of("blocks", {"is": "module", "of": name, "settings": {}}), "names ", *known)
    refused(path, of("blocks", {"is": "module", "of": "steep", "settings": {}}), "'steep' is no Module", *known)
    refused(path, of("other", 1), "Model takes no other", *known)
    refused(path, tree | {"module": "Model"}, "it holds a str, not a Module", *known)
    refused(path, of("rng", {"is": "dtype", "of": "object"}), "cannot be read", *known)
    refused(path, tree | {"format": 1}, "its format is 1, this version reads 2", *known)
    refused(path, tree | {"settings": tree["settings"] | {".forward": "x"}}, "forward is None in a new one", *known)


def test_a_large_model_there_and_back(tmp_path: Any) -> None:
    """Drawn, held by a layer, and held by what holds the layer: each number counts once."""
    layers = [nn.Sequential(nn.Linear(300, 400, rng=RNG), np.tanh) for _ in range(3)]
    made = nn.Sequential(*layers, nn.GRU(400, 200, rng=RNG))
    save(tmp_path / "m.npz", made)
    same(made, load(tmp_path / "m.npz"))


class TiedLater(nn.Module):
    """Draws weights that it then replaces, as those who tie layers do."""

    def __init__(self, *, rng: Any) -> None:
        self.embedding = nn.Embedding(500, 300, rng=rng)
        self.layers = [nn.Linear(500, 300, rng=rng) for _ in range(3)]
        for layer in self.layers:
            layer.W = self.embedding.table


def test_a_model_may_draw_more_than_it_keeps(tmp_path: Any) -> None:
    made = TiedLater(rng=RNG)
    save(tmp_path / "m.npz", made)
    same(made, load(tmp_path / "m.npz", TiedLater))


def test_a_small_file_cannot_ask_for_a_large_model(tmp_path: Any) -> None:
    path = tmp_path / "m.npz"
    save(path, nn.Sequential(nn.Linear(1, 1, rng=RNG)))
    tree = read_tree(path)
    (layer,) = tree["module"]["settings"]["layers"]
    wide = layer | {"settings": layer["settings"] | {"n_in": 0, "n_out": 100_000}}  # no weights, but biases
    for layers in [(wide,) * 2_000, (layer | {"settings": layer["settings"] | {"n_in": 2000, "n_out": 2000}},)]:
        write_tree(path, tree | {"module": tree["module"] | {"settings": {"layers": layers}}})
        tracemalloc.start()
        with pytest.raises(FileError, match="more numbers than the file holds"):
            load(path)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
        tracemalloc.stop()


class Drawing(Module):
    """Draws in every way that a constructor may."""

    def __init__(self, n: int, *, rng: Any) -> None:
        self.W = Tensor(rng.normal(0, 1, (n, n)) + rng.uniform(size=n) + rng.random() + rng.standard_normal((n, 1)))


def test_drawn_parameters_are_read_back_not_drawn(tmp_path: Any) -> None:
    made = Drawing(3, rng=RNG)
    save(tmp_path / "m.npz", made)
    same(made, load(tmp_path / "m.npz", Drawing))
    tree = read_tree(tmp_path / "m.npz")
    tree["module"]["settings"]["n"] = 5_000
    refused(tmp_path / "m.npz", tree, "more numbers than the file holds", Drawing)


numbers = [0, -1, 2, 10**5, 10**9, 2**63, 1e300, True, np.int64(10**12)]
others = [None, "", "float64", "tanh", "W", [], {}, (), {"is": "name", "of": "Linear"}, {"is": "generator"}]
hostile = st.sampled_from([*numbers, *others, np.zeros((0, 10**6))]) | st.integers() | st.text(max_size=5)


@given(st.data())
def test_hostile_trees_give_an_error_or_a_model_of_the_files_size(tmp_path_factory: Any, data: Any) -> None:
    path = tmp_path_factory.mktemp("hostile") / "m.npz"
    save(path, model())
    tree = read_tree(path)
    for _ in range(data.draw(st.integers(1, 4))):
        here: Any = tree
        while True:
            key = data.draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
            if not (isinstance(here[key], (dict, list)) and here[key] and data.draw(st.booleans())):
                break
            here = here[key]
        here[key] = data.draw(hostile)
    write_tree(path, tree)
    tracemalloc.start()
    try:
        assert isinstance(load(path, Model, Block, steep), Module)
    except FileError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 20 * path.stat().st_size + 5_000_000


def test_they_are_public() -> None:
    assert {"save", "load"} <= set(tinygrad_nlp.__all__)

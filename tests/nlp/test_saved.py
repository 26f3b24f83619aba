"""Saved models: there and back, and nothing but a clear error from files that lie."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_nlp import nn, optim
from tinygrad_nlp.files import FileError
from tinygrad_nlp.nlp.models import CELLS, NONLINEARITIES, CharRNN, DeepAveragingNetwork, NeuralBigram
from tinygrad_nlp.nlp.saved import load, save
from tinygrad_nlp.nlp.text import END, START, UNKNOWN, Characters, Words
from tinygrad_nlp.npz import read_tree, write_tree

RNG = np.random.default_rng(0)
LETTERS = Characters("abcde")
WORDS = Words([UNKNOWN, START, END, "to", "be"])
LIST = ["a", "film", "."]
TABLE = np.arange(10.0, dtype=np.float32).reshape(5, 2)
IDS = np.array([[0, 4], [2, 2], [3, 1]])
BAG = np.array([0, 4, 2, 2]), np.array([0, 3, 3])

MODELS = {
    **{
        f"rnn {cell} {n} {dtype}": (CharRNN(5, 2, 3, cell, rng=RNG, layers=n, dropout=0.1 * n, dtype=dtype), LETTERS)
        for cell in CELLS
        for n, dtype in ((1, "float32"), (2, "float64"))
    },
    "bigram": (NeuralBigram(5, 2, 3, rng=RNG), WORDS),
    "bigram of given vectors": (NeuralBigram(5, 2, 3, rng=RNG, embedding=TABLE), WORDS),
    **{
        f"averages {layers} {f}": (DeepAveragingNetwork(5, 2, layers, 4, f, 3, rng=RNG), LIST)
        for layers in (0, 1, 2)
        for f in NONLINEARITIES
    },
    "averages of given vectors": (DeepAveragingNetwork(5, 2, rng=RNG, embedding=TABLE), LIST),
    "averages of given vectors, linear": (DeepAveragingNetwork(5, 2, 0, rng=RNG, embedding=TABLE), LIST),
}


def outputs(model):
    """What the frozen model says, as bytes."""
    model = nn.frozen(model)
    match model:
        case CharRNN():
            return model(IDS)[0].tobytes()
        case NeuralBigram():
            return model(IDS[0]).tobytes()
    return model(*BAG).tobytes()


@pytest.mark.parametrize("name", MODELS)
def test_there_and_back(tmp_path, name):
    model, vocabulary = MODELS[name]
    save(tmp_path / "m.npz", model, vocabulary, {"steps": 7})
    loaded = load(tmp_path / "m.npz")
    assert repr(loaded.model) == repr(model) and loaded.notes == {"steps": 7}
    assert outputs(loaded.model) == outputs(model)
    assert type(loaded.vocabulary) is type(vocabulary) and vars_or_self(loaded.vocabulary) == vars_or_self(vocabulary)
    save(tmp_path / "again.npz", loaded.model, loaded.vocabulary, loaded.notes)
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "m.npz").read_bytes()


def vars_or_self(vocabulary):
    return vocabulary if isinstance(vocabulary, list) else getattr(vocabulary, "alphabet", None) or vocabulary.words


def test_frozen_and_averaged_models_are_saved_by_their_values(tmp_path):
    model, _ = MODELS["rnn gru 1 float32"]
    for frozen in (nn.frozen(model), optim.Average(model).model()):
        save(tmp_path / "m.npz", frozen, LETTERS)
        loaded = load(tmp_path / "m.npz").model
        assert outputs(loaded) == outputs(model)
        assert len(loaded.parameters()) == len(model.parameters())


def test_a_loaded_model_can_be_trained_further(tmp_path):
    model, _ = MODELS["rnn lstm 2 float64"]
    save(tmp_path / "m.npz", model, LETTERS)
    rngs = [np.random.default_rng(seed) for seed in (1, 1, 2)]
    first, second, third = (load(tmp_path / "m.npz", rng=rng).model(IDS)[0].data for rng in rngs)
    assert np.array_equal(first, second) and not np.array_equal(first, third)  # dropout draws from rng
    loaded = load(tmp_path / "m.npz").model
    loaded(IDS)[0].sum().backward()
    optim.SGD(loaded, 0.1).step()
    assert outputs(loaded) != outputs(model)


def test_what_cannot_be_saved(tmp_path):
    with pytest.raises(TypeError, match="cannot save a Linear here, only NeuralBigram, CharRNN, DeepAveragingNetwork:"):
        save(tmp_path / "m.npz", nn.Linear(2, 2, rng=RNG), LETTERS)
    with pytest.raises(ValueError, match="the vocabulary has 3 symbols but the model 5 rows: pass the vocabulary"):
        save(tmp_path / "m.npz", MODELS["bigram"][0], Characters("abc"))
    with pytest.raises(ValueError, match="the vocabulary has 6 symbols but the model 5 rows"):
        save(tmp_path / "m.npz", MODELS["averages 0 relu"][0], list("abcdef"))
    assert not list(tmp_path.iterdir())


# %% Files that lie
@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("saved") / "m.npz"


def refused(path, tree, message):
    write_tree(path, tree)
    with pytest.raises(FileError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_wrong_name_shape_or_dtype_names_both_sides(path):
    save(path, *MODELS["rnn gru 1 float32"])
    tree = read_tree(path)
    values, module = tree["values"], tree["module"]
    W = values["output.W"]

    def of(**settings):
        return {"module": module | {"settings": module["settings"] | settings}}

    for wrong, message in [
        ({"values": values | {"output.W": W.T}}, r"'output.W' .*\(3, 5\) float32.*\(5, 3\) float32"),
        ({"values": values | {"output.W": W.astype(float)}}, r"'output.W' .*float32.*float64"),
        ({"values": values | {"other.W": W}}, r"'other.W' is missing in the CharRNN, \(3, 5\) float32 in the state"),
        ({"values": {k: v for k, v in values.items() if k != "output.W"}}, r"'output.W' .*\(3, 5\) float32.*missing"),
        (
            {"module": module | {"of": "Transformer"}},
            "it holds a 'Transformer', not one of NeuralBigram, CharRNN,",
        ),
        ({"format": 1}, "its format is 1, this version reads 2"),
        ({"vocabulary": {"characters": "abc"}}, "the vocabulary has 3 symbols but the model 5 rows"),
        ({"vocabulary": {"pickle": "abc"}}, "it holds no vocabulary that is known"),
        (of(cell="os.system"), "unknown cell 'os.system'"),
        (of(hidden=10**9), r"a setting is 1000000000, and a file of this size may ask for 100,\d+ numbers"),
        (of(hidden=2000) | {"values": values | {"x": np.zeros(2000)}}, "more numbers than"),
        (of(rng=5), "TypeError"),
        (of(embedding={"is": "name", "of": "os.system"}), "names 'os.system': pass that class or function to load"),
        (of(embedding={"is": "name", "of": "tanh"}), "TypeError"),
        (of(embedding={"is": "call", "of": "tanh"}), "an argument that cannot be read"),
        ({"module": None}, "TypeError"),
        ({"settings": {}}, "batch_first is False in a new one and None in this"),
        (of(layers=20), "its setting layers is 20, and it holds [0-9]+ arrays"),
    ]:
        refused(path, tree | wrong, message)
    refused(path, {k: v for k, v in tree.items() if k != "module"}, "KeyError: 'module'")
    refused(path, [], "TypeError")


numbers = [0, -1, 1, 2, 10**5, 10**9, 2**63, 1e300, True, np.int64(10**12)]
others = [None, "", "float64", "gru", "none", "W", "\0", [], {}, ()]
empty = [np.zeros(0), np.zeros((10**6, 0)), np.zeros((0, 10**6)), np.ones(50_000, bool)]
hostile = st.sampled_from([*numbers, *others, *empty]) | st.integers() | st.floats() | st.text(max_size=5)


@given(st.data())
def test_hostile_settings_give_an_error_or_a_model_of_the_files_size(path, data):
    """Right checksums, wrong content: any branch of the file replaced, or left out."""
    save(path, *MODELS[data.draw(st.sampled_from(sorted(MODELS)))])
    tree = read_tree(path)
    for _ in range(data.draw(st.integers(1, 4))):
        here = tree
        while True:
            key = data.draw(st.sampled_from(sorted(here)))
            if not (isinstance(here[key], dict) and here[key] and data.draw(st.booleans())):
                break
            here = here[key]
        here[key] = data.draw(hostile)
        if data.draw(st.integers(0, 9)) == 0 and len(here) > 1:
            del here[key]
    write_tree(path, tree)
    loaded_or_refused(path)


def loaded_or_refused(path):
    """Load the file, or get a FileError, having used little memory; whether it was loaded."""
    tracemalloc.start()
    try:
        model = load(path).model
    except FileError:
        model = None
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 20 * path.stat().st_size + 5_000_000
    return model


@given(st.data())
def test_damaged_bytes_give_an_error_or_the_right_model(path, data):
    model, vocabulary = MODELS[data.draw(st.sampled_from(sorted(MODELS)))]
    save(path, model, vocabulary)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] ^= data.draw(st.integers(1, 255))
    else:
        del content[at : data.draw(st.integers(at + 1, len(content)))]
    path.write_bytes(content)
    loaded = loaded_or_refused(path)
    assert loaded is None or outputs(loaded) == outputs(model)

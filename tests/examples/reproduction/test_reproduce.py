"""The whole reproduction, in its quick mode: what it leaves, twice the same, bad input, corpora that are optional."""

import json
import zipfile

import numpy as np
import pytest

from tests.examples.reproduction import reproduced
from tinygrad_nlp.files import locked
from tinygrad_nlp.nlp import corpora
from tinygrad_nlp.nlp.corpora import Source
from tinygrad_nlp.npz import read_npz


def report_of(out):
    found = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert found.pop("seconds") >= 0
    assert found.pop("root")
    return found


def timeless(report):
    """A report without the seconds that its jobs took."""
    figures = {name: value for name, value in report["figures"].items() if not name.endswith("cpu_seconds")}
    rows = [{**row, "cpu_seconds": 0, "ours": row["ours"].partition(" s of CPU")[0][:30]} for row in report["rows"]]
    return {**report, "figures": figures, "rows": rows}


def test_a_quick_run_without_data_or_network_says_so_and_compares_nothing():
    report = report_of(reproduced.smoke_run())
    assert set(report) == {"introduction", "note", "rows", "sections", "figures", "corpora", "legend"}
    assert report["note"].startswith("Built-in corpora are used") and "\n" not in report["note"]
    assert all(source["source"] == "built-in" and len(source["sha256"]) == 64 for source in report["corpora"].values())
    assert not any(figure in json.dumps(report) for figure in ("6.857", "15.361", "7.7246", "25.633"))


def test_a_second_run_repeats_nothing_and_reports_the_same(tmp_path):
    out = reproduced.smoke_run()
    first, times = report_of(out), {path.name: path.stat().st_mtime_ns for path in (out / "runs").iterdir()}
    assert reproduced.reproduce(out, "--smoke", "--jobs", "1") == 0
    assert report_of(out) == first
    assert {path.name: path.stat().st_mtime_ns for path in (out / "runs").iterdir()} == times
    assert all(path.suffix in (".json", ".npz") for path in (out / "runs").iterdir())  # no checkpoint is left


def test_two_workers_report_the_same(tmp_path):
    assert reproduced.reproduce(tmp_path / "out", "--smoke", "--jobs", "2") == 0
    assert timeless(report_of(tmp_path / "out")) == timeless(report_of(reproduced.smoke_run()))


def test_a_folder_that_another_reproduction_is_using_is_refused_and_stays_as_it_is(tmp_path, monkeypatch, capsys):
    pytest.importorskip("filelock")
    import reproduce

    monkeypatch.setattr(reproduce, "PATIENCE", 0.1)
    with locked(tmp_path / ".reproduce.lock", 0, ""):
        (tmp_path / ".report.json.1.part").touch()
        assert reproduced.reproduce(tmp_path, "--smoke") == 2
        assert f"--out {tmp_path} is in use by another process: wait" in (errors := capsys.readouterr().err)
        assert errors.count("\n") == 1
        assert {path.name for path in tmp_path.iterdir()} == {".reproduce.lock", ".report.json.1.part"}


@pytest.mark.parametrize(("arguments", "message"), [
    (["--jobs", "0"], "whole number"), (["--seed", "x"], "invalid int"), (["--data", "nowhere"], "nowhere"),
])  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, tmp_path, capsys):
    assert reproduced.reproduce(tmp_path / "out", "--smoke", *arguments) == 2
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1
    assert not (tmp_path / "out" / "report.json").exists()


def given(monkeypatch, **paths):
    """Optional corpora that are there; everything else is built in."""

    def find(name, data=None):
        path = paths.get(name.replace("-", "_"))
        return Source("data folder", path, "0" * 64) if path else None

    monkeypatch.setattr(corpora, "find", find)
    monkeypatch.setattr(reproduced.registry, "download", reproduced.unreachable)
    monkeypatch.delenv("TINYGRAD_NLP_DATA", raising=False)


@pytest.mark.parametrize("zipped", [True, False])
def test_glove_is_read_when_it_is_there(tmp_path, monkeypatch, zipped):
    from reproduction import sentiment_experiments as experiments
    from sentiment import Setting

    monkeypatch.setenv("TINYGRAD_NLP_CACHE", str(tmp_path / "cache"))
    given(monkeypatch)
    words = corpora.film_reviews().train.vocabulary[:9]
    rng = np.random.default_rng(0)
    rows = "".join(f"{word} {' '.join(map(str, rng.normal(size=4).round(3)))}\n" for word in [*words, "unheard-of"])
    path = tmp_path / "glove"
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("glove.6B.4d.txt", rows)
    else:
        path.write_text(rows)
    given(monkeypatch, glove_6b=path)
    setting = vars(Setting(frozen=True, words=20, dimension=4))
    found = experiments.word_vectors(tmp_path / "vectors", None, setting, few=50, glove="0" * 64)
    assert found["source"] == "GloVe 6B, 4 dimensions" and 0 < found["coverage"]["types"] < found["coverage"]["tokens"]
    assert found["gradient_norm"] < 1e-2 and 0 <= found["accuracy"] <= 1
    kept = read_npz(tmp_path / "vectors.npz")
    assert kept["table"].shape[1] == 4 and {"ids0", "offsets1", "labels2"} <= set(kept)


def test_the_full_training_text_and_the_courses_vectors_are_used_when_they_are_there(tmp_path, monkeypatch):
    import bigram
    from reproduction import word_experiments as experiments

    given(monkeypatch)
    words = corpora.news().vocabulary.words
    tagged, listed = tmp_path / "train.txt", tmp_path / "vectors.txt"
    tagged.write_text("".join(f"{word}\tNN\n" for word in words[3:63]) + "\n")
    table = np.random.default_rng(0).normal(size=(len(words), bigram.DIMENSION)).round(3)
    listed.write_text(
        "".join(f"{word} {' '.join(map(str, row))}\n" for word, row in zip(words, table.tolist(), strict=True))
    )
    given(monkeypatch, news_train=tagged, news_vectors=listed)
    found = experiments.words_as_published(
        tmp_path, None, steps=3, seed=0
    )  # 60 words, and two ends of sentences: the last is empty
    assert found["coverage"] == 1 and found["pairs"] == 62 and np.isfinite(found["ppl"])

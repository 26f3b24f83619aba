"""README and the headers of the examples promise the figures of expected.json, which a finished report replaces."""

import json

import pytest
from reproduction import expected

from tinygrad_nlp.files import FileError

FIGURES = json.loads(expected.EXPECTED.read_text(encoding="utf-8"))["figures"]


@pytest.mark.parametrize("name", expected.QUOTED)
def test_every_figure_that_is_promised_is_expected(name):
    text = (expected.ROOT / name).read_text(encoding="utf-8")
    found = [match.group() for match in expected.places(name, text)]
    assert found == expected.promised(name, FIGURES)


def test_nothing_is_expected_that_is_not_promised():
    assert set(FIGURES) == {q[0] for quoted in expected.QUOTED.values() for q in quoted if not isinstance(q, str)}


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The files that promise something, in a folder of their own."""
    for name in expected.QUOTED:
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((expected.ROOT / name).read_bytes())
    monkeypatch.setattr(expected, "ROOT", tmp_path)
    monkeypatch.setattr(expected, "EXPECTED", tmp_path / "expected.json")
    return tmp_path


def test_a_finished_report_is_taken_over_wherever_it_is_quoted(elsewhere):
    figures = {name: i + 0.123456 for i, name in enumerate(FIGURES)}
    report = elsewhere / "report.json"
    report.write_text(json.dumps({"note": "", "figures": figures | {"another": 1.0}}))
    expected.take_over(report)
    assert json.loads(expected.EXPECTED.read_text())["figures"] == figures
    for name in expected.QUOTED:
        text = (elsewhere / name).read_text(encoding="utf-8")
        assert [match.group() for match in expected.places(name, text)] == expected.promised(name, figures)
        assert text.count("\n") == (expected.Path(__file__).parents[3] / name).read_text(encoding="utf-8").count("\n")


@pytest.mark.parametrize(("report", "says"), [
    ({"note": "a few steps", "figures": {}}, "without --smoke"), ({"note": "", "figures": {}}, "lacks"),
])  # fmt: skip
def test_a_report_that_promises_nothing_changes_nothing(elsewhere, report, says):
    path, before = elsewhere / "report.json", (elsewhere / "README.md").read_bytes()
    path.write_text(json.dumps(report))
    with pytest.raises(FileError, match=says):
        expected.take_over(path)
    assert (elsewhere / "README.md").read_bytes() == before and not expected.EXPECTED.exists()

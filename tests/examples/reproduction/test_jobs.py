"""Jobs: each done once and kept, made again where the result is damaged or what it depends on has changed."""

import json
import subprocess
import sys

import char_rnn
import pytest
from reproduction import jobs, plan
from reproduction.jobs import Job, perform_all

from tests.examples.reproduction.small_jobs import EXAMPLES, draws, log, script


def test_a_finished_run_is_kept_and_never_repeated(place):
    first = list(perform_all(draws(place), place / "runs", {}))
    again = list(perform_all(draws(place), place / "runs", {}))
    assert again == first and sorted(log(place)) == [f"draws-{seed}" for seed in range(4)]
    assert [name for name, _ in first] == [f"draws-0.{seed}" for seed in range(4)]
    assert len({found["result"]["mean"] for _, found in first}) == 4
    assert all(found["seconds"] >= 0 for _, found in first)


def swapped(text):
    """Another number in the result."""
    return text.replace('"mean": ', '"mean": 1')


@pytest.mark.parametrize("change", [swapped, lambda _: "{", lambda _: "[]", lambda _: "{}", lambda _: "", None])
def test_a_result_that_is_not_as_it_was_written_is_named_and_made_again(place, capsys, change):
    (first,) = perform_all(draws(place, 1), place / "runs", {})
    (path,) = (place / "runs").glob("*.json")
    before = path.read_text()
    if change is None:  # that of another job
        list(perform_all(draws(place, 2), place / "runs", {}))
        (other,) = set((place / "runs").glob("*.json")) - {path}
        path.write_bytes(other.read_bytes())
    else:
        path.write_text(change(before))
    (again,) = perform_all(draws(place, 1), place / "runs", {})
    assert again[1]["result"] == first[1]["result"] and log(place).count("draws-0") == 2
    assert f"{path}, or a file that it names, is not as it was written" in capsys.readouterr().err
    assert json.loads(path.read_text())["result"] == first[1]["result"]


def test_a_file_that_a_result_names_is_part_of_it(place):
    job = Job("writes", "victims.writes", {"place": str(place)})
    (first,) = perform_all([job], place / "runs", {})
    path = place / "runs" / first[1]["result"]["file"]
    assert list(perform_all([job], place / "runs", {})) == [first]
    path.write_text("something else")
    list(perform_all([job], place / "runs", {}))
    assert path.read_text() == "vectors" and log(place) == ["writes"] * 2
    path.unlink()
    list(perform_all([job], place / "runs", {}))
    assert path.read_text() == "vectors" and log(place) == ["writes"] * 3


def test_of_two_processes_that_want_the_same_jobs_each_does_some_and_none_is_done_twice(place):
    pytest.importorskip("filelock")
    command = [sys.executable, "-c", script(place, "draws", workers=1)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [sorted(process.communicate(timeout=60)[0].split()) for process in started] == [
        [f"draws-{i}" for i in range(4)]
    ] * 2
    assert sorted(log(place)) == [f"draws-{seed}" for seed in range(4)]
    assert {path.suffix for path in (place / "runs").iterdir()} == {".json"}


def test_a_label_changes_with_all_that_the_result_depends_on_and_with_nothing_else(place):
    job = draws(place, 1)[0]

    def label(job, corpora=()):
        jobs.source.cache_clear()
        return jobs.label(job, dict(corpora))

    before = label(job)
    assert label(Job(job.name, job.function, {**job.arguments, "seed": 9})) != before
    assert label(Job(job.name, "victims.dies", job.arguments)) != before
    assert label(job, {"text": "abc"}) != before
    assert label(Job(job.name, job.function, {**job.arguments, "data": "/moved"})) == before  # its hashes are compared
    (place / "apart.py").write_text("changed = True")
    assert label(job) == before
    (place / "beside.py").write_text("changed = True")
    assert label(job) != before
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        label(Job("x", "nowhere.at_all", {}))


def test_the_source_of_the_experiments_has_the_examples_they_use_but_not_the_report():
    names = {path.name for path in jobs.with_imports(EXAMPLES / "reproduction" / "sentiment_experiments.py")}
    assert {"sentiment_experiments.py", "sentiment.py", "review_bags.py", "common.py"} <= names
    assert not names & {"claims.py", "text_sections.py", "page.py", "reproduce.py", "bigram.py"}


@pytest.mark.parametrize("name", char_rnn.RECIPES)
def test_a_short_training_does_not_warm_up_all_of_the_time(name):
    short = plan.recipe(char_rnn.RECIPES[name], "built-in")
    assert short.steps >= 100 and short.warm_up <= short.steps / 5
    assert plan.recipe(char_rnn.RECIPES[name], "") == char_rnn.RECIPES[name]

"""Runs: each counted once, kept, the same on any number of workers; dead workers, Ctrl-C, clusters."""

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from reproduction import jobs, sources, workers
from reproduction.jobs import Job, perform_all

from tests import posix
from tests.battery.plant import plant
from tests.examples.reproduction.reproduced import unreachable
from tinygrad_nlp.console import BadInput
from tinygrad_nlp.nlp.corpora import registry

EXAMPLES = Path(__file__).parents[3] / "examples"

VICTIMS = """
import hashlib, os, signal, time
from pathlib import Path
import numpy as np
import beside

def note(place, name):
    with open(Path(place) / "log", "a") as file:
        file.write(name + "\\n")

def draws(folder, seed, place):
    note(place, f"draws-{seed}")
    return {"mean": float(np.random.default_rng(seed).normal(size=(50, 50)).dot(np.ones(50)).mean())}

def dies(folder, place, times):
    note(place, "dies")
    if (Path(place) / "log").read_text().split().count("dies") <= times:
        time.sleep(0.5)  # until another run has begun
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"

def writes(folder, place):
    note(place, "writes")
    path = folder.with_name(f"{folder.name}.npz")
    path.write_text("vectors")
    return {"file": path.name, "sha256": hashlib.sha256(b"vectors").hexdigest()}

def sleeps(folder, place, seconds):
    note(place, "sleeps")
    time.sleep(seconds)
    return seconds
"""


ELSEWHERE = """
from pathlib import Path

def reads(folder, data, place):
    (Path(place) / "log").write_text("read")
"""

SCHEDULER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    options = dict(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50)
    cluster = LocalCluster(processes=False, protocol="tcp", **options)
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a module of jobs, which every worker finds."""
    (tmp_path / "victims.py").write_text(VICTIMS)
    (tmp_path / "beside.py").write_text("")
    (tmp_path / "apart.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    jobs.source.cache_clear()
    yield tmp_path
    sys.modules.pop("victims", None)


def draws(place, count=4):
    return [Job(f"draws-0.{seed}", "victims.draws", {"seed": seed, "place": str(place)}) for seed in range(count)]


def dies(place, times=1):
    return Job("dies", "victims.dies", {"place": str(place), "times": times})


def log(place):
    return (place / "log").read_text().split()


def script(place, which, workers):
    """A program that does four jobs: "draws", or "slow" ones after a quick one."""
    return f"""
import os, sys; sys.path[:0] = [{str(EXAMPLES)!r}, {str(place)!r}]
os.environ["VICTIMS"] = place = {str(place)!r}
from pathlib import Path
from common import script
from reproduction.jobs import Job, perform_all
def main():
    jobs = [Job(f"draws-{{i}}", "victims.draws", dict(place=place, seed=i)) for i in range(4)]
    if {which!r} == "slow":
        jobs = [Job("quick", "victims.sleeps", dict(place=place, seconds=0))]
        jobs += [Job(f"slow-{{i}}", "victims.sleeps", dict(place=place, seconds=60 + i)) for i in range(3)]
    for name, _ in perform_all(jobs, Path(place) / "runs", {{}}, workers={workers}):
        print(name, flush=True)
script(main)
"""


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


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc to see processes in")
@pytest.mark.parametrize("trial", range(2))
def test_workers_end_with_a_parent_that_is_killed_and_the_next_one_is_right(place, trial):
    command = [sys.executable, "-c", script(place, "slow", workers=2)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, text=True) as process:
        while (place / "log").exists() is False or log(place).count("sleeps") < 2:
            time.sleep(0.02)
        assert workers_of(place)
        process.kill()
        began = time.monotonic()
        process.stdout.read()  # until nobody holds the pipe any more
        assert time.monotonic() - began < 3
    assert not workers_of(place)
    assert len(list(perform_all(draws(place), place / "runs", {}, workers=2))) == 4


def workers_of(place):
    """Processes that were started to read this test's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"VICTIMS={place}".encode() in path.read_bytes():
                found.append(path)
    return found


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
    assert {"sentiment_experiments.py", "sentiment.py", "common.py"} <= names
    assert not names & {"claims.py", "text_sections.py", "page.py", "reproduce.py", "bigram.py"}


def test_two_workers_find_what_one_does(place):
    wanted = draws(place)
    one = dict(perform_all(wanted, place / "one", {}))
    two = dict(perform_all(wanted, place / "two", {}, workers=2))
    assert {name: found["result"] for name, found in one.items()} == {
        name: found["result"] for name, found in two.items()
    }


def survived(place, finished):
    """Every run is there, once; those that were finished when the worker died are not repeated."""
    names = [name for name, _ in finished]
    assert sorted(names) == sorted(["dies", *(f"draws-0.{seed}" for seed in range(4))])
    assert dict(finished)["dies"]["result"] == "survived"
    for seed in range(4):
        expected = np.random.default_rng(seed).normal(size=(50, 50)).dot(np.ones(50)).mean()
        assert dict(finished)[f"draws-0.{seed}"]["result"]["mean"] == pytest.approx(expected, abs=1e-12)
    assert log(place).count("dies") == 2
    assert len(list((place / "runs").glob("*.json"))) == 5


@posix
def test_a_killed_worker_loses_nothing(place):
    survived(place, list(perform_all([*draws(place), dies(place)], place / "runs", {}, workers=2)))


@posix
def test_a_run_that_always_kills_its_worker_is_given_up_in_one_line(place):
    with pytest.raises(BadInput, match="died 3 times") as raised:
        list(perform_all([dies(place, times=99)], place / "runs", {}, workers=2))
    assert "\n" not in str(raised.value)


@posix
@pytest.mark.filterwarnings("ignore")  # of what a cluster whose workers are killed says
def test_a_killed_worker_loses_nothing_on_a_cluster(place):
    distributed = pytest.importorskip("distributed")
    quiet = {
        "n_workers": 2,
        "threads_per_worker": 1,
        "host": "127.0.0.1",
        "dashboard_address": None,
        "silence_logs": 50,
    }
    with distributed.LocalCluster(processes=True, **quiet) as cluster:
        address = cluster.scheduler_address
        survived(place, list(perform_all([*draws(place), dies(place)], place / "runs", {}, scheduler=address)))


class Pickle:
    def __reduce__(self):
        return pytest.fail, ("a pickle from a worker was executed",)


@pytest.mark.filterwarnings("ignore")
def test_results_come_through_tls_as_data_and_a_pickle_in_their_place_is_refused(place, monkeypatch):
    distributed = pytest.importorskip("distributed")
    import dask

    request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=us", "-days", "2"]
    try:
        subprocess.run(
            ["openssl", *request, "-keyout", place / "key", "-out", place / "cert"], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("openssl is needed to make a certificate")
    settings = {"require-encryption": True, "tls.ca-file": str(place / "cert")}
    for side in ("scheduler", "worker", "client"):
        settings |= {f"tls.{side}.cert": str(place / "cert"), f"tls.{side}.key": str(place / "key")}
    quiet = {
        "n_workers": 1,
        "threads_per_worker": 1,
        "host": "127.0.0.1",
        "dashboard_address": None,
        "silence_logs": 50,
    }
    with (
        dask.config.set({f"distributed.comm.{key}": value for key, value in settings.items()}),
        distributed.LocalCluster(protocol="tls://", security=distributed.Security(), **quiet) as cluster,
    ):
        address = cluster.scheduler_address
        assert address.startswith("tls://")
        assert len(list(perform_all(draws(place), place / "runs", {}, scheduler=address))) == 4
        monkeypatch.setattr(workers, "json", SimpleNamespace(dumps=lambda found: Pickle(), loads=json.loads))
        with pytest.raises(TypeError, match="serialize"):
            list(perform_all(draws(place), place / "other", {}, scheduler=address))


def test_no_scheduler_is_one_line(place, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "PATIENCE", 0.5)
    with pytest.raises(BadInput, match=r"no dask scheduler at tcp://127\.0\.0\.1:9") as raised:
        list(perform_all(draws(place), place / "runs", {}, scheduler="tcp://127.0.0.1:9"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_would_read_other_corpora_fails_and_leaves_no_result(place, monkeypatch, workers):
    """It would fall back to built-in text: here, because the folder holds nothing and there is no network."""
    monkeypatch.setenv("TINYGRAD_NLP_CACHE", str(place / "cache"))
    monkeypatch.delenv("TINYGRAD_NLP_DATA", raising=False)
    monkeypatch.setattr(registry, "download", unreachable)
    (place / "elsewhere.py").write_text(ELSEWHERE)
    job = Job("reads", "elsewhere.reads", {"data": None, "place": str(place)})
    expected = dict.fromkeys(("imdb", "tiny-shakespeare"), "0" * 64)
    with pytest.raises(BadInput, match=r"would not read the same corpora \(.*imdb.*tiny-shakespeare.*--data") as raised:
        list(perform_all([job], place / "runs", expected, workers=workers))
    assert "\n" not in str(raised.value) and "Built-in corpora are used" in str(raised.value)
    assert not list((place / "runs").iterdir()) and not (place / "log").exists()


def test_a_worker_that_does_not_look_would_be_noticed(place, monkeypatch):
    plant(monkeypatch, sources.check, "hashes != dict(expected)", "False")
    with pytest.raises(pytest.fail.Exception):
        test_a_worker_that_would_read_other_corpora_fails_and_leaves_no_result(place, monkeypatch, 1)


def test_a_worker_that_reads_the_same_corpora_runs(place, monkeypatch):
    monkeypatch.setenv("TINYGRAD_NLP_CACHE", str(place / "cache"))
    monkeypatch.delenv("TINYGRAD_NLP_DATA", raising=False)
    monkeypatch.setattr(registry, "download", unreachable)
    read, fallback = sources.sources(None)
    hashes = {name: source.sha256 for name, source in read.items()}
    assert fallback and set(hashes) == {
        f"built-in {name}" for name in ("shakespeare", "modern prose", "prose", "reviews")
    }
    assert len(list(perform_all(draws(place, 1), place / "runs", hashes))) == 1


@pytest.mark.filterwarnings("ignore")
def test_a_dying_scheduler_is_one_line(place, caplog):
    pytest.importorskip("distributed")
    command = [sys.executable, "-c", SCHEDULER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as scheduler:
        address = scheduler.stdout.readline().strip()
        slow = Job("slow", "victims.sleeps", {"place": str(place), "seconds": 60})
        found = perform_all([*draws(place, 1), slow], place / "runs", {}, scheduler=address)
        assert next(found)[0] == "draws-0.0"
        while "sleeps" not in log(place):
            time.sleep(0.02)
        scheduler.kill()
        with pytest.raises(BadInput, match=f"dask scheduler at {address} is gone: start it") as raised:
            next(found)
        assert "\n" not in str(raised.value) and not caplog.text


@posix
@pytest.mark.skipif(
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="started with Ctrl-C ignored, as by nohup"
)
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_keeps_what_is_finished_and_leaves_no_process_behind(place, workers):
    command = [sys.executable, "-c", script(place, "slow", workers)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True
    ) as process:
        assert process.stdout.readline() == "quick\n"
        while log(place).count("sleeps") < 1 + workers:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)  # waits for its workers as well, which hold the pipes open
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    (kept,) = (place / "runs").glob("*.json")
    assert kept.name.startswith("quick-") and output == ""

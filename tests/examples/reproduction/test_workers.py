"""Workers: any number of them finds the same; dead ones, Ctrl-C, clusters, other corpora."""

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
from reproduction import sources, workers
from reproduction.jobs import Job, perform_all

from tests import posix
from tests.battery.plant import plant
from tests.examples.reproduction.reproduced import unreachable
from tests.examples.reproduction.small_jobs import dies, draws, log, script
from tinygrad_nlp.console import BadInput
from tinygrad_nlp.nlp.corpora import registry

HERE = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None, "silence_logs": 50}  # of a cluster

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
        assert time.monotonic() - began < 30  # their jobs would take a minute
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
    with distributed.LocalCluster(n_workers=2, processes=True, **HERE) as cluster:
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
    with (
        dask.config.set({f"distributed.comm.{key}": value for key, value in settings.items()}),
        distributed.LocalCluster(n_workers=1, protocol="tls://", security=distributed.Security(), **HERE) as cluster,
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

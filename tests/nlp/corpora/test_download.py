"""Downloads against a loopback server that misbehaves: the old file survives, the retry works, the message is right."""

import contextlib
import errno
import hashlib
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tinygrad_nlp.nlp.corpora import CorpusError, Unavailable, characters, download, fetch, find, registry

pooch = pytest.importorskip("pooch")
pytest.importorskip("filelock")

GOOD = b"to be, or not to be\n" * 500


class Server(ThreadingHTTPServer):
    """Answers the first request with the first of `answers`, and so on; the last one repeats."""

    daemon_threads = True

    def __init__(self, *answers: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.requests, self.over = list(answers), [], threading.Event()

    def url(self, path: str = "corpus.txt") -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        answers, requests = self.server.answers, self.server.requests
        answer = answers[min(len(requests), len(answers) - 1)]
        requests.append((self.path, self.headers["User-Agent"]))
        if self.path == "/login" or answer == "flipped":
            self.reply(200, b"T" + GOOD[1:])
        elif answer == "away":
            self.reply(302, b"", Location=self.server.url("login"))
        elif answer == "truncated":
            self.reply(200, GOOD[:5000], length=len(GOOD))
        elif answer == "stalled":
            self.reply(200, GOOD[:5000], length=len(GOOD))
            self.server.over.wait(5)
        elif answer == "endless":
            self.reply(200, GOOD * 20)
        else:
            self.reply(int(answer), GOOD if answer == "200" else b"sorry")

    def reply(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length or len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client hangs up on an endless answer, as it should
            super().handle()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """serve(*answers) starts a server and puts its file into the registry as "toy"; the cache is tmp_path/cache."""
    servers = []
    monkeypatch.setenv("TINYGRAD_NLP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("TINYGRAD_NLP_DATA", raising=False)
    monkeypatch.setattr(download, "TIMEOUT", (2.0, 0.3))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # no waiting between tries

    def start(*answers: str, check: str = "") -> Server:
        server = Server(*answers)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        row = registry.Corpus("toy", "texts/corpus.txt", server.url(), len(GOOD), check or good_check(), "ours")
        monkeypatch.setitem(registry.REGISTRY, "toy", row)
        return server

    yield start
    for server in servers:
        server.over.set()
        server.shutdown()
        server.server_close()


def good_check() -> str:
    return "sha256:" + hashlib.sha256(GOOD).hexdigest()


def left_behind(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock")


def test_downloads_once_and_then_uses_the_cache(serve, tmp_path):
    server = serve("200")
    first, second = fetch("toy"), fetch("toy")
    assert (first.origin, second.origin) == ("download", "cache")
    assert first.path.read_bytes() == GOOD and len(server.requests) == 1
    assert server.requests[0][1] == download.USER_AGENT
    assert find("toy") == second


def test_the_data_folder_comes_first_and_needs_no_network(serve, tmp_path, monkeypatch):
    server = serve("404")
    (tmp_path / "data" / "texts").mkdir(parents=True)
    (tmp_path / "data" / "texts" / "corpus.txt").write_bytes(GOOD)
    assert fetch("toy", tmp_path / "data").origin == "data folder"
    monkeypatch.setenv("TINYGRAD_NLP_DATA", str(tmp_path / "data"))
    assert fetch("toy").origin == "data folder" and not server.requests
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("broken", ["500", "truncated", "flipped", "stalled", "away"])
def test_a_second_try_succeeds(serve, broken):
    server = serve(broken, *["200"] * (2 if broken == "away" else 1))
    server.answers = [broken, broken, "200"] if broken == "away" else server.answers  # the redirect asks twice
    assert fetch("toy").path.read_bytes() == GOOD


@pytest.mark.parametrize(
    ("answer", "message", "tries"),
    [
        ("500", "answered 500, 3 times", 3),
        ("truncated", r"broke off \(ChunkedEncodingError\)", 3),
        ("flipped", "wrong checksum of corpus.txt", 3),
        ("stalled", r"broke off \(ConnectionError\)", 3),
        ("away", "wrong checksum of corpus.txt", 6),
        ("404", "answered 404", 1),
        ("endless", "more than the 10,000 bytes", 1),
    ],
)
def test_failure_names_the_thing_and_the_old_file_survives(serve, tmp_path, answer, message, tries):
    server = serve(answer)
    old = tmp_path / "cache" / "texts" / "corpus.txt"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"an older edition")
    with pytest.raises(CorpusError, match=message) as raised:
        fetch("toy")
    assert "--data DIR" in str(raised.value) and "\n" not in str(raised.value)
    assert not isinstance(raised.value, Unavailable)
    assert len(server.requests) == tries
    assert old.read_bytes() == b"an older edition" and left_behind(tmp_path / "cache") == ["corpus.txt"]


def test_no_network(serve, tmp_path):
    serve("200").server_close()  # nobody listens on that port any more
    with pytest.raises(Unavailable, match=r"no answer from http://127.0.0.1.*check the network"):
        fetch("toy")
    with pytest.raises(CorpusError, match=r"corpus.txt is missing, and no answer") as raised:
        fetch("toy", tmp_path)  # a data folder was given: no silent fallback
    assert not isinstance(raised.value, Unavailable)
    assert find("toy") is None


def test_git_blob_ids(serve, tmp_path):
    (tmp_path / "hello").write_bytes(b"hello world\n")
    assert download.git_blob(tmp_path / "hello") == "3b18e512dba79e4c8300dd08aeb37f8e728b8dad"  # by git
    (tmp_path / "empty").write_bytes(b"")
    assert download.git_blob(tmp_path / "empty") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    (tmp_path / "good").write_bytes(GOOD)
    check = "git:" + download.git_blob(tmp_path / "good")
    serve("flipped", "200", check=check)
    assert fetch("toy").origin == "download"
    assert fetch("toy").origin == "cache"
    (tmp_path / "cache" / "texts" / "corpus.txt").write_bytes(b"an older edition")
    assert fetch("toy").path.read_bytes() == GOOD
    serve("flipped", check=check)
    (tmp_path / "cache" / "texts" / "corpus.txt").unlink()
    with pytest.raises(CorpusError, match="wrong checksum"):
        fetch("toy")
    assert left_behind(tmp_path / "cache") == []


def test_unwritable_cache(serve, tmp_path, monkeypatch):
    serve("200")
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("TINYGRAD_NLP_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(CorpusError, match=r"cannot write corpus.txt to the cache .*set TINYGRAD_NLP_CACHE"):
        fetch("toy")


CHILD = """
import sys
from tinygrad_nlp.nlp import corpora
from tinygrad_nlp.nlp.corpora import registry
registry.REGISTRY["toy"] = registry.Corpus("toy", "texts/corpus.txt", sys.argv[1], 10_000, sys.argv[2], "ours")
{before}
try:
    print(corpora.fetch("toy").origin)
except corpora.CorpusError as error:
    print(error)
"""


def children(count: int, server: Server, before: str = "") -> list[str]:
    command = [sys.executable, "-c", CHILD.format(before=before), server.url(), good_check()]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    return [child.communicate(timeout=300)[0].strip() for child in started]


def test_eight_processes_make_one_download(serve):
    server = serve("200")
    assert sorted(children(8, server)) == ["cache"] * 7 + ["download"]
    assert len(server.requests) == 1


def test_full_disk(serve, tmp_path):
    pytest.importorskip("resource")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))"
    assert "the disk is full; free some space" in children(1, serve("200"), limit)[0]
    assert left_behind(tmp_path / "cache") == []


def test_a_read_only_home_is_answered_with_built_in_text_and_a_full_disk_is_not(serve, tmp_path, monkeypatch):
    serve("200")
    (tmp_path / "home").write_text("not a folder")
    monkeypatch.delenv("TINYGRAD_NLP_CACHE")
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "home" / name)
    with pytest.raises(Unavailable, match=r"cannot write corpus.txt to the cache"):
        fetch("toy")
    assert characters().fallback.startswith("Built-in corpora are used") and "cannot write" in characters().fallback

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setattr(registry, "download", full)
    with pytest.raises(CorpusError, match="the disk is full") as raised:
        fetch("toy")
    assert not isinstance(raised.value, Unavailable)

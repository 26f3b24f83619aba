"""One reproduction in its quick mode, on built-in corpora and without network, for all tests of it."""

import atexit
import functools
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tinygrad_nlp.nlp.corpora import Unavailable, registry


def unreachable(url, *_, **__):
    raise Unavailable(f"no answer from {url}: check the network")


def reproduce(out: Path, *arguments: str, data: str | None = None) -> int:
    """Exit code of examples/reproduce.py, run in this process."""
    import reproduce

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYGRAD_NLP_CACHE", str(out.parent / "cache"))
        patch.setattr(registry, "download", unreachable)
        patch.delenv("TINYGRAD_NLP_DATA", raising=False)
        data = ["--data", data] if data else []
        patch.setattr(sys, "argv", ["reproduce.py", "--quiet", "--out", str(out), *data, *arguments])
        with pytest.raises(SystemExit) as ended:
            reproduce.script(reproduce.main)
    return ended.value.code


@functools.cache
def smoke_run() -> Path:
    """The folder of results of a quick run."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    out = Path(folder) / "out"
    assert reproduce(out, "--smoke", "--jobs", "1") == 0
    return out


def results() -> dict:
    """What its jobs found, as figures.py, claims.py and the sections get it."""
    import backprop_by_hand
    import softmax_gradient
    from reproduction import word_experiments as experiments

    kept = {path.stem[:-17]: json.loads(path.read_text()) for path in (smoke_run() / "runs").glob("*.json")}
    found = {name: job["result"] for name, job in kept.items()}
    found["cpu"] = {name: job["seconds"] for name, job in kept.items()}
    rng = np.random.default_rng(0)
    found |= {"softmax": softmax_gradient.softmax_gradient(rng), "by hand": backprop_by_hand.differences(rng)}
    found |= {"bases": softmax_gradient.perplexity_in_bases(rng), "gradient": experiments.bigram_gradient(rng)}
    found |= {"recurrent": backprop_by_hand.recurrent_differences(rng)}
    found["directions"] = {f"directions.{k}.nats": 0.0 for k in ("counts", "add", "dirichlet", "kneser_ney")}
    found["inverted"] = {"counts.inside": 0.16, "counts.ends": 0.0014}
    return found | {"line": {"line": "To be,", "read as": ["UUUNKKK"], "in words": ["to", "be", ","]}}


@functools.cache
def report() -> dict:
    """Its report.json."""
    return json.loads((smoke_run() / "report.json").read_text(encoding="utf-8"))

"""A small training run that depends on everything a checkpoint must hold, and drivers that kill and starve it.

    python tests/survivor.py kill FOLDER TRIALS    prints how many trials ended with the right bytes, as JSON
    python tests/survivor.py full FOLDER           prints what a full disk left behind, as JSON

The drivers import once and fork, so that a trial takes a fraction of a second.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

import tinygrad_nlp as tg
from tinygrad_nlp import nn, optim
from tinygrad_nlp.files import FileError, digest
from tinygrad_nlp.nlp.models import CharRNN
from tinygrad_nlp.run import Run

STEPS = 40
T, B, V = 4, 2, 12


def train(folder, n=STEPS, config=None, corpus=None, before=lambda run: None, each=lambda run: None, **options):
    """Train a tiny GRU for n steps, with carried state, a data cursor, dropout, averaged weights; returns its bytes."""
    corpus = np.random.default_rng(7).integers(V, size=500) if corpus is None else corpus
    data, dropout = np.random.default_rng(1), np.random.default_rng(2)
    model = CharRNN(V, 3, 5, "gru", rng=np.random.default_rng(0), dropout=0.3)
    model.dropout.rng = dropout
    optimizer = optim.Adam(model, lr=0.05)
    average = optim.Average(model, 0.9)
    config = {"hidden": 5, "cell": "gru"} | (config or {})
    keep = {"cursor": 0, "state": [np.zeros((B, 5), np.float32)], "last": np.float32(0)}
    run = Run(
        folder,
        config=config,
        hashes={"corpus": digest(corpus)},
        generators={"data": data, "dropout": dropout},
        keep=keep,
        model=model,
        optimizer=optimizer,
        average=average,
        **options,
    )
    before(run)
    for step in run.steps(n):
        start = run.keep["cursor"]
        ids = np.stack([corpus[start + b * 100 : start + b * 100 + T + 1] for b in range(B)], axis=1)
        logits, state = model(ids[:-1], run.keep["state"])
        loss = tg.softmax_cross_entropy(logits, ids[1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.lr = 0.05 * optim.linear_decay(step, STEPS) + 0.001 * float(run.keep["last"])
        optimizer.step()
        average.update()
        run.keep["state"] = nn.frozen(state)
        run.keep["cursor"] = (start + T * int(data.integers(1, 4))) % 300
        run.keep["last"] = loss.data[()]
        run.log(loss=loss)
        each(run)
    run.log(finished=True)
    return b"".join(a.tobytes() for _, a in sorted((model.state_dict() | average.state_dict()).items()))


def in_child(work):
    """Fork; the child does the work and waits to be killed. Returns its id."""
    child = os.fork()
    if child == 0:
        try:
            work()
            signal.pause()
        finally:
            os._exit(1)
    return child


def losses(folder):
    whole = (line for line in (folder / "log.jsonl").read_text().split("\n")[:-1])
    return [(line["step"], line.get("loss")) for line in map(json.loads, whole)]


def kill(folder, trials):
    """SIGKILL `trials` runs at random moments, resume each, compare with the run that was never stopped.

    A moment is a number of steps and a part of one, so that a busy machine moves none beyond the end of the run.
    """
    rng = np.random.default_rng(3)
    began = time.perf_counter()
    expected = train(folder / "whole", save_seconds=0.02)
    duration = time.perf_counter() - began
    equal, killed, resumed_from = 0, 0, []
    for trial in range(trials):
        here = folder / str(trial)
        child = in_child(lambda: train(here, resume=True, save_seconds=0.02))  # noqa: B023 (called at once)
        steps = rng.integers(STEPS)
        while not (here / "log.jsonl").exists() or len(losses(here)) < steps:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 2 * duration / STEPS))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
        result = train(here, resume=True, save_seconds=0.02, before=lambda run: resumed_from.append(run.done))
        equal += result == expected and losses(here) == losses(folder / "whole") and not list(here.glob("*.part"))
    print(json.dumps({"equal": equal, "killed": killed, "resumed_from": resumed_from}))


def full(folder):
    """Let the disk be full at step 20; then go on."""
    import resource

    expected = train(folder / "whole")
    before = {}

    def fill(run):
        if run.done == 20:
            before.update({path.name: path.read_bytes() for path in run.checkpoints()})
            size = max(len(data) for data in before.values())
            resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, resource.RLIM_INFINITY))

    message = None
    try:
        train(folder / "full", each=fill, save_seconds=0)
    except FileError as error:
        message = str(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    after = {path.name: path.read_bytes() for path in (folder / "full").iterdir() if path.suffix == ".npz"}
    equal = train(folder / "full", resume=True) == expected
    print(json.dumps({"message": message, "checkpoints": len(before), "intact": after == before, "equal": equal}))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["kill", folder, trials]:
            kill(Path(folder), int(trials))
        case ["full", folder]:
            full(Path(folder))

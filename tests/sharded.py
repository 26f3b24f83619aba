"""What test_parallel.py starts under mpiexec, and a driver that kills ranks at random moments.

mpiexec -n 3 python tests/sharded.py equal FILE            trains every model; rank 0 writes the parameters
mpiexec -n 3 python tests/sharded.py train FOLDER [R S]    one run, resumed if it was stopped; rank R dies after S s
mpiexec -n 3 python tests/sharded.py fail WAY              an error in all ranks, or in one of them
python tests/sharded.py kill FOLDER TRIALS [RANKS]         prints how many trials ended with the right bytes, as JSON
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np

from tinygrad_nlp import nn, optim, parallel, softmax_cross_entropy
from tinygrad_nlp.nlp import bags
from tinygrad_nlp.nlp.models import CharRNN, DeepAveragingNetwork, NeuralBigram
from tinygrad_nlp.npz import write_npz
from tinygrad_nlp.soap import SOAP

STEPS = 20
IGNORED = 99
ALLOWED = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",  # others may be at work on these cores
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(Path(__file__).parents[1]),
}


# --- Every model and every optimiser, on uneven shards ----------------------------------------------------------------


def bigram(V, rng, dtype):
    """Of a large table the gradient is row-sparse, of a small one an array."""
    model = NeuralBigram(V, 40, 6, rng=rng, dtype=dtype)

    def draw(B):
        return rng.integers(0, V, B), rng.integers(0, V, B)

    return model, draw, lambda data, mine: (model(data[0][mine]), data[1][mine], data[1])


def reviews(V, rng, dtype, D=40):
    model = DeepAveragingNetwork(V, D, 1, 6, rng=rng, dtype=dtype)

    def draw(B):
        return bags.from_lists([rng.integers(0, V, n) for n in rng.integers(0, 9, B)]), rng.integers(0, 2, B)

    def shard(data, mine):
        (ids, offsets), labels = data
        return model(*bags.take(ids, offsets, np.arange(len(labels))[mine])), labels[mine], labels

    return model, draw, shard


def characters(cell, rng, dtype):
    """Ends of lines are ignored: some shards then count less than others, or not at all."""
    model = CharRNN(11, 5, 7, cell, rng=rng, dtype=dtype)

    def draw(B):
        ids, labels = rng.integers(0, 11, (2, 6, B))
        return ids, np.where(np.arange(6)[:, None] < rng.integers(0, 7, B), labels, IGNORED) if B > 1 else labels

    return model, draw, lambda data, mine: (model(data[0][:, mine])[0], data[1][:, mine], data[1])


MODELS = {
    "bigram": partial(bigram, 12),
    "bigram, row-sparse": partial(bigram, 2_000),
    "reviews": partial(reviews, 12),
    "reviews, row-sparse": partial(reviews, 2_000),
    "reviews, together more rows than the table": partial(reviews, 9, D=7_500),
    **{cell: partial(characters, cell) for cell in ("rnn", "gru", "lstm")},
}
OPTIMIZERS = {
    "SGD": optim.SGD,
    "momentum": partial(optim.SGD, momentum=0.9, weight_decay=0.01),
    "Adam": optim.Adam,
    "AdamW": optim.AdamW,
    "SOAP": SOAP,
}


def trained(ranks, name, optimizer, dtype, add=parallel.Ranks.add_gradients):
    """The parameters after 20 steps of batches of 1 to 7, with clipping and a schedule."""
    rng = np.random.default_rng(5)
    model, draw, shard = MODELS[name](rng, np.dtype(dtype))
    update = OPTIMIZERS[optimizer](model, 0.05)
    for step in range(STEPS):
        B = 1 + step % 7
        logits, labels, whole = shard(draw(B), ranks.shard(B))
        count = np.count_nonzero(whole != IGNORED)
        loss = softmax_cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum") / max(count, 1)
        update.zero_grad()
        loss.backward()
        add(ranks, model)
        optim.clip_norm(model, 0.3)
        update.lr = 0.05 * optim.warm_up(step, 5) * optim.cosine_decay(step, STEPS)
        update.step()
    return {f"{name}, {optimizer}, {dtype}: {key}": a for key, a in model.state_dict().items()}


def all_trained(ranks, **options):
    found = {}
    for name in MODELS:
        for optimizer in OPTIMIZERS:
            for dtype in ("float64", "float32") if optimizer == "Adam" else ("float64",):
                found |= trained(ranks, name, optimizer, dtype, **options)
    return found


# --- A run that survives ----------------------------------------------------------------------------------------------


def train(folder, begun=lambda: None, steps=40, save_seconds=0.01):
    """A small GRU with a carried state, dropout and averaged weights; rank 0 writes the final bytes."""
    ranks, rng = parallel.ranks(), np.random.default_rng(0)
    own = ranks.own(rng)
    model = CharRNN(12, 3, 5, "gru", rng=rng, dropout=0.3)
    model.dropout.rng = own
    optimizer = optim.Adam(model, 0.05)
    average = optim.Average(model, 0.9)
    run = ranks.run(
        folder, generators={"data": rng, "own": own}, keep={"state": None, "last": 0.0}, resume=True, quiet=True,
        save_seconds=save_seconds, model=model, optimizer=optimizer, average=average,
    )  # fmt: skip
    for _ in run.steps(steps):
        begun()
        ids, mine = rng.integers(0, 12, (7, 5)), ranks.shard(5)
        logits, state = model(ids[:-1, mine], run.keep["state"])
        loss = softmax_cross_entropy(logits, ids[1:, mine], reduction="sum") / 30
        optimizer.zero_grad()
        loss.backward()
        ranks.add_gradients(model)
        optimizer.lr = 0.05 + 0.001 * run.keep["last"]
        optimizer.step()
        average.update()
        run.keep.update(state=nn.frozen(state), last=ranks.sum(loss.item()))
        run.log(loss=run.keep["last"])
        time.sleep(0.01)
    if ranks.rank == 0:
        states = sorted((model.state_dict() | average.state_dict()).items())
        (Path(folder) / "final").write_bytes(b"".join(a.tobytes() for _, a in states))


def kill(folder, trials, size):
    """SIGKILL one rank of each of `trials` runs at a random moment, resume, compare with the run that was not
    stopped."""
    rng, here = np.random.default_rng(3), [sys.executable, __file__, "train"]
    start_ranks(size, *here, folder / "whole")
    expected = (folder / "whole" / "final").read_bytes()
    equal, died, seconds, said, resumed = 0, 0, [], [], []
    for trial in range(trials):
        place, rank, moment = folder / str(trial), int(rng.integers(size)), f"{rng.uniform(0, 0.5):.3f}"
        done = start_ranks(size, *here, place, rank, moment, check=False)
        died += done.returncode != 0 and not (place / "final").exists()
        seconds.append(time.time() - float((place / "died").read_text()))
        said.append([line for line in done.stderr.splitlines() if "saved: " in line])
        resumed.append(max((path.name for path in place.glob("checkpoint-*.npz")), default=None))
        start_ranks(size, *here, place)
        equal += (place / "final").read_bytes() == expected
    print(json.dumps({"equal": equal, "died": died, "seconds": seconds, "said": said, "from": resumed}))


def start_ranks(size, *command, check=True, **environment):
    """Run a command under mpiexec, also as root and on fewer cores than ranks; None where there is no mpiexec."""
    arguments = [str(mpiexec()), "-n", str(size), *map(str, command)]
    environment = os.environ | ALLOWED | environment
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=120, check=check)


def mpiexec():
    """The one that pip has put beside this Python, or else that of the system."""
    beside = Path(sys.executable).parent / "mpiexec"
    return beside if beside.exists() else shutil.which("mpiexec")


def dying(folder, seconds):
    """A function that, once called, kills this process this many seconds later, whatever it is doing."""

    def now():
        (Path(folder) / "died").write_text(str(time.time()))
        os.kill(os.getpid(), signal.SIGKILL)

    timer = threading.Timer(seconds, now)
    return lambda: None if timer.ident else timer.start()


# --- Errors -----------------------------------------------------------------------------------------------------------


def fail(way):
    ranks = parallel.ranks()
    print("hello from", ranks.rank)
    match way:
        case "all":
            sys.exit("bad input")
        case "one" if ranks.rank == 1:
            raise ValueError("only here")
        case "differ":
            model = nn.Linear(2, 3, rng=np.random.default_rng(ranks.rank))
            run = ranks.run("differ", quiet=True, model=model)
            for _ in run.steps(2):
                optim.SGD(model, 0.1).step()
                if ranks.rank == 1:
                    model.load_state_dict({name: a + 1 for name, a in model.state_dict().items()})
    ranks.sum(1)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["equal", file]:
            found = all_trained(parallel.ranks())
            if parallel.ranks().rank == 0:
                write_npz(file, found)
        case ["train", folder]:
            with parallel.together():
                train(folder)
        case ["train", folder, rank, seconds]:
            with parallel.together() as ranks:
                if ranks.rank == int(rank):
                    train(folder, dying(folder, float(seconds)))
                else:
                    train(folder)
        case ["fail", way]:
            with parallel.together():
                fail(way)
        case ["kill", folder, trials, *size]:
            kill(Path(folder), int(trials), int(*size or [2]))

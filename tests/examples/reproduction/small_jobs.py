"""Small jobs for the tests of jobs.py and workers.py: some draw numbers, one dies, one writes a file, one sleeps."""

from pathlib import Path

from reproduction.jobs import Job

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

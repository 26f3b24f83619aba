"""Build the wheel and the sdist, and try both outside of the tree: python .ci/wheel.py [--oldest] [--quick]

The wheel goes into a new environment, in a folder of its own: its doctests, command line, lessons, koans and examples
run there. The sdist is unpacked, and its own tests run. It takes the package `build`; with --oldest, other packages
have the lowest versions that setup.cfg allows; with --quick, only the tests run that packaging can break.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from oldest import ROOT, environment, oldest

QUICK = ("tests/test_main.py", "tests/test_readme.py", "tests/test_rooms.py", "tests/test_course.py")
EXAMPLES = ("softmax_gradient", "backprop_by_hand", "bigram", "word_rnn", "char_rnn", "sentiment")


def run(*command: object, folder: Path, code: int = 0) -> None:
    """Run a command in a folder; end it all where the exit code is not this one."""
    print("\n==", *command, flush=True)
    found = subprocess.run([*map(str, command)], cwd=folder, check=False).returncode
    if found != code:
        sys.exit(f"wheel.py: exit code {found} instead of {code}: {' '.join(map(str, command))}")


def wheel(python: Path, outside: Path, quick: bool) -> None:
    """Use what is installed, from a folder with nothing of ours in it."""
    outside_of_tree = f"assert {str(ROOT)!r} not in map(str, pathlib.Path(t.__file__).parents)"
    run(python, "-c", f"import pathlib, tinygrad_nlp as t; {outside_of_tree}", folder=outside)
    for command in (["--version"], ["table", "sigmoid"], ["lessons"], ["lessons", "1", "--run"]):
        run(python, "-m", "tinygrad_nlp", *command, folder=outside)
    run(python, "-m", "tinygrad_nlp", "copy-examples", "course", "--notebooks", folder=outside)
    run(python, "-m", "tinygrad_nlp", "koans", folder=outside, code=1)  # none is solved
    for lesson in sorted((outside / "course/lessons").glob("*.py"))[: 2 if quick else None]:
        run(python, lesson, folder=outside)
    for name in EXAMPLES[: 2 if quick else None]:
        run(python, f"course/{name}.py", "--smoke", "--quiet", folder=outside)
    if not quick:
        run(python, "course/reproduce.py", "--smoke", "--quiet", folder=outside)
        doctests = ("--doctest-modules", "--doctest-ignore-import-errors", "--pyargs", "tinygrad_nlp")
        skipped = [f"--ignore-glob=*/{part}" for part in ("examples/*", "__main__.py")]
        run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *skipped, *doctests, folder=outside)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--oldest", action="store_true", help="the lowest versions that setup.cfg allows")
    p.add_argument("--quick", action="store_true", help="only what packaging can break")
    options = p.parse_args()
    os.environ.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        run(sys.executable, "-m", "build", "-o", folder / "dist", ROOT, folder=folder)
        (made,), (source,) = (folder / "dist").glob("*.whl"), (folder / "dist").glob("*.tar.gz")
        python, outside = environment(folder / "environment"), folder / "outside"
        pins = oldest() if options.oldest else []
        run(python, "-m", "pip", "install", "-q", f"{made}[test]", *pins, folder=folder)
        outside.mkdir()
        wheel(python, outside, options.quick)
        with tarfile.open(source) as archive:
            archive.extractall(folder / "sdist", filter="data")
        (unpacked,) = (folder / "sdist").iterdir()
        run(python, "-m", "pytest", "-p", "no:cacheprovider", *(QUICK if options.quick else ()), folder=unpacked)


if __name__ == "__main__":
    main()

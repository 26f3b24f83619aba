"""The command line: ``python -m tinygrad_nlp`` lists what there is for a reader, a student and a teacher."""

from __future__ import annotations

import argparse
import ast
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from . import __version__, course
from .calculus.listing import table
from .console import BadInput, Parser, exit_code
from .files import shown
from .koans.__main__ import main as koans_main


def parser() -> Parser:
    what = "Learn backpropagation by reading an engine, repairing gradients, and running three language models."
    p = Parser(prog="python -m tinygrad_nlp", description=what)
    p.add_argument("--version", action="version", version=f"tinygrad_nlp {__version__}")
    commands = p.add_subparsers(dest="command", metavar="COMMAND")
    one = commands.add_parser("lessons", help="the course: its lessons, the text of one, or its output")
    one.add_argument("number", nargs="?", type=int, metavar="N", help="show lesson N (default: list them)")
    one.add_argument("--run", action="store_true", help="run lesson N, after you have answered its question")
    commands.add_parser("koans", add_help=False, help="fifteen broken derivatives to repair, or an engine to build")
    rows = commands.add_parser("table", help="every function that Tensors go through, and its derivatives")
    rows.add_argument("word", nargs="?", default="", help="only lines that contain this")
    copy = commands.add_parser("copy-examples", help="the lessons and examples, for you to edit")
    copy.add_argument("folder", type=Path, metavar="DIR", help="a new folder")
    copy.add_argument("--notebooks", action="store_true", help="each lesson as a Jupyter notebook too")
    fetched = commands.add_parser("fetch", help="download corpora once, for a class to share")
    fetched.add_argument("folder", type=Path, metavar="DIR", help="give it to the examples as --data DIR")
    fetched.add_argument("names", nargs="*", metavar="NAME", help="some corpora (default: all up to 100 MB)")
    g = commands.add_parser("generate", help="go on with a text, character by character")
    g.add_argument("model", metavar="MODEL", help="an .npz written by tinygrad_nlp.nlp.saved.save")
    what = "the text to go on from (default: a new line, or the first character of an alphabet without one)"
    g.add_argument("--prompt", metavar="TEXT", help=what)
    g.add_argument("--length", type=int, default=500, metavar="N", help="characters to write (default 500)")
    g.add_argument("--temperature", type=float, default=1.0, metavar="T", help="0 takes the likeliest (default 1)")
    g.add_argument("--top-k", type=int, metavar="K", help="draw from the K likeliest only (default: all)")
    g.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same text (default 0)")
    return p


def generate(args: argparse.Namespace) -> None:
    """Write the prompt and what follows, each character as soon as it is drawn. Raises FileError or BadInput."""
    from .nlp import generate as sampling
    from .nlp import saved
    from .nlp.models import CharRNN

    if args.length < 0 or args.seed < 0:
        name, value = ("--length", args.length) if args.length < 0 else ("--seed", args.seed)
        raise BadInput(f"{name} is {value}: use a whole number from 0 on")
    if args.prompt == "":
        raise BadInput("--prompt is empty: give at least one character to go on from")
    model, characters, _ = saved.load(args.model)
    if not isinstance(model, CharRNN):
        raise BadInput(f"{args.model} holds a {type(model).__name__}: only a CharRNN can go on with a text")
    rng = np.random.default_rng(args.seed)
    try:
        told = args.prompt or ("\n" if "\n" in characters.alphabet else characters.alphabet[0])
        ids = sampling.generate(model, characters.encode(told), rng=rng, temperature=args.temperature, top_k=args.top_k)
        print(shown(told), end="", flush=True)
        for i in itertools.islice(ids, args.length):
            print(shown(characters.decode([i])), end="", flush=True)
    except ValueError as error:
        raise BadInput(str(error)) from error
    print()


def lessons(args: argparse.Namespace) -> int:
    """List the lessons, show the text of one, or run it with one BLAS thread; returns the exit code."""
    paths = course.lessons()
    if args.number is None:
        for path in paths:
            doc = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
            print(f"{int(path.name[:2]):2}  {doc.partition(chr(10))[0]}")
        return 0
    if not 0 <= args.number < len(paths):
        raise BadInput(f"there is no lesson {args.number}: use a number from 0 to {len(paths) - 1}")
    path = paths[args.number]
    if args.run:
        return subprocess.run([sys.executable, str(path)], env={"OMP_NUM_THREADS": "1"} | os.environ).returncode
    print(course.text_of(path))
    print(f"\nThe script is {path}\nTo run it: python -m tinygrad_nlp lessons {args.number} --run")
    return 0


def copy_examples(args: argparse.Namespace) -> None:
    """Copy the folder of the examples, and write notebooks. Raises BadInput where there is something already."""
    try:
        shutil.copytree(course.examples(), args.folder, ignore=shutil.ignore_patterns("__pycache__", "out", "*.npz"))
        for path in course.lessons() if args.notebooks else []:
            text = course.notebook(path)
            (args.folder / "lessons" / path.name).with_suffix(".ipynb").write_text(text, "utf-8")
    except FileExistsError as error:
        raise BadInput(f"{args.folder} is there already: name a new folder, nothing is overwritten") from error
    except OSError as error:
        raise BadInput(f"cannot write to {args.folder}: {error.strerror or error}: name another folder") from error
    except ImportError as error:
        raise BadInput(str(error)) from error
    print(f"copied the lessons and examples to {args.folder}: start with {args.folder / 'README.md'}")


def fetch(args: argparse.Namespace) -> None:
    """Download corpora into a folder, where they are not there already. Raises FileError or BadInput."""
    from .nlp.corpora import REGISTRY
    from .nlp.corpora import fetch as fetch_one

    small = [name for name, corpus in REGISTRY.items() if corpus.url and corpus.size <= 100_000_000]
    try:
        args.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"cannot make {args.folder}: {error.strerror}: name another folder") from error
    os.environ["TINYGRAD_NLP_CACHE"] = str(args.folder.resolve())
    for name in args.names or small:
        try:
            source = fetch_one(name)
        except ImportError as error:
            raise BadInput(str(error)) from error
        print(f"{name}: {source.path}", flush=True)
    print(f"ready: give the examples --data {args.folder}, or set TINYGRAD_NLP_DATA={args.folder}")


def show_table(args: argparse.Namespace) -> None:
    """Print the table of derivatives, or the lines with a word."""
    lines = [line for line in table().split("\n") if args.word in line]
    if not lines:
        raise BadInput(f"no line of the table contains {args.word!r}: calculus/rows.py says how to add a function")
    print("\n".join(lines))


COMMANDS: dict[str, Callable[[argparse.Namespace], int | None]] = {
    "lessons": lessons,
    "table": show_table,
    "copy-examples": copy_examples,
    "fetch": fetch,
    "generate": generate,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and run a command; returns the exit code: 0, 2 for bad input, 130 for Ctrl-C."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["koans"]:
        return koans_main(given[1:])
    p = parser()
    args = p.parse_args(given)
    if args.command is None:
        p.print_help()
        return 0
    return exit_code(lambda: COMMANDS[args.command](args), f"{p.prog} {args.command}")


if __name__ == "__main__":
    sys.exit(main())

"""The command line: ``python -m tinygrad_nlp generate MODEL --prompt TEXT`` lets a saved CharRNN go on with a text."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from .files import FileError


class Parser(argparse.ArgumentParser):
    """One clear line and exit code 2 for bad input, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def parser() -> Parser:
    p = Parser(prog="python -m tinygrad_nlp", description="What a saved model can do without a line of Python.")
    commands = p.add_subparsers(dest="command", required=True, metavar="generate")
    g = commands.add_parser("generate", help="go on with a text, character by character")
    g.add_argument("model", metavar="MODEL", help="an .npz written by tinygrad_nlp.nlp.saved.save")
    g.add_argument("--prompt", default="\n", metavar="TEXT", help="the text to go on from (default: a new line)")
    g.add_argument("--length", type=int, default=500, metavar="N", help="characters to write (default 500)")
    g.add_argument("--temperature", type=float, default=1.0, metavar="T", help="0 takes the likeliest (default 1)")
    g.add_argument("--top-k", type=int, metavar="K", help="draw from the K likeliest only (default: all)")
    g.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same text (default 0)")
    return p


def generate(args: argparse.Namespace) -> None:
    """Write the prompt and what follows, each character as soon as it is drawn. Raises FileError or ValueError."""
    from .nlp import generate as sampling
    from .nlp import saved
    from .nlp.models import CharRNN

    if args.length < 0 or args.seed < 0:
        name, value = ("--length", args.length) if args.length < 0 else ("--seed", args.seed)
        raise ValueError(f"{name} is {value}: use a whole number from 0 on")
    if not args.prompt:
        raise ValueError("--prompt is empty: give at least one character to go on from")
    model, characters, _ = saved.load(args.model)
    if not isinstance(model, CharRNN):
        raise ValueError(f"{args.model} holds a {type(model).__name__}: only a CharRNN can go on with a text")
    rng = np.random.default_rng(args.seed)
    prompt = characters.encode(args.prompt)
    ids = sampling.generate(model, prompt, rng=rng, temperature=args.temperature, top_k=args.top_k)
    print(args.prompt, end="", flush=True)
    for i in itertools.islice(ids, args.length):
        print(characters.decode([i]), end="", flush=True)
    print()


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 for bad input, 130 for Ctrl-C."""
    p = parser()
    args = p.parse_args(argv)
    try:
        generate(args)
    except (FileError, ValueError) as error:
        print(f"{p.prog} {args.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print()
        return 130
    except BrokenPipeError:  # `| head` has seen enough; Python's own flush at exit must not complain either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())

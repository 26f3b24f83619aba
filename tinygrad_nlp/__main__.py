"""The command line: ``python -m tinygrad_nlp generate MODEL --prompt TEXT`` lets a saved CharRNN go on with a text."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence

import numpy as np

from .console import BadInput, Parser, exit_code
from .files import shown


def parser() -> Parser:
    p = Parser(prog="python -m tinygrad_nlp", description="What a saved model can do without a line of Python.")
    commands = p.add_subparsers(dest="command", required=True, metavar="generate")
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


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and run a command; returns the exit code: 0, 2 for bad input, 130 for Ctrl-C."""
    p = parser()
    args = p.parse_args(argv)
    return exit_code(lambda: generate(args), f"{p.prog} {args.command}")


if __name__ == "__main__":
    sys.exit(main())

"""What our commands share: bad input is one clear line and exit code 2, Ctrl-C exit code 130, a closed pipe silent.

A character that standard output lacks is printed as ?, and BLAS has one thread.
"""
# tested in tests/test_platforms.py

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn

from .files import FULL, FileError, say, shown


class BadInput(Exception):
    """Something the user gave cannot be used: what, where and the remedy, in one line."""


class Parser(argparse.ArgumentParser):
    """One clear line and exit code 2 for bad options, without the usage before it; --help prints in any encoding."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        tolerant_output()

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {shown(message, keep='')}; see {self.prog} --help\n")


def exit_code(command: Callable[[], int | None], name: str) -> int:
    """Call a command and say what stopped it; returns its exit code, or 0, or 2 for bad input, 130 for Ctrl-C."""
    tolerant_output()
    try:
        with one_thread():
            code = command() or 0
            sys.stdout.flush()  # here, where a full disk can still be told
        return code
    except (FileError, BadInput) as error:
        say(f"{name}: {error}")
        return 2
    except KeyboardInterrupt as interrupt:
        say(f"{name}: {str(interrupt) or 'interrupted'}")
        return 130
    except BrokenPipeError:  # `| head` has seen enough
        drop_output()
        return 0
    except OSError as error:
        if error.errno not in FULL:
            raise
        drop_output()
        say(f"{name}: cannot write to standard output: the disk is full: free some space")
        return 2


def drop_output() -> None:
    """Let what is still to be printed go nowhere, or Python's own flush at its end would complain once more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tolerant_output() -> None:
    """From here on standard output prints ? for a character that its encoding lacks, such as σ in a pipe on Windows."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in ("strict", "surrogateescape"):
        sys.stdout.reconfigure(errors="replace")


def one_thread() -> AbstractContextManager[object]:
    """One BLAS thread from here on; as a context, only inside. OMP_NUM_THREADS decides instead where it is set.

    Most of our matrices are so small that two threads spend their time waiting for each other. This takes threadpoolctl
    (extra parallel); without it nothing changes.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return nullcontext() if "OMP_NUM_THREADS" in os.environ else threadpool_limits(1)

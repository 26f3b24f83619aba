"""The other side of grading.py: a process of its own, which runs a student's file and calls the functions in it.

It is run as a script and imports nothing of this package. Lines of JSON come in on standard input and go out on
standard output; what the student's code prints goes to standard error. It only computes: grading.py judges the result.
"""
# tested in tests/koans/test_koans.py

from __future__ import annotations

import base64
import json
import os
import sys
import traceback
from typing import Any

import numpy as np

MEMORY = 2 << 30  # bytes that the process may have
FRAMEWORKS = {"tinygrad_nlp", "tinygrad", "autograd", "mygrad", "torch", "jax", "tensorflow", "keras", "sympy"}
OUTSIDE = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.", "socket.", "ctypes.", "gc.", "shutil.")
Sent = dict[str, Any] | None


def packed(a: Any) -> Sent:
    """An array for JSON; TypeError for what is not an array of numbers. None stays None."""
    if a is None:
        return None
    a = np.asarray(a)
    if a.dtype.kind not in "fiub":
        raise TypeError(f"a backward pass returns arrays of real numbers, not {a.dtype}")
    return {
        "shape": a.shape,
        "dtype": a.dtype.str,
        "data": base64.b64encode(a.tobytes()).decode(),
    }


def unpacked(sent: Sent) -> Any:
    """The array that was packed, writable. Raises for anything else."""
    if sent is None:
        return None
    dtype = np.dtype(str(sent["dtype"]))
    if dtype.kind not in "fiub":
        raise TypeError(f"{dtype} is not a type of real numbers")
    return np.frombuffer(base64.b64decode(sent["data"]), dtype).reshape(sent["shape"]).copy()


def blame(path: str, error: BaseException) -> str:
    """An exception in one line, with the last line of the student's file that it passed."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == path]
    syntax = isinstance(error, SyntaxError) and error.filename == path
    lines = [getattr(error, "lineno", 0)] if syntax else lines
    message = " ".join(str(getattr(error, "msg", error) if syntax else error).split())
    place = f"{path}:{lines[-1]}" if lines and lines[-1] else path
    return f"{place}: {type(error).__name__}" + (f": {message}" if message else "")


def limit_memory() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ImportError, ValueError, OSError):  # not on this system: the time limit must do
        pass


def watched(refused: list[str]) -> Any:
    """An audit hook, which cannot be taken away again: it refuses frameworks and what leads out of this process."""

    def hook(event: str, args: tuple[Any, ...]) -> None:
        what = ""
        if event == "import" and str(args[0]).partition(".")[0] in FRAMEWORKS:
            what = f"it imports {str(args[0]).partition('.')[0]}"
        elif event == "open" and f"{os.sep}tinygrad_nlp{os.sep}" in str(args[0]):
            what = "it reads the engine's files"
        elif event == "open" and (str(args[1] or "r").strip("rbtU") or (args[2] or 0) & (os.O_WRONLY | os.O_RDWR)):
            what = "it writes files"
        elif event.startswith(OUTSIDE):
            what = f"it calls {event}"
        if what:
            refused.append(what)
            raise PermissionError(f"refused: {what}")

    return hook


def main(path: str) -> None:
    """Run the file and say so, then answer requests until there are no more."""
    requests, replies = os.fdopen(os.dup(0), "r", encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)

    def reply(**message: Any) -> None:
        sys.stdout.flush()  # what the student's code printed comes first
        replies.write(json.dumps(message) + "\n")
        replies.flush()

    limit_memory()
    refused: list[str] = []
    names: dict[str, Any] = {"__name__": "student", "__file__": path}
    reply()
    try:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec")
        sys.addaudithook(watched(refused))
        exec(code, names)
    except BaseException as error:  # the student's code may raise anything, and may call sys.exit()
        reply(error=blame(path, error))
        return
    reply()
    for request in requests:
        asked = json.loads(request)
        g, *args = (unpacked(a) for a in asked["args"])
        message: dict[str, Any]
        try:
            with np.errstate(all="ignore"):  # gradcheck says what is not finite
                returned = names[asked["name"]](g, *args)
            returned = returned if isinstance(returned, (tuple, list)) else (returned,)
            message = {"returned": [packed(a) for a in returned], "args": [packed(a) for a in (g, *args)]}
        except BaseException as error:  # the student's code may raise anything, and may call sys.exit()
            message = {"error": blame(path, error)}
        reply(**({"error": f"{path}: refused: {refused[0]}"} if refused else message))


if __name__ == "__main__":
    main(sys.argv[1])

"""Random mistakes in the package's source: which of them does no test notice?

    python -m tests.battery.mutants                          300 mutants of the modules in COVERED
    python -m tests.battery.mutants -n 50 tinygrad_nlp/optim.py
    python -m tests.battery.mutants --results mutants.jsonl  goes on where it stopped, and tries survivors again

A mutant is the package with one piece of code changed: a comparison turned, − for +, another constant, a negation or an
argument dropped, two arguments swapped, max for min. Each goes into a copy of the tree. There the tests that cover its
module run once to record which of them execute which lines; then, for each mutant, those that execute its line, the
fastest first, until one fails: then the mutant is killed. A survivor shows a gap in the tests, or it does the same as
the original; then equivalent.txt lists it with the reason. The figure is killed / (all − equivalent).

The seed fixes the draw: mutants are ordered by a checksum of seed, file and change, so that a change in one module
leaves the draws from all others as they are. It uses one core: 5 minutes to record, 2 seconds for a mutant. It needs
coverage (of the extra [dev]) and a system that can fork.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import itertools
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.battery.forked import fails, record, write
from tests.battery.plant import Replacing
from tests.test_rooms import ROOT, file_that_tests

ENOUGH = 20  # seconds of the processor for the tests of one mutant, as measured while their lines are recorded
EQUIVALENT = Path(__file__).with_name("equivalent.txt")
COVERED = [
    *("engine.py", "rules.py", "fused.py", "recurrent.py", "nn.py", "optim.py", "schedules.py", "transforms.py"),
    *("tree.py", "calculus", "checking/candidate.py", "checking/check.py", "checking/compare.py"),
    *("checking/diagnose.py", "checking/differences.py", "checking/point.py", "checking/report.py"),
    *("checking/taylor.py", "checking/unchecked.py", "core/interface.py", "core/sparse.py", "core/unbroadcast.py"),
    *("nlp/bags.py", "nlp/counts.py", "nlp/generate.py", "nlp/metrics.py", "nlp/models.py", "nlp/naive_bayes.py"),
    "nlp/text.py",
]
ROWS = [f"calculus/test_{name}.py" for name in ("composites", "limits", "forms", "rows", "every_row")]
EDGES = ["core/test_interface.py", "core/test_history.py", "test_edges.py"]
BESIDE = {  # what covers a module, or the modules of a folder, besides the tests of its name
    "engine": [*EDGES, "test_updates.py", "test_transforms.py", "test_checkpoint.py"],
    "rules": ["test_engine.py", *ROWS],
    "fused": ["test_lookups.py"],
    "recurrent": ["test_fused.py"],
    "nn": ["test_module.py"],
    "optim": ["test_clip_norm.py", "test_schedules.py"],
    "transforms": ["test_checkpoint.py"],
    "tree": ["test_transforms.py"],
    "calculus": ["test_rules.py", *ROWS],
    "checking": [f"checking/test_{name}.py" for name in ("check", "unchecked", "numerics", "no_false_alarm")],
    "core": [*EDGES, "core/test_scipys.py", "test_engine.py", "test_updates.py", "test_fused.py", "test_lookups.py"],
    "nlp": ["nlp/test_models.py"],
}

OPERATORS = "< <=, <= <, > >=, >= >, < >, > <, == !=, != ==, + -, - +, * /, / *, ** *, & |, | &, and or, or and"
NAMES = "min max, any all, np.minimum np.maximum, np.min np.max, np.any np.all, np.argmax np.argmin, np.zeros np.ones"
PAIRS = [tuple(pair.split()) for pair in OPERATORS.split(", ")]
TURNS = [  # pattern, what stands there instead, as plant.py reads them: a name that begins with _ is any expression
    *((f"_a {old} _b", f"_a {new} _b") for old, new in PAIRS),
    *((f"_a {old}= _b", f"_a {new}= _b") for old, new in PAIRS if old in "+-*/&|"),
    *itertools.chain(*((pair.split(), pair.split()[::-1]) for pair in NAMES.split(", "))),
    *(("_a is _b", "_a is not _b"), ("_a is not _b", "_a is _b"), ("_a in _b", "_a not in _b")),
    *(
        ("_a not in _b", "_a in _b"),
        ("not _a", "_a"),
        ("-_a", "_a"),
        ("~_a", "_a"),
        ("_a if _c else _b", "_b if _c else _a"),
    ),
    *(("_a <= _b < _c", "_a < _b < _c"), ("_a <= _b < _c", "_a <= _b <= _c"), ("_a < _b < _c", "_a <= _b <= _c")),
    *(("_a - _b", "_b - _a"), ("_a // _b", "_a / _b"), ("_a % _b", "_a"), ("_a @ _b", "_b @ _a")),
    *(("_a and _b", "_a"), ("_a or _b", "_a"), ("_a and _b and _c", "_a and _b"), ("_a or _b or _c", "_a or _b")),
    *(("_f(_a, _b)", "_f(_b, _a)"), ("_f(_a, _b, _c)", "_f(_a, _c, _b)")),
    *(("_f(_a, _b)", "_f(_a)"), ("_f(_a, _b, _c)", "_f(_a, _b)"), ("_f(_a, _b, _c, _d)", "_f(_a, _b, _c)")),
    *(("return _a", "return None"), ("raise _a", "pass"), ("_a", "pass"), ("continue", "break"), ("break", "continue")),
]
SILENT = {"annotation", "returns", "decorator_list"}  # parts of a definition that change nothing, or name a row


class Mutant(NamedTuple):
    """A module with one change: its path from the root, the number of the line, what stood there, what stands there
    now, and all of the new source."""

    path: str
    line: int
    before: str
    after: str
    source: str

    def key(self) -> str:
        return f"{self.path}\n- {self.before}\n+ {self.after}"


# --- The mutants of a module ------------------------------------------------------------------------------------------


def mutants_of(path: str, source: str) -> list[Mutant]:
    """Every mutant of a module, each once."""
    turns = [Replacing(ast.parse(old).body[0], ast.parse(new).body) for old, new in TURNS]
    found: dict[str, Mutant] = {}
    for node in pieces(ast.parse(source)):
        made = [part[0] for turn in turns if (part := turn.made_of(node)) is not None]
        for new in [*made, *other_constants(node), *without_keywords(node)]:
            if ast.unparse(new) != ast.unparse(node):  # f(a, a) is itself when swapped
                mutant = changed(path, source, node, new)
                found.setdefault(mutant.source, mutant)
        if isinstance(node, ast.If) and isinstance(node.test, (ast.Name, ast.Attribute, ast.Call)):
            mutant = changed(path, source, node.test, ast.UnaryOp(ast.Not(), node.test))
            found.setdefault(mutant.source, mutant)
    return list(found.values())


def pieces(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a tree in which a mistake can matter: no text, no types, no words of a message."""
    for name, value in ast.iter_fields(node):
        for part in value if isinstance(value, list) else [value]:
            if name in SILENT or not isinstance(part, ast.AST) or isinstance(part, ast.JoinedStr) or is_text(part):
                continue
            if isinstance(part, ast.keyword) and part.arg == "strict":  # it does nothing but notice mistakes
                continue
            if not isinstance(getattr(part, "ctx", None), (ast.Store, ast.Del)):
                yield part
            if not isinstance(part, ast.Raise):
                yield from pieces(part)


def is_text(node: ast.AST) -> bool:
    value = node.value if isinstance(node, ast.Expr) else node
    return isinstance(value, ast.Constant) and not isinstance(value.value, (int, float))


def other_constants(node: ast.AST) -> list[ast.AST]:
    """Truth turned, a whole number one larger, any other number ten times as large."""
    n: Any = node.value if isinstance(node, ast.Constant) else None
    if n is None:
        return []
    if isinstance(n, bool):
        return [ast.Constant(not n)]
    return [ast.Constant(n + 1 if isinstance(n, int) else 10 * n or 1.0)]


def without_keywords(node: ast.AST) -> Iterator[ast.AST]:
    """A call without one of its keywords."""
    for i, keyword in enumerate(node.keywords if isinstance(node, ast.Call) else []):
        if keyword.arg not in (None, "strict"):
            less = copy.deepcopy(node)
            del less.keywords[i]
            yield less


def changed(path: str, source: str, node: Any, new: ast.AST) -> Mutant:
    """The source with one node written anew, all else to the letter as it was."""
    lines = source.encode().splitlines(keepends=True)
    code = ast.unparse(new) if isinstance(new, ast.stmt) else f"({ast.unparse(new)})"
    start, end = lines[node.lineno - 1][: node.col_offset], lines[node.end_lineno - 1][node.end_col_offset :]
    before, after = b"".join(lines[node.lineno - 1 : node.end_lineno]), start + code.encode() + end
    whole = b"".join([*lines[: node.lineno - 1], after, *lines[node.end_lineno :]])
    return Mutant(path, node.lineno, *(" ".join(text.decode().split()) for text in (before, after)), whole.decode())


def sample(files: Iterable[str], root: Path, n: int, seed: int) -> list[Mutant]:
    """n mutants of these files, drawn from all of them."""
    found = [m for path in files for m in mutants_of(path, (root / path).read_text(encoding="utf-8"))]
    found.sort(key=lambda m: hashlib.sha256(f"{seed} {m.key()}".encode()).digest())
    drawn = itertools.islice((m for m in found if is_python(m.source)), n)
    return sorted(drawn, key=lambda m: (m.path, m.line))


def is_python(source: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(source, "mutant", "exec")
        except SyntaxError:
            return False
    return True


def equivalent(text: str) -> dict[str, str]:
    """The reasons of a text such as equivalent.txt, by the keys of their mutants."""
    found, path = {}, ""
    for lines in (part.splitlines() for part in text.strip().split("\n\n")):
        if len(lines) == 1:
            path = lines[0]
        else:
            found["\n".join([path, *lines[:2]])] = " ".join(lines[2:])
    return found


# --- Running the tests ------------------------------------------------------------------------------------------------


def tests_for(path: Path, root: Path) -> list[str]:
    """What runs for a module: its doctests, the tests of its name, and those beside them."""
    beside = BESIDE.get(path.stem) or BESIDE.get(path.parent.name, [])
    files = [path.as_posix(), file_that_tests(path, root).as_posix(), *(f"tests/{name}" for name in beside)]
    return [file for file in dict.fromkeys(files) if (root / file).exists()]


def fastest(tests: Iterable[str], seconds: dict[str, float]) -> list[str]:
    """The fastest tests, as many as take ENOUGH seconds together, and at least one."""
    ordered = sorted(tests, key=seconds.__getitem__)
    totals = itertools.accumulate(seconds[test] for test in ordered)
    return [test for test, total in zip(ordered, totals, strict=True) if total <= ENOUGH] or ordered[:1]


def survivors(root: Path, drawn: Sequence[Mutant], known: dict[str, bool], results: Any = None) -> list[Mutant]:
    """Those of the mutants of a tree that no test kills. known: verdicts of earlier runs; results: where ours go."""
    left, tried = [], [mutant for mutant in drawn if not known.get(mutant.key())]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        shutil.copytree(root, tree, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        beside = {path: tests_for(Path(path), root) for path in {mutant.path for mutant in tried}}
        tests = sorted({test for tests in beside.values() for test in tests})
        lines, seconds = record(tree, tests) if tried else ({}, {})
        for i, mutant in enumerate(tried, 1):
            there = [test for test in seconds if test.partition("::")[0] in beside[mutant.path]]
            meeting = set(lines.get(mutant.path, {}).get(str(mutant.line), ())).intersection(there)
            module = tree / mutant.path
            original = module.read_text(encoding="utf-8")
            write(module, mutant.source)
            killed = fails(tree, fastest(meeting or there, seconds), 3 * ENOUGH)
            write(module, original)
            left += [] if killed else [mutant]
            said = "killed" if killed else "SURVIVED"
            print(f"{i}/{len(tried)} {said}, line {mutant.line} of {mutant.key()}", flush=True)
            if results:
                print(json.dumps([mutant.key(), killed]), file=results, flush=True)
    return left


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="modules or folders of modules; those in COVERED if none is given")
    parser.add_argument("-n", type=int, default=300, help="how many mutants (300)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=os.devnull, help="a file that keeps verdicts from run to run")
    wanted = parser.parse_args()
    given = [ROOT / file for file in wanted.files] or [ROOT / "tinygrad_nlp" / file for file in COVERED]
    files = [f for path in given for f in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    names = [f.relative_to(ROOT).as_posix() for f in files if f.name != "__init__.py"]
    drawn, same = sample(names, ROOT, wanted.n, wanted.seed), equivalent(EQUIVALENT.read_text(encoding="utf-8"))
    tried = [mutant for mutant in drawn if mutant.key() not in same]
    with open(wanted.results, "a+", encoding="utf-8") as results:
        results.seek(0)
        left = survivors(ROOT, tried, dict(map(json.loads, results)), results)
    for mutant in left:
        print(f"\nline {mutant.line} of {mutant.key()}")
    killed, others = len(tried) - len(left), len(drawn) - len(tried)
    share = f"{killed} / {len(tried)} = {killed / len(tried):.1%}"
    print(f"\n{len(drawn)} mutants, {others} of them equivalent: killed {share} of the others")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())

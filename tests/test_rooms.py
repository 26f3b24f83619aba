"""The house: imports point one way, each module is tested where its name says, no public name hides a module."""

from __future__ import annotations

import ast
import configparser
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_nlp

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tinygrad_nlp"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
ELSEWHERE = re.compile(r"^# tested in (\S+)$", re.M)  # the line in a module that has no test file of its name


def imports_of(name: str) -> set[str]:
    """The modules of the package that a module imports, inside functions too, but not for types only."""
    path = MODULES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            origin = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                found.add(f"{origin}.{alias.name}" if f"{origin}.{alias.name}" in MODULES else origin)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {target for target in found if target in MODULES and target != name}


def test_imports_go_one_way() -> None:
    """A module that is reached from itself is part of a circle."""
    graph = {name: imports_of(name) for name in MODULES}
    assert graph["tinygrad_nlp.rules"] >= {
        "tinygrad_nlp.engine",
        "tinygrad_nlp.calculus.rows",
    }  # it sees imports at all
    for start in graph:
        seen: set[str] = set()
        paths = [[start]]
        while paths:
            path = paths.pop()
            for target in graph[path[-1]]:
                assert target != start, f"a circle: {' → '.join([*path, target])}"
                if target not in seen:
                    seen.add(target)
                    paths.append([*path, target])


def file_that_tests(module: Path, root: Path) -> Path:
    """Both as paths from the root: the test file of the module's name, or the one that the module names."""
    said = ELSEWHERE.search((root / module).read_text(encoding="utf-8"))
    folder = Path(*module.parts[1:-1])
    stem = {"__init__": folder.name or "rooms", "__main__": "main"}.get(module.stem, module.stem)
    return Path(said[1]) if said else Path("tests") / folder / f"test_{stem}.py"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_each_module_has_a_test_file_of_its_name_or_says_where_it_is_tested(name: str) -> None:
    path = MODULES[name]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defines = any(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in tree.body)
    if path.name != "__init__.py" or defines:  # of a room's own file, which is one sentence, nothing is to be tested
        tests = file_that_tests(path.relative_to(ROOT), ROOT)
        assert (ROOT / tests).exists(), f"{path} has no {tests}: write it, or say `# tested in FILE`"


def test_modules_of_nlp_load_when_they_are_used() -> None:
    code = "import sys, tinygrad_nlp as t; n = len(sys.modules); t.nlp.reviews.stream; assert len(sys.modules) > n"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    with pytest.raises(AttributeError, match=r"tinygrad_nlp\.nlp has no 'nothing': it has bags, calibration"):
        tinygrad_nlp.nlp.nothing  # noqa: B018 (the lookup raises)


def test_no_public_name_hides_a_module() -> None:
    for info in pkgutil.walk_packages(tinygrad_nlp.__path__, "tinygrad_nlp."):
        if not info.name.endswith("__main__"):
            try:
                module = importlib.import_module(info.name)
            except ImportError as error:  # it stands beside a library that is not installed, and says which
                if "pip install" not in str(error):
                    raise
                continue
            parent, _, child = info.name.rpartition(".")
            assert getattr(importlib.import_module(parent), child) is module, f"{info.name} is hidden by something else"


def test_the_package_lists_its_rooms() -> None:
    rooms = [info.name for info in pkgutil.iter_modules(tinygrad_nlp.__path__) if not info.name.startswith("_")]
    for room in rooms:
        assert room in (tinygrad_nlp.__doc__ or ""), f"the package's docstring does not say what {room} is"
        assert importlib.import_module(f"tinygrad_nlp.{room}").__doc__, f"{room} has no sentence"


def test_messages_advise_installing_what_can_be_installed() -> None:
    """Packages that the extras name, not extras of a package that may be on no index."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = dict(config["options.extras_require"])
    needed = {
        name.lower() for need in extras.values() for name in re.findall(r"(?:^|[;\n])\s*([\w.-]+(?:\[\w+\])?)", need)
    }
    folders = ("tinygrad_nlp", "examples", "benchmarks", "docs")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.[pm][yd]")] + list(ROOT.glob("*.md"))
    advised = 0
    for path in sources:
        text = path.read_text(encoding="utf-8")
        for packages in re.findall(r"pip install ([\w.' \[\]-]+)", text):
            if packages.startswith("-"):  # what is there already: the clone, or wheels
                assert "-e" in packages.split() or "--no-index" in packages.split(), f"{path}: pip install {packages}"
                continue
            found = re.findall(r"\w[\w-]*(?:\[\w+\])?", packages.split(" or ")[0].split(", ")[0])
            advised += 1
            assert set(found) <= needed, (
                f"{path}: pip install {packages}: no extra of setup.cfg has {set(found) - needed}"
            )
        for extra in re.findall(r"the extra \[(\w+)\]", text):
            assert extra in extras, f"{path}: setup.cfg has no extra {extra}"
    assert advised >= 10


def clever(tree: ast.AST) -> list[str]:
    """What a reader stumbles over: conditional expressions in each other, truth multiplied, targets that write."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.IfExp) and any(isinstance(a, ast.IfExp) for a in (node.test, node.body, node.orelse)):
            found.append(f"line {node.lineno}: one conditional expression in another: {ast.unparse(node)}")
        if isinstance(node, (ast.For, ast.comprehension)) and any(
            isinstance(part, (ast.Attribute, ast.Subscript)) for part in ast.walk(node.target)
        ):
            found.append(f"a loop's target that writes somewhere: {ast.unparse(node.target)}")
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            text = any(isinstance(a, (ast.List, ast.JoinedStr)) or is_text(a) for a in (node.left, node.right))
            truth = any(isinstance(a, ast.Compare) or is_bool(a) for a in (node.left, node.right))
            if text and truth:
                found.append(f"line {node.lineno}: truth as a number: {ast.unparse(node)}")
    return found


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def is_bool(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "bool"


def test_code_is_clear_instead_of_clever() -> None:
    for folder in ("tinygrad_nlp", "examples", "benchmarks", "tests", ".ci"):
        for path in (ROOT / folder).rglob("*.py"):
            assert clever(ast.parse(path.read_text(encoding="utf-8"))) == [], path
    for line in ("1 if a else 2 if b else 3", "'s' * (n != 1)", "[x] * bool(y)", "[0 for a[i] in b]"):
        assert clever(ast.parse(line)), "the check sees nothing"


def private_names(tree: ast.AST) -> list[str]:
    """Names with one underscore that are taken from a library which is neither Python's own nor ours."""

    def library(module: str) -> bool:
        return module.partition(".")[0] not in {*sys.stdlib_module_names, "", "tinygrad_nlp", "tests", *OURS}

    def private(name: str) -> bool:
        return any(part.startswith("_") and not part.startswith("__") for part in name.split("."))

    found, libraries = [], set()
    for node in ast.walk(tree):
        names = node.names if isinstance(node, (ast.Import, ast.ImportFrom)) else []
        module = node.module or "" if isinstance(node, ast.ImportFrom) and not node.level else ""
        for alias in names:
            full = f"{module}.{alias.name}" if module else alias.name
            if library(full) and not (isinstance(node, ast.ImportFrom) and node.level):
                libraries.add(alias.asname or alias.name.partition(".")[0])
                found += [full] if private(full) else []
    for node in ast.walk(tree):
        root = node
        while isinstance(root, (ast.Attribute, ast.Call, ast.Subscript)):
            root = root.func if isinstance(root, ast.Call) else root.value
        if isinstance(node, ast.Attribute) and private(node.attr) and isinstance(root, ast.Name):
            found += [ast.unparse(node)] if root.id in libraries else []
    return found


SCRIPTS = ("examples", "benchmarks")
OURS = {path.stem for folder in SCRIPTS for path in (ROOT / folder).iterdir()}  # they import each other


def test_no_private_names_of_libraries() -> None:
    for folder in ("tinygrad_nlp", "examples", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            assert private_names(ast.parse(path.read_text(encoding="utf-8"))) == [], path
    for line in ("import joblib\njoblib.x._pool", "from pooch._hash import f", "import numpy as np\nnp.f()[0]._g"):
        assert private_names(ast.parse(line)), "the check sees nothing"
    assert private_names(ast.parse("import sys\nsys._getframe()\nself._x")) == []

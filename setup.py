"""The wheel carries the lessons and examples, and a README whose links lead somewhere from everywhere; the rest is in
setup.cfg."""

import configparser
import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithExamples(build_py):
    """What build_py does, and the folder of the examples beside it."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:  # there the folder of the clone is used
            target = Path(self.build_lib) / "tinygrad_nlp" / "examples"
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree("examples", target, ignore=shutil.ignore_patterns("__pycache__", "out", "*.npz"))


def readme() -> str:
    """README.md with absolute links: those in the repository are relative, which a package index could not follow."""
    config = configparser.ConfigParser()
    config.read("setup.cfg", encoding="utf-8")
    urls = dict(line.split(" = ") for line in config["metadata"]["project_urls"].strip().splitlines())

    def absolute(link: re.Match[str]) -> str:
        page = re.fullmatch(r"docs/(.*)\.md(#.*)?", link[1])
        there = f"{urls['Documentation']}/{page[1]}.html{page[2] or ''}" if page else f"{urls['Source']}/{link[1]}"
        return f"]({there})"

    return re.sub(r"\]\((?!\w+://|#)([^)\s]+)\)", absolute, Path("README.md").read_text(encoding="utf-8"))


setup(long_description=readme(), cmdclass={"build_py": BuildWithExamples})

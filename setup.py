"""The wheel carries the lessons and examples, which are copied into the package here; the rest is in setup.cfg."""

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


setup(cmdclass={"build_py": BuildWithExamples})

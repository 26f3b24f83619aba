"""Run the tests with the oldest versions that setup.cfg allows: python .ci/oldest.py [pytest arguments]."""

import configparser
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("data", "plot", "progress", "parallel", "cluster", "notebook", "test")


def oldest() -> list[str]:
    """Each requirement of the core and of what the tests use, pinned to the lowest version that setup.cfg allows."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = config["options.extras_require"]
    lines = [config["options"]["install_requires"], *(extras[name] for name in EXTRAS)]
    wanted = re.findall(r"^\s*([\w-]+(?:\[\w+\])?)\s*>=\s*([\d.]+)\s*$", re.sub(r";\s*", "\n", "\n".join(lines)), re.M)
    return sorted({f"{name}=={version}" for name, version in wanted})


def environment(folder: Path) -> Path:
    """The Python of a new environment in a folder."""
    venv.create(folder, with_pip=True)
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def main() -> int:
    pins = oldest()
    print("oldest:", *pins, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        python = environment(Path(folder))
        subprocess.run([python, "-m", "pip", "install", "-q", *pins, "-e", f"{ROOT}[test]"], check=True)
        return subprocess.run([python, "-m", "pytest", *sys.argv[1:]], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

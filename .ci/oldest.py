"""Run the tests with the oldest versions that setup.cfg allows: python .ci/oldest.py [pytest arguments]."""

import configparser
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("data", "plot", "progress", "parallel", "test")


def oldest(config: configparser.ConfigParser) -> list[str]:
    """Each requirement of the core and of the tests, pinned to the lowest version that it allows."""
    lines = [config["options"]["install_requires"], *(config["options.extras_require"].get(e, "") for e in EXTRAS)]
    wanted = re.findall(r"^\s*([\w-]+)\s*>=\s*([\d.]+)\s*$", re.sub(r";\s*", "\n", "\n".join(lines)), re.M)
    return sorted({f"{name}=={version}" for name, version in wanted})


def main() -> int:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    pins = oldest(config)
    print("oldest:", *pins, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", *pins, "-e", str(ROOT)], check=True)
        return subprocess.run([python, "-m", "pytest", *sys.argv[1:]], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

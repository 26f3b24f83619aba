"""Follow README.md line by line, as a reader in a clean clone would: python .ci/readme.py

Commands are its indented lines, and those in backticks that begin with `python` or `mpiexec`. They run one after the
other, each in the environment that the one before has left; what takes long gets the options of SHORTER. Python blocks
run in one session, and print what stands in the block behind them. Exit codes must be right, and figures that README
states are looked for where a short run can show them.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXPECTED = dict(re.findall(r"^\| `(.*?)` \| (.*) \|$", README, re.M))  # what the table of examples says of a command
ENGINE = "tests/test_rules.py tests/test_fused.py tests/test_recurrent.py tests/test_engine.py"
SHORTER = {  # what is in a command, and what is added to it
    r"--recipe (best|strong)": "--smoke --quiet --steps 2",  # they read all of the held-out text
    r"examples/\w+\.py": "--smoke --quiet",
    r"benchmarks/run\.py$": "chain --seconds 0.3",
    r"^python -m pytest$": "tests/test_readme.py",  # all of it ran as the second command of the page
    r"PROFILE=ci .*pytest$": f"-n auto {ENGINE}",
    r"PROFILE=explore .*pytest$": "tests/core/test_unbroadcast.py",
}
MINUTES = ("benchmarks/run.py ranks",)  # and nothing makes them shorter: not run here
EXIT = {"tinygrad_nlp.koans": 1}  # no exercise is solved yet
# What Open MPI asks of root, and on a machine with fewer cores than ranks; docs/howto/many_cores.md says so.
MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
MPI |= {"PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"}


def commands(readme: str) -> list[str]:
    """The commands of the page for bash, in their order, each once."""
    text = re.sub(r"^```.*?^```$", "", readme, flags=re.M | re.S)
    found = [(indented or inline) for indented, inline in re.findall(r"^    (\S.*)$|`([^`\n]+)`", text, re.M)]
    found = [re.sub(r"\s+# .*", "", command) for command in found if "Activate.ps1" not in command]  # PowerShell's
    begin = r"(\S+=\S+ )?(\S*/)?(python3?|mpiexec|pip|source) "
    return list(dict.fromkeys(command for command in found if re.match(begin, command)))


def blocks(readme: str) -> list[tuple[str, str | None]]:
    """Each Python block, with what it prints if a block without a language says so; not what quotes the table."""
    table = (ROOT / "tinygrad_nlp/rules.py").read_text("utf-8").splitlines()
    found = re.findall(r"^```(\w*)\n(.*?)^```$", readme, re.M | re.S)
    pairs = zip(found, [*found[1:], ("", "")], strict=True)
    return [
        (code, after if not language and after else None)
        for (kind, code), (language, after) in pairs
        if kind == "python" and not all(line in table for line in code.splitlines())
    ]


def shorter(command: str) -> str:
    """A command, with the options of a run of seconds if there are any."""
    return " ".join([command, *(options for what, options in SHORTER.items() if re.search(what, command))][:2])


def run(command: str, environment: dict[str, str]) -> tuple[str, dict[str, str]]:
    """What a command prints, and the environment that it leaves, as `activate` does; a wrong exit code ends it all."""
    with tempfile.TemporaryDirectory() as folder:
        left = Path(folder) / "environment"
        lines = f"{command}\ncode=$?\nenv -0 > {left}\nexit $code"
        shell = subprocess.Popen(
            ["bash", "-c", lines], cwd=ROOT, env=environment, stdout=subprocess.PIPE, encoding="utf-8"
        )
        printed = []
        for line in shell.stdout or ():
            print(line, end="", flush=True)
            printed.append(line)
        code, wanted = shell.wait(), next((code for what, code in EXIT.items() if what in command), 0)
        if code != wanted:
            sys.exit(f"README.md: exit code {code} instead of {wanted}: {command}")
        pairs = (pair.partition("=") for pair in left.read_text("utf-8").split("\0") if pair)
        return "".join(printed), {name: value for name, _, value in pairs}


def figures(command: str, printed: str) -> str:
    """Which figure of README a command does not show; "" if all is right, or only a long run could tell."""
    expected = EXPECTED.get(command, "")
    if bound := re.search(r"differences (below|around) (1e-\d+)", expected):
        most = float(bound[2]) * (1 if bound[1] == "below" else 50)
        found = [float(number) for number in re.findall(r"\d\.\de[-+]\d\d", printed)]
        if not found or max(found) > most:
            return f"{bound[0]}, and the largest of {len(found)} is {max(found, default=0):.1e}"
    if "one perplexity in five bases" in expected:
        found = re.findall(r"\d+\.\d{12}", printed)
        if (len(found), len({number[:-2] for number in found})) != (5, 1):
            return f"one perplexity in five bases, and there are {found}"
    if "fifteen" in expected and " of 15 solved" not in printed:
        return "fifteen exercises"
    if "examples/reproduce.py" in command and not (ROOT / "out/report.html").exists():
        return "out/report.html"
    return ""


def session(environment: dict[str, str]) -> None:
    """Run the Python blocks, and compare what they print."""
    mark = "\x01"
    pieces = blocks(README)
    code = "".join(f"{code}\nprint({mark!r}, end='')\n" for code, _ in pieces)
    python = ["python", "-X", "utf8", "-c", code]
    printed = subprocess.run(python, cwd=ROOT, env=environment, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    for (code, expected), found in zip(pieces, printed.stdout.split(mark), strict=False):
        print(f"\n{code}\n{found}")
        if expected is not None and found != expected:
            sys.exit(f"README.md: this should print\n{expected}")


def main() -> None:
    environment, koans = {**MPI, **os.environ}, ROOT / "koans.py"
    if koans.exists() or (ROOT / ".venv").exists():
        sys.exit("readme.py: there is a .venv or a koans.py: use a clean clone")
    for command in commands(README):
        if command.endswith(MINUTES):
            print(f"\n== not run, it takes minutes: {command}")
            continue
        began = time.monotonic()
        print(f"\n== {shorter(command)}", flush=True)
        printed, environment = run(shorter(command), environment)
        if wrong := figures(command, printed):
            sys.exit(f"README.md: {command} should show {wrong}")
        print(f"   {time.monotonic() - began:.0f} s", flush=True)
    koans.unlink()
    session(environment)


if __name__ == "__main__":
    main()

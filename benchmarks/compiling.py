"""A copy of the sources with modules compiled by mypyc, to be measured in turn with them.

    python -m benchmarks.compiling DIRECTORY [MODULE ...]
    python -m benchmarks --against DIRECTORY registration vmotion line

DIRECTORY must not exist yet; a MODULE is a path such as vspc/wire/qmethod.py. They become one
group, so that calls between them are calls in C. It takes about two minutes, a C compiler and
Python's headers. What mypyc does not take, and what came of it, is in docs/decisions/compiling.md.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import TOP

MODULES = {
    "common": "addresses clock measures recent text",
    "wire": "opening qmethod starttls uri",
    "net": "keepalive telnet_transport turn_loop turn_reader turns",
    "vm": "assignment contenders early_output ports registration reports roles session vmotion",
    "console": "attachments away changes console counts identity input_flow input_queue link "
    "link_notices migration port_state quarantine roster",
}
"""What a registration, a vMotion or a line of output goes through and mypyc takes as it stands."""

IGNORED = shutil.ignore_patterns("__pycache__", "*.so")


def paths() -> list[str]:
    """Those of `MODULES`."""
    return [f"vspc/{room}/{name}.py" for room, names in MODULES.items() for name in names.split()]


def compiled(directory: Path, modules: Sequence[str]) -> None:
    """Make `directory`. Raises CalledProcessError; mypyc has said why."""
    directory.mkdir()
    shutil.copy(TOP / "setup.cfg", directory)
    for package in ("vspc", "twisted"):
        shutil.copytree(TOP / package, directory / package, ignore=IGNORED)
    subprocess.run([sys.executable, "-m", "mypyc", *modules], check=True, cwd=directory)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compiling", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("modules", nargs="*", default=paths(), metavar="MODULE")
    options = parser.parse_args()
    compiled(options.directory, options.modules)
    return 0


if __name__ == "__main__":
    sys.exit(main())

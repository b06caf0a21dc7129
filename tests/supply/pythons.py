"""The unit tests with each Python that is here: `python -m tests.supply.pythons UV [VERSION...]`.

An environment of each is in .venv; uv fills it with the newest versions. Exit status 0: one was
found and the tests passed with all that were.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.run import TREE

VERSIONS = ("3.11", "3.12", "3.13")
"""Those that are supported."""

PATIENCE = 30.0
"""Seconds for an interpreter to say what it is."""

_SAYS = "import sys; print('%d.%d' % sys.version_info[:2])"


def candidates(version: str) -> Iterator[Path]:
    """Where such an interpreter may be: on the path, or one of pyenv's."""
    name = f"python{version}"
    for directory in os.get_exec_path():
        yield Path(directory) / name
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    if versions.is_dir():
        for found in sorted(versions.glob(f"{version}.*"), reverse=True):
            yield found / "bin" / name


def is_version(python: Path, version: str) -> bool:
    """Whether it runs and is of that version; pyenv's stand-ins on the path may not be."""
    if not os.access(python, os.X_OK):
        return False
    try:
        done = subprocess.run(
            [str(python), "-c", _SAYS],
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() == version


def find(version: str) -> Path | None:
    """The first interpreter of that version."""
    return next((each for each in candidates(version) if is_version(each, version)), None)


def commands(uv: Path, python: Path, version: str) -> Iterator[Sequence[str]]:
    """What makes the environment, and runs the tests in it."""
    place = TREE / ".venv" / f"python{version}"
    inner = str(place / "bin" / "python")
    install = [str(uv), "pip", "install", "--quiet", "--python", inner, "--upgrade"]
    yield [str(uv), "venv", "--quiet", "--clear", "--python", str(python), str(place)]
    yield [*install, "setuptools>=77"]
    editable = ("--no-build-isolation", "--config-settings", "editable_mode=compat", "--editable")
    yield [*install, *editable, ".[test]"]
    yield [inner, "-B", "-m", "tests.run", "--unit"]


def run(uv: Path, versions: Sequence[str]) -> int:
    """Run the tests with each of `versions`; the exit status."""
    told = dict[str, str]()
    for version in versions:
        python = find(version)
        if python is None:
            told[version] = "no such interpreter here"
            continue
        print(f"== Python {version}: {python}", flush=True)
        steps = commands(uv, python, version)
        good = all(subprocess.run(step, check=False, cwd=TREE).returncode == 0 for step in steps)
        told[version] = "passed" if good else "FAILED"
    for version, what in told.items():
        print(f"Python {version}: {what}")
    return 0 if "passed" in told.values() and "FAILED" not in told.values() else 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.supply.pythons", description=__doc__)
    parser.add_argument("uv", type=Path)
    parser.add_argument("versions", nargs="*", default=VERSIONS)
    options = parser.parse_args()
    return run(options.uv.absolute(), options.versions)


if __name__ == "__main__":
    sys.exit(main())

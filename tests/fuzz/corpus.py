"""Inputs that are kept: files in a directory for each target, named by their digest.

Those of the repository are few; `make fuzz` keeps the ones that it meets in .venv/fuzz, out of
which `python -m tests.fuzz --keep` chooses (tests/fuzz/keeping.py).
"""

from hashlib import sha256
from pathlib import Path

from tests.fuzz.target import Target

KEPT = Path(__file__).parent / "corpus"
"""The corpus of the repository."""

WORK = Path(__file__).resolve().parents[2] / ".venv" / "fuzz"
"""What is kept between runs, beside the repository."""

MOST_BYTES = 300 * 1024
"""Bytes of all files of the repository's corpus; a test holds them against it."""


def kept(target: str) -> tuple[bytes, ...]:
    """The inputs of the repository for `target`, in a fixed order."""
    return read(KEPT / target)


def read(directory: Path) -> tuple[bytes, ...]:
    """The inputs in `directory`, in order of their names; none if there is no such directory."""
    if not directory.is_dir():
        return ()
    return tuple(path.read_bytes() for path in sorted(directory.iterdir()) if path.is_file())


def write(directory: Path, data: bytes) -> Path:
    """Put `data` into `directory`; its file."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / sha256(data).hexdigest()[:16]
    path.write_bytes(data)
    return path


def directories(target: Target) -> list[Path]:
    """Where the inputs of `target` are: first the one that is written to, with its seeds."""
    for data in target.seeds():
        write(WORK / target.name, data)
    found = [WORK / target.name, KEPT / target.name]
    return [each for each in found if each.is_dir()]

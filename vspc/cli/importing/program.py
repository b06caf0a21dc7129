"""`vspc import`: the configuration of conserver or conman as TOML, and what could not be taken.

Exit status 0: all of the file was taken, or needs no counterpart; 1: some of it was not taken (the
TOML is written all the same), or nothing could be written.
"""

import re
import sys
from pathlib import Path

from vspc.cli.importing.conman import LIMIT, read_conman
from vspc.cli.importing.conserver import read_conserver
from vspc.cli.importing.outcome import ImportFailed, Outcome
from vspc.common.textfile import read
from vspc.common.values import InvalidValue

READERS = {"conserver": read_conserver, "conman": read_conman}

_CONMAN = re.compile(rb"^[ \t]*(?:server|global|console)[ \t]+\w+[ \t]*=", re.IGNORECASE | re.M)


def run(path: Path, kind: str | None, output: Path | None) -> int:
    """Print or write the TOML, and remarks on standard error; the exit status."""
    try:
        outcome = READERS[kind or kind_of(path)](path)
    except ImportFailed as failed:
        print(f"vspc import: {failed}", file=sys.stderr)
        return 1
    try:
        _write(outcome, output)
    except OSError as error:
        print(f"vspc import: {output}: {error.strerror}", file=sys.stderr)
        return 1
    for remark in outcome.sorted_remarks():
        print(remark, file=sys.stderr)
    print(outcome.summary(), file=sys.stderr)
    return 0 if outcome.is_whole else 1


def _write(outcome: Outcome, output: Path | None) -> None:
    """A file that is there is never replaced."""
    if output is None:
        print(outcome.toml(), end="")
        return
    with output.open("x", encoding="utf-8") as file:
        file.write(outcome.toml())


def kind_of(path: Path) -> str:
    """Whose configuration the file is, by what is in it."""
    try:
        data = read(path, LIMIT).data
    except InvalidValue:
        data = b""  # the reader reports it
    return "conman" if _CONMAN.search(data) else "conserver"

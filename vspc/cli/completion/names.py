"""`vspc completion names [BEGINNING] [--config FILE]`: what completion files offer where a console
is to be named. It is theirs, and not among the commands.
"""

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from vspc.cli.local import ask
from vspc.config import ConfigError, state_dir
from vspc.config.file import chosen

PATIENCE = 2.0
"""Seconds that the server may take: somebody has pressed TAB."""

_PLAIN = re.compile(r"[A-Za-z0-9._/:-]+")


def run(words: Sequence[str]) -> int:
    """Print them, a line for each; status 0."""
    parser = argparse.ArgumentParser(prog="vspc completion names")
    parser.add_argument("beginning", nargs="?", default="")
    parser.add_argument("--config")
    arguments = parser.parse_args(words)
    for name in names(chosen(arguments.config), arguments.beginning):
        print(name)
    return 0


def names(config: Path, beginning: str) -> Iterator[str]:
    """What to type for each console whose handle begins with `beginning`. No server, one that does
    not answer within `PATIENCE` or a configuration with mistakes: none.
    """
    words = ["list", "--json"]
    if _PLAIN.fullmatch(beginning) and not beginning.startswith("-"):
        words.append(f"{beginning}*")  # fewer to read; what else is typed may be a pattern
    try:
        status, output = ask(state_dir(config), words, PATIENCE, PATIENCE)
        found = json.loads(output) if status == 0 else []
    except (OSError, ConfigError, ValueError):
        return
    for each in found:
        if each["handle"].startswith(beginning):
            yield each["handle"]

"""`vspc completion names`: what completion files offer where a console is to be named."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from vspc.cli.local import ask
from vspc.config import ConfigError, state_dir

PATIENCE = 2.0
"""Seconds that the server may take: somebody has pressed TAB."""

_PLAIN = re.compile(r"[A-Za-z0-9._/:-]+")


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

"""`vspc man`: a manual page on standard output, for `man -l -` or a file in a directory of man."""

import os
import time
from collections.abc import Callable, Mapping

from vspc import __version__
from vspc.cli.manual import command, configuration, roff
from vspc.cli.synopsis import ProgramShape

EPOCH = "SOURCE_DATE_EPOCH"
"""The variable of reproducible builds with the date of the page, in seconds since 1970."""


def run(section: str, program: Callable[[], ProgramShape]) -> int:
    """Print it; status 0."""
    date = page_date(os.environ, time.time())
    if section == "1":
        lines = command.page(program(), date, __version__)
    else:
        lines = configuration.page(date, __version__)
    for line in roff.page(lines):
        print(line)
    return 0


def page_date(environment: Mapping[str, str], now: float) -> str:
    """The date of the page, in UTC."""
    said = environment.get(EPOCH, "")
    at = int(said) if said.isascii() and said.isdigit() and len(said) < 12 else now
    return time.strftime("%Y-%m-%d", time.gmtime(at))

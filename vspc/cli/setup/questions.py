"""The questions of `vspc init` on a terminal: on standard error, asked again after a mistake."""

import sys
from collections.abc import Callable
from typing import TypeVar

from vspc.common.values import InvalidValue

TRIES = 5
"""FirstConfig to one question; then nothing is written."""

NETWORKS = "Management networks of the ESXi hosts (such as 10.0.0.0/24): "
KEY = "Public key of the first operator (the line, or a file such as ~/.ssh/id_ed25519.pub): "

_T = TypeVar("_T")


class Unanswered(Exception):
    """The terminal was closed, or no answer was right."""


def ask(question: str, read: Callable[[str], _T]) -> _T:
    """What `read` makes of an answer. Raises `Unanswered`."""
    for _ in range(TRIES):
        print(question, end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            break
        try:
            return read(line.strip())
        except InvalidValue as wrong:
            print(f"{wrong.problem}; {wrong.allowed}", file=sys.stderr)
    raise Unanswered

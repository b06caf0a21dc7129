"""`vspc` whose memory runs out at one place: `python -m tests.end_to_end.no_memory FILE ARG...`.

FILE names the place. What is next called there finds that the system gives no byte more, and needs
one; then FILE is gone, and so is the limit.
"""

import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vspc.apps.following import Following
from vspc.log.journal import Journal
from vspc.server.logins import LoginService
from vspc.vm.session import LineSession

_file = Path(sys.argv[1])

PLACES: dict[str, tuple[type, str]] = {
    "line": (LineSession, "handle"),
    "attachment": (Following, "go_on"),
    "login": (LoginService, "came"),
    "log": (Journal, "append"),
}

SIZE = 1 << 26
"""Bytes that are needed, more than any heap has left."""


def _run_out() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1, before[1]))
    try:
        bytearray(SIZE)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        _file.unlink()


def _failing(call: Callable[..., Any], place: str) -> Callable[..., Any]:
    def run(*arguments: Any, **named: Any) -> Any:
        if os.access(_file, os.F_OK) and _file.read_text() == place:
            _run_out()
        return call(*arguments, **named)

    return run


for _place, (_owner, _name) in PLACES.items():
    setattr(_owner, _name, _failing(getattr(_owner, _name), _place))

if __name__ == "__main__":
    from vspc.cli.main import main

    sys.argv[0:2] = ["vspc"]
    sys.exit(main())

"""A telnet option with a body, as an example: NAWS (RFC 1073), which no VM needs.

One file: what the option does, and `WINDOW_SIZE`, which a layer adds to its `OPTIONS`.
"""

from typing import Any

from vspc.vm.lines.binary import LineOption

NAWS = 31


def _accept(line: Any) -> bool:
    line.window = None
    return True


def _ended(line: Any) -> None:
    line.window = None


def _received(line: Any, body: bytes) -> None:
    if len(body) != 4:
        line.observer.dropped(f"a window size of {len(body)} bytes")
    else:
        line.window = int.from_bytes(body[:2]), int.from_bytes(body[2:])


WINDOW_SIZE = LineOption(NAWS, accept=_accept, ended=_ended, received=_received)

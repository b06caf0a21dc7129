"""Consoles whose VMs say nothing: what their histories keep is in their logs, too.

Most VMs of most hosts say nothing for days, at the prompt of a login. 64 KiB of history for each of
them would be most of the memory of a server.
"""

from collections.abc import Iterable

from vspc.console.console import Console

QUIET = 20.0
"""Seconds without output after which a console is quiet."""

INTERVAL = 10.0
"""Seconds from the beginning of one round over all consoles to that of the next."""

LOOKS = 250
"""Consoles that are looked at in one go: their histories shrink in about 1 ms."""


class QuietConsoles:
    """Shrinks the histories of consoles with a line that are quiet, some at a time."""

    def __init__(self) -> None:
        self._round: list[Console] = []
        self._begins = 0.0

    def look(self, consoles: Iterable[Console], now: float, wall: float) -> None:
        """Look at the next of `consoles`. Call it every second; `now` is in seconds of a clock that
        is never set back, `wall` in those since 1970.
        """
        if not self._round:
            if now < self._begins:
                return
            self._begins = now + INTERVAL
            self._round = list(consoles)
        for console in self._round[-LOOKS:]:
            console.shrink_history(wall - QUIET)
        del self._round[-LOOKS:]

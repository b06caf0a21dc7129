"""What one line does, in the server's log: as much as helps, never as much as its peer likes."""

from typing import TYPE_CHECKING

from vspc.common.text import safe
from vspc.net.limits import TokenBucket
from vspc.vm.line_observer import VmLine

if TYPE_CHECKING:
    from vspc.vm.server import LineServer

EVENTS = 50
"""Log lines that what one line does may cost at once."""

EVENT_RATE = 0.5
"""Log lines a second that it may cost for ever."""

DROPPED = 5
"""Things without sense from one line that are logged each; then the 8th, 16th, 32nd ..."""

BREAKS = 20
"""BREAKs from one line that count at once; each is told to all on its console, and recorded."""

BREAK_RATE = 2.0
"""BREAKs a second that count for ever: hosts send one in two ways (`BREAK_PAIR`)."""

REASON = 600
"""Characters of a reason: some tell the administrator what to type where."""


def too_late(line: VmLine, limit: float) -> str:
    """Why `line` is refused, which did not say who it is within `limit` seconds."""
    missing = getattr(line, "missing", "anything")
    silent = not getattr(line, "agreed", True)
    hint = "; a QEMU or a device server needs a [[vm.plain]] listener" if silent else ""
    return f"it did not say {missing} within {limit:g} s{hint}"


class Reports:
    """The log lines about one line."""

    __slots__ = ("_address", "_breaks", "_dropped", "_events", "_server")

    def __init__(self, server: "LineServer", address: str) -> None:
        self._server = server
        self._address = address
        self._dropped = 0
        self._events = TokenBucket(EVENT_RATE, EVENTS)
        self._breaks: TokenBucket | None = None  # few lines ever send one

    def erred(self, event: str, reason: str, **facts: object) -> None:
        """The peer errs: a few lines a minute for each host, then a count."""
        if self._server.refusals.worth_a_line(self._address, self._server.clock.seconds()):
            shown = safe(reason, REASON)
            self._server.log.warn(event, address=self._address, reason=shown, **facts)

    def dropped(self, what: str) -> None:
        """Something made no sense: counted always, logged while it is new."""
        self._dropped += 1
        if self._dropped <= DROPPED or self._dropped & (self._dropped - 1) == 0:
            self.erred("vm-dropped", f"{what} (number {self._dropped} on this line)")

    def counts_break(self) -> bool:
        """The VM sent a BREAK: whether it is not one of too many."""
        if self._breaks is None:
            self._breaks = TokenBucket(BREAK_RATE, BREAKS)
        return self._breaks.take(self._server.clock.seconds())

    def note(self, event: str, **facts: object) -> None:
        """The peer does what it may, as long as it does not do it all the time."""
        if self._events.take(self._server.clock.seconds()):
            self._server.log.info(event, address=self._address, **facts)

"""What lines do wrong and right, in the server's log: bounded, whatever a peer sends."""

from collections import OrderedDict
from collections.abc import Callable

from twisted.logger import Logger

from vspc.common.text import safe
from vspc.net.limits import Refusals, TokenBucket

EVENTS = 50
"""Log lines that the events of one line may cost at once."""

EVENT_RATE = 0.5
"""Log lines a second that they may cost for ever."""

DROPPED = 5
"""Dropped messages of one line that are logged each; then the 8th, 16th, 32nd ..."""

BREAKS = 20
"""BREAKs from one line that count at once; each is a notice on its console, and an audit event."""

BREAK_RATE = 2.0
"""BREAKs a second that count for ever: hosts send one in two ways (`BREAK_PAIR`)."""

REASON = 600
"""Characters of a reason; some have what to set in vSphere."""

GUESSES = 20
"""Unknown credentials of one host in a minute that are a security event."""

MINUTE = 60.0

HOSTS = 4096
"""Hosts whose guesses are counted; the longest silent is forgotten first."""


class Reports:
    """The log lines about one line."""

    __slots__ = ("_address", "_breaks", "_dropped", "_events", "_log", "_now", "_refusals")

    def __init__(
        self, log: Logger, refusals: Refusals, now: Callable[[], float], address: str
    ) -> None:
        self._log = log
        self._refusals = refusals
        self._now = now
        self._address = address
        self._dropped = 0
        self._events = TokenBucket(EVENT_RATE, EVENTS)
        self._breaks: TokenBucket | None = None  # few lines ever send one

    def warn(self, event: str, reason: str, **facts: object) -> None:
        """Something went wrong: a few lines a minute for each host, then a count."""
        if self._refusals.worth_a_line(self._address, self._now()):
            self._log.warn(event, address=self._address, reason=safe(reason, REASON), **facts)

    def dropped(self, what: str) -> None:
        """Something was dropped: counted always, logged while there are few."""
        self._dropped += 1
        if self._dropped <= DROPPED or self._dropped & (self._dropped - 1) == 0:
            self.warn("vm-dropped", f"{what} (number {self._dropped} on this line)")

    def counts_break(self) -> bool:
        """The VM sent a BREAK; False if it is over the limit."""
        if self._breaks is None:
            self._breaks = TokenBucket(BREAK_RATE, BREAKS)
        return self._breaks.take(self._now())

    def note(self, event: str, **facts: object) -> None:
        """Something that is allowed, unless it happens all the time."""
        if self._events.take(self._now()):
            self._log.info(event, address=self._address, **facts)


class CredentialGuesses:
    """Counts unknown vMotion credentials by host; time is seconds."""

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def one_more(self, host: str, now: float) -> bool:
        """Whether this one makes it a security event: once a minute at most."""
        since, number = self._hosts.pop(host, (now, 0))
        if now - since >= MINUTE:
            since, number = now, 0
        self._hosts[host] = (since, number + 1)
        if len(self._hosts) > HOSTS:
            self._hosts.popitem(last=False)
        return number + 1 == GUESSES

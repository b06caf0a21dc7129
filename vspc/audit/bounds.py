"""How many lines of one kind an address gets a minute; what is over is counted."""

from collections import Counter, OrderedDict
from collections.abc import Mapping
from threading import Lock

from attrs import define, field, frozen

from vspc.common.addresses import rate_key
from vspc.console.audit import Audit
from vspc.console.events import ConsoleRef
from vspc.console.session import Fact, Session

EACH = 30
"""Lines of one address in a minute."""

IN_ALL = 600
"""The same of all addresses together."""

TABLE = 4096
"""Addresses that are counted each; of more, the first are counted together."""

SUMMARIES = 100
"""Addresses that get a count each at a time; others are counted together."""

MINUTE = 60.0


@frozen
class SuppressedEvents:
    """Events without a line of their own; `address`, of IPv6 a network, is empty for many."""

    address: str
    count: int


@define
class _Minute:
    since: float
    told: int = 0
    untold: int = 0


class EventRateLimit:
    """Times are the caller's, in seconds."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, _Minute] = OrderedDict()  # the oldest minute first
        self._rest = 0
        self._rest_since = 0.0
        self._all = _Minute(0.0)

    def take(self, address: str, now: float) -> bool:
        """Whether one more of `address` gets a line; otherwise it is counted. An IPv6 address
        counts with its network: a host there has as many as it likes.
        """
        address = rate_key(address)
        minute = self._of.get(address)
        if minute is None:
            if len(self._of) >= TABLE:
                _, first = self._of.popitem(last=False)
                self._add(first.untold, now)
            minute = self._of[address] = _Minute(now)
        if now - self._all.since >= MINUTE:
            self._all = _Minute(now)
        if minute.told < EACH and self._all.told < IN_ALL:
            minute.told += 1
            self._all.told += 1
            return True
        minute.untold += 1
        return False

    def _add(self, count: int, now: float) -> None:
        if count and not self._rest:
            self._rest_since = now
        self._rest += count

    def suppressed(self, now: float) -> list[SuppressedEvents]:
        """Events without a line, of minutes that have passed; call it at last with infinity."""
        found = list[SuppressedEvents]()
        while self._of and now - next(iter(self._of.values())).since >= MINUTE:
            address, minute = self._of.popitem(last=False)
            if minute.untold and len(found) < SUMMARIES:
                found.append(SuppressedEvents(address, minute.untold))
            else:
                self._add(minute.untold, now)
        if self._rest and (now - self._rest_since >= MINUTE or now == float("inf")):
            found.append(SuppressedEvents("", self._rest))
            self._rest = 0
        return found


EVENT = "limit"

NAMES = 64
"""Limits that are counted apart: there are fewer."""


@define(eq=False)
class LimitCounters:
    """`vspc.console.audit.Audit` that counts on the way to `audit`. From any thread."""

    audit: Audit
    _counts: Counter[str] = field(factory=Counter, init=False)
    _lock: Lock = field(factory=Lock, init=False)

    def record(
        self,
        event: str,
        session: Session | None = None,
        console: ConsoleRef | None = None,
        **facts: Fact,
    ) -> None:
        """Pass it on."""
        if event == EVENT:
            self._count(str(facts.get("limit", "")))
        self.audit.record(event, session, console, **facts)

    def _count(self, limit: str) -> None:
        with self._lock:
            if limit in self._counts or len(self._counts) < NAMES:
                self._counts[limit] += 1

    @property
    def refuses(self) -> bool:
        """What `audit` says."""
        return self.audit.refuses

    def counted(self) -> Mapping[str, int]:
        """How often each was hit, by name."""
        with self._lock:
            return dict(sorted(self._counts.items()))

"""How many lines of one kind an address gets a minute; what is over is counted."""

from collections import OrderedDict

from attrs import define, frozen

from vspc.common.addresses import rate_key

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

"""Which hosts may connect, how many connections, how often that is logged, whose turn it is.

Time is an argument.
"""

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeVar

from attrs import define, field

from vspc.common.addresses import LOOPBACK, Network, parse_address

REFUSALS_PER_MINUTE = 10
"""Log lines about one host in a minute; those beyond are counted."""

HOSTS = 4096
"""Hosts that are remembered for that, the least recent is forgotten first; and whether they may
connect."""

MINUTE = 60.0
"""Seconds in which they are counted."""

T = TypeVar("T")


class Allow:
    """The networks that may connect, and peers without an IP address (Unix sockets)."""

    def __init__(self, networks: Iterable[Network] = LOOPBACK) -> None:
        self._networks = tuple(networks)
        self._known: dict[str, bool] = {}  # hosts that were asked about

    def __bool__(self) -> bool:
        """Whether there are such networks."""
        return bool(self._networks)

    def permits(self, host: str) -> bool:
        """Whether `host`, an address as Twisted gives it, may connect."""
        known = self._known.get(host)
        if known is None:
            address = parse_address(host)
            known = address is None or any(address in network for network in self._networks)
            if len(self._known) >= HOSTS:
                self._known.clear()
            self._known[host] = known
        return known


@define
class TokenBucket:
    """At most `burst` at once and `rate` a second in the long run. `now` is seconds."""

    rate: float
    burst: float
    _tokens: float = field(init=False, default=-1.0)
    _at: float = field(init=False, default=0.0)

    def take(self, now: float) -> bool:
        """One more; False if it is too many."""
        if self._tokens < 0:
            self._tokens, self._at = self.burst, now
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@define
class _Minute:
    since: float
    count: int = 0


class Refusals:
    """Which refusals of a host are logged, and how many were not."""

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, _Minute] = OrderedDict()

    def worth_a_line(self, host: str, now: float) -> bool:
        """Whether to log this one; at most `REFUSALS_PER_MINUTE` times a minute for one host."""
        minute = self._hosts.get(host)
        if minute is None:
            minute = self._hosts[host] = _Minute(now)
            if len(self._hosts) > HOSTS:
                self._hosts.popitem(last=False)
        self._hosts.move_to_end(host)
        minute.count += 1
        return minute.count <= REFUSALS_PER_MINUTE

    def over(self, now: float) -> list[tuple[str, int]]:
        """Hosts whose minute is over, with refusals that were not logged; call it periodically."""
        due = [h for h, minute in self._hosts.items() if now - minute.since >= MINUTE]
        unlogged = [(h, self._hosts.pop(h).count - REFUSALS_PER_MINUTE) for h in due]
        return [(host, count) for host, count in unlogged if count > 0]


Connection = TypeVar("Connection", bound=Hashable)


@define(eq=False)
class _Entry:
    address: str
    heard: float
    failed: bool = False


class Admissions(Generic[Connection]):
    """Unauthenticated connections: at most `per_address` of one address and `in_all` together.

    A new connection is never refused: over a limit it displaces another, of its own address first,
    and one that has failed before the one that has been silent longest. Nothing is scanned.
    """

    def __init__(self, per_address: int, in_all: int) -> None:
        self._per_address = per_address
        self._in_all = in_all
        self._entries: dict[Connection, _Entry] = {}
        # Oldest first; touching moves to the end.
        self._silent: OrderedDict[Connection, None] = OrderedDict()
        self._failed: OrderedDict[Connection, None] = OrderedDict()
        self._silent_of: dict[str, OrderedDict[Connection, None]] = {}
        self._failed_of: dict[str, OrderedDict[Connection, None]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def admit(
        self, connection: Connection, address: str, now: float, silence: float = 0.0
    ) -> Connection | None:
        """Add `connection`; the one that it displaces, which has been removed.

        One that has been silent for `silence` seconds is displaced before others.
        """
        candidates = self._in_turn(address)
        displaced = next((each for each in candidates if self._quiet(each, now, silence)), None)
        if displaced is None and candidates:
            displaced = candidates[0]
        if displaced is not None:
            self.leave(displaced)
        self._entries[connection] = _Entry(address, now)
        self._silent[connection] = None
        self._silent_of.setdefault(address, OrderedDict())[connection] = None
        return displaced

    def has_room(self, address: str, now: float, silence: float) -> bool:
        """Whether one more of `address` displaces none, or one that has been silent for `silence`
        seconds, which `admit` with the same `silence` then picks.
        """
        candidates = self._in_turn(address)
        return not candidates or any(self._quiet(each, now, silence) for each in candidates)

    def _quiet(self, connection: Connection, now: float, silence: float) -> bool:
        return now - self._entries[connection].heard >= silence

    def _in_turn(self, address: str) -> list[Connection]:
        """What one more of `address` may displace, in this order; empty: nothing."""
        failed, silent = self._failed_of.get(address), self._silent_of.get(address)
        queues: tuple[OrderedDict[Connection, None] | None, ...] = ()
        if self._count(address) >= self._per_address:
            queues = failed, silent
        elif len(self._entries) >= self._in_all:
            queues = failed, self._failed, silent, self._silent
        # The head of a queue has been silent longest.
        return [next(iter(queue)) for queue in queues if queue]

    def _count(self, address: str) -> int:
        return len(self._silent_of.get(address, ())) + len(self._failed_of.get(address, ()))

    def touched(self, connection: Connection, now: float) -> None:
        """Something came from `connection`."""
        entry = self._entries.get(connection)
        if entry is None:
            return
        entry.heard = now
        total = self._failed if entry.failed else self._silent
        mine = (self._failed_of if entry.failed else self._silent_of)[entry.address]
        total.move_to_end(connection)
        mine.move_to_end(connection)

    def failed(self, connection: Connection) -> None:
        """`connection` has failed to log in: it is displaced first from now on."""
        entry = self._entries.get(connection)
        if entry is None or entry.failed:
            return
        self._drop(connection, entry)
        entry.failed = True
        self._failed[connection] = None
        self._failed_of.setdefault(entry.address, OrderedDict())[connection] = None

    def leave(self, connection: Connection) -> None:
        """`connection` is authenticated, or closed; unknown ones are ignored."""
        entry = self._entries.pop(connection, None)
        if entry is not None:
            self._drop(connection, entry)

    def _drop(self, connection: Connection, entry: _Entry) -> None:
        total = self._failed if entry.failed else self._silent
        table = self._failed_of if entry.failed else self._silent_of
        del total[connection]
        mine = table[entry.address]
        del mine[connection]
        if not mine:
            del table[entry.address]


class FairQueue(Generic[T]):
    """At most `limit` items, each of a client (an address or a network), served round-robin: one
    that fills it does not lock out others.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rows: OrderedDict[str, deque[T]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        """All items, by client."""
        return (item for row in self._rows.values() for item in row)

    def add(self, client: str, item: T) -> T | None:
        """Append `item` to the row of `client`; returns the item that is dropped for it, or None.

        A full queue drops the newest item of the client that has most: `item` itself, unless
        another client has more.
        """
        row = self._rows.setdefault(client, deque())
        row.append(item)
        self._count += 1
        if self._count <= self._limit:
            return None
        longest = max(self._rows, key=lambda each: len(self._rows[each]))
        if len(self._rows[longest]) == len(row):
            longest = client
        return self._take(longest, last=True)

    def next(self) -> T | None:
        """Take the first item of the client whose turn it is; None if the queue is empty."""
        for client in self._rows:
            return self._take(client)
        return None

    def remove(self, client: str, item: T) -> None:
        """Remove `item`, if it is in the queue."""
        row = self._rows.get(client, deque())
        if item in row:
            row.remove(item)
            self._count -= 1
            if not row:
                del self._rows[client]

    def _take(self, client: str, last: bool = False) -> T:
        row = self._rows[client]
        item = row.pop() if last else row.popleft()
        self._count -= 1
        if not row:
            del self._rows[client]
        elif not last:
            self._rows.move_to_end(client)
        return item

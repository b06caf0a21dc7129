"""Who may connect, how many, how often it is worth a log line. Time is an argument throughout."""

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from attrs import define, field

from vspc.common.addresses import LOOPBACK, Network, parse_address

REFUSALS_PER_MINUTE = 10
"""Log lines about one host in a minute; what is over is counted."""

HOSTS = 4096
"""Hosts that are remembered for that; the longest silent is forgotten first."""

MINUTE = 60.0


class Allow:
    """The networks that may connect. What has no IP address (a Unix socket) is local and may."""

    def __init__(self, networks: Iterable[Network] = LOOPBACK) -> None:
        self._networks = tuple(networks)

    def permits(self, host: str) -> bool:
        """Whether `host`, an address as Twisted gives it, may connect."""
        address = parse_address(host)
        return address is None or any(address in network for network in self._networks)


@define
class TokenBucket:
    """At most `burst` at once and `rate` a second for ever. `now` is seconds."""

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
class _Told:
    since: float
    count: int = 0


class Refusals:
    """Says whether one more refusal of a host is worth a line, and how many were not."""

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, _Told] = OrderedDict()

    def worth_a_line(self, host: str, now: float) -> bool:
        """Whether to log; at most `REFUSALS_PER_MINUTE` times a minute for one host."""
        told = self._hosts.get(host)
        if told is None:
            told = self._hosts[host] = _Told(now)
            if len(self._hosts) > HOSTS:
                self._hosts.popitem(last=False)
        self._hosts.move_to_end(host)
        told.count += 1
        return told.count <= REFUSALS_PER_MINUTE

    def over(self, now: float) -> list[tuple[str, int]]:
        """Hosts whose minute is over with refusals untold, and how many; call it now and then."""
        due = [h for h, told in self._hosts.items() if now - told.since >= MINUTE]
        untold = [(h, self._hosts.pop(h).count - REFUSALS_PER_MINUTE) for h in due]
        return [(host, count) for host, count in untold if count > 0]


Connection = TypeVar("Connection", bound=Hashable)


@define(eq=False)
class _Guest:
    address: str
    heard: float
    failed: bool = False


class Admissions(Generic[Connection]):
    """Connections that have not shown who they are: at most so many of one address and in all.

    A newcomer is never refused: over a limit somebody else goes, of his address first, one that
    has failed before one that has only been silent longest. Nothing is scanned.
    """

    def __init__(self, per_address: int, in_all: int) -> None:
        self._per_address = per_address
        self._in_all = in_all
        self._guests: dict[Connection, _Guest] = {}
        # Oldest first; touching moves to the end.
        self._silent: OrderedDict[Connection, None] = OrderedDict()
        self._failed: OrderedDict[Connection, None] = OrderedDict()
        self._silent_of: dict[str, OrderedDict[Connection, None]] = {}
        self._failed_of: dict[str, OrderedDict[Connection, None]] = {}

    def __len__(self) -> int:
        return len(self._guests)

    def admit(
        self, connection: Connection, address: str, now: float, silence: float = 0.0
    ) -> Connection | None:
        """Let `connection` in; the one that has to go for it, which has left already.

        Whoever has said nothing for `silence` seconds goes before anybody who has.
        """
        first = self._in_turn(address)
        leaver = next((each for each in first if self._quiet(each, now, silence)), None)
        if leaver is None and first:
            leaver = first[0]
        if leaver is not None:
            self.leave(leaver)
        self._guests[connection] = _Guest(address, now)
        self._silent[connection] = None
        self._silent_of.setdefault(address, OrderedDict())[connection] = None
        return leaver

    def has_room(self, address: str, now: float, silence: float) -> bool:
        """Whether one more of `address` costs nobody his place who said something lately.

        Somebody who has been silent for `silence` seconds may be displaced: `admit` with the same
        `silence` takes him.
        """
        first = self._in_turn(address)
        return not first or any(self._quiet(each, now, silence) for each in first)

    def _quiet(self, connection: Connection, now: float, silence: float) -> bool:
        return now - self._guests[connection].heard >= silence

    def _in_turn(self, address: str) -> list[Connection]:
        """Who may have to go for one more of `address`, the first first; empty: there is room."""
        failed, silent = self._failed_of.get(address), self._silent_of.get(address)
        queues: tuple[OrderedDict[Connection, None] | None, ...] = ()
        if self._count(address) >= self._per_address:
            queues = failed, silent
        elif len(self._guests) >= self._in_all:
            queues = failed, self._failed, silent, self._silent
        # The head of a queue has been silent longest: no other of it needs to be looked at.
        return [next(iter(queue)) for queue in queues if queue]

    def _count(self, address: str) -> int:
        return len(self._silent_of.get(address, ())) + len(self._failed_of.get(address, ()))

    def touched(self, connection: Connection, now: float) -> None:
        """Something came from `connection`."""
        guest = self._guests.get(connection)
        if guest is None:
            return
        guest.heard = now
        total = self._failed if guest.failed else self._silent
        mine = (self._failed_of if guest.failed else self._silent_of)[guest.address]
        total.move_to_end(connection)
        mine.move_to_end(connection)

    def failed(self, connection: Connection) -> None:
        """`connection` has failed to show who it is: it goes first from now on."""
        guest = self._guests.get(connection)
        if guest is None or guest.failed:
            return
        self._drop(connection, guest)
        guest.failed = True
        self._failed[connection] = None
        self._failed_of.setdefault(guest.address, OrderedDict())[connection] = None

    def leave(self, connection: Connection) -> None:
        """It has shown who it is, or is gone; unknown ones do not matter."""
        guest = self._guests.pop(connection, None)
        if guest is not None:
            self._drop(connection, guest)

    def _drop(self, connection: Connection, guest: _Guest) -> None:
        total = self._failed if guest.failed else self._silent
        table = self._failed_of if guest.failed else self._silent_of
        del total[connection]
        mine = table[guest.address]
        del mine[connection]
        if not mine:
            del table[guest.address]

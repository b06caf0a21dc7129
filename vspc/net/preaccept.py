"""Between the kernel's accept and a line: connections that are not let in yet.

`ProxiedConnection` reads where a balancer's connection comes from, `PendingConnection` is not read
until there is room. Both then give the connection away for good: no layer of theirs stays below a
line.
"""

from collections import OrderedDict
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from vspc.wire.proxy import LIMIT, Header, MalformedHeader, parse

HEADER_PATIENCE = 5.0
"""Seconds in which a balancer has to say where a connection comes from."""

WAITING = 1024
"""Connections of one address that wait for room; one more is closed."""

WAITING_IN_ALL = 4096
"""The same, of all addresses together."""

WAITING_PATIENCE = 60.0
"""Seconds that a connection waits for room; whoever is in has to say who he is in half of that."""

SERVED = 32
"""Connections that are let in at once; the others have to be served in a later turn."""

Later = Callable[[float, Callable[[], None]], Any]
"""Calls something so many seconds later; what it returns is `Cancellable`."""

Refuse = Callable[[str], None]
"""Is told why a connection is closed."""

Inner = Callable[[IAddress | None], Protocol | None]
"""Who is behind the vestibule for a peer; None: nobody, the connection is closed."""


def hand_over(transport: Any, inner: Protocol, rest: bytes = b"") -> None:
    """Give `transport` to `inner`, and what has been read of it already."""
    transport.protocol = inner
    inner.makeConnection(transport)  # type: ignore[no-untyped-call]
    if rest:
        inner.dataReceived(rest)


class ProxiedConnection(Protocol):
    """A connection of a balancer that speaks the PROXY protocol."""

    transport: Any

    def __init__(
        self,
        inner: Inner,
        later: Later,
        refuse: Refuse,
    ) -> None:
        self._inner = inner
        self._later = later
        self._refuse = refuse
        self._read = b""
        self._patience: Any = None

    def connectionMade(self) -> None:
        self._patience = self._later(HEADER_PATIENCE, self._lose_patience)

    def dataReceived(self, data: bytes) -> None:
        self._read += data
        try:
            header = parse(self._read[:LIMIT])
        except MalformedHeader as malformed:
            self._end(f"the balancer's PROXY header is malformed: {malformed}")
            return
        if header is not None:
            self._announce(header)
        elif len(self._read) >= LIMIT:
            self._end(f"the balancer's PROXY header has over {LIMIT} bytes")

    def _announce(self, header: Header) -> None:
        self._rest()
        transport, rest = self.transport, self._read[header.size :]
        if header.host is not None:
            kind = IPv6Address if ":" in header.host else IPv4Address
            address = kind("TCP", header.host, header.port)
            # Whoever asks the transport from here on has to hear who is really there.
            transport.getPeer = lambda: address
        inner = self._inner(transport.getPeer())
        if inner is None:
            transport.abortConnection()
        else:
            hand_over(transport, inner, rest)

    def _lose_patience(self) -> None:
        self._patience = None
        self._end(f"no PROXY header from the balancer within {HEADER_PATIENCE:g} s")

    def _end(self, reason: str) -> None:
        self._rest()
        self._refuse(reason)
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._rest()

    def _rest(self) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        self._patience = None


class PendingConnection(Protocol):
    """A connection that waits until its address has room; nothing of it is read meanwhile."""

    transport: Any

    def __init__(
        self,
        queue: "AcceptQueue",
        host: str,
        make: Callable[[], Protocol | None],
        later: Later,
        refuse: Refuse,
    ) -> None:
        self.turn = next(queue.turns)
        self._queue = queue
        self._host = host
        self._make = make
        self._later = later
        self._refuse = refuse
        self._early = b""
        self._patience: Any = None

    def connectionMade(self) -> None:
        self.transport.pauseProducing()
        self._patience = self._later(WAITING_PATIENCE, self._lose_patience)

    def dataReceived(self, data: bytes) -> None:
        """What was read before the pause, at most one read of the transport: it is not lost."""
        self._early += data

    def _lose_patience(self) -> None:
        self._leave()
        self._refuse(f"no line of its address became free within {WAITING_PATIENCE:g} s")
        self.transport.abortConnection()

    def go(self) -> None:
        """There is room."""
        self._leave()
        inner = self._make()
        if inner is None:
            self.transport.abortConnection()
            return
        transport = self.transport
        hand_over(transport, inner, self._early)
        transport.resumeProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._leave()

    def _leave(self) -> None:
        self._queue.leave(self._host, self)
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        self._patience = None


class AcceptQueue:
    """Who waits, first come first served: those of one address, and of all that have room."""

    def __init__(self) -> None:
        self.turns = count()
        self._hosts: dict[str, OrderedDict[PendingConnection, None]] = {}
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def join(
        self, host: str, make: Callable[[], Protocol | None], later: Later, refuse: Refuse
    ) -> PendingConnection | None:
        """A protocol that waits; None if too many do. `refuse` is told if it waits too long."""
        if self._length >= WAITING_IN_ALL or len(self._hosts.get(host, ())) >= WAITING:
            return None
        waiting = PendingConnection(self, host, make, later, refuse)
        self._hosts.setdefault(host, OrderedDict())[waiting] = None
        self._length += 1
        return waiting

    def leave(self, host: str, waiting: PendingConnection) -> None:
        """`waiting` waits no longer; that may be said twice."""
        mine = self._hosts.get(host)
        if mine is None or waiting not in mine:
            return
        del mine[waiting]
        self._length -= 1
        if not mine:
            del self._hosts[host]

    def serve(self, has_room: Callable[[str], bool]) -> bool:
        """Let in whoever has room now, in turn, at most `SERVED`; whether there may be more.

        Call it now and then.
        """
        served = 0
        turns = [(next(iter(mine)).turn, host) for host, mine in self._hosts.items()]
        heapify(turns)
        while turns:
            _, host = heappop(turns)
            # One host without room does not keep the others from theirs.
            if host not in self._hosts or not has_room(host):
                continue
            if served == SERVED:
                return True
            served += 1
            next(iter(self._hosts[host])).go()
            if host in self._hosts:
                heappush(turns, (next(iter(self._hosts[host])).turn, host))
        return False

"""Between the kernel's accept and a line: connections that are not admitted yet.

`ProxiedConnection` reads the PROXY header of a balancer, `PendingConnection` waits unread until its
address has room. Both then hand the transport over: no layer of theirs stays below a line.
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

from vspc.common.clock import cancel
from vspc.wire.proxy import LIMIT, Header, MalformedHeader, parse

HEADER_TIMEOUT = 5.0
"""Seconds in which a balancer has to send its PROXY header."""

WAITING = 1024
"""Connections of one address that may wait; one more is closed."""

WAITING_IN_ALL = 4096
"""The same, of all addresses together."""

WAITING_TIMEOUT = 60.0
"""Seconds that a connection may wait, twice the time that a VM has to identify itself."""

SERVED = 32
"""Connections that are admitted at once; the others wait for a later turn."""

Later = Callable[[float, Callable[[], None]], Any]
"""Calls something so many seconds later; what it returns is `Cancellable`."""

Refuse = Callable[[str], None]
"""Called with the reason why a connection is closed."""

Inner = Callable[[IAddress | None], Protocol | None]
"""Makes the protocol for a peer; None: the connection is closed."""


def hand_over(transport: Any, inner: Protocol, rest: bytes = b"") -> None:
    """Connect `inner` to `transport`, and give it what has been read already."""
    transport.protocol = inner
    inner.makeConnection(transport)  # type: ignore[no-untyped-call]
    if rest:
        inner.dataReceived(rest)


class ProxiedConnection(Protocol):
    """A connection of a balancer that sends a PROXY header."""

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
        self._timer: Any = None

    def connectionMade(self) -> None:
        self._timer = self._later(HEADER_TIMEOUT, self._time_out)

    def dataReceived(self, data: bytes) -> None:
        self._read += data
        try:
            header = parse(self._read[:LIMIT])
        except MalformedHeader as malformed:
            self._end(f"the balancer's PROXY header is malformed: {malformed}")
            return
        if header is not None:
            self._accept(header)
        elif len(self._read) >= LIMIT:
            self._end(f"the balancer's PROXY header has over {LIMIT} bytes")

    def _accept(self, header: Header) -> None:
        self._rest()
        transport, rest = self.transport, self._read[header.size :]
        if header.host is not None:
            kind = IPv6Address if ":" in header.host else IPv4Address
            address = kind("TCP", header.host, header.port)
            # From here on the address of the transport is that of the peer.
            transport.getPeer = lambda: address
        inner = self._inner(transport.getPeer())
        if inner is None:
            transport.abortConnection()
        else:
            hand_over(transport, inner, rest)

    def _time_out(self) -> None:
        self._timer = None
        self._end(f"no PROXY header from the balancer within {HEADER_TIMEOUT:g} s")

    def _end(self, reason: str) -> None:
        self._rest()
        self._refuse(reason)
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._rest()

    def _rest(self) -> None:
        cancel(self._timer)
        self._timer = None


class PendingConnection(Protocol):
    """A connection that waits unread until its address has room."""

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
        self._timer: Any = None

    def connectionMade(self) -> None:
        self.transport.pauseProducing()
        self._timer = self._later(WAITING_TIMEOUT, self._time_out)

    def dataReceived(self, data: bytes) -> None:
        """What was read before the pause: at most one read of the transport."""
        self._early += data

    def _time_out(self) -> None:
        self._leave()
        self._refuse(f"no line of its address became free within {WAITING_TIMEOUT:g} s")
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
        cancel(self._timer)
        self._timer = None


class AcceptQueue:
    """Connections that wait, in the order of their arrival."""

    def __init__(self) -> None:
        self.turns = count()
        self._hosts: dict[str, OrderedDict[PendingConnection, None]] = {}
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def join(
        self, host: str, make: Callable[[], Protocol | None], later: Later, refuse: Refuse
    ) -> PendingConnection | None:
        """A protocol that waits; None if too many do. `refuse` is called if it waits too long."""
        if self._length >= WAITING_IN_ALL or len(self._hosts.get(host, ())) >= WAITING:
            return None
        waiting = PendingConnection(self, host, make, later, refuse)
        self._hosts.setdefault(host, OrderedDict())[waiting] = None
        self._length += 1
        return waiting

    def leave(self, host: str, waiting: PendingConnection) -> None:
        """`waiting` waits no longer; one that does not wait is ignored."""
        mine = self._hosts.get(host)
        if mine is None or waiting not in mine:
            return
        del mine[waiting]
        self._length -= 1
        if not mine:
            del self._hosts[host]

    def serve(self, has_room: Callable[[str], bool]) -> bool:
        """Admit those that have room now, in turn, at most `SERVED`; whether there may be more.

        Call it periodically.
        """
        served = 0
        turns = [(next(iter(mine)).turn, host) for host, mine in self._hosts.items()]
        heapify(turns)
        while turns:
            _, host = heappop(turns)
            # A host without room does not delay others.
            if host not in self._hosts or not has_room(host):
                continue
            if served == SERVED:
                return True
            served += 1
            next(iter(self._hosts[host])).go()
            if host in self._hosts:
                heappush(turns, (next(iter(self._hosts[host])).turn, host))
        return False

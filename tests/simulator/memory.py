"""Connections in memory, for unit tests: two protocols joined as by TCP, time in a fake clock.

What one end writes reaches the other in a later turn (`clock.advance(0)` runs every turn that is
due), as long as that one reads; 64 KiB wait unread before the writer is asked to pause. A close
arrives behind what was written.
"""

from collections.abc import Callable

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IConsumer, IDelayedCall, IReactorTime, ITransport
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from vspc.simulator.host import HostConnection

UNREAD = 64 * 1024
"""Bytes that wait at a reader that pauses, before its writer is asked to pause."""

PORT = 13370


@implementer(ITransport, IConsumer)
class End:
    """One end of a connection: the transport of its protocol."""

    def __init__(self, clock: IReactorTime, here: IPv4Address, there: IPv4Address) -> None:
        self.protocol: Protocol | None = None
        self.other: End
        self.paused = False
        self.disconnecting = False
        self.over = False
        self.written = bytearray()
        """Everything that was ever written here."""
        self._clock = clock
        self._here = here
        self._there = there
        self._waiting = bytearray()
        self._turn: IDelayedCall | None = None
        self._producer: object = None
        self._pausing = False

    def write(self, data: bytes) -> None:
        if self.over or self.disconnecting:
            return
        self.written += data
        self._waiting += data
        self._plan()
        if len(self._waiting) > UNREAD and not self._pausing and self._producer is not None:
            self._pausing = True
            self._producer.pauseProducing()  # type: ignore[attr-defined]

    def writeSequence(self, data: "list[bytes]") -> None:  # type: ignore[override]
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        self.disconnecting = True
        self._plan()

    def abortConnection(self) -> None:
        """Close, now; what was written is lost."""
        self._waiting.clear()
        self._end(ConnectionLost())

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False
        self.other._plan()

    def stopProducing(self) -> None:
        self.loseConnection()

    def registerProducer(self, producer: object, streaming: bool) -> None:
        self._producer = producer

    def unregisterProducer(self) -> None:
        self._producer = None

    def getHost(self) -> IPv4Address:
        return self._here

    def getPeer(self) -> IPv4Address:
        return self._there

    def _plan(self) -> None:
        if self._turn is None and not self.over and (self._waiting or self.disconnecting):
            self._turn = self._clock.callLater(0, self._deliver)

    def _deliver(self) -> None:
        self._turn = None
        if self.over or self.other.paused:
            return
        data = bytes(self._waiting)
        self._waiting.clear()
        if data and self.other.protocol is not None:
            self.other.protocol.dataReceived(data)
        if self._pausing:
            self._pausing = False
            if self._producer is not None:
                self._producer.resumeProducing()  # type: ignore[attr-defined]
        if self.disconnecting and not self._waiting:
            self._end(ConnectionDone())

    def _end(self, reason: Exception) -> None:
        for end in (self.other, self):
            if not end.over:
                end.over = True
                if end.protocol is not None:
                    end.protocol.connectionLost(Failure(reason))


class MemoryLink:
    """A connection from `source` to a server, both protocols in memory."""

    def __init__(
        self, clock: IReactorTime, client: Protocol, server: Protocol, source: str = "127.0.0.1"
    ) -> None:
        here = IPv4Address("TCP", source, 1024)
        there = IPv4Address("TCP", "127.0.0.1", PORT)
        self.client = End(clock, here, there)
        self.server = End(clock, there, here)
        self.client.other, self.server.other = self.server, self.client
        self.client.protocol, self.server.protocol = client, server
        server.makeConnection(self.server)
        client.makeConnection(self.client)


class Network:
    """A `connect` for a `SimulatedPort`: joins each connection to what `accept(source)` makes."""

    def __init__(self, clock: IReactorTime, accept: Callable[[str], Protocol]) -> None:
        self.reachable = True
        self.links: list[MemoryLink] = []
        self._clock = clock
        self._accept = accept

    def connect(self, source: str, connection: HostConnection) -> None:
        """Join, or fail while not `reachable`; in a later turn, as a real one would."""
        self._clock.callLater(0, self._join, source, connection)

    def _join(self, source: str, connection: HostConnection) -> None:
        if self.reachable:
            self.links.append(MemoryLink(self._clock, connection, self._accept(source), source))
        else:
            connection.failed("unreachable")

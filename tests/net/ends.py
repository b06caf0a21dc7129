"""A LineTransport over a transport in memory, with a protocol that keeps what it is told."""

from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from vspc.net.line_protocol import LineProtocol
from vspc.net.telnet_transport import LineTransport
from vspc.wire.telnet import BINARY, ECHO, SGA, VMWARE

B_BINARY, B_ECHO, B_SGA, B_VMWARE = (bytes([option]) for option in (BINARY, ECHO, SGA, VMWARE))


class Wire(StringTransport):
    """A StringTransport that knows how it was ended."""

    aborted = False

    def __init__(self, **about: Any) -> None:
        super().__init__(**about)
        self.tls: list[bytes] = []  # what came for the TLS engine, if one was started

    def startTLS(self, creator: Any) -> None:
        """There is no engine here: bytes for it are kept."""

    @property
    def protocol(self) -> Any:
        """Who hears from the wire once TLS was started."""
        return self

    def dataReceived(self, data: bytes) -> None:
        self.tls.append(data)

    def abortConnection(self) -> None:
        self.aborted = True
        self.loseConnection()

    def take(self) -> bytes:
        """What was written since the last time."""
        written: bytes = self.value()
        self.clear()
        return written


class Recorder(LineProtocol):
    """Keeps what it is told, Data joined; agrees to the options in `likes`."""

    transport: LineTransport  # type: ignore[assignment]

    def __init__(self, likes: bytes = b"") -> None:
        self.likes = likes
        self.happened: list[tuple[Any, ...]] = []

    def heard(self) -> bytes:
        """All data."""
        return b"".join(event[1] for event in self.happened if event[0] == "data")

    def dataReceived(self, data: bytes) -> None:
        if self.happened and self.happened[-1][0] == "data":
            data = self.happened.pop()[1] + data
        self.happened.append(("data", data))

    def enableLocal(self, option: bytes) -> bool:
        self.happened.append(("enableLocal", option))
        return option in self.likes

    def enableRemote(self, option: bytes) -> bool:
        self.happened.append(("enableRemote", option))
        return option in self.likes

    def disableLocal(self, option: bytes) -> None:
        self.happened.append(("disableLocal", option))

    def disableRemote(self, option: bytes) -> None:
        self.happened.append(("disableRemote", option))

    def refused_remote(self, option: bytes) -> None:
        self.happened.append(("refused_remote", option))

    def unhandledCommand(self, command: bytes, argument: bytes | None) -> None:
        self.happened.append(("command", command, argument))

    def unhandledSubnegotiation(self, option: bytes, body: bytes) -> None:
        self.happened.append(("subnegotiation", option, body))

    def timing_mark_received(self) -> None:
        self.happened.append(("timing_mark",))

    def dropped(self, what: str) -> None:
        self.happened.append(("dropped",))

    def line_failed(self, reason: str) -> None:
        self.happened.append(("failed", reason))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.happened.append(("lost",))


class End:
    """One LineTransport with a recorder on top and bytes below."""

    def __init__(self, protocol: Recorder | None = None) -> None:
        self.protocol = protocol or Recorder()
        self.clock = Clock()
        self.wire = Wire()
        self.line = LineTransport(lambda: self.protocol, self.clock.seconds)
        self.line.makeConnection(self.wire)

    @property
    def happened(self) -> list[tuple[Any, ...]]:
        return self.protocol.happened

    def hear(self, *chunks: bytes) -> bytes:
        """`chunks` arrive; what is sent in answer."""
        for chunk in chunks:
            self.line.dataReceived(chunk)
        return self.wire.take()

    def lose(self) -> None:
        """The connection is gone."""
        self.line.connectionLost(Failure(ConnectionLost()))

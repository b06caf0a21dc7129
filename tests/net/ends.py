"""A LineTransport over a transport in memory, with a protocol that keeps what it is told."""

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from vspc.net.scheduler import Scheduler
from vspc.net.telnet_options import LineProtocol
from vspc.net.telnet_transport import LineTransport
from vspc.wire.telnet import BINARY, ECHO, SGA, VMWARE

B_BINARY, B_ECHO, B_SGA, B_VMWARE = (bytes([option]) for option in (BINARY, ECHO, SGA, VMWARE))


class TurnClock(Clock):
    """Time that passes turn by turn of a reactor, as Clock's does not."""

    def turn(self, seconds: float = 0) -> None:
        """What is due now runs; what that wants to have run is for the next turn."""
        self.rightNow += seconds
        for call in [call for call in self.calls if call.getTime() <= self.rightNow]:
            if call.active():
                self.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)


class Wire(StringTransport):
    """A StringTransport that knows how it was ended."""

    aborted = False
    hasten: Callable[[], None] | None = None  # as that of a connection whose turns are ours
    bufferSize = 64 * 1024  # of Twisted's: bytes that are read at once

    def __init__(self, **about: Any) -> None:
        super().__init__(**about)
        self.reading = True
        self.pauses = 0
        self.sizes: list[int] = []  # of what was written at once

    def write(self, data: bytes) -> None:
        self.sizes.append(len(data))
        super().write(data)

    def pauseProducing(self) -> None:
        self.pauses += 1
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True

    def abortConnection(self) -> None:
        self.aborted = True
        self.loseConnection()

    def take(self) -> bytes:
        """What was written since the last time."""
        written: bytes = self.value()
        self.clear()
        return written


class ReplaceableWire(Wire):
    """A wire whose protocol can be replaced, as that of a TCP transport, and that can be paused."""

    above: Any = None
    paused = False

    @property
    def protocol(self) -> Any:
        return self.above

    @protocol.setter
    def protocol(self, protocol: Any) -> None:
        self.above = protocol

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False


@implementer(IOpenSSLServerConnectionCreator)
class NoEngine:
    """In the place of TLS: `heard` is what came for it, and nothing is ever said."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def serverConnectionForTLS(self, protocol: Any) -> Any:
        """Twisted asks for it."""
        return self

    def bio_write(self, data: bytes) -> None:
        self.heard.append(data)

    def set_app_data(self, protocol: Any) -> None:
        """Nobody asks for it."""

    def get_peer_certificate(self) -> None:
        """There is none."""

    def set_accept_state(self) -> None:
        """It will not shake hands."""

    def do_handshake(self, *_arguments: Any) -> Any:
        raise SSL.WantReadError

    bio_read = recv = send = do_handshake


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
        self.clock = TurnClock()
        self.scheduler = Scheduler(self.clock.callLater, self.clock.seconds)
        self.wire = Wire()
        share = self.scheduler.share("192.0.2.1")
        self.line = LineTransport(lambda: self.protocol, self.clock.seconds, share)
        self.line.makeConnection(self.wire)

    @property
    def happened(self) -> list[tuple[Any, ...]]:
        return self.protocol.happened

    def hear(self, *chunks: bytes) -> bytes:
        """`chunks` arrive; what is sent in answer."""
        for chunk in chunks:
            self.arrive(chunk)
        return self.wire.take()

    def arrive(self, chunk: bytes) -> None:
        """`chunk` arrives and is worked on, in as many turns as it takes."""
        self.line.dataReceived(chunk)
        while self.line.share.waiting:
            self.clock.advance(0)

    def lose(self) -> None:
        """The connection is gone."""
        self.line.connectionLost(Failure(ConnectionLost()))

"""What listens on a socket: `allow` before a byte is read, then TLS, then the protocol."""

from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen
from OpenSSL import SSL
from twisted.internet.interfaces import IAddress, IHandshakeListener
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from vspc.common.addresses import address_text
from vspc.common.clock import Timer
from vspc.doors.programs.raw import RawWire
from vspc.doors.programs.socket import ProgramSocket
from vspc.doors.programs.telnet import TelnetWire
from vspc.net.fair_tls import DiagnosedTlsFactory, HandshakeFailed
from vspc.net.limits import Admissions, Allow
from vspc.net.scheduler import Scheduler, Share
from vspc.net.telnet_transport import LineTransport
from vspc.net.tls import ServerTls, tls_reason
from vspc.wire.opening import OpeningProtocol

HANDSHAKE_TIMEOUT = 30.0
"""Seconds in which a client has to complete the TLS handshake."""

HANDSHAKES_PER_ADDRESS, HANDSHAKES = 32, 200
"""Connections whose handshake is not complete, of one address and in all; one more displaces the
one that has been silent longest."""


@implementer(IHandshakeListener)
class HandshakeGate(Protocol):
    """A connection until its TLS handshake is complete."""

    transport: Any

    def __init__(
        self, socket: ProgramSocket, handshakes: "Handshakes", share: Share, inner: Protocol
    ) -> None:
        self.share = share
        self._socket = socket
        self._handshakes = handshakes
        self._inner = inner
        self._timer = Timer(socket.clock)

    def connectionMade(self) -> None:
        self._timer.start(HANDSHAKE_TIMEOUT, self._time_out)
        self._handshakes.begin(self, self.share.host, self._socket.clock.seconds())

    def _time_out(self) -> None:
        seconds = f"{HANDSHAKE_TIMEOUT:g} s"
        self._socket.refuse(self._socket, self.share.host, f"no TLS handshake within {seconds}")
        self.displace()

    def displace(self) -> None:
        """Close it now."""
        self.transport.abortConnection()

    def handshakeCompleted(self) -> None:
        """Hand the connection over."""
        self._end()
        self.transport.wrappedProtocol = self._inner
        self._inner.makeConnection(self.transport)  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._end()
        if isinstance(reason.value, HandshakeFailed):
            self._socket.refuse(self._socket, self.share.host, _why(reason.value))

    def _end(self) -> None:
        self._timer.stop()
        self._handshakes.over(self)


def _why(failed: HandshakeFailed) -> str:
    if failed.spoken not in (None, OpeningProtocol.TLS):
        return "TLS is required, and the client speaks something else"
    reason = tls_reason(failed.error) if isinstance(failed.error, SSL.Error) else ""
    return f"the TLS handshake failed{': ' if reason else ''}{reason}"


@define(eq=False)
class Handshakes:
    """Connections of all sockets whose handshake is not complete."""

    _admissions: Admissions[HandshakeGate] = field(
        factory=lambda: Admissions(HANDSHAKES_PER_ADDRESS, HANDSHAKES), init=False
    )

    def begin(self, gate: HandshakeGate, address: str, now: float) -> None:
        """`gate` is new."""
        displaced = self._admissions.admit(gate, address, now)
        if displaced is not None:
            displaced.displace()

    def over(self, gate: HandshakeGate) -> None:
        """Its handshake is complete, or it is closed."""
        self._admissions.leave(gate)


@frozen
class FactoryContext:
    """What the factories of all sockets share."""

    reactor: Any
    scheduler: Scheduler
    handshakes: Handshakes


class SocketFactory(Factory):
    """Builds the connections of one socket. `tls` is None where it has none."""

    noisy = False

    def __init__(self, socket: ProgramSocket, context: FactoryContext) -> None:
        self._socket = socket
        self._context = context
        self.tls: ServerTls | None = None

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        host = address_text(str(getattr(addr, "host", "local")))
        socket = self._socket
        if not Allow(socket.entry.allow).permits(host):
            socket.refuse(socket, host, "not in the allow of the socket")
            return None
        share = self._context.scheduler.share(host)
        inner = self._wire(share)
        if self.tls is None:
            return inner
        gate = HandshakeGate(socket, self._context.handshakes, share, inner)
        clock = self._context.reactor
        factory = DiagnosedTlsFactory(self.tls, False, _Giving(lambda: gate), clock)
        protocol: Protocol | None = factory.buildProtocol(addr)
        return protocol

    def _wire(self, share: Share) -> Protocol:
        socket = self._socket
        if socket.entry.protocol == "raw":
            return RawWire(socket, share)
        is_serial = socket.entry.protocol == "rfc2217"
        return LineTransport(lambda: TelnetWire(socket, is_serial), socket.clock.seconds, share)


class _Giving(Factory):
    """Gives what it was made with."""

    noisy = False

    def __init__(self, give: Callable[[], Protocol]) -> None:
        self._give = give

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._give()

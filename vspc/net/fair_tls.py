"""TLS below a line that can be paused, with handshakes as a share of a turn (law 11), and with the
reason why a handshake failed.

Twisted's TLS layer decrypts all that has been read at once. Here the line stops it between two
records: what is not decrypted stays in OpenSSL's buffer, at most one read of the socket.
"""

from typing import Any
from typing import Protocol as Interface

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure

from vspc.net.scheduler import HANDSHAKE, Share
from vspc.wire.opening import VERSION_AT, OpeningProtocol, recognise

PIECES = 4
"""Into how many pieces what was read at once is cut for OpenSSL, whose buffer for what comes keeps
the size of the largest one."""

PIECE = 2048
"""Bytes of such a piece at least."""


class PausableConnection(SSL.Connection):
    """An OpenSSL connection that has nothing to read while it is `paused`."""

    paused = False

    def recv(self, bufsiz: int, flags: int | None = None) -> bytes:
        """As SSL.Connection.recv."""
        if self.paused:
            raise SSL.WantReadError
        return super().recv(bufsiz, flags)


class Shared(Interface):
    """What `FairTls` needs of the protocol above it."""

    @property
    def share(self) -> Share:
        """Its part of each turn of the reactor."""


class FairTls(BufferingTLSTransport):
    """Twisted's TLS transport below a protocol that has a `share` and may pause it."""

    transport: Any
    factory: Any
    wrappedProtocol: Any
    _aggregator: Any
    _tlsConnection: Any

    _early = b""  # of the handshake, waiting for a later turn
    _held = False  # whether it waits
    _paused = False  # by the protocol above
    _lost: Failure | None = None  # why the connection was lost, with records still to decrypt

    @property
    def _share(self) -> Share:
        share: Share = self.wrappedProtocol.share
        return share

    def makeConnection(self, transport: Any) -> None:
        """As TLSMemoryBIOProtocol's, but for three things. What interfaces it provides is said by
        its class: Twisted makes a declaration for each connection, from each of `transport`'s.
        What a turn writes becomes a record without a timer, where a `TurnLoop` sends it. And a
        server, which has nothing to say before its client, does not ask OpenSSL what that is.
        """
        loop = getattr(transport, "turn_loop", None)
        if loop is not None:
            self._aggregator._clock = loop
        self._tlsConnection = self.factory._creatorCallable(self)
        self._appSendBuffer = []
        Protocol.makeConnection(self, transport)  # type: ignore[no-untyped-call]
        self.factory.registerProtocol(self)
        if self._connectWrapped:
            self.wrappedProtocol.makeConnection(self)
        if self.factory.begins:
            self._checkHandshakeStatus()  # type: ignore[no-untyped-call]

    def dataReceived(self, data: bytes) -> None:
        """A step of a handshake counts as work; records are decrypted until the line pauses."""
        if self._handshakeDone:
            size = max(PIECE, -(-len(data) // PIECES))
            for at in range(0, len(data), size):
                super().dataReceived(data[at : at + size])  # type: ignore[no-untyped-call]
            return
        self._early += data
        if self._share.open():
            self._take_step()
        elif not self._held:
            self._held = True
            self.transport.pauseProducing()
            if not self._share.wait(self._take_step):
                self.abortConnection()  # type: ignore[no-untyped-call]

    def _take_step(self) -> None:
        early, self._early = self._early, b""
        self._share.spend(HANDSHAKE)
        super().dataReceived(early)  # type: ignore[no-untyped-call]
        if self._held:
            self._held = False
            if not self._paused:
                self.transport.resumeProducing()

    def hasten(self) -> None:
        """Send what was written now, as far as the connection below can."""
        self._aggregator.flush()
        send = getattr(self.transport, "hasten", None)
        if send is not None:
            send()

    def pauseProducing(self) -> None:
        """Stop decrypting and reading."""
        self._paused = True
        self._pause_engine()
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Go on with what has been read, then read."""
        self._paused = False
        self._pause_engine()
        self._flushReceiveBIO()  # type: ignore[no-untyped-call]
        if self._paused:
            return
        lost, self._lost = self._lost, None
        if lost is not None:
            super().connectionLost(lost)
        else:
            self.transport.resumeProducing()

    def _pause_engine(self) -> None:
        if self._tlsConnection is not None:
            self._tlsConnection.paused = self._paused

    def _tlsShutdownFinished(self, reason: Failure | None) -> None:
        """As Twisted's. Without its traceback, from whose frames it can be reached: the connection
        would be there until a garbage collection.
        """
        if reason is not None and reason.value is not None:
            reason.tb = reason.value.__traceback__ = None
        super()._tlsShutdownFinished(reason)  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """What was read before that is decrypted first."""
        if self._held:
            self._held = False
            self._share.leave()
        if self._paused and not self._aborted:
            self._lost = reason
        else:
            super().connectionLost(reason)


class FairTlsFactory(TLSMemoryBIOFactory):
    """Puts `FairTls` below what another factory makes. `begins`: it is a client's."""

    protocol = FairTls

    def __init__(
        self, creator: Any, is_client: bool, wrapped: Any, clock: IReactorTime | None = None
    ) -> None:
        super().__init__(creator, is_client, wrapped, clock)
        self.begins = is_client


def start_tls(transport: Any, creator: IOpenSSLServerConnectionCreator, above: Shared) -> FairTls:
    """TLS from the next byte on, between `transport` and `above`, which it carries."""
    engine = FairTls(FairTlsFactory(creator, False, None), above, False)  # type: ignore[arg-type]
    transport.protocol = engine
    engine.makeConnection(transport)
    return engine


class HandshakeFailed(Exception):
    """A TLS handshake failed with `error`. `opening` is the first bytes of the peer, `spoken` the
    protocol that they are.
    """

    def __init__(
        self, error: BaseException | None, opening: bytes, spoken: OpeningProtocol | None
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.opening = opening
        self.spoken = spoken


class DiagnosedTls(FairTls):
    """A connection, accepted or made; lost with `HandshakeFailed` where the handshake fails.

    OpenSSL waits for five bytes, and an ESXi host that speaks plain telnet sends three and waits:
    what is not TLS is recognised by its first byte here.
    """

    _opening: bytes | None = b""  # None once it is known to be TLS
    _spoken: OpeningProtocol | None = None

    def dataReceived(self, data: bytes) -> None:
        if self._opening is not None:
            self._opening += data[: VERSION_AT - len(self._opening)]
            self._spoken = recognise(self._opening)
            if self._spoken not in (None, OpeningProtocol.TLS):
                self.abortConnection()  # type: ignore[no-untyped-call]
                return
        super().dataReceived(data)
        if self._handshakeDone:
            self._opening = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        error = None if self._reason is None else self._reason.value
        foreign = self._spoken not in (None, OpeningProtocol.TLS)
        if self._opening is not None and (foreign or isinstance(error, SSL.Error)):
            failed = HandshakeFailed(error, self._opening, self._spoken)
            self._reason = Failure(failed)  # type: ignore[no-untyped-call]
        super().connectionLost(reason)


class DiagnosedTlsFactory(FairTlsFactory):
    """Puts `DiagnosedTls` below what another factory makes."""

    protocol = DiagnosedTls

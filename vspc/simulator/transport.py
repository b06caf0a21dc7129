"""Where a connection writes to: straight into its transport, or chopped at random."""

import hmac
import random
from collections.abc import Callable
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlsplit

from attrs import frozen
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.interfaces import (
    IDelayedCall,
    IOpenSSLClientConnectionCreator,
    IPushProducer,
    IReactorTime,
)
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

ROOM = 64 * 1024
"""Bytes that may be written to a transport that has not asked to wait; also a chopper's buffer."""

_PAUSE = 0.002  # seconds, at most, between two pieces
_PIECES = (1, 2, 5, 40, 1000, ROOM)


class Transport(Protocol):
    """What is used of a Twisted transport."""

    def write(self, data: bytes) -> None: ...
    def loseConnection(self) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...


@implementer(IPushProducer)
class LineOutlet:
    """Writes at once. `room` is 0 while the transport is full, as it signals to a producer."""

    def __init__(self, transport: Transport, drained: Callable[[], None]) -> None:
        self._transport = transport
        self._drained = drained
        self._full = False

    def room(self) -> int:
        """Bytes that may be written now."""
        return 0 if self._full else ROOM

    def write(self, data: bytes) -> None:
        """To the peer."""
        self._transport.write(data)

    def pauseProducing(self) -> None:
        """The transport is full."""
        self._full = True

    def resumeProducing(self) -> None:
        """The transport has room."""
        self._full = False
        if self.room() > 0:
            self._drained()

    def stopProducing(self) -> None:
        """The transport is gone."""

    def close(self) -> None:
        """Let go of the line after what was written."""
        self._transport.loseConnection()


class ChoppedOutlet(LineOutlet):
    """Splits and joins what is written at random, by a seed, over several turns of the reactor."""

    def __init__(
        self,
        transport: Transport,
        drained: Callable[[], None],
        clock: IReactorTime,
        chance: random.Random,
    ) -> None:
        super().__init__(transport, drained)
        self._clock = clock
        self._chance = chance
        self._buffer = bytearray()
        self._turn: IDelayedCall | None = None
        self._closing = False

    def room(self) -> int:
        return 0 if self._full else max(0, ROOM - len(self._buffer))

    def write(self, data: bytes) -> None:
        self._buffer += data
        self._plan()

    def close(self) -> None:
        self._closing = True
        if not self._buffer:
            self._transport.loseConnection()

    def _plan(self) -> None:
        if self._turn is None and self._buffer:
            pause = self._chance.choice((0.0, self._chance.uniform(0, _PAUSE)))
            self._turn = self._clock.callLater(pause, self._write_piece)

    def _write_piece(self) -> None:
        self._turn = None
        size = self._chance.randint(1, self._chance.choice(_PIECES))
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._transport.write(piece)
        self._plan()
        if self._closing and not self._buffer:
            self._transport.loseConnection()
        elif self.room() > 0:
            self._drained()


_DIGESTS = {20: hashes.SHA1(), 32: hashes.SHA256()}  # noqa: S303 - vSphere's thumbprint is SHA-1


@frozen
class ProxyUri:
    """Where the proxy is. `thumbprint` is the SHA-1 or SHA-256 of its certificate, or None."""

    secure: bool
    host: str
    port: int
    thumbprint: bytes | None = None


def proxy_uri(text: str) -> ProxyUri:
    """`telnet://host:port` or `telnets://host:port`, with `#thumbprint=HEX`. Raises ValueError."""
    parts = urlsplit(text)
    if parts.scheme not in ("telnet", "telnets"):
        raise ValueError(f"{text!r} does not begin with telnet:// or telnets://")
    if not parts.hostname or not parts.port or parts.path or parts.query or "@" in parts.netloc:
        raise ValueError(f"{text!r} is not {parts.scheme}://HOST:PORT")
    mark = None
    for word in filter(None, parts.fragment.split("&")):
        key, _, value = word.partition("=")
        if key != "thumbprint":
            raise ValueError(f"{text!r}: of what may follow #, only thumbprint= is simulated")
        mark = thumbprint(value)
    return ProxyUri(parts.scheme == "telnets", parts.hostname, parts.port, mark)


def thumbprint(text: str) -> bytes:
    """40 or 64 hex digits, with colons or without. Raises ValueError."""
    try:
        digest = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        digest = b""
    if len(digest) not in _DIGESTS:
        raise ValueError(f"{text!r} is not a thumbprint: 40 (SHA-1) or 64 (SHA-256) hex digits")
    return digest


@implementer(IOpenSSLClientConnectionCreator)
class ProxyTls:
    """TLS to the proxy: any certificate, or, with a thumbprint, that one alone."""

    def __init__(self, host: str, mark: bytes | None) -> None:
        self._mark = mark
        self._name = None if _is_address(host) else host.encode("idna")
        self._context = SSL.Context(SSL.TLS_METHOD)
        self._context.set_min_proto_version(SSL.TLS1_2_VERSION)
        if mark is not None:
            self._context.set_verify(SSL.VERIFY_PEER, self._verify)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """A connection that is ready for its handshake."""
        connection = SSL.Connection(self._context, None)
        connection.set_connect_state()
        if self._name is not None:
            connection.set_tlsext_host_name(self._name)
        return connection

    def _verify(
        self, _connection: SSL.Connection, certificate: X509, _error: int, depth: int, _ok: int
    ) -> bool:
        if depth > 0 or self._mark is None:
            return True  # who issued it does not matter: the certificate itself is pinned
        digest = certificate.to_cryptography().fingerprint(_DIGESTS[len(self._mark)])
        return hmac.compare_digest(digest, self._mark)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True

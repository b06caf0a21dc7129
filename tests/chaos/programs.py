"""Programs on the sockets of consoles (raw, telnet, RFC 2217); each connects again when closed.

A socket tells nothing but by closing the connection: what each connection saw has to be a part of
the VM's output without a hole.
"""

from typing import Any

from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from tests.chaos.operators import KEYS
from tests.chaos.oracle import Trouble, Typed
from tests.chaos.relay import Relay
from tests.chaos.streams import token
from vspc.simulator.telnet import (
    BINARY,
    DO,
    SGA,
    WILL,
    WONT,
    WireData,
    WireDecoder,
    WireNegotiation,
    escape,
    negotiate,
)

AGAIN = 0.5
"""Seconds until a program connects again."""

_COM_PORT = 44
_DONT = 254


class SocketProgram(ClientFactory):
    """A program on the socket of `console`; `protocol` is raw, telnet or rfc2217."""

    noisy = False

    def __init__(self, reactor: Any, console: str, kind: str, relay: Relay, name: str) -> None:
        self.console = console
        self.kind = kind
        self.name = name
        self.relay = relay
        self.seen: list[bytearray] = []
        self.typed: list[Typed] = []
        self.troubles: list[Trouble] = []
        self.seen_bytes = 0
        """How much it was shown."""
        self._reactor = reactor
        self._number = 0
        self._connection: _Connection | None = None
        self._is_quiet = False
        self._is_over = False

    def start(self) -> None:
        """Begin."""
        self._connect()
        self._reactor.callLater(KEYS, self._key)

    def stop(self) -> None:
        """End, for good."""
        self._is_over = True
        self.cut()

    def rest(self, quiet: bool) -> None:
        """Type nothing, or go on."""
        self._is_quiet = quiet

    def cut(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.transport.abortConnection()

    def _connect(self) -> None:
        if not self._is_over:
            self._reactor.connectTCP("127.0.0.1", self.relay.port, self, 10)

    def buildProtocol(self, _address: object) -> Protocol:
        self.seen.append(bytearray())
        wire = _Raw() if self.kind == "raw" else _Telnet(self.kind == "rfc2217")
        self._connection = _Connection(self, wire)
        return self._connection

    def lost(self) -> None:
        """The connection is over."""
        now = self._reactor.seconds()
        self.troubles.append(Trouble(now, now))
        self._connection = None
        self._reactor.callLater(AGAIN, self._connect)

    def clientConnectionFailed(self, _connector: object, _reason: object) -> None:
        self._reactor.callLater(AGAIN, self._connect)

    def took(self, data: bytes) -> None:
        """Output."""
        self.seen[-1] += data
        self.seen_bytes += len(data)
        if b"not sent" in self.seen[-1][-len(data) - 8 :]:
            now = self._reactor.seconds()
            self.troubles.append(Trouble(now, now))

    def _key(self) -> None:
        if self._is_over:
            return
        self._reactor.callLater(KEYS, self._key)
        # Who types at once may do so before the console is there, and is thrown out.
        if self._connection is not None and not self._is_quiet and self.seen[-1]:
            self._connection.type(token(self.name, self._number))
            self.typed.append(Typed(self._number, self._reactor.seconds()))
            self._number += 1


class _Raw:
    """Exact bytes."""

    def opening(self) -> bytes:
        return b""

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Output, and what to answer."""
        return data, b""

    def encode(self, data: bytes) -> bytes:
        return data


class _Telnet(_Raw):
    """A telnet client: one that takes what it is offered, or one of RFC 2217."""

    def __init__(self, has_port: bool) -> None:
        self._decoder = WireDecoder()
        self._has_port = has_port
        self._agreed: set[tuple[int, int]] = set()

    def opening(self) -> bytes:
        if not self._has_port:
            return b""
        return negotiate(WILL, _COM_PORT) + negotiate(DO, BINARY) + negotiate(WILL, BINARY)

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        self._decoder.feed(data)
        output, answer = bytearray(), bytearray()
        while (event := self._decoder.next(1 << 20)) is not None:
            match event:
                case WireData(piece):
                    output += piece
                case WireNegotiation(verb, option):
                    answer += self._answer(verb, option)
        return bytes(output), bytes(answer)

    def _answer(self, verb: int, option: int) -> bytes:
        if verb not in (DO, WILL) or (verb, option) in self._agreed:
            return b""
        self._agreed.add((verb, option))
        if self._has_port and option in (BINARY, _COM_PORT) and verb == DO:
            return b""  # offered already
        if self._has_port and option == BINARY:
            return b""
        if verb == WILL:
            return negotiate(DO if option in (SGA, 1) else _DONT, option)
        return negotiate(WILL if option == SGA else WONT, option)

    def encode(self, data: bytes) -> bytes:
        return escape(data)


class _Connection(Protocol):
    transport: Any

    def __init__(self, program: SocketProgram, wire: _Raw) -> None:
        self._program = program
        self._wire = wire

    def connectionMade(self) -> None:
        self.transport.write(self._wire.opening())

    def dataReceived(self, data: bytes) -> None:
        output, answer = self._wire.decode(data)
        self.transport.write(answer)
        if output:
            self._program.took(output)

    def type(self, data: bytes) -> None:
        self.transport.write(self._wire.encode(data))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._program.lost()

"""Connecting to other systems: names are looked up in threads, addresses checked by the caller and
then used, TLS judged before anything is sent. Every step has a time limit, and so many connections
are made at once that hundreds of them after a start are no storm.
"""

import errno
import socket
from collections.abc import Callable
from enum import Enum
from functools import partial
from os import strerror
from typing import Any, TypeVar

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
)
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.interfaces import IAddress, IHandshakeListener, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from vspc.common.addresses import parse_address
from vspc.common.clock import Clock
from vspc.common.worker import WorkerPool
from vspc.net.client_tls import ClientTls
from vspc.net.fair_tls import DiagnosedTlsFactory, HandshakeFailed
from vspc.net.keepalive import keep_alive
from vspc.net.scheduler import Share
from vspc.net.tls import tls_reason
from vspc.net.waiting import ThreadAnswer, within
from vspc.wire.opening import OpeningProtocol

P = TypeVar("P", bound=Protocol)

LIMIT = 10.0
"""Seconds in which a connection has to be made, the look-up and TLS included."""

LOOK_UP = 5.0
"""Seconds in which the name has to be looked up."""

RESOLVERS = 4
"""Threads that look up names: the system's resolver may wait for half a minute."""

LOOK_UPS = 200
"""Names that wait for a thread, those included that nobody waits for any more."""

AT_ONCE = 100
"""Connections that are being made; others wait for their turn."""

ADDRESSES = 4
"""Addresses of one name that are tried, each for its part of the time that is left."""


@frozen
class Destination:
    """Where to connect: a host name or an IP address, and a port; without a port `host` is the path
    of a Unix socket.
    """

    host: str
    port: int | None = None

    def __str__(self) -> str:
        if self.port is None:
            return f"unix:{self.host}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class FailureKind(Enum):
    """What kept a connection from being made."""

    UNKNOWN_NAME = "unknown name"
    NOT_ALLOWED = "not allowed"
    REFUSED = "refused"
    SILENT = "silent"
    TLS = "TLS"
    OTHER = "other"


class ConnectFailed(Exception):
    """A connection could not be made; the text says which and why."""

    def __init__(self, kind: FailureKind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


def look_up(host: str) -> list[str]:
    """The addresses of `host`, the preferred ones first. Blocks; OSError, UnicodeError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def anywhere(_address: str) -> bool:
    """Every address is allowed."""
    return True


@define(eq=False)
class Outbound:
    """Makes connections; `failed` is called inside the except block of what raised in a thread."""

    reactor: Any
    clock: Clock
    failed: Callable[[], None]
    look_up: Callable[[str], list[str]] = look_up
    _turns: DeferredSemaphore = field(factory=lambda: DeferredSemaphore(AT_ONCE), init=False)
    _resolvers: WorkerPool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._resolvers = WorkerPool("resolver", self.failed, RESOLVERS)

    def close(self) -> None:
        """Look up nothing more."""
        self._resolvers.close()

    async def connect(
        self,
        destination: Destination,
        build: Callable[[str], P],
        tls: ClientTls | None = None,
        permits: Callable[[str], bool] = anywhere,
    ) -> P:
        """The protocol that `build` has made for the address, connected; with `tls` it has a
        `share`, and the server's certificate is accepted. Raises `ConnectFailed`; cancelling ends
        it wherever it is. Only addresses that `permits` allows are connected to.
        """
        await self._turns.acquire()
        try:
            return await self._connect(destination, build, tls, permits)
        finally:
            self._turns.release()

    async def _connect(
        self,
        destination: Destination,
        build: Callable[[str], P],
        tls: ClientTls | None,
        permits: Callable[[str], bool],
    ) -> P:
        deadline = self.clock.seconds() + LIMIT
        addresses = await self._addresses(destination)
        allowed = [each for each in addresses if destination.port is None or permits(each)]
        if not allowed:
            reason = f"{_named(destination, addresses[0])} is not an allowed address"
            raise ConnectFailed(FailureKind.NOT_ALLOWED, reason)
        tried = allowed[:ADDRESSES]
        failure = None
        for number, address in enumerate(tried):
            seconds = (deadline - self.clock.seconds()) / (len(tried) - number)
            try:
                return await self._try(destination, address, build, tls, seconds)
            except ConnectFailed as error:
                failure = error
        assert failure is not None
        raise failure

    async def _addresses(self, destination: Destination) -> list[str]:
        host = destination.host
        if destination.port is None or parse_address(host) is not None:
            return [host]
        answer = ThreadAnswer[list[str] | ConnectFailed](self.reactor.callFromThread)
        unknown = partial(ConnectFailed, FailureKind.UNKNOWN_NAME)
        if self._resolvers.waiting >= LOOK_UPS:
            raise unknown(f"{host} cannot be looked up: the system's resolver does not answer")
        try:
            self._resolvers.submit(_answer, self.look_up, host, answer)
            found = await within(self.clock, LOOK_UP, answer.wait())
        except TimeoutError:
            raise unknown(f"{host} was not looked up within {LOOK_UP:g} s") from None
        except RuntimeError:
            raise unknown(f"{host} cannot be looked up: no thread left") from None
        if isinstance(found, ConnectFailed):
            raise found
        if not found:
            raise unknown(f"{host} has no address")
        return found

    async def _try(
        self,
        destination: Destination,
        address: str,
        build: Callable[[str], P],
        tls: ClientTls | None,
        seconds: float,
    ) -> P:
        where = _named(destination, address)
        protocol = build(address)
        endpoint = self._endpoint(destination, address)
        if tls is None:
            connecting = _connected(endpoint, protocol, where)
        else:
            connecting = self._secured(endpoint, protocol, where, _Terms(tls, destination.host))
        try:
            await within(self.clock, seconds, connecting)
        except TimeoutError:
            reason = f"no answer from {where} within {round(seconds)} s"
            raise ConnectFailed(FailureKind.SILENT, reason) from None
        keep_alive(protocol.transport)
        return protocol

    def _endpoint(self, destination: Destination, address: str) -> IStreamClientEndpoint:
        late = 2 * LIMIT  # our own time limit is before Twisted's
        endpoint: IStreamClientEndpoint
        if destination.port is None:
            endpoint = UNIXClientEndpoint(self.reactor, address, late)  # type: ignore[no-untyped-call]
        else:
            made = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
            endpoint = made(self.reactor, address, destination.port, late)
        return endpoint

    async def _secured(
        self, endpoint: IStreamClientEndpoint, protocol: Protocol, where: str, terms: "_Terms"
    ) -> None:
        handshake = _Handshake(protocol, terms)
        factory: Any = DiagnosedTlsFactory(terms.tls, True, None, self.reactor)
        await _connected(endpoint, factory.protocol(factory, handshake), where)
        try:
            await handshake.accepted
        except CancelledError:
            raise
        except Exception as error:
            reason = f"TLS with {where} failed: {_why(error)}"
            raise ConnectFailed(FailureKind.TLS, reason) from None


def _answer(
    ask: Callable[[str], list[str]], host: str, answer: ThreadAnswer[list[str] | ConnectFailed]
) -> None:
    """In a thread."""
    if answer.over:  # nobody waits for it any more
        return
    try:
        answer.give(ask(host))
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a host name"
        failed = ConnectFailed(FailureKind.UNKNOWN_NAME, f"{host} was not found: {why}")
        answer.give(failed)


def _named(destination: Destination, address: str) -> str:
    """The destination, with the address that its name stands for."""
    is_literal = destination.port is None or parse_address(destination.host) is not None
    return str(destination) if is_literal else f"{destination} ({address})"


class _Single(Factory):
    """Has one protocol, made before."""

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._protocol


async def _connected(endpoint: IStreamClientEndpoint, protocol: Protocol, where: str) -> None:
    try:
        await endpoint.connect(_Single(protocol))
    except ConnectingCancelledError:
        raise CancelledError from None
    except ConnectError as error:
        raise _refusal(error, where) from None


def _refusal(error: ConnectError, where: str) -> ConnectFailed:
    number = error.osError if isinstance(error.osError, int) else 0
    if number == errno.ECONNREFUSED:
        return ConnectFailed(FailureKind.REFUSED, f"connection refused by {where}")
    if number in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return ConnectFailed(FailureKind.OTHER, f"no route to {where}")
    if number == errno.ETIMEDOUT:
        return ConnectFailed(FailureKind.SILENT, f"no answer from {where}")
    why = strerror(number) if number else str(error)
    return ConnectFailed(FailureKind.OTHER, f"cannot connect to {where}: {why}")


# TLS


@frozen
class _Terms:
    tls: ClientTls
    host: str


@implementer(IHandshakeListener)
class _Handshake(Protocol):
    """In the place of `protocol` until the server's certificate is accepted."""

    def __init__(self, protocol: Any, terms: _Terms) -> None:
        self._protocol = protocol
        self._terms = terms
        self.share: Share = protocol.share
        self.accepted: Deferred[None] = Deferred(self._cancel)

    def _cancel(self, _accepted: "Deferred[None]") -> None:
        self._end(CancelledError())
        engine: Any = self.transport
        engine.abortConnection()

    def connectionMade(self) -> None:
        """Before the handshake: which certificate is asked for (RFC 6066 section 3)."""
        name = self._terms.tls.name(self._terms.host)
        if parse_address(name) is None:
            engine: Any = self.transport
            engine.getHandle().set_tlsext_host_name(name.encode())

    def handshakeCompleted(self) -> None:
        """What follows in the same read is for `protocol`."""
        engine: Any = self.transport
        problem = self._terms.tls.problem(engine.getHandle(), self._terms.host)
        if problem:
            self._end(ConnectFailed(FailureKind.TLS, problem))
            engine.abortConnection()
            return
        engine.wrappedProtocol = self._protocol
        self._protocol.makeConnection(engine)
        self.accepted.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._end(reason.value)

    def _end(self, error: BaseException | None) -> None:
        if not self.accepted.called:
            self.accepted.errback(Failure(error))  # type: ignore[no-untyped-call]


def _why(error: Exception) -> str:
    if isinstance(error, ConnectFailed):
        return str(error)
    if isinstance(error, HandshakeFailed):
        if error.spoken is OpeningProtocol.TELNET:
            return "it speaks telnet without TLS"
        if error.spoken is not None and error.spoken is not OpeningProtocol.TLS:
            return f"it speaks {error.spoken.value}"
        reason = tls_reason(error.error) if isinstance(error.error, Exception) else ""
        return _MEANINGS.get(reason, reason) or "it closed the connection"
    return "it closed the connection"


_MEANINGS = {"wrong version number": "it does not speak TLS"}

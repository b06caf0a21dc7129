"""One POST by HTTP or HTTPS: the server's certificate is verified, redirects are not followed, and
of the answer its status is all that is used.
"""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from cryptography.x509 import load_pem_x509_certificates
from OpenSSL.crypto import X509
from twisted.internet import ssl
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, FileBodyProducer
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from vspc.common.clock import Cancellable, cancel
from vspc.common.text import safe
from vspc.net.certificates import PemError, read_pem
from vspc.net.reactor import ThreadRunner

CONNECT = 10.0
"""Seconds for a connection with its handshake."""

ANSWER = 64 * 1024
"""Bytes of an answer, its headers included, that are read."""

CLOSING = 2.0
"""Seconds that the other side has to close a connection that we have closed."""


class PostFailed(Exception):
    """There is no answer; the text is why."""


class _Connection(ProtocolWrapper):
    """What carries the request: of the answer a limited number of bytes is read."""

    factory: "_Connections"

    def __init__(self, factory: Any, wrapped: Protocol) -> None:
        super().__init__(factory, wrapped)
        self._left = ANSWER
        self._deadline: Cancellable | None = None

    def connectionMade(self) -> None:
        self.factory.current = self
        super().connectionMade()  # type: ignore[no-untyped-call]

    def dataReceived(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self.factory.is_over = True
            self._abort()
        else:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def end(self) -> None:
        """Close it; the other side cannot keep it open."""
        transport: Any = self.transport
        transport.loseConnection()
        if self._deadline is None:
            self._deadline = self.factory.reactor.callLater(CLOSING, self._abort)

    def _abort(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.current = None
        cancel(self._deadline)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]


@implementer(IAgentEndpointFactory)
class _Connections(WrappingFactory):
    """The connection of one request, for an `Agent`."""

    protocol = _Connection
    noisy = False

    def __init__(self, reactor: Any, trust: Any) -> None:
        super().__init__(Factory())  # type: ignore[no-untyped-call]
        self.reactor = reactor
        self.current: _Connection | None = None
        self.is_over = False  # the answer was too long
        self._policy = BrowserLikePolicyForHTTPS(trust)  # type: ignore[no-untyped-call]

    def endpointForURI(self, uri: Any) -> "_Connections":
        """That of the request."""
        endpoint: Any = HostnameEndpoint(self.reactor, uri.host, uri.port, timeout=CONNECT)
        if uri.scheme == b"https":
            endpoint = wrapClientTLS(self._policy.creatorForNetloc(uri.host, uri.port), endpoint)
        self._endpoint = endpoint
        return self

    def connect(self, factory: Any) -> "Deferred[Any]":
        """Connect what `factory` builds, within us."""
        self.wrappedFactory = factory
        connected: Deferred[Any] = self._endpoint.connect(self)
        return connected.addCallback(lambda wrapper: wrapper.wrappedProtocol)

    def end(self) -> None:
        """The request is over."""
        if self.current is not None:
            self.current.end()


def trust_of(ca: Path | None) -> Any:
    """The authorities in `ca`, or those of the system. Raises `PostFailed`."""
    if ca is None:
        return ssl.platformTrust()  # type: ignore[no-untyped-call]
    try:
        found = load_pem_x509_certificates(read_pem(ca))
    except (PemError, ValueError) as error:
        raise PostFailed(f"{safe(str(ca))}: {error}") from None
    made: Any = ssl  # which has no types
    return made.trustRootFromCertificates(
        [made.Certificate(X509.from_cryptography(each)) for each in found]
    )


async def post(
    reactor: Any, url: str, body: bytes, headers: Mapping[str, str], ca: Path | None = None
) -> int:
    """The status of the answer. Raises `PostFailed`, without the path of the URL; cancelling closes
    the connection.
    """
    trust = trust_of(None) if ca is None else await ThreadRunner(reactor)(lambda: trust_of(ca))
    connections = _Connections(reactor, trust)
    agent: Any = Agent.usingEndpointFactory(reactor, connections)  # type: ignore[no-untyped-call]
    content = FileBodyProducer(BytesIO(body))  # type: ignore[no-untyped-call]
    sent = Headers({key: [value] for key, value in headers.items()})
    try:
        answer: Any = await agent.request(b"POST", url.encode("ascii"), sent, content)
    except CancelledError:
        raise
    except Exception as error:  # one of many classes, some of which have the reasons in them
        reasons: list[Any] = getattr(error, "reasons", [])
        if any(each.check(CancelledError) for each in reasons):
            raise CancelledError from None
        if connections.is_over:
            raise PostFailed(f"the answer has no end after {ANSWER} bytes") from None
        why = "; ".join(safe(each.getErrorMessage()) for each in reasons) or safe(str(error))
        raise PostFailed(why or type(error).__name__) from None
    finally:
        connections.end()
    return int(answer.code)

"""One POST by HTTP or HTTPS: the server's certificate is verified, redirects are not followed, and
of the answer its status is all that is read.
"""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from cryptography.x509 import load_pem_x509_certificates
from OpenSSL.crypto import X509
from twisted.internet import ssl
from twisted.internet.defer import CancelledError
from twisted.internet.protocol import Protocol
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, FileBodyProducer
from twisted.web.http_headers import Headers

from vspc.common.text import safe
from vspc.net.certificates import PemError, read_pem

CONNECT = 10.0
"""Seconds for a connection with its handshake."""


class PostFailed(Exception):
    """There is no answer; the text is why."""


class _Unread(Protocol):
    """The body of an answer, which nobody reads."""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()


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
    policy = BrowserLikePolicyForHTTPS(trust_of(ca))  # type: ignore[no-untyped-call]
    agent = Agent(reactor, policy, CONNECT)  # type: ignore[no-untyped-call]
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
        why = "; ".join(safe(each.getErrorMessage()) for each in reasons) or safe(str(error))
        raise PostFailed(why or type(error).__name__) from None
    answer.deliverBody(_Unread())
    return int(answer.code)

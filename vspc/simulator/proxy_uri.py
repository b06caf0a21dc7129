"""The proxy URI as an administrator types it into vSphere, and TLS as ESXi does it with that."""

import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit

from attrs import frozen
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

_DIGESTS = {20: hashes.SHA1(), 32: hashes.SHA256()}  # noqa: S303 - vSphere's thumbprint is SHA-1


@frozen
class ProxyUri:
    """Where the proxy is. `thumbprint` is the SHA-1 or SHA-256 of its certificate, or None."""

    secure: bool
    host: str
    port: int
    thumbprint: bytes | None = None


def parse(text: str) -> ProxyUri:
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

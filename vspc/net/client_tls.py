"""TLS of outgoing connections: what is asked of the server's certificate, and our own.

The handshake is finished whatever the certificate is, then it is judged, before a byte of ours is
sent: so the reason can name what was met, and its thumbprint.
"""

import hmac
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from attrs import frozen
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from service_identity.pyopenssl import verify_hostname, verify_ip_address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from vspc.common.addresses import parse_address
from vspc.net.fair_tls import PausableConnection
from vspc.net.tls import TlsError, read_pair, restricted, trust, use_pair

_SHA1_SIZE = 20

# Of OpenSSL's x509_vfy.h; the others are numbers.
_PROBLEMS: Mapping[int, str] = MappingProxyType(
    {
        9: "it is not valid yet",
        10: "it has expired",
        18: "it is self-signed",
        19: "its root is not trusted",
        20: "its issuer is unknown",
        21: "its issuer is unknown",
        24: "its issuer is not an authority",
        26: "it is not for servers",
        79: "its issuer is not an authority",
    }
)


@frozen
class TrustSettings:
    """What a server has to show. With `thumbprint`, SHA-1 or SHA-256 of its certificate, that alone
    counts, unless there is a `ca`. `ca`: PEM file of authorities, else those of the system.
    `peer_name`: the name in its certificate, where it is not that of the host. `ciphers`: a list of
    OpenSSL's for TLS 1.2, where it is not ours.
    """

    ca: Path | None = None
    thumbprint: bytes = b""
    peer_name: str = ""
    certificate: Path | None = None
    private_key: Path | None = None
    ciphers: str = ""


class _JudgedConnection(PausableConnection):
    """Remembers what is wrong with the server's chain of certificates."""

    problem = 0


def _remember(
    connection: SSL.Connection, _certificate: Any, error: int, _depth: int, _ok: int
) -> bool:
    if isinstance(connection, _JudgedConnection) and not connection.problem:
        connection.problem = error
    return True


@implementer(IOpenSSLClientConnectionCreator)
class ClientTls:
    """Makes connections by `settings`, whose files are read once. Raises `TlsError`."""

    def __init__(self, settings: TrustSettings) -> None:
        self._settings = settings
        made = self._context = restricted(SSL.TLS_CLIENT_METHOD)
        if settings.ciphers:
            try:
                made.set_cipher_list(settings.ciphers.encode())
            except SSL.Error:
                raise TlsError(f"no cipher suite is called {settings.ciphers}") from None
        if settings.ca is not None:
            trust(made, settings.ca)
        elif not settings.thumbprint:
            made.set_default_verify_paths()
        made.set_verify(SSL.VERIFY_PEER, _remember)
        certificate, key = settings.certificate, settings.private_key
        if certificate is not None and key is not None:
            use_pair(made, read_pair(certificate, key), f"{certificate} and {key}")

    def clientConnectionForTLS(self, _protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """A connection that has not begun."""
        return _JudgedConnection(self._context, None)

    def name(self, host: str) -> str:
        """The name that the certificate of `host` has to have."""
        return self._settings.peer_name or host

    def problem(self, connection: SSL.Connection, host: str) -> str:
        """Why the certificate that `host` has shown is not accepted; empty if it is."""
        settings = self._settings
        certificate = connection.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            return "it has shown no certificate"
        if settings.thumbprint:
            is_short = len(settings.thumbprint) == _SHA1_SIZE
            found = certificate.fingerprint(hashes.SHA1() if is_short else hashes.SHA256())  # noqa: S303
            if not hmac.compare_digest(found, settings.thumbprint):
                return f"its certificate has the thumbprint {_shown(found)}"
            if settings.ca is None:
                return ""
        reason = self.distrust(connection, host)
        if not reason:
            return ""
        found = certificate.fingerprint(hashes.SHA256())
        return f"its certificate is not accepted: {reason}; thumbprint {_shown(found)}"

    def distrust(self, connection: SSL.Connection, host: str) -> str:
        """What is wrong with the chain that `host` has shown, or with its name; empty: nothing."""
        wrong = connection.problem if isinstance(connection, _JudgedConnection) else 0
        if wrong:
            return _PROBLEMS.get(wrong, f"error {wrong} of OpenSSL")
        return "" if self._settings.thumbprint else _misnamed(connection, self.name(host))


def _shown(digest: bytes) -> str:
    return digest.hex(":").upper()


def _misnamed(connection: SSL.Connection, name: str) -> str:
    """Why the certificate is not one of `name`; empty if it is."""
    verify = verify_hostname if parse_address(name) is None else verify_ip_address
    try:
        verify(connection, name.partition("%")[0])
    except (CertificateError, VerificationError, ValueError):
        return f"it is not for {name}"
    return ""

"""Certificates and contexts of TLS listeners: TLS 1.3, or 1.2 with ECDHE and AEAD.

Without a configured certificate one is made, once: ESXi hosts pin its thumbprint. The context is
OpenSSL's own: Twisted's `CertificateOptions` cannot forbid renegotiation or send the names of the
authorities to clients, and does not say which file is at fault.
"""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_PEM, X509, PKey, load_privatekey
from OpenSSL.crypto import Error as CryptoError
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from vspc.common.addresses import parse_address
from vspc.common.files import replace
from vspc.net.certificates import PemError, read_pem
from vspc.net.fair_tls import PausableConnection

CERTIFICATE, PRIVATE_KEY = "tls.pem", "tls.key"
"""Names of a self-signed pair in state_dir."""

YEARS = 10
"""How long a self-signed certificate is valid."""

CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK"
"""TLS 1.2: forward secrecy and AEAD only. TLS 1.3 has nothing else."""


class TlsError(Exception):
    """A certificate or key cannot be used; the text names the file and says why."""


@frozen
class Pair:
    """PEM of a certificate, with its chain behind it, and of its private key."""

    certificate: bytes
    private_key: bytes


def load_pair(
    certificate: Path | None,
    private_key: Path | None,
    state_dir: Path,
    names: Sequence[str] = (),
) -> Pair:
    """The configured pair, else the one in `state_dir`, which is made if missing: for `names`, of
    which some may be addresses, or else for the name of this machine. `TlsError`.
    """
    if certificate is None or private_key is None:
        certificate, private_key = state_dir / CERTIFICATE, state_dir / PRIVATE_KEY
        if not certificate.exists():
            _make(certificate, private_key, names or (socket.getfqdn(),))
    pair = read_pair(certificate, private_key)
    context(pair, f"{certificate} and {private_key}")
    return pair


def read_pair(certificate: Path, private_key: Path) -> Pair:
    """The blocks of both files. Raises `TlsError`."""
    return Pair(_read(certificate), _read(private_key))


def _read(path: Path) -> bytes:
    try:
        return read_pem(path)
    except PemError as error:
        raise TlsError(str(error)) from None


def _make(certificate: Path, private_key: Path, names: Sequence[str]) -> None:
    """Make both, or a certificate for the key that an interrupted run has left."""
    fresh = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        # The key first: a certificate without its key could not be repaired.
        replace(private_key, fresh, exclusive=True)
        key = serialization.load_pem_private_key(_read(private_key), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TlsError(f"{private_key}: not a key made by vspc, and {certificate} is missing")
        made = _self_signed(key, names, datetime.now(UTC))
        replace(certificate, made.public_bytes(serialization.Encoding.PEM), exclusive=True)
    except OSError as error:
        raise TlsError(f"{certificate}: cannot be created: {error.strerror}") from None
    except (TypeError, ValueError):
        raise TlsError(f"{private_key}: damaged, and {certificate} is missing") from None


def _self_signed(
    key: ec.EllipticCurvePrivateKey, hosts: Sequence[str], now: datetime
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64] or "vspc")])
    names = [_general_name(name) for name in dict.fromkeys((*hosts, *_LOCAL)) if _usable(name)]
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


_LOCAL = ("localhost", "127.0.0.1", "::1")


def _usable(name: str) -> bool:
    return bool(name) and name.isascii()


def _general_name(name: str) -> x509.GeneralName:
    address = parse_address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def thumbprint(pair: Pair, algorithm: str = "sha1") -> str:
    """The certificate's fingerprint as vSphere and `openssl x509` write it: "AB:CD:..."."""
    first = x509.load_pem_x509_certificates(pair.certificate)[0]
    digest = first.fingerprint(hashes.SHA1() if algorithm == "sha1" else hashes.SHA256())  # noqa: S303
    return digest.hex(":").upper()


def context(pair: Pair, where: str, client_ca: Path | None = None) -> SSL.Context:
    """An OpenSSL context for `pair`, which came from `where`. Raises `TlsError`.

    With `client_ca`, a PEM file, clients are asked for a certificate. One of another authority ends
    the connection; a client without one is let in.
    """
    made = restricted(SSL.TLS_SERVER_METHOD)
    made.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
    use_pair(made, pair, where)
    if client_ca is not None:
        _ask_for_certificate(made, client_ca)
    return made


def restricted(method: int) -> SSL.Context:
    """A context of `method` with the versions and ciphers that are accepted. Its connections give
    OpenSSL's buffers back, 33 KiB each, while nothing is in them.
    """
    made = SSL.Context(method)
    made.set_mode(SSL.MODE_RELEASE_BUFFERS)
    made.set_min_proto_version(SSL.TLS1_2_VERSION)
    made.set_cipher_list(CIPHERS)
    made.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    return made


def use_pair(made: SSL.Context, pair: Pair, where: str) -> None:
    """Show the certificate of `pair`, which came from `where`. Raises `TlsError`."""
    with _naming(where):
        chain = x509.load_pem_x509_certificates(pair.certificate)
        made.use_certificate(chain[0])
        for extra in chain[1:]:
            made.add_extra_chain_cert(extra)
        made.use_privatekey(_private_key(pair.private_key))
        made.check_privatekey()


def trust(made: SSL.Context, path: Path) -> list[X509]:
    """Trust the authorities in `path`, a PEM file. Raises `TlsError`."""
    with _naming(str(path)):
        found = x509.load_pem_x509_certificates(_read(path))
        authorities = [X509.from_cryptography(each) for each in found]
        store = made.get_cert_store()
        for authority in authorities:
            assert store is not None
            store.add_cert(authority)
    return authorities


def _private_key(pem: bytes) -> PKey:
    return load_privatekey(FILETYPE_PEM, pem, _no_passphrase)


def examine_certificates(path: Path) -> None:
    """Raises `TlsError` unless `path` is a PEM file of certificates."""
    with _naming(str(path)):
        x509.load_pem_x509_certificates(_read(path))


def examine_private_key(path: Path) -> None:
    """Raises `TlsError` unless `path` is a PEM file of a private key without a passphrase."""
    with _naming(str(path)):
        _private_key(_read(path))


def misplaced(certificate: Path, private_key: Path) -> int:
    """The number, from 2, of the certificate in a file that a private key belongs to, if it is not
    the first one; else 0. Both files have been examined.
    """
    with _naming(str(private_key)):
        public = serialization.load_pem_private_key(_read(private_key), None).public_key()
    chain = x509.load_pem_x509_certificates(_read(certificate))
    found = [number for number, each in enumerate(chain, 1) if each.public_key() == public]
    return 0 if not found or found[0] == 1 else found[0]


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Errors of the libraries in this block become `TlsError` about `where`."""
    try:
        yield
    except (ValueError, CryptoError, SSL.Error) as error:
        raise TlsError(f"{where}: {_why(error)}") from None


def _ask_for_certificate(made: SSL.Context, client_ca: Path) -> None:
    authorities = trust(made, client_ca)
    made.set_client_ca_list([each.get_subject() for each in authorities])
    made.set_verify(SSL.VERIFY_PEER, None)
    # A resumed session would not be asked for a certificate.
    made.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    made.set_options(SSL.OP_NO_TICKET)


def _no_passphrase(*_about: Any) -> bytes:
    raise ValueError("the private key is encrypted; store it without a passphrase")


def _why(error: Exception) -> str:
    if isinstance(error, ValueError) and not isinstance(error, CryptoError):
        return str(error)
    return tls_reason(error) or "they do not belong together, or are damaged"


def tls_reason(error: Exception) -> str:
    """The reasons in an error of OpenSSL's; empty if there are none."""
    reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(reason[2] for reason in reasons if reason[2])


@implementer(IOpenSSLServerConnectionCreator)
class ServerTls:
    """Gives new connections the current context, which `take` replaces."""

    def __init__(self, pair: Pair, client_ca: Path | None = None) -> None:
        self.take(pair, client_ca)

    def take(self, pair: Pair, client_ca: Path | None = None) -> None:
        """Use `pair` for new connections; raises `TlsError`, which changes nothing."""
        self._context = context(pair, "the certificate", client_ca)

    def serverConnectionForTLS(self, _protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """A connection with the current context."""
        return PausableConnection(self._context, None)


def peer_certificate(transport: Any) -> Any:
    """The client's verified certificate; None if it has sent none."""
    ask = getattr(transport, "getPeerCertificate", None)
    return ask() if ask is not None else None

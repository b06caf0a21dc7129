"""Client certificates of TLS sockets, as they name an operator."""

from base64 import b64encode
from typing import Any

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from vspc.net.tls import peer_certificate


@frozen
class ClientCertificate:
    """One that TLS has verified. `name` is its only common name, empty if it has none or several;
    `fingerprint` is written as those of keys are.
    """

    name: str
    fingerprint: str


def client_certificate(transport: Any) -> ClientCertificate | None:
    """That of the client at the other end; None if it has shown none, or there is no TLS."""
    shown = peer_certificate(transport)
    return None if shown is None else read_certificate(shown.to_cryptography())


def read_certificate(certificate: x509.Certificate) -> ClientCertificate:
    """What is to be known of it."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    names = [str(each.value) for each in found]
    digest = b64encode(certificate.fingerprint(SHA256())).decode().rstrip("=")
    return ClientCertificate(names[0] if len(names) == 1 else "", f"SHA256:{digest}")

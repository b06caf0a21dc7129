"""Certificates for tests: roots, intermediate ones, and what they sign."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import field, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

DAY = timedelta(days=1)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@frozen
class Signed:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: Any = field(repr=False)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        data: bytes = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return data


def certificate(
    name: str,
    issuer: Signed | None = None,
    days: float = 365,
    begins: float = -1,
    points: bool = False,
    key: Any = None,
    names: Sequence[str] = (),
) -> Signed:
    """One of `name`, valid from `begins` to `days` days from now, signed by itself unless there is
    an `issuer`; `points`: it says where its issuer's certificate is; `names`: DNS names.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(name) if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins * DAY)
        .not_valid_after(now + days * DAY)
    )
    if issuer is None:
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    if points:
        where = x509.UniformResourceIdentifier("http://ca.example/issuer.crt")
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, where)
        made = made.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    if names:
        dns = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        made = made.add_extension(dns, critical=False)
    signing = key if issuer is None else issuer.key
    return Signed(made.sign(signing, hashes.SHA256()), key)

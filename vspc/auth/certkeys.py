"""OpenSSH certificates: what is in one, and whether its authority signed it (PROTOCOL.certkeys).

`cryptography` is not enough: it has no FIDO keys in certificates, and gives neither the blob of the
authority's key nor the algorithm of its signature, so that SHA-1 could not be refused. Where it can
read a certificate, both readings must agree.
"""

import base64
from collections.abc import Iterator, Mapping
from hashlib import sha256
from types import MappingProxyType

from attrs import frozen
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import load_ssh_public_key, ssh

from vspc.common.text import safe
from vspc.config.credentials import KEY_FIELDS
from vspc.wire.ssh import CERTIFICATE, SshReader, is_certificate, key_type, string

LIMIT = 64 * 1024
"""Bytes of a certificate."""

MOST_PRINCIPALS = 256
"""In one certificate; OpenSSH's own limit."""

FOREVER = 2**64 - 1
"""A `valid_before` that never comes."""

USER = 1
"""The type of a user's certificate; 2 is a host's."""

_FIELDS = MappingProxyType({kind.encode(): count for kind, count in KEY_FIELDS.items()})
"""What follows the type in a key's blob, a certificate's after its nonce."""

_KINDS: Mapping[bytes, bytes] = MappingProxyType(
    {kind.removesuffix(b"@openssh.com") + CERTIFICATE: kind for kind in _FIELDS}
)
"""Types of certificates, and of the keys in them."""

_RSA: Mapping[bytes, hashes.HashAlgorithm] = MappingProxyType(
    {b"rsa-sha2-256": hashes.SHA256(), b"rsa-sha2-512": hashes.SHA512()}
)

_CURVES: Mapping[str, hashes.HashAlgorithm] = MappingProxyType(
    {"secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}
)


@frozen
class Certificate:
    """The fields of a certificate; none may be used before `unsound` has returned "".

    `key` and `authority` are the blobs of plain keys; `after` and `before` seconds since 1970;
    `signed` is what `signature` is for.
    """

    blob: bytes
    kind: bytes
    key: bytes
    serial: int
    type: int
    key_id: str
    principals: tuple[str, ...]
    after: int
    before: int
    options: Mapping[str, bytes]
    extensions: Mapping[str, bytes]
    authority: bytes
    signed: bytes
    signature: bytes


def parse(blob: bytes) -> Certificate:
    """Read a certificate. Raises ValueError, whose text says why it is not accepted."""
    if len(blob) > LIMIT:
        raise ValueError(f"it is longer than {LIMIT} bytes")
    reader = SshReader(blob)
    kind = reader.string()
    if kind not in _KINDS:
        raise ValueError(f"its type {safe(kind, 60)} is unknown")
    reader.string()  # a nonce
    plain = _KINDS[kind]
    fields = b"".join(string(reader.string()) for _ in range(_FIELDS[plain]))
    return Certificate(
        blob=blob,
        kind=kind,
        key=string(plain) + fields,
        serial=reader.uint64(),
        type=reader.uint32(),
        key_id=_word(reader.string()),
        principals=tuple(_principals(reader.nested())),
        after=reader.uint64(),
        before=reader.uint64(),
        options=dict(_pairs(reader.nested())),
        extensions=dict(_pairs(reader.nested())),
        authority=_after_reserved(reader),
        signed=blob[: reader.at],
        signature=_last(reader),
    )


def _word(data: bytes) -> str:
    if b"\0" in data:
        raise ValueError("a name in it holds a zero byte")
    return foreign(data)


def _principals(reader: SshReader) -> Iterator[str]:
    count = 0
    while not reader.ended:
        yield _word(reader.string())
        count += 1
        if count > MOST_PRINCIPALS:
            raise ValueError(f"it has more than {MOST_PRINCIPALS} principals")


def _pairs(reader: SshReader) -> Iterator[tuple[str, bytes]]:
    """Options or extensions, in the order of their names: none can be there twice."""
    last = None
    while not reader.ended:
        name = reader.string()
        if last is not None and name <= last:
            raise ValueError("its options are out of order")
        last = name
        value = reader.nested()
        yield foreign(name), b"" if value.ended else value.string()
        value.end()


def _after_reserved(reader: SshReader) -> bytes:
    reader.string()
    return reader.string()


def _last(reader: SshReader) -> bytes:
    last = reader.string()
    reader.end()
    return last


def unsound(certificate: Certificate) -> str:
    """Why its signature is not that of the authority in it; empty if it is. Never raises.

    Whether that authority is trusted is checked elsewhere.
    """
    if is_certificate(certificate.authority):
        return "it is signed by another certificate"
    kind = key_type(certificate.authority)
    if kind not in _FIELDS:
        return f"its authority's type {safe(kind, 60)} is unknown"
    try:
        with_token = kind.startswith(b"sk-")
        algorithm, raw, token = _signature(certificate.signature, with_token)
        if algorithm not in (_RSA if kind == b"ssh-rsa" else (kind,)):
            return f"its authority signed with {safe(algorithm, 60)}"
        if with_token or certificate.kind.startswith(b"sk-"):
            right = _verified(certificate, algorithm, raw, token)
        else:
            right = _verified_by_library(certificate)
    except Exception:
        # The parsers of the library raise exceptions of many kinds.
        right = False
    return "" if right else "its signature is wrong"


def _signature(blob: bytes, with_token: bool) -> tuple[bytes, bytes, bytes]:
    """Algorithm, signature, and what a FIDO token adds: flags and counter."""
    reader = SshReader(blob)
    algorithm, raw = reader.string(), reader.string()
    token = reader.take(5) if with_token else b""
    reader.end()
    return algorithm, raw, token


def _line(blob: bytes) -> bytes:
    return key_type(blob) + b" " + base64.b64encode(blob)


def _verified_by_library(certificate: Certificate) -> bool:
    """For all but FIDO keys; its reading must agree with ours."""
    found = ssh.load_ssh_public_identity(_line(certificate.blob))
    if not isinstance(found, ssh.SSHCertificate):
        return False
    found.verify_cert_signature()
    return (
        found.serial == certificate.serial
        and found.type.value == certificate.type
        and foreign(found.key_id) == certificate.key_id
        and tuple(map(foreign, found.valid_principals)) == certificate.principals
        and (found.valid_after, found.valid_before) == (certificate.after, certificate.before)
        and {foreign(k): v for k, v in found.critical_options.items()} == certificate.options
        and {foreign(k): v for k, v in found.extensions.items()} == certificate.extensions
    )


def _verified(certificate: Certificate, algorithm: bytes, raw: bytes, token: bytes) -> bool:
    """For FIDO keys, certified or signing, which the library does not support in certificates."""
    load_ssh_public_key(_line(certificate.key))  # raises if it is not a key
    authority = load_ssh_public_key(_line(certificate.authority))
    data = certificate.signed
    if token:
        application = sha256(_application(certificate.authority)).digest()
        data = application + token + sha256(data).digest()
    try:
        if isinstance(authority, ed25519.Ed25519PublicKey):
            authority.verify(raw, data)
        elif isinstance(authority, ec.EllipticCurvePublicKey):
            authority.verify(_der(raw), data, ec.ECDSA(_CURVES[authority.curve.name]))
        elif isinstance(authority, rsa.RSAPublicKey):
            authority.verify(raw, data, padding.PKCS1v15(), _RSA[algorithm])
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _application(blob: bytes) -> bytes:
    """The last field of a FIDO key: the application that its token signs for (PROTOCOL.u2f)."""
    reader = SshReader(blob)
    for _ in range(_FIELDS[reader.string()]):
        last = reader.string()
    return last


def _der(raw: bytes) -> bytes:
    """An ECDSA signature in DER, from SSH's encoding (RFC 5656 section 3.1.2)."""
    reader = SshReader(raw)
    r, s = reader.mpint(), reader.mpint()
    reader.end()
    return utils.encode_dss_signature(r, s)


def foreign(data: bytes) -> str:
    """Text of unknown origin, whatever its bytes: two are equal where the bytes are."""
    return data.decode("utf-8", "surrogateescape")


def rsa_bits(blob: bytes) -> int | None:
    """Bits of the modulus of an RSA key that was `parse`d; None for other keys."""
    reader = SshReader(blob)
    if reader.string() != b"ssh-rsa":
        return None
    reader.string()
    return reader.mpint().bit_length()

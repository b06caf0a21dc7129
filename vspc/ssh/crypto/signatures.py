"""Which signatures are made and taken, and whether one proves that its sender has the private key
(RFC 4252 section 7).
"""

from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType

from twisted.conch.ssh.keys import Key

from vspc.config.credentials import RSA_BITS
from vspc.wire.ssh import CERTIFICATE, MalformedSsh, SshReader, key_type, string

USER_SIGNATURES: Mapping[bytes, tuple[bytes, ...]] = MappingProxyType(
    {
        b"ssh-ed25519": (b"ssh-ed25519",),
        b"ecdsa-sha2-nistp256": (b"ecdsa-sha2-nistp256",),
        b"ecdsa-sha2-nistp384": (b"ecdsa-sha2-nistp384",),
        b"ecdsa-sha2-nistp521": (b"ecdsa-sha2-nistp521",),
        b"ssh-rsa": (b"rsa-sha2-512", b"rsa-sha2-256"),
        b"sk-ssh-ed25519@openssh.com": (b"sk-ssh-ed25519@openssh.com",),
        b"sk-ecdsa-sha2-nistp256@openssh.com": (b"sk-ecdsa-sha2-nistp256@openssh.com",),
    }
)
"""Key type of an operator's key to the signatures taken from it (RFC 8332: RSA without SHA-1)."""

HOST_SIGNATURES: Mapping[bytes, tuple[bytes, ...]] = MappingProxyType(
    {kind: names for kind, names in USER_SIGNATURES.items() if not kind.startswith(b"sk-")}
)
"""The same for host keys."""


_USER_PRESENT = 0x01
_USER_VERIFIED = 0x04


def server_signature_algorithms() -> bytes:
    """The value of server-sig-algs (RFC 8308 section 3.1): what users may sign with."""
    return b",".join(name for names in USER_SIGNATURES.values() for name in names)


def _certified(name: bytes) -> bytes:
    """The name with which a certificate is used for what `name` is with a plain key."""
    return name.removesuffix(b"@openssh.com") + CERTIFICATE


_PLAIN: Mapping[bytes, bytes] = MappingProxyType(
    {_certified(name): name for names in USER_SIGNATURES.values() for name in names}
)
"""Signature algorithms of certificates, and those that sign for them (PROTOCOL.certkeys)."""

_KINDS: Mapping[bytes, tuple[bytes, ...]] = MappingProxyType(
    dict(USER_SIGNATURES)
    | {_certified(kind): tuple(map(_certified, names)) for kind, names in USER_SIGNATURES.items()}
)


def acceptable(algorithm: bytes, blob: bytes) -> bool:
    """Whether `algorithm` may be used with the key, or certificate, `blob`; False for no key."""
    return algorithm in _KINDS.get(key_type(blob), ())


def _with_token(key: Key, signed: bytes, token: SshReader, verified: bool) -> bytes:
    """What a FIDO token signs instead of `signed` (OpenSSH's PROTOCOL.u2f)."""
    flags = token.take(1)
    counter = token.take(4)
    token.end()
    if not flags[0] & _USER_PRESENT:
        raise MalformedSsh("a FIDO key that was not touched")
    if verified and not flags[0] & _USER_VERIFIED:
        raise MalformedSsh("a FIDO key that asked for neither PIN nor fingerprint")
    application = sha256(key.application).digest()
    return application + flags + counter + sha256(signed).digest()


def proves(
    algorithm: bytes, blob: bytes, signature: bytes, signed: bytes, verified: bool = False
) -> bool:
    """Whether `signature` over `signed` was made by the private key of `blob`, a plain key.

    `algorithm` is the one that the client named, that of a certificate perhaps. FIDO keys must
    have been touched, and with `verified` have asked for a PIN or a finger, which no other kind of
    key can prove. Never raises.
    """
    algorithm = _PLAIN.get(algorithm, algorithm)
    try:
        reader = SshReader(signature)
        if reader.string() != algorithm or not acceptable(algorithm, blob):
            return False
        raw = reader.string()
        key = Key.fromString(blob)  # type: ignore[no-untyped-call]
        if key.type() == "RSA" and key.size() < RSA_BITS:
            return False
        if algorithm.startswith(b"sk-"):
            signed = _with_token(key, signed, reader, verified)
        elif verified:
            return False
        reader.end()
        return bool(key.verify(string(algorithm) + string(raw), signed))
    except Exception:
        # Conch's parsers, and the cryptography below them, raise many things on bad input.
        return False

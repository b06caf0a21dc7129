"""Whether a signature proves that its sender has the private key (RFC 4252 section 7)."""

from hashlib import sha256

from twisted.conch.ssh.keys import Key

from vspc.ssh.algorithms import USER_SIGNATURES
from vspc.ssh.packets import Malformed, Reader

RSA_BITS = 2048
"""RSA keys under this are refused."""

_USER_PRESENT = 0x01


def acceptable(algorithm: bytes, blob: bytes) -> bool:
    """Whether `algorithm` may be used with the key `blob`; False too where that is no key."""
    try:
        kind = Reader(blob).string()
    except Malformed:
        return False
    return algorithm in USER_SIGNATURES.get(kind, ())


def _with_token(key: Key, signed: bytes, token: Reader) -> bytes:
    """What a FIDO token signs instead of `signed` (OpenSSH's PROTOCOL.u2f)."""
    flags = token.take(1)
    counter = token.take(4)
    token.end()
    if not flags[0] & _USER_PRESENT:
        raise Malformed("a token that nobody touched")
    application = sha256(key.application).digest()
    return application + flags + counter + sha256(signed).digest()


def verified(algorithm: bytes, blob: bytes, signature: bytes, signed: bytes) -> bool:
    """Whether `signature` over `signed` was made by `blob`'s private key with `algorithm`.

    FIDO keys must have been touched. Never raises.
    """
    try:
        reader = Reader(signature)
        if reader.string() != algorithm or not acceptable(algorithm, blob):
            return False
        raw = reader.string()
        key = Key.fromString(blob)  # type: ignore[no-untyped-call]
        if key.type() == "RSA" and key.size() < RSA_BITS:
            return False
        if algorithm.startswith(b"sk-"):
            signed = _with_token(key, signed, reader)
        reader.end()
        whole = len(algorithm).to_bytes(4, "big") + algorithm + len(raw).to_bytes(4, "big") + raw
        return bool(key.verify(whole, signed))
    except Exception:
        # Conch's parsers, and the cryptography below them, raise many things on bad input.
        return False

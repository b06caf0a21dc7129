"""Which algorithms the server offers, best first: nothing with SHA-1, MD5, CBC or compression.

Key exchange comes from Conch, ciphers and MACs from `vspc.ssh.crypto.ciphers`. The client's order
decides, not ours (RFC 4253 section 7.1). `docs/security.md` says why each is there.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from vspc.ssh.crypto.ciphers import CHACHA, usable

KEY_EXCHANGES = (
    b"mlkem768x25519-sha256",
    b"curve25519-sha256",
    b"curve25519-sha256@libssh.org",
)

NIST_KEY_EXCHANGES = (
    b"ecdh-sha2-nistp256",
    b"ecdh-sha2-nistp384",
    b"ecdh-sha2-nistp521",
)
"""NIST's curves: offered with an ECDSA host key only."""

STRICT_SERVER = b"kex-strict-s-v00@openssh.com"
STRICT_CLIENT = b"kex-strict-c-v00@openssh.com"
"""OpenSSH's answer to Terrapin (PROTOCOL section 1.10): offered, but never chosen."""

EXTENSIONS_CLIENT = b"ext-info-c"
"""The client takes EXT_INFO (RFC 8308 section 2.1)."""

_CIPHERS = (
    b"aes256-gcm@openssh.com",
    b"aes128-gcm@openssh.com",
    CHACHA,
    b"aes256-ctr",
    b"aes128-ctr",
)

CIPHERS = tuple(name for name in _CIPHERS if usable(name))
"""Cheapest first (`benchmarks/ssh.py`), counter mode last. OpenSSH takes its own first: ChaCha20.

Without that OpenSSH 9 would take counter mode, as it prefers it to GCM.
"""

MACS = (
    b"hmac-sha2-256-etm@openssh.com",
    b"hmac-sha2-512-etm@openssh.com",
    b"hmac-sha2-256",
    b"hmac-sha2-512",
)

COMPRESSIONS = (b"none",)

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


def key_exchanges(host_signatures: Sequence[bytes]) -> tuple[bytes, ...]:
    """What is offered beside host keys that make such signatures."""
    nist = any(name.startswith(b"ecdsa-sha2-nistp") for name in host_signatures)
    return KEY_EXCHANGES + (NIST_KEY_EXCHANGES if nist else ())


def server_signature_algorithms() -> bytes:
    """The value of server-sig-algs (RFC 8308 section 3.1): what users may sign with."""
    return b",".join(name for names in USER_SIGNATURES.values() for name in names)

"""All host keys told to a client that saw one: it may remember them (OpenSSH's PROTOCOL 2.5).

So a client that knows the ed25519 key goes on without a question when an RSA key takes its place.
"""

from collections.abc import Mapping

from twisted.conch.ssh.keys import Key

from vspc.ssh.crypto.algorithms import HOST_SIGNATURES
from vspc.wire.ssh import SshReader, string

TELL = b"hostkeys-00@openssh.com"
PROVE = b"hostkeys-prove-00@openssh.com"


def _blob(key: Key) -> bytes:
    return bytes(key.public().blob())  # type: ignore[no-untyped-call]


def host_key_blobs(keys: Mapping[bytes, Key]) -> list[bytes]:
    """The public halves as they go over the wire."""
    return [_blob(key) for key in keys.values()]


def prove(
    asked: SshReader, private: Mapping[bytes, Key], session: bytes | None, agreed: bytes
) -> list[bytes] | None:
    """A signature for each key that is asked for; None where one is none of ours.

    `agreed` is the host key algorithm of the key exchange: an RSA key signs by it if it can. No
    key is signed with twice. Raises `Malformed`.
    """
    left = {_blob(key): kind for kind, key in private.items()}
    proofs = []
    while not asked.ended:
        blob = asked.string()
        kind = left.pop(blob, None)
        if kind is None:
            return None
        names = HOST_SIGNATURES[kind]
        name = agreed if agreed in names else names[0]
        text = string(PROVE) + string(session or b"") + string(blob)
        proofs.append(bytes(private[kind].sign(text, signatureType=name)))
    return proofs or None

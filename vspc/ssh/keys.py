"""Host keys: read from files, or one ed25519 key made in the state directory, and proved.

A key in the state directory is never made again while it is there.
"""

import base64
from collections.abc import Sequence
from pathlib import Path

from attrs import field, frozen
from twisted.conch.ssh.keys import Key

from vspc.common.files import replace
from vspc.common.textfile import read_text
from vspc.common.values import InvalidValue
from vspc.config.credentials import RSA_BITS, fingerprint
from vspc.ssh.crypto.signatures import HOST_SIGNATURES
from vspc.wire.ssh import SshReader, string

HOST_KEY_NAME = "ssh_host_ed25519_key"

KEY_FILE_LIMIT = 64 * 1024
"""Bytes of a key file."""


class HostKeyError(Exception):
    """A host key cannot be used; the text names the file and says why, never what is in it."""


class PublicHostKey(Key):
    """The public half of a host key. Each key exchange asks for its blob, which is made once."""

    def __init__(self, found: object) -> None:
        super().__init__(found)  # type: ignore[no-untyped-call]
        self._blob: bytes = super().blob()  # type: ignore[no-untyped-call]

    def blob(self) -> bytes:
        return self._blob


@frozen
class HostKey:
    """A private key that proves that this is the server, and where it was read from."""

    path: Path
    key: Key
    public: PublicHostKey = field(init=False, eq=False, repr=False)
    """The public half."""
    kind: bytes = field(init=False, eq=False, repr=False)
    """The key type, such as `ssh-ed25519`."""

    @public.default
    def _publish(self) -> PublicHostKey:
        blob = self.key.public().blob()  # type: ignore[no-untyped-call]
        public: PublicHostKey = PublicHostKey.fromString(blob, type="blob")  # type: ignore[no-untyped-call]
        return public

    @kind.default
    def _name(self) -> bytes:
        return bytes(self.key.sshType())  # type: ignore[no-untyped-call]

    @property
    def blob(self) -> bytes:
        """The public half as it goes over the wire."""
        return self.public.blob()

    @property
    def signatures(self) -> tuple[bytes, ...]:
        """What it can sign with, best first."""
        return HOST_SIGNATURES[self.kind]


def known_hosts_line(host: str, port: int, key: HostKey) -> str:
    """What to put into a known_hosts file for `host` at `port`."""
    place = host if port == 22 else f"[{host}]:{port}"
    blob = base64.b64encode(key.blob).decode("ascii")
    return f"{place} {key.kind.decode('ascii')} {blob}"


def fingerprint_line(key: HostKey, comment: str = "vspc") -> str:
    """A host key as `ssh-keygen -l` prints it: bits, fingerprint, comment, type."""
    size = int(key.key.size() or 256)  # type: ignore[no-untyped-call]
    names = {"Ed25519": "ED25519", "EC": "ECDSA"}
    kind = names.get(key.key.type(), key.key.type())
    return f"{size} {fingerprint(key.blob)} {comment} ({kind})"


def load_host_key(path: Path) -> HostKey:
    """Read an unencrypted private key; raises `HostKeyError`."""
    try:
        text = read_text(path, KEY_FILE_LIMIT)
    except InvalidValue as wrong:
        raise HostKeyError(f"{wrong.problem}; {wrong.allowed}") from None
    try:
        key = Key.fromString(text.encode())  # type: ignore[no-untyped-call]
    except Exception as error:
        # Conch lets through whatever the parsers below it raise.
        raise HostKeyError(f"{path}: not a readable private key: {_why(error)}") from None
    if key.isPublic():
        raise HostKeyError(f"{path}: a public key; name the private one")
    if key.sshType() not in HOST_SIGNATURES:
        raise HostKeyError(f"{path}: this key type is not supported")
    if key.type() == "RSA" and key.size() < RSA_BITS:
        raise HostKeyError(f"{path}: RSA key of {key.size()} bits, not {RSA_BITS} or more")
    return HostKey(path, key)


def _why(error: Exception) -> str:
    return "it is encrypted" if "ncrypted" in type(error).__name__ else type(error).__name__


def make_host_key(path: Path) -> HostKey:
    """Make an ed25519 key at `path`, its public half beside it as `.pub`, both 0600."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Key(Ed25519PrivateKey.generate())  # type: ignore[no-untyped-call]
    made = HostKey(path, key)
    public = made.public.toString("openssh", comment="vspc")
    private = key.toString("openssh", subtype="v1", comment="vspc")
    try:
        replace(path.with_name(path.name + ".pub"), public + b"\n")
        replace(path, private)
    except OSError as error:
        raise HostKeyError(f"{path}: cannot be made: {error.strerror}") from None
    return made


def host_keys(paths: Sequence[Path], state_dir: Path) -> tuple[HostKey, ...]:
    """The keys at `paths`; without any the one in `state_dir`, made if it is not there.

    One key of each type is used; a second one is an error. Raises `HostKeyError`.
    """
    if not paths:
        path = state_dir / HOST_KEY_NAME
        return (load_host_key(path) if path.exists() else make_host_key(path),)
    loaded = tuple(load_host_key(path) for path in paths)
    kinds = [key.kind for key in loaded]
    for key, kind in zip(loaded, kinds, strict=True):
        if kinds.count(kind) > 1:
            raise HostKeyError(f"{key.path}: another host key has the same type")
    return loaded


PROVE = b"hostkeys-prove-00@openssh.com"


def prove_host_keys(
    asked: SshReader, keys: Sequence[HostKey], session: bytes, agreed: bytes
) -> list[bytes] | None:
    """A signature for each key that is asked for; None where one is none of `keys`.

    So a client that knows one of them accepts another one without a question (OpenSSH's PROTOCOL
    2.5). `agreed` is the host key algorithm of the key exchange: an RSA key signs by it if it can.
    No key is signed with twice. Raises `MalformedSsh`.
    """
    left = {key.blob: key for key in keys}
    proofs = []
    while not asked.ended:
        blob = asked.string()
        key = left.pop(blob, None)
        if key is None:
            return None
        name = agreed if agreed in key.signatures else key.signatures[0]
        text = string(PROVE) + string(session) + string(blob)
        proofs.append(bytes(key.key.sign(text, signatureType=name)))
    return proofs or None

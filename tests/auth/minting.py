"""Certificates and revocation lists for tests: by the real ssh-keygen, and byte by byte."""

import base64
import os
import subprocess
from hashlib import sha256
from pathlib import Path

from attrs import field, frozen
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.programs import require
from vspc.config.credentials import AuthorizedKey
from vspc.wire.ssh import string

AFTER, BEFORE = 1_900_000_000, 1_900_003_600
"""When a certificate is valid that says nothing else."""

VALIDITY = f"{AFTER:#x}:{BEFORE:#x}"
"""The same for `ssh-keygen -V`."""

NOW = AFTER + 60.0

PERMISSIONS = {b"permit-port-forwarding": b"", b"permit-pty": b""}


def blob_of(line: str) -> bytes:
    """The blob in a `.pub` file."""
    return base64.b64decode(line.split()[1])


def line_of(blob: bytes) -> str:
    """A `.pub` file with `blob`."""
    kind = blob[4 : 4 + int.from_bytes(blob[:4], "big")].decode()
    return f"{kind} {base64.b64encode(blob).decode()} made"


def trusted(blob: bytes) -> AuthorizedKey:
    """An authority's key as the configuration has it."""
    return AuthorizedKey(line_of(blob).split()[0], blob, "")


class Workshop:
    """ssh-keygen in a directory of its own; the test is skipped where there is none."""

    def __init__(self, directory: str) -> None:
        [self._program] = require("ssh-keygen")
        self.path = Path(directory)
        self.path.mkdir()

    def run(self, *words: str) -> None:
        """`ssh-keygen WORDS`, quietly, in the directory."""
        subprocess.run(
            [str(self._program), "-q", *words],
            check=True,
            cwd=self.path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            env=os.environ | {"TZ": "UTC"},
        )

    def key(self, name: str, kind: str = "ed25519", bits: int | None = None) -> bytes:
        """Make a key pair; the public blob."""
        size = ["-b", str(bits)] if bits else []
        self.run("-t", kind, *size, "-N", "", "-C", name, "-f", name)
        return self.public(name)

    def bring(self, name: str, blob: bytes) -> None:
        """Put a public key there of which there is no private one."""
        (self.path / f"{name}.pub").write_text(line_of(blob) + "\n")

    def public(self, name: str) -> bytes:
        """The blob in NAME.pub."""
        return blob_of((self.path / f"{name}.pub").read_text())

    def sign(self, ca: str, name: str, *words: str, names: str = "alice") -> bytes:
        """A certificate for NAME.pub; the key ID is `alice@laptop` unless `words` say another."""
        known = ("-I", "alice@laptop", "-V", VALIDITY)
        principals = ("-n", names) if names else ()
        self.run("-s", ca, *known, *principals, *words, f"{name}.pub")
        return self.public(f"{name}-cert")

    def revoke(self, text: str, *words: str) -> bytes:
        """A key revocation list of what `text` says; `-u` in `words` adds to the last one."""
        (self.path / "revoke").write_text(text)
        self.run("-k", "-f", "list", *words, "revoke")
        return (self.path / "list").read_bytes()


@frozen
class Token:
    """A FIDO token of software: an ed25519 key, and for whom it signs."""

    private: Ed25519PrivateKey = field(factory=Ed25519PrivateKey.generate)
    application: bytes = b"ssh:"
    flags: int = 1  # touched; 4: it has asked for a PIN, or seen a finger

    @property
    def blob(self) -> bytes:
        raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return string(b"sk-ssh-ed25519@openssh.com") + string(raw) + string(self.application)

    def sign(self, data: bytes) -> bytes:
        flags = bytes([self.flags]) + b"\x00\x00\x00\x07"  # its seventh signature
        whole = sha256(self.application).digest() + flags + sha256(data).digest()
        raw = self.private.sign(whole)
        return string(b"sk-ssh-ed25519@openssh.com") + string(raw) + flags


@frozen
class CurveToken:
    """The same with a NIST curve, as the first tokens had it."""

    private: ec.EllipticCurvePrivateKey = field(
        factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    application: bytes = b"ssh:"
    flags: int = 1

    @property
    def blob(self) -> bytes:
        kind = Encoding.X962, PublicFormat.UncompressedPoint
        fields = b"nistp256", self.private.public_key().public_bytes(*kind), self.application
        return b"".join(map(string, (b"sk-ecdsa-sha2-nistp256@openssh.com", *fields)))

    def sign(self, data: bytes) -> bytes:
        flags = bytes([self.flags]) + b"\x00\x00\x00\x07"
        whole = sha256(self.application).digest() + flags + sha256(data).digest()
        pair = utils.decode_dss_signature(self.private.sign(whole, ec.ECDSA(hashes.SHA256())))
        raw = b"".join(
            string(number.to_bytes(33, "big").lstrip(b"\0"))
            if not _high(number)
            else string(number.to_bytes(33, "big"))
            for number in pair
        )
        return string(b"sk-ecdsa-sha2-nistp256@openssh.com") + string(raw) + flags


def _high(number: int) -> bool:
    """Whether a number's first bit would make it negative."""
    return number.bit_length() % 8 == 0


@frozen
class Plain:
    """An ed25519 key."""

    private: Ed25519PrivateKey = field(
        factory=lambda: Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    )

    @property
    def blob(self) -> bytes:
        raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return string(b"ssh-ed25519") + string(raw)

    def sign(self, data: bytes) -> bytes:
        return string(b"ssh-ed25519") + string(self.private.sign(data))


Signer = Plain | Token | CurveToken


@frozen
class Mint:
    """A certificate of any content, even one that ssh-keygen would not make."""

    ca: Signer = field(factory=Plain)
    key: bytes = field(factory=lambda: Plain().blob)
    serial: int = 7
    type: int = 1
    key_id: bytes = b"alice@laptop"
    principals: tuple[bytes, ...] = (b"alice",)
    after: int = AFTER
    before: int = BEFORE
    options: tuple[tuple[bytes, bytes], ...] = ()
    extensions: tuple[tuple[bytes, bytes], ...] = tuple(PERMISSIONS.items())
    authority: bytes | None = None

    @property
    def blob(self) -> bytes:
        size = 4 + int.from_bytes(self.key[:4], "big")
        kind = self.key[4:size].removesuffix(b"@openssh.com") + b"-cert-v01@openssh.com"
        data = (
            string(kind)
            + string(b"n" * 32)
            + self.key[size:]
            + self.serial.to_bytes(8, "big")
            + self.type.to_bytes(4, "big")
            + string(self.key_id)
            + string(b"".join(map(string, self.principals)))
            + self.after.to_bytes(8, "big")
            + self.before.to_bytes(8, "big")
            + string(b"".join(_pair(*each) for each in self.options))
            + string(b"".join(_pair(*each) for each in self.extensions))
            + string(b"")
            + string(self.ca.blob if self.authority is None else self.authority)
        )
        return data + string(self.ca.sign(data))


def _pair(name: bytes, value: bytes) -> bytes:
    return string(name) + string(string(value) if value else b"")

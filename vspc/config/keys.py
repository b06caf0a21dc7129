"""Public keys of operators: the lines of an authorized_keys file, with their options.

No message repeats what was read: it could be a private key, put there by mistake (law 7).
"""

import base64
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import NewType

from attrs import evolve, field, frozen

from vspc.common.textfile import examine, lines, located, read_text
from vspc.common.values import InvalidLines, InvalidValue
from vspc.config.keyoptions import KeyOptions, key_options, split_options
from vspc.wire.ssh import SshReader

KEYS_FILE_LIMIT = 1024 * 1024
"""Bytes of an authorized_keys file."""

RSA_BITS = 2048
"""Bits that an RSA key needs to log in."""

KEY_FIELDS: Mapping[str, int] = MappingProxyType(
    {
        "ssh-ed25519": 1,
        "ecdsa-sha2-nistp256": 2,
        "ecdsa-sha2-nistp384": 2,
        "ecdsa-sha2-nistp521": 2,
        "ssh-rsa": 2,
        "sk-ssh-ed25519@openssh.com": 2,
        "sk-ecdsa-sha2-nistp256@openssh.com": 3,
    }
)
"""Strings that follow the type in a key's blob (RFC 4253 section 6.6, 5656, 8709; PROTOCOL.u2f)."""

KEY_TYPES = tuple(KEY_FIELDS)
"""Types of keys that an operator can log in with."""

_CERTIFICATE = re.compile(r"(?:sk-)?(?:ssh|ecdsa)-[a-z0-9-]+-cert-v0[01]@openssh\.com\s")

_ALLOWED = 'a key is written "ssh-ed25519 AAAA... comment", as in the .pub file'


@frozen
class AuthorizedKey:
    """One public key: its type, its blob (RFC 4253 section 6.6), its comment, its options.

    `line`: its line in the file, from 1; 0 in the configuration itself.
    """

    kind: str
    blob: bytes
    comment: str
    options: KeyOptions = field(factory=KeyOptions)
    line: int = field(default=0, eq=False)


@frozen
class KeysFile:
    """An authorized_keys file, and the keys that were in it."""

    path: Path
    keys: tuple[AuthorizedKey, ...]


Authority = NewType("Authority", AuthorizedKey)
"""A key that signs certificates; it has no options."""

AuthoritiesFile = NewType("AuthoritiesFile", KeysFile)
"""A file of such keys."""


def authority(value: object) -> Authority:
    """The key of an authority, one line. Raises `InvalidValue`, also for options before it."""
    key = authorized_key(value)
    if key.options != KeyOptions():
        raise InvalidValue("options before the key of an authority", "write the key alone")
    return Authority(key)


def authorities_file(path: Path) -> AuthoritiesFile:
    """As `keys_file`, of authorities."""
    return AuthoritiesFile(keys_file(path, authority))


def fingerprint(blob: bytes) -> str:
    """A public key's fingerprint as OpenSSH prints it: `SHA256:...`, without padding."""
    digest = base64.b64encode(sha256(blob).digest()).decode("ascii")
    return "SHA256:" + digest.rstrip("=")


def authorized_key(value: object) -> AuthorizedKey:
    """One line of an authorized_keys file."""
    if not isinstance(value, str):
        raise InvalidValue("not text", _ALLOWED)
    if "PRIVATE KEY" in value:
        raise InvalidValue("a private key instead of a public key", _ALLOWED)
    key, options = value.strip(), KeyOptions()
    if _CERTIFICATE.match(key):
        allowed = "the client presents it; add its authority to [ssh.certificates]"
        raise InvalidValue("a certificate instead of a key", allowed)
    if key and key.split(None, 1)[0] not in KEY_FIELDS and any(kind in key for kind in KEY_FIELDS):
        front, key = split_options(key)
        options = key_options(front)
    return evolve(_bare(key), options=options)


def _bare(line: str) -> AuthorizedKey:
    """A key without options, as in a `.pub` file."""
    words = line.split(None, 2)
    if not words or words[0] not in KEY_FIELDS:
        raise InvalidValue("not a public key", _advice(line))
    try:
        blob = base64.b64decode(words[1] if len(words) > 1 else "", validate=True)
        reader, parts = SshReader(blob), list[bytes]()
        while not reader.ended:
            parts.append(reader.string())
    except ValueError:
        raise InvalidValue(f"incomplete or damaged key after {words[0]}", _ALLOWED) from None
    _examine(words[0], parts)
    return AuthorizedKey(words[0], blob, words[2] if len(words) > 2 else "")


def _advice(line: str) -> str:
    if line.endswith(".pub") or line.startswith(("/", "~", "./")):
        return "set authorized_keys_file to name a file"
    return f"{_ALLOWED}; types: {', '.join(KEY_TYPES)}"


def _examine(kind: str, parts: list[bytes]) -> None:
    if parts and parts[0] != kind.encode():
        raise InvalidValue(f"the key after {kind} is of another type", _ALLOWED)
    if len(parts) != 1 + KEY_FIELDS[kind] or not all(parts):
        raise InvalidValue(f"incomplete or damaged key after {kind}", _ALLOWED)
    if kind == "ssh-rsa" and int.from_bytes(parts[2], "big").bit_length() < RSA_BITS:
        raise InvalidValue("the RSA key is too short", f"at least {RSA_BITS} bits are required")


Read = Callable[[object], AuthorizedKey]
"""Reads one line."""


def keys_file(path: Path, read: Read = authorized_key) -> KeysFile:
    """The keys in `path`; comments and empty lines are skipped. Raises `InvalidValue` or
    `InvalidLines`.
    """
    text = read_text(path, KEYS_FILE_LIMIT)
    if "PRIVATE KEY" in text:
        raise located(path, InvalidValue("a private key", "name the .pub file instead"))
    keys, wrongs = key_lines(text, read)
    if wrongs:
        raise InvalidLines([located(path, wrong) for wrong in wrongs])
    return KeysFile(path, tuple(keys))


def key_lines(
    text: str, read: Read = authorized_key
) -> tuple[list[AuthorizedKey], list[InvalidValue]]:
    """The keys in the text of an authorized_keys file, and what is wrong in which line of it."""
    keys, wrongs = [], []
    for number, line in lines(text):
        try:
            examine(line)
            keys.append(evolve(read(line), line=number))
        except InvalidValue as wrong:
            wrongs.append(InvalidValue(f"line {number}: {wrong.problem}", wrong.allowed))
    return keys, wrongs

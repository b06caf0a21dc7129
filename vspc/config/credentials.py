"""What operators log in with: public keys, in the lines of an authorized_keys file with their
options; hashes of passwords; secrets of one-time passwords.

No message repeats what was read: it is secret, or a private key put there by mistake (law 7).
"""

import binascii
import re
from base64 import b32decode, b64decode, b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import NewType

from attrs import evolve, field, frozen

from vspc.common.textfile import examine, lines, located, naming, read, read_text, text_of
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


KeysFile = NewType("KeysFile", tuple[AuthorizedKey, ...])
"""The keys in an authorized_keys file."""

Authority = NewType("Authority", AuthorizedKey)
"""A key that signs certificates; it has no options."""

AuthoritiesFile = NewType("AuthoritiesFile", tuple[AuthorizedKey, ...])
"""Those in a file."""


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
    digest = b64encode(sha256(blob).digest()).decode("ascii")
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
        blob = b64decode(words[1] if len(words) > 1 else "", validate=True)
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


ReadLine = Callable[[object], AuthorizedKey]
"""Reads one line."""


def keys_file(path: Path, read_line: ReadLine = authorized_key) -> KeysFile:
    """The keys in `path`; comments and empty lines are skipped. Raises `InvalidValue` or
    `InvalidLines`.
    """
    text = read_text(path, KEYS_FILE_LIMIT)
    if "PRIVATE KEY" in text:
        raise located(path, InvalidValue("a private key", "name the .pub file instead"))
    keys, wrongs = key_lines(text, read_line)
    if wrongs:
        raise InvalidLines([located(path, wrong) for wrong in wrongs])
    return KeysFile(tuple(keys))


def key_lines(
    text: str, read_line: ReadLine = authorized_key
) -> tuple[list[AuthorizedKey], list[InvalidValue]]:
    """The keys in the text of an authorized_keys file, and what is wrong in which line of it."""
    keys, wrongs = [], []
    for number, line in lines(text):
        try:
            examine(line)
            keys.append(evolve(read_line(line), line=number))
        except InvalidValue as wrong:
            wrongs.append(InvalidValue(f"line {number}: {wrong.problem}", wrong.allowed))
    return keys, wrongs


# Passwords and one-time passwords

SECRET_FILE_LIMIT = 64 * 1024
"""Bytes of a file, of which only the first line counts."""

_PHC = re.compile(
    r"\$argon2id\$v=19\$m=(?P<m>[1-9][0-9]{0,9}),t=(?P<t>[1-9][0-9]{0,9}),p=(?P<p>[1-9][0-9]{0,9})"
    r"\$(?P<salt>[A-Za-z0-9+/]{1,128})\$(?P<hash>[A-Za-z0-9+/]{1,128})",
    re.ASCII,
)

LEAST_SALT, LEAST_HASH = 8, 16
"""Bytes."""

LEAST_BITS, MOST_BITS = 128, 1024
"""Of a secret for one-time codes; RFC 4226 section 4, R6."""


@frozen
class Cost:
    """The cost of a hash: KiB of memory, passes over it, lanes."""

    memory: int
    passes: int
    lanes: int

    def __str__(self) -> str:
        return f"m={self.memory},t={self.passes},p={self.lanes}"


COST = Cost(64 * 1024, 3, 4)
"""RFC 9106 section 4, the second choice."""

MOST = Cost(256 * 1024, 10, 16)
"""With a more expensive hash one login would exhaust the machine."""

LEAST_MEMORY, LEAST_WORK = 7 * 1024, 5 * 7 * 1024
"""KiB, and KiB times passes: a cheaper hash is guessed too quickly if its file is stolen."""


@frozen
class PasswordHash:
    """An argon2id hash as `vspc hash-password` prints it (PHC string format)."""

    text: str = field(repr=False)


@frozen
class TotpSecret:
    """The secret of a one-time password generator (RFC 6238), in base32, without padding."""

    text: str = field(repr=False)


HashFile = NewType("HashFile", PasswordHash)
"""The hash in the first line of a file."""

TotpFile = NewType("TotpFile", TotpSecret)
"""The secret in the first line of a file."""


def hash_file(path: Path) -> HashFile:
    """The hash in the first line of `path`."""
    with naming(path):
        return HashFile(password_hash(first_line(path)))


def totp_file(path: Path) -> TotpFile:
    """The secret in the first line of `path`."""
    with naming(path):
        return TotpFile(totp_secret(first_line(path)))


def password_hash(value: object) -> PasswordHash:
    """A hash, neither too cheap nor too expensive. Raises `InvalidValue`, above all for a password
    in clear.
    """
    allowed = "run `vspc hash-password` to make one"
    match = _PHC.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise InvalidValue("not an argon2id hash", allowed)
    if _length(match["salt"]) < LEAST_SALT or _length(match["hash"]) < LEAST_HASH:
        raise InvalidValue("the salt or the hash is incomplete or damaged", allowed)
    _examine_cost(_cost(match))
    return PasswordHash(match[0])


def cost_of(text: str) -> Cost | None:
    """The cost of the hash `text`; None if it is not a hash."""
    match = _PHC.fullmatch(text)
    return None if match is None else _cost(match)


def _cost(match: re.Match[str]) -> Cost:
    return Cost(int(match["m"]), int(match["t"]), int(match["p"]))


def _length(text: str) -> int:
    """Bytes in base64 without padding; 0 if it is damaged."""
    try:
        data = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return 0
    # Bits beyond the last byte must be 0, as in the decoder of argon2.
    return len(data) if b64encode(data).rstrip(b"=") == text.encode() else 0


def _examine_cost(cost: Cost) -> None:
    memory, passes, lanes = cost.memory, cost.passes, cost.lanes
    if memory > MOST.memory or passes > MOST.passes or lanes > MOST.lanes:
        raise InvalidValue("the hash is too expensive", f"at most {MOST} is allowed")
    if memory < LEAST_MEMORY or memory * passes < LEAST_WORK or memory < 8 * lanes:
        raise InvalidValue("the hash is too cheap to protect a password", f"recommended: {COST}")


def totp_secret(value: object) -> TotpSecret:
    """A secret of at least `LEAST_BITS`; spaces, hyphens, padding and case do not matter."""
    bare = "".join(value.split()).replace("-", "").rstrip("=") if isinstance(value, str) else ""
    secret = bare.upper() if bare.isascii() else ""
    allowed = f"expected at least {LEAST_BITS // 8} bytes in base32: 26 letters or digits 2 to 7"
    try:
        bits = 8 * len(b32decode(secret + "=" * (-len(secret) % 8)))
    except ValueError:
        bits = 0
    if not bits:
        raise InvalidValue("not a secret in base32", allowed)
    if not LEAST_BITS <= bits <= MOST_BITS:
        raise InvalidValue(f"the secret has {bits} bits", allowed)
    return TotpSecret(secret)


def first_line(path: Path) -> str:
    """The first line of a file that only its owner and its group can read."""
    content = read(path, SECRET_FILE_LIMIT)
    if content.mode & 0o027:
        raise InvalidValue("accessible by other users", "chmod 600 or 640 is required")
    line = text_of(content.data).split("\n", 1)[0].strip()
    examine(line)
    return line

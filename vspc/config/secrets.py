"""Secret values: hashes of passwords, and secrets of one-time passwords.

They are read with the configuration; no message repeats what was read (law 7).
"""

import binascii
import re
from base64 import b32decode, b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from attrs import field, frozen

from vspc.common.textfile import examine, naming, read, text_of
from vspc.common.values import InvalidValue

T = TypeVar("T")

FILE_LIMIT = 64 * 1024
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


@frozen
class HashFile:
    """A file, and the hash that was in it."""

    path: Path
    hash: PasswordHash


@frozen
class TotpFile:
    """A file, and the secret that was in it."""

    path: Path
    secret: TotpSecret


def hash_file(path: Path) -> HashFile:
    """The hash in the first line of `path`."""
    return HashFile(path, _named(path, password_hash))


def totp_file(path: Path) -> TotpFile:
    """The secret in the first line of `path`."""
    return TotpFile(path, _named(path, totp_secret))


def _named(path: Path, value: Callable[[object], T]) -> T:
    with naming(path):
        return value(first_line(path))


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
    content = read(path, FILE_LIMIT)
    if content.mode & 0o027:
        raise InvalidValue("accessible by other users", "chmod 600 or 640 is required")
    line = text_of(content.data).split("\n", 1)[0].strip()
    examine(line)
    return line

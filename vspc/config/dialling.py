"""Consoles that the server connects to: where, under which name, and many of them in one table.

`{n}` in a name or in `connect` is the number of an entry, from 1, `{4000+n}` that number behind a
base.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NewType

from attrs import field, frozen

from vspc.common.serial import FlowControl, Parity, StopBits
from vspc.common.values import InvalidValue
from vspc.config.mistakes import shown
from vspc.config.values import Readable
from vspc.wire.uri import DIAL_SCHEMES, RemoteUri, Scheme, digest

When = Literal["always", "attached"]
ParityWord = Literal["none", "odd", "even", "mark", "space"]
FlowWord = Literal["none", "xon/xoff", "rts/cts"]

Connect = NewType("Connect", str)
"""A URI, or "unix:" and an absolute path; either may have numbers to be filled in."""

Thumbprint = NewType("Thumbprint", bytes)
"""A certificate's digest, SHA-1 or SHA-256."""

UNIX = "unix:"

PATH_LIMIT = 107
"""Bytes of the path of a Unix socket (unix(7))."""

COUNT = 1000
"""Entries of one table."""

DIALS = 4096
"""Entries of all tables together."""

_NUMBER = re.compile(r"\{(?:([0-9]{1,9})\+)?n\}", re.ASCII)

_TEMPLATES = "only {n} and {BASE+n}, as {4000+n}, may stand in braces"

_ALLOWED = (
    'expected "tcp://HOST:PORT", "telnet://HOST:PORT", "telnets://HOST:PORT", '
    '"rfc2217://HOST:PORT" or "unix:PATH"'
)


def is_template(text: str) -> bool:
    """Whether there are numbers to be filled in."""
    return _NUMBER.search(text) is not None


def filled_in(text: str, number: int) -> str:
    """`text` for the entry with that number, from 1."""
    return _NUMBER.sub(lambda match: str(int(match[1] or 0) + number), text)


def examine_braces(text: str) -> None:
    """InvalidValue for braces that are not filled in."""
    if re.search(r"[{}]", filled_in(text, 1)):
        raise InvalidValue(f"{shown(text)} has braces", _TEMPLATES)


@frozen
class PortWishes:
    """What a serial port is set to; None: as it is."""

    speed: int | None = None
    data_bits: int | None = None
    parity: Parity | None = None
    stop_bits: StopBits | None = None
    flow: FlowControl | None = None


@frozen
class DialledEntry:
    """One console that the server connects to, at `remote` or at the Unix socket `path`."""

    name: str
    remote: RemoteUri | None
    path: str = ""
    when: When = "always"
    wishes: PortWishes = field(factory=PortWishes)
    ca: Readable | None = None
    thumbprint: bytes = b""
    certificate: Readable | None = None
    private_key: Readable | None = None

    @property
    def uri(self) -> str:
        """As `connect` has it."""
        return f"{UNIX}{self.path}" if self.remote is None else str(self.remote)

    @property
    def scheme(self) -> Scheme | None:
        """None: a Unix socket."""
        return None if self.remote is None else self.remote.scheme


def remote_of(connect: str) -> RemoteUri | None:
    """The remote system of a `connect` without numbers to be filled in; None: a Unix socket. Raises
    InvalidValue.
    """
    if connect.startswith(UNIX):
        return None
    if "://" not in connect:
        raise InvalidValue(f"{shown(connect)} has no scheme", _ALLOWED)
    if "#" in connect or "?" in connect:
        allowed = "thumbprint, ca, speed and so on are keys of the table"
        raise InvalidValue(f"{shown(connect)} has options behind the port", allowed)
    return RemoteUri.parse(connect, DIAL_SCHEMES)


def connect(value: object, base: Path) -> Connect:
    """Where to connect; the path of a Unix socket is relative to `base`."""
    if not isinstance(value, str):
        raise InvalidValue(f"{shown(value)} is not a remote system", _ALLOWED)
    examine_braces(value)
    if value.startswith(UNIX):
        path = str(base / value.removeprefix(UNIX))
        if value == UNIX or "\0" in value:
            raise InvalidValue(f"{shown(value)} has no path", _ALLOWED)
        if len(path.encode("utf-8", "surrogatepass")) > PATH_LIMIT:
            allowed = f"the path of a Unix socket has at most {PATH_LIMIT} bytes"
            raise InvalidValue(f"{shown(path)} is too long", allowed)
        return Connect(UNIX + path)
    remote_of(filled_in(value, 1))
    return Connect(value)


def thumbprint(value: object) -> Thumbprint:
    """A certificate's digest in hex."""
    if not isinstance(value, str):
        raise InvalidValue(f"{shown(value)} is not a thumbprint", 'write "AB:CD:..."')
    return Thumbprint(digest(value))


def stop_bits(value: object) -> StopBits:
    """1, 1.5 or 2."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        for each in StopBits:
            if str(value) in (each.value, f"{each.value}.0"):
                return each
    raise InvalidValue(f"{shown(value)} is not a number of stop bits", "1, 1.5 and 2 are allowed")


PARITIES: Mapping[str, Parity] = MappingProxyType(
    {
        "none": Parity.NONE,
        "odd": Parity.ODD,
        "even": Parity.EVEN,
        "mark": Parity.MARK,
        "space": Parity.SPACE,
    }
)
"""The words for parities."""

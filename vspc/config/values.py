"""Values as people write them: "64KiB", "7d", "10.0.0.0/8", "tcp:2222". Raise `InvalidValue`.

`readable` and `program` look at the disk; nothing else does.
"""

import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType
from typing import NewType

import re2
from attrs import frozen

from vspc.common.addresses import Network, parse_network
from vspc.common.text import safe
from vspc.common.values import InvalidValue, parse_duration, parse_size, written_size
from vspc.config.mistakes import shown

Size = NewType("Size", int)
"""Bytes."""

Duration = NewType("Duration", float)
"""Seconds."""


@frozen
class Consoles:
    """A file with a pattern of consoles in each line, those that were in it, and in which line."""

    path: Path
    patterns: "tuple[Pattern, ...]"
    lines: tuple[int, ...] = ()


@frozen
class ProgramPath:
    """A program and its arguments, without a shell."""

    words: tuple[str, ...]


@frozen
class Floor:
    """Space on a disk that stays free: the larger of `size` bytes and `percent` of the disk."""

    size: int
    percent: float

    def of(self, disk: int) -> int:
        """Bytes, of a disk of `disk` bytes."""
        return max(self.size, int(disk * self.percent / 100))


EscapeKey = NewType("EscapeKey", bytes)
"""The key before an escape command, as the one byte that it sends: a control key, or `CONMAN`;
empty: none.
"""

DEFAULT_ESCAPE = EscapeKey(b"\x05")

CONMAN = EscapeKey(b"&")
"""Of conman's family of escape commands."""

Endpoint = NewType("Endpoint", str)
"""A Twisted server endpoint string."""

Readable = NewType("Readable", Path)
"""A file that was readable when the configuration was read."""

StateFile = NewType("StateFile", Path)
"""A file that is in state_dir unless its path says otherwise."""

Pattern = NewType("Pattern", str)
"""A pattern of consoles: a glob, "zone/glob" or "uuid:HEX"."""

Who = NewType("Who", str)
"""An operator, "@group" or "*"."""

Expression = NewType("Expression", str)
"""A regular expression of RE2, which takes linear time."""

Target = NewType("Target", str)
"""Where to write: a path, "unix:PATH", "tcp:HOST:PORT", "tls:HOST:PORT" or "udp:HOST:PORT"."""

EXPRESSION_LIMIT = 1000
"""Characters of a regular expression."""

_SIZE_ALLOWED = 'a size is written "64KiB", "256MiB" or "1GiB"'
_DURATION_ALLOWED = 'a time is a number of seconds, or "30s", "10m", "12h", "7d"'
_ENDPOINT_ALLOWED = (
    'an endpoint is written "tcp:2222", "tcp:2222:interface=10.0.0.1", "tcp6:2222", '
    '"unix:/path" or "systemd:domain=INET:index=0"'
)
_ESCAPE_ALLOWED = (
    'a control key is allowed, written "^E" or "^]", but not ^M, ^J and ^[, which Enter and the '
    'arrow keys send; or "conman", or "none"'
)
_NETWORK_ALLOWED = (
    'a network is written "10.0.0.0/8" or "2001:db8::/32", one address without the slash'
)

_ENDPOINTS = re.compile(
    r"tcp6?:(?P<port>[0-9]{1,5})(:interface=[0-9A-Za-z.\\:%]+)?(:backlog=[0-9]{1,5})?"
    r"|unix:(?P<path>[^:\0]+)(?P<rest>(:\w+=[^:]*)*)"
    r"|systemd:domain=\w+(:\w+=[^:]*)+",
    re.ASCII,
)


def size(value: object) -> Size:
    """Bytes, from text with a unit."""
    found = parse_size(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidValue(f"{shown(value)} is not a size", _size_meant(value) or _SIZE_ALLOWED)
    return Size(found)


def _size_meant(value: object) -> str:
    """How a number is probably to be written."""
    digits = str(value) if type(value) is int else value
    if isinstance(digits, str) and re.fullmatch(r"[1-9][0-9]{0,14}", digits, re.ASCII):
        return f'write "{written_size(int(digits))}", with its unit'
    return ""


def floor(value: object) -> Floor:
    """A size, or a part of the disk."""
    percent = r"([0-9]{1,2}(?:\.[0-9]{1,2})?) ?%"
    match = re.fullmatch(percent, value) if isinstance(value, str) else None
    if match is not None:
        return Floor(0, float(match[1]))
    try:
        return Floor(size(value), 0.0)
    except InvalidValue:
        raise InvalidValue(
            f"{shown(value)} is not an amount of space", 'expected "1GiB" or "5%" of the disk'
        ) from None


def duration(value: object) -> Duration:
    """Seconds, from a number or from text with a unit."""
    is_bare = isinstance(value, str) and re.fullmatch(r"[0-9.]+", value, re.ASCII)
    found: float | None = None
    with suppress(OverflowError):
        if isinstance(value, int | float) and not isinstance(value, bool):
            found = float(value)
        elif isinstance(value, str) and not is_bare:
            found = parse_duration(value)
    if found is None:
        meant = f'write {value}, without quotes, or "{value}s"' if is_bare else _DURATION_ALLOWED
        raise InvalidValue(f"{shown(value)} is not a duration", meant)
    return Duration(found)


_ESCAPE_WORDS = MappingProxyType({"none": EscapeKey(b""), "conman": CONMAN})


def escape_key(value: object) -> EscapeKey:
    """A control key, written `^X`, conman's key, or none."""
    if isinstance(value, str) and value.lower() in _ESCAPE_WORDS:
        return _ESCAPE_WORDS[value.lower()]
    match = re.fullmatch(r"\^([@A-Za-z\\\]_^])", value) if isinstance(value, str) else None
    key = b"" if match is None else bytes((ord(match[1].upper()) - 64,))
    if match is None or key in b"\r\n":
        raise InvalidValue(f"{shown(value)} is not an escape key", _ESCAPE_ALLOWED)
    return EscapeKey(key)


def endpoint(value: object, base: Path) -> Endpoint:
    """An endpoint string, by its shape; the path of a Unix socket is relative to `base`."""
    match = _ENDPOINTS.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match["port"] or 0) > 65535:
        port = re.fullmatch(r"[1-9][0-9]{0,4}", str(value), re.ASCII)
        meant = f'write "tcp:{value}"' if port and int(port[0]) < 65536 else _ENDPOINT_ALLOWED
        raise InvalidValue(f"{shown(value)} is not an endpoint", meant)
    if match["path"] is None:
        return Endpoint(match[0])
    path = str(base).replace("\\", "\\\\").replace(":", "\\:")
    return Endpoint(f"unix:{Path(path) / match['path']}{match['rest']}")


def expression(value: object) -> Expression:
    """A regular expression that can be used on the bytes of a console."""
    allowed = "expected a regular expression of RE2 (github.com/google/re2/wiki/Syntax)"
    if not isinstance(value, str) or not value or len(value) > EXPRESSION_LIMIT:
        raise InvalidValue(f"{shown(value)} is not a regular expression", allowed)
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(value, options)
    except re2.error:
        raise InvalidValue(f"{shown(value)} is not a regular expression", allowed) from None
    return Expression(value)


def target(value: object, base: Path) -> Target:
    """A path, relative to `base`, or a connection."""
    allowed = 'expected a path, "unix:PATH", "tls:HOST:PORT", "tcp:HOST:PORT" or "udp:HOST:PORT"'
    if not isinstance(value, str) or not value or "\0" in value:
        raise InvalidValue(f"{shown(value)} is not a target", allowed)
    kind, colon, rest = value.partition(":")
    if kind in ("tcp", "tls", "udp") and colon:
        host, _, port = rest.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port[:9]) < 65536:
            raise InvalidValue(f"{shown(value)} is not a target", allowed)
        return Target(value)
    if kind == "unix" and colon:
        return Target(f"unix:{place(rest, base)}")
    return Target(str(place(value, base)))


def network(value: object) -> Network:
    """A network or one address; v4-mapped ones as v4."""
    if not isinstance(value, str):
        raise InvalidValue(f"{shown(value)} is not a network", _NETWORK_ALLOWED)
    try:
        return parse_network(value)
    except ValueError:
        meant = _network_meant(value)
        hint = " (host bits are set)" if meant else ""
        allowed = f'did you mean "{meant}"? ' if meant else ""
        allowed += _NETWORK_ALLOWED
        raise InvalidValue(f"{shown(value)} is not a network{hint}", allowed) from None


def _network_meant(value: str) -> str:
    """The network of an address in it; empty where it is something else."""
    try:
        return str(ip_network(value, strict=False))
    except ValueError:
        return ""


def place(value: object, base: Path) -> Path:
    """A path, relative to `base`."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise InvalidValue(
            f"{shown(value)} is not a path", "expected the name of a file or directory"
        )
    return base / value


CREDENTIAL = "credential:"
"""Begins the name of a credential, in the place of a path."""

CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"
"""The variable by which systemd names the directory of a service's credentials."""

_CREDENTIAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)

_CREDENTIALS = Path("/run/credentials/vspc.service")
"""That directory, for other processes than the service."""

_STORE = Path("/etc/credstore")
"""Where our unit takes credentials from; there they have our name in front."""


def file_place(value: object, base: Path, environment: Mapping[str, str] | None = None) -> Path:
    """The path of a file to read, relative to `base`; `credential:NAME` is what systemd has given
    to the service by LoadCredential (systemd.exec(5)). Before the service has been started that is
    looked for where it will be taken from, for `vspc check`.
    """
    path = place(value, base)
    if not isinstance(value, str) or not value.startswith(CREDENTIAL):
        return path
    name = value.removeprefix(CREDENTIAL)
    if not _CREDENTIAL.fullmatch(name):
        allowed = 'expected such as "credential:tls.key"'
        raise InvalidValue(f"{shown(value)} is not a credential", allowed)
    given = (os.environ if environment is None else environment).get(CREDENTIALS_DIRECTORY)
    if given:
        return Path(given) / name
    stored = _STORE / f"vspc.{name}"
    return _CREDENTIALS / name if _exists(_CREDENTIALS / name) or not _exists(stored) else stored


def _exists(path: Path) -> bool:
    """Whether it is there, as far as this process may see."""
    try:
        return path.exists()
    except OSError:
        return False


def state_file(value: object) -> StateFile:
    """A path, relative to state_dir."""
    return StateFile(place(value, Path()))


_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def readable(value: object, base: Path) -> Readable:
    """A file that can be read now."""
    path = file_place(value, base)
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        problem = f"{safe(str(path))}: {error.strerror}"
        raise InvalidValue(problem, "expected a readable file") from None
    return Readable(path)


def program(value: object) -> ProgramPath:
    """A program to run: the absolute path of a file, then its arguments.

    As in sshd, only root and the user of the server may be able to change a program that decides
    about logins, or a directory above it. A sticky directory (/tmp) is allowed.
    """
    allowed = 'expected a list, such as ["/usr/libexec/vspc-pam", "vspc"]'
    if not isinstance(value, list) or not value:
        raise InvalidValue("not a list of words", allowed)
    if not all(isinstance(word, str) and "\0" not in word for word in value):
        raise InvalidValue("a word is not text", allowed)
    path = Path(value[0])
    if not path.is_absolute():
        raise InvalidValue(f"{shown(value[0])} is not an absolute path", allowed)
    try:
        _examine(path)
    except OSError as error:
        raise InvalidValue(
            f"{safe(str(path))}: {error.strerror}", "expected an executable program"
        ) from None
    return ProgramPath(tuple(value))


def _examine(path: Path) -> None:
    if not path.is_file() and path.exists():
        raise InvalidValue(
            f"{safe(str(path))}: not a regular file", "expected an executable program"
        )
    real = path.resolve(strict=True)
    for place_of in dict.fromkeys((real, *path.parents, *real.parents)):
        found = place_of.stat()
        shared = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
        if found.st_uid not in (0, os.geteuid()) or (found.st_mode & _OTHERS and not shared):
            allowed = "only root and the server's user may own or change it"
            raise InvalidValue(
                f"{safe(str(path))}: other users can change {safe(str(place_of))}", allowed
            )
    if not os.access(real, os.X_OK):
        raise InvalidValue(f"{safe(str(path))}: not executable", "expected an executable program")

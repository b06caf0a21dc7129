"""Where [[console.listen]] listens: addresses of sockets, and ranges of ports."""

import grp
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NewType

from attrs import frozen

from vspc.common.addresses import parse_address
from vspc.common.values import InvalidValue
from vspc.config.listening import ListeningAddress
from vspc.config.mistakes import shown

Interface = NewType("Interface", str)
"""The address of an interface of this machine."""

LOCALHOST = Interface("127.0.0.1")
"""Where a port listens unless an interface is named."""

PORTS = 4096
"""Ports of one range."""

_TCP = re.compile(r"tcp:([0-9]{1,5})(?::interface=([0-9A-Za-z.\\:%]+))?", re.ASCII)
_UNIX = re.compile(r"unix:([^:\0]+)((?::\w+=[^:]*)*)", re.ASCII)
_MODE = re.compile(r"0?[0-7]{3}", re.ASCII)
_RANGE = re.compile(r"([0-9]{1,5}) ?- ?([0-9]{1,5})", re.ASCII)
_ENDPOINT = re.compile(r"tcp6?:([0-9]{1,5})(?::interface=([0-9A-Za-z.\\:%]+))?", re.ASCII)

_ANYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104

_ALLOWED = (
    'expected "tcp:4001" (on 127.0.0.1), "tcp:4001:interface=10.0.0.1" or '
    '"unix:/run/vspc/web01:mode=660:group=lab"'
)


@frozen
class SocketAddress:
    """A port of an interface, or the path of a Unix socket with its mode and group (empty: that of
    the server).
    """

    interface: str = LOCALHOST
    port: int = 0
    path: str = ""
    mode: int = 0o600
    group: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        host = f"[{self.interface}]" if ":" in self.interface else self.interface
        return f"tcp:{host}:{self.port}"

    @property
    def place(self) -> tuple[str, int, str]:
        """What one listener only may have."""
        return self.interface, self.port, self.path

    @property
    def listening(self) -> ListeningAddress:
        """The same as of an endpoint string."""
        if self.path:
            return ListeningAddress("unix", self.path)
        return ListeningAddress("tcp", "" if self.interface == "::" else self.interface, self.port)

    def meets(self, other: "SocketAddress") -> bool:
        """Whether not both can be listened on."""
        if self.path or other.path:
            return self.path == other.path
        interfaces = {self.interface, other.interface}
        return self.port == other.port and (len(interfaces) == 1 or bool(interfaces & _ANYWHERE))

    def is_reached_by(self, place: str) -> bool:
        """Whether a connection to `place`, "HOST:PORT" or a path, certainly comes here."""
        if self.path:
            return place == self.path
        host, _, port = place.rpartition(":")
        hosts = {self.interface, f"[{self.interface}]"}
        if self.interface in _ANYWHERE:
            hosts |= {"localhost", LOCALHOST}
        elif self.is_local:
            hosts.add("localhost")
        return port == str(self.port) and host in hosts

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        found = parse_address(self.interface)
        return bool(self.path) or (found is not None and found.is_loopback)


@frozen
class PortRange:
    """Ports from `first` to `last`, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.last + 1))

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.first <= port <= self.last


def socket_address(value: object, base: Path) -> SocketAddress:
    """An address as `listen` has it; the path of a Unix socket is relative to `base`."""
    text = value if isinstance(value, str) else ""
    tcp, unix = _TCP.fullmatch(text), _UNIX.fullmatch(text)
    if tcp is not None:
        return SocketAddress(interface(_plain(tcp[2] or LOCALHOST)), _port(tcp[1], text))
    if unix is not None:
        return _unix(text, base / unix[1], unix[2])
    port = re.fullmatch(r"[1-9][0-9]{0,4}", str(value), re.ASCII)
    raise InvalidValue(
        f"{shown(value)} is not the address of a socket",
        f'write "tcp:{value}"' if port and int(port[0]) < 65536 else _ALLOWED,
    )


def _plain(interface: str) -> str:
    return interface.replace("\\:", ":")


def _port(digits: str, text: str) -> int:
    port = int(digits)
    if not 0 < port < 65536:
        raise InvalidValue(f"{shown(text)} has no valid port", "ports are 1 to 65535")
    return port


def _unix(text: str, path: Path, words: str) -> SocketAddress:
    mode, group = "600", ""
    for word in words.split(":")[1:]:
        key, _, value = word.partition("=")
        if key == "mode" and _MODE.fullmatch(value):
            mode = value
        elif key == "group" and value:
            group = value
        else:
            allowed = "mode=660 (three octal digits) and group=NAME may follow the path"
            raise InvalidValue(f"{shown(text)}: invalid {shown(word)}", allowed)
    if group:
        _examine_group(group)
    return SocketAddress("", 0, str(path), int(mode, 8), group)


def _examine_group(group: str) -> None:
    try:
        grp.getgrnam(group)
    except KeyError:
        raise InvalidValue(f"unknown group {shown(group)}", "a group of this machine") from None


def interface(value: object) -> Interface:
    """The address of an interface of this machine."""
    if not isinstance(value, str) or parse_address(value) is None:
        allowed = 'expected an IP address, such as "10.0.0.1"; "0.0.0.0" is every IPv4 address'
        raise InvalidValue(f"{shown(value)} is not an address", allowed)
    return Interface(value)


def port_range(value: object) -> PortRange:
    """A range as `ports` has it."""
    match = _RANGE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidValue(f"{shown(value)} is not a range of ports", 'expected "4001-4064"')
    first, last = int(match[1]), int(match[2])
    if not 0 < first <= last < 65536 or last - first >= PORTS:
        allowed = f"expected two ports from 1 to 65535, the lower one first, at most {PORTS} ports"
        raise InvalidValue(f"{shown(value)} is not a range of ports", allowed)
    return PortRange(first, last)


def taken_by(endpoint: object) -> SocketAddress | None:
    """What a listener of [vm] or [ssh] takes; None: nothing that is known."""
    match = _ENDPOINT.match(endpoint) if isinstance(endpoint, str) else None
    if match is not None and match[1] != "0":
        return SocketAddress(_plain(match[2] or ""), int(match[1]))
    unix = _UNIX.fullmatch(endpoint) if isinstance(endpoint, str) else None
    return None if unix is None else SocketAddress("", 0, unix[1])

"""Headers of the PROXY protocol, which a balancer sends on each connection. Pure.

"The PROXY protocol, Versions 1 & 2", HAProxy Technologies, sections 2.1 and 2.2. Twisted's
HAProxyWrappingFactory has no limit and no time-out, and raises on malformed headers.
"""

import struct
from ipaddress import IPv4Address, IPv6Address

from attrs import frozen

LIMIT = 536
"""Bytes of a header: 107 of version 1, 16 of version 2 with its addresses and small extensions."""

_LINE = 107
_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED = struct.Struct("!12sBBH")
_TCP4, _TCP6 = 0x11, 0x21
_PROXIED, _LOCAL = 0x21, 0x20


class MalformedHeader(ValueError):
    """An invalid header; the text says why and repeats nothing of it."""


@frozen
class Header:
    """The peer of a connection; `host` is None for the balancer's own (health checks).

    `size` is how many bytes the header took.
    """

    host: str | None
    port: int
    size: int


def parse(data: bytes) -> Header | None:
    """The header at the start of `data`; None if it is incomplete. Raises MalformedHeader."""
    if data[:1] == b"P":
        return _version_1(data)
    if data[: len(_SIGNATURE)] == _SIGNATURE[: len(data)]:
        return _version_2(data)
    raise MalformedHeader("neither version 1 nor version 2")


def _version_1(data: bytes) -> Header | None:
    end = data.find(b"\r\n", 0, _LINE)
    if end < 0:
        if len(data) >= _LINE or not b"PROXY ".startswith(data[:6]):
            raise MalformedHeader(f"no line of at most {_LINE} bytes")
        return None
    words = data[:end].split(b" ")
    if words[0] != b"PROXY" or len(words) < 2:
        raise MalformedHeader("not a PROXY line")
    if words[1] == b"UNKNOWN":
        return Header(None, 0, end + 2)
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise MalformedHeader("the line has no addresses of TCP4 or TCP6")
    kind = IPv4Address if words[1] == b"TCP4" else IPv6Address
    try:
        host, _ = (_address(kind, word) for word in words[2:4])
        port, _ = (_port(word) for word in words[4:6])
    except ValueError:
        raise MalformedHeader("invalid addresses or ports") from None
    return Header(str(host), port, end + 2)


def _address(kind: type[IPv4Address | IPv6Address], word: bytes) -> IPv4Address | IPv6Address:
    if b"%" in word:  # the zone of an IPv6 address may be any text
        raise ValueError("no address")
    return kind(word.decode("ascii"))


def _port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or int(word) > 65535:
        raise ValueError("no port")
    return int(word)


def _version_2(data: bytes) -> Header | None:
    if len(data) < _FIXED.size:
        return None
    _, command, family, length = _FIXED.unpack_from(data)
    size = _FIXED.size + length
    if command not in (_PROXIED, _LOCAL):
        raise MalformedHeader("the command of version 2 is neither PROXY nor LOCAL")
    if size > LIMIT:
        raise MalformedHeader(f"a header of {size} bytes; at most {LIMIT} are read")
    if len(data) < size:
        return None
    body = data[_FIXED.size : size]
    if command == _LOCAL:
        return Header(None, 0, size)
    if family == _TCP4 and length >= 12:
        return Header(str(IPv4Address(body[:4])), int.from_bytes(body[8:10]), size)
    if family == _TCP6 and length >= 36:
        return Header(str(IPv6Address(body[:16])), int.from_bytes(body[32:34]), size)
    raise MalformedHeader("version 2 names no addresses of TCP over IPv4 or IPv6")

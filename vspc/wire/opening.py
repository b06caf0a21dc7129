"""What a connection speaks, told by its first bytes. Pure.

For ports where something else is expected: a peer that was pointed at the wrong port is told apart
from one that is slow, and its administrator reads what to change.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

DECIDED = 5
"""Bytes after which `recognise` knows all that it ever will."""

VERSION_AT = 11
"""Bytes of a ClientHello up to the end of its version."""


class Spoken(Enum):
    """A protocol that begins with what no telnet of an ESXi host begins with, or telnet itself."""

    TELNET = "telnet"
    TLS = "TLS"
    HTTP = "HTTP"
    PROXY = "the PROXY protocol"
    SSH = "SSH"


_STARTS: tuple[tuple[bytes, Spoken], ...] = (
    (b"\xff", Spoken.TELNET),
    *((b"\x16\x03" + bytes([minor]), Spoken.TLS) for minor in range(5)),
    (b"PROXY", Spoken.PROXY),
    (b"\r\n\r\n\x00", Spoken.PROXY),
    (b"SSH-", Spoken.SSH),
    *(
        (word, Spoken.HTTP)
        for word in (
            b"GET /",
            b"HEAD ",
            b"POST ",
            b"PUT /",
            b"DELET",
            b"OPTIO",
            b"CONNE",
            b"PATCH",
            b"TRACE",
            b"PRI *",
        )
    ),
)
"""No start is longer than `DECIDED` bytes."""


def recognise(data: bytes) -> Spoken | None:
    """What begins with `data`; None if it is none of these, or more is needed to tell."""
    for start, spoken in _STARTS:
        if data.startswith(start):
            return spoken
    # SSL 2.0's record with a ClientHello in it, which old libraries send to offer TLS.
    if len(data) >= DECIDED and data[0] & 0x80 and data[2] == 1 and data[3] in (0, 3):
        return Spoken.TLS
    return None


def offered_version(data: bytes) -> str:
    """The newest TLS that a ClientHello before version 1.3 offers; empty where it does not say."""
    if len(data) >= VERSION_AT and data.startswith(b"\x16\x03") and data[5] == 1:
        return _VERSIONS.get(data[9:VERSION_AT], "")
    return ""


_VERSIONS: Mapping[bytes, str] = MappingProxyType(
    {
        b"\x03\x00": "SSL 3.0",
        b"\x03\x01": "TLS 1.0",
        b"\x03\x02": "TLS 1.1",
        b"\x03\x03": "TLS 1.2",
    }
)

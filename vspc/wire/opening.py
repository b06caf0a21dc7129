"""The protocol of a connection, recognised by its first bytes. Pure.

So a peer on the wrong port is told apart from a slow one, and the log says what to change.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

DECIDED = 5
"""Bytes that `recognise` needs at most."""

VERSION_AT = 11
"""Bytes of a ClientHello up to the end of its version."""


class OpeningProtocol(Enum):
    """Protocols that begin unlike the telnet of an ESXi host, and telnet itself."""

    TELNET = "telnet"
    TLS = "TLS"
    HTTP = "HTTP"
    PROXY = "the PROXY protocol"
    SSH = "SSH"


_STARTS: tuple[tuple[bytes, OpeningProtocol], ...] = (
    (b"\xff", OpeningProtocol.TELNET),
    *((b"\x16\x03" + bytes([minor]), OpeningProtocol.TLS) for minor in range(5)),
    (b"PROXY", OpeningProtocol.PROXY),
    (b"\r\n\r\n\x00", OpeningProtocol.PROXY),
    (b"SSH-", OpeningProtocol.SSH),
    *(
        (word, OpeningProtocol.HTTP)
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
"""Each has at most `DECIDED` bytes."""


def recognise(data: bytes) -> OpeningProtocol | None:
    """The protocol that begins with `data`; None if it is another, or more bytes are needed."""
    for start, spoken in _STARTS:
        if data.startswith(start):
            return spoken
    # SSL 2.0's record with a ClientHello in it, which old libraries send to offer TLS.
    if len(data) >= DECIDED and data[0] & 0x80 and data[2] == 1 and data[3] in (0, 3):
        return OpeningProtocol.TLS
    return None


_ANSWERS: tuple[tuple[bytes, OpeningProtocol], ...] = (
    *((bytes((0xFF, verb)), OpeningProtocol.TELNET) for verb in range(0xFA, 0xFF)),
    *((b"\x15\x03" + bytes([minor]), OpeningProtocol.TLS) for minor in range(5)),
    (b"SSH-", OpeningProtocol.SSH),
    (b"HTTP/", OpeningProtocol.HTTP),
)


def recognise_server(data: bytes) -> OpeningProtocol | None:
    """The protocol of a server that begins, or answers, with `data`: of TLS an alert, of telnet a
    negotiation, since 0xFF alone may be noise of a serial line. None: another, or too few bytes.
    """
    return next((spoken for start, spoken in _ANSWERS if data.startswith(start)), None)


def offered_version(data: bytes) -> str:
    """The newest TLS that a ClientHello before 1.3 offers; empty if that is not known."""
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

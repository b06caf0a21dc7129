"""Numbered streams: what VMs print and operators type, so that each byte shows where it belongs.

A VM's output is a function of its name and a position: records of one size with the name, a number,
a payload and a checksum. Payloads of binary streams are rich in 0xFF, CR, LF and NUL, which telnet
escapes. Input is made of tokens `<NAME:NUMBER:CHECKSUM>`.
"""

import re
import zlib
from hashlib import blake2b

from attrs import frozen

_PAYLOAD = 32

_AWKWARD = bytes(
    0xFF if byte < 32 else 0x0D if byte < 48 else 0x0A if byte < 56 else 0 if byte < 64 else byte
    for byte in range(256)
)

TOKEN = re.compile(rb"<(\w+):(\d{6}):([0-9a-f]{8})>")
"""A whole token of input."""

TOKEN_LIMIT = 40
"""Bytes of a token, at most."""


@frozen
class NumberedStream:
    """The output of one VM; `binary`: of all bytes, else of printable ones, in lines."""

    name: str
    binary: bool = False

    @property
    def size(self) -> int:
        """Bytes of a record."""
        return len(self.record(0))

    def record(self, number: int) -> bytes:
        """The record with that number; it ends with CR LF."""
        head = b"%s %08d " % (self.name.encode(), number)
        digest = blake2b(head, digest_size=_PAYLOAD).digest()
        body = head + (digest.translate(_AWKWARD) if self.binary else digest.hex().encode()) + b" "
        return body + b"%08x\r\n" % zlib.crc32(body)

    def content(self, start: int, end: int) -> bytes:
        """What is printed from position `start` to `end`."""
        if end <= start:
            return b""
        size = self.size
        first = start // size
        whole = b"".join(self.record(number) for number in range(first, -(-end // size)))
        return whole[start - first * size : end - first * size]

    def numbers(self, shown: bytes) -> list[int]:
        """The numbers of the records that are whole in `shown`, in order; of text only."""
        pattern = rb"%s (\d{8}) [0-9a-f]{64} [0-9a-f]{8}" % self.name.encode()
        return [
            int(match[1])
            for match in re.finditer(pattern, shown)
            if self.record(int(match[1])).startswith(match[0])
        ]


def token(name: str, number: int) -> bytes:
    """What the operator `name` types as his `number`th."""
    body = b"%s:%06d" % (name.encode(), number)
    return b"<%s:%08x>" % (body, zlib.crc32(body))


def tokens(data: bytes) -> list[tuple[str, int]]:
    """The whole tokens in `data`, in order."""
    return [
        (match[1].decode(), int(match[2]))
        for match in TOKEN.finditer(data)
        if match[0] == token(match[1].decode(), int(match[2]))
    ]

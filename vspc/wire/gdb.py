"""Packets of the GDB remote serial protocol, told from the text of a console on the same line.

A packet is `$DATA#CC`, a notification `%DATA#CC`: CC is the sum of the bytes of DATA, modulo 256,
as two hexadecimal digits; DATA has neither `$` nor `#` in it (GDB manual, appendix E.1).
"""

import re
from collections.abc import Iterator

from attrs import define, field, frozen

PACKET_LIMIT = 16 * 1024
"""Bytes of a packet. kgdb and QEMU tell GDB that theirs have at most 4 KiB."""

INTERRUPT = b"\x03"
"""What GDB sends in place of a packet to stop a program that runs."""


def _patterns(data: bytes) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """What cannot be a packet, whatever comes, and a packet but for its checksum, with data of the
    class `data`. Each reads a byte once.
    """
    begin = b"[$%%]%b*+" % data
    text = rb"(?:[^$%%]++|%b(?:(?=[^#])|#[0-9a-fA-F]?+(?=[^0-9a-fA-F])))*+" % begin
    return re.compile(text), re.compile(rb"%b#([0-9a-fA-F]{2})" % begin)


_DATA = _patterns(rb"[^#$]")
_PRINTABLE = _patterns(rb"[!\"%-~]")
_TYPED = re.compile(rb"[$\x03]")


@frozen
class Packet:
    """A whole packet or notification, `$` and checksum included."""

    data: bytes


@define(eq=False)
class PacketSplitter:
    """Takes the output of a line apart: `Packet` for each packet, bytes for what is between them.

    From a `$` or `%` on output is held until it is known what it is, at most `PACKET_LIMIT` bytes.
    `is_printable`: a packet has no blanks, controls or bytes over 127, as none of kgdb has, so that
    text is known at its next blank.
    """

    is_printable: bool = False
    _held: bytes = field(default=b"", init=False)

    @property
    def held(self) -> int:
        """Bytes that are held."""
        return len(self._held)

    def feed(self, data: bytes) -> Iterator[bytes | Packet]:
        """What is known to be one or the other, in order; consume all of it."""
        data, self._held = self._held + data, b""
        text, whole = _PRINTABLE if self.is_printable else _DATA
        at = 0
        while at < len(data):
            known = text.match(data, at)
            assert known is not None
            if known.end() > at:
                yield known[0]
                at = known.end()
                continue
            found = whole.match(data, at)
            if found is None and len(data) - at <= PACKET_LIMIT:
                self._held = data[at:]
                return
            end = at + PACKET_LIMIT if found is None else min(found.end(), at + PACKET_LIMIT)
            yield from _pieces(data[at:end])
            at = end

    def flush(self) -> bytes:
        """What is held, as text."""
        held, self._held = self._held, b""
        return held


def _pieces(data: bytes) -> Iterator[bytes | Packet]:
    """`data` as a packet if its checksum is right; else as text, perhaps with a notification at
    its end: the `$` may be that of a prompt.
    """
    for begin in (0, data.rfind(b"%", 1)):
        if begin >= 0 and _is_packet(data[begin:]):
            if begin:
                yield data[:begin]
            yield Packet(data[begin:])
            return
    yield data


def _is_packet(data: bytes) -> bool:
    return data[-3:-2] == b"#" and checksum(data[1:-3]) == int(data[-2:], 16)


def checksum(data: bytes) -> int:
    """Of the data of a packet."""
    return sum(data) % 256


def packet(data: bytes) -> bytes:
    """`data` as a packet; it must have no `$`, `#` or `}` in it."""
    return b"$%b#%02x" % (data, checksum(data))


@define(eq=False)
class DebuggerInput:
    """What GDB sends, taken apart. `count` whole packets have come; `packet` is the last of them,
    if it is not over `PACKET_LIMIT`.
    """

    count: int = field(default=0, init=False)
    packet: bytes = field(default=b"", init=False)
    _part: bytearray = field(factory=bytearray, init=False)  # of a packet that is not whole
    _left: int | None = field(default=None, init=False)  # digits that it lacks, behind its `#`
    _is_inside: bool = field(default=False, init=False)

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """The pieces of `data`, None for an `INTERRUPT` that is not in a packet; consume all."""
        at = 0
        while at < len(data):
            end = self._end(data, at)
            piece, was_inside = data[at:end], self._is_inside
            if was_inside:
                self._keep(piece)
            elif piece == b"$":
                self._is_inside = True
                self._part[:] = piece
            yield None if piece == INTERRUPT and not was_inside else piece
            at = end

    def _end(self, data: bytes, at: int) -> int:
        """Where the piece from `at` on ends."""
        if self._left is not None:
            return min(len(data), at + self._left)
        if self._is_inside:
            hash_at = data.find(b"#", at)
            return len(data) if hash_at < 0 else hash_at + 1
        found = _TYPED.search(data, at)
        if found is None:
            return len(data)
        return max(found.start(), at + 1)

    def _keep(self, piece: bytes) -> None:
        if len(self._part) <= PACKET_LIMIT:
            self._part += piece
        if self._left is not None:
            self._left -= len(piece)
        elif piece.endswith(b"#"):
            self._left = 2
        if self._left == 0:
            self.packet = bytes(self._part) if len(self._part) <= PACKET_LIMIT else b""
            self._is_inside, self._left = False, None
            self.count += 1

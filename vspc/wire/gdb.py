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

_BEGIN = re.compile(rb"[$%]")
_DATA = re.compile(rb"[^#$]*")
_PRINTABLE = re.compile(rb"[!\"%-~]*")
_HEX = re.compile(rb"[0-9a-fA-F]*")
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
        at = 0
        while at < len(data):
            begin = _BEGIN.search(data, at)
            text = len(data) if begin is None else begin.start()
            if text > at:
                yield data[at:text]
                at = text
                continue
            end, size = _measured(data, at, _PRINTABLE if self.is_printable else _DATA)
            if end is None and len(data) - at <= PACKET_LIMIT:
                self._held = data[at:]
                return
            if end is None or end - at > PACKET_LIMIT:
                end, size = at + PACKET_LIMIT, 0
            if end - size > at:
                yield data[at : end - size]
            if size:
                yield Packet(data[end - size : end])
            at = end

    def flush(self) -> bytes:
        """What is held, as text."""
        held, self._held = self._held, b""
        return held


def _measured(data: bytes, at: int, may_be: re.Pattern[bytes]) -> tuple[int | None, int]:
    """Up to where `data`, from the `$` or `%` at `at` on, is decided, and how many bytes before
    that are a packet. None: more has to come.
    """
    found = may_be.match(data, at + 1)
    assert found is not None
    hash_at = found.end()
    if hash_at == len(data):
        return None, 0
    if data[hash_at : hash_at + 1] != b"#":
        return hash_at, 0
    digits = _HEX.match(data, hash_at + 1, hash_at + 3)
    assert digits is not None
    end = digits.end()
    if end < hash_at + 3:
        return (None if end == len(data) else end), 0
    if hash_at - at < PACKET_LIMIT:
        for begin in (at, data.rfind(b"%", at + 1, hash_at)):  # the `$` may be that of a prompt
            if begin >= 0 and checksum(data[begin + 1 : hash_at]) == int(digits[0], 16):
                return end, end - begin
    return end, 0


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

"""Records, and the frames that keep whole ones apart from torn ones on disk.

A record is one thing that is to be remembered of a console: a code (8 bits), the console's id (64
bits), an offset (64 bits), a time (64 bits, microseconds since 1970), the length of what follows
(32 bits), and that. A batch is a serial number (64 bits) and its records. All big-endian.

A file of frames begins with eight bytes that say what it is and in which version. A frame is a mark
of four bytes, the length of its body and its CRC-32 (both 32 bits, big-endian), and the body: in
the journal a batch. What a crash, a full disk or a flipped bit leaves is found by its checksum and
skipped up to the next frame that is whole. docs/logs.md has the formats.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from attrs import frozen

from vspc.console.logs import OF_LINES, Marker, MarkerKind

DATA, RESERVE, ABOUT, STOP, START, FORGET, REACHED = range(7)
"""Codes below `FIRST_MARKER`: bytes of the VM; the offset up to which offsets may have been used
(the end itself: none is), and up to where bytes may be missing after a kill; what identifies the
console, as JSON; the server stopped or started (no console); the log was deleted, and what follows
begins another one; up to where the log has reached, in files that were here before.
"""

FIRST_MARKER = 16

_KINDS: tuple[MarkerKind, ...] = tuple(MarkerKind)
_CODES: Mapping[MarkerKind, int] = MappingProxyType(
    {kind: FIRST_MARKER + at for at, kind in enumerate(_KINDS)}
)
GAP = _CODES[MarkerKind.GAP]
_OF_LINES = frozenset(_CODES[kind] for kind in OF_LINES)

_RECORD = struct.Struct(">B8sQQI")
_SERIAL = struct.Struct(">Q")
_END = struct.Struct(">Q")

NO_CONSOLE = bytes(8)
"""The console of records that are about the whole log."""


class Record(NamedTuple):
    """One of them; `at` in microseconds."""

    code: int
    console: bytes
    offset: int
    at: int
    payload: bytes

    @property
    def end(self) -> int:
        """The offset after it, of bytes or a gap; else its own."""
        if self.code == DATA:
            return self.offset + len(self.payload)
        if self.code == GAP:
            return int(_END.unpack_from(self.payload)[0])
        return self.offset

    def behind(self, offset: int) -> "Record":
        """What of it is from `offset` on, which is in it."""
        if self.code != DATA:
            return self._replace(offset=offset)
        return self._replace(offset=offset, payload=self.payload[offset - self.offset :])


new_record: Callable[[tuple[int, bytes, int, int, bytes]], Record]
new_record = partial(tuple.__new__, Record)
"""A record of its five values, in a third of the time that calling the class takes: one is made for
each piece of output.
"""


def marker(kind: MarkerKind, console: bytes, offset: int, at: int, text: str) -> Record:
    """A record of something that happened; not for gaps."""
    return Record(_CODES[kind], console, offset, at, text.encode())


def gap(console: bytes, offset: int, end: int, at: int, text: str) -> Record:
    """A record that the log has nothing from `offset` to `end` (exclusive)."""
    return Record(GAP, console, offset, at, _END.pack(end) + text.encode())


def begins_log(code: int) -> bool:
    """Whether a record with `code` begins a console's log: a byte does, or what people do."""
    return code == DATA or (code >= FIRST_MARKER and code not in _OF_LINES)


def reserve(console: bytes, offset: int, announced: int, at: int) -> Record:
    """A record that offsets up to `offset` may be used, and that the journal has a later reserve
    before output beyond `announced` comes.
    """
    return Record(RESERVE, console, offset, at, _END.pack(announced))


def announced_of(record: Record) -> int:
    """The second offset of a reserve; earlier servers wrote the first alone."""
    if len(record.payload) < _END.size:
        return record.offset
    return min(record.offset, int(_END.unpack_from(record.payload)[0]))


def as_marker(code: int, offset: int, at: int, payload: bytes) -> Marker | None:
    """What a marker's record says; None for one of a kind that is not known here."""
    if not FIRST_MARKER <= code < FIRST_MARKER + len(_KINDS):
        return None
    kind, end = _KINDS[code - FIRST_MARKER], offset
    if kind is MarkerKind.GAP:
        if len(payload) < _END.size:
            return None
        end = max(offset, int(_END.unpack_from(payload)[0]))
        payload = payload[_END.size :]
    return Marker(offset, at / 1e6, kind, payload.decode("utf-8", "replace"), end)


def joined(records: list[Record]) -> bytes:
    """The output in `records`, in one piece."""
    return b"".join([record.payload for record in records if record.code == DATA])


def groups(pending: list[Record]) -> Iterator[list[Record]]:
    """`pending` in groups whose bytes follow each other: where offsets jump the next one begins."""
    group: list[Record] = []
    expected: int | None = None
    for record in pending:
        if record.code == DATA:
            if expected not in (None, record.offset):
                yield group
                group = []
            expected = record.end
        group.append(record)
    if group:
        yield group


APART = 32 * 1024
"""Bytes of a payload that are written from where they are, not copied into their frame first."""


def batch_parts(serial: int, records: Iterable[Record]) -> list[bytes]:
    """A batch as the body of a frame, in parts of which none is empty."""
    parts: list[bytes] = []
    small = [_SERIAL.pack(serial)]
    for code, console, offset, at, payload in records:
        small.append(_RECORD.pack(code, console, offset, at, len(payload)))
        if len(payload) >= APART:
            parts += (b"".join(small), payload)
            small = []
        else:
            small.append(payload)
    if small:
        parts.append(b"".join(small))
    return parts


def pack_batch(serial: int, records: Iterable[Record]) -> bytes:
    """The same in one piece."""
    return b"".join(batch_parts(serial, records))


class MalformedRecord(ValueError):
    """A body whose checksum is right, but which is not a batch."""


def unpack_batch(body: bytes) -> tuple[int, Iterator[Record]]:
    """The serial number of a batch, and its records. Raises `MalformedRecord`, also while
    iterating.
    """
    if len(body) < _SERIAL.size:
        raise MalformedRecord("no serial number")
    return int(_SERIAL.unpack_from(body)[0]), _records(body)


def _records(body: bytes) -> Iterator[Record]:
    at = _SERIAL.size
    while at < len(body):
        if len(body) - at < _RECORD.size:
            raise MalformedRecord("a record is cut short")
        code, console, offset, time, length = _RECORD.unpack_from(body, at)
        at += _RECORD.size
        payload = body[at : at + length]
        at += length
        if len(payload) < length or (code == GAP and length < _END.size):
            raise MalformedRecord("a record is cut short")
        yield Record(code, console, offset, time, payload)


MAGIC_SIZE = 8
"""Bytes at the beginning of a file."""

_MARK = b"\xf5vf\n"
_HEAD = struct.Struct(">4sII")

BODY_LIMIT = 128 * 1024 * 1024
"""Bytes of a body; a length over it is damage."""


class UnknownVersion(Exception):
    """A file of a newer version, or none of ours: it is left alone. The text names it."""


@frozen
class Frame:
    """A whole frame: where it begins and ends in its file, and what is in it."""

    start: int
    end: int
    body: bytes


@frozen
class Damage:
    """Bytes of a file, from `start` to `end`, that are no whole frame."""

    start: int
    end: int


def frame_head(*body: bytes) -> bytes:
    """What comes before `body` in a frame."""
    return _HEAD.pack(_MARK, sum(map(len, body)), checksum(body))


def checksum(parts: Iterable[bytes]) -> int:
    """The CRC-32 of all of them, one after the other."""
    found = 0
    for part in parts:
        found = zlib.crc32(part, found)
    return found


def pack_frame(body: bytes) -> bytes:
    """`body` as a frame."""
    return frame_head(body) + body


def frames_of(data: bytes, start: int = MAGIC_SIZE) -> Iterator[Frame | Damage]:
    """The frames in `data` from `start`, in order, with what is damaged between them."""
    at = start
    while at < len(data):
        frame = _frame_at(data, at)
        if frame is not None:
            yield frame
            at = frame.end
            continue
        behind = _behind(data, at)
        yield Damage(at, behind)
        at = behind


def _behind(data: bytes, at: int) -> int:
    """Where what is damaged from `at` ends: behind the body, if the head still says where that is,
    so that nothing in a body is taken for a frame; else before the next one that is whole.
    """
    if len(data) - at >= _HEAD.size:
        mark, length, _ = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + int(length)
        if mark == _MARK and length <= BODY_LIMIT and _frame_at(data, end) is not None:
            return end
    return _next_frame(data, at + 1)


def following(data: bytes, expected: int, at: int) -> Frame | None:
    """The frame at `expected`, or else the first whole one from `at` on; None if there is none."""
    found = _frame_at(data, expected)
    return found if found is not None else _frame_at(data, _next_frame(data, at))


def _frame_at(data: bytes, at: int) -> Frame | None:
    if len(data) - at < _HEAD.size:
        return None
    mark, length, checksum = _HEAD.unpack_from(data, at)
    begin = at + _HEAD.size
    if mark != _MARK or length > BODY_LIMIT or begin + length > len(data):
        return None
    body = data[begin : begin + length]
    return Frame(at, begin + length, body) if zlib.crc32(body) == checksum else None


def _next_frame(data: bytes, at: int) -> int:
    while (found := data.find(_MARK, at)) >= 0:
        if _frame_at(data, found) is not None:
            return found
        at = found + 1
    return len(data)

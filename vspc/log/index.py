"""The index of a segment: when each run of its bytes came, and what happened in between.

A file begins with eight bytes of magic; each frame behind it says where its bytes lie and has their
checksum. The first entry of a segment's index is its head: whose log it is. docs/logs.md has the
format.
"""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from attrs import frozen

from vspc.log import records
from vspc.log.records import ABOUT, DATA, GAP, RESERVE, Damage, Record, UnknownVersion

MAGIC = b"vspcidx1"

RUN = 10_000
"""Microseconds within which what follows belongs to the run before it."""

LONGEST_RUN = 64 * 1024
"""Bytes of a run."""

PART = 64 * 1024
"""Bytes of the VM after which the next frame begins: so much has a checksum of its own."""

_FRAME = struct.Struct(">QQII")
_ENTRY = struct.Struct(">BQQI")
_RESERVE = struct.Struct(">QQ")


class IndexEntry(NamedTuple):
    """A run of bytes, or a marker: `payload` is a marker's, and `length` that of the run.

    `place` is where the run lies in the segment's bytes. There are thousands: a tuple is cheap.
    """

    code: int
    offset: int
    at: int
    length: int
    place: int
    payload: bytes

    @property
    def end(self) -> int:
        """The offset after it."""
        if self.code == DATA:
            return self.offset + self.length
        if self.code == GAP:
            return int.from_bytes(self.payload[:8], "big")
        return self.offset


@frozen
class IndexPart:
    """A frame: what lies from `begin` to `end` in the segment, with its checksum. `stop` is where
    the frame ends in its file.
    """

    serial: int
    begin: int
    end: int
    checksum: int
    entries: tuple[IndexEntry, ...]
    stop: int

    def fits(self, data: bytes, base: int = 0) -> bool:
        """Whether `data`, the segment's bytes from `base` on, are what was written."""
        begin, end = self.begin - base, self.end - base
        if begin < 0 or end > len(data):
            return False
        return zlib.crc32(memoryview(data)[begin:end]) == self.checksum


@frozen
class Head:
    """Whose log a segment is of: the console's id, and what `console.json` has of it."""

    id: str
    about: Mapping[str, Any]
    booted: bool = False


@frozen
class Index:
    """What a file says. `damaged` are bytes of it in the middle; `torn` those at its end, as any
    kill leaves them.
    """

    parts: tuple[IndexPart, ...] = ()
    damaged: int = 0
    torn: int = 0

    @property
    def entries(self) -> Iterator[IndexEntry]:
        """All of them."""
        return (entry for part in self.parts for entry in part.entries)

    @property
    def end(self) -> int:
        """The offset after the last thing that it has."""
        return max((entry.end for entry in self.entries if entry.code != ABOUT), default=0)

    @property
    def size(self) -> int:
        """Bytes of the VM that it speaks of."""
        return max((part.end for part in self.parts), default=0)

    def begins_at(self, start: int) -> bool:
        """Whether it can be of the segment that begins at `start`: one of earlier servers does not
        say whose it is, but its first entry has an offset.
        """
        entries = [entry for entry in self.entries if entry.code not in (ABOUT, RESERVE)]
        if not entries or self.damaged or self.parts[0].begin:
            return True
        # A marker may be of an offset before it, where bytes counted that no index spoke of.
        reached = next((entry.end for entry in entries if entry.code in (DATA, GAP)), start)
        return entries[0].offset <= start <= reached

    @property
    def head(self) -> Head | None:
        """The latest; None if there is none, as in those of earlier servers."""
        found = [entry.payload for entry in self.entries if entry.code == ABOUT]
        return read_head(found[-1]) if found else None

    @property
    def reserve(self) -> tuple[int, int] | None:
        """Up to where offsets may have been used, and announced, when it was written."""
        found = [entry.payload for entry in self.entries if entry.code == RESERVE]
        if not found or len(found[-1]) != _RESERVE.size:
            return None
        reserved, announced = _RESERVE.unpack(found[-1])
        return reserved, announced


def reserve_text(reserved: int, announced: int) -> bytes:
    """The payload of a reserve."""
    return _RESERVE.pack(reserved, announced)


def head_text(console_id: str, about: Mapping[str, Any], booted: bool) -> bytes:
    """The payload of a head."""
    return json.dumps({"id": console_id, "booted": booted, "about": dict(about)}).encode()


def read_head(payload: bytes) -> Head | None:
    """The head in `payload`; None if it makes no sense."""
    try:
        facts = json.loads(payload)
        return Head(str(facts["id"]), dict(facts["about"]), facts.get("booted") is True)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def read(data: bytes, name: str, begins: bool = True) -> Index:
    """What the file `data` says. Raises `UnknownVersion`. `begins`: False for a part of a file that
    begins with a frame.

    A beginning that is none of any version is damage, as is all between frames that are whole.
    """
    if begins and len(data) < records.MAGIC_SIZE:
        return Index(torn=len(data))
    parts: list[IndexPart] = []
    damaged = torn = 0
    if begins and data[: records.MAGIC_SIZE] != MAGIC:
        if data.startswith(MAGIC[:-1]) and chr(data[records.MAGIC_SIZE - 1]).isalnum():
            raise UnknownVersion(f"{name} is of an unknown version and is left alone")
        damaged = records.MAGIC_SIZE
    for found in records.frames_of(data, records.MAGIC_SIZE if begins else 0):
        part = None if isinstance(found, Damage) else _part(found.body, found.end)
        if part is not None and (not parts or part.begin >= parts[-1].end):
            parts.append(part)
        elif isinstance(found, Damage) and found.end == len(data):
            torn = found.end - found.start
        else:
            damaged += found.end - found.start
    return Index(tuple(parts), damaged, torn)


def _part(body: bytes, stop: int) -> IndexPart | None:
    """A frame's body; None for nonsense."""
    if len(body) < _FRAME.size:
        return None
    serial, begin, checksum, count = _FRAME.unpack_from(body)
    place = begin
    text = _FRAME.size + count * _ENTRY.size
    if text > len(body):
        return None
    entries = []
    for code, offset, at, length in _ENTRY.iter_unpack(body[_FRAME.size : text]):
        if code == DATA:
            entries.append(IndexEntry(DATA, offset, at, length, place, b""))
            place += length
            continue
        payload = body[text : text + length]
        text += length
        if len(payload) < length or (code == GAP and length < 8):
            return None
        entries.append(IndexEntry(code, offset, at, 0, place, payload))
    return IndexPart(serial, begin, place, checksum, tuple(entries), stop)


# Writing


def lay_out(serial: int, before: int, size: int, batch: Sequence[Record]) -> bytes:
    """Frames for `batch`, behind `size` bytes of the VM. The last one has the number `serial`,
    others `before`: where they are not all there, the journal's batch counts as a whole.
    """
    pieces = list(_pieces(batch))
    found = []
    for number, piece in enumerate(pieces, 1):
        data = [record.payload for record in piece if record.code == DATA]
        entries, texts = _entries(piece)
        this = serial if number == len(pieces) else before
        head = _FRAME.pack(this, size, records.checksum(data), len(entries))
        found.append(records.pack_frame(head + b"".join(entries) + b"".join(texts)))
        size += sum(map(len, data))
    return b"".join(found)


def _pieces(batch: Sequence[Record]) -> Iterator[list[Record]]:
    piece: list[Record] = []
    size = 0
    for record in batch:
        more = len(record.payload) if record.code == DATA else 0
        if piece and size + more > PART:
            yield piece
            piece, size = [], 0
        piece.append(record)
        size += more
    yield piece


def _entries(batch: Sequence[Record]) -> tuple[list[bytes], list[bytes]]:
    entries: list[bytes] = []
    texts: list[bytes] = []
    run: tuple[int, int, int] | None = None  # offset, time, length
    for record in batch:
        if record.code == DATA:
            size = len(record.payload)
            if (
                run is not None
                and record.offset == run[0] + run[2]
                and 0 <= record.at - run[1] < RUN
                and run[2] + size <= LONGEST_RUN
            ):
                run = (run[0], run[1], run[2] + size)
                continue
            if run is not None:
                entries.append(_ENTRY.pack(DATA, *run))
            run = (record.offset, record.at, size)
            continue
        if run is not None:
            entries.append(_ENTRY.pack(DATA, *run))
            run = None
        entries.append(_ENTRY.pack(record.code, record.offset, record.at, len(record.payload)))
        texts.append(record.payload)
    if run is not None:
        entries.append(_ENTRY.pack(DATA, *run))
    return entries, texts

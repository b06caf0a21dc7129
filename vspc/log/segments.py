"""Segments: one console's bytes on disk, exactly as its VM said them, with an index beside them.

A segment is two files. `OFFSET.seg` holds bytes and nothing else; `OFFSET.idx` says of each run of
them at which offset and when it came, and what happened in between. A closed segment has both
compressed (zstandard), and its facts in its name: first and last offset, first and last time. The
index decides what counts: what a crash left behind its last whole frame is cut off, and comes
again from the journal. docs/logs.md has the formats.
"""

import errno
import os
import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import zstandard
from attrs import define, field, frozen

from vspc.log import frames
from vspc.log.disk import Disk
from vspc.log.frames import Damage, UnknownVersion
from vspc.log.packing import pack, unpack
from vspc.log.records import DATA, GAP, Record

MAGIC = b"vspcidx1"

RUN = 10_000
"""Microseconds within which what follows belongs to the run before it."""

LONGEST_RUN = 64 * 1024
"""Bytes of a run."""

_FRAME = struct.Struct(">QQII")
_ENTRY = struct.Struct(">BQQI")


class Entry(NamedTuple):
    """A run of bytes, or a marker: `payload` is a marker's, and `length` that of the run.

    `place` is where the run lies in the segment's bytes. There are thousands: a tuple is cheap.
    """

    code: int
    offset: int
    at: int
    length: int
    place: int
    payload: bytes


@define(eq=False)
class Segment:
    """What is known of one segment without reading it. Times are microseconds since 1970."""

    place: str = field(converter=str)  # its directory: a Path takes four times as much
    start: int
    end: int
    first: int
    last: int
    size: int = 0  # bytes of the VM in it
    index_size: int = 0  # bytes of its index
    on_disk: int = 0  # bytes of both files
    closed: bool = False
    compressed: bool = False
    serial: int = 0  # of the last batch that is in it
    said: int = 0  # when its last run of bytes came; 0 where there is none, or nobody looked
    unsynced: bool = field(default=False, init=False)

    @property
    def directory(self) -> Path:
        """Where its files are."""
        return Path(self.place)

    @property
    def stem(self) -> str:
        """The name of its files, without what follows the last dots."""
        if self.compressed:
            return f"{self.start:020d}-{self.end:020d}-{self.first:x}-{self.last:x}"
        return f"{self.start:020d}"

    @property
    def paths(self) -> tuple[Path, Path]:
        """Its bytes and its index."""
        end = ".zst" if self.compressed else ""
        return (
            self.directory / f"{self.stem}.seg{end}",
            self.directory / f"{self.stem}.idx{end}",
        )

    def remove(self) -> None:
        """Delete both files, the bytes first: an index alone is swept away at the next start."""
        for path in self.paths:
            path.unlink(missing_ok=True)


class Shrunk(OSError):
    """Somebody cut a file of a segment: it cannot go on."""


def append(disk: Disk, segment: Segment, serial: int, batch: Sequence[Record], data: bytes) -> None:
    """Write `batch`, which is in order and says `data`, behind `segment`. Raises OSError.

    After an error the segment is as it was: what was written is cut off, now or at a start.
    """
    entries, texts = _lay_out(batch)
    body = (
        _FRAME.pack(serial, segment.size, zlib.crc32(data), len(entries))
        + b"".join(entries)
        + b"".join(texts)
    )
    index = (b"" if segment.index_size else MAGIC) + frames.pack(body)
    bytes_path, index_path = segment.paths
    _write(disk, bytes_path, segment.size, data)
    _write(disk, index_path, segment.index_size, index)
    segment.size += len(data)
    segment.index_size += len(index)
    segment.on_disk = segment.size + segment.index_size
    segment.serial = serial
    segment.end = max(segment.end, batch[-1].end)
    segment.last = max(segment.last, batch[-1].at)
    segment.said = max(segment.said, max((r.at for r in batch if r.code == DATA), default=0))
    segment.unsynced = True


def _write(disk: Disk, path: Path, size: int, data: bytes) -> None:
    if not data:
        return
    descriptor = disk.append(path)
    try:
        there = os.fstat(descriptor).st_size
        if there < size:
            raise Shrunk(errno.EIO, "the file is shorter than it was", str(path))
        if there > size:  # what an error left is not to be in the middle
            os.ftruncate(descriptor, size)
        disk.write(descriptor, data)
    finally:
        os.close(descriptor)


def _lay_out(batch: Sequence[Record]) -> tuple[list[bytes], list[bytes]]:
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


@frozen
class Index:
    """An index, read. `size` and `index_size` are the bytes of both files that count."""

    entries: tuple[Entry, ...]
    size: int
    index_size: int
    serial: int
    damaged: int = 0  # bytes in the middle that were passed over


def parse(
    data: bytes,
    size: int,
    name: str,
    said: bytes | None = None,
    after: tuple[int, int] = (0, 0),
) -> Index:
    """What `data`, an index beside `size` bytes, says. Raises `UnknownVersion`.

    `after`: the sizes of both files as they were read before; `said` and `data` are what follows.

    `said`: the bytes themselves, which are held against their checksums; those that are not what
    was written are left out, with what is said of them.

    It ends before the first frame that speaks of bytes that are not there: a power cut may lose
    them and keep the frame. Damage in the middle takes its frames only, because each frame says
    where its bytes lie.
    """
    begun, before = after
    if not before and not frames.check_magic(data, MAGIC, name):
        return Index((), 0, 0, 0)
    entries: list[Entry] = []
    place, good, serial, damaged = begun, before or frames.MAGIC, 0, 0
    for found in frames.unpack(data, 0 if before else frames.MAGIC):
        if isinstance(found, Damage):
            if found.end < len(data):
                damaged += found.end - found.start
            continue
        read = _entries(found.body)
        if read is None:
            damaged += found.end - found.start
            continue
        serial_here, begin, end, checksum, found_here = read
        if end > size:
            break
        if said is not None and zlib.crc32(said[begin - begun : end - begun]) != checksum:
            damaged += end - begin
            found_here = [entry for entry in found_here if entry.code != DATA]
        entries += found_here
        serial, place, good = serial_here, end, before + found.end
    return Index(tuple(entries), place, good, serial, damaged)


def _entries(body: bytes) -> tuple[int, int, int, int, list[Entry]] | None:
    """Serial number, where its bytes begin and end, their checksum, entries; None for nonsense."""
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
            entries.append(Entry(DATA, offset, at, length, place, b""))
            place += length
            continue
        payload = body[text : text + length]
        text += length
        if len(payload) < length or (code == GAP and length < 8):
            return None
        entries.append(Entry(code, offset, at, 0, place, payload))
    return serial, begin, place, checksum, entries


def contents(segment: Segment) -> tuple[bytes, bytes]:
    """The bytes and the index of a closed segment that is not compressed. Raises OSError."""
    data, index = segment.paths
    return data.read_bytes() if segment.size else b"", index.read_bytes()


def compress(disk: Disk, segment: Segment, parts: tuple[bytes, bytes]) -> Segment:
    """A compressed copy of a closed segment, synced; the caller deletes the original.

    `parts` are its `contents`.
    """
    made = Segment(
        segment.directory,
        segment.start,
        segment.end,
        segment.first,
        segment.last,
        size=segment.size,
        closed=True,
        compressed=True,
        serial=segment.serial,
    )
    for part, target in zip(parts, made.paths, strict=True):
        packed = pack(part)
        disk.replace(target, packed, sync=True)
        made.on_disk += len(packed)
        made.index_size = len(packed)
    return made


def sync_segments(disk: Disk, written: Sequence[Segment]) -> int:
    """Wait until the disk has all files of `written`; how many calls it took. Raises OSError."""
    calls = 0
    for segment in written:
        calls += sum(_sync(disk, path, os.O_WRONLY) for path in segment.paths)
    directories = {segment.directory for segment in written}
    for directory in directories | {directory.parent for directory in directories}:
        calls += _sync(disk, directory, os.O_RDONLY)
    return calls


def _sync(disk: Disk, path: Path, flags: int) -> bool:
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC)
    except FileNotFoundError:  # compressed meanwhile, which syncs, or evicted
        return False
    try:
        disk.sync(descriptor)
    finally:
        os.close(descriptor)
    return True


def load(segment: Segment, after: tuple[int, int] = (0, 0)) -> tuple[bytes, Index]:
    """The bytes and the index of a segment, as far as it is known to reach.

    `after`: the sizes of both files up to which they were read before, of a segment that is not
    compressed. Raises OSError, `UnknownVersion`, or `zstandard.ZstdError` for damage.
    """
    bytes_path, index_path = segment.paths
    if segment.compressed:
        data = unpack(bytes_path.read_bytes()) if segment.size else b""
        index = unpack(index_path.read_bytes())
        return data, parse(index, len(data), str(index_path), data)
    data = _part(bytes_path, after[0], segment.size)
    index = _part(index_path, after[1], segment.index_size)
    return data, parse(index, after[0] + len(data), str(index_path), data, after)


def _part(path: Path, start: int, end: int) -> bytes:
    if start >= end:
        return b""
    with path.open("rb") as file:
        file.seek(start)
        return file.read(end - start)


def end_of(entry: Entry) -> int:
    """The offset after an entry."""
    if entry.code == DATA:
        return entry.offset + entry.length
    if entry.code == GAP:
        return int.from_bytes(entry.payload[:8], "big")
    return entry.offset


def last_said(kept: Sequence[Segment]) -> int:
    """When the last byte of `kept`, which are in order, came; 0 if there is none."""
    for segment in reversed(kept):
        if not segment.said and segment.compressed and segment.size:
            # Only where the last thing that happened was long after the last byte.
            with suppress(OSError, UnknownVersion, zstandard.ZstdError):
                _, index = load(segment)
                segment.said = max((e.at for e in index.entries if e.code == DATA), default=0)
        if segment.said:
            return segment.said
    return 0

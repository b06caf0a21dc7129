"""Segments: one console's bytes on disk, exactly as its VM said them, with an index beside them.

A segment is two files. `OFFSET.seg` holds bytes and nothing else; `OFFSET.idx` says of each run of
them at which offset and when it came, and what happened in between. A closed segment has both
compressed (zstandard), and its facts in its name: first and last offset, first and last time. The
index decides what counts: what a crash left behind its last whole frame is cut off, and comes
again from the journal. docs/logs.md has the formats.
"""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field

from vspc.common.files import Disk
from vspc.log.index import MAGIC, lay_out
from vspc.log.records import DATA, Record


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
    head: int = field(default=0, init=False)  # the hash of the last one in it, as JSON
    reserve: tuple[int, int] | None = field(default=None, init=False)  # of its console, the last
    damaged: bool = field(default=False, init=False)  # its index does not speak of all of it
    left: bool = field(default=False, init=False)  # its files are not touched
    spare: int = field(default=0, init=False)  # bytes behind those that its index speaks of
    torn: bool = field(default=False, init=False)  # the end of its index is missing

    @property
    def console(self) -> str:
        """The id of the console whose bytes it has."""
        return self.directory.name[:16]

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

    def goes_on_at(self, offset: int | None) -> bool:
        """Whether bytes from `offset` follow what is in it: the place of each says its offset."""
        if offset is None or (not self.size and not self.index_size):
            return True
        return offset == self.start + self.size == self.end

    def remove(self) -> None:
        """Delete both files, unless they are left alone."""
        for path in () if self.left else self.paths:
            path.unlink(missing_ok=True)


class Shrunk(OSError):
    """Somebody cut a file of a segment: it cannot go on."""


def append(disk: Disk, segment: Segment, serial: int, batch: Sequence[Record], data: bytes) -> None:
    """Write `batch`, which is in order and says `data`, behind `segment`. Raises OSError.

    After an error the segment is as it was: what was written is cut off, now or at a start.
    """
    frames = lay_out(serial, segment.serial, segment.size, batch)
    index = frames if segment.index_size else MAGIC + frames
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

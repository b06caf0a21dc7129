"""Segments: one console's bytes on disk, exactly as they came, with an index beside them.

A segment is two files. `OFFSET.seg` holds bytes and nothing else; `OFFSET.idx` says of each run of
them at which offset and when it came, and what happened in between. A closed segment has both
compressed (zstandard), and its facts in its name: first and last offset, first and last time. The
index decides what counts: what a crash left behind its last whole frame is cut off, and comes
again from the journal. Those that an earlier process left are found by their names (`discover`).
docs/logs.md has the formats.
"""

import errno
import itertools
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import define, field, setters

from vspc.common.files import Disk
from vspc.log import index
from vspc.log.index import MAGIC, Index, lay_out
from vspc.log.records import DATA, Record, UnknownVersion


@define(eq=False, on_setattr=setters.NO_OP)
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
    last_output: int = 0  # when its last run of bytes came; 0: none, or not looked for
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
    """A file of a segment is shorter than it was: the segment cannot go on."""


def append(disk: Disk, segment: Segment, serial: int, batch: Sequence[Record], data: bytes) -> None:
    """Write `batch`, which is in order and says `data`, behind `segment`. Raises OSError.

    After an error the segment is as it was: what was written is cut off, now or at a start.
    """
    frames = lay_out(serial, segment.serial, segment.size, batch)
    index = frames if segment.index_size else MAGIC + frames
    bytes_path, index_path = segment.paths
    size, index_size = segment.size + len(data), segment.index_size + len(index)
    on_disk, end = size + index_size, max(segment.end, batch[-1].end)
    last_output = max((r.at for r in batch if r.code == DATA), default=0)
    _write(disk, bytes_path, segment.size, data)
    _write(disk, index_path, segment.index_size, index)
    # From here on without a need for memory.
    segment.size, segment.index_size, segment.on_disk = size, index_size, on_disk
    segment.serial, segment.end = serial, end
    segment.last = max(segment.last, batch[-1].at)
    segment.last_output = max(segment.last_output, last_output)
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


_PLAIN = re.compile(r"([0-9]{20})\.(?:seg|idx)")
_PACKED = re.compile(r"[0-9]{20}-[0-9]{20}-[0-9a-f]+-[0-9a-f]+\.(?:seg|idx)\.zst")
_SEGMENTS = re.compile(r".*\.(?:seg|idx)(?:\.zst)?")


@define
class FoundSegments:
    """What is in a directory: segments by offset, what is wrong, and what is not to be touched.

    `claimed` is an offset up to which the last segment reached once, by its own index. `uncertain`:
    there may be more, of which not even the offsets are known.
    """

    segments: list[Segment] = field(factory=list)
    notes: list[str] = field(factory=list)
    unknown: list[str] = field(factory=list)
    claimed: int = 0
    uncertain: bool = False

    def leave(self) -> None:
        """Nothing of it is touched."""
        for segment in self.segments:
            segment.left = segment.closed = True
            segment.on_disk = 0


def discover(directory: Path, sweep: bool = True) -> FoundSegments:
    """The segments in `directory`; leftovers of a crash go, unless `sweep` is False. OSError.

    Where anything is of an unknown version nothing is changed.
    """
    found = FoundSegments()
    names = set(os.listdir(directory))
    stems, plain = _sorted_out(directory, names, found)
    left = bool(found.unknown) or not sweep
    for name in names if not left else ():
        if name.endswith(".new"):
            (directory / name).unlink(missing_ok=True)
    done: dict[int, Segment] = {}
    for stem in sorted(stems):
        segment = closed(directory, stem)
        done[segment.start] = segment
    for start in sorted(plain):
        if start in done and _is_whole(done[start], names):  # compressed, and not deleted yet
            if not left:
                Segment(directory, start, start, 0, 0).remove()
            continue
        segment = _reopened(directory, start, found)
        if start in done:  # it was killed while it was compressed
            if segment.damaged or found.unknown:
                continue
            half = done.pop(start)
            if not left:
                half.remove()
        found.segments.append(segment)
    found.segments += done.values()
    found.segments.sort(key=lambda segment: segment.start)
    found.notes += _missing(found.segments, names)
    if found.unknown:
        found.leave()
    return found


def _sorted_out(
    directory: Path, names: set[str], found: FoundSegments
) -> tuple[set[str], set[int]]:
    """Stems of compressed segments, and starts of the others."""
    stems, plain = set(), set()
    for name in names:
        if _PACKED.fullmatch(name):
            stems.add(name.split(".")[0])
        elif (match := _PLAIN.fullmatch(name)) is not None:
            plain.add(int(match[1]))
        elif _SEGMENTS.fullmatch(name):
            found.unknown.append(f"{directory / name} is of an unknown version and is left alone")
            found.uncertain = True
    return stems, plain


def _is_whole(segment: Segment, names: set[str]) -> bool:
    return all(path.name in names for path in segment.paths)


def _missing(segments: list[Segment], names: set[str]) -> Iterator[str]:
    for segment in segments:
        if segment.compressed:
            yield from (f"{p}: it is missing" for p in segment.paths if p.name not in names)
    for before, after in itertools.pairwise(segments):
        if before.end < after.start:
            what = f"nothing is there from offset {before.end} to {after.start}"
            yield f"{before.directory}: {what}"


def closed(directory: Path, name: str) -> Segment:
    """The compressed segment whose files are called `name`, with or without what is behind it."""
    start, end, first, last = name.split(".")[0].split("-")
    segment = Segment(
        directory, int(start), int(end), int(first, 16), int(last, 16), closed=True, compressed=True
    )
    segment.size = segment.end - segment.start  # at most; gaps are not known before it is read
    for path in segment.paths:
        if path.exists():
            segment.index_size = path.stat().st_size
            segment.on_disk += segment.index_size
    return segment


def packed(segment: Segment) -> list[str]:
    """Names of the bytes of `segment` where they are compressed."""
    found = segment.directory.glob(f"{segment.start:020d}-*.seg.zst")
    return [path.name for path in found if _PACKED.fullmatch(path.name)]


def _reopened(directory: Path, start: int, found: FoundSegments) -> Segment:
    """A segment that was not compressed yet. What its index has counts; what of its bytes is
    behind that comes again from the journal, or is `spare`.

    Where the index is damaged in the middle all of its bytes count; it is not written any more.
    """
    segment = Segment(directory, start, start, 0, 0)
    bytes_path, index_path = segment.paths
    size = bytes_path.stat().st_size if bytes_path.exists() else 0
    known = _index(segment, found)
    if known is None or known.damaged:
        if known is not None:
            found.notes.append(f"{index_path}: {known.damaged} bytes are damaged")
        _take_all(segment, known or Index(), size)
    else:
        _cut(segment, known, size, found)
    segment.unsynced = True
    segment.on_disk = segment.size + segment.index_size
    return segment


def _index(segment: Segment, found: FoundSegments) -> Index | None:
    """Its index; None if there is one that cannot be used."""
    path = segment.paths[1]
    try:
        known = index.read(path.read_bytes(), str(path))
    except FileNotFoundError:
        return Index(torn=1)
    except UnknownVersion as error:
        found.unknown.append(str(error))
        return None
    except OSError as error:
        found.notes.append(f"{path}: {error.strerror}")
        return None
    head = known.head
    if head is not None and head.id != segment.console:
        found.notes.append(f"{path}: it is of the console {head.id}")
        return None
    if not known.begins_at(segment.start):
        found.notes.append(f"{path}: it is of another segment")
        return None
    return known


def _cut(segment: Segment, known: Index, size: int, found: FoundSegments) -> None:
    """Up to the first frame that speaks of bytes that are not there: a power cut may lose them
    and keep the frame.
    """
    counted = tuple(itertools.takewhile(lambda part: part.end <= size, known.parts))
    rest = Index(counted)
    if len(counted) < len(known.parts):
        found.notes.append(f"{segment.paths[0]}: it is shorter than it was")
        found.claimed = max(found.claimed, known.end)
    segment.torn = not counted or bool(known.torn)
    segment.size, segment.spare = rest.size, size - rest.size
    if counted:
        segment.index_size, segment.serial = counted[-1].stop, counted[-1].serial
    if rest.head is not None:
        segment.head = hash((json.dumps(rest.head.about), rest.head.booted))
    segment.reserve = rest.reserve
    segment.end = max(segment.end, rest.end)
    _time(segment, rest)


def _take_all(segment: Segment, known: Index, size: int) -> None:
    segment.damaged = segment.closed = True
    segment.size = size - _zeros(segment.paths[0], size, max(0, size - known.size))
    segment.end = max(segment.start + segment.size, known.end)
    segment.index_size = segment.paths[1].stat().st_size
    if known.parts and known.size >= segment.size:
        segment.serial = known.parts[-1].serial
    segment.reserve = known.reserve
    _time(segment, known)


def adopt(segment: Segment, until: int | None) -> int:
    """Let bytes of `segment` count of which its index says nothing, up to the offset `until`, or
    all of them if it is None and the index is not whole; how many. It is not written any more.
    """
    most = segment.spare
    if until is not None:
        most = min(most, until - segment.end)
    elif segment.torn:
        most -= _zeros(segment.paths[0], segment.size + segment.spare, segment.spare)
    else:
        most = 0
    if most <= 0:
        return 0
    segment.damaged = segment.closed = True
    segment.size += most
    segment.end += most
    segment.spare = 0
    segment.on_disk = segment.size + segment.index_size
    return most


def _zeros(path: Path, size: int, most: int) -> int:
    """How many of the last `most` bytes are zeros that no VM sent: a power cut leaves them."""
    if not most:
        return 0
    with path.open("rb") as file:
        file.seek(size - most)
        data = file.read(most)
    return len(data) - len(data.rstrip(b"\0"))


def _time(segment: Segment, known: Index) -> None:
    times = [entry.at for entry in known.entries if entry.at]
    if not times:
        path = next((path for path in segment.paths if path.exists()), None)
        times = [] if path is None else [int(path.stat().st_mtime * 1e6)]
    segment.last_output = max((e.at for e in known.entries if e.code == DATA), default=0)
    segment.first, segment.last = min(times, default=0), max(times, default=0)

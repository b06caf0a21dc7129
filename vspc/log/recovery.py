"""What can be read of a segment, whatever has happened to its files.

The index decides what of the bytes counts, as it has their checksums. Where it is missing or
damaged, the bytes say by themselves where they belong: those of a segment follow each other from
the offset in its name, and compressed blocks have offsets of their own.

A closed segment is checked here before it is compressed, and made anew where it was damaged.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import define, field, frozen

from vspc.common.files import Disk
from vspc.log import blocks, index
from vspc.log.blocks import BLOCK, BlockRun
from vspc.log.index import LONGEST_RUN, Head, Index, IndexEntry, IndexPart, head_text
from vspc.log.records import ABOUT, DATA, FIRST_MARKER, Record, UnknownVersion, gap
from vspc.log.segments import Segment

DAMAGED = "the file is damaged"


@frozen
class Recovered:
    """The bytes of a segment, and the entries that hold of them; `notes` say what is wrong."""

    data: bytes
    entries: tuple[IndexEntry, ...]
    head: Head | None
    notes: tuple[str, ...]


@frozen
class _Bytes:
    """What is there: `runs` say where, None if only the whole is known to be in one piece. Where it
    is not `certain` only what the index has a checksum of is right; `whole` blocks are, anyway.
    """

    data: bytes
    runs: tuple[BlockRun, ...] | None
    head: Head | None
    certain: bool = True
    whole: bool = False


def recover(segment: Segment, after: tuple[int, int] = (0, 0)) -> Recovered:
    """All that can be read of `segment`. Raises FileNotFoundError if neither file is there.

    `after`: the sizes of both files up to which they were read before, of one that grows.
    """
    return _Reading(segment, *after).read()


@define(eq=False)
class _Reading:
    """One segment, while it is read."""

    segment: Segment
    base: int = 0  # of the bytes that are read
    before: int = 0  # bytes of the index that are not
    notes: list[str] = field(factory=list, init=False)

    def read(self) -> Recovered:
        if not (self.segment.compressed or self.segment.size or self.segment.index_size):
            return Recovered(b"", (), None, ())  # killed while it was begun
        bytes_path, index_path = self.segment.paths
        data, index_data = self._file(bytes_path, self.base), self._file(index_path, self.before)
        if data is None and index_data is None:
            raise FileNotFoundError(bytes_path)
        found = self._bytes(data)
        known = self._index(index_path, index_data)
        head = known.head or found.head
        if known.head is not None and known.head.id != self.segment.console:
            self.notes.append(f"{index_path}: it is of the console {known.head.id}")
            if found.runs is None and _any_fits(known.parts, found.data):
                self.notes.append(f"{bytes_path}: it is of the console {known.head.id}")
                found = _Bytes(b"", (), None)
            known, head = Index(), found.head
        if found.head is not None and found.head.id != self.segment.console:
            self.notes.append(f"{bytes_path}: it is of the console {found.head.id}")
            found = _Bytes(b"", (), None)
            head = known.head
        strange = not (self.before or known.begins_at(self.segment.start))
        unfit = known.size > 0 and not _any_fits(known.parts, found.data)
        if strange or (unfit and self._speaks_for_itself(found)):
            self.notes.append(f"{index_path}: it is of another segment")
            known = Index()
        entries = tuple(self._entries(found, known, bytes_path))
        return Recovered(found.data, entries, head, tuple(self.notes))

    def _speaks_for_itself(self, found: _Bytes) -> bool:
        """Whether every block is whole and of this segment: an index in which nothing fits is not
        its own then.
        """
        first, last = self.segment.start, self.segment.end
        runs = found.runs or ()
        inside = all(first <= run.offset and run.offset + len(run.data) <= last for run in runs)
        return found.whole and inside

    def _file(self, path: Path, start: int) -> bytes | None:
        try:
            with path.open("rb") as file:
                file.seek(start)
                return file.read()
        except OSError as error:
            if path != self.segment.paths[0] or self.segment.size:
                self.notes.append(f"{path}: {error.strerror}")
            return None

    # The bytes

    def _bytes(self, data: bytes | None) -> _Bytes:
        if data is None:
            return _Bytes(b"", (), None)
        if not self.segment.compressed:
            size = self.segment.size - self.base
            if len(data) < size:
                self._note(0, f"{size - len(data)} bytes are missing at its end")
            return _Bytes(data[:size], None, None)
        found = blocks.unpack(data)
        if found is None:
            return self._one_frame(data)
        if found.damaged:
            self._note(0, f"{found.damaged} bytes are damaged")
        head = index.read_head(found.head.encode())
        return _Bytes(found.data, found.runs, head, whole=not found.damaged)

    def _one_frame(self, data: bytes) -> _Bytes:
        unpacked, whole = blocks.unpack_some(data)
        longest = self.segment.end - self.segment.start
        if not whole:
            self._note(0, f"damaged; {len(unpacked)} bytes before that can be unpacked")
        elif len(unpacked) > longest:
            self._note(0, f"{len(unpacked)} bytes, where at most {longest} can be")
        return _Bytes(unpacked, None, None, whole and len(unpacked) <= longest)

    def _note(self, which: int, what: str) -> None:
        self.notes.append(f"{self.segment.paths[which]}: {what}")

    # The index

    def _index(self, path: Path, data: bytes | None) -> Index:
        if data is None:
            return Index()
        if self.segment.compressed:
            data, whole = blocks.unpack_some(data)
            if not whole:
                self._note(1, "damaged")
        else:
            data = data[: self.segment.index_size - self.before]
        try:
            found = index.read(data, str(path), begins=not self.before)
        except UnknownVersion as error:
            self.notes.append(str(error))
            return Index()
        if found.damaged or (found.torn and self.segment.closed):
            self._note(1, f"{found.damaged + found.torn} bytes are damaged")
        return found

    # Both

    def _entries(self, found: _Bytes, known: Index, path: Path) -> Iterator[IndexEntry]:
        base = self.base
        place, offset, at = base, self.segment.start + base, self.segment.first
        for part in known.parts:
            begins = next((e.offset for e in part.entries if e.code == DATA), None)
            if part.begin > place and found.certain:
                yield from _between(found, place, part.begin, offset, begins, at)
            yield from self._part(found, part, path)
            place, at = part.end, max([at, *(entry.at for entry in part.entries)])
            offset = max([offset, *(e.end for e in part.entries if e.code != ABOUT)])
        if base + len(found.data) > place and found.certain:
            yield from _between(found, place, base + len(found.data), offset, None, at)

    def _part(self, found: _Bytes, part: IndexPart, path: Path) -> Iterator[IndexEntry]:
        whole = part.fits(found.data, self.base)
        # A block has a checksum of its own: of a part that is not all there the rest is right.
        pieces = () if whole or not found.runs else _covered(found.runs, part)
        if not whole and part.end > part.begin:
            self.notes.append(f"{path}: bytes {part.begin} to {part.end} are damaged")
        for entry in part.entries:
            if entry.code != DATA or whole:
                yield entry
                continue
            for run in pieces:
                first = max(run.place, entry.place)
                last = min(run.place + len(run.data), entry.place + entry.length)
                offset = entry.offset + first - entry.place
                # Blocks of another segment have other offsets at these places.
                if first < last and run.offset + first - run.place == offset:
                    yield IndexEntry(DATA, offset, entry.at, last - first, first, b"")


def _any_fits(parts: Sequence[IndexPart], data: bytes) -> bool:
    return any(part.end > part.begin and part.fits(data) for part in parts)


def _covered(runs: Sequence[BlockRun], part: IndexPart) -> Sequence[BlockRun]:
    """Those with bytes of `part`; none if all of it is there, and is not what was written."""
    found = [run for run in runs if run.place < part.end and part.begin < run.place + len(run.data)]
    size = sum(
        min(run.place + len(run.data), part.end) - max(run.place, part.begin) for run in found
    )
    return () if size == part.end - part.begin else found


def _between(
    found: _Bytes, place: int, stop: int, offset: int, following: int | None, at: int
) -> Iterator[IndexEntry]:
    """Entries for the bytes from `place` to `stop`, of which the index says nothing: they begin at
    `offset`, and `following` is the offset behind them, if it is known.
    """
    if found.runs is not None:
        for run in found.runs:
            begin, end = max(place, run.place), min(stop, run.place + len(run.data))
            if begin < end:
                yield IndexEntry(
                    DATA, run.offset + begin - run.place, run.at, end - begin, begin, b""
                )
        return
    if following is not None and following - offset != stop - place:
        return  # something is missing between, at an unknown place
    while place < stop:
        size = min(LONGEST_RUN, stop - place)
        yield IndexEntry(DATA, offset, at, size, place, b"")
        place, offset = place + size, offset + size


def last_output_of(kept: Sequence[Segment]) -> int:
    """When the last byte of `kept`, which are in order, came; 0 if there is none."""
    for segment in reversed(kept):
        if not segment.last_output and segment.compressed and segment.size:
            # Only where the last thing that happened was long after the last byte.
            with suppress(OSError):
                entries = recover(segment).entries
                segment.last_output = max((e.at for e in entries if e.code == DATA), default=0)
        if segment.last_output:
            return segment.last_output
    return 0


@frozen
class Contents:
    """What a closed segment has: its bytes, its index, and the bytes packed. `notes` say what was
    wrong with it; then bytes and index are made anew, with a gap wherever anything is missing.
    """

    data: bytes
    index: bytes
    packed: bytes
    notes: tuple[str, ...]


def contents(segment: Segment) -> Contents:
    """Of a closed segment that is not compressed. Raises OSError."""
    found = recover(segment)
    if found.notes or segment.damaged:
        records = list(_records(segment, found))
        data = b"".join([record.payload for record in records if record.code == DATA])
        made = index.MAGIC + index.lay_out(segment.serial, segment.serial, 0, records)
        entries = tuple(index.read(made, str(segment.paths[1])).entries)
    else:
        data, entries = found.data, found.entries
        made = segment.paths[1].read_bytes()[: segment.index_size]
    head = _head(segment, found).decode()
    return Contents(data, made, blocks.pack(head, _runs(entries, data)), found.notes)


def _head(segment: Segment, found: Recovered) -> bytes:
    if found.head is None:
        return head_text(segment.console, {}, False)
    return head_text(segment.console, found.head.about, found.head.booted)


def _records(segment: Segment, found: Recovered) -> Iterator[Record]:
    console, reached = bytes.fromhex(segment.console), segment.start
    if found.head is not None:
        yield Record(ABOUT, console, segment.start, segment.first, _head(segment, found))
    for entry in found.entries:
        if entry.code != DATA and entry.code < FIRST_MARKER:
            continue
        if entry.offset > reached:  # a marker may stand among what is missing
            yield gap(console, reached, entry.offset, entry.at, DAMAGED)
        payload = entry.payload
        if entry.code == DATA:
            payload = found.data[entry.place : entry.place + entry.length]
        yield Record(entry.code, console, entry.offset, entry.at, payload)
        reached = max(reached, entry.end)
    if segment.end > reached:
        yield gap(console, reached, segment.end, segment.last, DAMAGED)


def _runs(entries: Sequence[IndexEntry], data: bytes) -> Iterator[BlockRun]:
    """The bytes as blocks, each of them in one piece."""
    offset = at = place = size = 0
    for entry in entries:
        if entry.code != DATA:
            continue
        done = 0
        while done < entry.length:
            if size == BLOCK or (size and entry.offset + done != offset + size):
                yield BlockRun(offset, at, place, data[place : place + size])
                size = 0
            if not size:
                offset, at, place = entry.offset + done, entry.at, entry.place + done
            more = min(entry.length - done, BLOCK - size)
            size, done = size + more, done + more
    if size:
        yield BlockRun(offset, at, place, data[place : place + size])


def compress(disk: Disk, segment: Segment, parts: Contents) -> Segment:
    """A compressed copy of a closed segment, synced; the caller deletes the original.

    `parts` are its `contents`.
    """
    made = Segment(
        segment.directory,
        segment.start,
        segment.end,
        segment.first,
        segment.last,
        size=len(parts.data),
        closed=True,
        compressed=True,
        serial=segment.serial,
    )
    made.head = segment.head
    for packed, target in zip(
        (parts.packed, blocks.pack_index(parts.index)), made.paths, strict=True
    ):
        disk.replace(target, packed, sync=True)
        made.on_disk += len(packed)
        made.index_size = len(packed)
    return made

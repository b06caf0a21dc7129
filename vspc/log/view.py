"""One console's log as a thread reads it: a snapshot of its segments and of what is in memory."""

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from threading import Lock

import zstandard
from attrs import define, evolve, field, frozen

from vspc.console.past import Item, Kind, Marker, Passage, Said
from vspc.log import segments
from vspc.log.discovery import closed
from vspc.log.frames import UnknownVersion
from vspc.log.records import DATA, GAP, Record, as_marker
from vspc.log.segments import Entry, Segment, end_of

CACHED = 16
"""Segments that are kept unpacked for whoever reads on."""

EVICTED = "no longer kept"
DAMAGED = "the file is damaged"


@frozen
class Loaded:
    """A segment in memory: its entries, where each begins, and the bytes."""

    entries: tuple[Entry, ...]
    offsets: list[int]
    data: bytes


@define(eq=False)
class Cache:
    """Segments that were read last, for all readers' threads."""

    complain: Callable[[str, str], None]
    _found: OrderedDict[str, tuple[int, int, Loaded]] = field(factory=OrderedDict, init=False)
    _lock: Lock = field(factory=Lock, init=False)

    def load(self, segment: Segment) -> Loaded:
        """Its bytes and entries. Raises FileNotFoundError if it is gone."""
        name = str(segment.paths[0])
        with self._lock:
            size, index_size, found = self._found.get(name, (-1, -1, None))
            if found is not None and (size, index_size) == (segment.size, segment.index_size):
                self._found.move_to_end(name)
                return found
        loaded = self._load(segment)
        with self._lock:
            self._found[name] = (segment.size, segment.index_size, loaded)
            self._found.move_to_end(name)
            while len(self._found) > CACHED:
                self._found.popitem(last=False)
        return loaded

    def _load(self, segment: Segment) -> Loaded:
        try:
            data, index = segments.load(segment)
        except FileNotFoundError:
            raise
        except (OSError, zstandard.ZstdError, UnknownVersion) as error:
            self.complain("log-segment-damaged", f"{segment.paths[0]}: {error}")
            return Loaded((), [], b"")
        if index.damaged:
            what = f"{segment.paths[1]}: {index.damaged} bytes are damaged"
            self.complain("log-segment-damaged", what)
        return Loaded(index.entries, [entry.offset for entry in index.entries], data)


def _in_memory(pending: Sequence[Record]) -> Loaded:
    """Records as if they were a segment."""
    entries, place = [], 0
    for record in pending:
        if record.code == DATA:
            size = len(record.payload)
            entries.append(Entry(DATA, record.offset, record.at, size, place, b""))
            place += size
        else:
            entries.append(Entry(record.code, record.offset, record.at, 0, place, record.payload))
    data = b"".join(record.payload for record in pending if record.code == DATA)
    return Loaded(tuple(entries), [entry.offset for entry in entries], data)


@define(eq=False)
class View:
    """`vspc.console.past.Kept` over copies of what the log's thread had at one moment."""

    cache: Cache
    pieces: tuple[Segment, ...]
    pending: tuple[Record, ...]
    end: int
    is_cancelled: Callable[[], bool] = lambda: False

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits any more."""
        return self.is_cancelled()

    @property
    def start(self) -> int:
        """The oldest offset that is kept."""
        if self.pieces:
            return self.pieces[0].start
        return self.pending[0].offset if self.pending else self.end

    def _loads(self, offset: int) -> Iterator[tuple[int, int, Loaded | None]]:
        """What holds `offset` and what follows: start, end, and what it is unless it is gone."""
        at = max(0, bisect_right([s.start for s in self.pieces], offset) - 1)
        for segment in self.pieces[at:]:
            if segment.end < offset:
                continue
            try:
                yield segment.start, segment.end, self.cache.load(segment)
            except FileNotFoundError:
                yield segment.start, segment.end, self._renamed(segment)
        if self.pending:
            yield self.pending[0].offset, self.end, _in_memory(self.pending)

    def _renamed(self, segment: Segment) -> Loaded | None:
        """A segment that was compressed since the snapshot was taken."""
        if segment.compressed:
            return None
        try:
            # It may have grown before it was closed: its name says to where.
            for path in segment.directory.glob(f"{segment.start:020d}-*.seg.zst"):
                return self.cache.load(closed(segment.directory, path.name))
        except (FileNotFoundError, UnknownVersion):
            pass
        return None

    # `Kept`

    def read(self, offset: int, limit: int, until: int | None = None) -> Passage:
        """About `limit` bytes from `offset`."""
        stop = self.end if until is None else min(until, self.end)
        items: list[Item] = []
        at, room = offset, limit
        for start, end, loaded in self._loads(offset):
            if at > stop or room <= 0:
                break
            if start > at and at < stop:
                items.append(_missing(at, min(start, stop), EVICTED, loaded))
                at = min(start, stop)
            found, at, room = _take(loaded, at, stop, room) if loaded else ([], at, room)
            items += found
            if room > 0 and at < min(end, stop):
                why = EVICTED if loaded is None else DAMAGED
                items.append(_missing(at, min(end, stop), why, loaded))
                at = min(end, stop)
        if room > 0 and at < stop:
            items.append(_missing(at, stop, EVICTED, None))
            at = stop
        return Passage(tuple(_timed(items)), at, at >= stop)

    def since(self, at: float) -> int:
        """The offset of the first byte that arrived at `at` or later."""
        wanted = int(at * 1e6)
        for segment in self.pieces:
            if segment.last >= wanted:
                for _, _, loaded in self._loads(segment.start):
                    for entry in loaded.entries if loaded else ():
                        if entry.at >= wanted and entry.code == DATA:
                            return entry.offset
                break
        for record in self.pending:
            if record.code == DATA and record.at >= wanted:
                return record.offset
        return self.end

    def last_lines(self, lines: int, limit: int) -> int:
        """The offset at which the last `lines` lines begin, at most `limit` bytes that were said
        (not counting gaps) back.
        """
        wanted, room, at = lines, limit, self.end
        last = True  # whether it is the end of all, where a newline ends no line before another
        for offset, data in self._backwards():
            if wanted <= 0 or room <= 0 or self.cancelled:
                break
            end = len(data) - (last and data.endswith(b"\n"))
            last = False
            while (end := data.rfind(b"\n", 0, end)) >= 0 and len(data) - end <= room:
                wanted -= 1
                if wanted == 0:
                    return offset + end + 1
            at = offset + max(0, len(data) - room)
            room -= len(data)
        return at

    def _backwards(self) -> Iterator[tuple[int, bytes]]:
        """What was said, each run with its offset, the last first."""
        for record in reversed(self.pending):
            if record.code == DATA:
                yield record.offset, record.payload
        for segment in reversed(self.pieces):
            try:
                loaded: Loaded | None = self.cache.load(segment)
            except FileNotFoundError:
                loaded = self._renamed(segment)
            for entry in reversed(loaded.entries if loaded else ()):
                if entry.code == DATA:
                    assert loaded is not None
                    yield entry.offset, loaded.data[entry.place : entry.place + entry.length]

    def markers(self, kinds: Sequence[Kind]) -> list[Marker]:
        """All markers of those kinds."""
        found = []
        wanted = frozenset(kinds)
        for _, _, loaded in self._loads(self.start):
            if self.cancelled:
                break
            for entry in loaded.entries if loaded else ():
                if entry.code != DATA:
                    marker = as_marker(entry.code, entry.offset, entry.at, entry.payload)
                    if marker is not None and marker.kind in wanted:
                        found.append(marker)
        return found


def _take(loaded: Loaded, at: int, stop: int, room: int) -> tuple[list[Item], int, int]:
    """What `loaded` has from `at`, to `stop` or `room` bytes; where that ends; room left."""
    items: list[Item] = []
    entries = loaded.entries
    # A run that began before `at` may hold it; markers at `at` come with it.
    index = bisect_left(loaded.offsets, at)
    while index > 0 and end_of(entries[index - 1]) > at:
        index -= 1
    for entry in entries[index:]:
        if room <= 0:  # markers here come with the byte that follows them
            break
        if entry.code != DATA:
            if entry.offset > stop:
                break
            marker = as_marker(entry.code, entry.offset, entry.at, entry.payload)
            if marker is None or max(marker.end, marker.offset) < at:
                continue
            if entry.offset > at:
                items.append(_missing(at, entry.offset, DAMAGED, loaded))
                at = entry.offset
            if entry.code == GAP:
                if marker.end <= at:
                    continue
                items.append(evolve(marker, offset=at, end=marker.end))
                at = marker.end
            elif entry.offset == at:
                items.append(marker)
            continue
        end = entry.offset + entry.length
        if end <= at:
            continue
        if entry.offset >= stop:
            break
        if entry.offset > at:
            items.append(_missing(at, entry.offset, DAMAGED, loaded))
            at = entry.offset
        begin = at - entry.offset
        size = min(entry.length - begin, room, stop - at)
        place = entry.place + begin
        items.append(Said(at, entry.at / 1e6, loaded.data[place : place + size]))
        at += size
        room -= size
    return items, at, room


def _timed(items: list[Item]) -> Iterator[Item]:
    """`items`, where a gap of which nobody knows when has the time of what is beside it."""
    known = [item.at for item in items if item.at]
    at = known[0] if known else 0.0
    for item in items:
        if isinstance(item, Marker) and not item.at:
            yield evolve(item, at=at)
        else:
            at = item.at
            yield item


def _missing(start: int, end: int, why: str, near: Loaded | None) -> Marker:
    at = near.entries[0].at / 1e6 if near is not None and near.entries else 0.0
    return Marker(start, at, Kind.GAP, why, end)

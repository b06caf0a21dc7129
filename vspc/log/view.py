"""One console's log as a thread reads it: a snapshot of its segments and of what is in memory."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from attrs import define, evolve

from vspc.console.logs import Item, LogPage, Marker, MarkerKind, Output
from vspc.log.cache import Cache, SegmentPart
from vspc.log.index import LONGEST_RUN, IndexEntry
from vspc.log.records import DATA, GAP, Record, as_marker
from vspc.log.recovery import DAMAGED
from vspc.log.segments import Segment, closed, packed

EVICTED = "no longer kept"
MISSING = "a file is missing"


def _in_memory(pending: Sequence[Record], offset: int, room: int | None) -> SegmentPart:
    """Records from `offset` as if they were a segment; with `room` for about so many bytes."""
    first = bisect_left(pending, offset, key=lambda record: record.offset)
    while first > 0 and pending[first - 1].end > offset:
        first -= 1
    entries, data, place = [], [], 0
    for record in islice(pending, first, None):
        if room is not None and place >= room + LONGEST_RUN:
            break
        if record.code == DATA:
            size = len(record.payload)
            entries.append(IndexEntry(DATA, record.offset, record.at, size, place, b""))
            data.append(record.payload)
            place += size
        else:
            entries.append(
                IndexEntry(record.code, record.offset, record.at, 0, place, record.payload)
            )
    return SegmentPart(tuple(entries), [entry.offset for entry in entries], b"".join(data))


@define(eq=False)
class View:
    """`vspc.console.logs.LogView` over copies of what the log's thread had at one moment."""

    cache: Cache
    pieces: tuple[Segment, ...]
    pending: tuple[Record, ...]
    end: int
    is_cancelled: Callable[[], bool] = lambda: False
    unwritten: int = 0
    booted: bool = False
    begins: int | None = None  # what was before it was deleted

    @property
    def cancelled(self) -> bool:
        """Whether the query was cancelled."""
        return self.is_cancelled()

    @property
    def start(self) -> int:
        """The oldest offset that is kept, or was never deleted."""
        oldest = self.pending[0].offset if self.pending else self.end
        if self.pieces:
            oldest = self.pieces[0].start
        return oldest if self.begins is None else min(oldest, self.begins)

    def _loads(
        self, offset: int, room: int | None = None
    ) -> Iterator[tuple[int, int, tuple[SegmentPart, ...] | None]]:
        """What holds `offset` and what follows, for at least `room` bytes: start, end, and what it
        is unless it is gone.
        """
        at = max(0, bisect_right([s.start for s in self.pieces], offset) - 1)
        for segment in self.pieces[at:]:
            if segment.end < offset:
                continue
            yield segment.start, segment.end, self._load(segment, max(offset, segment.start), room)
        if self.pending:
            yield self.pending[0].offset, self.end, (_in_memory(self.pending, offset, room),)

    def _load(
        self, segment: Segment, offset: int = 0, room: int | None = None
    ) -> tuple[SegmentPart, ...] | None:
        """What `segment` is, or for `room` bytes what of it is read from `offset`; None: gone."""
        with suppress(FileNotFoundError):
            if room is None:
                return self.cache.load(segment)
            return self.cache.read(segment, offset, room)
        with suppress(FileNotFoundError):
            # It was compressed since the snapshot was taken, and may have grown before: its name
            # says to where.
            for name in () if segment.compressed else packed(segment):
                return self.cache.load(closed(segment.directory, name))
        return None

    # `LogView`

    def read(self, offset: int, limit: int, until: int | None = None) -> LogPage:
        """About `limit` bytes from `offset`."""
        stop = self.end if until is None else min(until, self.end)
        items: list[Item] = []
        at, room = offset, limit
        for start, end, parts in self._loads(offset, limit):
            if at > stop:
                break
            near = parts[0] if parts else None
            if start > at and at < stop:
                why = EVICTED if at < self.start else MISSING
                items.append(_missing(at, min(start, stop), why, near))
                at = min(start, stop)
            for part in parts or ():
                found, at, room = _take(part, at, stop, room)
                items += found
            if room > 0 and at < min(end, stop):
                why = EVICTED if parts is None else DAMAGED
                items.append(_missing(at, min(end, stop), why, near))
                at = min(end, stop)
            if room <= 0:  # before the next one is read
                break
        if room > 0 and at < stop:
            items.append(_missing(at, stop, EVICTED if at < self.start else MISSING, None))
            at = stop
        # Without room left there may be markers behind the last byte.
        return LogPage(tuple(_timed(items)), at, at >= stop and room > 0)

    def since(self, at: float) -> int:
        """The offset of the first byte that arrived at `at` or later."""
        wanted = int(at * 1e6)
        for segment in self.pieces:
            if segment.last >= wanted:
                for _, _, parts in self._loads(segment.start):
                    for entry in _entries(parts):
                        if entry.at >= wanted and entry.code == DATA:
                            return entry.offset
                break
        for record in self.pending:
            if record.code == DATA and record.at >= wanted:
                return record.offset
        return self.end

    def last_lines(self, lines: int, limit: int) -> int:
        """The offset at which the last `lines` lines begin, at most `limit` bytes of output
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
        """The output, each run with its offset, the last first."""
        for record in reversed(self.pending):
            if record.code == DATA:
                yield record.offset, record.payload
        for segment in reversed(self.pieces):
            for part in reversed(self._load(segment) or ()):
                for entry in reversed(part.entries):
                    if entry.code == DATA:
                        place = entry.place - part.base
                        yield entry.offset, part.data[place : place + entry.length]

    def markers(self, kinds: Sequence[MarkerKind]) -> list[Marker]:
        """All markers of those kinds."""
        found = []
        wanted = frozenset(kinds)
        for _, _, parts in self._loads(self.start):
            if self.cancelled:
                break
            for entry in _entries(parts):
                if entry.code != DATA:
                    marker = as_marker(entry.code, entry.offset, entry.at, entry.payload)
                    if marker is not None and marker.kind in wanted:
                        found.append(marker)
        return found


def _entries(parts: tuple[SegmentPart, ...] | None) -> Iterator[IndexEntry]:
    for part in parts or ():
        yield from part.entries


def _take(part: SegmentPart, at: int, stop: int, room: int) -> tuple[list[Item], int, int]:
    """What `part` has from `at`, to `stop` or `room` bytes; where that ends; room left."""
    items: list[Item] = []
    entries = part.entries
    # A run that began before `at` may hold it; markers at `at` come with it.
    for entry in islice(entries, part.first(at), None):
        if room <= 0:  # markers here come with the byte that follows them
            break
        if entry.code != DATA:
            if entry.offset > stop:
                break
            marker = as_marker(entry.code, entry.offset, entry.at, entry.payload)
            if marker is None or max(marker.end, marker.offset) < at:
                continue
            if entry.offset > at:
                items.append(_missing(at, entry.offset, DAMAGED, part))
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
            items.append(_missing(at, entry.offset, DAMAGED, part))
            at = entry.offset
        begin = at - entry.offset
        size = min(entry.length - begin, room, stop - at)
        place = entry.place - part.base + begin
        items.append(Output(at, entry.at / 1e6, part.data[place : place + size]))
        at += size
        room -= size
    return items, at, room


def _timed(items: list[Item]) -> Iterator[Item]:
    """`items`; a gap without a time gets that of the item beside it."""
    known = [item.at for item in items if item.at]
    at = known[0] if known else 0.0
    for item in items:
        if isinstance(item, Marker) and not item.at:
            yield evolve(item, at=at)
        else:
            at = item.at
            yield item


def _missing(start: int, end: int, why: str, near: SegmentPart | None) -> Marker:
    at = near.entries[0].at / 1e6 if near is not None and near.entries else 0.0
    return Marker(start, at, MarkerKind.GAP, why, end)

"""Segments in memory, read once for however many readers, in their threads."""

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Condition

from attrs import define, field, frozen

from vspc.log.index import IndexEntry
from vspc.log.records import DATA
from vspc.log.recovery import recover
from vspc.log.segments import Segment, packed

ENTRY = 200
"""Bytes that an entry of an index takes, about."""


@frozen
class SegmentPart:
    """A segment, what was added to it since it was read, or a piece of it: entries, where each
    begins, and bytes.

    `base` is where `data` begins among the segment's bytes.
    """

    entries: tuple[IndexEntry, ...]
    offsets: list[int]
    data: bytes
    base: int = 0

    @property
    def weight(self) -> int:
        """Bytes of memory, about."""
        return len(self.data) + ENTRY * len(self.entries)

    def first(self, offset: int) -> int:
        """The index of the first entry that holds `offset`, or is at it or behind it."""
        index = bisect_left(self.offsets, offset)
        while index > 0 and self.entries[index - 1].end > offset:
            index -= 1
        return index

    def holds(self, offset: int, count: int) -> bool:
        """Whether it has `offset`, what happened there, and `count` bytes from there on."""
        if not self.entries or self.offsets[0] > offset:
            return False
        index = self.first(offset)
        if index == len(self.entries):
            return False
        entry = self.entries[index]
        begin = entry.place + (max(0, offset - entry.offset) if entry.code == DATA else 0)
        return self.base + len(self.data) - begin >= count

    def cut(self, offset: int, count: int) -> "SegmentPart":
        """About `count` bytes of it from `offset` on, with what happened among them."""
        first = self.first(offset)
        if first == len(self.entries):
            return SegmentPart((), [], b"")
        base = self.entries[first].place
        last = bisect_right(self.entries, base + count, first, key=lambda entry: entry.place)
        end = self.base + len(self.data)
        if last < len(self.entries):
            end = self.entries[last].place
        return SegmentPart(
            self.entries[first:last],
            self.offsets[first:last],
            self.data[base - self.base : end - self.base],
            base,
        )


LIMIT = 64 * 1024 * 1024
"""Bytes of memory, about, that are kept for those that read on; one segment is kept in any case."""

AHEAD = 512 * 1024
"""Bytes that are kept for each of many readers at different places, whose segments do not fit."""

READERS = 64
"""Readers for whom that is kept, the last ones."""

PARTS = 32
"""Parts of a segment that grows; over it they are put together again."""

REPORTED = 1000
"""Damaged segments that are reported one by one; that there are more is reported once."""


@frozen
class _Loaded:
    """A segment as it was when its files had those sizes."""

    size: int
    index_size: int
    parts: tuple[SegmentPart, ...]

    @property
    def weight(self) -> int:
        """Bytes of memory, about."""
        return sum(part.weight for part in self.parts)


@define(eq=False)
class Cache:
    """Segments that were read last. Of a segment that grew only what is new is read. A thread that
    needs a segment that another one is reading waits for it. Where segments are dropped for others,
    what follows the place that was read is kept for a reader that goes on there.
    """

    report_problem: Callable[[str, str], None]
    yield_to_writer: Callable[[], None] = lambda: None  # called before files are read
    limit: int = LIMIT
    reads: int = field(default=0, init=False)  # how often files were read
    damaged: set[Path] = field(factory=set, init=False)  # segments that were reported
    _reported_enough: bool = field(default=False, init=False)  # there are more than that
    _found: OrderedDict[str, _Loaded] = field(factory=OrderedDict, init=False)
    _ahead: OrderedDict[tuple[str, int], SegmentPart] = field(factory=OrderedDict, init=False)
    _full: bool = field(default=False, init=False)  # whether anything had to go
    _reading: set[str] = field(factory=set, init=False)
    _changed: Condition = field(factory=Condition, init=False)
    _weight: int = field(default=0, init=False)

    def read(self, segment: Segment, offset: int, count: int) -> tuple[SegmentPart, ...]:
        """As `load`, for a reader of `count` bytes from `offset`: there may be little more."""
        if not (self._full and segment.closed):
            return self.load(segment)
        name = str(segment.paths[0])
        with self._changed:
            known = self._found.get(name)
            if known is not None and _is_current(known, segment):
                self._found.move_to_end(name)
                return known.parts
            for key, part in self._ahead.items():
                if key[0] == name and part.holds(offset, count):
                    self._ahead.move_to_end(key)
                    return (part,)
        parts = self.load(segment)
        ahead = parts[0].cut(offset, AHEAD) if len(parts) == 1 else None
        if ahead is not None and ahead.holds(offset, count):
            with self._changed:
                self._ahead[name, offset] = ahead
                if len(self._ahead) > READERS:
                    self._ahead.popitem(last=False)
        return parts

    def load(self, segment: Segment) -> tuple[SegmentPart, ...]:
        """Its bytes and entries, in parts that follow each other. Raises FileNotFoundError if it
        is gone.
        """
        name = str(segment.paths[0])
        with self._changed:
            self._changed.wait_for(lambda: name not in self._reading)
            known = self._found.get(name)
            if known is not None and _is_current(known, segment):
                self._found.move_to_end(name)
                return known.parts
            self._reading.add(name)
            self.reads += 1
        loaded = None
        try:
            self.yield_to_writer()
            loaded = self._load(segment, known)
        finally:
            with self._changed:
                self._reading.discard(name)
                if loaded is not None:
                    self._keep(name, loaded)
                self._changed.notify_all()
        return loaded.parts

    def _keep(self, name: str, loaded: _Loaded) -> None:
        old = self._found.pop(name, None)
        if old is not None and old.size > loaded.size:  # from an older snapshot
            loaded = old
        self._weight += loaded.weight - (old.weight if old is not None else 0)
        self._found[name] = loaded
        while self._weight > self.limit and len(self._found) > 1:
            self._full = True
            self._weight -= self._found.popitem(last=False)[1].weight

    def _load(self, segment: Segment, known: _Loaded | None) -> _Loaded:
        parts: tuple[SegmentPart, ...] = ()
        after = (0, 0)
        if known is not None and _has_grown(known, segment) and len(known.parts) < PARTS:
            parts, after = known.parts, (known.size, known.index_size)
        return _Loaded(segment.size, segment.index_size, (*parts, *self._read(segment, after)))

    def _read(self, segment: Segment, after: tuple[int, int]) -> tuple[SegmentPart, ...]:
        found = recover(segment, after)
        if found.notes:
            self._report(segment, found.notes)
        offsets = [entry.offset for entry in found.entries]
        return (SegmentPart(found.entries, offsets, found.data, after[0]),)

    def _report(self, segment: Segment, notes: Sequence[str]) -> None:
        """Once of each segment: it is read again and again."""
        if not segment.compressed and packed(segment):
            raise FileNotFoundError(segment.paths[0])  # it was compressed just now
        with self._changed:
            if self._reported_enough or segment.paths[0] in self.damaged:
                return
            if (
                len(self.damaged) >= REPORTED
            ):  # of those that were deleted meanwhile nothing is kept
                self.damaged = {path for path in self.damaged if path.exists()}
            self._reported_enough = len(self.damaged) >= REPORTED
            self.damaged.add(segment.paths[0])
        more = f"; and {len(notes) - 1} more" if len(notes) > 1 else ""
        what = f"{notes[0]}{more}"
        if self._reported_enough:
            what = f"more than {REPORTED} segments are damaged; `vspc verify` names each"
        self.report_problem("log-segment-damaged", what)


def _is_current(known: _Loaded, segment: Segment) -> bool:
    return (known.size, known.index_size) == (segment.size, segment.index_size)


def _has_grown(known: _Loaded, segment: Segment) -> bool:
    if segment.compressed or not known.parts:
        return False
    return segment.size >= known.size and segment.index_size > known.index_size > 0

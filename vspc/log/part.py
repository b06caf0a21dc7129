"""A part of a segment in memory: runs of bytes and markers, in order."""

from bisect import bisect_left, bisect_right

from attrs import frozen

from vspc.log.index import IndexEntry
from vspc.log.records import DATA

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

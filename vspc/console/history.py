"""The last output of a console: a ring of bytes with absolute offsets; one budget for all rings.

Offset 0 is the first byte that a console ever sent. Readers keep an offset of their own and copy
nothing until they read, so that memory has one bound however many are watching.
"""

from collections import OrderedDict
from collections.abc import Callable

from attrs import define, field

SMALLEST = 4 * 1024
"""Bytes of a ring at its first byte; rings grow by doubling."""

REST = 1024
"""Bytes that are kept of a console that has said nothing for a while: what previews and alerts show
before what it says next. The log has the others.
"""

LIMIT = 64 * 1024
"""Bytes at which a ring stops growing, unless the configuration has another size."""

TOTAL = 256 * 1024 * 1024
"""Bytes that all rings together may take."""


@define(eq=False)
class Budget:
    """Memory for all histories: over `total` bytes the longest silent ones shrink first."""

    total: int = TOTAL
    used: int = field(default=0, init=False)
    _rings: "OrderedDict[History, None]" = field(factory=OrderedDict, init=False)
    # The history, which has memory, is now the one that grew last.
    touch: Callable[["History"], None] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.touch = self._rings.move_to_end

    def enter(self, history: "History") -> None:
        """`history` is to have memory, and is now the one that grew last."""
        self._rings[history] = None
        self._rings.move_to_end(history)

    def grant(self, history: "History", requested: int) -> int:
        """The capacity up to `requested` bytes that `history` may have; others shrink for it."""
        missing = self.used - history.capacity + requested - self.total
        if missing > 0:
            self._reclaim(missing, history)
        free = self.total - self.used + history.capacity
        while requested > SMALLEST and requested > free:
            requested //= 2
        return requested

    def _reclaim(self, missing: int, spared: "History") -> None:
        for victim in list(self._rings):
            if missing <= 0:
                return
            if victim is not spared:
                missing -= victim.capacity
                victim.release()

    def resized(self, history: "History", change: int) -> None:
        """Account for `change` bytes; a history of none is no longer asked to shrink."""
        self.used += change
        if history.capacity == 0:
            self._rings.pop(history, None)


class History:
    """The last bytes of a console, at most `limit` (a power of two), addressed by offset.

    `start` is the oldest offset that can still be read, `end` the offset of the next byte to come.
    """

    __slots__ = ("_budget", "_limit", "_ring", "end", "start")

    def __init__(self, budget: Budget, limit: int = LIMIT) -> None:
        self._budget = budget
        self._limit = limit
        self._ring = bytearray()
        self.start = 0
        self.end = 0

    @property
    def capacity(self) -> int:
        """Bytes of memory that the ring takes now."""
        return len(self._ring)

    def append(self, data: bytes) -> None:
        """Keep `data`; what no longer fits is forgotten, oldest first; all, if memory runs out."""
        ring, start, end = self._ring, self.start, self.end
        count, size = len(data), len(ring)
        at, after = end & (size - 1), end + count
        try:
            if at + count <= size > 0 and (after - start <= size or size == self._limit):
                ring[at : at + count] = data  # nearly all that VMs send
                self._budget.touch(self)
            else:
                self._make_room(count)
                self._wrap(data, after)
                size = len(self._ring)
            if after - size > start:
                self.start = after - size
        except MemoryError:
            self.start = after
        self.end = after

    def _wrap(self, data: bytes, end: int) -> None:
        """Write the last of `data`, up to the offset `end`, in two pieces where the ring ends."""
        size = len(self._ring)
        kept = memoryview(data)[-size:]
        at = (end - len(kept)) & (size - 1)
        first = size - at
        self._ring[at : at + len(kept)] = kept[:first]
        if len(kept) > first:
            self._ring[: len(kept) - first] = kept[first:]

    def _make_room(self, count: int) -> None:
        self._budget.enter(self)
        needed = self.end - self.start + count
        if needed <= len(self._ring) or len(self._ring) == self._limit:
            return
        requested = max(SMALLEST, len(self._ring))
        while requested < needed and requested < self._limit:
            requested *= 2
        granted = self._budget.grant(self, requested)
        if granted > len(self._ring):
            try:
                self._resize(granted)
            except MemoryError:
                if not self._ring:
                    raise

    def _resize(self, capacity: int) -> None:
        kept = self.read(self.start, self.end - self.start)
        change = capacity - len(self._ring)
        ring = bytearray(capacity)
        at = self.start & (capacity - 1)
        first = capacity - at
        ring[at : at + len(kept[:first])] = kept[:first]
        ring[: len(kept[first:])] = kept[first:]
        self._ring = ring
        self._budget.resized(self, change)

    def restore(self, start: int, data: bytes) -> None:
        """Take up what another process kept: `data` from offset `start`."""
        self.start = self.end = start
        if data:
            self.append(data)

    def prime(self, end: int, data: bytes) -> None:
        """Put output from before a restart in front: `data` ends at `end`.

        Nothing happens unless that is where the ring begins.
        """
        if end != self.start or self.end - self.start + len(data) == 0:
            return
        whole = data + self.read(self.start, self.end - self.start)
        whole = whole[-self._limit :]
        last = self.end
        self.release()
        self.start = self.end = last - len(whole)
        self.append(whole)

    def skip(self, count: int) -> None:
        """The next `count` bytes are kept nowhere: readers go on behind them."""
        self.release()
        self.start = self.end = self.end + count

    def is_within(self, start: int, end: int) -> bool:
        """Whether all that it has is from `start` to `end`."""
        return start <= self.start and self.end <= end

    def shrink(self) -> None:
        """Keep the last `REST` bytes only, without the end of a line whose beginning is not among
        them, until there are more; all, if memory runs out.
        """
        if len(self._ring) > REST:
            before = self.start
            try:
                self.start = self._rest()
                self._resize(REST)
            except MemoryError:
                self.start = before

    def _rest(self) -> int:
        cut = self.end - REST
        if cut <= self.start:
            return self.start
        newline = self.read(cut - 1, REST).find(b"\n")
        return cut + max(newline, 0)

    def release(self) -> None:
        """Give the memory back; the offsets go on."""
        change = -len(self._ring)
        self._ring = bytearray()
        self.start = self.end
        self._budget.resized(self, change)

    def read(self, offset: int, limit: int) -> bytes:
        """At most `limit` bytes from `offset`, which must lie from `start` to `end`."""
        if not self.start <= offset <= self.end:
            raise ValueError(f"offset {offset} is not within {self.start} to {self.end}")
        count = min(limit, self.end - offset)
        if count <= 0:
            return b""
        size = len(self._ring)
        at = offset & (size - 1)
        with memoryview(self._ring) as ring:
            piece = bytes(ring[at : at + count])
            return piece + bytes(ring[: count - len(piece)]) if len(piece) < count else piece

    def last_lines(self, lines: int, limit: int) -> int:
        """The offset at which the last `lines` lines begin, at most `limit` bytes back.

        An unfinished last line (a prompt) counts as one.
        """
        earliest = max(self.start, self.end - limit)
        text = self.read(earliest, self.end - earliest)
        at = len(text) - 1 if text.endswith(b"\n") else len(text)
        for _ in range(lines):
            at = text.rfind(b"\n", 0, at)
            if at < 0:
                return earliest
        return earliest + at + 1

"""How far each line is, written at each byte: a table of fixed places in the file of the state.

A record takes microseconds, and output comes more often than that. So what output alone changes
is a few numbers in memory that the next process reads: each line has two places, which are written
in turns, and one that was not written to its end is not looked at.

    place   number, name of the line (of one that is not kept: the id of its console), bytes read
            from it, offset behind its last output and when that came, whether the line is kept,
            whether the last byte was a CR, what is not decoded, number
"""

import mmap
import os
import struct
from heapq import heappop, heappush

from attrs import define, field, frozen

LINES = 65_536
"""Lines in the table at most; what is beyond is written with its records, at the end of a turn."""

TAIL = 13
"""Bytes that are not decoded and have room here; more go into a record."""

_PLACE = struct.Struct("<Q8sQQd??14pQ")
_EACH = 2 * _PLACE.size

_UNUSED = bytes(mmap.PAGESIZE)

TABLE = LINES * _EACH
"""Bytes of the whole table; what no line has used yet takes no memory."""


@frozen
class LineProgress:
    """How far one line is. `number` counts what was written; `read` is as in `TrafficAccount`.

    `is_kept` false: only that of its console counts.
    """

    number: int
    read: int
    history_end: int
    last_output: float
    is_kept: bool
    after_cr: bool
    tail: bytes


@define(eq=False)
class ProgressTable:
    """The table at `start` of `descriptor`."""

    descriptor: int
    start: int
    memory: mmap.mmap = field(init=False)
    _free: list[int] = field(factory=list, init=False)
    _used: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        if os.fstat(self.descriptor).st_size < self.start + TABLE:
            os.ftruncate(self.descriptor, self.start + TABLE)
        self.memory = mmap.mmap(self.descriptor, TABLE, offset=self.start)
        self.memory.madvise(mmap.MADV_REMOVE)  # what an earlier process left

    def take(self) -> int | None:
        """The place of one more line; None: all are taken. OSError."""
        if self._free:
            return heappop(self._free)
        if self._used == LINES:
            return None
        at = self._used * _EACH
        # Memory that cannot be had is an error here, and a signal where it is only written to.
        os.pwrite(self.descriptor, bytes(_EACH), self.start + at)
        self._used += 1
        return at

    def give_back(self, at: int) -> None:
        """The line at that place is gone."""
        self.memory[at : at + _EACH] = bytes(_EACH)
        heappush(self._free, at)

    def close(self) -> None:
        """Let the memory go."""
        self.memory.close()


write = _PLACE.pack_into
"""`write(memory, at, *place)`: the numbers first and last are one more each time."""

NAME = 8
"""Bytes of a name; shorter ones are filled up with NUL."""

PLACE = _PLACE.size
"""Bytes from the first of a line's places to the second."""


def read_table(descriptor: int, start: int) -> dict[bytes, LineProgress]:
    """How far all lines are, by name, or by the id of their console. OSError."""
    found: dict[bytes, LineProgress] = {}
    orders: dict[bytes, int] = {}
    for page in range(start, start + TABLE, mmap.PAGESIZE):
        data = os.pread(descriptor, mmap.PAGESIZE, page)
        if data == _UNUSED:
            continue
        for place in range(0, len(data) - _PLACE.size + 1, _PLACE.size):
            number, name, *facts, again = _PLACE.unpack_from(data, place)
            progress = LineProgress(number, *facts)
            # A console may have had several lines: its output tells which place is the newest.
            order = number if progress.is_kept else progress.history_end
            if number == again and number and order >= orders.get(name, 0):
                orders[name] = order
                found[name] = progress
    return found

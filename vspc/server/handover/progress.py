"""How far each line is, written at each byte: a table of fixed places in the file of the state.

A record takes microseconds, and output comes more often than that. So what output alone changes
is a few numbers in memory that the next process reads: each line has two places, which are written
in turns, and one that was not written to its end is not looked at.

    place   number, name of the line, bytes read from it, offset behind its last output and when
            that came, whether the last byte was a CR, what is not decoded, number
"""

import mmap
import os
import struct
from heapq import heappop, heappush

from attrs import define, field, frozen

LINES = 65_536
"""Lines in the table at most; what is beyond is written with its records, at the end of a turn."""

TAIL = 14
"""Bytes that are not decoded and have room here; more go into a record."""

_PLACE = struct.Struct("<Q8sQQd?15pQ")
_EACH = 2 * _PLACE.size

TABLE = LINES * _EACH
"""Bytes of the whole table; what no line has used yet takes no memory."""


@frozen
class LineProgress:
    """How far one line is. `read` as in `Account`."""

    read: int
    history_end: int
    last_output: float
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
"""`write(memory, at, number, name, read, history_end, last_output, after_cr, tail, number)`."""

PLACE = _PLACE.size
"""Bytes from the first of a line's places to the second."""


def read_table(descriptor: int, start: int) -> dict[bytes, LineProgress]:
    """How far all lines are, by name. OSError."""
    data = os.pread(descriptor, TABLE, start)
    found: dict[bytes, LineProgress] = {}
    numbers: dict[bytes, int] = {}
    for page in range(0, len(data), mmap.PAGESIZE):
        if not any(data[page : page + mmap.PAGESIZE]):
            continue
        for at in range(page, min(page + mmap.PAGESIZE, len(data) - _PLACE.size + 1), _PLACE.size):
            number, name, *facts, again = _PLACE.unpack_from(data, at)
            name = name.rstrip(b"\0")
            if number == again and name and number > numbers.get(name, 0):
                numbers[name] = number
                found[name] = LineProgress(*facts)
    return found

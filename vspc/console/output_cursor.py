"""A reader's place in the output of a console: what it is shown next, in order.

That is bytes, exactly what was lost, or a one-line notice at the place in the stream where it
happened.
"""

from collections import deque

from attrs import frozen

from vspc.console.history import History
from vspc.console.notices import Notice

NOTICES = 64
"""Notices that wait for a slow reader; more, and the oldest is dropped."""


@frozen
class OutputChunk:
    """Bytes that the VM sent, from `offset`."""

    offset: int
    data: bytes


@frozen
class Lost:
    """The reader was too slow: `start` to `end` (exclusive) are no longer kept (law 1).

    With `why` nobody got them, for that reason.
    """

    start: int
    end: int
    why: str = ""


@frozen
class Ended:
    """The last thing to show: later output is not for this reader."""

    reason: str


class OutputCursor:
    """The place of one reader in `history`. `offset` is the next byte to show."""

    __slots__ = ("_end", "_history", "_notices", "offset")

    def __init__(self, history: History, offset: int) -> None:
        self._history = history
        self._notices: deque[tuple[int, Notice | Lost]] = deque(maxlen=NOTICES)
        self._end: tuple[int, str] | None = None
        self.offset = offset

    @property
    def pending(self) -> bool:
        """Whether `next` has something."""
        ends = self._end is not None
        return bool(self._notices) or ends or self.offset < self._history.end

    def show(self, notice: Notice) -> None:
        """`notice` comes behind everything that the VM sent before now."""
        self._notices.append((self._history.end, notice))

    def lose(self, start: int, end: int, why: str) -> None:
        """`start` to `end` (exclusive) were not kept, because of `why`: that is shown there."""
        self._notices.append((start, Lost(start, end, why)))

    def end(self, reason: str) -> None:
        """What the VM has sent until now is the last that comes. A later call changes nothing."""
        if self._end is None:
            self._end = (self._history.end, reason)

    def skip(self) -> None:
        """Output until now is not shown; notices are."""
        self.offset = self._history.end

    @property
    def newest_notice(self) -> str:
        """The text of the last notice that was not shown yet, or empty."""
        newest = self._notices[-1][1] if self._notices else None
        return newest.text if isinstance(newest, Notice) else ""

    @property
    def last(self) -> int | None:
        """The offset at which it ends, after `end`."""
        return None if self._end is None else self._end[0]

    def next(self, limit: int) -> OutputChunk | Lost | Notice | Ended | None:
        """What is to be shown next, at most `limit` (over 0) bytes of it."""
        history = self._history
        while self._notices and self._notices[0][0] <= max(self.offset, history.start):
            start, shown = self._notices[0]
            if isinstance(shown, Notice):
                self._notices.popleft()
                return shown
            if self.offset < start:
                return self._lost_until(start)
            self._notices.popleft()
            if self.offset < shown.end:  # else it has read on from the log
                return self._lost_until(shown.end, shown.why)
        if self.offset < history.start:
            return self._lost_until(history.start)
        end = min(self._notices[0][0] if self._notices else history.end, self.offset + limit)
        if self._end is not None:
            if self.offset >= self._end[0]:
                return Ended(self._end[1])
            end = min(end, self._end[0])
        if end == self.offset:
            return None
        output = OutputChunk(self.offset, history.read(self.offset, end - self.offset))
        self.offset = end
        return output

    def _lost_until(self, end: int, why: str = "") -> Lost:
        lost = Lost(self.offset, end, why)
        self.offset = end
        return lost

"""What the ring of a console holds, as if it were a log: for consoles that are not logged, and for
those whose log cannot be read.
"""

from collections.abc import Sequence

from attrs import frozen

from vspc.console.history import History
from vspc.console.logs import Item, LogPage, Marker, MarkerKind, Output

NOT_LOGGED = "not logged, and no longer in memory"
UNREADABLE = "no longer in memory, and the log cannot be read now"


@frozen
class Memory:
    """`vspc.console.logs.Kept` over a ring. Nobody knows when each byte came: it is `last`.

    `why` is said of what is missing.
    """

    history: History
    last: float
    why: str = NOT_LOGGED

    @property
    def start(self) -> int:
        """The oldest offset that is kept."""
        return self.history.start

    @property
    def end(self) -> int:
        """The offset after the last byte."""
        return self.history.end

    @property
    def booted(self) -> bool:
        """Nobody looked."""
        return False

    @property
    def unwritten(self) -> int:
        """Nothing: it is not to be written."""
        return 0

    @property
    def cancelled(self) -> bool:
        """It takes no time."""
        return False

    def read(self, offset: int, limit: int, until: int | None = None) -> LogPage:
        """At most `limit` bytes from `offset`."""
        stop = self.end if until is None else min(until, self.end)
        items: list[Item] = []
        at = min(offset, stop)
        if at < min(self.start, stop):
            end = min(self.start, stop)
            items.append(Marker(at, self.last, MarkerKind.GAP, self.why, end))
            at = end
        data = self.history.read(at, min(limit, stop - at))
        if data:
            items.append(Output(at, self.last, data))
            at += len(data)
        return LogPage(tuple(items), at, at >= stop)

    def since(self, at: float) -> int:
        """Nothing: nobody knows when each byte came, and it may decide what one may see."""
        del at
        return self.end

    def last_lines(self, lines: int, limit: int) -> int:
        """The offset at which the last `lines` lines begin, at most `limit` bytes back."""
        return self.history.last_lines(lines, limit)

    def markers(self, kinds: Sequence[MarkerKind]) -> list[Marker]:
        """None are kept."""
        del kinds
        return []

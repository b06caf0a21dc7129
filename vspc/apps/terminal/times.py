"""The times of lines in a live console (`^Ect`): when the first byte of each came."""

from collections import deque
from datetime import tzinfo

from vspc.common.clock import Clock
from vspc.common.timezones import local_time, zone_text
from vspc.console.stamps import LineStamper, stamp

MARKS = 1024
"""Places in the output whose times are kept while a terminal has not been shown them yet."""

PRECISION = 0.1
"""Seconds within which what comes has one time."""


class LineTimes:
    """Of one terminal, off at first; `zone` is that of its operator, None for the server's."""

    def __init__(self, clock: Clock, zone: tzinfo | None = None) -> None:
        self._clock = clock
        self.zone = zone
        self._stamper: LineStamper | None = None
        self._marks: deque[tuple[int, float]] = deque(maxlen=MARKS)

    @property
    def are_shown(self) -> bool:
        """Whether lines have stamps."""
        return self._stamper is not None

    def show(self, end: int, rows: int, is_line_start: bool) -> None:
        """From the offset `end` on, on a terminal of so many rows."""
        self._stamper = LineStamper(rows, is_line_start)
        self._marks.clear()
        self.came(end)

    def hide(self) -> None:
        """No more of them."""
        self._stamper = None
        self._marks.clear()

    def came(self, end: int) -> None:
        """Output up to the offset `end` has come by now."""
        if self._stamper is None or (self._marks and self._marks[-1][0] == end):
            return
        now = self._clock.wall()
        if self._marks and 0 <= now - self._marks[-1][1] < PRECISION:
            self._marks[-1] = (end, self._marks[-1][1])
        else:
            self._marks.append((end, now))

    def places(self, data: bytes) -> list[int]:
        """Where in `data`, which is shown next, a stamp stands."""
        return [] if self._stamper is None else self._stamper.feed(data)

    def of(self, offset: int) -> bytes:
        """The stamp of a line that begins at `offset`."""
        while len(self._marks) > 1 and self._marks[0][0] <= offset:
            self._marks.popleft()
        is_known = bool(self._marks) and self._marks[0][0] > offset
        return self.at(self._marks[0][1] if is_known else self._clock.wall())

    def at(self, at: float) -> bytes:
        """The stamp for that time."""
        now = local_time(self._clock.wall(), self.zone)
        return stamp(local_time(at, self.zone), now).encode()

    def whole(self, at: float) -> str:
        """Date, time and offset of the zone."""
        return local_time(at, self.zone).isoformat(" ", "seconds")

    @property
    def zone_name(self) -> str:
        """`Europe/Berlin, UTC+02:00`."""
        return zone_text(self._clock.wall(), self.zone)

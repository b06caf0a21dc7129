"""Brings frames to a terminal: only the lines that differ, only as there is room, and seldom in a
storm of changes.
"""

from collections import deque
from collections.abc import Sequence

from vspc.console.ports import Channel

REPAINTS = 5
"""Repaints in any second."""

GAPS = (0.0, 0.0, 0.05, 0.15, 0.3)
"""Seconds between the last repaint and the next, by how many there were in the last second."""

_WINDOW = 1.0

# The alternate screen, cursor hidden, no wrapping (a character may be wider than we think), and
# pastes marked, so that the line end in one attaches to nothing.
_OPEN = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h\x1b[m\x1b[H\x1b[2J"
_CLEAR = b"\x1b[m\x1b[2J"
# Cleared first: a terminal without an alternate screen has only this one.
_CLOSE = b"\x1b[m\x1b[H\x1b[2J\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l"


class Painter:
    """Writes to `channel`; what does not fit is written when it has room again (`go_on`)."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._shown: dict[int, bytes] = {}
        self._frame: Sequence[bytes] = ()
        self._prefix = _OPEN
        self.is_open = False

    def forget(self) -> None:
        """The terminal no longer shows what it did."""
        self._shown.clear()
        self._prefix = _CLEAR if self.is_open else _OPEN

    def paint(self, frame: Sequence[bytes]) -> bool:
        """Show `frame`; whether anything is to be written for it."""
        self._frame = frame
        is_new = any(self._shown.get(i) != line for i, line in enumerate(frame))
        self.go_on()
        return is_new

    def go_on(self) -> None:
        """Write what differs. Out of room, the rest stays for the next call."""
        frame = self._frame
        while changed := [i for i, line in enumerate(frame) if self._shown.get(i) != line]:
            room = self._channel.room()
            if room <= 0:
                return
            self._channel.write(self._piece(frame, changed, room))

    def _piece(self, frame: Sequence[bytes], changed: Sequence[int], room: int) -> bytes:
        """Whole lines within `room`, and at least one of anything."""
        piece, self._prefix = self._prefix, b""
        self.is_open = True
        for i in changed:
            if piece and len(piece) + len(frame[i]) > room:
                break
            piece += frame[i]
            self._shown[i] = frame[i]
        return piece

    def close(self) -> bool:
        """Give the terminal back as it was; whether anything was to be done."""
        was_open, self.is_open = self.is_open, False
        self._frame = ()
        if was_open:
            self._channel.write(_CLOSE)
        return was_open


class RepaintPace:
    """When a terminal may be repainted: at once after the first keys, later `REPAINTS` times a
    second at most. Counts repaints; times are seconds of a clock that is not set back.
    """

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=REPAINTS)

    def wait(self, now: float) -> float:
        """Seconds until the next repaint; 0: now."""
        times = self._times
        while times and times[0] + _WINDOW <= now:
            times.popleft()
        if not times:
            return 0.0
        due = times[0] + _WINDOW if len(times) == REPAINTS else times[-1] + GAPS[len(times)]
        return max(0.0, due - now)

    def painted(self, now: float) -> None:
        """There was one."""
        self._times.append(now)

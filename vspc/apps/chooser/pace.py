"""When a terminal may be repainted: at once after the first keys, and seldom in a storm. Pure."""

from collections import deque

REPAINTS = 5
"""Repaints in any second."""

GAPS = (0.0, 0.0, 0.05, 0.15, 0.3)
"""Seconds between the last repaint and the next, by how many there were in the last second."""

_WINDOW = 1.0


class RepaintPace:
    """Counts repaints; times are seconds of a clock that is not set back."""

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

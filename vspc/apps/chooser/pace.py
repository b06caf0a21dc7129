"""How often lists are looked at and painted: at once after a pause, seldom in a storm of changes.
Times are seconds of a clock that is not set back. Pure.
"""

from collections import deque

CHANGE_INTERVAL = 0.25
"""Seconds between two refreshes of a list, however often it changes."""

SHARE = 40
"""Refreshes of all lists take one part in so many of the time at most: of a long list, or of many,
there are fewer."""

LONGEST = 30.0
"""Seconds between two refreshes at most."""

BETWEEN = 0.005
"""Seconds from one refresh to that of another list: what arrives then does not wait for all."""

REPAINTS = 5
"""Repaints in any second."""

GAPS = (0.0, 0.0, 0.05, 0.15, 0.3)
"""Seconds between the last repaint and the next, by how many there were in the last second."""

_WINDOW = 1.0


class RefreshPace:
    """When the lists of all choosers of a server are refreshed after a change: those that wait, one
    after the other.
    """

    def __init__(self) -> None:
        self._due = self._free = 0.0

    def wait(self, now: float, last: float | None) -> float:
        """Seconds until a list may be refreshed that was at `last`; a new one may at once."""
        return 0.0 if last is None else max(0.0, self._due - now, last + CHANGE_INTERVAL - now)

    def spent(self, now: float, seconds: float) -> None:
        """A list was refreshed, or painted, for so long."""
        self._due = min(max(self._due, now) + SHARE * seconds, now + LONGEST)
        self._free = now + BETWEEN

    def wait_for_others(self, now: float) -> float:
        """Seconds until a list may be refreshed whose time it is; 0: now."""
        return max(0.0, self._free - now)


class RepaintPace:
    """When a terminal may be repainted: at once after the first keys, later `REPAINTS` times a
    second at most. Counts repaints.
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

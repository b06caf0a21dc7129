"""How often lists are looked at and painted: at once after a pause, seldom in a storm of changes.
Times are seconds of a clock that is not set back. Pure.
"""

from bisect import insort
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

SOON = 0.001
"""Seconds that are not worth a wait."""

REPAINTS = 5
"""Repaints in any second."""

GAPS = (0.0, 0.0, 0.05, 0.15, 0.3)
"""Seconds between the last repaint and the next, by how many there were in the last second."""

_WINDOW = 1.0


class RefreshPace:
    """What refreshes of all lists of a server may take, and which are owed for.

    A list owes what its refresh took until that is paid: one part in `SHARE` of the time pays, in
    equal parts for all lists that owe. So a long list waits for itself, not short ones for it, and
    what others do not need is its own.
    """

    def __init__(self) -> None:
        self._at = 0.0  # when what is paid was reckoned last
        self._paid = 0.0  # seconds for each list that has owed all the time
        self._owed: list[float] = []  # of each list that owes, sorted: up to what it has to be paid
        self._free = 0.0

    def list_pace(self) -> "ListPace":
        """That of a new list."""
        return ListPace(self)

    def _pay(self, now: float) -> None:
        left, self._at = max(0.0, now - self._at) / SHARE, max(now, self._at)
        while self._owed:
            first, count = self._owed[0], len(self._owed)
            if (first - self._paid) * count > left:
                self._paid += left / count
                return
            left -= (first - self._paid) * count
            self._paid = self._owed.pop(0)

    def owe(self, now: float, owed: float, seconds: float) -> float:
        """A list that `owed` so far took `seconds`: what it owes now."""
        self._pay(now)
        if owed > self._paid:
            self._owed.remove(owed)
        owed = max(owed, self._paid) + seconds
        insort(self._owed, owed)
        self._free = now + BETWEEN
        return owed

    def until_paid(self, now: float, owed: float) -> float:
        """Seconds until that is paid, unless other lists owe more meanwhile."""
        self._pay(now)
        wait, paid = 0.0, self._paid
        for index, each in enumerate(self._owed):
            if paid >= owed:
                break
            wait += (min(each, owed) - paid) * (len(self._owed) - index)
            paid = each
        return wait * SHARE

    def until_free(self, now: float) -> float:
        """Seconds until another list may be refreshed; 0: now."""
        return max(0.0, self._free - now)


class ListPace:
    """When one list is refreshed after a change: in its turn, and when it has paid for the last
    time.
    """

    def __init__(self, lists: RefreshPace) -> None:
        self._lists = lists
        self._owed = 0.0
        self._refreshed_at: float | None = None
        self._latest = 0.0  # when it is refreshed, whatever it owes

    @property
    def is_new(self) -> bool:
        """Whether it was never refreshed: that is its own affair, and at once."""
        return self._refreshed_at is None

    def wait(self, now: float) -> float:
        """Seconds until it may be refreshed; 0: now, if no other one was just before."""
        if self._refreshed_at is None:
            return 0.0
        owes = min(self._lists.until_paid(now, self._owed), self._latest - now)
        wait = max(owes, self._refreshed_at + CHANGE_INTERVAL - now)
        return wait if wait > SOON else 0.0

    def wait_in_turn(self, now: float) -> float:
        """The same, and until no other list was refreshed just before."""
        return 0.0 if self.is_new else max(self.wait(now), self._lists.until_free(now))

    def refreshed(self, now: float) -> None:
        """It was."""
        self._refreshed_at, self._latest = now, now + LONGEST

    def spent(self, now: float, seconds: float) -> None:
        """It was refreshed, or painted after that, for so long, at the cost of all."""
        self._owed = self._lists.owe(now, self._owed, seconds)


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

"""When something that does not take anything is tried again."""

from attrs import define, field

AGAIN, LONGEST = 1.0, 30.0
"""Seconds after the first error, and between two tries at most."""


@define(eq=False)
class Backoff:
    """Times are the caller's."""

    failing: bool = field(default=False, init=False)
    retry: float = field(default=0.0, init=False)
    _pause: float = field(default=AGAIN, init=False)
    _since: float = field(default=0.0, init=False)
    _well_since: float = field(default=float("-inf"), init=False)

    def fail(self, now: float, moved: bool) -> bool:
        """An error; whether it is the first. `moved`: it took something else just before."""
        first = not self.failing
        if first:
            self.failing, self._since = True, now
        # What fails again at once was never well: its pause goes on growing.
        if (first and now >= self._well_since + LONGEST) or (moved and not first):
            self._pause = AGAIN
        self.retry = now + self._pause
        self._pause = min(2 * self._pause, LONGEST)
        return first

    def recover(self, now: float) -> float:
        """It goes on; seconds since the first error."""
        self.failing, self._well_since = False, now
        return now - self._since

    def is_waiting(self, now: float) -> bool:
        """Whether it is too early for another try."""
        return self.failing and now < self.retry

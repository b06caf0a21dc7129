"""When something that fails is tried again: pauses that double, up to a limit."""

from collections.abc import Callable

from attrs import define, field

AGAIN, LONGEST = 1.0, 30.0
"""Seconds after the first error, and between two tries at most."""

SPREAD = 0.3
"""Part of a pause that jitter takes away at most."""


@define(eq=False)
class Backoff:
    """When something that fails is tried again. Times are the caller's.

    `settled`: seconds after a success from which an error begins with the first pause again.
    `jitter` gives numbers from 0 to 1; without it, pauses are exact.
    """

    longest: float = LONGEST
    settled: float = LONGEST
    jitter: Callable[[], float] | None = None
    failing: bool = field(default=False, init=False)
    retry: float = field(default=0.0, init=False)
    _pause: float = field(default=AGAIN, init=False)
    _since: float = field(default=0.0, init=False)
    _good_since: float = field(default=float("-inf"), init=False)

    def fail(self, now: float, moved: bool) -> bool:
        """An error; whether it is the first. `moved`: something else succeeded just before."""
        first = not self.failing
        if first:
            self.failing, self._since = True, now
        # After a short success the pause goes on growing.
        if (first and now >= self._good_since + self.settled) or (moved and not first):
            self._pause = AGAIN
        less = 0.0 if self.jitter is None else SPREAD * self.jitter()
        self.retry = now + max(AGAIN, (1 - less) * self._pause)
        self._pause = min(2 * self._pause, self.longest)
        return first

    def recover(self, now: float) -> float:
        """A success; seconds since the first error."""
        self.failing, self._good_since = False, now
        return now - self._since

    def is_waiting(self, now: float) -> bool:
        """Whether it is too early for another try."""
        return self.failing and now < self.retry

"""When a VM that lost its line tries again: after 1 s, then 2 s, doubling up to 30 s."""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

FIRST_RETRY, LAST_RETRY = 1.0, 30.0
"""Seconds until a lost line is made anew: doubled each time."""


class Retry:
    """One VM's attempts; `attempt` is called for each."""

    def __init__(self, clock: IReactorTime, attempt: Callable[[], None]) -> None:
        self._clock = clock
        self._attempt = attempt
        self._delay = FIRST_RETRY
        self._call: IDelayedCall | None = None

    def plan(self) -> bool:
        """Try later; False if that is planned already."""
        if self._call is not None:
            return False
        self._call = self._clock.callLater(self._delay, self._now)
        self._delay = min(2 * self._delay, LAST_RETRY)
        return True

    def _now(self) -> None:
        self._call = None
        self._attempt()

    def succeeded(self) -> None:
        """The next one comes soon again."""
        self._delay = FIRST_RETRY

    def stop(self) -> None:
        """Try no more."""
        self.succeeded()
        if self._call is not None:
            self._call.cancel()
            self._call = None

"""Time as an argument: pure rooms are handed a clock (law 8)."""

from collections.abc import Callable
from typing import Protocol


class Cancellable(Protocol):
    """A call that was put off and can be taken back (Twisted's IDelayedCall)."""

    def cancel(self) -> None: ...
    def active(self) -> bool: ...


def cancel(*calls: Cancellable | None) -> None:
    """Take back those of `calls` that are still to come."""
    for call in calls:
        if call is not None and call.active():
            call.cancel()


class Clock(Protocol):
    """Time, handed in: the reactor in service, a fake in tests."""

    def seconds(self) -> float:
        """Seconds for measuring; never set back while the program runs."""

    def wall(self) -> float:
        """Seconds since 1970 (UTC), for what people read."""

    def call_later(self, delay: float, call: Callable[[], None]) -> Cancellable: ...

"""Time as an argument: pure rooms are handed a clock (law 8). Times of day as RFC 3339."""

from collections.abc import Callable
from datetime import UTC, datetime
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
        """Seconds since 1970 (UTC), to be shown."""

    def call_later(self, delay: float, call: Callable[[], None]) -> Cancellable: ...


class Timer:
    """One call that is put off; starting it again takes the place of the call before."""

    __slots__ = ("_clock", "_due", "_waiting")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due = 0.0
        self._waiting: Cancellable | None = None

    @property
    def left(self) -> float | None:
        """Seconds until the call, at least 0; None where none is put off."""
        return None if self._waiting is None else max(0.0, self._due - self._clock.seconds())

    @property
    def due(self) -> float | None:
        """When the call is made, in the clock's seconds; None where none is put off."""
        return None if self._waiting is None else self._due

    def start(self, seconds: float, call: Callable[[], None]) -> None:
        """Call `call` in `seconds`, and nothing else."""

        def due() -> None:
            self._waiting = None
            call()

        self.stop()
        self._due = self._clock.seconds() + seconds
        self._waiting = self._clock.call_later(seconds, due)

    def stop(self) -> None:
        """Take the call back, if there is one."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()


CLOCK_SET = 2.0
"""Seconds by which the time of day has to jump to count as set; less is the work of NTP."""


class ClockWatch:
    """Notices that the time of day was set, or that the machine was suspended."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._difference = clock.wall() - clock.seconds()

    def moved(self) -> float | None:
        """Seconds by which it was set since the last call, below 0 if back; None below `CLOCK_SET`.
        Call it periodically.
        """
        before, now = self._difference, self._clock.wall() - self._clock.seconds()
        self._difference = now
        return now - before if abs(now - before) >= CLOCK_SET else None


JUMP = 3600.0
"""Seconds by which the time of day may be set forward at once, or with the server stopped, and be
believed by what deletes by age.
"""

DOUBT = 24 * 3600.0
"""Seconds for which a time that was set further forward has to last until anything is deleted by
it.
"""


class DeletionClock:
    """The time of day by which old things are deleted: a clock that is set to next year by mistake,
    or that begins wrong, must not delete what was kept.

    A time that jumped forward by more than `JUMP` counts after `DOUBT`; until then the time from
    before goes on. A time that was set back counts at once. `seconds` and `wall` are those of
    `Clock`; `last` is when the last thing was kept, and where none was the time is believed.
    """

    def __init__(
        self, seconds: Callable[[], float], wall: Callable[[], float], last: float | None = None
    ) -> None:
        self._seconds, self._wall = seconds, wall
        believed = wall() if last is None else min(wall(), last)
        self._difference = believed - seconds()
        self._doubted: tuple[float, float] | None = None  # the difference, and since when

    def time(self) -> float:
        """Seconds since 1970. Call it periodically."""
        now = self._seconds()
        difference = self._wall() - now
        if difference <= self._difference + JUMP:
            self._difference, self._doubted = difference, None
        elif self._doubted is None or abs(difference - self._doubted[0]) > JUMP:
            self._doubted = (difference, now)
        elif now >= self._doubted[1] + DOUBT:
            self._difference, self._doubted = difference, None
        return now + self._difference

    @property
    def doubted(self) -> float | None:
        """Seconds by which the time of day is further than what counts, or None."""
        return None if self._doubted is None else self._doubted[0] - self._difference


LATEST = 253402214400.0
"""Seconds since 1970: the last day whose year has four digits in every time zone."""


def rfc3339(at: float, timespec: str = "milliseconds", local: bool = False) -> str:
    """`at` in UTC with a Z, or in the local time zone with its offset.

    A clock may be set to anything: a time before 1970 or after `LATEST` is written as that bound,
    and NaN as 1970. `timespec` is that of `datetime.isoformat`.
    """
    bounded = min(max(0.0, at), LATEST) if at == at else 0.0
    moment = datetime.fromtimestamp(bounded, UTC)
    if local:
        return moment.astimezone().isoformat(timespec=timespec)
    return moment.isoformat(timespec=timespec).removesuffix("+00:00") + "Z"


def timestamp(seconds: float | None) -> str | None:
    """RFC 3339, UTC, milliseconds; None stays None."""
    return None if seconds is None else rfc3339(seconds)


def parse_rfc3339(text: str) -> float:
    """Seconds since 1970; a time without an offset is in UTC, and a date alone is its midnight.

    Raises ValueError.
    """
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except OverflowError as error:
        raise ValueError(str(error)) from None

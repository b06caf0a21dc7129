"""Turns of the reactor: how long each takes, and where it is when it takes too long.

A turn is what the reactor does between two waits for something to happen. While it lasts nobody
else is served, so that its length is how late others may be.
"""

import sys
import time
from collections.abc import Callable
from pathlib import PurePath
from threading import Condition, Thread, get_ident
from types import FrameType
from typing import Any

from vspc.common.measures import Distribution
from vspc.net.limits import TokenBucket

FRAMES = 20
"""Calls that a stack in the log names, the innermost first."""

REPORTS, REPORT_RATE = 5, 1 / 60
"""Slow turns that are logged at once, and how many a second in the long run."""

SHORTEST_LOOK = 0.005
"""Seconds between two looks at a turn that goes on, at least."""


class _TimedPoller:
    """In the place of the reactor's epoll object, with another `poll`."""

    __slots__ = ("modify", "poll", "register", "unregister")

    def __init__(self, poller: Any, poll: Callable[[float, int], list[tuple[int, int]]]) -> None:
        self.poll = poll
        self.register = poller.register
        self.modify = poller.modify
        self.unregister = poller.unregister


class TurnWatch:
    """Measures the turns of `reactor`, and reports those that are longer than `limit()` seconds.

    `report` is called in a thread, while the turn lasts, with its length so far and its stack:
    functions and lines, no values. In the reactor's thread `over` follows with its whole length. An
    idle reactor costs nothing, a turn two readings of the clock.
    """

    def __init__(
        self,
        reactor: Any,
        limit: Callable[[], float],
        report: Callable[[float, str], None],
        over: Callable[[float], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lengths = Distribution()
        self.slow = 0
        self.longest = 0.0
        self._reactor = reactor
        self._limit = limit
        self._report = report
        self._over = over
        self._now = now
        self._reports = TokenBucket(REPORT_RATE, REPORTS)
        self._poller: Any = None  # the reactor's own
        self._thread_id = 0
        self._turns = 0
        self._began: float | None = None  # of the turn that goes on
        self._reported = -1  # the number of the turn that was reported last
        self._sleeps = False  # the watching thread waits for the next turn
        self._stopped = False
        self._changed = Condition()

    @property
    def measures(self) -> bool:
        """Whether turns are measured: of a reactor that waits by epoll."""
        return self._poller is not None

    def start(self) -> None:
        """In the reactor's thread: measure from now on. Raises RuntimeError where the system has no
        thread for it.
        """
        poller = getattr(self._reactor, "_poller", None)
        if poller is None:
            return
        self._poller, self._thread_id = poller, get_ident()
        self._reactor._poller = _TimedPoller(poller, self._poll)
        Thread(target=self._watch, name="turn-watch", daemon=True).start()

    def stop(self) -> None:
        """Measure nothing more."""
        if self._poller is None:
            return
        self._reactor._poller, self._poller = self._poller, None
        self._began = None
        with self._changed:
            self._stopped = True
            self._changed.notify()

    # In the reactor's thread

    def _poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        """As that of `select.epoll`: ends one turn, waits, and begins another."""
        began, self._began = self._began, None
        if began is not None:
            self._count(self._now() - began)
        try:
            found: list[tuple[int, int]] = self._poller.poll(timeout, most)
        finally:
            self._began = self._now()
            self._turns += 1
            if self._sleeps:
                with self._changed:
                    self._changed.notify()
        return found

    def _count(self, length: float) -> None:
        self.lengths.observe(length)
        if length > self.longest:
            self.longest = length
        if length > self._limit():
            self.slow += 1
            if self._reported == self._turns:
                self._over(length)

    # In the watching thread

    def _watch(self) -> None:
        """Sleep where no turn has begun since the last look, or where the last sleep was long: then
        turns are rare. To be woken for each of many would cost more than to look at times.
        """
        seen, slept = -1, 0.0
        while not self._stopped:
            # In this order: no turn that begins meanwhile is taken for one that is over.
            turn = self._turns
            began = self._began
            with self._changed:
                if self._stopped:
                    return
                # Set before the last look at `_turns`: a turn that begins now sees it.
                self._sleeps = began is None and (turn == seen or slept > self._limit())
                sleeps = self._sleeps and self._turns == turn
                before = self._now()
                self._changed.wait(None if sleeps else self._pause(began, turn))
                self._sleeps = False
                slept = self._now() - before if sleeps else 0.0
            seen = turn
            self._look()

    def _pause(self, began: float | None, turn: int) -> float:
        """Seconds until the turn that goes on is slow; between turns so long that no slow one is
        missed.
        """
        limit = self._limit()
        if began is None or turn == self._reported:
            return limit / 2
        return max(SHORTEST_LOOK, began + limit - self._now())

    def _look(self) -> None:
        """Report the turn that goes on, if it is slow and was not reported."""
        began, turn = self._began, self._turns
        if began is None or turn == self._reported:
            return
        length = self._now() - began
        if length <= self._limit():
            return
        frame = sys._current_frames().get(self._thread_id)
        if frame is None or self._turns != turn or self._began is None:
            return
        if self._reports.take(self._now()):
            self._reported = turn
            self._report(length, stack_text(frame))


def stack_text(frame: FrameType | None) -> str:
    """Where a thread is, innermost call first: `file:line function`; no values of anything."""
    calls = list[str]()
    while frame is not None and len(calls) < FRAMES:
        path = PurePath(frame.f_code.co_filename)
        calls.append(f"{path.parent.name}/{path.name}:{frame.f_lineno} {frame.f_code.co_qualname}")
        frame = frame.f_back
    return " < ".join(calls)

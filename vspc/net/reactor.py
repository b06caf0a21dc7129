"""The reactor as the rooms get it: a clock, and calls in its threads."""

import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from vspc.common.clock import Cancellable

T = TypeVar("T")


STALL = 1.0
"""Seconds: what the reactor is late beyond this is not counted by its timers."""


class _Timers:
    """What the timers of `reactor` measure: the time during which it was there to serve.

    Nobody sets it, and of a stall (a stopped process, a paused machine, a very long turn) only
    `STALL` seconds are in it: what arrived meanwhile is read before a wait for it is over.
    """

    def __init__(self, reactor: Any, now: Callable[[], float]) -> None:
        self._now = now
        self._until_next = reactor.timeout
        self._due = now()  # when it is seen again, if it is not late
        self._offset: float = reactor.seconds() - self._due

    def seconds(self) -> float:
        """In the place of the reactor's. It is called in each turn."""
        now = self._now()
        late = now - self._due
        if late > STALL:
            self._offset -= late - STALL
        self._due = now
        return now + self._offset

    def timeout(self) -> float | None:
        """In the place of the reactor's: it may wait so long for something to happen."""
        seconds: float | None = self._until_next()
        self._due = math.inf if seconds is None else self._due + seconds
        return seconds


def time_monotonically(reactor: Any, now: Callable[[], float] = time.monotonic) -> None:
    """Have the timers of `reactor`, a real one, measure time that nobody sets: Twisted's follow the
    system's clock, and set by an hour they would all be due at once, or an hour late. Nor do they
    count a stall of the process, after which they would all be due before anything is read. Timers
    from before stay right.
    """
    timers = _Timers(reactor, now)
    reactor.seconds, reactor.timeout = timers.seconds, timers.timeout


WAKER_ROOM = 4096
"""Bytes that threads have written to wake the reactor, read at once."""


def keep_waker(reactor: Any) -> None:
    """Have the pipe by which threads wake `reactor`, a real one, stay if memory runs out: Twisted's
    reads it with an allocation, and the reactor closes for ever what raises. The answers of threads
    would come late from then on.
    """
    waker, room = reactor.waker, bytearray(WAKER_ROOM)
    into = (room,)

    def drain() -> None:
        with suppress(OSError, MemoryError):
            os.readv(waker.i, into)

    waker.doRead = drain


class ReactorClock:
    """`vspc.common.clock.Clock` over a reactor."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    seconds = staticmethod(time.monotonic)
    """Monotonic: setting the system's clock must not end a migration."""

    wall = staticmethod(time.time)
    """Seconds since 1970."""

    def call_later(self, delay: float, call: Callable[[], None]) -> Cancellable:
        """As the reactor's."""
        return self._reactor.callLater(delay, call)


class ThreadRunner:
    """`vspc.console.ports.InThread`, by the reactor's pool of threads."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def __call__(self, call: Callable[[], T]) -> Deferred[T]:
        """Never fires after the end of the reactor."""
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), call)


def in_own_thread(reactor: Any, call: Callable[[], T]) -> "Deferred[T]":
    """What `call` returns, by a thread that nothing else waits for or occupies: what has to be done
    before the process ends. Raises RuntimeError where the system has no thread.
    """
    done: Deferred[T] = Deferred()

    def run() -> None:
        try:
            reactor.callFromThread(done.callback, call())
        except Exception:
            reactor.callFromThread(done.errback, Failure())  # type: ignore[no-untyped-call]

    Thread(target=run, name="ending", daemon=True).start()
    return done

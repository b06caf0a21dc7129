"""The clock of the service: Twisted's reactor for waiting, the system's clocks for reading."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from attrs import define
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from vspc.common.clock import Cancellable, Clock


class ReactorClock:
    """`vspc.common.clock.Clock` over a reactor."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    def seconds(self) -> float:
        """Monotonic: a clock that is set must not end a migration."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def call_later(self, delay: float, call: Callable[[], None]) -> Cancellable:
        """As the reactor's."""
        return self._reactor.callLater(delay, call)


T = TypeVar("T")


def sleep(clock: Clock, seconds: float) -> Deferred[None]:
    """Fires after `seconds`."""
    over = Deferred[None](lambda _: waiting.cancel())
    waiting = clock.call_later(seconds, lambda: over.callback(None))
    return over


def within(clock: Clock, seconds: float, waiting: Deferred[T]) -> Deferred[T]:
    """`waiting`, which is cancelled after `seconds`: it fails with TimeoutError then."""
    limit = clock.call_later(seconds, waiting.cancel)

    def settled(result: T | Failure) -> T | Failure:
        if limit.active():
            limit.cancel()
        elif isinstance(result, Failure) and isinstance(result.value, CancelledError):
            raise TimeoutError
        return result

    return waiting.addBoth(settled)


@define(eq=False)
class ThreadRunner:
    """Runs a call in a thread, then another one, with what it returned, in the reactor's.

    `failed` is called inside the except block of either.
    """

    reactor: Any
    failed: Callable[[], None]

    def run(self, call: Callable[[], T], then: Callable[[T], None]) -> None:
        """Both, or neither after the end of the reactor."""
        running = deferToThreadPool(self.reactor, self.reactor.getThreadPool(), call)
        running.addCallback(then).addErrback(self._broke)

    def _broke(self, failure: Any) -> None:
        try:
            failure.raiseException()
        except Exception:
            self.failed()

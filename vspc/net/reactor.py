"""The reactor as the rooms get it: a clock, and calls in its threads."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from attrs import define
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThreadPool

from vspc.common.clock import Cancellable


class ReactorClock:
    """`vspc.common.clock.Clock` over a reactor."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    def seconds(self) -> float:
        """Monotonic: setting the system's clock must not end a migration."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def call_later(self, delay: float, call: Callable[[], None]) -> Cancellable:
        """As the reactor's."""
        return self._reactor.callLater(delay, call)


T = TypeVar("T")


@define(eq=False)
class ThreadRunner:
    """Runs a call in a thread of the reactor's pool, then another one, with its result, in the
    reactor's thread. `failed` is called in the except block of either.
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

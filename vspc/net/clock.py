"""The clock of the service: Twisted's reactor for waiting, the system's clocks for reading."""

import time
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from vspc.common.clock import Cancellable


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

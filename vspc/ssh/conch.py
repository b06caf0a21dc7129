"""What every class over Conch uses: a silent logger, and timers by name."""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import ILogObserver, LogEvent, Logger
from zope.interface import provider


@provider(ILogObserver)
def _discard(event: LogEvent) -> None:
    """Conch would log what operators send (law 7)."""


quiet = Logger(namespace="vspc.ssh.conch", observer=_discard)
"""Assigned to `_log` in every subclass of a class of Conch's."""


class Timers:
    """One delayed call for each name; `stop` cancels all."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: dict[str, IDelayedCall] = {}

    def later(
        self, name: str, delay: float, call: Callable[..., object], *arguments: object
    ) -> None:
        """Call once after `delay` seconds, in place of an earlier call of this `name`."""
        self.cancel(name)
        self._waiting[name] = self._clock.callLater(delay, call, *arguments)

    def cancel(self, name: str) -> None:
        """Cancel the call of this `name`, if there is one."""
        timer = self._waiting.pop(name, None)
        if timer is not None and timer.active():
            timer.cancel()

    def stop(self) -> None:
        """Cancel all calls."""
        for name in list(self._waiting):
            self.cancel(name)

"""Timers by name: one of each, none survives its owner."""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Timers:
    """What a connection still means to do."""

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self._waiting: dict[str, IDelayedCall] = {}

    def later(
        self, name: str, delay: float, call: Callable[..., object], *arguments: object
    ) -> None:
        """Call once after `delay` seconds, instead of an earlier one by this `name`."""
        self.never(name)
        self._waiting[name] = self.clock.callLater(delay, call, *arguments)

    def never(self, name: str) -> None:
        """Take `later` back."""
        timer = self._waiting.pop(name, None)
        if timer is not None and timer.active():
            timer.cancel()

    def stop(self) -> None:
        """Take all back."""
        for name in list(self._waiting):
            self.never(name)

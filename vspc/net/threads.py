"""Work for the reactor's threads."""

from collections.abc import Callable
from typing import Any, TypeVar

from attrs import define
from twisted.internet.threads import deferToThreadPool

T = TypeVar("T")


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

"""A coroutine under way: what waits for a log, a file or a person is written as one."""

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()


class RunningCoroutine:
    """A coroutine that has begun and runs until it ends or is cancelled; what it raises is logged.

    `cancel` raises CancelledError where it waits. Called while the coroutine itself runs, it does
    nothing: the coroutine has to look whether it is to go on.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine: Any = coroutine
        self._deferred = Deferred.fromCoroutine(coroutine)
        self._deferred.addErrback(_ended)

    def cancel(self) -> None:
        """End it where it waits."""
        # Without a frame it has ended, perhaps because all that refers to it was collected.
        if self._coroutine.cr_frame is not None and not self._coroutine.cr_running:
            self._deferred.cancel()

    def active(self) -> bool:
        """Whether it has not ended."""
        return not self._deferred.called


def _ended(failure: Failure) -> None:
    if not isinstance(failure.value, CancelledError):
        _log.failure("coroutine-failed", failure)

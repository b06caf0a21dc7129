"""Coroutines that run, and what they wait for: a time, something that changes, a thread's answer.

Each wait ends with `twisted.internet.defer.CancelledError` when its coroutine is cancelled, and
leaves no timer behind.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from vspc.common.clock import Clock, cancel

_log = Logger()

T = TypeVar("T")


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


async def sleep(clock: Clock, seconds: float) -> None:
    """Go on `seconds` later; with 0 in the next turn of the reactor."""
    await Wakeup(clock).wait(seconds)


async def within(clock: Clock, seconds: float, work: "Coroutine[Any, Any, T] | Deferred[T]") -> T:
    """What `work` returns. Raises TimeoutError after `seconds`, when `work` is cancelled; a time
    below 0 is 0.
    """
    running: Deferred[T] = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
    is_late = False

    def time_out() -> None:
        nonlocal is_late
        is_late = True
        running.cancel()

    timer = clock.call_later(max(0.0, seconds), time_out)
    try:
        return await running
    except CancelledError:
        if is_late:
            raise TimeoutError from None
        raise
    finally:
        cancel(timer)


class Wakeup:
    """`set` ends a `wait`, or the next one where none is under way. `clock` is for time limits."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self._is_set = False
        self._is_due = False
        self._error: Exception | None = None
        self._waiting: Deferred[bool] | None = None

    @property
    def is_awaited(self) -> bool:
        """Whether a coroutine waits."""
        return self._waiting is not None

    def set(self) -> None:
        """The coroutine that waits goes on at once, within this call."""
        self._is_set = True
        self._end()

    def set_later(self) -> None:
        """The same in the next turn of the reactor, for calls out of what must not be changed."""
        assert self._clock is not None
        if not self._is_due:
            self._clock.call_later(0, self._set_now)
            self._is_due = True

    def _set_now(self) -> None:
        self._is_due = False
        self.set()

    def throw(self, error: Exception) -> None:
        """The coroutine that waits gets `error`, or the next one that does."""
        self._error = error
        self._end()

    def _end(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(True)

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until `set`, at most `seconds`; below 0 is 0. False: they are over."""
        if not self._is_set and self._error is None:
            waiting: Deferred[bool] = Deferred()
            self._waiting = waiting
            timer = None
            if seconds is not None:
                assert self._clock is not None
                timer = self._clock.call_later(max(0.0, seconds), self._end)
            try:
                await waiting
            finally:
                self._waiting = None
                cancel(timer)
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        was_set, self._is_set = self._is_set, False
        return was_set


class ThreadAnswer(Generic[T]):
    """One answer, made in the reactor's thread; `call_from_thread` runs a call there.

    `over`: it was given, or the coroutine was cancelled. A thread that sees it may give up early;
    what it gives then is dropped.
    """

    def __init__(self, call_from_thread: Callable[[Callable[[], None]], None]) -> None:
        self.over = False
        self._call_from_thread = call_from_thread
        self._answer: Deferred[T] = Deferred()

    async def wait(self) -> T:
        """The answer."""
        try:
            return await self._answer
        finally:
            self.over = True

    def give(self, answer: T) -> None:
        """Let `wait` return `answer`; from any thread."""
        self._call_from_thread(lambda: self._give(answer))

    def _give(self, answer: T) -> None:
        if not self.over:
            self.over = True
            self._answer.callback(answer)

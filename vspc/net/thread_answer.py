"""What a coroutine in the reactor's thread waits for, and another thread gives."""

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred

T = TypeVar("T")


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

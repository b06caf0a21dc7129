"""Heavy work, done in a thread: one piece at a time, the cheapest first."""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any, TypeVar

from attrs import define, field

T = TypeVar("T")

LIMIT = 4096
"""Pieces of work that wait."""

InThread = Callable[[Callable[[], Any], Callable[[Any], None]], None]
"""Runs the first in a thread, then the second, with what it returned, in the reactor's."""


def at_once(work: Callable[[], Any], then: Callable[[Any], None]) -> None:
    """Where there are no threads."""
    then(work())


@define(eq=False, order=False)
class Task:
    """One piece of work on its way: `vspc.console.ports.Cancellable`."""

    work: Callable[[], Any]
    done: Callable[[Any], Any]
    over: bool = False

    def cancel(self) -> None:
        """Nobody wants it any more."""
        self.over = True

    def active(self) -> bool:
        """Whether it is still to be done."""
        return not self.over


@define(eq=False)
class Aside:
    """One thread's worth of work, whoever wants it: whoever wants much waits behind who wants
    little, and no number of them takes more than one processor.

    `failed` is called inside the except block of work that raised.
    """

    _in_thread: InThread = at_once
    _failed: Callable[[], None] = lambda: None
    _waiting: list[tuple[float, int, Task]] = field(factory=list, init=False)
    _numbers: "count[int]" = field(factory=count, init=False)
    _busy: bool = field(default=False, init=False)

    def do(self, cost: float, work: Callable[[], T], done: Callable[[T | None], Any]) -> Task:
        """`done` hears what `work` returned; None if it raised, or if too much waits already."""
        task = Task(work, done)
        if len(self._waiting) >= LIMIT:
            task.over = True
            done(None)
            return task
        heappush(self._waiting, (cost, next(self._numbers), task))
        self._next()
        return task

    def _next(self) -> None:
        while self._waiting and not self._busy:
            _, _, task = heappop(self._waiting)
            if not task.over:
                self._busy = True
                self._in_thread(lambda task=task: self._run(task), self._finished(task))  # type: ignore[misc]

    def _run(self, task: Task) -> Any:
        """In the thread."""
        try:
            return task.work()
        except Exception:
            self._failed()
            return None

    def _finished(self, task: Task) -> Callable[[Any], None]:
        def finished(found: Any) -> None:
            self._busy = False
            if not task.over:
                task.over = True
                task.done(found)
            self._next()

        return finished

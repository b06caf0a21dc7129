"""Heavy work, done in a thread: one piece at a time, the cheapest first."""

from collections.abc import Callable
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, TypeVar

from attrs import define, field

from vspc.console.ports import InThread

T = TypeVar("T")

LIMIT = 4096
"""Pieces of work that wait."""

AT_ONCE = 1 << 20
"""Steps of work that need no thread: 5 ms at worst, where a step is one byte of a text times one
instruction of a pattern."""

RATE = 20 * AT_ONCE
"""Steps a second that are done without a thread, for everybody together: a tenth of the time."""


def at_once(work: Callable[[], Any], then: Callable[[Any], None]) -> None:
    """Where there are no threads."""
    then(work())


@define(eq=False, order=False)
class Task:
    """One piece of work on its way: `vspc.common.clock.Cancellable`."""

    work: Callable[[], Any] | None
    done: Callable[[Any], Any]
    over: bool = False

    def cancel(self) -> None:
        """Nobody wants it any more: what it would work on need not be kept."""
        self.over, self.work = True, None

    def active(self) -> bool:
        """Whether it is still to be done."""
        return not self.over


@define(eq=False)
class WorkPool:
    """One thread's worth of work, whoever wants it: whoever wants much waits behind who wants
    little, and no number of them takes more than one processor.

    `seconds` is for measuring; `failed` is called inside the except block of work that raised.
    """

    _in_thread: InThread = at_once
    _seconds: Callable[[], float] = lambda: 0.0
    _failed: Callable[[], None] = lambda: None
    _waiting: list[tuple[int, int, Task]] = field(factory=list, init=False)
    _numbers: "count[int]" = field(factory=count, init=False)
    _busy: bool = field(default=False, init=False)
    _allowed: float = field(default=RATE, init=False)  # steps that need no thread now
    _at: float = field(default=0.0, init=False)

    def do(self, cost: int, work: Callable[[], T], done: Callable[[T | None], Any]) -> Task | None:
        """`done` hears what `work`, which takes `cost` steps, returned (None if it raised): at
        once if that is little. Without a `Task` too much waits already, or there is no thread, and
        nobody hears.
        """
        task = Task(work, done)
        if self._is_little(cost):
            self._conclude(task, self._run(task))
        elif self._is_full():
            return None
        else:
            heappush(self._waiting, (cost, next(self._numbers), task))
            self._next()
            if not self._busy and task.active():  # there is no thread for it
                task.cancel()
                return None
        return task

    def _is_full(self) -> bool:
        if len(self._waiting) >= LIMIT:  # who has gone takes nobody's place
            self._waiting = [each for each in self._waiting if not each[2].over]
            heapify(self._waiting)
        return len(self._waiting) >= LIMIT

    def _is_little(self, cost: int) -> bool:
        now = self._seconds()
        self._allowed = min(RATE, self._allowed + RATE * (now - self._at))
        self._at = now
        if cost > min(AT_ONCE, self._allowed):
            return False
        self._allowed -= cost
        return True

    def _next(self) -> None:
        while self._waiting and not self._busy:
            first = heappop(self._waiting)
            task = first[2]
            if task.over:
                continue
            self._busy = True
            try:
                self._in_thread(partial(self._run, task), partial(self._finished, task))
            except RuntimeError:  # the system has no thread now: the next that is wanted tries it
                self._busy = False
                heappush(self._waiting, first)
                return

    def _run(self, task: Task) -> Any:
        """Perhaps in the thread."""
        work = task.work
        try:
            return None if work is None else work()
        except Exception:
            self._failed()
            return None

    def _finished(self, task: Task, found: Any) -> None:
        self._busy = False
        if not task.over:
            try:
                self._conclude(task, found)
            except Exception:  # others wait behind it
                self._failed()
        self._next()

    def _conclude(self, task: Task, found: Any) -> None:
        task.cancel()
        task.done(found)

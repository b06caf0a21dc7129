"""Heavy work, done in a thread: one piece at a time, the cheapest first."""

from collections.abc import Awaitable, Callable
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred, succeed

from vspc.console.ports import InThread
from vspc.net.waiting import RunningCoroutine

T = TypeVar("T")

LIMIT = 4096
"""Pieces of work that wait."""

AT_ONCE = 1 << 20
"""Steps of work that need no thread: 5 ms at worst, where a step is one byte of a text times one
instruction of a pattern."""

RATE = 20 * AT_ONCE
"""Steps a second, of all operators, that are done without a thread: a tenth of the time."""


def at_once(work: Callable[[], T]) -> Deferred[T]:
    """Where there are no threads."""
    return succeed(work())


class WorkPoolFull(Exception):
    """Too much work waits already, or there is no thread for it."""


@define(eq=False, order=False)
class Task:
    """A piece of work that waits; `work` is None once it is cancelled."""

    work: Callable[[], Any] | None
    done: "Deferred[Any]" = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.done = Deferred(self._cancel)

    def _cancel(self, _done: "Deferred[Any]") -> None:
        self.work = None  # what it would work on need not be kept


@define(eq=False)
class WorkPool:
    """One thread's worth of work for all operators: expensive work waits behind cheap work, and
    however much there is, it takes one processor at most.

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

    async def do(self, cost: int, work: Callable[[], T]) -> T | None:
        """What `work`, which takes `cost` steps, returns: at once if that is little. None: it
        raised. Raises `WorkPoolFull`.
        """
        if self._is_little(cost):
            found: T | None = self._run(work)
            return found
        if self._is_full():
            raise WorkPoolFull
        task = Task(work)
        heappush(self._waiting, (cost, next(self._numbers), task))
        self._next()
        if not self._busy and not task.done.called:  # there is no thread for it
            task.work = None
            raise WorkPoolFull
        outcome: T | None = await task.done
        return outcome

    def _is_full(self) -> bool:
        if len(self._waiting) >= LIMIT:  # cancelled work takes no place
            self._waiting = [each for each in self._waiting if each[2].work is not None]
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
            if task.work is None:
                continue
            self._busy = True
            try:
                doing = self._in_thread(partial(self._run, task.work))
            except RuntimeError:  # the system has no thread now: the next work tries again
                self._busy = False
                heappush(self._waiting, first)
                return
            RunningCoroutine(self._finish(task, doing))

    def _run(self, work: Callable[[], Any]) -> Any:
        """Perhaps in the thread."""
        try:
            return work()
        except Exception:
            self._failed()
            return None

    async def _finish(self, task: Task, doing: Awaitable[Any]) -> None:
        found = await doing
        self._busy = False
        if task.work is not None:
            task.done.callback(found)
        self._next()

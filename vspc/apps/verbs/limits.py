"""What verbs may use: limits per operator, and one thread for heavy work, one piece at a time, the
cheapest first; and where the last match of `expect` ended. In memory only.
"""

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred, succeed

from vspc.console.ports import InThread
from vspc.net.limits import TokenBucket
from vspc.net.waiting import RunningCoroutine

T = TypeVar("T")

PLACES = 4096
"""Places that are remembered; the oldest is forgotten first."""

SENDERS = 4096
"""Operators whose messages are counted; the least recent is forgotten first."""

MESSAGES = 10
"""Messages that an operator may send in a minute."""

EXPECTING = 64
"""Patterns that an operator may wait for at a time: each may take several MB."""


WAITING = 64
"""Consoles, or patterns of names, that an operator may wait for at a time."""

ALL_WAITING = 256
"""The same for all operators together: each looks at every console that comes or goes."""


@define(eq=False)
class Concurrency:
    """What operators have at a time: so much for each of them, and for all."""

    _each: int
    _all: float = inf
    _taken: "Counter[str]" = field(factory=Counter, init=False)

    @contextmanager
    def one_more(self, operator: str) -> Iterator[bool]:
        """Whether `operator` may have one more, which is counted in the block."""
        if self._taken[operator] >= self._each or self._taken.total() >= self._all:
            yield False
            return
        self._taken[operator] += 1
        try:
            yield True
        finally:
            self._taken[operator] -= 1
            if not self._taken[operator]:
                del self._taken[operator]


@define(eq=False)
class VerbLimits:
    """One for all operators."""

    _places: "OrderedDict[tuple[str, str], int]" = field(factory=OrderedDict, init=False)
    _expecting: Concurrency = field(factory=lambda: Concurrency(EXPECTING), init=False)
    _waiting: Concurrency = field(factory=lambda: Concurrency(WAITING, ALL_WAITING), init=False)
    _senders: "OrderedDict[str, TokenBucket]" = field(factory=OrderedDict, init=False)

    def matched(self, operator: str, console_id: str, end: int) -> None:
        """A match of `operator` on a console ended at offset `end`."""
        self._places[operator, console_id] = end
        self._places.move_to_end((operator, console_id))
        if len(self._places) > PLACES:
            self._places.popitem(last=False)

    def last_match(self, operator: str, console_id: str) -> int | None:
        """Where the last one ended."""
        return self._places.get((operator, console_id))

    def expecting(self, operator: str) -> AbstractContextManager[bool]:
        """Whether `operator` may wait for one more pattern, which is counted in the block."""
        return self._expecting.one_more(operator)

    def waiting(self, operator: str) -> AbstractContextManager[bool]:
        """Whether `operator` may wait for one more console, which is counted in the block."""
        return self._waiting.one_more(operator)

    def may_send(self, operator: str, now: float) -> bool:
        """Whether `operator` may send one more message, which is counted."""
        bucket = self._senders.setdefault(operator, TokenBucket(MESSAGES / 60, MESSAGES))
        self._senders.move_to_end(operator)
        if len(self._senders) > SENDERS:
            self._senders.popitem(last=False)
        return bucket.take(now)


TASKS = 4096
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
        if len(self._waiting) >= TASKS:  # cancelled work takes no place
            self._waiting = [each for each in self._waiting if each[2].work is not None]
            heapify(self._waiting)
        return len(self._waiting) >= TASKS

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

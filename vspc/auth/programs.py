"""The administrator's programs that take part in logins: run without a shell, a bounded number at
once; addresses take turns.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorFDSet

from vspc.auth.children import Child, ChildObserver, start
from vspc.auth.program_run import LineLimit, ProgramFailed, ProgramRun, RunContext
from vspc.common.clock import Clock
from vspc.net.limits import FairQueue
from vspc.net.waiting import within

RUNNING = 16
"""Programs at once."""

WAITING = 32
"""Logins that wait for one; over it one of the address that has most is refused."""

NAME = 256
"""Characters of an operator's name that a program is given."""

TURN = 20.0
"""Seconds that a login may wait for its turn."""

Start = Callable[[IReactorFDSet, Sequence[str], ChildObserver], Child]


class Programs:
    """All programs that run, and the logins that wait for one."""

    def __init__(self, reactor: IReactorFDSet, clock: Clock, start: Start = start) -> None:
        self._context = RunContext(clock, LineLimit(clock), partial(start, reactor), self._ended)
        self._running: dict[ProgramRun, None] = {}  # in the order of their start
        self._queue = FairQueue[Deferred[None]](WAITING)
        self._closed = False

    @asynccontextmanager
    async def run(self, words: Sequence[str], client: str) -> AsyncIterator[ProgramRun]:
        """A run of `words`, when it is the turn of `client`, an address or network.

        The program may end by itself afterwards; it is ended at once if an exception leaves the
        block. Raises `ProgramFailed`: it cannot be run, or too many wait.
        """
        if self._closed:
            raise CancelledError
        if len(self._running) >= RUNNING:
            await self._turn(client)
        run = ProgramRun(self._context, words, client)
        self._running[run] = None
        try:
            run.begin()
        except ProgramFailed:
            self._ended(run)
            raise
        try:
            yield run
        except BaseException:
            run.stop()
            raise
        run.conclude()

    def close(self) -> None:
        """Kill what runs, and cancel what waits."""
        self._closed = True
        for turn in list(self._queue):
            turn.cancel()
        for run in self._running:
            run.kill()

    @property
    def running(self) -> int:
        """Programs that run."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Logins that wait for one."""
        return len(self._queue)

    async def _turn(self, client: str) -> None:
        turn = Deferred[None]()
        dropped = self._queue.add(client, turn)
        if dropped is not None:
            dropped.errback(ProgramFailed(f"{WAITING} others wait for a program"))
        if dropped is not turn:
            self._make_room(client)
        try:
            await within(self._context.clock, TURN, turn)
        except TimeoutError:
            raise ProgramFailed(f"it waited {TURN:g} s for its turn") from None
        finally:
            self._queue.remove(client, turn)

    def _make_room(self, client: str) -> None:
        """Clients of one address cannot take all places with questions that they do not answer."""
        places = Counter(run.client for run in self._running)
        idle = [run for run in self._running if run.is_idle]
        most = max((places[run.client] for run in idle), default=0)
        if most > places[client] + 1:
            run = next(run for run in idle if places[run.client] == most)
            run.fail("another address waited, and this one had the most questions open")

    def _ended(self, run: ProgramRun) -> None:
        del self._running[run]
        while not self._closed and len(self._running) < RUNNING:
            turn = self._queue.next()
            if turn is None:
                return
            turn.callback(None)

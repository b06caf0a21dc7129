"""`vspc.console.logs.LogStore`: questions about logs, answered by a few threads."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from attrs import define, evolve, field
from twisted.internet.defer import Deferred

from vspc.common.clock import Clock
from vspc.console.console import Console
from vspc.console.logs import LogView, MarkerKind
from vspc.log.cache import Cache
from vspc.log.records import DATA, FIRST_MARKER, FORGET, Record, begins_log
from vspc.log.segments import Segment
from vspc.log.view import View
from vspc.log.writer import LogWriter

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds after which a question has no answer: the disk stands still."""

STALLED_PATIENCE = 2.0
"""The same while that is known."""


class Pool(Protocol):
    """Threads; see `vspc.common.worker`."""

    def submit(self, call: Callable[..., Any], /, *arguments: Any) -> None: ...
    def close(self) -> None: ...


@define(eq=False)
class PendingQuery:
    """A query on its way through the threads; `over`: it has its answer or was cancelled."""

    answer: "Deferred[Any]" = field(factory=Deferred)
    over: bool = False


@define(eq=False)
class LogQueries:
    """Asks `writer` for a snapshot, lets a thread read it, and answers in the reactor."""

    writer: LogWriter
    flush: Callable[[], None]
    clock: Clock
    in_reactor: Callable[[Callable[[], None]], None]
    complain: Callable[[str, str], None]
    known: Callable[[str], bool]
    note: Callable[[Console, MarkerKind, str], bool]
    pool: Pool
    stalled: Callable[[], bool] = lambda: False  # whether the disk stands still
    cache: Cache = field(init=False)
    _closed: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.cache = Cache(self.complain, self.writer.give_way)

    def keeps(self, console_id: str) -> bool:
        """Whether there is a log of that console."""
        return self.known(console_id)

    def mark(self, console: Console, kind: MarkerKind, text: str) -> bool:
        """Put a marker at this place."""
        return self.note(console, kind, text)

    async def query(self, console_id: str, question: Callable[[LogView], T]) -> T | None:
        """What `question` returns in a thread; output that came before the call is in its view."""
        seconds = STALLED_PATIENCE if self.stalled() else PATIENCE
        pending = PendingQuery()
        timer = self.clock.call_later(seconds, lambda: self._give_up(pending, seconds))
        self.flush()
        self.writer.put(partial(self._look, pending, bytes.fromhex(console_id), question))
        try:
            found: T | None = await pending.answer
        finally:
            pending.over = True
            if timer.active():
                timer.cancel()
        return found

    def _give_up(self, pending: PendingQuery, seconds: float) -> None:
        self.complain("log-not-answering", f"nothing was read for {seconds:g} s")
        self._answer(pending, None)

    # In the log's thread

    def _look(
        self, pending: PendingQuery, console: bytes, question: Callable[[LogView], Any]
    ) -> None:
        if pending.over or self._closed:
            return
        view = snapshot(self.writer, self.cache, console, lambda: pending.over or self._closed)
        if view is None:
            self.in_reactor(lambda: self._answer(pending, None))
            return
        self.pool.submit(self._read, pending, view, question)

    # In a reader's thread

    def _read(self, pending: PendingQuery, view: View, question: Callable[[LogView], Any]) -> None:
        if pending.over:
            return
        try:
            found = question(view)
        except OSError as error:
            self.complain("log-unreadable", str(error))
            found = None
        except Exception:
            self.writer.failed()
            found = None
        self.in_reactor(lambda: self._answer(pending, found))

    # In the reactor's thread

    def _answer(self, pending: PendingQuery, found: Any) -> None:
        if not pending.over:
            pending.over = True
            pending.answer.callback(found)

    def close(self) -> None:
        """Nobody is answered any more."""
        self._closed = True
        self.pool.close()


def snapshot(
    writer: LogWriter,
    cache: Cache,
    console: bytes,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> View | None:
    """The log of `console` as it is now, or None; in the log's thread.

    A reader costs no write: what has not moved is read from memory, and so is what the disk does
    not take.
    """
    chronicle = writer.store.chronicles.get(console)
    segments, pending, end = list[Segment](), list[Record](), 0
    if chronicle is not None:
        chronicle.spot(writer.store.spotter)
        segments, pending, end = chronicle.segments, list(chronicle.pending), chronicle.end
    spoke = chronicle is not None and chronicle.spoke
    unwritten = 0
    for record in writer.unwritten(console):
        if record.code == FORGET:
            segments, pending, spoke = [], [], False
        elif record.code == DATA or record.code >= FIRST_MARKER:
            pending.append(record)
            unwritten += len(record.payload) if record.code == DATA else 0
            end = max(end, record.end)
            spoke = spoke or begins_log(record.code)
    if not spoke:
        return None
    return View(
        cache,
        # The one that is open goes on growing.
        tuple(s if s.closed else evolve(s) for s in segments),
        tuple(pending),
        end,
        is_cancelled,
        unwritten,
        console in writer.store.spotter.booted,
        None if chronicle is None or not chronicle.spoke else chronicle.begins,
    )

"""Reading logs: `LogQueries` for coroutines in the reactor's thread, `LogSource` for a sink's.

Both get a snapshot from the log's thread, which takes no time, and read its files elsewhere.
"""

from collections.abc import Callable, Mapping
from functools import partial
from threading import Condition, Event
from typing import Any, TypeVar

from attrs import define, evolve, field

from vspc.common.clock import Clock
from vspc.common.worker import WorkerPool
from vspc.console.identity import DEFAULT_ZONE
from vspc.console.logs import About, LogView, MarkerKind
from vspc.console.names import handle
from vspc.log.cache import Cache
from vspc.log.records import DATA, FIRST_MARKER, FORGET, Record, begins_log
from vspc.log.segments import Segment
from vspc.log.view import View
from vspc.log.writer import LogWriter
from vspc.net.waiting import ThreadAnswer, within

T = TypeVar("T")

QUERY_TIMEOUT = 30.0
"""Seconds after which a question has no answer: the disk stands still."""

STALLED_TIMEOUT = 2.0
"""The same while that is known."""


@define(eq=False)
class LogQueries:
    """Asks `writer` for a snapshot, lets a thread read it, and answers in the reactor."""

    writer: LogWriter
    flush: Callable[[], None]
    clock: Clock
    in_reactor: Callable[[Callable[[], None]], None]
    report_problem: Callable[[str, str], None]
    keeps: Callable[[str], bool]
    mark: Callable[[str, MarkerKind, str], bool]
    pool: WorkerPool
    stalled: Callable[[], bool] = lambda: False  # whether the disk stands still
    cache: Cache = field(init=False)
    _closed: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.cache = Cache(self.report_problem, self.writer.yield_to_writer)

    async def query(self, console_id: str, question: Callable[[LogView], T]) -> T | None:
        """What `question` returns in a thread; output that came before the call is in its view."""
        seconds = STALLED_TIMEOUT if self.stalled() else QUERY_TIMEOUT
        pending: ThreadAnswer[T | None] = ThreadAnswer(self.in_reactor)
        self.flush()
        self.writer.put(partial(self._look, pending, bytes.fromhex(console_id), question))
        try:
            return await within(self.clock, seconds, pending.wait())
        except TimeoutError:
            self.report_problem("log-not-answering", f"nothing was read for {seconds:g} s")
            return None

    # In the log's thread

    def _look(
        self, pending: ThreadAnswer[Any], console: bytes, question: Callable[[LogView], Any]
    ) -> None:
        if pending.over or self._closed:
            return
        view = snapshot(self.writer, self.cache, console, lambda: pending.over or self._closed)
        if view is None:
            pending.give(None)
            return
        self.pool.submit(self._read, pending, view, question)

    # In a reader's thread

    def _read(
        self, pending: ThreadAnswer[Any], view: View, question: Callable[[LogView], Any]
    ) -> None:
        if pending.over:
            return
        try:
            found = question(view)
        except OSError as error:
            self.report_problem("log-unreadable", str(error))
            found = None
        except Exception:
            self.writer.failed()
            found = None
        pending.give(found)

    # In the reactor's thread

    def close(self) -> None:
        """Answer nothing more."""
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
    log = writer.store.logs.get(console)
    segments, pending, end = list[Segment](), list[Record](), 0
    if log is not None:
        log.detect_boots(writer.store.boot_detector)
        segments, pending, end = log.segments, list(log.pending), log.end
    begun = log is not None and log.begun
    unwritten = 0
    for record in writer.unwritten(console):
        if record.code == FORGET:
            segments, pending, begun = [], [], False
        elif record.code == DATA or record.code >= FIRST_MARKER:
            pending.append(record)
            unwritten += len(record.payload) if record.code == DATA else 0
            end = max(end, record.end)
            begun = begun or begins_log(record.code)
    if not begun:
        return None
    return View(
        cache,
        # The one that is open goes on growing.
        tuple(s if s.closed else evolve(s) for s in segments),
        tuple(pending),
        end,
        is_cancelled,
        unwritten,
        console in writer.store.boot_detector.booted,
        None if log is None or not log.begun else log.begins,
    )


ANSWER_TIMEOUT = 30.0
"""Seconds that the log's thread may take to answer."""

GATHER = 0.2
"""Seconds in which news are gathered before `wait` returns them."""


class NoLog(OSError):
    """There is no log of that console, or the log's thread does not answer."""


@define(eq=False)
class LogSource:
    """One sink's view of all logs of `writer`."""

    writer: LogWriter
    cache: Cache
    _news: set[str] = field(factory=set, init=False)
    _changed: Condition = field(factory=Condition, init=False)
    _woken: bool = field(default=False, init=False)

    # In the log's thread

    def notify(self, consoles: set[bytes]) -> None:
        """Something of those consoles was written."""
        with self._changed:
            self._news |= {console.hex() for console in consoles}
            self._changed.notify()

    # In any thread

    def wake(self) -> None:
        """Let `wait` return at once."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    # In the sink's thread

    def wait(self, timeout: float) -> set[str]:
        """The ids of consoles that have news since the last call; at most `timeout` seconds."""
        with self._changed:
            if self._changed.wait_for(lambda: self._news or self._woken, timeout):
                self._changed.wait_for(lambda: self._woken, GATHER)
            self._woken = False
            news, self._news = self._news, set()
        return news

    def ends(self) -> dict[str, int]:
        """Where each log ends, by its console's id."""
        logs = self.writer.store.logs
        return self._ask(lambda: {log.name: log.end for log in logs.values() if log.begun})

    def about(self, console_id: str) -> About | None:
        """Whose log it is."""
        console = bytes.fromhex(console_id)

        def look() -> Mapping[str, object] | None:
            log = self.writer.store.logs.get(console)
            return None if log is None else log.facts

        facts = self._ask(look)
        if facts is None:
            return None
        name, zone = str(facts.get("said_name", "")), str(facts.get("zone", DEFAULT_ZONE))
        label = facts.get("label")
        port = None if label is None else str(label)
        uuid = facts.get("uuid")
        return About(
            console_id,
            handle(zone, name, port),
            name,
            zone,
            None if uuid is None else str(uuid),
            "" if port is None else port,
        )

    def view(self, console_id: str) -> LogView:
        """The log of a console as it is now. Raises `NoLog`."""
        console = bytes.fromhex(console_id)
        view = self._ask(lambda: snapshot(self.writer, self.cache, console))
        if view is None:
            raise NoLog(f"no log of console {console_id}")
        return view

    def _ask(self, question: Callable[[], T]) -> T:
        """What `question` returns in the log's thread. Raises `NoLog` if that takes too long."""
        done, answers = Event(), list[T]()

        def answer() -> None:
            try:
                answers.append(question())
            finally:
                done.set()

        self.writer.put(answer)
        if not done.wait(ANSWER_TIMEOUT) or not answers:
            raise NoLog("the log's thread does not answer")
        return answers[0]

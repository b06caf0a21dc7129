"""The black box: when a kernel gives up, the end of its console's output is kept in a file of its
own, with what follows for some seconds, whatever becomes of the log.

The next process completes files for which that time was not over. The oldest go when there are too
many, or too much, and are told. A machine that panics and boots for ever has one after 10 minutes,
the next after 20, up to a day.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from attrs import define, evolve, field, frozen
from twisted.internet.defer import CancelledError

from vspc.common.clock import Cancellable, Clock, DeletionClock, cancel
from vspc.common.worker import WorkerPool
from vspc.config.alert_settings import PanicSettings
from vspc.console.console import Console
from vspc.console.logs import Item, LogStore, LogView, Marker, MarkerKind, Output
from vspc.console.panics import PanicRecord
from vspc.log.panic_file import LINE, PanicContents, PanicView
from vspc.log.panic_files import PanicFiles
from vspc.log.panic_reading import PanicReading
from vspc.log.records import MalformedRecord
from vspc.log.writer import EventReporter
from vspc.net.waiting import RunningCoroutine, ThreadAnswer, Wakeup

T = TypeVar("T")

Question = Callable[[LogView], list[Item]]
"""What is taken out of a log."""

GRACE = 60.0
"""Seconds in which the file of a panic is completed after its time."""

AFTER_LIMIT = 1024 * 1024
"""Bytes of what follows that are kept."""

MARKERS = 1000
"""Markers that are kept with it."""

PIECE = 64 * 1024
"""Bytes that are read of a log at once."""

JOBS = 1000
"""Panics that wait for their files; one that comes then is not kept."""

LOOP, LONGEST_LOOP = 600.0, 86400.0
"""Seconds between two panics of a console that are kept: after the first, and at most."""

REMEMBERED = 100_000
"""Consoles whose last panic is remembered for that."""

TIDY_INTERVAL = 3600.0
"""Seconds between two looks at the age of files."""


@frozen
class _Pause:
    """Until when no panic of a console is kept, and for how long that was."""

    until: float
    seconds: float


@define(eq=False)
class PanicBox:
    """`vspc.console.panics.PanicArchive`. `logs` is None where nothing is logged; `find` gives a
    console by its id.
    """

    root: Path
    settings: PanicSettings
    clock: Clock
    in_reactor: Callable[[Callable[[], None]], None]
    report: EventReporter
    pool: WorkerPool
    failed: Callable[[], None]  # called inside an except block
    logs: LogStore | None = None
    files: PanicFiles = field(init=False)
    find: Callable[[str], Console | None] = field(default=lambda _id: None, init=False)
    seen: int = field(default=0, init=False)  # panics since the server started
    _records: dict[str, dict[int, PanicRecord]] = field(factory=dict, init=False)
    _size: int = field(default=0, init=False)  # bytes of all files
    _numbers: dict[str, int] = field(factory=dict, init=False)  # the last one of each console
    _pauses: dict[str, _Pause] = field(factory=dict, init=False)
    _jobs: deque[tuple[PanicRecord, bool]] = field(factory=deque, init=False)
    _timers: dict[tuple[str, int], Cancellable] = field(factory=dict, init=False)
    _more: Wakeup = field(init=False)
    _running: RunningCoroutine | None = field(default=None, init=False)
    _tidied: float = field(default=0.0, init=False)
    _is_stopped: bool = field(default=False, init=False)
    _ages: DeletionClock = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._more = Wakeup(self.clock)
        self.files = PanicFiles(self.root, self.report)
        self._ages = DeletionClock(self.clock.seconds, self.clock.wall)

    # Starting and stopping

    def open(self) -> None:
        """What earlier processes kept. Raises OSError."""
        now, wall = self.clock.seconds(), self.clock.wall()
        for record in self.files.scan():
            self._add(record)
            left = record.at + LOOP - wall
            if 0 < left <= LOOP:
                self._pauses[record.console_id] = _Pause(now + left, LOOP)
        last = max((record.at for record in self._all()), default=None)
        self._ages = DeletionClock(self.clock.seconds, self.clock.wall, last)
        self._tidy()

    def start(self) -> None:
        """Begin; files that are open are completed. RuntimeError: the system has no threads."""
        self.pool.submit(lambda: None)  # its thread begins now: later there may be none
        self._running = RunningCoroutine(self._work())
        for record in self._all():
            if record.is_open:
                self._finish_later(record)

    def end(self) -> None:
        """Nothing more is kept; the next process completes what is open."""
        self._is_stopped = True
        cancel(*self._timers.values())
        if self._running is not None:
            self._running.cancel()

    def stop(self, seconds: float = 2.0) -> None:
        """Wait for files that are written, for so long at most; after `end`, in a thread."""
        self.pool.close(seconds)

    def reload(self, settings: PanicSettings) -> None:
        """Other limits."""
        self.settings = settings
        self._tidy()

    def tick(self) -> None:
        """Call it every second or so: files get too old."""
        if self.clock.seconds() >= self._tidied + TIDY_INTERVAL:
            self._tidied = self.clock.seconds()
            self._tidy()

    # `PanicArchive`

    def of(self, console_id: str) -> Sequence[PanicRecord]:
        """Those of a console that are on disk, oldest first."""
        return [each for each in self._records.get(console_id, {}).values() if each.size]

    def reading(self, record: PanicRecord) -> LogStore:
        """What is kept of one, to be read as if it were the log of its console."""
        return PanicReading(record, self.files, self.pool, self.clock, self.in_reactor, self.report)

    # A panic

    def freeze(self, console: Console, offset: int, line: bytes, pattern: str) -> int | None:
        """Keep the output of `console`, whose line at `offset` matches `pattern`: the number. One
        that belongs to the panic before it has its number; None: it is not kept.
        """
        if not self.settings.enabled:
            return None
        last = next(reversed(self._records.get(console.id, {}).values()), None)
        if last is not None and last.is_open and self._is_following(last):
            return last.number
        if not self._is_due(console.id):
            return None
        if len(self._jobs) >= JOBS:
            self._not_kept(console.id, f"{JOBS} others wait to be written")
            return None
        number = self._numbers.get(console.id, 0) + 1
        text = line.decode("utf-8", "replace")[:LINE]
        record = PanicRecord(console.id, number, self.clock.wall(), pattern, text, offset)
        self._add(record)
        facts: dict[str, object] = {"console": console.title, "number": number}
        self.seen += 1
        self.report("panic", {**facts, "pattern": pattern, "line": text})
        self._jobs.append((record, False))
        self._more.set_later()
        return number

    def _is_following(self, record: PanicRecord) -> bool:
        """Whether its file is still completed, unless that failed."""
        return self.clock.wall() < record.at + self.settings.after + GRACE

    def _is_due(self, console_id: str) -> bool:
        now, before = self.clock.seconds(), self._pauses.pop(console_id, None)
        if before is not None and now < before.until:
            self._pauses[console_id] = before
            return False
        seconds = LOOP
        if before is not None and now < before.until + LONGEST_LOOP:
            seconds = min(2 * before.seconds, LONGEST_LOOP)
        self._pauses[console_id] = _Pause(now + seconds, seconds)
        if len(self._pauses) > REMEMBERED:
            del self._pauses[next(iter(self._pauses))]
        return True

    def _not_kept(self, console_id: str, why: str) -> None:
        console = self.find(console_id)
        title = console_id if console is None else console.title
        self.report("panic-not-kept", {"console": title, "why": why})

    # Work, one file after the other

    async def _work(self) -> None:
        while not self._is_stopped:
            if not self._jobs:
                await self._more.wait()
                continue
            record, is_end = self._jobs.popleft()
            try:
                await (self._finish(record) if is_end else self._begin(record))
            except CancelledError:
                raise
            except Exception:  # a defect: the next one comes all the same
                self.failed()

    async def _begin(self, record: PanicRecord) -> None:
        items = await self._items(record, partial(_end_of, before=self.settings.before))
        if items:
            record = evolve(record, start=items[0].offset, end=items[-1].end)
        kept = await self._written(record, partial(self.files.save, record, items))
        if kept is None:
            self._drop(record)
            return
        self._put(kept)
        self._finish_later(kept)
        self._limit(kept.console_id)

    async def _finish(self, record: PanicRecord) -> None:
        if self._known(record) is None:
            return  # it went meanwhile
        until = record.at + self.settings.after
        items = await self._items(record, partial(_following, first=record.end, until=until))
        kept = await self._written(record, partial(self.files.complete, record, items))
        if kept is not None and self._known(record) is not None:
            self._put(kept)
            self._limit(kept.console_id)

    def _finish_later(self, record: PanicRecord) -> None:
        left = record.at + self.settings.after - self.clock.wall()
        seconds = min(max(0.0, left), self.settings.after)
        key = record.console_id, record.number
        self._timers[key] = self.clock.call_later(seconds, partial(self._finish_now, record))

    def _finish_now(self, record: PanicRecord) -> None:
        self._timers.pop((record.console_id, record.number), None)
        self._jobs.append((record, True))
        self._more.set_later()

    async def _items(self, record: PanicRecord, question: Question) -> list[Item]:
        """What the log has, or memory where there is none or it cannot be read."""
        if self.logs is not None and self.logs.keeps(record.console_id):
            found = await self.logs.query(record.console_id, question)
            if found is not None:
                return found
        console = self.find(record.console_id)
        return [] if console is None else question(_memory(console, record))

    async def _written(
        self, record: PanicRecord, work: Callable[[], PanicRecord]
    ) -> PanicRecord | None:
        answer: ThreadAnswer[PanicRecord | str] = ThreadAnswer(self.in_reactor)

        def write() -> None:
            found: PanicRecord | str = "a defect of the server"
            try:
                found = work()
            except (OSError, MalformedRecord) as error:
                found = getattr(error, "strerror", None) or str(error)
            finally:
                answer.give(found)

        self.pool.submit(write)
        found = await answer.wait()
        if isinstance(found, str):
            self._not_kept(record.console_id, found)
            return None
        return found

    # What there is

    def _all(self) -> Iterator[PanicRecord]:
        for records in list(self._records.values()):
            yield from list(records.values())

    def _known(self, record: PanicRecord) -> PanicRecord | None:
        return self._records.get(record.console_id, {}).get(record.number)

    def _put(self, record: PanicRecord) -> None:
        records = self._records.setdefault(record.console_id, {})
        before = records.get(record.number)
        self._size += record.size - (0 if before is None else before.size)
        records[record.number] = record

    def _add(self, record: PanicRecord) -> None:
        self._put(record)
        console_id = record.console_id
        self._records[console_id] = dict(sorted(self._records[console_id].items()))
        self._numbers[console_id] = max(self._numbers.get(console_id, 0), record.number)

    def _drop(self, record: PanicRecord) -> None:
        records = self._records.get(record.console_id, {})
        before = records.pop(record.number, None)
        self._size -= 0 if before is None else before.size
        if not records:
            self._records.pop(record.console_id, None)

    def _tidy(self) -> None:
        """The oldest go: those that are too old, too many of a console, too much of all."""
        earliest = self._ages.time() - self.settings.keep
        for record in self._all():
            if record.at < earliest:
                self._remove(record, "it is too old")
        for console_id in list(self._records):
            self._limit(console_id)

    def _limit(self, console_id: str) -> None:
        """The same for a console to which one was added, without a look at all others' files."""
        most = self.settings.max_console
        records = list(self._records.get(console_id, {}).values())
        for record in records[: max(0, len(records) - most)]:
            self._remove(record, f"its console has {most} newer ones")
        while self._size > self.settings.max_total:
            first = (next(iter(each.values())) for each in self._records.values())
            self._remove(min(first, key=lambda each: each.at), "all together are too large")

    def _remove(self, record: PanicRecord, why: str) -> None:
        self._drop(record)
        console = self.find(record.console_id)
        title = record.console_id if console is None else console.title
        self.report("panic-removed", {"console": title, "number": record.number, "why": why})
        self.pool.submit(self.files.remove, record)


def _memory(console: Console, record: PanicRecord) -> LogView:
    """The history of a console, as if it were a log; all of it at the time of the panic."""
    history = console.history
    data = history.read(history.start, history.end - history.start)
    items = (Output(history.start, record.at, data),) if data else ()
    end = history.end
    return PanicView(PanicContents(evolve(record, start=end, end=end), items))


def _end_of(kept: LogView, before: int) -> list[Item]:
    """The last `before` bytes."""
    return _between(kept, max(kept.start, kept.end - before), kept.end)


def _following(kept: LogView, first: int, until: float) -> list[Item]:
    """What came from the offset `first` to the time `until`."""
    return _between(kept, first, min(kept.since(until), first + AFTER_LIMIT))


def _between(kept: LogView, start: int, stop: int) -> list[Item]:
    """All that is kept there, with a bounded number of markers; in a thread."""
    found, markers, at = list[Item](), 0, start
    while at < stop and not kept.cancelled:
        page = kept.read(at, PIECE, stop)
        for item in page.items:
            is_marker = isinstance(item, Marker) and item.kind is not MarkerKind.GAP
            markers += is_marker
            if not is_marker or markers <= MARKERS:
                found.append(item)
        if page.ended or page.next <= at:
            break
        at = page.next
    return found

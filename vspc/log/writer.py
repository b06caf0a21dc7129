"""The log's thread: takes batches from the reactor, writes them, and keeps the store in order.

A disk that fails costs one event, is tried again every second, and everything goes on by itself
when it is well; meanwhile batches wait here, bounded by the recorder. Memory that runs out is
treated like that.
"""

import errno
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf
from threading import Condition

from attrs import define, field

from vspc.common.files import out_of_memory
from vspc.common.worker import Worker, WorkerPool
from vspc.config.settings import Fsync
from vspc.log.batches import Batch
from vspc.log.chain import Chain
from vspc.log.long_output import divide, write_long
from vspc.log.records import DATA, RESERVE, Record
from vspc.log.recovery import compress, contents
from vspc.log.segments import Segment, sync_segments
from vspc.log.store import Store
from vspc.log.syncing import Syncing


@define
class Counts:
    """What the log has done, for benchmarks and metrics."""

    writes: int = 0
    syncs: int = 0
    bytes: int = 0
    failures: int = 0
    sync_failures: int = 0


EventReporter = Callable[[str, dict[str, object]], None]
"""An event for our own log: its name in kebab-case, and facts. May be called in any thread."""


RETRY = 1.0
"""Seconds between two tries at a disk that fails."""

WRITE_SIZE = 8 * 1024 * 1024
"""Bytes of batches that go into one write."""

BEHIND = 1024 * 1024
"""Bytes that wait to be written, over which readers of logs wait."""

YIELD = 0.25
"""Seconds that a reader waits at most: a disk that stands still does not stop it."""

STOP_TIMEOUT = 10.0
"""Seconds that `stop` waits."""

JOURNALS = 4
"""Files' worth of journal that may wait for a disk that does not sync."""

TIDY_INTERVAL = 10.0
"""Seconds between two looks at sizes and ages."""

TIDY_INTERVAL_BUSY = 2.0
"""The same while segments fill."""


@define(eq=False)
class LogWriter:
    """Owns `store` in a thread of its own from `start` to `stop`."""

    store: Store
    sync: Fsync
    sync_interval: float
    report: EventReporter
    failed: Callable[[], None]  # inside an except block: a defect of ours
    tidy: Callable[[Store], None] | None = None  # sizes and ages
    floor: Callable[[], str | None] = lambda: None  # why nothing more may be written now
    now: Callable[[], float] = time.monotonic
    # Sinks; called in the log's thread.
    subscribers: list[Callable[[set[bytes]], None]] = field(factory=list)
    counts: Counts = field(factory=Counts, init=False)
    waiting: int = field(default=0, init=False)  # bytes of batches that are not written
    busy_since: float | None = field(default=None, init=False)
    failing: bool = field(default=False, init=False)
    chores: WorkerPool = field(init=False)
    chain: Chain = field(init=False)
    syncing: Syncing = field(init=False)
    _worker: Worker = field(init=False)
    _written: Condition = field(factory=Condition, init=False)
    _items: deque[Batch | Callable[[], None]] = field(factory=deque, init=False)
    _unwritten: deque[Batch] = field(factory=deque, init=False)
    _unanswered: deque[Batch] = field(factory=deque, init=False)  # written, and nobody knows
    _failing_since: float = field(default=0.0, init=False)
    _retry: float = field(default=0.0, init=False)
    _dropping: bool = field(default=False, init=False)
    _tidied: float = field(default=0.0, init=False)
    _grown: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.chores = WorkerPool("log-chores", self.failed)
        self._worker = Worker("log", self._step, self.failed, self._last_words)
        self.chain = Chain(self.store.root, self.store.disk)
        self.syncing = Syncing(
            self.store,
            self.sync,
            self.sync_interval,
            self.now,
            self.chores,
            self.put,
            self._synced,
            self._sync_failed,
        )

    # From any thread

    def start(self) -> None:
        """Begin; the store is open already. Raises RuntimeError where the system has no threads."""
        self._tidied = self.now()
        self.chores.submit(lambda: None)  # its thread begins now: later there may be none
        self._worker.start()

    def put(self, item: Batch | Callable[[], None]) -> None:
        """Write a batch, or call something in the log's thread, after what came before.

        MemoryError: it is not taken.
        """
        with self._worker.changed:
            waiting = self.waiting + (item.size if isinstance(item, Batch) else 0)
            self._items.append(item)
            try:
                self._worker.wake()
            except MemoryError:
                self._items.pop()
                raise
            self.waiting = waiting

    def yield_to_writer(self) -> None:
        """For readers: wait while output waits to be written, at most `YIELD` seconds."""
        with self._written:
            self._written.wait_for(self._keeps_up, YIELD)

    def _keeps_up(self) -> bool:
        return self.waiting <= BEHIND or self.failing or self._worker.stopping

    @property
    def unsynced_since(self) -> float | None:
        """`Syncing.unsynced_since`."""
        return self.syncing.unsynced_since

    def stop(self) -> None:
        """Write what is left and a last record; waits at most `STOP_TIMEOUT` seconds."""
        if not self._worker.stop(STOP_TIMEOUT):
            self.report("log-not-closed", {"seconds": STOP_TIMEOUT})
        self.chores.close(STOP_TIMEOUT)

    # In the log's thread

    def unwritten(self, console: bytes) -> list[Record]:
        """What waits of `console` because the disk does not take it, in order."""
        return [
            record
            for batch in self._unwritten
            for record in batch.records
            if record.console == console
        ]

    def _step(self) -> float | None:
        self.work(self.take())
        return None if self._worker.stopping else self.delay()

    def take(self) -> list[Batch | Callable[[], None]]:
        """What waits, which is for `work` then."""
        with self._worker.changed:
            items = list(self._items)
            self._items.clear()
        return items

    def delay(self) -> float:
        """Seconds until the next round is due, though nothing is put. A disk that fails is tried
        again after `RETRY`, whatever else is due.
        """
        now = self.now()
        if self.failing:
            return max(0.0, self._retry - now)
        if self.store.emptying or self.store.gone or self.store.quiet:
            return 0.0
        if self._unanswered:
            return RETRY
        until = [self._tidied + (TIDY_INTERVAL_BUSY if self._grown else TIDY_INTERVAL)]
        if self.syncing.due is not None:
            until.append(self.syncing.due)
        return max(0.0, min(until) - now)

    def work(self, items: list[Batch | Callable[[], None]]) -> None:
        """One round: write, do what was asked, sync, make room."""
        self.busy_since = self.now()
        try:
            self._unwritten += [item for item in items if isinstance(item, Batch)]
            self._answer()
            if self._unwritten and (not self.failing or self.now() >= self._retry):
                self._write()
            for item in items:
                if not isinstance(item, Batch):
                    self._call(item)
            self.syncing.begin()
            self._keep_order()
        finally:
            self.busy_since = None

    def _call(self, command: Callable[[], None]) -> None:
        try:
            command()
        except Exception:
            self.failed()

    def _answer(self) -> None:
        """Say that batches are written; those for which there is no memory in a later round."""
        while self._unanswered:
            batch = self._unanswered[0]
            try:
                batch.written(batch)
            except MemoryError:
                return
            except Exception:
                self.failed()
            self._unanswered.popleft()

    def _write(self) -> None:
        try:
            reason = self.floor()
            if reason is not None:
                self._write_reserves()
                raise OSError(errno.ENOSPC, reason)
            if self._dropping and self.store.journal.size > JOURNALS * self.store.sizes.journal:
                raise OSError(errno.EIO, "the disk does not sync")
            self.store.settle(())
            while self._unwritten:
                self._write_some()
        except (OSError, MemoryError) as error:
            self._fail(error)

    def _write_some(self) -> None:
        together: list[Batch] = []
        size = 0
        for batch in self._unwritten:
            if together and (self.failing or size + batch.size > WRITE_SIZE):
                break
            together.append(batch)
            size += batch.size
        records = [record for batch in together for record in batch.records]
        first, output = divide(self.store, records)
        if first:
            self.store.append(first)
            self._is_in(first)
        if output:
            # Whatever happens to it, what is in the journal is not written again.
            together[0].records = output
            for batch in together[1:]:
                batch.records = ()
            write_long(self.store, output)
            self._is_in(output)
        self.counts.writes += 1
        self.counts.bytes += size
        for batch in together:
            self._unanswered.append(batch)
            self._unwritten.popleft()
        self._answer()
        with self._worker.changed:
            self.waiting -= size
        with self._written:
            self._written.notify_all()
        begun = {record.console for record in records if record.code == DATA}
        self.store.settle(begun, busy=bool(self._unwritten or self._items))

    def _is_in(self, records: list[Record]) -> None:
        self.syncing.written()
        if self.subscribers:
            consoles = {record.console for record in records}
            for notify in self.subscribers:
                notify(consoles)

    def _write_reserves(self) -> None:
        """Even where there is no room for output, no offset may be used twice."""
        reserves = [r for batch in self._unwritten for r in batch.records if r.code == RESERVE]
        if reserves:
            self.store.append(reserves)

    def _fail(self, error: OSError | MemoryError) -> None:
        if isinstance(error, MemoryError):
            error = out_of_memory()
        self._retry = self.now() + RETRY
        self.counts.failures += 1
        if not self.failing:
            self.failing = True
            self._failing_since = self.now()
            self.store.failure_mark.set(self.store.journal.files())
            what = error.strerror or str(error)
            self.report("log-failing", {"error": what, "file": str(error.filename or "")})

    def _recovered(self) -> None:
        if self.failing:
            self.failing = False
            self.store.failure_mark.clear()
            seconds = round(self.now() - self._failing_since, 1)
            self.report("log-recovered", {"seconds": seconds})

    def _synced(self, calls: int) -> None:
        self.counts.syncs += calls

    def _sync_failed(self, error: OSError) -> None:
        self.counts.sync_failures += 1
        self.report("log-sync-failed", {"error": error.strerror})

    # Order

    def _keep_order(self) -> None:
        if self.failing and (self._unwritten or self.now() < self._retry):
            return
        try:
            if self.store.journal_full and not (self._dropping or self.store.emptying):
                self.store.checkpoint()
            if self.store.emptying:
                self._move_on()
            self.store.move_gone()
            self._grown = self._grown or bool(self.store.closed)
            self._tidy()
            self._recovered()
        except (OSError, MemoryError) as error:
            self._fail(error)
        while self.store.closed:
            log, segment = self.store.closed.pop()
            self.chores.submit(partial(self._compress, log.id, segment))

    def _tidy(self) -> None:
        due = self._tidied + (TIDY_INTERVAL_BUSY if self._grown else TIDY_INTERVAL)
        if self.tidy is None or self.now() < due:
            return
        self._tidied, self._grown = self.now(), False
        try:
            self.tidy(self.store)
        except (OSError, MemoryError):
            self._tidied = -inf  # due when the disk is tried again
            raise

    def _move_on(self) -> None:
        moved = self.store.move_on()
        if moved is None:
            return
        number, segments = moved
        self._dropping = True
        self.chores.submit(partial(self._settle_files, number, segments))

    def _settle_files(self, number: int, segments: list[Segment]) -> None:
        try:
            if self.sync != "never":
                self._synced(sync_segments(self.store.disk, segments))
        except OSError as error:
            self._sync_failed(error)
            number = 0  # the journal keeps it all until the next time
        self.put(partial(self._drop, number))

    def _drop(self, number: int) -> None:
        self._dropping = False
        self.store.journal.drop(number)

    def _compress(self, console: bytes, segment: Segment) -> None:
        try:
            parts = contents(segment)
            if parts.notes:
                self.report("log-segment-damaged", {"what": f"{parts.notes[0]}; it is made anew"})
            self.chain.add(segment, parts.data, parts.index)
            made = compress(self.store.disk, segment, parts)
        except FileNotFoundError:  # evicted meanwhile
            return
        except OSError as error:
            # It stays as it is, readable, and is tried again at the next start.
            self.report("log-not-compressed", {"error": error.strerror, "file": error.filename})
            return
        self.put(partial(self.store.compressed, console, segment, made))

    # Stopping

    def _last_words(self) -> None:
        try:
            self._unwritten += [item for item in self._items if isinstance(item, Batch)]
            while self._unwritten:
                self._write_some()
            self.store.stop(time.time())
        except OSError as error:
            self._fail(error)
        except Exception:
            self.failed()

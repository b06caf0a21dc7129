"""The thread that writes the audit file: recording an event never waits for a disk.

A disk that does not take it is tried again every second; meanwhile events wait here, bounded.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import define, field

from vspc.audit.file import AuditFile, Entry, EventReporter
from vspc.audit.schema import moment
from vspc.common.files import Disk, out_of_memory
from vspc.common.worker import REST, BoundedQueue, Worker
from vspc.net.limits import TokenBucket

COUNT = 20_000
"""Events that wait."""

BYTES = 16 * 1024 * 1024
"""Bytes of them."""

WRITE_COUNT = 256
"""Events that are written at once."""


RETRY = 1.0
"""Seconds between two tries at a disk that fails, two syncs, and two looks where the file is."""

LOOK = 5.0
"""The last of these while there is nothing to write: the next line is a look, too."""

STALLED = 10.0
"""Seconds after which a disk that does not answer is one that fails."""

STOP_TIMEOUT = 5.0
"""Seconds that `stop` waits."""

REPORT_RATE, REPORTS = 1 / 60, 10
"""Reports of failures: so many a second in the long run, and so many at once."""


@define(eq=False)
class AuditWriter:
    """Owns the file at `path` from `start` to `stop`.

    `refuse`: whether input is refused while it cannot be written. `subscribers` are called, in the
    thread, with lines that the file has. `failed` is called inside an except block.
    """

    path: Path
    report: EventReporter
    failed: Callable[[], None]
    refuse: bool = False
    wall: Callable[[], float] = time.time
    now: Callable[[], float] = time.monotonic
    disk: Disk = field(factory=Disk)
    waiting: BoundedQueue[Entry] = field(factory=lambda: BoundedQueue(COUNT, BYTES))
    subscribers: list[Callable[[Sequence[bytes]], None]] = field(factory=list)
    failing: bool = field(default=False, init=False)
    busy_since: float | None = field(default=None, init=False)
    written: int = field(default=0, init=False)
    failures: int = field(default=0, init=False)
    lost: int = field(default=0, init=False)  # since the start
    unsynced_since: float | None = field(default=None, init=False)
    _file: AuditFile = field(init=False)
    _worker: Worker = field(init=False)
    _lost_since: str = field(default="", init=False)  # the head of the first that was lost
    _reopen: bool = field(default=False, init=False)
    _opened: Entry | None = field(default=None, init=False)  # to be written before all else
    _began: bool = field(default=False, init=False)
    _looked: float = field(default=float("-inf"), init=False)
    _synced: float = field(default=float("-inf"), init=False)
    _unsynced: bool = field(default=False, init=False)
    _retry: float = field(default=float("-inf"), init=False)
    _failing_since: float = field(default=0.0, init=False)
    _reported: bool = field(default=False, init=False)
    _told_stalled: bool = field(default=False, init=False)
    _reports: TokenBucket = field(factory=lambda: TokenBucket(REPORT_RATE, REPORTS), init=False)

    def __attrs_post_init__(self) -> None:
        self._file = AuditFile(self.path, self.report, self.disk)
        self._worker = Worker("audit", self._step, self.failed, self._ended, REST)

    # From any thread

    def start(self) -> None:
        """Begin; what waits already is written, too."""
        self._worker.start()

    def put(self, head: str, tail: str) -> None:
        """Write a line soon: JSON, taken apart where its number goes. Never waits for the disk."""
        size = len(head) + len(tail)
        with self._worker.changed:
            if self.waiting.has_room(size):
                self._add_lost(head)
                self.waiting.add((head, tail), size)
            else:
                if not self.waiting.lost:
                    self._lost_since = head
                self.waiting.lost += 1
                self.lost += 1
            self._worker.wake()

    def _add_lost(self, head: str) -> None:
        """Where events were lost, an event in their place says how many."""
        if self.waiting.lost:
            since = json.loads(self._lost_since + "}")["time"]
            facts = {"event": "lost", "count": self.waiting.take_lost(), "since": since}
            tail = json.dumps(facts)[1:]
            self.waiting.add((head, tail), len(head) + len(tail))

    def reopen(self) -> None:
        """Look at once whether the file was moved away."""
        self._reopen = True
        self._worker.wake()

    @property
    def refuses(self) -> bool:
        """Whether input is refused."""
        return self.refuse and (self.failing or bool(self.waiting.lost) or self.is_stalled)

    @property
    def is_stalled(self) -> bool:
        since = self.busy_since
        return since is not None and self.now() - since >= STALLED

    def check(self) -> None:
        """Call it every second: reports once that the disk stalls, and once that it goes on."""
        stalled = self.is_stalled
        if stalled and not self._told_stalled:
            self.report("audit-stalled", {"seconds": STALLED, "file": str(self.path)})
        elif self._told_stalled and not stalled:
            self.report("audit-goes-on", {})
        self._told_stalled = stalled

    def stop(self) -> None:
        """Write what waits; returns after `STOP_TIMEOUT` seconds at the latest."""
        self._worker.stop(STOP_TIMEOUT)
        left = len(self.waiting) + self.waiting.lost
        if left:
            self.report("audit-not-written", {"count": left})

    # The thread

    def _step(self) -> float | None:
        self.round()
        with self._worker.changed:
            finished = not self.waiting and not self.waiting.lost
        return None if self._worker.stopping and finished else self.delay()

    def _ended(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self._fail(error)

    def delay(self) -> float:
        """Seconds until the next round, if nothing happens before."""
        return max(0.0, self._retry - self.now()) or (RETRY if self._unsynced else LOOK)

    def round(self) -> None:
        """Open, write, sync: whatever there is to do now."""
        now = self.now()
        if now < self._retry:
            return
        self.busy_since = now
        try:
            self._look(now)
            self._write()
            self._sync(now)
        except OSError as error:
            self._fail(error)
        except MemoryError:
            self._fail(out_of_memory())
        else:
            self._recover()
        finally:
            self.busy_since = None

    def _look(self, now: float) -> None:
        due = self._reopen or now >= self._looked + RETRY
        if self._file.is_open and not (due and self._file.is_moved()):
            if due:
                self._reopen, self._looked = False, now
            return
        torn = self._file.open()
        self._reopen, self._looked = False, now
        facts: dict[str, object] = {"event": "opened", "cause": "moved" if self._began else "start"}
        if torn:
            facts["torn"] = torn
        self._opened, self._began = (self._head(), json.dumps(facts)[1:]), True

    def _head(self) -> str:
        return json.dumps({"time": moment(self.wall())})[:-1]

    def _write(self) -> None:
        if self._opened is not None:
            self._append([self._opened])
        while True:
            with self._worker.changed:
                if not self.waiting:
                    self._add_lost(self._head())
                entries = self.waiting.first(WRITE_COUNT)
            if not entries:
                return
            self._append(entries, queued=True)

    def _append(self, entries: Sequence[Entry], queued: bool = False) -> None:
        self.busy_since = self.now()  # a slow disk that takes one after the other has not failed
        written = self._file.append(entries)
        if written.lines and not self._unsynced:
            self._unsynced, self.unsynced_since = True, self.now()
        self.written += len(written.lines)
        if queued:
            with self._worker.changed:
                self.waiting.done(len(written.lines))
        elif written.lines:
            self._opened = None
        if written.lines:
            self._notify(written.lines)
        if written.error is not None:
            raise written.error

    def _notify(self, lines: Sequence[bytes]) -> None:
        for notify in self.subscribers:
            try:
                notify(lines)
            except Exception:  # a defect: neither the file nor the other subscribers stop for it
                self.failed()

    def _sync(self, now: float) -> None:
        if self._unsynced and (now >= self._synced + RETRY or self._worker.stopping):
            self._synced = now
            self._file.sync()
            self._unsynced, self.unsynced_since = False, None

    def _fail(self, error: OSError) -> None:
        self._retry = self.now() + RETRY
        self.failures += 1
        if self.failing:
            return
        self.failing, self._failing_since = True, self.now()
        self._reported = self._reports.take(self.now())
        if self._reported:
            what = error.strerror or str(error)
            self.report("audit-failing", {"error": what, "file": str(self.path)})

    def _recover(self) -> None:
        if self.failing:
            self.failing = False
            if self._reported:
                seconds = round(self.now() - self._failing_since, 1)
                self.report("audit-recovered", {"seconds": seconds})

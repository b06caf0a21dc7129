"""The store: all consoles' logs in one directory, as the log's thread sees them.

Nothing here is shared: one thread calls. What must not wait (syncing, compressing) is handed out
as chores and comes back when it is done.
"""

import errno
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from heapq import nsmallest
from operator import attrgetter
from pathlib import Path

from attrs import define, field, frozen

from vspc.common.files import Disk
from vspc.log.console_log import ConsoleLog
from vspc.log.failure_mark import RESTORED, FailureMark
from vspc.log.journal import FILE_LIMIT, Journal, start
from vspc.log.markers import BootDetector
from vspc.log.records import (
    ABOUT,
    FORGET,
    NO_CONSOLE,
    REACHED,
    RESERVE,
    STOP,
    Record,
    reserve,
)
from vspc.log.segments import Segment

OF_THE_DISK = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EIO,
        errno.EROFS,
        errno.ENOMEM,
        errno.EMFILE,
        errno.ENFILE,
        errno.EFBIG,
    }
)
"""Errors that the log of any console would have: not of one file or directory alone."""

MOVE = 256 * 1024
"""Bytes of a console that are worth moving to its segment."""

BUSY = 4
"""How many times as many are while more waits to be written."""

GONE = 4
"""Consoles whose line has gone, or that are quiet, that are moved in one go."""

QUIET = 20.0
"""Seconds without output after which a console is quiet: what is pending of it would take memory
for long."""

QUIET_BYTES = 1024
"""Bytes pending of a quiet console that are worth moving."""

MOVED = 100
"""Consoles whose bytes are moved in one go when a file of the journal has ended."""

PENDING = 64 * 1024 * 1024
"""Bytes in memory that have not moved; over it the longest go, however short."""

LONG = 256 * 1024
"""Bytes of a console in one batch that are written to its segment at once, and not to the journal.
"""

SEGMENT = 4 * 1024 * 1024
"""Bytes of the VM in a segment before it is closed."""

SEGMENT_AGE = 7 * 86400
"""Seconds that a segment stays open: what is too old is deleted a segment at a time."""

INHERITED = 4
"""Files of the journal from earlier processes: with more, a start would take long."""


@frozen
class Sizes:
    """Limits that tests, and small disks, make smaller."""

    move: int = MOVE
    pending: int = PENDING
    segment: int = SEGMENT
    segment_age: float = SEGMENT_AGE
    journal: int = FILE_LIMIT
    long: int = LONG

    @classmethod
    def of(cls, console: int, total: int, keep: float) -> "Sizes":
        """For a console's and the total limit in bytes, and an age in seconds."""
        segment = max(64 * 1024, min(SEGMENT, console // 8, total // 64))
        journal = max(256 * 1024, min(FILE_LIMIT, total // 16))
        return cls(
            min(MOVE, segment), min(PENDING, journal), segment, min(SEGMENT_AGE, keep / 8), journal
        )


@define(eq=False)
class Store:
    """Logs below `root`: `journal/`, and `consoles/`, a directory for each."""

    root: Path
    disk: Disk
    report_problem: Callable[[str, str], None]
    sizes: Sizes = Sizes()
    boot_detector: BootDetector = field(factory=BootDetector)
    boot_id: str = ""
    logs: dict[bytes, ConsoleLog] = field(factory=dict, init=False)
    journal: Journal = field(init=False)
    failure_mark: FailureMark = field(init=False)
    restored_mark: FailureMark = field(init=False)
    pending_bytes: int = field(default=0, init=False)
    closed: list[tuple[ConsoleLog, Segment]] = field(factory=list, init=False)  # to be compressed
    # Segments with output that the journal does not have, which are to be synced when that is.
    unsynced: dict[Segment, None] = field(factory=dict, init=False)
    inherited: int = field(default=0, init=False)  # files of the journal from earlier processes
    emptying: int = field(default=0, init=False)  # the journal's file that `move_on` empties
    _to_move: list[ConsoleLog] = field(factory=list, init=False)
    # Consoles whose lines have gone: what is pending of them would take memory for long.
    gone: OrderedDict[bytes, None] = field(factory=OrderedDict, init=False)
    quiet: list[ConsoleLog] = field(factory=list, init=False)  # to be moved for the same reason
    _again: int = field(default=0, init=False)  # bytes that the journal's file began with

    def __attrs_post_init__(self) -> None:
        self.journal = Journal(self.root / "journal", self.disk, self.report_problem)
        self.failure_mark = FailureMark(self.root)
        self.restored_mark = FailureMark(self.root, RESTORED)

    def log(self, console: bytes) -> ConsoleLog:
        """The log of `console`, begun if there is none."""
        found = self.logs.get(console)
        if found is None:
            name = console.hex()
            found = ConsoleLog(console, self.root / "consoles" / name[:2] / name)
            self.logs[console] = found
        return found

    # Writing

    def append(self, batch: list[Record]) -> None:
        """Write `batch` to the journal and take it in. Raises OSError, and then none of it is in.

        `long_output` is about what does not go there.
        """
        serial = self.journal.append(batch)
        for record in batch:
            if record.console != NO_CONSOLE:
                self.take(serial, record)

    def take(self, serial: int, record: Record) -> None:
        """`record` is in the journal, in batch `serial`."""
        if record.code == FORGET:
            self._delete(record.console)
            return
        log = self.log(record.console)
        before = log.pending_bytes
        log.take(serial, record)
        self.pending_bytes += log.pending_bytes - before
        if record.code == RESERVE and record.offset == log.end and log.pending:
            self.gone[record.console] = None

    def stop(self, now: float) -> None:
        """The last words: offsets go on without a jump. Raises OSError.

        What has not moved yet stays in the journal: moving it all could take long.
        """
        self.append([Record(STOP, NO_CONSOLE, 0, int(now * 1e6), b"")])
        self.journal.close()

    # Moving to segments

    @property
    def segment_age(self) -> int:
        """Microseconds that a segment stays open."""
        return int(self.sizes.segment_age * 1e6)

    def move(self, log: ConsoleLog) -> None:
        """Move what is pending of one console. Raises OSError, and nothing is lost."""
        before = log.pending_bytes
        closed = log.move(self.disk, self.boot_detector, self.sizes.segment, self.segment_age)
        self.pending_bytes += log.pending_bytes - before
        self.closed += [(log, segment) for segment in closed]

    def _move_one(self, log: ConsoleLog) -> None:
        """Move one console's; what is wrong with its files alone harms no other."""
        try:
            self.move(log)
        except OSError as error:
            if error.errno in OF_THE_DISK:
                raise
            self._move_beside(log, error)

    def _move_beside(self, log: ConsoleLog, error: OSError) -> None:
        what = f"{log.directory}: {error.strerror}"
        log.move_beside()
        log.notes += (what,)
        self.report_problem("log-console-failing", f"{what}; it goes on in {log.directory.name}")
        try:
            self.move(log)
        except OSError as again:
            if again.errno in OF_THE_DISK:
                raise
            lost = log.pending_bytes
            log.lose()
            self.pending_bytes -= lost
            what = f"{log.directory}: {again.strerror}; {lost} bytes are lost"
            self.report_problem("log-console-failing", what)

    def settle(self, begun: Iterable[bytes], busy: bool = False) -> None:
        """Move what is worth it after a batch of those consoles. Raises OSError.

        While more waits to be written, `busy`, longer runs are: each costs some calls.
        """
        worth = self.sizes.move * BUSY if busy else self.sizes.move
        for console in begun:
            log = self.logs.get(console)
            if log is not None and log.pending_bytes >= worth:
                self._move_one(log)
        if self.pending_bytes > self.sizes.pending:
            longest = sorted(self.logs.values(), key=lambda c: -c.pending_bytes)
            for log in longest:
                if self.pending_bytes <= self.sizes.pending // 2:
                    break
                self._move_one(log)

    def find_quiet(self, now: float, most: int) -> int:
        """Have consoles that are quiet moved by `move_gone`, those that have been for longest, of
        which there are `most`; the bytes that are pending of them. `now`: seconds since 1970.
        """
        before = int((now - QUIET) * 1e6)
        found = [
            log
            for log in self.logs.values()
            if log.pending_bytes >= QUIET_BYTES and log.last < before
        ]
        self.quiet = nsmallest(most, found, key=attrgetter("last")) if len(found) > most else found
        return sum(log.pending_bytes for log in self.quiet)

    def move_gone(self) -> None:
        """Move some of what is pending of consoles that have gone or are quiet. Raises OSError."""
        for _ in range(min(GONE, len(self.quiet))):
            log = self.quiet.pop()
            if self.logs.get(log.id) is log:
                self._move_one(log)
        for _ in range(min(GONE, len(self.gone))):
            gone = self.logs.get(self.gone.popitem(last=False)[0])
            if gone is not None and gone.pending:
                self._move_one(gone)
                self.boot_detector.forget(gone.id)

    # Beginning a new journal file

    @property
    def journal_full(self) -> bool:
        """Whether it is time for `checkpoint`."""
        grown = self.journal.size - self._again
        return grown >= self.sizes.journal or self.inherited > INHERITED

    def checkpoint(self) -> None:
        """End the journal's file, which `move_on` empties then. Raises OSError; call it again."""
        number = self.journal.roll()
        again = [start(self.boot_id, time.time_ns() // 1000)]
        for log in self.logs.values():
            if log.end:
                again.append(Record(REACHED, log.id, log.end, 0, b""))
            if log.reserved:
                again.append(reserve(log.id, log.reserved, log.announced, 0))
            if log.about and not log.begun:
                again.append(Record(ABOUT, log.id, 0, 0, log.about.encode()))
        self.append(again)
        self.inherited, self._again = 0, self.journal.size
        self.emptying = number
        self._to_move = [c for c in self.logs.values() if c.pending or c.about]

    def move_on(self, count: int = MOVED) -> tuple[int, list[Segment]] | None:
        """Move some of what the ended file holds. Raises OSError; then it is to be called again.

        Once all of it has moved: the number of that file, which `Journal.drop` deletes when the
        segments, which are named, are synced.
        """
        for log in self._to_move[-count:]:
            if self.logs.get(log.id) is log:
                self._move_one(log)
            self._to_move.pop()
        if self._to_move:
            return None
        number, self.emptying = self.emptying, 0
        unsynced = [s for c in self.logs.values() for s in c.segments if s.unsynced]
        for segment in unsynced:
            segment.unsynced = False
        return number, unsynced

    # Less of it

    def compressed(self, console: bytes, old: Segment, new: Segment) -> None:
        """A chore has made `new` of `old`: it takes its place, unless that is gone meanwhile."""
        log = self.logs.get(console)
        if log is not None and old in log.segments:
            log.segments[log.segments.index(old)] = new
        else:
            new.remove()
        old.remove()

    def evict(self, log: ConsoleLog, count: int) -> None:
        """Delete the oldest `count` segments of a console. Raises OSError."""
        if count >= len(log.segments):
            self.move(log)
        log.evict(self.disk, count)

    def forget(self, *consoles: bytes) -> None:
        """Delete whole logs; later ones of the same consoles begin anew. Raises OSError."""
        self.append([Record(FORGET, console, 0, 0, b"") for console in consoles])

    def _delete(self, console: bytes) -> None:
        log = self.logs.pop(console, None)
        if log is None:
            return
        self.boot_detector.forget(console)
        self.boot_detector.booted.discard(console)
        self.pending_bytes -= log.pending_bytes
        if log.directory.is_dir():
            for name in os.listdir(log.directory):
                (log.directory / name).unlink(missing_ok=True)
            log.directory.rmdir()

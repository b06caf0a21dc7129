"""A start: the store takes up what an earlier process left, from the journal and the segments.

Offsets go on behind all that may have been used: where output may be missing, because the process
was killed or files are damaged, the log gets a gap that says how much.
"""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from attrs import define, field

from vspc.common.clock import rfc3339
from vspc.log.console_log import UNKNOWN_END, ConsoleLog
from vspc.log.entry import TROUBLED_RESERVE
from vspc.log.journal import start
from vspc.log.records import (
    ABOUT,
    DATA,
    NO_CONSOLE,
    REACHED,
    RESERVE,
    START,
    STOP,
    Record,
    gap,
    reserve,
)
from vspc.log.store import Store

REPORTED = 50
"""Consoles whose damage is reported one by one."""

FILES_DAMAGED = "files of this log are damaged or missing: output is missing"
JOURNAL_GONE = "the journal is missing or damaged: the last output may be missing"
KILLED = "the server was killed"
CUT_OFF = "the machine stopped"
DAMAGED = "the journal is damaged"
RESTORED = "a backup was restored"

_DIRECTORY = re.compile(r"[0-9a-f]{16}(\.[1-9][0-9]{0,8})?")


def load(store: Store, ends: Mapping[bytes, int] = MappingProxyType({})) -> set[bytes]:
    """Let `store`, which is empty, take up what an earlier process left; the consoles that had a
    line when that ended. `ends`: where the output of consoles ends that it has handed over. Raises
    OSError if the disk cannot be written.
    """
    loading = _Loading(store, ends)
    loading.load()
    return loading.connected


@define(eq=False)
class _Loading:
    """One start. `connected`: consoles that have a line, as far as the journal was read."""

    store: Store
    ends: Mapping[bytes, int]
    connected: set[bytes] = field(factory=set, init=False)

    def load(self) -> None:
        store, journal = self.store, self.store.journal
        store.disk.make(store.root / "consoles")
        self._discover()
        before = PreviousProcess(
            failing=store.failure_mark.is_set, restored=store.restored_mark.is_set
        )
        for serial, record in journal.replay():
            before.take(record)
            if record.code == STOP:
                self._release()
            if record.console == NO_CONSOLE:
                continue
            known = store.logs.get(record.console)
            if known is None or serial > known.serial or record.code in (RESERVE, ABOUT, REACHED):
                store.take(serial, record)
            self._note(record)
        gone = not journal.replayed and bool(store.logs)
        if gone:
            store.report_problem("log-journal-damaged", f"{journal.directory}: nothing is in it")
        before.damaged = gone or journal.damages > 0
        store.inherited = len(journal.files())
        now = time.time_ns() // 1000
        begun = [start(store.boot_id, now), *self._mend(now, gone)]
        if not before.stopped or before.damaged or before.restored:
            begun += before.jumps(list(store.logs.values()), now, store.boot_id, self.ends)
        else:
            self._release()
        store.append(begun)
        store.failure_mark.clear()
        store.restored_mark.clear()
        for log in [log for log in store.logs.values() if not log.begun]:
            del store.logs[log.id]
        self._close_segments()

    def _note(self, record: Record) -> None:
        """Keep in mind what `record`, which was replayed and taken, means for its console."""
        log = self.store.logs.get(record.console)
        if log is None:
            self.connected.discard(record.console)
        elif record.code == RESERVE:  # one that goes on behind its end has a line
            has_line = record.offset > log.end
            (self.connected.add if has_line else self.connected.discard)(record.console)
        elif record.code in (DATA, REACHED):
            log.damages = self.store.journal.damages

    def _release(self) -> None:
        """Nothing is reserved: everything was written, and has been read."""
        for log in self.store.logs.values():
            if log.damages == self.store.journal.damages:
                log.reserved = log.announced = 0

    def _discover(self) -> None:
        directories: dict[str, list[Path]] = {}
        for path in (self.store.root / "consoles").glob("??/*"):
            if _DIRECTORY.fullmatch(path.name):
                directories.setdefault(path.name[:16], []).append(path)
        for _, found in sorted(directories.items()):
            # ID, ID.2, ID.3: each time the one before could not be gone on with.
            found.sort(key=lambda path: int(path.name[17:] or 1))
            log = ConsoleLog.discover(found[-1], *found[:-1])
            self.store.logs[log.id] = log
            if log.booted:
                self.store.boot_detector.booted.add(log.id)
            # A start continues the numbers even where the journal is gone.
            self.store.journal.serial = max(self.store.journal.serial, log.serial)

    def _mend(self, now: int, gone: bool) -> Iterator[Record]:
        """Gaps for what is missing at the ends of logs; offsets go on behind them.

        `gone`: there is no journal.
        """
        for log in list(self.store.logs.values()):
            claimed, why = log.mend(), FILES_DAMAGED
            if gone and not log.reserved and log.end + UNKNOWN_END > claimed:
                claimed, why = log.end + UNKNOWN_END, JOURNAL_GONE
            if claimed > log.end:
                text = f"{why}, at most {claimed - log.end} bytes"
                yield gap(log.id, log.end, claimed, now, text)
            if log.changed:
                self._describe(log)
        self._report_damaged()

    def _describe(self, log: ConsoleLog) -> None:
        try:
            log.describe(self.store.disk)
        except OSError as error:
            log.notes += (f"{log.directory}: {error.strerror}",)

    def _report_damaged(self) -> None:
        report = self.store.report_problem
        damaged = [log for log in self.store.logs.values() if log.notes]
        for log in damaged[:REPORTED]:
            note, more = log.notes[0], len(log.notes) - 1
            name = str(log.facts.get("said_name") or "unknown name")
            what = f"console {log.name} ({name}): {note}"
            report("log-damaged", f"{what}; and {more} more" if more else what)
            for unknown in log.unknown:
                report("log-left-alone", unknown)
        if len(damaged) > REPORTED:
            report("log-damaged", f"{len(damaged) - REPORTED} more consoles")

    def _close_segments(self) -> None:
        """Let those be compressed that nothing more is written to."""
        for log in self.store.logs.values():
            for segment in log.segments[:-1]:
                segment.closed = segment.closed or not (segment.compressed or segment.left)
            for segment in log.segments:
                if segment.closed and not (segment.compressed or segment.left):
                    self.store.closed.append((log, segment))


@define
class PreviousProcess:
    """The process that wrote the journal's last record, `last` (microseconds since 1970)."""

    boot_id: str = ""
    stopped: bool = True
    last: int = 0
    damaged: bool = False  # something of the journal is missing
    failing: bool = False  # the disk took nothing when it ended, reserves included
    restored: bool = False  # its log is a backup, after which it went on

    def take(self, record: Record) -> None:
        """`record` comes next; one that is about the whole log, or about a console."""
        self.stopped = record.code == STOP
        self.last = max(self.last, record.at)
        if record.code == START:
            self.boot_id = record.payload.decode("ascii", "replace").partition("\n")[0]

    def jumps(
        self, logs: Iterable[ConsoleLog], now: int, boot_id: str, ends: Mapping[bytes, int]
    ) -> Iterator[Record]:
        """Offsets go on behind output that may have come and was not kept; and again, if the next
        kill comes before more output.

        All output before `last` is in the journal, as all consoles share it. Of what came later
        a kill loses no more than the journal has announced; a machine that stopped may have lost
        that as well, so that only the offsets themselves are a bound. While the disk was failing
        nothing was announced, and after a backup nothing is known. `ends` are exact: of these
        consoles it is known which offsets were used.
        """
        killed = self.boot_id in ("", boot_id) and not self.damaged
        why = DAMAGED if self.damaged else KILLED if killed else CUT_OFF
        why = RESTORED if self.restored else why
        when = f"{_time(min(self.last, now))} and {_time(now)}"
        for log in logs:
            end, to, announced = log.end, log.reserved, log.announced
            log.reserved = log.announced = 0
            again = to - end
            if self.failing or self.restored:
                to = announced = max(to, end + TROUBLED_RESERVE)
            if log.id in ends and killed:
                if ends[log.id] > end:
                    lost = ends[log.id] - end
                    yield gap(log.id, end, ends[log.id], now, f"{why}: {lost} bytes are missing")
                continue
            if to <= end:
                continue
            most = max(0, announced - end) if killed else to - end
            text = f"{why}: output between {when} may be missing"
            if self.restored or to > end + most:
                text += f" (offsets go on at {to})"
            if not self.restored:
                text += f", at most {most} bytes"
            yield gap(log.id, end, to, now, text)
            if again > 0:
                yield reserve(log.id, to + again, to + min(most, again), 0)


def _time(at: int) -> str:
    return rfc3339(at / 1e6)

"""Reads all logs for one outlet, in a thread of its own: an outlet that stalls delays nothing else.

A cursor for each console is the offset up to which the outlet has it; it is kept in a file, so that
a restart goes on where it was. What the outlet does not take is tried again, from the log, for as
long as that has it: an outlet may get something twice, but it misses only what it gets as a gap.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from attrs import define, field

from vspc.common.files import Disk
from vspc.common.worker import Worker
from vspc.config.settings import SinkSettings
from vspc.console.access import Subject, matches
from vspc.console.logs import About, LogPage, LogView
from vspc.log.query import LogSource
from vspc.log.sinks import text
from vspc.log.sinks.outlet import Outlet, json_outlet, syslog_outlet
from vspc.log.sinks.progress import BadCursors, SentMarkers, UnconfirmedWrites, assemble, load, save
from vspc.log.writer import EventReporter
from vspc.net.backoff import AGAIN, LONGEST, Backoff

PIECE = 64 * 1024
"""Bytes that are read of one console before the next has its turn."""

IDLE = 2.0
"""Seconds after which an unfinished line is given as it is, or a log that could not be read is
tried again.
"""

SAVE = 5.0
"""Seconds between two times at which the cursors are kept."""

STOP_TIMEOUT = 3.0
"""Seconds that `stop` waits."""


class FeedSource(Protocol):
    """What it reads; see `vspc.log.query`. Without an answer of the log's thread: OSError."""

    def wait(self, timeout: float) -> set[str]: ...
    def wake(self) -> None: ...
    def ends(self) -> dict[str, int]: ...
    def about(self, console_id: str) -> About | None: ...
    def view(self, console_id: str) -> LogView: ...


@define(eq=False)
class Feeder:
    """`name` is for events, `cursors` a file of ours, `wanted` selects consoles."""

    name: str
    outlet: Outlet
    source: FeedSource
    cursors: Path
    report: EventReporter
    failed: Callable[[], None]
    wanted: Callable[[About], bool] = lambda _about: True
    now: Callable[[], float] = time.monotonic
    disk: Disk = field(factory=Disk)
    _at: dict[str, int] = field(factory=dict, init=False)
    _sent_markers: SentMarkers = field(factory=SentMarkers, init=False)
    _unconfirmed: UnconfirmedWrites = field(factory=UnconfirmedWrites, init=False)
    _news: dict[str, None] = field(factory=dict, init=False)
    _off: dict[str, float] = field(factory=dict, init=False)  # of the news, what is put off
    _idle: dict[str, tuple[int, float]] = field(factory=dict, init=False)
    # Unfinished lines: where what there is of them ends, and when they are given as they are.
    _bad: dict[str, None] = field(factory=dict, init=False)  # whose the last errors were
    _backoff: Backoff = field(factory=Backoff, init=False)
    _wrote: bool = field(default=False, init=False)
    _saved: float = field(default=0.0, init=False)
    _dirty: bool = field(default=False, init=False)
    _reopen: bool = field(default=False, init=False)
    _begun: bool = field(default=False, init=False)
    _worker: Worker = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._worker = Worker(f"log-sink-{self.name}", self._round, self.failed, self._ended)

    # From any thread

    @property
    def failing(self) -> bool:
        """Whether the outlet does not take it."""
        return self._backoff.failing

    def start(self) -> None:
        """Begin."""
        self._worker.start()

    def reopen(self) -> None:
        """Open files or connections anew."""
        self._reopen = True
        self.source.wake()

    def stop(self) -> None:
        """End; what it has not got to is read after the next start."""
        self._worker.stopping = True
        self.source.wake()
        self._worker.stop(STOP_TIMEOUT)

    # Its thread

    def _round(self) -> float | None:
        if self._worker.stopping:
            return None
        try:
            if self._begun:
                self.step(self.source.wait(self.delay()))
            else:
                self.begin()
                self._begun = True
        except OSError:  # the log's thread does not answer: the disk stalls, perhaps
            return AGAIN
        return 0.0

    def _ended(self) -> None:
        if self._begun:
            self._save()
        self.outlet.close()

    def delay(self) -> float:
        """Seconds for which there is nothing to do unless there are news."""
        now = self.now()
        if self._backoff.is_waiting(now):
            return self._backoff.retry - now
        if len(self._news) > len(self._off):
            return 0.0
        return 0.5 if self._idle or self._unconfirmed or self._off else SAVE

    def begin(self) -> None:
        """Take the cursors up; the first time it begins with what comes. Raises OSError."""
        ends = self.source.ends()
        try:
            kept = load(self.cursors)
        except BadCursors as problem:
            where = str(self.cursors)
            self.report(
                "sink-cursors-damaged", {"sink": self.name, "file": where, "what": str(problem)}
            )
            kept = None
        self._at, self._dirty = (dict(ends), True) if kept is None else (kept, False)
        self._news |= {key: None for key, end in ends.items() if self._at.get(key) != end}

    def step(self, news: set[str]) -> None:
        """One round: a piece of each console that has something."""
        self._news |= dict.fromkeys(news)
        now = self.now()
        if self._backoff.is_waiting(now):
            return
        self._wrote = False
        try:
            if self._reopen:
                self._reopen = False
                self._take_back()
                self.outlet.reopen()
            for console_id in self._turns(now):
                if self._worker.stopping:
                    return
                self._serve(console_id)
        except OSError as error:
            self._fail(error)
            return
        self._settle()
        if self._backoff.failing and (self._wrote or not self._news):
            seconds = round(self._backoff.recover(now), 1)
            self.report("sink-recovered", {"sink": self.name, "seconds": seconds})
        if now >= self._saved + SAVE:
            self._save()

    def _turns(self, now: float) -> list[str]:
        self._off = {key: at for key, at in self._off.items() if at > now}
        due = [key for key, (_, at) in self._idle.items() if at <= now and key not in self._news]
        turns = [key for key in [*self._news, *due] if key not in self._off]
        return sorted(turns, key=lambda key: key in self._bad)

    def _serve(self, console_id: str) -> None:
        """A piece of one console. Raises OSError where the outlet does not take it."""
        try:
            found = self._look(console_id)
            if found is not None:
                self._give(*found)
        except OSError:  # perhaps it is this console's alone: the others come before it now
            self._bad[console_id] = None
            self._news.pop(console_id, None)
            self._news[console_id] = None
            raise
        except Exception:  # a defect: the others go on
            self._put_off(console_id, LONGEST)
            self.failed()

    def _look(self, console_id: str) -> tuple[About, int, LogPage] | None:
        """Whose, from where and what; None if there is nothing to be given now."""
        try:
            about = self.source.about(console_id)
            if about is None:
                self._miss(console_id)
                return None
            view = self.source.view(console_id)
            if not self.wanted(about):
                self._skip(console_id, view.end)
                return None
            start = min(self._at.get(console_id, 0), view.end)
            return about, start, view.read(start, PIECE)
        except OSError:  # ours, not the outlet's
            self._put_off(console_id, IDLE)
            return None

    def _miss(self, console_id: str) -> None:
        """The log of a console is gone, or there was no answer: then its cursor must not be
        forgotten, or all of it would be sent again.
        """
        ends = self.source.ends()
        if ends and console_id not in ends:
            self._forget(console_id)
        else:
            self._put_off(console_id, IDLE)

    def _skip(self, console_id: str, end: int) -> None:
        """Output of a console that is not selected is not sent later, under another name."""
        self._forget(console_id)
        self._at[console_id], self._dirty = end, True

    def _put_off(self, console_id: str, seconds: float) -> None:
        self._news[console_id] = None
        self._off[console_id] = self.now() + seconds

    def _give(self, about: About, start: int, page: LogPage) -> None:
        items, lines = assemble(page, lambda m: self._sent_markers.is_new(about.id, m))
        end = page.next - lines.pending
        if lines.pending and (end == start or page.ended) and self._is_late(about.id, page):
            items += lines.flush()
            end = page.next
        if end == page.next:
            self._idle.pop(about.id, None)
        if items:
            self.outlet.write(about, items)
            self._wrote = True
            self._bad.pop(about.id, None)
            self._unconfirmed.add(about.id, start)
            self._settle()
            self._sent_markers.add(about.id, items)
        if end != self._at.get(about.id):
            self._at[about.id] = end
            self._dirty = True
        if page.ended:
            self._news.pop(about.id, None)

    def _is_late(self, console_id: str, page: LogPage) -> bool:
        """Whether nothing has come to an unfinished line for a while."""
        if not page.ended:
            return True
        before, late = self._idle.get(console_id, (-1, 0.0))
        if before != page.next:
            self._idle[console_id] = (page.next, self.now() + IDLE)
            return False
        return self.now() >= late

    def _forget(self, console_id: str) -> None:
        for table in (self._news, self._off, self._at, self._idle, self._bad):
            table.pop(console_id, None)
        self._sent_markers.forget(console_id)

    # When the outlet does not take it

    def _settle(self) -> None:
        self._unconfirmed.keep(self.outlet.waiting())

    def _take_back(self) -> None:
        self._at = self._unconfirmed.before(self._at)
        for console_id in self._unconfirmed.clear():
            self._sent_markers.forget(console_id)
            self._news[console_id] = None

    def _fail(self, error: OSError) -> None:
        self._take_back()
        if self._backoff.fail(self.now(), self._wrote):
            what = error.strerror or str(error)
            self.report("sink-failing", {"sink": self.name, "error": what})

    # Cursors

    def _save(self) -> None:
        self._saved = self.now()
        self._settle()
        if not self._dirty:
            return
        try:
            if not self._worker.stopping:
                self._prune()
            save(self.disk, self.cursors, self._unconfirmed.before(self._at))
            self._dirty = False
        except OSError as error:
            what = error.strerror or str(error)
            self.report("sink-cursors-not-kept", {"sink": self.name, "error": what})

    def _prune(self) -> None:
        """Forget consoles that are gone. None at all is no answer, or nothing worth forgetting."""
        with suppress(OSError):
            ends = self.source.ends()
            for console_id in [key for key in self._at if ends and key not in ends]:
                self._forget(console_id)


def make(
    settings: SinkSettings,
    source: LogSource,
    root: Path,
    report: EventReporter,
    failed: Callable[[], None],
    kinds: Mapping[str, Callable[[SinkSettings], Outlet]] | None = None,
) -> Feeder:
    """A sink, not started. `root` is the log's directory."""
    return Feeder(
        settings.name,
        (kinds or KINDS)[settings.kind](settings),
        source,
        root / "sinks" / f"{settings.name}.json",
        report,
        failed,
        lambda about: _is_wanted(settings, about),
    )


def _is_wanted(settings: SinkSettings, about: About) -> bool:
    subject = Subject(about.name, about.zone, about.uuid)
    return any(matches(pattern, subject) for pattern in settings.consoles)


KINDS: Mapping[str, Callable[[SinkSettings], Outlet]] = MappingProxyType(
    {"json": json_outlet, "syslog": syslog_outlet, "text": text.outlet}
)
"""What makes the outlet of each `kind` of [[log.sink]]: a new kind is a module, and a line here."""

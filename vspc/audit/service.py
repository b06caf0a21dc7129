"""The audit file as the service has it: made, started, stopped.

`recorder` records events, `login_recorder` logins, `subscriber` what happens to consoles, and
`reader` reads for verbs.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import define, field

from vspc import __version__
from vspc.audit.copies import JOURNAL, Copy, copies
from vspc.audit.file import EventReporter
from vspc.audit.reader import FileAuditReader
from vspc.audit.recorder import AuditRecorder
from vspc.audit.refusals import RecentRefusals
from vspc.audit.subscriber import AuditSubscriber, LoginRecorder
from vspc.audit.writer import AuditWriter
from vspc.common.clock import Clock
from vspc.common.worker import WorkerPool
from vspc.config.settings import AuditSettings
from vspc.console.audit import AuditReader, NoAuditReader
from vspc.console.events import EventBus

READERS = 2
"""Threads that read the file for people."""


@define(eq=False)
class AuditService:
    """`state_dir` is where the file is, unless its path is absolute. `report` is called from any
    thread, `failed` inside an except block.
    """

    settings: AuditSettings
    state_dir: Path
    reactor: Any
    clock: Clock
    events: EventBus
    report: EventReporter
    failed: Callable[[], None]
    journal_path: str = JOURNAL
    refused: RecentRefusals = field(init=False)
    recorder: AuditRecorder = field(init=False)
    reader: AuditReader = field(init=False)
    login_recorder: LoginRecorder = field(init=False)
    subscriber: AuditSubscriber = field(init=False)
    _writer: AuditWriter | None = field(default=None, init=False)
    _records: FileAuditReader | None = field(default=None, init=False)
    _copies: list[Copy] = field(factory=list, init=False)
    _unsubscribe: Callable[[], None] | None = field(default=None, init=False)
    _started: float = field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self.refused = RecentRefusals(self.clock.wall)
        if self.settings.enabled:
            self._make()
        else:
            self.reader = NoAuditReader(self.refused.latest)
        self.recorder = AuditRecorder(self._writer, self.clock.wall, self.report, self.failed)
        clock = self.clock
        self.login_recorder = LoginRecorder(
            self.recorder, self.refused, clock.seconds, clock.wall, self.failed
        )
        self.subscriber = AuditSubscriber(self.recorder, self.refused, clock.seconds, clock.wall)

    def _make(self) -> None:
        path = self.state_dir / self.settings.file
        refuse = self.settings.on_failure == "refuse"
        self._writer = AuditWriter(path, self.report, self.failed, refuse, self.clock.wall)
        readers = WorkerPool("audit-reader", self.failed, READERS)
        self.reader = self._records = FileAuditReader(
            path,
            self.refused,
            self.report,
            lambda call: self.reactor.callFromThread(call),  # noqa: PLW0108  tests lack it
            readers,
        )
        self._copies = copies(self.settings, self.report, self.failed, self.journal_path)
        self._writer.subscribers += [self._records.written, *(copy.take for copy in self._copies)]

    # What the service does with it

    def start(self) -> None:
        """Begin to write and to listen; threads are made here, not before."""
        self._started = self.clock.seconds()
        self.recorder.record("start", version=__version__, pid=os.getpid())
        if self._writer is not None:
            self._writer.start()
        for copy in self._copies:
            copy.start()
        self._unsubscribe = self.events.subscribe(self.subscriber.handle, *self.subscriber.EVENTS)

    def tick(self) -> None:
        """Call it every second or so: what had no line of its own is counted in one."""
        self._sum_up(self.clock.seconds())
        if self._writer is not None:
            self._writer.check()

    def _sum_up(self, now: float) -> None:
        try:
            self.login_recorder.tick(now)
            self.subscriber.tick(now)
        except Exception:
            self.failed()

    def reopen(self) -> None:
        """The file may have been moved away (SIGHUP)."""
        if self._writer is not None:
            self._writer.reopen()

    @property
    def writer(self) -> AuditWriter | None:
        """What writes the file; None where there is none."""
        return self._writer

    def condition(self) -> dict[str, object]:
        """For `status`."""
        writer = self._writer
        if writer is None:
            return {"state": "off"}
        return {
            "state": "failing" if writer.failing or writer.is_stalled else "written",
            "waiting": len(writer.waiting),
            "lost": writer.waiting.lost,
            "refuses": writer.refuses,
            "copies": {copy.name: copy.condition() for copy in self._copies},
        }

    def reload(self, settings: AuditSettings) -> None:
        """`on_failure` counts at once; all else after a restart."""
        if self._writer is not None:
            self._writer.refuse = settings.on_failure == "refuse"

    def end(self) -> None:
        """The server stops: say so, listen to nothing more. In the reactor's thread."""
        if self._unsubscribe is None:
            return
        self._unsubscribe()
        self._unsubscribe = None
        self._sum_up(float("inf"))
        lasted = round(self.clock.seconds() - self._started, 3)
        self.recorder.record("stop", seconds=lasted)
        if self._records is not None:
            self._records.close()

    def stop(self) -> None:
        """Write what waits: after `end`, in a thread, for some seconds at most."""
        if self._writer is not None:
            self._writer.stop()
        for copy in self._copies:
            copy.stop()

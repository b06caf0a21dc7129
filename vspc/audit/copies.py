"""Copies of the audit file for other programs: syslog, and the journal of systemd.

The file is the record. What a copy does not take waits, bounded; what is over is counted. A copy
may get something twice, after an error.
"""

import errno
import json
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence

from attrs import define, field

from vspc.audit.file import EventReporter
from vspc.common.worker import BoundedQueue, Worker
from vspc.config.settings import AuditSettings
from vspc.net.backoff import Backoff
from vspc.net.connection import (
    Connection,
    counted,
    dialler,
    is_stream,
    record,
    unix_datagrams,
)
from vspc.net.limits import TokenBucket

COUNT = 10_000
"""Lines that wait for one copy."""

BYTES = 8 * 1024 * 1024
"""Bytes of them."""

TOGETHER = 64
"""Lines between two looks whether it is over."""

STOP_TIMEOUT = 2.0
"""Seconds that `stop` waits."""

REPORT_RATE, REPORTS = 1 / 60, 5
"""Reports of failures: so many a second in the long run, and so many at once."""

Encode = Callable[[bytes], bytes]
"""A line of the file in the format of the other side."""


@define(eq=False)
class Copy:
    """One of them, with a thread of its own. `name` is for our log."""

    name: str
    connection: Connection
    encode: Encode
    report: EventReporter
    failed: Callable[[], None]
    now: Callable[[], float] = time.monotonic
    lost: int = field(default=0, init=False)  # in all
    _lines: BoundedQueue[bytes] = field(factory=lambda: BoundedQueue(COUNT, BYTES), init=False)
    _sent: deque[bytes] = field(factory=deque, init=False)  # perhaps not there yet
    _backoff: Backoff = field(factory=Backoff, init=False)
    _reported: bool = field(default=False, init=False)
    _reports: TokenBucket = field(factory=lambda: TokenBucket(REPORT_RATE, REPORTS), init=False)
    _worker: Worker = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._worker = Worker(f"audit-{self.name}", self._step, self.failed, self.connection.close)

    # From any thread

    def start(self) -> None:
        """Begin."""
        self._worker.start()

    def take(self, lines: Sequence[bytes]) -> None:
        """The file has these."""
        with self._worker.changed:
            for line in lines:
                self.lost += not self._lines.put(line, len(line))
            self._worker.wake()

    def condition(self) -> dict[str, object]:
        """For `status`: whether the other side takes it, lines that wait, and how many it will
        never have.
        """
        with self._worker.changed:
            state = "failing" if self._backoff.failing else "sent"
            return {"state": state, "waiting": len(self._lines), "lost": self.lost}

    def stop(self) -> None:
        """Send what waits, if it is taken; returns after `STOP_TIMEOUT` seconds at the latest."""
        self._worker.stop(STOP_TIMEOUT)
        left = len(self._lines) + self._lines.lost
        if left:
            self.report("audit-copy-lost", {"copy": self.name, "count": left})

    # Its thread

    def _step(self) -> float | None:
        try:
            self.round()
        except Exception:  # a defect
            self.failed()
            self._backoff.fail(self.now(), False)
        if self._worker.stopping or not self._backoff.failing:
            return None
        return max(0.0, self._backoff.retry - self.now())

    def round(self) -> None:
        """Send what there is."""
        if self._backoff.is_waiting(self.now()):
            return
        while True:
            with self._worker.changed:
                lines = self._lines.first(TOGETHER)
            if not lines:
                break
            for line in lines:
                if not self._send(line):
                    return
        self._recover()

    def _send(self, line: bytes) -> bool:
        try:
            self.connection.send(self._encoded(line))
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                self._fail(error)
                return False
            self._drop(lost=True)  # it would keep back all that follow
            return True
        self._drop()
        self._sent.append(line)
        waiting = self.connection.waiting()
        while len(self._sent) > waiting:
            self._sent.popleft()
        return True

    def _drop(self, lost: bool = False) -> None:
        with self._worker.changed:
            self._lines.done(1)
            self.lost += lost
            self._lines.lost += lost

    def _encoded(self, line: bytes) -> bytes:
        try:
            return self.encode(line)
        except Exception:  # a defect: it must not keep the others back
            self.failed()
            return line

    def _fail(self, error: OSError) -> None:
        with self._worker.changed:  # what it may not have comes again
            self._lines.put_back((line, len(line)) for line in self._sent)
        self._sent.clear()
        if self._backoff.fail(self.now(), False):
            self._reported = self._reports.take(self.now())
            if self._reported:
                what = error.strerror or str(error)
                self.report("audit-copy-failing", {"copy": self.name, "error": what})

    def _recover(self) -> None:
        if self._backoff.failing:
            seconds = round(self._backoff.recover(self.now()), 1)
            if self._reported:
                self.report("audit-copy-recovered", {"copy": self.name, "seconds": seconds})
        if self._lines.lost and self._reports.take(self.now()):
            with self._worker.changed:
                count = self._lines.take_lost()
            self.report("audit-copy-lost", {"copy": self.name, "count": count})


def syslog(hostname: str, facility: int, stream: bool) -> Encode:
    """RFC 5424, the line as its text; in a stream with its length in front."""

    def encode(line: bytes) -> bytes:
        facts = _facts(line)
        made = record(facility, str(facts["time"]), hostname, str(facts["event"]), "-", line)
        return counted(made) if stream else made

    return encode


def journal(line: bytes) -> bytes:
    """The native protocol of systemd-journald: a datagram of fields, a line each."""
    facts = _facts(line)
    fields = {
        "MESSAGE": line.decode(),
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "vspc",
        **{f"VSPC_{name.upper()}": str(value) for name, value in facts.items()},
    }
    return "".join(f"{name}={value}\n" for name, value in fields.items()).encode()


def _facts(line: bytes) -> dict[str, object]:
    found: dict[str, object] = json.loads(line)
    return found


JOURNAL = "/run/systemd/journal/socket"
"""Where systemd-journald takes datagrams."""


def copies(
    settings: AuditSettings,
    report: EventReporter,
    failed: Callable[[], None],
    journal_path: str = JOURNAL,
) -> list[Copy]:
    """Those that are configured, not started."""
    found = []
    if settings.syslog is not None:
        target = str(settings.syslog)
        encode = syslog(socket.gethostname() or "-", settings.facility, is_stream(target))
        connection = Connection(dialler(target, settings, datagrams=True))
        found.append(Copy("syslog", connection, encode, report, failed))
    if settings.journald:
        connection = Connection(unix_datagrams(journal_path))
        found.append(Copy("journald", connection, journal, report, failed))
    return found

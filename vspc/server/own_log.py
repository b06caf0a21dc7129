"""The server's own log: one event a line, `time level name key=value ...`.

Our events have a kebab-case name for a format and facts as fields; what Twisted and other
libraries log is shown as `text="..."`. Nothing foreign can add a line or move a cursor (law 6).
"""

import atexit
import os
import re
import time
from collections.abc import Callable
from select import POLLOUT, poll
from typing import Any, TextIO

from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, formatEvent
from zope.interface import implementer

from vspc.common.clock import rfc3339
from vspc.common.text import safe, safe_once
from vspc.common.worker import PAUSE, REST, BoundedQueue, Worker
from vspc.log.log import DAMAGE

WAITING = 10_000
"""Lines that wait for the stream; more are counted and not written."""

CLOSE_TIMEOUT = 2.0
"""Seconds that `close` waits for what is left to be written."""


class LineWriter:
    """Writes lines in order; what it cannot write is lost. `lost` puts a count into a line."""

    def __init__(self, stream: TextIO, lost: Callable[[int], str]) -> None:
        self._write = _writer(stream)
        self._lost_line = lost
        self._lines = BoundedQueue[str](WAITING, WAITING)
        self._worker = Worker("server-log", self._step, lambda: None, rest=REST)

    def put(self, line: str) -> None:
        """Write `line`, without its newline, soon. Never waits."""
        with self._worker.changed:
            if not self._worker.stopping and self._lines.put(line, 1):
                self._worker.start()  # with the first line: twistd may fork before that
                self._worker.wake()

    def lose(self, count: int = 1) -> None:
        """So many lines cannot be made or written: there is no memory for them."""
        with self._worker.changed:
            self._lines.lost += count

    def close(self, patience: float = CLOSE_TIMEOUT) -> None:
        """Wait until all is written, at most `patience` seconds."""
        self._worker.stop(patience)

    def _step(self) -> float | None:
        with self._worker.changed:
            lines, lost = self._lines.take(), self._lines.take_lost()
        count = lost + len(lines)
        try:
            if lost:
                lines.append(self._lost_line(lost))
            if lines:
                self._write("".join(line + "\n" for line in lines))
        except MemoryError:
            self.lose(count)
            return PAUSE
        except (OSError, ValueError):
            pass
        return None


def _writer(stream: TextIO) -> Callable[[str], object]:
    """How to write to `stream`: to its descriptor, which stays open, where it has one."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return stream.write
    encoding = stream.encoding

    def write(text: str) -> None:
        # Not by the stream itself: a thread that stalls in it holds a lock that the interpreter
        # needs when it ends. And under LANG=C a name that is not ASCII must not lose its line.
        rest = memoryview(text.encode(encoding, "backslashreplace"))
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:  # a terminal that another program has made non-blocking
                waiting = poll()  # select takes only the first 1,024 descriptors
                waiting.register(descriptor, POLLOUT)
                waiting.poll()

    return write


VALUE = 1000
"""Characters of one field."""

_TRACEBACK = 8000

_OURS = "vspc"

_BARE = re.compile(rf"[!#-<>-\[\]-~]{{1,{VALUE}}}")  # ASCII that is safe, and needs no quotes
_TO_QUOTE = re.compile('[ "=]')
_LEVELS = (LogLevel.debug, LogLevel.info, LogLevel.warn, LogLevel.error, LogLevel.critical)


def _from(level: Any) -> frozenset[Any]:
    return frozenset(_LEVELS[_LEVELS.index(level) :])


def render(event: LogEvent) -> str:
    """One event as one line, without its newline."""
    words = [rfc3339(event["log_time"]), event["log_level"].name]
    words += _facts(event)
    failure = event.get("log_failure")
    if failure is not None:
        words.append(f"traceback={_quoted(failure.getTraceback(), _TRACEBACK)}")
    return " ".join(words)


def _lost(count: int) -> str:
    """In place of lines that were not written."""
    return f"{rfc3339(time.time())} warn log-lines-lost count={count}"


def _is_ours(event: LogEvent) -> bool:
    return str(event.get("log_namespace", "")).startswith(_OURS)


def _facts(event: LogEvent) -> list[str]:
    name = event.get("log_format") or ""
    if not _is_ours(event) or " " in name:
        return ["log", f"text={_quoted(formatEvent(event))}"]
    words = [name]
    for key, value in event.items():
        if value is not None and not key.startswith("log_"):
            words.append(f"{key}={_value(value)}")
    return words


def _value(value: object) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value):  # nearly all are
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value)
    return _quoted(value if isinstance(value, str | bytes) else str(value))


def _quoted(text: str | bytes, limit: int = VALUE) -> str:
    shown = safe_once(text, limit)
    if shown and not _TO_QUOTE.search(shown):
        return shown
    return '"' + shown.replace('"', '\\"') + '"'


@implementer(ILogObserver)
class ServerLog:
    """Our events from `info`, and warnings of libraries, on a stream; `verbose`: all of ours.

    The reader of the stream may stall: a thread writes, and the reactor never waits (law 9).
    """

    def __init__(self, stream: TextIO, verbose: bool = False) -> None:
        self._writer = LineWriter(stream, _lost)
        self._ours = _from(LogLevel.debug if verbose else LogLevel.info)
        self._others = _from(LogLevel.warn)
        atexit.register(self.close)

    def __call__(self, event: LogEvent) -> None:
        shown = self._ours if _is_ours(event) else self._others
        if event.get("log_level") not in shown:
            return
        try:
            self._writer.put(render(event))
        except MemoryError:  # the next line says how many are missing
            self._writer.lose()

    def close(self) -> None:
        """Write what waits; nothing is logged afterwards."""
        atexit.unregister(self.close)
        self._writer.close()


_ERRORS = DAMAGE | {
    "alert-dropped",
    "alert-not-delivered",
    "alert-queue-damaged",
    "alert-queue-not-written",
    "audit-failing",
    "audit-stalled",
    "audit-not-written",
    "audit-defect",
    "audit-copy-lost",
    "log-failing",
    "panic-damaged",
    "panic-not-kept",
    "log-stalled",
    "sink-failing",
}
_GOOD = frozenset(
    {
        "alert-delivered-again",
        "alert-queue-written-again",
        "audit-recovered",
        "audit-goes-on",
        "audit-copy-recovered",
        "log-recovered",
        "log-goes-on",
        "log-chain",
        "sink-recovered",
    }
)


def event_reporter(namespace: str) -> Callable[[str, dict[str, object]], None]:
    """Logs the events that parts with threads of their own report by name, from any thread."""
    log = Logger(namespace=namespace)

    def report(event: str, facts: dict[str, object]) -> None:
        level = log.error if event in _ERRORS else log.info if event in _GOOD else log.warn
        level(event, **{k: safe(v, VALUE) if isinstance(v, str) else v for k, v in facts.items()})

    return report

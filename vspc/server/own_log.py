"""The server's own log: one event a line, `time level name key=value ...`.

Our events have a kebab-case name for a format and facts as fields; what Twisted and other
libraries log is shown as `text="..."`. Nothing foreign can add a line or move a cursor (law 6).
"""

import atexit
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TextIO

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
)
from zope.interface import implementer

from vspc.common.text import safe
from vspc.server.line_writer import LineWriter

VALUE = 1000
"""Characters of one field."""

_TRACEBACK = 8000

_OURS = "vspc"


def render(event: LogEvent) -> str:
    """One event as one line, without its newline."""
    words = [_moment(event["log_time"]), event["log_level"].name, *_facts(event)]
    failure = event.get("log_failure")
    if failure is not None:
        words.append(f"traceback={_quoted(failure.getTraceback(), _TRACEBACK)}")
    return " ".join(words)


def _lost(count: int) -> str:
    """In the place of lines that nobody took."""
    return f"{_moment(time.time())} warn log-lines-lost count={count}"


def _moment(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


def _facts(event: LogEvent) -> Iterable[str]:
    name = event.get("log_format") or ""
    if not str(event.get("log_namespace", "")).startswith(_OURS) or " " in name:
        yield "log"
        yield f"text={_quoted(formatEvent(event))}"
        return
    yield name
    for key, value in event.items():
        if not key.startswith("log_") and value is not None:
            yield f"{key}={_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value)
    return _quoted(value if isinstance(value, str | bytes) else str(value))


def _quoted(text: str | bytes, limit: int = VALUE) -> str:
    shown = safe(text, limit)
    if shown and not any(character in shown for character in ' "='):
        return shown
    return '"' + shown.replace('"', '\\"') + '"'


@implementer(ILogObserver)
class _Rendered:
    """Hands events to a writer, a line each."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def __call__(self, event: LogEvent) -> None:
        self._writer.put(render(event))


@implementer(ILogObserver)
class ServerLog:
    """Our information and everybody's warnings, on a stream; `verbose`: all of ours.

    Whoever reads the stream may stall: a thread writes, and the reactor never waits (law 9).
    """

    def __init__(self, stream: TextIO, verbose: bool = False) -> None:
        self._writer = LineWriter(stream, _lost)
        predicate = LogLevelFilterPredicate(LogLevel.warn)
        predicate.setLogLevelForNamespace(_OURS, LogLevel.debug if verbose else LogLevel.info)
        self._filter = FilteringLogObserver(_Rendered(self._writer), [predicate])
        atexit.register(self.close)

    def __call__(self, event: LogEvent) -> None:
        self._filter(event)

    def close(self) -> None:
        """Write what waits; nothing is logged afterwards."""
        atexit.unregister(self.close)
        self._writer.close()

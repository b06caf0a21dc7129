"""The simulator's log: one event a line, `time name key=value ...`, on one stream."""

from datetime import UTC, datetime
from typing import TextIO

from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from zope.interface import implementer

_OURS = "vspc.simulator"
_SHOWN = 300  # characters of one value


def render(event: LogEvent) -> str:
    """One event as a line."""
    moment = datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds")
    facts = [
        f"{key}={_value(value)}"
        for key, value in event.items()
        if not key.startswith("log_") and value is not None
    ]
    return " ".join([moment.replace("+00:00", "Z"), event.get("log_format") or "event", *facts])


def _value(value: object) -> str:
    text = str(value)[:_SHOWN]
    plain = text.isprintable() and text and not set(text) & set(' "=')
    return text if plain else ascii(text)


@implementer(ILogObserver)
class EventLines:
    """Writes our events, and what goes wrong elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: LogEvent) -> None:
        ours = str(event.get("log_namespace", "")).startswith(_OURS)
        level = event.get("log_level", LogLevel.info)
        if ours and "log_failure" not in event:
            line = render(event)
        elif level >= LogLevel.warn:
            text = f"{formatEvent(event)} {event.get('log_failure', '')}".strip()
            line = render({"log_time": event["log_time"], "log_format": "fault", "text": text})
        else:
            return
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

"""JSON lines, for Vector, Fluent Bit, Promtail and their like, to a file or a connection. Syslog:
RFC 5424, over TCP (RFC 6587, counted octets) or TLS (RFC 5425).
"""

import json
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vspc.common.clock import rfc3339
from vspc.common.text import plain_output, safe_output
from vspc.config.settings import SinkSettings
from vspc.console.log_reading import OutputLine
from vspc.console.logs import About, Marker
from vspc.log.sinks.outlet import Encode, FileOutlet, Outlet, StreamOutlet
from vspc.net.connection import Connection, counted, dialler, record

TEXT_LIMIT = 8 * 1024
"""Bytes of a line; what is longer is cut, and counted."""

ENTERPRISE = 32473
"""The private enterprise number of examples (RFC 5612): this project has none of its own."""

_ESCAPED = re.compile(r'(["\\\]])')


def json_lines(about: About, items: Sequence[OutputLine | Marker]) -> bytes:
    """A line for each item."""
    whose = {"console": about.handle, "id": about.id, "name": about.name, "zone": about.zone}
    return b"".join(json.dumps(whose | _facts(item)).encode() + b"\n" for item in items)


def _facts(item: OutputLine | Marker) -> dict[str, Any]:
    time = rfc3339(item.at)
    facts: dict[str, Any] = {"offset": item.offset, "time": time}
    if isinstance(item, Marker):
        facts |= {"marker": item.kind.value, "text": item.text}
        if item.end > item.offset:
            facts["end"] = item.end
        return facts
    facts["text"] = safe_output(item.text).decode()
    if not item.whole:
        facts["unfinished"] = True
    return facts


def json_outlet(settings: SinkSettings) -> Outlet:
    """As the configuration has it; `target` is a path, or a connection."""
    if settings.target.partition(":")[0] in ("tcp", "tls", "unix"):
        return StreamOutlet(Connection(dialler(settings.target, settings)), json_lines)
    return FileOutlet(Path(settings.target), json_lines)


def syslog_messages(hostname: str, facility: int) -> Encode:
    """A message for each item, with its length in front. `hostname` is this machine's, `facility` 0
    to 23.
    """

    def message(about: About, item: OutputLine | Marker) -> bytes:
        time = rfc3339(item.at, "microseconds")
        data = _data({"id": about.id, "name": about.name, "offset": str(item.offset)})
        if isinstance(item, Marker):
            kind, text = item.kind.value, item.text.encode("utf-8", "replace")
        else:
            kind, text = "console", plain_output(item.text)
        if len(text) > TEXT_LIMIT:
            cut = text[:TEXT_LIMIT].decode("utf-8", "ignore").encode()
            text = cut + f"...(+{len(text) - len(cut)})".encode()
        return counted(record(facility, time, hostname, kind, data, text))

    return lambda about, items: b"".join(message(about, item) for item in items)


def _data(facts: dict[str, str]) -> str:
    """Structured data (RFC 5424 section 6.3)."""
    escaped = {key: _ESCAPED.sub(r"\\\1", value) for key, value in facts.items()}
    words = " ".join(f'{key}="{value}"' for key, value in escaped.items())
    return f"[console@{ENTERPRISE} {words}]"


def syslog_outlet(settings: SinkSettings) -> Outlet:
    """As the configuration has it."""
    encode = syslog_messages(socket.gethostname() or "-", settings.facility)
    return StreamOutlet(Connection(dialler(settings.target, settings)), encode)

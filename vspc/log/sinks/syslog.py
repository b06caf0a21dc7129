"""syslog, RFC 5424, over TCP (RFC 6587, counted octets) or TLS (RFC 5425)."""

import re
import socket
from collections.abc import Sequence

from attrs import define

from vspc.common.clock import rfc3339
from vspc.common.text import plain_output
from vspc.config.settings import SinkSettings
from vspc.console.log_reading import OutputLine
from vspc.console.logs import About, Marker
from vspc.log.sinks.outlet import Outlet, SinkStream
from vspc.net.connection import Connection, counted, dialler, record

TEXT_LIMIT = 8 * 1024
"""Bytes of a line; what is longer is cut, and counted."""

ENTERPRISE = 32473
"""The private enterprise number of examples (RFC 5612): this project has none of its own."""

_ESCAPED = re.compile(r'(["\\\]])')


@define(eq=False)
class SyslogOutlet(SinkStream):
    """`vspc.log.sinks.outlet.Outlet`; `hostname` is this machine's, `facility` 0 to 23."""

    hostname: str
    facility: int

    def write(self, about: About, items: Sequence[OutputLine | Marker]) -> None:
        """A message for each."""
        self.connection.send(b"".join(self.message(about, item) for item in items))

    def message(self, about: About, item: OutputLine | Marker) -> bytes:
        """One, with its length in front."""
        time = rfc3339(item.at, "microseconds")
        data = _data({"id": about.id, "name": about.name, "offset": str(item.offset)})
        if isinstance(item, Marker):
            kind, text = item.kind.value, item.text.encode("utf-8", "replace")
        else:
            kind, text = "console", plain_output(item.text)
        if len(text) > TEXT_LIMIT:
            cut = text[:TEXT_LIMIT].decode("utf-8", "ignore").encode()
            text = cut + f"...(+{len(text) - len(cut)})".encode()
        return counted(record(self.facility, time, self.hostname, kind, data, text))


def _data(facts: dict[str, str]) -> str:
    """Structured data (RFC 5424 section 6.3)."""
    words = " ".join(f'{key}="{_ESCAPED.sub(_escape, value)}"' for key, value in facts.items())
    return f"[console@{ENTERPRISE} {words}]"


def _escape(match: re.Match[str]) -> str:
    return "\\" + match[1]


def outlet(settings: SinkSettings) -> Outlet:
    """As the configuration has it."""
    connection = Connection(dialler(settings.target, settings))
    return SyslogOutlet(connection, socket.gethostname() or "-", settings.facility)

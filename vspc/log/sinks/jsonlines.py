"""JSON lines, to a file or a socket: for Vector, Fluent Bit, Promtail and their like."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from vspc.common.clock import rfc3339
from vspc.common.files import Disk
from vspc.common.text import safe_output
from vspc.config.settings import SinkSettings
from vspc.console.log_reading import OutputLine
from vspc.console.logs import About, Marker
from vspc.log.sinks.outlet import LineFile, Outlet, SinkStream
from vspc.net.connection import Connection, dialler


@define(eq=False)
class JsonFile:
    """`vspc.log.sinks.outlet.Outlet` to one file, looked for before each write."""

    path: Path
    disk: Disk = field(factory=Disk)
    _file: LineFile = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._file = LineFile(self.path, self.disk, look=0.0)

    def write(self, about: About, items: Sequence[OutputLine | Marker]) -> None:
        """A line for each."""
        self._file.write(encode(about, items))

    def waiting(self) -> int:
        """None: a file has what was written."""
        return 0

    def reopen(self) -> None:
        """Open the file anew before the next write."""
        self._file.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@define(eq=False)
class JsonStream(SinkStream):
    """The same to a connection."""

    def write(self, about: About, items: Sequence[OutputLine | Marker]) -> None:
        """A line for each."""
        self.connection.send(encode(about, items))


def encode(about: About, items: Sequence[OutputLine | Marker]) -> bytes:
    """JSON, a line for each item."""
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


def outlet(settings: SinkSettings) -> Outlet:
    """As the configuration has it; `target` is a path, or a connection."""
    if settings.target.partition(":")[0] in ("tcp", "tls", "unix"):
        return JsonStream(Connection(dialler(settings.target, settings)))
    return JsonFile(Path(settings.target))

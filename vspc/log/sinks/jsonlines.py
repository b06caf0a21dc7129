"""JSON lines, to a file or a socket: for Vector, Fluent Bit, Promtail and their like."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import define, field

from vspc.console.lines import Line
from vspc.console.past import About, Marker
from vspc.log.disk import Disk
from vspc.log.sinks.connection import Stream
from vspc.text import safe_output


@define(eq=False)
class JsonFile:
    """`vspc.log.sinks.outlet.Outlet` to one file, which may be moved away at any time."""

    path: Path
    disk: Disk = field(factory=Disk)

    def write(self, about: About, items: Sequence[Line | Marker]) -> None:
        """A line for each."""
        descriptor = self.disk.append(self.path)
        try:
            size = os.fstat(descriptor).st_size
            try:
                self.disk.write(descriptor, encode(about, items))
            except OSError:
                with suppress(OSError):  # it comes again as a whole
                    os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)

    def settled(self) -> bool:
        """A file has what it has."""
        return True

    def reopen(self) -> None:
        """It is opened for each write."""

    def close(self) -> None:
        """Nothing is open."""


@define(eq=False)
class JsonStream(Stream):
    """The same to a connection."""

    def write(self, about: About, items: Sequence[Line | Marker]) -> None:
        """A line for each."""
        self.connection.send(encode(about, items))


def encode(about: About, items: Sequence[Line | Marker]) -> bytes:
    """JSON, a line for each item."""
    whose = {"console": about.handle, "id": about.id, "name": about.name, "zone": about.zone}
    return b"".join(json.dumps(whose | _facts(item)).encode() + b"\n" for item in items)


def _facts(item: Line | Marker) -> dict[str, Any]:
    moment = datetime.fromtimestamp(item.at, UTC).isoformat(timespec="milliseconds")
    facts: dict[str, Any] = {"offset": item.offset, "time": moment.replace("+00:00", "Z")}
    if isinstance(item, Marker):
        facts |= {"marker": item.kind.value, "text": item.text}
        if item.end > item.offset:
            facts["end"] = item.end
        return facts
    facts["text"] = safe_output(item.text).decode()
    if not item.whole:
        facts["unfinished"] = True
    return facts

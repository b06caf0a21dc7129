"""JSON lines, to a file or a socket: for Vector, Fluent Bit, Promtail and their like."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import define, field

from vspc.common.files import Disk
from vspc.common.text import safe_output
from vspc.common.times import rfc3339
from vspc.console.logs import About, Marker
from vspc.console.output_lines import OutputLine
from vspc.log.sinks.outlet import SinkStream, is_torn


@define(eq=False)
class JsonFile:
    """`vspc.log.sinks.outlet.Outlet` to one file, which may be moved away at any time."""

    path: Path
    disk: Disk = field(factory=Disk)
    _looked: bool = field(default=False, init=False)

    def write(self, about: About, items: Sequence[OutputLine | Marker]) -> None:
        """A line for each."""
        torn = not self._looked and is_torn(self.path)
        descriptor = self.disk.append(self.path)
        try:
            size = os.fstat(descriptor).st_size
            try:
                self.disk.write(descriptor, b"\n" if torn else b"", encode(about, items))
                self._looked = True
            except OSError:
                with suppress(OSError):  # it comes again as a whole
                    os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)

    def waiting(self) -> int:
        """A file has what it has."""
        return 0

    def reopen(self) -> None:
        """It is opened for each write."""

    def close(self) -> None:
        """Nothing is open."""


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

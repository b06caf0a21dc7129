"""Where a sink puts what it is given, a file or a connection, and in which format: JSON lines, for
Vector, Fluent Bit, Promtail and their like, or syslog (RFC 5424; over TCP RFC 6587, over TLS 5425).
"""

import json
import os
import socket
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from attrs import define, field

from vspc.common.clock import rfc3339
from vspc.common.files import Disk
from vspc.common.text import plain_output, safe_output
from vspc.config.settings import SinkSettings
from vspc.console.log_reading import OutputLine
from vspc.console.logs import About, Marker
from vspc.net.connection import Connection, counted, dialler, record, structured


class Outlet(Protocol):
    """One of them; only its sink's thread calls. Methods raise OSError where it does not go on."""

    def write(self, about: About, items: Sequence[OutputLine | Marker]) -> None:
        """Lines and what happened, in order; waits `vspc.net.connection.TIMEOUT` at most."""

    def waiting(self) -> int:
        """How many of the last writes may not be where they belong yet: an error takes them back.

        Not after an error or `reopen`, which begin anew.
        """

    def reopen(self) -> None:
        """Open files or connections anew before the next write."""

    def close(self) -> None:
        """The end. Must not raise."""


LOOK = 1.0
"""Seconds between two looks whether an open file is still where it was."""


@define(eq=False)
class LineFile:
    """A file of whole lines at `path`, which logrotate may move away at any time.

    That is noticed within `look` seconds by `now`. What a write that failed left is cut off; a line
    that a kill left without its end gets one before the next.
    """

    path: Path
    disk: Disk
    now: Callable[[], float] = time.monotonic
    look: float = LOOK
    _descriptor: int | None = field(default=None, init=False)
    _looked: float = field(default=0.0, init=False)

    def write(self, lines: bytes) -> None:
        """Append `lines`, all of them or none. Raises OSError."""
        if self._is_moved():
            self.close()
        torn = self._descriptor is None and _is_torn(self.path)
        if self._descriptor is None:
            self._descriptor, self._looked = self.disk.append(self.path), self.now()
        size = self.disk.size(self._descriptor)
        try:
            self.disk.write(self._descriptor, b"\n" if torn else b"", lines)
        except OSError:
            with suppress(OSError):  # it comes again as a whole
                self.disk.truncate(self._descriptor, size)
            self.close()
            raise

    def _is_moved(self) -> bool:
        if self._descriptor is None or self.now() < self._looked + self.look:
            return False
        self._looked = self.now()
        try:
            return not self.disk.is_at(self.path, self._descriptor)
        except OSError:
            return True

    def close(self) -> None:
        """Close it, until the next write."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                self.disk.close(descriptor)


def _is_torn(path: Path) -> bool:
    """Whether the last line of a file has no end: its writer was killed in the middle of it.

    What came of it comes again; without an end of its own it would spoil the line behind it.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or not status.st_size:
            return False  # to open a FIFO would wait for its other end
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:
        return False


Encode = Callable[[About, Sequence[OutputLine | Marker]], bytes]
"""Lines and what happened, in the format of the other side."""


@define(eq=False)
class FileOutlet:
    """`Outlet` to one file, looked for before each write."""

    path: Path
    encode: Encode
    disk: Disk = field(factory=Disk)
    _file: LineFile = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._file = LineFile(self.path, self.disk, look=0.0)

    def write(self, about: About, items: Sequence[OutputLine | Marker]) -> None:
        """Append them."""
        self._file.write(self.encode(about, items))

    def waiting(self) -> int:
        """None: a file has what was written."""
        return 0

    def reopen(self) -> None:
        """Open the file anew before the next write."""
        self._file.close()

    close = reopen


@define(eq=False)
class StreamOutlet:
    """`Outlet` over a connection."""

    connection: Connection
    encode: Encode

    def write(self, about: About, items: Sequence[OutputLine | Marker]) -> None:
        """Send them."""
        self.connection.send(self.encode(about, items))

    def waiting(self) -> int:
        """How many of the last writes the other side may not have yet."""
        return self.connection.waiting()

    def reopen(self) -> None:
        """Dial anew before the next write."""
        self.connection.close()

    close = reopen


# Formats

TEXT_LIMIT = 8 * 1024
"""Bytes of a line; what is longer is cut, and counted."""


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
        facts = {"id": about.id, "name": about.name, "offset": str(item.offset)}
        data = structured("console", facts)
        if isinstance(item, Marker):
            kind, text = item.kind.value, item.text.encode("utf-8", "replace")
        else:
            kind, text = "console", plain_output(item.text)
        if len(text) > TEXT_LIMIT:
            cut = text[:TEXT_LIMIT].decode("utf-8", "ignore").encode()
            text = cut + f"...(+{len(text) - len(cut)})".encode()
        return counted(record(facility, time, hostname, kind, data, text))

    return lambda about, items: b"".join(message(about, item) for item in items)


def syslog_outlet(settings: SinkSettings) -> Outlet:
    """As the configuration has it."""
    encode = syslog_messages(socket.gethostname() or "-", settings.facility)
    return StreamOutlet(Connection(dialler(settings.target, settings)), encode)

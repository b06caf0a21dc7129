"""Where a sink puts what it is given."""

import os
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from attrs import define, field

from vspc.common.files import Disk
from vspc.console.log_reading import OutputLine
from vspc.console.logs import About, Marker
from vspc.net.connection import Connection


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

"""Where a sink puts what it is given."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from attrs import define

from vspc.console.logs import About, Marker
from vspc.console.output_lines import OutputLine
from vspc.net.connection import Connection


class Outlet(Protocol):
    """One of them; only its sink's thread calls. Methods raise OSError where it does not go on."""

    def write(self, about: About, items: Sequence[OutputLine | Marker]) -> None:
        """Lines and what happened, in order; waits `vspc.net.connection.PATIENCE` at most."""

    def waiting(self) -> int:
        """How many of the last writes may not be where they belong yet: an error takes them back.

        Not after an error or `reopen`, which begin anew.
        """

    def reopen(self) -> None:
        """Open files or connections anew before the next write."""

    def close(self) -> None:
        """The end. Must not raise."""


def is_torn(path: Path) -> bool:
    """Whether the last line of a file has no end: its writer was killed in the middle of it.

    What came of it comes again; without an end of its own it would spoil the line behind it.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:
        return False


@define(eq=False)
class SinkStream:
    """What outlets over a connection have in common."""

    connection: Connection

    def waiting(self) -> int:
        """How many of the last writes the other side may not have yet."""
        return self.connection.waiting()

    def reopen(self) -> None:
        """Dial anew."""
        self.connection.close()

    def close(self) -> None:
        """The end."""
        self.connection.close()

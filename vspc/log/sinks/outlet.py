"""Where a sink puts what it is given."""

from collections.abc import Sequence
from typing import Protocol

from vspc.console.logs import About, Marker
from vspc.console.output_lines import OutputLine


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

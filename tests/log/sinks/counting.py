"""A kind of sink in one module, as a new one would be written: it counts lines."""

from collections.abc import Sequence
from pathlib import Path

from vspc.config.settings import SinkSettings
from vspc.console.log_reading import OutputLine
from vspc.console.logs import About, Marker
from vspc.log.sinks.outlet import Outlet


class CountingOutlet:
    """`vspc.log.sinks.outlet.Outlet` that keeps the number of lines in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0

    def write(self, about: About, items: Sequence[OutputLine | Marker]) -> None:
        """Count the lines among `items`."""
        del about
        self._count += sum(isinstance(item, OutputLine) for item in items)
        self._path.write_text(str(self._count))

    def waiting(self) -> int:
        """None: it is written."""
        return 0

    def reopen(self) -> None:
        """It is opened for each write."""

    def close(self) -> None:
        """Nothing is open."""


def outlet(settings: SinkSettings) -> Outlet:
    """As the configuration has it."""
    return CountingOutlet(Path(settings.target))

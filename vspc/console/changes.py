"""Who is told that something has changed which another process would have to know (law 10)."""

from typing import Protocol

from vspc.console.ports import Line


class StateWatcher(Protocol):
    """Is told what has changed; it looks at the end of the turn, or at `flush`. No method may
    raise.
    """

    def console_changed(self, console_id: str) -> None:
        """Something of a console is another; or it is there no longer."""

    def line_changed(self, line: Line) -> None:
        """Something of a line or its session is another; or it is closed."""

    def migration_changed(self, credential: bytes) -> None:
        """A migration, an open or a past one, is another; or it is forgotten."""

    def flush(self) -> None:
        """What has changed leaves the process now: an answer that tells of it follows."""


class StateChanges:
    """What all consoles and lines of a server share. `watcher` None: nobody is told."""

    __slots__ = ("watcher",)

    def __init__(self) -> None:
        self.watcher: StateWatcher | None = None

    def console(self, console_id: str) -> None:
        """See `StateWatcher.console_changed`."""
        if self.watcher is not None:
            self.watcher.console_changed(console_id)

    def line(self, line: Line) -> None:
        """See `StateWatcher.line_changed`."""
        if self.watcher is not None:
            self.watcher.line_changed(line)

    def migration(self, credential: bytes) -> None:
        """See `StateWatcher.migration_changed`."""
        if self.watcher is not None:
            self.watcher.migration_changed(credential)

    def flush(self) -> None:
        """See `StateWatcher.flush`."""
        if self.watcher is not None:
            self.watcher.flush()

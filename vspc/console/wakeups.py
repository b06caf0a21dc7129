"""Dirty consoles wake their attachments once per reactor turn, however many bytes came in it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vspc.console.attachment import Attachment
    from vspc.console.console import Console


class Wakeups:
    """The consoles that have something new to show."""

    def __init__(
        self, soon: Callable[[Callable[[], None]], None], failed: Callable[[], None]
    ) -> None:
        """`soon` calls back at the end of this reactor turn; `failed` inside an except block."""
        self._soon = soon
        self._failed = failed
        self._dirty: dict[Console, None] = {}

    def mark(self, console: "Console") -> None:
        """`console` has something to show."""
        if not self._dirty:
            self._soon(self._wake)
        self._dirty[console] = None

    def _wake(self) -> None:
        dirty, self._dirty = self._dirty, {}
        for console in dirty:
            for attachment in list(console.attachments):
                self.tell(self._wake_one, attachment)

    @staticmethod
    def _wake_one(attachment: "Attachment") -> None:
        if attachment.pending:
            attachment.sink.ready()

    def tell(self, call: Callable[..., None], *arguments: object) -> None:
        """Call a sink: one that raises is nobody else's trouble (law 9)."""
        try:
            call(*arguments)
        except Exception:
            self._failed()

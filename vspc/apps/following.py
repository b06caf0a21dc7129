"""Reading on from any offset: from memory, and from the log what that has lost."""

from typing import Protocol

from vspc.apps.verbs.context import VerbContext
from vspc.apps.verbs.log_cursor import PIECE, LogCursor
from vspc.console.attachment import Attachment, Ended, Hint, Lost, Notice, OutputChunk
from vspc.console.console import Console
from vspc.console.logs import Item, MarkerKind, Output


class FollowReader(Protocol):
    """Who reads. No method may raise."""

    def room(self) -> int:
        """Bytes that he takes now; where it grows he says `Following.go_on`."""

    def said(self, offset: int, data: bytes) -> None:
        """The VM said `data`."""

    def missing(self, start: int, end: int, why: str) -> None:
        """`start` to `end` (exclusive) are kept nowhere; `why` may be empty."""

    def notice(self, text: str, hint: Hint | None) -> None:
        """One line about the console."""

    def over(self, reason: str) -> None:
        """Nothing more comes."""


class Following:
    """What an attachment shows to a reader, which may be behind what is kept in memory."""

    def __init__(
        self,
        context: VerbContext,
        attachment: Attachment,
        reader: FollowReader,
        from_log: bool = True,
    ) -> None:
        """Without `from_log` what memory has lost is missing, whether the log has it or not."""
        self._from_log_too = from_log
        self._context = context
        self._attachment = attachment
        self._reader = reader
        self._reel: LogCursor | None = None
        self._over = False
        self._reading = False

    @property
    def _console(self) -> Console:
        return self._attachment.console

    def go_on(self) -> None:
        """Read on, as much as there is room for."""
        if self._over or self._reading:
            return
        if self._reel is not None:
            self._reel.pump()
            return
        self._reading = True
        while not self._over and self._reel is None and (room := self._reader.room()) > 0:
            if not self._show(room):
                break
        self._reading = False

    def _show(self, room: int) -> bool:
        """The next thing; False: there is none."""
        match self._attachment.next(min(room, PIECE)):
            case OutputChunk(offset, data):
                self._reader.said(offset, data)
            case Lost(start, end):
                self._lost(start, end)
            case Notice(text, hint):
                self._reader.notice(text, hint)
            case Ended(reason):
                self._over = True
                self._reader.over(reason)
            case None:
                return False
        return True

    def _lost(self, start: int, end: int) -> None:
        logs = self._context.logs
        if not self._from_log_too or logs is None or not logs.keeps(self._console.id):
            self._reader.missing(start, end, "")
            return
        self._attachment.offset = start
        self._reel = LogCursor(
            self._context,
            self._console,
            start,
            self._reader.room,
            self._from_log,
            self._caught_up,
            self._unreadable,
        )
        self._reel.pump()

    def _from_log(self, item: Item) -> None:
        if isinstance(item, Output):
            last = self._attachment.last
            data = item.data if last is None else item.data[: max(0, last - item.offset)]
            if data:
                self._reader.said(item.offset, data)
        elif item.kind is MarkerKind.GAP:
            self._reader.missing(item.offset, item.end, item.text)

    def _caught_up(self, offset: int, ended: bool) -> bool:
        del ended
        last = self._attachment.last
        if offset < self._console.history.start and (last is None or offset < last):
            return False
        self._from_memory(offset)
        return True

    def _unreadable(self) -> None:
        assert self._reel is not None
        start = self._console.history.start
        self._reader.missing(self._reel.offset, start, "")
        self._from_memory(start)

    def _from_memory(self, offset: int) -> None:
        self._reel = None
        self._attachment.offset = offset
        self._context.clock.call_later(0, self.go_on)

    def stop(self) -> None:
        """Nothing more is wanted."""
        self._over = True
        if self._reel is not None:
            self._reel.stop()

"""Reading on from any offset: from the history, and from the log what that has lost."""

from typing import Protocol

from vspc.apps.verbs.context import VerbContext
from vspc.apps.verbs.log_cursor import PIECE, LogCursor, LogStalled
from vspc.console.attachment import Attachment, Ended, Lost, OutputChunk
from vspc.console.logs import Item, MarkerKind, Output
from vspc.console.notices import Notice
from vspc.net.waiting import RunningCoroutine, Wakeup


class FollowReader(Protocol):
    """Takes what `Following` reads. No method may raise."""

    def room(self) -> int:
        """Bytes that it takes now; call `Following.go_on` when that grows."""

    def take_output(self, offset: int, data: bytes) -> None:
        """Output of the VM."""

    def missing(self, start: int, end: int, why: str) -> None:
        """`start` to `end` (exclusive) are kept nowhere; `why` may be empty."""

    def notice(self, notice: Notice) -> None:
        """One line about the console."""

    def output_ended(self, reason: str) -> None:
        """Nothing more comes."""


class Following:
    """What an attachment shows to a reader, which may be behind what is kept in memory: what the
    history has lost is read from the console's log, at the same offsets (law 1).
    """

    def __init__(
        self,
        context: VerbContext,
        attachment: Attachment,
        reader: FollowReader,
        from_log: bool = True,
    ) -> None:
        """Without `from_log` what the history has lost is missing, whether it is logged or not."""
        self._context = context
        self._attachment = attachment
        self._reader = reader
        logs = context.logs
        is_logged = logs is not None and logs.keeps(attachment.console.id)
        self._from_log = from_log and is_logged
        self._catching_up: RunningCoroutine | None = None
        self._more_room = Wakeup(context.clock)
        self._is_reading = False
        self._is_over = False

    def go_on(self) -> None:
        """Read on, as much as there is room for."""
        if self._is_reading or self._is_over:
            return
        if self._is_behind:
            self._more_room.set()
            return
        self._is_reading = True
        while not (self._is_over or self._is_behind) and (room := self._reader.room()) > 0:
            if not self._show(room):
                break
        self._is_reading = False

    @property
    def _is_behind(self) -> bool:
        return self._catching_up is not None and self._catching_up.active()

    def _show(self, room: int) -> bool:
        """The next thing; False: there is none."""
        match self._attachment.next(min(room, PIECE)):
            case OutputChunk(offset, data):
                self._reader.take_output(offset, data)
            case Lost(start, end) if self._from_log:
                self._attachment.offset = start
                self._catching_up = RunningCoroutine(self._catch_up(start))
            case Lost(start, end):
                self._reader.missing(start, end, "")
            case Notice() as notice:
                self._reader.notice(notice)
            case Ended(reason):
                self._is_over = True
                self._reader.output_ended(reason)
            case None:
                return False
        return True

    async def _catch_up(self, offset: int) -> None:
        """Show the log from `offset` to where the history begins."""
        history = self._attachment.console.history
        cursor = LogCursor(self._context, self._context.console_of(self._attachment), offset)
        while not (self._is_over or self._has_caught_up(cursor.offset)):
            while (room := self._reader.room()) <= 0:
                await self._more_room.wait()
            try:
                items = await cursor.read(room)
            except LogStalled:
                self._reader.missing(cursor.offset, history.start, "")
                cursor.offset = history.start
                break
            for item in items:
                if not self._is_over:
                    self._show_logged(item)
        self._attachment.offset = cursor.offset
        self._context.clock.call_later(0, self.go_on)

    def _has_caught_up(self, offset: int) -> bool:
        last = self._attachment.last
        starts = self._attachment.console.history.start
        return offset >= starts or (last is not None and offset >= last)

    def _show_logged(self, item: Item) -> None:
        if isinstance(item, Output):
            last = self._attachment.last
            data = item.data if last is None else item.data[: max(0, last - item.offset)]
            if data:
                self._reader.take_output(item.offset, data)
        elif item.kind is MarkerKind.GAP:
            self._reader.missing(item.offset, item.end, item.text)

    def stop(self) -> None:
        """Read nothing more."""
        self._is_over = True
        if self._catching_up is not None:
            self._catching_up.cancel()

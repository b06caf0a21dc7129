"""A console for a program: exact bytes on stdout, everything else on stderr, no escapes.

Lossless or ended: a reader that falls behind what is kept in memory goes on from the console's log
at the same offsets (law 1). Where that does not have the bytes either he ends with status 1 and
both offsets, and so does everybody when the VM's host changes without a vMotion: a program cannot
ask for the pen.
"""

from vspc.apps.bridge import Bridge
from vspc.apps.describe import cautions
from vspc.apps.verbs.context import DENIED, DONE, FAILED, Call, complain
from vspc.apps.verbs.log_cursor import LogCursor
from vspc.console.attachment import Refusal
from vspc.console.console import Console
from vspc.console.logs import Item, MarkerKind, Output


class ExactBridge(Bridge):
    """`raw`, `-W`, and `console` without a terminal."""

    def __init__(
        self,
        call: Call,
        console: Console,
        offset: int,
        read_only: bool = False,
        ends_with_input: bool = False,
    ) -> None:
        """`ends_with_input`: it ends with 0 when all input has come and is taken."""
        super().__init__(call, console, offset, read_only)
        self._ends_with_input = ends_with_input
        self._input_ended = False
        self._reel: LogCursor | None = None  # while it reads from the log

    def begin(self) -> None:
        """Cautions on stderr, then what is said from now on."""
        for caution in cautions(self.call.context, self.console):
            self.notice(caution)
        super().begin()

    def ready(self) -> None:
        if self._reel is None:
            super().ready()
        else:
            self._reel.pump()

    def notice(self, text: str) -> None:
        complain(self.channel, f"[{text}]")

    # Input

    def ended_input(self) -> None:
        self._input_ended = self._ends_with_input
        self._leave_at_end()

    def writable(self) -> None:
        super().writable()
        self._leave_at_end()

    def _leave_at_end(self) -> None:
        if self._input_ended and not self._over and not self.untaken:
            self.ready()
            if not self._over:
                self.leave(DONE)

    # What the ring has lost

    def lost(self, start: int, end: int) -> None:
        logs = self.call.context.logs
        if logs is None or not logs.keeps(self.console.id):
            self._not_kept(start, end)
            return
        # Nothing of the ring is shown before the log has brought this reader to it.
        self.attachment.offset = start
        self.behind = True
        self._reel = LogCursor(
            self.call.context,
            self.console,
            start,
            self.channel.room,
            self._from_log,
            self._caught_up,
            lambda: self._not_kept(start, self.console.history.start),
        )
        self._reel.pump()

    def _from_log(self, item: Item) -> None:
        if isinstance(item, Output):
            last = self.attachment.last
            self.show(item.data if last is None else item.data[: max(0, last - item.offset)])
        elif item.kind is MarkerKind.GAP:
            self._not_kept(item.offset, item.end, f" ({item.text})")

    def _caught_up(self, offset: int, ended: bool) -> bool:
        del ended
        last = self.attachment.last
        if offset < self.console.history.start and (last is None or offset < last):
            return False
        self._reel = None
        self.behind = False
        self.attachment.offset = offset
        self.call.context.clock.call_later(0, self.ready)
        return True

    def _not_kept(self, start: int, end: int, why: str = "") -> None:
        complain(
            self.channel,
            f"[lost {end - start} bytes: offsets {start} to {end} of {self.console.title} are no "
            f"longer kept{why}]",
        )
        self.leave(FAILED)

    # What ends it

    def leave(self, status: int) -> None:
        self._stop_reading()
        super().leave(status)

    def closed(self) -> None:
        self._stop_reading()
        super().closed()

    def _stop_reading(self) -> None:
        if self._reel is not None:
            self._reel.stop()

    def host_changed(self, old: str, new: str) -> None:
        title = self.console.title
        self.attachment.end(f"{title}: ended, because its host changed; to go on, connect again")

    def refused(self, refusal: Refusal, count: int, breaks: int = 0) -> None:
        """A program that may not type must know; a VM that is away may come back."""
        super().refused(refusal, count, breaks)
        if refusal in (Refusal.PEN, Refusal.RIGHT, Refusal.READ_ONLY, Refusal.REASON):
            self.leave(DENIED)

"""An operator's channel joined to a console: output as he takes it, input as the VM takes it.

`Bridge` is what a terminal and a program have in common; `vspc.verbs.terminal` and
`vspc.verbs.exact` say what each makes of losses, notices and refusals.
"""

from collections import deque
from enum import Enum

from vspc.console.attachment import Attachment, Lost, Notice, Output, Refusal
from vspc.console.console import Console
from vspc.console.ports import Cancellable
from vspc.verbs.call import FAILED, Call

PIECE = 64 * 1024
"""Bytes that are handed to a channel at once."""

REMARK = 1.0
"""Seconds in which refused input is counted together before it is told."""


class _Break(Enum):
    BREAK = 1


class Bridge:
    """Both a `Program` on a channel and the `Sink` of an attachment."""

    def __init__(self, call: Call, console: Console, offset: int) -> None:
        self.call = call
        self.channel = call.channel
        self.console = console
        # Input that the console has not taken; at most the channel's window.
        self._pending: deque[bytes | _Break] = deque()
        self._owed = 0  # bytes received for which the channel was not told `consumed`
        self._refused = 0
        self._remark: Cancellable | None = None
        self._over = False
        self.attachment: Attachment = console.attach(
            call.operator, call.rights(console), call.channel.address, self, offset
        )

    def begin(self) -> None:
        """Start on the channel."""
        self.channel.start(self)
        self.ready()

    # Sink

    def ready(self) -> None:
        """Show what there is, as much as the channel takes."""
        while not self._over and (room := self.channel.room()) > 0:
            match self.attachment.next(min(room, PIECE)):
                case Output(_, data):
                    self.show(data)
                case Lost(start, end):
                    self.lost(start, end)
                case Notice(text):
                    self.notice(text)
                case None:
                    return

    def writable(self) -> None:
        """The console takes input again."""
        self._pump()
        self._settle()

    def ended(self, reason: str) -> None:
        """The console is gone."""
        self.notice(f"{self.console.title}: {reason}")
        self.leave(FAILED)

    # Program

    def received(self, data: bytes) -> None:
        """Bytes for the VM, or about the bridge."""
        self._owed += len(data)
        self.typed(data)
        self._settle()

    def drained(self) -> None:
        """The operator takes output again."""
        self.ready()

    def ended_input(self) -> None:
        """Output goes on without input."""

    def resized(self) -> None:
        """A serial line has no size."""

    def break_requested(self) -> bool:
        """RFC 4335: one BREAK, in its place among what was typed."""
        if "break" not in self.attachment.rights:
            self.refused(Refusal.RIGHT, 0)
            return False
        self._pending.append(_Break.BREAK)
        self._pump()
        return True

    def closed(self) -> None:
        """The operator has gone."""
        self._over = True
        self._pending.clear()
        if self._remark is not None and self._remark.active():
            self._remark.cancel()
        self.attachment.detach()

    # Typing

    def typed(self, data: bytes) -> None:
        """What the operator typed; whoever knows escapes takes them out here."""
        self.type(data)

    def type(self, data: bytes) -> None:
        """Type `data` at the VM."""
        if data:
            self._pending.append(data)
            self._pump()

    def _pump(self) -> None:
        while self._pending and not self._over:
            item = self._pending.popleft()
            if isinstance(item, _Break):
                size, typed = 1, self.attachment.send_break()
            else:
                size, typed = len(item), self.attachment.type(item)
            if typed.refusal is not None:
                self.refused(typed.refusal, 0 if isinstance(item, _Break) else size)
            elif typed.taken < size:
                self._pending.appendleft(item[typed.taken :] if isinstance(item, bytes) else item)
                return

    def kept_back(self) -> int:
        """Received bytes that are neither typed nor pending."""
        return 0

    def _settle(self) -> None:
        """Open the operator's window by what is dealt with."""
        waiting = sum(len(item) for item in self._pending if isinstance(item, bytes))
        done = self._owed - waiting - self.kept_back()
        if done > 0 and not self._over:
            self._owed -= done
            self.channel.consumed(done)

    def refused(self, refusal: Refusal, count: int) -> None:
        """`count` bytes did not go to the VM: the first time at once, then once a second."""
        self._refused += count
        if self._remark is None:
            self._tell_refused(refusal)
            self._remark = self.call.world.clock.call_later(REMARK, lambda: self._again(refusal))

    def _again(self, refusal: Refusal) -> None:
        self._remark = None
        if self._refused:
            self.refused(refusal, 0)

    def _tell_refused(self, refusal: Refusal) -> None:
        count, self._refused = self._refused, 0
        self.notice(self._why(refusal, f"{count} byte{'' if count == 1 else 's'} not sent"))

    def _why(self, refusal: Refusal, what: str) -> str:
        title = self.console.title
        match refusal:
            case Refusal.AWAY:
                return f"{title} is away: {what}"
            case Refusal.PEN:
                holder = self.console.pen.operator.name if self.console.pen else "somebody"
                return f"{holder} is typing on {title}: {what}"
            case Refusal.RIGHT:
                return f"you have no right to do this on {title}: {what}"
            case Refusal.LINE:
                return f"{title} is on raw TCP, which cannot carry a BREAK"

    # What the two kinds make of it

    def show(self, data: bytes) -> None:
        """The VM said `data`."""
        self.channel.write(data)

    def notice(self, text: str) -> None:
        """One line about the console."""
        raise NotImplementedError

    def lost(self, start: int, end: int) -> None:
        """`start` to `end` are no longer kept."""
        raise NotImplementedError

    def leave(self, status: int) -> None:
        """End."""
        self._over = True
        self.attachment.detach()
        self.channel.finish(status)

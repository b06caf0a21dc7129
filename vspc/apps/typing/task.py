"""Typing for an operator piece by piece, each once the VM has the one before.

What takes its time is ended by what happens meanwhile: the pen goes, the VM goes, its host changes,
its input stops.
"""

from vspc.apps.describe import refusal_text
from vspc.apps.verb_input import refused_status
from vspc.apps.verbs.context import FAILED, TIMED_OUT, Call
from vspc.common.clock import Clock
from vspc.console.attachment import Attachment, Refusal, Typed
from vspc.console.console import Console
from vspc.console.input_queue import amount
from vspc.net.waiting import Wakeup

POLL = 0.05
"""Seconds between looks at whether the VM has what was typed."""

TIMEOUT = 60.0
"""Seconds without progress after which a VM that takes no input is given up."""


class TypingStopped(Exception):
    """It did not come to its end: why, with the exit status of a verb, and the refusal if that is
    why.
    """

    def __init__(self, why: str, status: int = FAILED, refusal: Refusal | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.status = status
        self.refusal = refusal


class TypingTask:
    """Types through one attachment. Each method raises `TypingStopped`.

    `changed` is to be called when the attachment's sink is: what is waited for may have come.
    """

    def __init__(self, call: Call, console: Console, attachment: Attachment) -> None:
        self._session = call.session
        self._console = console
        self._attachment = attachment
        self._had_pen = False
        self.clock: Clock = call.context.clock
        self._changed = Wakeup(self.clock)
        self._dropped = 0
        self._end = ""
        self.delivered = 0  # bytes that the VM has
        attachment.account.on_change = self._account_changed

    def changed(self) -> None:
        """Look again, in the next turn of the reactor."""
        self._changed.set_later()

    def ended(self, reason: str) -> None:
        """The attachment has ended."""
        self._end = reason
        self.changed()

    def close(self) -> None:
        """It is over."""
        self._attachment.account.on_change = None

    def _account_changed(self, delivered: int, dropped: int) -> None:
        self.delivered += delivered
        self._dropped += dropped
        self.changed()

    def begin(self) -> None:
        """Take the pen as the first key would."""
        self._require(self._attachment.may_type())
        self._had_pen = self._attachment.has_pen  # not yet, where its approval is waited for

    async def until_approved(self) -> None:
        """Wait while its typing waits for approval; whether that is given is not checked."""
        while self._attachment.waits_for_approval:
            await self._changed.wait(POLL)

    async def type(self, data: bytes) -> None:
        """Type `data`; done when the VM has it."""
        while data:
            data = data[self._take(self._attachment.type(data)) :]
            if data:
                await self._changed.wait(POLL)
        await self.settle()

    async def send_break(self) -> None:
        """One BREAK; done when the VM has it."""
        await self.send_break_and(b"")

    async def send_break_and(self, key: bytes) -> None:
        """One BREAK and `key` directly behind it, which nothing can come between."""
        began = self.clock.seconds()
        while not self._take(self._attachment.send_break(), "send a BREAK to"):
            if self._attachment.waits_for_approval:
                await self.until_approved()
                began = self.clock.seconds()
                continue
            await self._changed.wait(POLL)
            self._check_time(began)
        await self.type(key)

    async def settle(self) -> None:
        """Wait until the VM has what was typed."""
        flow, began, waiting = self._console.input, self.clock.seconds(), -1
        while flow.waiting:
            if flow.held or flow.waiting != waiting:
                began, waiting = self.clock.seconds(), flow.waiting
            await self.pause(POLL)
            self._check_time(began)
        self._check()

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        until = self.clock.seconds() + seconds
        while (left := until - self.clock.seconds()) > 0:
            await self.pause(left)

    async def pause(self, seconds: float) -> None:
        """Wait until something changes, at most so long."""
        await self._changed.wait(seconds)
        self._check()

    def _check_time(self, began: float) -> None:
        if self.clock.seconds() - began < TIMEOUT:
            return
        self._attachment.withdraw()
        why = f"{self._console.title} took no input for {TIMEOUT:g} s"
        raise TypingStopped(why, TIMED_OUT)

    def _take(self, typed: Typed, action: str = "type on") -> int:
        self._require(typed.refusal, action)
        self._had_pen = self._had_pen or self._attachment.has_pen
        return typed.taken

    def _check(self) -> None:
        """Whether it may go on: what was typed may not have arrived otherwise."""
        attachment = self._attachment
        if attachment not in self._console.attachments:
            raise TypingStopped(self._end or "the attachment has ended")
        if not self._console.takes_input:
            self._require(Refusal.AWAY)
        if attachment.must_ask:
            self._require(Refusal.HOST)
        if self._had_pen and not attachment.has_pen:
            if self._console.pen.holder is None:
                raise TypingStopped("the pen was laid down", refusal=Refusal.PEN)
            self._require(Refusal.PEN)
        if self._dropped:
            raise TypingStopped(f"{amount(self._dropped, 0)} not sent")

    def _require(self, refusal: Refusal | None, action: str = "type on") -> None:
        if refusal is not None:
            why = refusal_text(self._session, self._console, refusal, action)
            raise TypingStopped(why, refused_status(refusal), refusal)

"""What a channel has received, as input of a console: kept until the console takes it, reported
where it is refused. What verbs type is in `vspc.apps.verb_input`.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from attrs import define

from vspc.apps.describe import refusal_text
from vspc.apps.verbs.context import Call
from vspc.common.clock import Cancellable, cancel
from vspc.console.attachment import Attachment, Refusal, Typed
from vspc.console.console import Console
from vspc.console.input_queue import amount

PENDING_LIMIT = 1024
"""Pieces of input that wait for the console; a BREAK behind so many is refused."""

REPORT_INTERVAL = 1.0
"""Seconds in which refused input is added up before it is reported."""

DENIALS = frozenset(
    {Refusal.RIGHT, Refusal.PEN, Refusal.REASON, Refusal.AUDIT, Refusal.LOCKED, Refusal.JOIN}
)
"""Refusals for what an operator may not do, as opposed to the state of the VM."""


@define(eq=False)
class _Piece:
    """Input that the console has not taken; a BREAK is empty."""

    data: bytes
    is_answer: bool = False  # what the terminal sent by itself
    refused: bool = False


def catch_pen(console: Console, attachment: Attachment) -> Refusal | None:
    """Take the pen before a key is typed; why not, if that fails. After a change of host, which the
    operator has not seen yet, it has to be asked for.
    """
    return Refusal.HOST if console.attachments.host_change else attachment.take_pen()


class InputWindow(Protocol):
    """A channel, as its input needs it."""

    def consumed(self, count: int) -> None:
        """`count` bytes that were received are dealt with."""


class OperatorInput:
    """Queues what a channel has received until the console takes it, at most the channel's window.

    `refused` gets what the console refuses: why, how many bytes and how many BREAKs. It may call
    `close`.
    """

    def __init__(
        self,
        channel: InputWindow,
        attachment: Attachment,
        refused: Callable[[Refusal, int, int], None],
    ) -> None:
        self._channel = channel
        self._attachment = attachment
        self._refused = refused
        self._pending: deque[_Piece] = deque()
        self._waiting = 0  # bytes of it
        self._pumping = False
        self._owed = 0  # bytes received for which `Channel.consumed` was not called
        self._closed = False

    def __bool__(self) -> bool:
        """Whether the console has not taken all of it."""
        return bool(self._pending)

    def received(self, count: int) -> None:
        """The channel has received `count` bytes, which `settle` gives back to its window."""
        self._owed += count

    def type(self, data: bytes) -> None:
        """Type `data` at the VM."""
        if data:
            self._put(_Piece(data))

    def answer(self, data: bytes) -> None:
        """The terminal sent `data` by itself."""
        if data:
            self._put(_Piece(data, is_answer=True))

    def send_break(self) -> bool:
        """One BREAK, in its place among what was typed; False if it is refused already."""
        if len(self._pending) >= PENDING_LIMIT:
            self._refused(Refusal.TOO_MUCH, 0, 1)
            return False
        piece = _Piece(b"")
        self._put(piece)
        return not piece.refused

    def _put(self, piece: _Piece) -> None:
        self._pending.append(piece)
        self._waiting += len(piece.data)
        self.pump()

    def pump(self) -> None:
        """Hand on as much as the console takes."""
        # The console may call `Sink.writable` while it takes this: the loop goes on by itself.
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._pending and not self._closed and self._pump_one():
                pass
        finally:
            self._pumping = False

    def _pump_one(self) -> bool:
        """Hand on the first piece; whether the next one may follow."""
        piece = self._pending[0]
        typed = self._type(piece)
        if self._closed:
            return False
        size, is_break = len(piece.data), not piece.data
        if typed.refusal is None and typed.taken < size + is_break:
            piece.data = piece.data[typed.taken :]
            self._waiting -= typed.taken
            return False
        self._pending.popleft()
        self._waiting -= size
        if typed.refusal is not None:
            piece.refused = True
            self._refused(typed.refusal, size, int(is_break))
        return True

    def _type(self, piece: _Piece) -> Typed:
        if piece.is_answer:
            return self._attachment.answer(piece.data)
        if self._attachment.reads_only:
            return Typed(0, Refusal.READ_ONLY)
        return self._attachment.type(piece.data) if piece.data else self._attachment.send_break()

    def settle(self, kept_back: int = 0) -> None:
        """Open the channel's window by what is dealt with: all but what waits here, and
        `kept_back` bytes that were not typed yet.
        """
        done = self._owed - self._waiting - kept_back
        if done > 0 and not self._closed:
            self._owed -= done
            self._channel.consumed(done)

    def purge(self) -> None:
        """Drop what has not gone to the VM, as the operator wishes."""
        self._pending.clear()
        self._waiting = 0
        self._attachment.withdraw()
        self.settle()

    def close(self) -> int:
        """Drop what waits; for how many bytes `Channel.consumed` was not called."""
        self._closed = True
        self._pending.clear()
        self._waiting = 0
        owed, self._owed = self._owed, 0
        return owed


class RefusedInput:
    """Reports input that was refused: the first time at once, then once in `REPORT_INTERVAL`.

    `notice` shows a line. `hint` is what the operator can do about a refusal, or empty.
    """

    def __init__(
        self,
        call: Call,
        console: Console,
        notice: Callable[[str], None],
        hint: Callable[[Refusal], str] = lambda _refusal: "",
    ) -> None:
        self._call = call
        self._console = console
        self._notice = notice
        self._hint = hint
        self._refusal: Refusal | None = None  # of what is not reported yet
        self._why = ("", "")  # text and hint, as they were then: soon another operator may type
        self._count = self._breaks = 0
        self._timer: Cancellable | None = None
        self._recorded: set[Refusal] = set()

    def add(self, refusal: Refusal, count: int, breaks: int) -> None:
        """`count` bytes and `breaks` BREAKs did not go to the VM."""
        self.record(refusal)
        if self._refusal is not refusal:
            self.report()
            self._refusal, self._why = refusal, (self.text(refusal, breaks), self._hint(refusal))
        self._count += count
        self._breaks += breaks
        if self._timer is None:
            self.report()
            self._report_later(refusal)

    def text(self, refusal: Refusal, breaks: int = 0) -> str:
        """Why input is refused."""
        action = "send a BREAK to" if breaks else "type on"
        return refusal_text(self._call.session, self._console, refusal, action)

    def record(self, refusal: Refusal) -> None:
        """Record a denial in the audit file: each kind once."""
        if refusal in DENIALS and refusal not in self._recorded:
            self._recorded.add(refusal)
            verb = self._call.verb or "console"
            self._call.record("denied", self._console, verb=verb, detail=refusal.value)

    def report(self) -> None:
        """Report what was refused and not reported yet."""
        if self._refusal is not None:
            self._refusal, (text, hint) = None, self._why
            what = amount(self._count, self._breaks)
            self._count = self._breaks = 0
            self._notice(f"{text}: {what} not sent{hint}")

    def _report_later(self, refusal: Refusal) -> None:
        self._timer = self._call.context.clock.call_later(
            REPORT_INTERVAL, lambda: self._interval_over(refusal)
        )

    def _interval_over(self, refusal: Refusal) -> None:
        self._timer = None
        continues = self._refusal is not None
        self.report()
        if refusal is Refusal.AUDIT and not self._console.pen.recording_fails:
            self._notice("the audit file can be written again: typing is allowed")
        elif continues or refusal is Refusal.AUDIT:
            self._report_later(refusal)

    def close(self) -> None:
        """Report nothing more."""
        cancel(self._timer)

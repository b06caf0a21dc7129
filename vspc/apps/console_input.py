"""Typing on a console: for an operator's channel (`OperatorInput`), and for a verb (`Typist`).

Both offer what was typed until the console takes it, and say why if it is refused.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from attrs import define

from vspc.apps.describe import cautions, refusal_text
from vspc.apps.leasing import LeaseWish, ProgramLease
from vspc.apps.verbs.context import DENIED, FAILED, TIMED_OUT, Call, VerbExit
from vspc.apps.verbs.grammar import Flag
from vspc.common.clock import Cancellable, cancel
from vspc.console.attachment import Attachment, Refusal, Typed
from vspc.console.console import Console
from vspc.console.input_queue import amount
from vspc.console.pen_locking import is_admin

PENDING_LIMIT = 1024
"""Pieces of input that wait for the console; a BREAK behind so many is refused."""

REPORT_INTERVAL = 1.0
"""Seconds in which refused input is added up before it is reported."""

PIECE = 64 * 1024
"""Bytes that a verb offers to a console at once."""

DENIALS = frozenset(
    {Refusal.RIGHT, Refusal.PEN, Refusal.REASON, Refusal.AUDIT, Refusal.LOCKED, Refusal.JOIN}
)
"""Refusals for what an operator may not do, as opposed to the state of the VM."""

LAPSED = frozenset({Refusal.UNANSWERED})
"""Refusals because something took too long: exit status 5."""

NOT_DENIED = frozenset(
    {
        *(Refusal.AUDIT, Refusal.AWAY, Refusal.HOST, Refusal.LINE),
        *(Refusal.PROGRAM, Refusal.QUEUE, Refusal.LOCKS, Refusal.LEASE, Refusal.TOO_MUCH),
    }
)
"""Refusals that have nothing to do with rights: exit status 1, not 4."""


CR = b"\r"

ENTER = Flag("--enter", "type a CR behind it")
FORCE = Flag("--force", "take the pen from its holder (right force)")
"""Options of verbs that type."""


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


class Typist:
    """Types through one attachment, for a verb. `typed` bytes went to the VM, `dropped` were taken
    and will not; `offset` is where the VM's output stood when the last one went.

    `changed` is called when that has changed: `type` may call it, and it must not type. With
    `force` the pen may be taken from its holder; with a `wish` it types under a lease.
    """

    def __init__(
        self,
        call: Call,
        console: Console,
        attachment: Attachment,
        changed: Callable[[], None],
        force: bool = False,
        wish: LeaseWish | None = None,
    ) -> None:
        self._call = call
        self._console = console
        self._attachment = attachment
        self._changed = changed
        self._force = force
        self._over: tuple[str, int] | None = None  # why its lease is, and the exit status
        self._lease = (
            None
            if wish is None
            else ProgramLease(call, console, attachment, wish, self._lease_over)
        )
        self._pending = bytearray()
        self._pumping = False
        self._types = True
        self._begins_later = False  # when its typing is approved
        self.typed = 0
        self.dropped = 0
        self.offset = console.history.end
        self._refusal: Refusal | None = None
        attachment.account.on_change = self._account_changed

    def begin(self, types: bool = True) -> None:
        """Print what the operator has to be warned of, and take the pen if that is allowed. What
        never `types` may have a lease of a VM that is away.
        """
        for caution in cautions(self._call.context, self._console):
            self._call.remark(caution)
        self._types = types
        self._refusal = self._take_pen()

    def _take_pen(self) -> Refusal | None:
        """Now, or when the typing is approved; why not, if that fails."""
        attachment, pen, refusal = self._attachment, self._console.pen, None
        if self._lease is not None:
            refusal = self._lease.take(self._force)
        elif self._force and (pen.holder or pen.lock) and _may_force(attachment):
            refusal = attachment.take_pen(force=True)
        self._begins_later = attachment.waits_for_approval
        if self._begins_later or refusal is not None:
            return None if self._begins_later else refusal
        return attachment.may_type() if self._types else None

    def _lease_over(self, why: str, status: int) -> None:
        self._over = why, status
        self._changed()

    def type(self, data: bytes) -> None:
        """Type `data` behind what is still to be typed."""
        self._pending += data
        self.pump()

    def pump(self) -> None:
        """Hand on as much as the console takes."""
        if self._pumping:
            return
        self._pumping = True
        if self._begins_later and self._refusal is None:
            self._refusal = self._take_pen()
        while self._pending and self._refusal is None and self._over is None:
            piece = bytes(self._pending[:PIECE])
            typed = self._attachment.type(piece)
            self._refusal = typed.refusal
            del self._pending[: typed.taken]
            if typed.taken < len(piece):
                break
        self._pumping = False

    @property
    def pending(self) -> int:
        """Bytes that the console has not taken."""
        return len(self._pending)

    @property
    def waiting(self) -> int:
        """Bytes that have not gone to the VM."""
        return len(self._pending) + self._attachment.account.waiting

    def stop(self) -> int:
        """Drop what has not gone to the VM; how many bytes were dropped in all."""
        self._attachment.account.on_change = None
        if self._lease is not None:
            self._lease.close()
        self.dropped += len(self._pending)
        self._pending.clear()  # first: what is taken back makes room, and the rest would go there
        self.dropped += self._attachment.withdraw()
        return self.dropped

    def _account_changed(self, delivered: int, dropped: int) -> None:
        self.typed += delivered
        self.dropped += dropped
        if delivered:
            self.offset = self._console.history.end
        self._changed()

    # How it fails

    def give_up(self) -> str:
        """Stop; what became of what was to be typed: "3 bytes were sent, 2 were not"."""
        dropped, typed = self.stop(), self.typed
        if not typed:
            return "nothing was sent"
        was = "1 byte was" if typed == 1 else f"{typed} bytes were"
        if not dropped:
            return f"{was} sent"
        return f"{was} sent, {dropped} {'was' if dropped == 1 else 'were'} not"

    def failure(self, status: int, detail: str, why: str) -> VerbExit:
        """The end of the verb, which says what became of what was to be typed."""
        text = f"{why}; {self.give_up()}"
        return VerbExit(status, text, console=self._console, detail=detail)

    def check(self) -> None:
        """Raises `VerbExit` if not all can be typed."""
        refusal, console = self._refusal, self._console
        if self._over is not None:
            why, status = self._over
            raise self.failure(status, "lease", why)
        if refusal is not None:
            why = refusal_text(self._call.session, console, refusal)
            if refusal is Refusal.PEN and self._force and "force" not in self._attachment.rights:
                why += ", and you have no right `force` there"
            raise self.failure(refused_status(refusal), refusal.value, why)
        if self.dropped:
            why = f"{self._attachment.title} is {console.state.value}"
            raise self.failure(FAILED, "dropped", why)


def _may_force(attachment: Attachment) -> bool:
    return "force" in attachment.rights or is_admin(attachment.session, attachment.rights)


def refused_status(refusal: Refusal) -> int:
    """The exit status of a verb that may not type."""
    if refusal in LAPSED:
        return TIMED_OUT
    return FAILED if refusal in NOT_DENIED else DENIED


def pen_refused(call: Call, console: Console, refusal: Refusal) -> VerbExit:
    """The end of a verb that does not get the pen, or may not lock it."""
    text = refusal_text(call.session, console, refusal)
    return VerbExit(refused_status(refusal), text, console=console, detail=refusal.value)


def moved_without_proof(console: Console, old: str, new: str) -> str:
    """Why an attachment has ended with a change of host."""
    return f"{console.title} is on {new} now; it was on {old}, and this was not a vMotion"

"""What an operator types, on its way from the channel to the VM, and what of it was refused."""

from collections import deque
from collections.abc import Callable

from attrs import frozen

from vspc.apps.describe import refusal_text
from vspc.apps.verbs.context import Call
from vspc.common.clock import Cancellable, cancel
from vspc.console.attachment import Attachment, Refusal, Typed
from vspc.console.console import Console
from vspc.console.input_queue import amount
from vspc.console.ports import Channel

PENDING_LIMIT = 1024
"""Pieces of input that wait for the console; a BREAK behind so many is refused."""

REPORT_INTERVAL = 1.0
"""Seconds in which refused input is added up before it is reported."""

DENIALS = frozenset({Refusal.RIGHT, Refusal.PEN, Refusal.REASON, Refusal.AUDIT})
"""Refusals for what an operator may not do, as opposed to the state of the VM."""


class _Break:
    """A BREAK among what was typed."""

    refused = False


@frozen
class _Answer:
    """What the terminal sent by itself, among what was typed."""

    data: bytes


_Item = bytes | _Break | _Answer


def _size(item: _Item) -> int:
    if isinstance(item, _Break):
        return 0
    return len(item.data if isinstance(item, _Answer) else item)


def _without(item: _Item, taken: int) -> _Item:
    """`item` without its first `taken` bytes."""
    if isinstance(item, _Answer):
        return _Answer(item.data[taken:])
    return item if isinstance(item, _Break) else item[taken:]


class OperatorInput:
    """Queues what a channel has received until the console takes it, at most the channel's window.

    `refused` gets what the console refuses: why, how many bytes and how many BREAKs. It may call
    `close`.
    """

    def __init__(
        self,
        channel: Channel,
        attachment: Attachment,
        refused: Callable[[Refusal, int, int], None],
    ) -> None:
        self._channel = channel
        self._attachment = attachment
        self._refused = refused
        self._pending: deque[_Item] = deque()
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
        self._put(data)

    def answer(self, data: bytes) -> None:
        """The terminal sent `data` by itself."""
        self._put(_Answer(data))

    def send_break(self) -> bool:
        """One BREAK, in its place among what was typed; False if it is refused already."""
        if len(self._pending) >= PENDING_LIMIT:
            return False
        item = _Break()
        self._pending.append(item)
        self.pump()
        return not item.refused

    def _put(self, item: bytes | _Answer) -> None:
        if _size(item):
            self._pending.append(item)
            self._waiting += _size(item)
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
        item = self._pending[0]
        typed = self._type(item)
        if self._closed:
            return False
        if typed.refusal is None and typed.taken < (_size(item) or 1):
            self._pending[0] = _without(item, typed.taken)
            self._waiting -= typed.taken
            return False
        self._pending.popleft()
        self._waiting -= _size(item)
        if typed.refusal is not None:
            is_break = isinstance(item, _Break)
            if isinstance(item, _Break):
                item.refused = True
            self._refused(typed.refusal, _size(item), int(is_break))
        return True

    def _type(self, item: _Item) -> Typed:
        if isinstance(item, _Answer):
            return self._attachment.answer(item.data)
        if self._attachment.reads_only:
            return Typed(0, Refusal.READ_ONLY)
        if isinstance(item, _Break):
            return self._attachment.send_break()
        return self._attachment.type(item)

    def settle(self, kept_back: int = 0) -> None:
        """Open the channel's window by what is dealt with: all but what waits here, and
        `kept_back` bytes that were not typed yet.
        """
        done = self._owed - self._waiting - kept_back
        if done > 0 and not self._closed:
            self._owed -= done
            self._channel.consumed(done)

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
        if refusal is Refusal.AUDIT and not self._console.recording_fails:
            self._notice("the audit file can be written again: typing is allowed")
        elif continues or refusal is Refusal.AUDIT:
            self._report_later(refusal)

    def close(self) -> None:
        """Report nothing more."""
        cancel(self._timer)

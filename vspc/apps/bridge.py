"""An operator's channel joined to a console: output as he takes it, input as the VM takes it.

`Bridge` is what a terminal and a program have in common; `vspc.apps.terminal` and
`vspc.apps.exact` say what each makes of losses, notices and refusals.
"""

from collections import deque

from attrs import frozen

from vspc.apps.describe import typing
from vspc.apps.verbs.context import FAILED, Call
from vspc.common.clock import Cancellable
from vspc.console.attachment import (
    Attachment,
    AttachmentKind,
    Ended,
    Lost,
    Notice,
    OutputChunk,
    Refusal,
    Typed,
)
from vspc.console.console import Console
from vspc.console.input_queue import amount

PIECE = 64 * 1024
"""Bytes that are handed to a channel at once."""

PENDING_LIMIT = 1024
"""Pieces of input that wait for the console; a BREAK behind so many is refused."""

REMARK = 1.0
"""Seconds in which refused input is counted together before it is told."""


_AMOUNT = "\0"  # in a text: how much it is about, which is counted until it is told

DENIALS = frozenset({Refusal.RIGHT, Refusal.PEN, Refusal.REASON, Refusal.AUDIT})
"""Refusals for what somebody may not do, not for how the VM is."""


class _Break:
    """A BREAK among what was typed."""

    refused = False


@frozen
class _Answer:
    """What the terminal sent by itself, among what was typed."""

    data: bytes


_Item = bytes | _Break | _Answer


def _size(item: _Item) -> int:
    """Bytes of text."""
    if isinstance(item, _Break):
        return 0
    return len(item.data if isinstance(item, _Answer) else item)


def _rest(item: _Item, taken: int) -> _Item:
    """`item` without what was taken of it."""
    if isinstance(item, _Answer):
        return _Answer(item.data[taken:])
    return item if isinstance(item, _Break) else item[taken:]


class Bridge:
    """Both a `Program` on a channel and the `Sink` of an attachment."""

    kind = AttachmentKind.PROGRAM

    def __init__(self, call: Call, console: Console, offset: int, read_only: bool = False) -> None:
        self.call = call
        self.channel = call.channel
        self.console = console
        # Input that the console has not taken; at most the channel's window.
        self._pending: deque[_Item] = deque()
        self._waiting = 0  # bytes of it
        self._pumping = False
        self._owed = 0  # bytes received for which the channel was not told `consumed`
        self._refused = 0
        self._refused_breaks = 0
        self._because: tuple[Refusal, str] | None = None  # why these were, with `_AMOUNT` in it
        self._remark: Cancellable | None = None
        self._denied: set[Refusal] = set()
        self._over = False
        self.behind = False  # whether it shows something else before it goes on from the ring
        self.attachment: Attachment = console.attach(
            call.session, call.rights(console), self, offset, self.kind, read_only
        )

    def begin(self) -> None:
        """Start on the channel."""
        self.channel.start(self)
        self.ready()

    # Sink

    def ready(self) -> None:
        """Show what there is, as much as the channel takes."""
        while not (self._over or self.rests) and (room := self.channel.room()) > 0:
            match self.attachment.next(min(room, PIECE)):
                case OutputChunk(_, data):
                    self.show(data)
                case Lost(start, end):
                    self.lost(start, end)
                case Notice(text, hint):
                    self._tell_refused()  # what it says may be that this is over
                    self.notice(text + ("" if hint is None else self.hint(*hint)))
                case Ended(reason):
                    self.end(reason)
                case None:
                    return

    @property
    def rests(self) -> bool:
        """Whether nothing of the ring is shown now; `ready` is called when it may go on."""
        return self.behind

    def writable(self) -> None:
        """The console takes input again."""
        self._pump()
        self._settle()

    def ended(self, reason: str) -> None:
        """The console is gone."""
        self.end(f"{self.attachment.title}: {reason}")

    def end(self, reason: str) -> None:
        """Say why, and end."""
        self._tell_refused()
        self.notice(reason)
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

    def give_back(self) -> bool:
        """What a program was given it was given exactly."""
        return False

    def resized(self) -> None:
        """A serial line has no size."""

    def break_requested(self) -> bool:
        """RFC 4335: one BREAK, in its place among what was typed; False if it was refused."""
        if len(self._pending) >= PENDING_LIMIT:
            return False
        asked = _Break()
        self._pending.append(asked)
        self._pump()
        return not asked.refused

    def closed(self) -> None:
        """The operator has gone."""
        self._over = True
        self._pending.clear()
        self._waiting = 0
        if self._remark is not None and self._remark.active():
            self._remark.cancel()
        self.attachment.detach()

    # Typing

    def typed(self, data: bytes) -> None:
        """What the operator typed; whoever knows escapes takes them out here."""
        self.type(data)

    def type(self, data: bytes) -> None:
        """Type `data` at the VM."""
        self._put(data)

    def answer(self, data: bytes) -> None:
        """The terminal sent `data` by itself."""
        self._put(_Answer(data))

    def _put(self, item: bytes | _Answer) -> None:
        if _size(item):
            self._pending.append(item)
            self._waiting += _size(item)
            self._pump()

    def _pump(self) -> None:
        # The console may say that it takes more while it takes this: the loop goes on by itself.
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._pending and not self._over and self._goes():
                pass
        finally:
            self._pumping = False

    def _goes(self) -> bool:
        """Deal with what was typed first; whether the next may follow."""
        item = self._pending[0]
        typed = self._type_one(item)
        if self._over:  # it ended meanwhile
            return False
        if typed.refusal is None and typed.taken < (_size(item) or 1):
            self._pending[0] = _rest(item, typed.taken)
            self._waiting -= typed.taken
            return False
        self._pending.popleft()
        self._waiting -= _size(item)
        if typed.refusal is not None:
            self._refuse(item, typed.refusal)
        return True

    def _type_one(self, item: _Item) -> Typed:
        if isinstance(item, _Answer):
            return self.attachment.answer(item.data)
        if self.read_only:
            return Typed(0, Refusal.READ_ONLY)
        if isinstance(item, _Break):
            return self.attachment.send_break()
        return self.attachment.type(item)

    def _refuse(self, item: _Item, refusal: Refusal) -> None:
        if isinstance(item, _Break):
            item.refused = True
            self.refused(refusal, 0, breaks=1)
        else:
            self.refused(refusal, _size(item))

    @property
    def read_only(self) -> bool:
        """Whether nothing is typed here."""
        return self.attachment.reads_only

    def reading(self, only: bool) -> None:
        """Whether nothing is typed here from now on."""
        self.attachment.reads_only = only

    @property
    def untaken(self) -> bool:
        """Whether something was typed that the console has not taken yet."""
        return bool(self._pending)

    def kept_back(self) -> int:
        """Received bytes that are neither typed nor pending."""
        return 0

    def _settle(self) -> None:
        """Open the operator's window by what is dealt with."""
        done = self._owed - self._waiting - self.kept_back()
        if done > 0 and not self._over:
            self._owed -= done
            self.channel.consumed(done)

    def refused(self, refusal: Refusal, count: int, breaks: int = 0) -> None:
        """This much did not go to the VM: the first time at once, then once a second."""
        self.denied(refusal)
        if self._because is not None and self._because[0] is not refusal:
            self._tell_refused()
        if self._because is None:  # later it may be another VM, or somebody else may type
            self._because = refusal, self._why(refusal, f"{_AMOUNT} not sent")
        self._refused += count
        self._refused_breaks += breaks
        if self._remark is None:
            self._tell_refused()
            self._wait_to_remark(refusal)

    def denied(self, refusal: Refusal) -> None:
        """Record what he may not do: each kind once, however often he tries."""
        if refusal in DENIALS and refusal not in self._denied:
            self._denied.add(refusal)
            verb = self.call.verb or "console"
            self.call.record("denied", self.console, verb=verb, detail=refusal.value)

    def _wait_to_remark(self, refusal: Refusal) -> None:
        self._remark = self.call.context.clock.call_later(REMARK, lambda: self._again(refusal))

    def _again(self, refusal: Refusal) -> None:
        self._remark = None
        goes_on = self._because is not None
        self._tell_refused()
        if refusal is Refusal.AUDIT and not self.console.recording_fails:
            self.notice("what is done can be recorded again: you may type")
        elif goes_on or refusal is Refusal.AUDIT:
            self._wait_to_remark(refusal)

    def _tell_refused(self) -> None:
        """What was refused and not told yet."""
        because, self._because = self._because, None
        if because is not None:
            what = amount(self._refused, self._refused_breaks)
            self._refused = self._refused_breaks = 0
            self.notice(because[1].replace(_AMOUNT, what))

    def _why(self, refusal: Refusal, what: str) -> str:
        title = self.console.title
        match refusal:
            case Refusal.AWAY:
                return f"{title} is {self.console.state.value}: {what}"
            case Refusal.PEN:
                return f"{typing(self.call.session, self.console)} on {title}: {what}"
            case Refusal.RIGHT:
                return f"you have no right to do this on {title}: {what}"
            case Refusal.LINE:
                return f"{title} is on raw TCP, which cannot carry a BREAK: {what}"
            case Refusal.HOST:
                return f"the host of {title} has changed: {what}"
            case Refusal.READ_ONLY:
                return f"you only read {title}: {what}"
            case Refusal.REASON:
                return f"who types on {title} has to say why (reason=TEXT at the login): {what}"
            case Refusal.AUDIT:
                return f"nothing can be recorded now, so nobody begins to type: {what}"

    def hint(self, command: str, text: str) -> str:
        """`text` with the keys of an escape command in it, where there are escape commands."""
        del command, text
        return ""

    # What the two kinds make of it

    def show(self, data: bytes) -> None:
        """The VM said `data`."""
        self.channel.write(data)

    def host_changed(self, old: str, new: str) -> None:
        """No vMotion has proved that the VM at `new` is the one that was at `old`."""
        raise NotImplementedError

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

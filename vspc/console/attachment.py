"""Somebody on a console: a cursor into its history, and perhaps its pen.

What is to be shown comes from `next`, one thing at a time and in order: bytes, exactly what was
lost, or a one-line notice at the place in the stream where it happened.
"""

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from vspc.console.access import NOTHING, REASON, Operator, Rights
from vspc.console.input_accounting import InputAccount
from vspc.console.input_queue import amount
from vspc.console.session import Session

if TYPE_CHECKING:
    from vspc.console.console import Console

Hint = tuple[str, str]
"""The letter of an escape command, and what it does, with `{}` where a terminal has the keys."""

NOTICES = 64
"""Notices that wait for a slow reader; more, and the oldest is dropped."""


@frozen
class OutputChunk:
    """Bytes that the VM said, from `offset`."""

    offset: int
    data: bytes


@frozen
class Lost:
    """The reader was too slow: `start` to `end` (exclusive) are no longer kept (law 1)."""

    start: int
    end: int


@frozen
class Notice:
    """One line about the console, at this place among its output; without brackets."""

    text: str
    hint: Hint | None = None


@frozen
class Ended:
    """The last thing to show: nothing that the VM says from here on is for this reader."""

    reason: str


class AttachmentKind(Enum):
    """What an attachment is."""

    TERMINAL = "terminal"  # a person's, which answers what VMs ask terminals
    PROGRAM = "program"  # exact bytes both ways
    VERB = "verb"  # one that does its work and goes


class Refusal(Enum):
    """Why typed bytes did not go anywhere (law 2, fourth fate)."""

    AWAY = "away"
    PEN = "pen"
    RIGHT = "right"
    LINE = "line"  # a BREAK on a line that cannot carry one
    HOST = "host"  # the host changed, and he has not asked for the pen since
    READ_ONLY = "read-only"  # `ro`, at the login or for this console
    REASON = "reason"  # the rule wants to hear why, and he has not said
    AUDIT = "audit"  # nothing can be recorded, and so nobody begins to type


@frozen
class Typed:
    """What became of typed bytes: `taken` of them go their way, or none and `refusal` says why.

    Fewer than were typed without a refusal: the rest must wait for `Sink.writable`.
    """

    taken: int
    refusal: Refusal | None = None


class Sink(Protocol):
    """Who shows what an attachment has. No method may raise."""

    def ready(self) -> None:
        """There is something to get with `Attachment.next`; once per reactor turn at most."""

    def writable(self) -> None:
        """`Attachment.type` takes bytes again."""

    def host_changed(self, old: str, new: str) -> None:
        """The console's host is another one, and no vMotion has proved that it is the same VM.

        Nothing typed here goes to the VM until the pen is asked for; a program, which cannot ask,
        ends (`Attachment.end`).
        """

    def ended(self, reason: str) -> None:
        """The console is gone for this attachment, which is detached already."""


class Attachment:
    """One operator's place on one console. `offset` is the next byte to show."""

    __slots__ = (
        "_end",
        "_notices",
        "account",
        "answers",
        "console",
        "kind",
        "must_ask",
        "offset",
        "reads_only",
        "rights",
        "session",
        "since",
        "sink",
        "title",
    )

    def __init__(
        self,
        console: "Console",
        session: Session,
        rights: Rights,
        sink: Sink,
        offset: int,
        since: float,
        kind: AttachmentKind = AttachmentKind.VERB,
        reads_only: bool = False,
    ) -> None:
        self.console = console
        self.session = session
        self.rights = rights
        self.sink = sink
        self.offset = offset
        self.since = since
        self.title = console.title  # as he knows it: he may not learn the name it has now
        self.must_ask = False  # whether the pen has to be asked for: a key does not take it
        self.kind = kind
        self.reads_only = reads_only  # for as long as whoever it is wants it so
        self.account = InputAccount(console, session)
        self.answers = InputAccount(console, session, is_answers=True)
        self._notices: deque[tuple[int, Notice]] = deque(maxlen=NOTICES)
        self._end: tuple[int, str] | None = None

    @property
    def operator(self) -> Operator:
        """Who it is."""
        return self.session.operator

    @property
    def address(self) -> str:
        """Where he comes from."""
        return self.session.address

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it."""
        return self.kind is AttachmentKind.TERMINAL

    @property
    def has_pen(self) -> bool:
        """Whether what is typed here goes to the VM."""
        return self.console.pen is self

    @property
    def pending(self) -> bool:
        """Whether `next` has something."""
        ends = self._end is not None
        return bool(self._notices) or ends or self.offset < self.console.history.end

    def notice(self, text: str, hint: Hint | None = None) -> None:
        """Show `text` once everything that the VM said before now has been shown."""
        self._notices.append((self.console.history.end, Notice(text, hint)))
        self.console.mark()

    def end(self, reason: str) -> None:
        """Show what the VM has said until now, then nothing more."""
        if self._end is None:
            self._end = (self.console.history.end, reason)
            self.console.mark()

    @property
    def last(self) -> int | None:
        """The offset at which it ends, once `end` was said."""
        return None if self._end is None else self._end[0]

    def next(self, limit: int) -> OutputChunk | Lost | Notice | Ended | None:
        """What is to be shown next, at most `limit` (over 0) bytes of it."""
        history = self.console.history
        if self._notices and self._notices[0][0] <= max(self.offset, history.start):
            return self._notices.popleft()[1]
        if self.offset < history.start:
            lost = Lost(self.offset, history.start)
            self.offset = history.start
            return lost
        end = min(self._notices[0][0] if self._notices else history.end, self.offset + limit)
        if self._end is not None:
            if self.offset >= self._end[0]:
                return Ended(self._end[1])
            end = min(end, self._end[0])
        if end == self.offset:
            return None
        output = OutputChunk(self.offset, history.read(self.offset, end - self.offset))
        self.offset = end
        return output

    def type(self, data: bytes) -> Typed:
        """Type `data` at the VM, taking the pen if it is free."""
        return self.console.type(self, data)

    def answer(self, data: bytes) -> Typed:
        """What the terminal sends by itself: it goes to the VM from one terminal, or nowhere, which
        is no refusal.
        """
        return self.console.answer(self, data)

    @property
    def may_answer(self) -> bool:
        """Whether it is a terminal from which the VM may be typed at."""
        rights, session = self.rights, self.session
        has_reason = REASON not in rights or bool(session.reason)
        may_write = "write" in rights and has_reason and not self.must_ask
        return self.is_terminal and may_write and not self.reads_only

    def send_break(self) -> Typed:
        """One BREAK towards the VM, behind what was typed before; `taken` is 1 if it goes."""
        return self.console.send_break(self)

    def withdraw(self) -> int:
        """Take back what was typed here and waits yet; how many bytes. Answers go, too."""
        self.console.input.withdraw(self.answers)
        return self.console.input.withdraw(self.account)

    def expel(self, reason: str) -> None:
        """Leave at once, whatever was not shown yet, and type nothing more of what waits.

        A program that follows each byte (`InputAccount.on_change`) reports itself how many were not
        sent.
        """
        self.rights = NOTHING  # what is taken back makes room, and he may have more to type
        self.detach()
        unsent = self.withdraw()
        told = unsent and self.account.on_change is None
        why = f"{reason}; {amount(unsent, 0)} not sent" if told else reason
        self.console.tell_sink(self.sink.ended, why)

    def detach(self) -> None:
        """Leave. Nothing is heard afterwards; twice is once."""
        self.console.detach(self)

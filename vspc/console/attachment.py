"""An operator's place on a console: a cursor into its output, and the way in for what is typed."""

from enum import Enum
from typing import Protocol

from attrs import frozen

from vspc.console.access import NOTHING, REASON, Operator, Rights
from vspc.console.events import AttachmentRef, EventSource
from vspc.console.history import History
from vspc.console.input_flow import InputFlow
from vspc.console.input_queue import InputAccount, amount
from vspc.console.notices import Hint, Notice
from vspc.console.output_cursor import OutputCursor
from vspc.console.session import Session


class AttachmentKind(Enum):
    """What an attachment is."""

    TERMINAL = "terminal"  # a person's, which answers what VMs ask terminals
    PROGRAM = "program"  # exact bytes both ways
    VERB = "verb"  # one that does its work and goes
    WATCH = "watch"  # one of many of a verb that reads them all
    REMOTE = "remote"  # the remote system that the VM asked for; it takes the pen when it is free


VERBS = (AttachmentKind.VERB, AttachmentKind.WATCH)
"""Kinds whose coming and going, and whose right to type, no notice is about."""


class Refusal(Enum):
    """Why typed bytes did not go anywhere (law 2, fourth fate)."""

    AWAY = "away"
    PEN = "pen"
    RIGHT = "right"
    LINE = "line"  # a BREAK on a line that cannot carry one
    HOST = "host"  # the host changed, and the pen was not asked for since
    READ_ONLY = "read-only"  # `ro`, at the login or for this console
    REASON = "reason"  # the rule requires a reason, and the session has none
    AUDIT = "audit"  # nothing can be recorded, so that no attachment begins to type
    LOCKED = "locked"  # another operator has locked the pen, or a program leases it
    JOIN = "join"  # one of those who would type at once has no right `join`
    PROGRAM = "program"  # a program has the pen, and cannot be asked for it
    QUEUE = "queue"  # too many wait for the pen
    LOCKS = "locks"  # too many pens are locked
    LEASE = "lease"  # there is no such lease
    APPROVAL = "approval"  # another operator has to approve it, and has not
    UNANSWERED = "unanswered"  # a program waited for approval for too long
    TOO_MUCH = "too-much"  # a BREAK, behind too much input that waits


@frozen
class Typed:
    """What became of typed bytes: `taken` of them go their way, or none and `refusal` says why.

    Fewer than were typed without a refusal: the rest must wait for `Sink.writable`.
    """

    taken: int
    refusal: Refusal | None = None


class Sink(Protocol):
    """Shows what an attachment has. No method may raise."""

    def ready(self) -> None:
        """There is something to get from `Attachment.cursor`; once per reactor turn at most."""

    def writable(self) -> None:
        """`Attachment.type` takes bytes again."""

    def host_changed(self, old: str, new: str) -> None:
        """The console's host is another one, and no vMotion has proved that it is the same VM.

        Nothing typed here goes to the VM until the pen is asked for; a program, which cannot ask,
        ends (`Attachment.end`).
        """

    def ended(self, reason: str) -> None:
        """The console is gone for this attachment, which is detached already."""


class SharedPen(Protocol):
    """The pen of a console, as its attachments need it."""

    @property
    def holders(self) -> "tuple[Attachment, ...]":
        """The attachments that may type; none while the pen is free."""

    def pick_up(self, attachment: "Attachment") -> Refusal | None:
        """`attachment` types a key or a BREAK: it takes a free pen if it may write."""

    def take(self, attachment: "Attachment", force: bool = False) -> Refusal | None:
        """`attachment` asks for it; with `force` also if another holds it."""


class TypingApprovals(Protocol):
    """Who has been approved to type on a console, as its attachments need it."""

    def refusal(self, attachment: "Attachment") -> Refusal | None:
        """Why it may not type, as far as this is about approval."""

    def is_open(self, attachment: "Attachment") -> bool:
        """Whether it has asked, and has no answer yet."""


class AttachmentGroup(Protocol):
    """All attachments of one console, as each of them needs them."""

    @property
    def approvals(self) -> TypingApprovals:
        """Where a rule asks for the approval of another operator."""

    @property
    def pen(self) -> SharedPen:
        """The pen that they share."""

    @property
    def answering(self) -> "Attachment | None":
        """The one whose terminal answers what the VM asks terminals."""

    def __contains__(self, attachment: object) -> bool:
        """Whether it has not left."""

    def mark(self) -> None:
        """There is something to show."""

    def leave(self, attachment: "Attachment") -> None:
        """It leaves; twice is once."""

    def end(self, attachment: "Attachment", reason: str) -> None:
        """Call the sink of one that has left."""


class AttachedConsole(EventSource, Protocol):
    """A console, as an attachment needs it."""

    id: str
    history: History
    input: InputFlow

    @property
    def attachments(self) -> AttachmentGroup:
        """Those on it."""

    @property
    def title(self) -> str:
        """Zone, name and port, as lists show them."""

    @property
    def takes_input(self) -> bool:
        """Whether it has a line, or is about to have one, and is not quarantined."""

    @property
    def carries_break(self) -> bool:
        """Whether its line carries a BREAK."""

    def release_memory(self) -> None:
        """An attachment has left."""

    def missed(self, count: int) -> None:
        """An attachment was told that `count` bytes of output are lost for it."""


class Attachment:
    """One operator's place on one console. `cursor` has what is to be shown."""

    __slots__ = (
        "account",
        "answers",
        "console",
        "cursor",
        "kind",
        "lease",
        "must_ask",
        "reads_only",
        "rights",
        "session",
        "since",
        "sink",
        "title",
        "used",
    )

    def __init__(
        self,
        console: AttachedConsole,
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
        self.cursor = OutputCursor(console.history, offset)
        self.since = since
        self.title = console.title  # as it was when the operator might still read it
        self.must_ask = False  # whether the pen has to be asked for: a key does not take it
        self.kind = kind
        self.reads_only = reads_only  # as the operator asked for
        self.lease = ""  # the id of the lease under which it types
        self.used = 0.0  # when it typed last, in seconds for measuring, while it has the pen
        self.account = InputAccount(console, session)
        self.answers = InputAccount(console, session, is_answers=True)

    @property
    def operator(self) -> Operator:
        """Whose it is."""
        return self.session.operator

    @property
    def address(self) -> str:
        """Where the operator connects from."""
        return self.session.address

    @property
    def ref(self) -> AttachmentRef:
        """What it is now, for events."""
        kind = self.kind.value
        return AttachmentRef(
            self.console.ref, self.session, self.rights, self.cursor.offset, self.since, kind
        )

    # Output

    def notice(self, text: str, hint: Hint | None = None) -> None:
        """Show `text` once everything that the VM sent before now has been shown."""
        self.show(Notice(text, hint))

    def show(self, notice: Notice) -> None:
        """The same with a notice of any kind."""
        self.cursor.show(notice)
        self.console.attachments.mark()

    def lose(self, start: int, end: int, why: str) -> None:
        """`start` to `end` (exclusive) were not kept, because of `why`: show that there."""
        self.cursor.lose(start, end, why)
        self.console.attachments.mark()

    def end(self, reason: str) -> None:
        """Show what the VM has sent until now, then nothing more."""
        self.cursor.end(reason)
        self.console.attachments.mark()

    # Input

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it."""
        return self.kind is AttachmentKind.TERMINAL

    @property
    def has_pen(self) -> bool:
        """Whether what is typed here goes to the VM."""
        return self in self.console.attachments.pen.holders

    def type(self, data: bytes) -> Typed:
        """Type `data` at the VM; the first key typed while the pen is free takes it."""
        refusal = self._refusal("write")
        if refusal is not None and self.waits_for_approval:
            return Typed(0)
        return Typed(0, refusal) if refusal else Typed(self.console.input.type(data, self.account))

    def send_break(self) -> Typed:
        """One BREAK towards the VM, behind what was typed before; `taken` is 1 if it goes. It needs
        the right `break`, and the pen like a key.
        """
        refusal = self._refusal("break")
        if refusal is not None:
            return Typed(0, None if self.waits_for_approval else refusal)
        if not self.console.carries_break:
            return Typed(0, Refusal.LINE)
        return Typed(int(self.console.input.send_break(self.account)))

    def may_type(self) -> Refusal | None:
        """Take the pen as the first key would; why not, if it may not type. What a program types
        waits while it waits for approval, and is not refused.
        """
        refusal = self._refusal("write")
        return None if self.waits_for_approval else refusal

    @property
    def waits_for_approval(self) -> bool:
        """Whether this is a program whose input waits until its typing is approved, or refused. A
        person's keys are refused meanwhile (law 2).
        """
        return not self.is_terminal and self.console.attachments.approvals.is_open(self)

    def _refusal(self, right: str) -> Refusal | None:
        if self.session.read_only:
            return Refusal.READ_ONLY
        if right not in self.rights or self not in self.console.attachments:
            return Refusal.RIGHT
        if not self.console.takes_input:
            return Refusal.AWAY
        if self.must_ask:
            return Refusal.HOST
        if REASON in self.rights and not self.session.reason:
            return Refusal.REASON
        return self.console.attachments.pen.pick_up(self)

    def take_pen(self, force: bool = False) -> Refusal | None:
        """Ask to type; with `force` also if another attachment has the pen."""
        if self not in self.console.attachments:
            return Refusal.RIGHT
        return self.console.attachments.pen.take(self, force)

    @property
    def may_answer(self) -> bool:
        """Whether it is a terminal from which the VM may be typed at."""
        rights, session = self.rights, self.session
        has_reason = REASON not in rights or bool(session.reason)
        may_write = "write" in rights and has_reason and not self.must_ask
        may_write = may_write and self.console.attachments.approvals.refusal(self) is None
        return self.is_terminal and may_write and not self.reads_only

    def answer(self, data: bytes) -> Typed:
        """What the terminal sends by itself (law 13). All terminals answer what the VM asks; it
        gets the answers of the pen's holder, or, while the pen is free, of the first attachment
        that may type. Answers of others are dropped, which is not a refusal; none takes the pen.
        """
        if not self.console.takes_input or self.console.attachments.answering is not self:
            return Typed(len(data))
        return Typed(self.console.input.type(data, self.answers))

    def withdraw(self) -> int:
        """Take back what was typed here and still waits; how many bytes. Answers go, too."""
        self.console.input.withdraw(self.answers)
        return self.console.input.withdraw(self.account)

    # Leaving

    def expel(self, reason: str) -> None:
        """Leave at once, whatever was not shown yet, and type nothing more of what waits.

        A program that follows each byte (`InputAccount.on_change`) reports itself how many were not
        sent.
        """
        self.rights = NOTHING  # what is taken back makes room, and the client may have more to type
        self.detach()
        unsent = self.withdraw()
        tell = unsent and self.account.on_change is None
        self.console.attachments.end(
            self, f"{reason}; {amount(unsent, 0)} not sent" if tell else reason
        )

    def dismiss(self, reason: str) -> None:
        """Leave at once, as another process is to go on with the console: what waits is sent then,
        unless a program follows each byte, which reports itself how many were not sent.
        """
        if self.account.on_change is not None:
            self.expel(reason)
        else:
            self.detach()
            self.console.attachments.end(self, reason)

    def detach(self) -> None:
        """Leave. The sink is not called afterwards; twice is once."""
        self.console.attachments.leave(self)

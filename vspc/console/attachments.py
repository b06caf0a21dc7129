"""The operators' side of a console: its attachments, their pen, and what they are told."""

from collections.abc import Iterator

from vspc.console.approvals import Approvals
from vspc.console.attachment import VERBS, Attachment, AttachmentKind
from vspc.console.context import ConsoleContext
from vspc.console.events import Attached, Detached, HostChange
from vspc.console.notices import Notice
from vspc.console.pen import Pen
from vspc.console.pen_locking import PenConsole
from vspc.console.presence_notices import PresenceNotices

_UNANNOUNCED = (*VERBS, AttachmentKind.REMOTE)
"""Kinds whose coming and going has no notice, or another one (`Console.remote_changed`)."""


_NONE: "frozenset[Attachment]" = frozenset()  # one for all: each would have its memory


class Attachments:
    """All attachments of one console, in the order in which they came.

    `host_change` is the last change of host after which no operator has asked for the pen.
    """

    __slots__ = (
        "_context",
        "_debuggers",
        "_members",
        "approvals",
        "host_change",
        "pen",
        "presence",
    )

    def __init__(self, context: ConsoleContext, console: PenConsole) -> None:
        self._context = context
        self._members: dict[Attachment, None] = {}
        self._debuggers = _NONE
        self.presence: PresenceNotices | None = None  # while there are members
        self.host_change: HostChange | None = None
        self.pen = Pen(context, console, self)
        self.approvals = Approvals(context, self.pen.deny)

    def __iter__(self) -> Iterator[Attachment]:
        return iter(list(self._members))

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, attachment: object) -> bool:
        return attachment in self._members

    # Coming and leaving

    def add_debugger(self, attachment: Attachment) -> None:
        """`attachment` talks to the VM in packets until it leaves."""
        self._debuggers |= {attachment}

    @property
    def has_debugger(self) -> bool:
        """Whether packets of a debugger are among the output: terminals leave them out."""
        return bool(self._debuggers)

    def enter(self, attachment: Attachment) -> None:
        """It is new."""
        self._members[attachment] = None
        self._context.sessions.attached(attachment)
        self._context.events.publish(Attached(attachment.ref))
        if attachment.kind not in _UNANNOUNCED:
            if self.presence is None:
                clock, pen = self._context.clock, self.pen
                self.presence = PresenceNotices(self._members, clock, lambda: pen.state)
            self.presence.attached(attachment)
        self.approvals.entered(attachment)
        self.mark()

    def leave(self, attachment: Attachment) -> None:
        """It leaves, and lays down the pen; twice is once."""
        if attachment not in self._members:
            return
        del self._members[attachment]
        self._debuggers -= {attachment}
        self._context.sessions.detached(attachment)
        self._context.accounting.close_account(attachment.account)
        self._context.accounting.close_account(attachment.answers)
        self._context.events.publish(Detached(attachment.ref))
        had_pen, is_requested = attachment.has_pen, self.pen.is_requested
        self.pen.left(attachment)
        self.approvals.left(attachment)
        if self.presence is not None:
            freed = had_pen and not self.pen.holders
            self._show_left(self.presence, attachment, freed, is_requested)
        attachment.console.release_memory()

    def _show_left(
        self, presence: PresenceNotices, attachment: Attachment, freed: bool, is_requested: bool
    ) -> None:
        if attachment.kind not in _UNANNOUNCED:
            presence.left(attachment, freed, self.pen.state)
        elif freed and is_requested:
            presence.pen_freed(attachment, "laid it down", "")
        if not self._members:
            presence.close()
            self.presence = None
            self.pen.line.close()

    def end(self, attachment: Attachment, reason: str) -> None:
        """Call the sink of one that has left."""
        self._context.wakeups.guard(attachment.sink.ended, reason)

    # What all of them are told

    def tell(self, text: str) -> None:
        """One line for all of them, at this place of the output."""
        self.show(Notice(text))

    def show(self, notice: Notice) -> None:
        """The same with a notice of any kind."""
        for attachment in self._members:
            attachment.show(notice)

    def lose(self, start: int, end: int, why: str) -> None:
        """Output from `start` to `end` (exclusive) was not kept, because of `why`."""
        for attachment in self._members:
            attachment.lose(start, end, why)

    def mark(self) -> None:
        """There is something to show."""
        if self._members:
            self._context.wakeups.mark(self)

    def wake(self) -> None:
        """Let those show it that have something: at the end of a turn."""
        for attachment in list(self._members):
            self._context.wakeups.guard(_wake, attachment)

    def room_grew(self) -> None:
        """Those of which less was taken than typed may go on."""
        for attachment in list(self._members):
            self._context.wakeups.guard(attachment.sink.writable)

    def host_changed(self, change: HostChange) -> None:
        """The host changed without proof: to type one has to ask for the pen again."""
        self.host_change = change
        self.pen.host_changed()
        self.approvals.host_changed()
        for attachment in self._members:
            attachment.must_ask = True
        for attachment in list(self._members):
            self._context.wakeups.guard(attachment.sink.host_changed, change.old, change.new)

    # The pen

    @property
    def answering(self) -> Attachment | None:
        """The one whose terminal answers what the VM asks terminals."""
        holder = self.pen.holder
        if holder is not None:
            return holder if holder.may_answer else None
        if self.pen.recording_fails:
            return None
        return next((each for each in self._members if each.may_answer), None)

    def host_change_seen(self) -> None:
        """One of them has asked for the pen since the host changed."""
        self.host_change = None


def _wake(attachment: Attachment) -> None:
    if attachment.cursor.pending:
        attachment.sink.ready()

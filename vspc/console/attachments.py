"""The operators' side of a console: its attachments, their pen, and what they are told."""

from collections import Counter
from collections.abc import Callable, Iterator

from vspc.common.clock import Cancellable, Clock, cancel
from vspc.common.values import duration_text
from vspc.console.access import REASON
from vspc.console.attachment import VERBS, Attachment, AttachmentKind, Refusal
from vspc.console.context import ConsoleContext
from vspc.console.events import Attached, Detached, HostChange, PenReleased, PenTaken
from vspc.console.notices import Notice, NoticeKind

BURST = 8
"""Lines about other attachments that may be shown at once."""

INTERVAL = 1.0
"""Seconds after which there may be one more; in it all that is over is counted."""

_UNANNOUNCED = (*VERBS, AttachmentKind.REMOTE)
"""Kinds whose coming and going has no notice, or another one (`Console.remote_changed`)."""

_MORE = {
    NoticeKind.ATTACHED: "attached",
    NoticeKind.LEFT: "left",
    NoticeKind.PEN_ASKED: "asked for the pen",
}


class Attachments:
    """All attachments of one console, in the order in which they came.

    `host_change` is the last change of host after which no operator has asked for the pen.
    """

    __slots__ = ("_context", "_members", "_presence", "host_change", "pen")

    def __init__(self, context: ConsoleContext) -> None:
        self._context = context
        self._members: dict[Attachment, None] = {}
        self._presence: PresenceNotices | None = None  # while there are members
        self.host_change: HostChange | None = None
        self.pen = Pen(context, self)

    def __iter__(self) -> Iterator[Attachment]:
        return iter(list(self._members))

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, attachment: object) -> bool:
        return attachment in self._members

    # Coming and leaving

    def enter(self, attachment: Attachment) -> None:
        """It is new."""
        self._members[attachment] = None
        self._context.sessions.attached(attachment)
        self._context.events.publish(Attached(attachment.ref))
        if attachment.kind not in _UNANNOUNCED:
            self._presence = self._presence or PresenceNotices(self, self._context.clock)
            self._presence.attached(attachment)
        self.mark()

    def leave(self, attachment: Attachment) -> None:
        """It leaves, and lays down the pen; twice is once."""
        if attachment not in self._members:
            return
        del self._members[attachment]
        self._context.sessions.detached(attachment)
        self._context.accounting.close_account(attachment.account)
        self._context.accounting.close_account(attachment.answers)
        self._context.events.publish(Detached(attachment.ref))
        had_pen = attachment.has_pen
        if had_pen:
            self.pen.drop()
        if self._presence is not None:
            self._show_left(self._presence, attachment, had_pen)
        attachment.console.release_memory()

    def _show_left(
        self, presence: "PresenceNotices", attachment: Attachment, had_pen: bool
    ) -> None:
        if attachment.kind not in _UNANNOUNCED:
            presence.left(attachment, had_pen)
        elif had_pen and self.pen.is_requested:
            presence.pen_freed(attachment, "laid it down", "")
        if not self._members:
            presence.close()
            self._presence = None

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
        self.pen.lay_down("has to ask for it, the host has changed")
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

    def pen_requested(self, by: Attachment, holder: Attachment) -> None:
        """`by` asked for the pen, and `holder` keeps it."""
        if self._presence is not None:
            self._presence.pen_requested(by, holder)

    def pen_freed(self, former: Attachment, why: str, yours: str) -> None:
        """The pen is free; `why` follows the former holder's name, `yours` follows "you"."""
        if self._presence is not None:
            self._presence.pen_freed(former, why, yours)


class Pen:
    """The pen of one console: its holder may type, any number of operators may read. `holder` is
    None while it is free.

    At a terminal it is laid down when no key was typed for `ConsoleContext.pen_idle` seconds. A
    program keeps it, since it cannot ask for it again.
    """

    __slots__ = ("_attachments", "_context", "_timer", "_used", "holder", "is_requested")

    def __init__(self, context: ConsoleContext, attachments: "Attachments") -> None:
        self._context = context
        self._attachments = attachments
        self._used = 0.0  # when the holder did something last
        self._timer: Cancellable | None = None
        self.holder: Attachment | None = None
        self.is_requested = False  # whether another attachment was refused since it was picked up

    @property
    def recording_fails(self) -> bool:
        """Whether no attachment may begin to type, because it could not be recorded."""
        return self._context.audit.refuses

    def pick_up(self, attachment: Attachment) -> Refusal | None:
        """`attachment` types a key or a BREAK: it takes a free pen if it may write.

        With only the right to BREAK it does so while the pen is free, and does not keep others from
        typing.
        """
        if self.holder is not attachment and self.recording_fails:
            return Refusal.AUDIT
        if self.holder is None and "write" in attachment.rights:
            self._give(attachment, None)
        if self.holder is attachment:
            self._use()
        self.is_requested = self.is_requested or self.holder not in (None, attachment)
        return None if self.holder in (None, attachment) else Refusal.PEN

    def take(self, attachment: Attachment, force: bool = False) -> Refusal | None:
        """`attachment` asks for it; with `force` also if another holds it. Needs the rights."""
        if attachment.session.read_only:
            return Refusal.READ_ONLY
        if "write" not in attachment.rights or (force and "force" not in attachment.rights):
            return Refusal.RIGHT
        if REASON in attachment.rights and not attachment.session.reason:
            return Refusal.REASON
        former = self.holder
        if former is not attachment and self.recording_fails:
            return Refusal.AUDIT
        if former is not None and former is not attachment and not force:
            self.is_requested = True
            self._attachments.pen_requested(attachment, former)
            return Refusal.PEN
        attachment.must_ask = False
        self._attachments.host_change = None  # acknowledged by asking
        if former is attachment:
            self._use()
            return None
        self._give(attachment, former.session.operator.name if former else None)
        if former is not None:
            self._record(former)
            took = former.session.about(attachment.session, "took", "took")
            former.show(NoticeKind.PEN_TAKEN.notice(who=took))
        return None

    def _give(self, attachment: Attachment, taken_from: str | None) -> None:
        self.holder, self.is_requested = attachment, False
        self._stop_timer()
        self._use()
        self._context.events.publish(PenTaken(attachment.ref, taken_from))

    def _use(self) -> None:
        """The holder did something."""
        self._used = self._context.clock.seconds()
        if self._timer is None and self.holder is not None and self.holder.is_terminal:
            self._start_timer(0.0)

    def _start_timer(self, idle: float) -> None:
        limit = self._context.pen_idle()
        if limit:
            self._timer = self._context.clock.call_later(max(0.0, limit - idle), self._check_idle)

    def _check_idle(self) -> None:
        self._timer = None
        holder, limit = self.holder, self._context.pen_idle()
        idle = self._context.clock.seconds() - self._used
        if holder is None:
            return
        if idle < limit or not limit:
            self._start_timer(idle)
            return
        rest = f"typed nothing for {duration_text(limit)}"
        self.lay_down(f"has {rest}", f"have {rest}")

    def _stop_timer(self) -> None:
        cancel(self._timer)
        self._timer = None

    def _record(self, former: Attachment) -> None:
        """It types no more: what it typed is recorded now."""
        self._context.accounting.record(former.account)
        self._context.accounting.record(former.answers)

    def lay_down(self, why: str = "laid it down", yours: str = "") -> None:
        """The pen is free: the next key takes it. Attachments are told `why`, after the former
        holder's name; the former holder itself `yours`, after "you", unless that is empty.
        """
        former = self.drop()
        if former is not None:
            self._attachments.pen_freed(former, why, yours)

    def drop(self) -> Attachment | None:
        """Lay it down without a notice; its former holder."""
        former, self.holder = self.holder, None
        self._stop_timer()
        if former is not None:
            self._record(former)
            self._context.events.publish(PenReleased(former.ref))
        return former


def _wake(attachment: Attachment) -> None:
    if attachment.pending:
        attachment.sink.ready()


class PresenceNotices:
    """What terminals on a console are told of its other attachments: one line for each that comes,
    leaves, asks for the pen or lays it down.

    Lines are bounded (`BURST`, `INTERVAL`), however many come and go: what is over is counted, and
    told together.
    """

    __slots__ = ("_attachments", "_clock", "_counted_at", "_lines", "_more", "_timer")

    def __init__(self, attachments: Attachments, clock: Clock) -> None:
        self._attachments = attachments
        self._clock = clock
        self._lines = float(BURST)
        self._counted_at = clock.seconds()
        self._more: Counter[NoticeKind] = Counter()
        self._timer: Cancellable | None = None

    def attached(self, attachment: Attachment) -> None:
        """`attachment` is new."""

        def notice(viewer: Attachment) -> Notice:
            who = viewer.session.about(attachment.session, "attached", "attached")
            return NoticeKind.ATTACHED.notice(who=who)

        self._tell(NoticeKind.ATTACHED, notice, attachment)

    def left(self, attachment: Attachment, pen_is_free: bool) -> None:
        """`attachment` has gone, and laid down its pen if it had it."""
        pen = "; the pen is free" if pen_is_free else ""

        def notice(viewer: Attachment) -> Notice:
            who = viewer.session.about(attachment.session, "left", "left")
            return NoticeKind.LEFT.notice(who=who, pen=pen)

        self._tell(NoticeKind.LEFT, notice, attachment)

    def pen_requested(self, by: Attachment, holder: Attachment) -> None:
        """`by` asked for the pen that `holder` has."""
        if holder.is_terminal and self._may(NoticeKind.PEN_ASKED):
            asks = holder.session.about(by.session, "asks", "ask")
            holder.show(NoticeKind.PEN_ASKED.notice(("s", "; {} lays it down"), who=asks))

    def pen_freed(self, former: Attachment, why: str, yours: str) -> None:
        """`former` has it no longer; `why` follows its name, `yours` follows a "you", which
        `former` itself is told unless it is empty.
        """

        def notice(viewer: Attachment) -> Notice:
            if viewer is former:
                who = f"you {yours}"
            else:
                who = viewer.session.about(former.session, why, yours or why)
            return NoticeKind.PEN_FREE.notice(who=who)

        self._tell(NoticeKind.PEN_FREE, notice, None if yours else former)

    def _tell(
        self,
        kind: NoticeKind,
        notice: Callable[[Attachment], Notice],
        except_for: Attachment | None,
    ) -> None:
        viewers = [each for each in self._attachments if each.is_terminal]
        if viewers and viewers != [except_for] and self._may(kind):
            for viewer in viewers:
                if viewer is not except_for:
                    viewer.show(notice(viewer))

    def _may(self, kind: NoticeKind) -> bool:
        """Whether one more line may be shown; if not it is counted."""
        now = self._clock.seconds()
        self._lines = min(BURST, self._lines + (now - self._counted_at) / INTERVAL)
        self._counted_at = now
        if self._lines >= 1 and not self._more:
            self._lines -= 1
            return True
        self._more[kind] += 1
        if self._timer is None:
            self._timer = self._clock.call_later(INTERVAL, self._tell_more)
        return False

    def _tell_more(self) -> None:
        self._timer = None
        self._counted_at, self._lines = self._clock.seconds(), 0.0
        more, self._more = self._more, Counter()
        counts = [f"{more[kind]} more {does}" for kind, does in _MORE.items() if more[kind]]
        if more[NoticeKind.PEN_FREE] or more[NoticeKind.LEFT]:
            counts += ["the pen is free"] if self._attachments.pen.holder is None else []
        for viewer in self._attachments:
            if viewer.is_terminal and counts:
                viewer.show(NoticeKind.MORE.notice(counts=", ".join(counts)))

    def close(self) -> None:
        """The last attachment has left."""
        cancel(self._timer)

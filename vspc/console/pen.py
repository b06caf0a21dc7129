"""The pen: its holder may type. One per console; any number of operators may read."""

from typing import Protocol

from vspc.common.clock import Cancellable
from vspc.common.values import duration_text
from vspc.console.access import REASON
from vspc.console.attachment import Attachment, Refusal
from vspc.console.context import ConsoleContext
from vspc.console.events import EventSource, PenLaid, PenTaken
from vspc.console.notices import NoticeKind


class PenObserver(Protocol):
    """What is called when the pen changes: the attachments of its console."""

    def pen_requested(self, by: Attachment, holder: Attachment) -> None:
        """`by` asked for the pen, and `holder` keeps it."""

    def pen_freed(self, former: Attachment, why: str, yours: str) -> None:
        """The pen is free; `why` follows the former holder's name, `yours` follows "you"."""

    def pen_asked(self) -> None:
        """An operator asked for the pen, and has it."""


class Pen:
    """The pen of one console. `holder` is None while it is free.

    At a terminal it is laid down when no key was typed for `ConsoleContext.pen_idle` seconds. A
    program keeps it, since it cannot ask for it again.
    """

    __slots__ = ("_console", "_context", "_observer", "_timer", "_used", "holder", "is_requested")

    def __init__(
        self, context: ConsoleContext, console: EventSource, observer: PenObserver
    ) -> None:
        self._context = context
        self._console = console
        self._observer = observer
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
            self._observer.pen_requested(attachment, former)
            return Refusal.PEN
        attachment.must_ask = False
        self._observer.pen_asked()
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
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
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
            self._observer.pen_freed(former, why, yours)

    def drop(self) -> Attachment | None:
        """Lay it down without a notice; its former holder."""
        former, self.holder = self.holder, None
        self._stop_timer()
        if former is not None:
            self._record(former)
            self._context.events.publish(PenLaid(self._console.ref, former.ref))
        return former

"""The pen: who holds it may type. One to a console; any number of operators may read."""

from typing import TYPE_CHECKING

from vspc.common.clock import Cancellable
from vspc.common.values import duration_text
from vspc.console.access import REASON
from vspc.console.attachment import Refusal
from vspc.console.events import PenLaid, PenTaken

if TYPE_CHECKING:
    from vspc.console.attachment import Attachment
    from vspc.console.console import Console
    from vspc.console.lineside import ConsoleContext


class Pen:
    """The pen of one console. `holder` is None while it is free.

    At a terminal it is laid down when no key was typed for `ConsoleContext.pen_idle` seconds:
    whoever it was has gone to lunch. A program keeps it, since it cannot know that it has to take
    it again.
    """

    __slots__ = ("_console", "_context", "_timer", "_used", "holder", "is_wanted")

    def __init__(self, console: "Console", context: "ConsoleContext") -> None:
        self._console = console
        self._context = context
        self._used = 0.0  # when the holder did something last
        self._timer: Cancellable | None = None
        self.holder: Attachment | None = None
        self.is_wanted = False  # whether somebody was refused since it was picked up

    def pick_up(self, attachment: "Attachment") -> Refusal | None:
        """`attachment` types a key or a BREAK: a free pen is his if he may write.

        Who may only BREAK does so while nobody types, and does not keep others from typing.
        """
        if self.holder is not attachment and self._console.recording_fails:
            return Refusal.AUDIT
        if self.holder is None and "write" in attachment.rights:
            self._give(attachment, None)
        if self.holder is attachment:
            self._use()
        self.is_wanted = self.is_wanted or self.holder not in (None, attachment)
        return None if self.holder in (None, attachment) else Refusal.PEN

    def take(self, attachment: "Attachment", force: bool) -> Refusal | None:
        """`attachment` asks for it; with `force` from whoever has it. Needs the rights for it."""
        if attachment.session.read_only:
            return Refusal.READ_ONLY
        if "write" not in attachment.rights or (force and "force" not in attachment.rights):
            return Refusal.RIGHT
        if REASON in attachment.rights and not attachment.session.reason:
            return Refusal.REASON
        former = self.holder
        if former is not attachment and self._console.recording_fails:
            return Refusal.AUDIT
        if former is not None and former is not attachment and not force:
            self.is_wanted = True
            self._console.asked_for_pen(attachment, former)
            return Refusal.PEN
        attachment.must_ask = False
        self._console.host_change = None  # he has been told, and knows what he does
        if former is attachment:
            self._use()
            return None
        self._give(attachment, former.operator.name if former else None)
        if former is not None:
            self._console.pen_left(former)
            took = former.session.about(attachment.session, "took", "took")
            former.notice(f"{took} the pen; you are reading now")
        return None

    def _give(self, attachment: "Attachment", taken_from: str | None) -> None:
        self.holder, self.is_wanted = attachment, False
        self._rest()
        self._use()
        self._context.events.publish(PenTaken(attachment, taken_from))

    def _use(self) -> None:
        """The holder is there."""
        self._used = self._context.clock.seconds()
        if self._timer is None and self.holder is not None and self.holder.is_terminal:
            self._wait(0.0)

    def _wait(self, idle: float) -> None:
        limit = self._context.pen_idle()
        if limit:
            self._timer = self._context.clock.call_later(max(0.0, limit - idle), self._look)

    def _look(self) -> None:
        self._timer = None
        holder, limit = self.holder, self._context.pen_idle()
        idle = self._context.clock.seconds() - self._used
        if holder is None:
            return
        if idle < limit or not limit:
            self._wait(idle)
            return
        rest = f"typed nothing for {duration_text(limit)}"
        self._console.lay_pen(f"has {rest}", f"have {rest}")

    def _rest(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def lay_down(self) -> None:
        """Nobody types any more; the next key of anybody takes it."""
        former, self.holder = self.holder, None
        self._rest()
        if former is not None:
            self._console.pen_left(former)
        self._context.events.publish(PenLaid(self._console, former))

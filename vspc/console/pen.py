"""The pen: who holds it may type. One to a console; any number of operators may read."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from vspc.console.access import REASON
from vspc.console.attachment import Refusal
from vspc.console.happenings import Happening, PenLaid, PenTaken

if TYPE_CHECKING:
    from vspc.console.attachment import Attachment
    from vspc.console.console import Console


class Pen:
    """The pen of one console. `holder` is None while it is free."""

    __slots__ = ("_console", "_publish", "holder")

    def __init__(self, console: "Console", publish: Callable[[Happening], None]) -> None:
        self._console = console
        self._publish = publish
        self.holder: Attachment | None = None

    def pick_up(self, attachment: "Attachment") -> Refusal | None:
        """`attachment` types a key or a BREAK: a free pen is his if he may write.

        Who may only BREAK does so while nobody types, and does not keep others from typing.
        """
        if self.holder is not attachment and self._console.recording_fails:
            return Refusal.AUDIT
        if self.holder is None and "write" in attachment.rights:
            self._give(attachment, None)
        return None if self.holder in (None, attachment) else Refusal.PEN

    def take(self, attachment: "Attachment", force: bool) -> Refusal | None:
        """`attachment` asks for it; with `force` from whoever has it. Needs the rights for it."""
        if "write" not in attachment.rights or (force and "force" not in attachment.rights):
            return Refusal.RIGHT
        if REASON in attachment.rights and not attachment.session.reason:
            return Refusal.REASON
        former = self.holder
        if former is not attachment and self._console.recording_fails:
            return Refusal.AUDIT
        if former is not None and former is not attachment and not force:
            return Refusal.PEN
        attachment.must_ask = False
        self._console.host_change = None  # he has been told, and knows what he does
        if former is attachment:
            return None
        self._give(attachment, former.operator.name if former else None)
        if former is not None:
            self._console.pen_left(former)
            former.notice(f"{attachment.operator.name} took the pen; you are reading now")
        return None

    def _give(self, attachment: "Attachment", taken_from: str | None) -> None:
        self.holder = attachment
        self._publish(PenTaken(attachment, taken_from))

    def lay_down(self) -> None:
        """Nobody types any more; the next key of anybody takes it."""
        former, self.holder = self.holder, None
        if former is not None:
            self._console.pen_left(former)
        self._publish(PenLaid(self._console, former))

"""Typing on a console for a verb, with an account of every byte."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from vspc.apps.describe import refusal_text
from vspc.apps.verbs.context import DENIED, DONE, FAILED, TIMED_OUT
from vspc.console.attachment import Attachment, Refusal
from vspc.console.console import Console
from vspc.console.session import Session

PIECE = 64 * 1024
"""Bytes that are offered to a console at once."""

RESULTS: Mapping[int, str] = MappingProxyType(
    {DONE: "ok", FAILED: "failed", DENIED: "refused", TIMED_OUT: "timed-out"}
)
"""An exit status as the audit file has it."""


class Typist:
    """Types through one attachment. `typed` bytes went to the VM, `dropped` were taken and will
    not; `offset` is where the VM's output stood when the last one went.

    `changed` is called when that has changed: `type` may call it, and it must not type.
    """

    def __init__(self, attachment: Attachment, changed: Callable[[], None]) -> None:
        self._attachment = attachment
        self._changed = changed
        self._pending = bytearray()
        self._pumping = False
        self.typed = 0
        self.dropped = 0
        self.offset = attachment.console.history.end
        self.refusal: Refusal | None = None
        attachment.account.on_change = self._heard

    def type(self, data: bytes) -> None:
        """Type `data` behind what is still to be typed."""
        self._pending += data
        self.pump()

    def pump(self) -> None:
        """Hand on as much as the console takes."""
        if self._pumping:
            return
        self._pumping = True
        while self._pending and self.refusal is None:
            piece = bytes(self._pending[:PIECE])
            typed = self._attachment.type(piece)
            self.refusal = typed.refusal
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
        self.dropped += len(self._pending)
        self._pending.clear()  # first: what is taken back makes room, and the rest would go there
        self.dropped += self._attachment.withdraw()
        return self.dropped

    def _heard(self, delivered: int, dropped: int) -> None:
        self.typed += delivered
        self.dropped += dropped
        if delivered:
            self.offset = self._attachment.console.history.end
        self._changed()


def take_pen(attachment: Attachment, force: bool) -> Refusal | None:
    """Take the pen of `attachment`'s console if it is free, with `force` also from its holder.

    Why not, otherwise.
    """
    console = attachment.console
    if force and console.pen is not None and "force" in attachment.rights:
        refusal = console.take_pen(attachment, force=True)
        if refusal is not None:
            return refusal
    return console.may_type(attachment)


def so_much(typed: int, not_typed: int) -> str:
    """What became of what was to be typed: "3 bytes were sent, 2 were not"."""
    if not typed:
        return "nothing was sent"
    was = "1 byte was" if typed == 1 else f"{typed} bytes were"
    if not not_typed:
        return f"{was} sent"
    return f"{was} sent, {not_typed} {'was' if not_typed == 1 else 'were'} not"


def refused(
    console: Console, session: Session, refusal: Refusal, what: str, powerless: bool = False
) -> tuple[str, int]:
    """Why `session` may not type, `what` became of its input, and the exit status; `powerless` if
    it said `--force` without the right to it.
    """
    text = refusal_text(session, console, refusal)
    if powerless and refusal is Refusal.PEN:
        text += ", and you have no right `force` there"
    of_the_vm = refusal in (Refusal.AUDIT, Refusal.AWAY, Refusal.HOST)
    return f"{text}; {what}", FAILED if of_the_vm else DENIED


def moved_without_proof(console: Console, old: str, new: str, what: str) -> str:
    """Why an attachment has ended with a change of host."""
    return f"{console.title} is on {new} now; it was on {old}, and this was no vMotion; {what}"

"""What verbs type on a console: offered until the console takes it, and why a verb ends if not all
of it is typed.
"""

from collections.abc import Callable

from vspc.apps.describe import cautions, refusal_text
from vspc.apps.leasing import LeaseWish, ProgramLease
from vspc.apps.verbs.context import DENIED, FAILED, TIMED_OUT, Call, VerbExit
from vspc.apps.verbs.grammar import Flag
from vspc.console.attachment import Attachment, Refusal
from vspc.console.console import Console
from vspc.console.pen_locking import is_admin

PIECE = 64 * 1024
"""Bytes that a verb offers to a console at once."""

LAPSED = frozenset({Refusal.UNANSWERED})
"""Refusals because something took too long: exit status 5."""

NOT_DENIED = frozenset(
    {
        *(Refusal.AUDIT, Refusal.AWAY, Refusal.HOST, Refusal.LINE),
        *(Refusal.PROGRAM, Refusal.QUEUE, Refusal.LOCKS, Refusal.LEASE, Refusal.TOO_MUCH),
    }
)
"""Refusals that have nothing to do with rights: exit status 1, not 4."""

CR = b"\r"

ENTER = Flag("--enter", "type a CR behind it")
FORCE = Flag("--force", "take the pen from its holder (right force)")
"""Options of verbs that type."""


class VerbInput:
    """Types through one attachment, for a verb. `typed` bytes went to the VM, `dropped` were taken
    and will not; `offset` is where the VM's output stood when the last one went.

    `changed` is called when that has changed: `type` may call it, and it must not type. With
    `force` the pen may be taken from its holder; with a `wish` it types under a lease.
    """

    def __init__(
        self,
        call: Call,
        console: Console,
        attachment: Attachment,
        changed: Callable[[], None],
        force: bool = False,
        wish: LeaseWish | None = None,
    ) -> None:
        self._call = call
        self._console = console
        self._attachment = attachment
        self._changed = changed
        self._force = force
        self._over: tuple[str, int] | None = None  # why its lease is, and the exit status
        self._lease = (
            None
            if wish is None
            else ProgramLease(call, console, attachment, wish, self._lease_over)
        )
        self._pending = bytearray()
        self._pumping = False
        self._types = True
        self._begins_later = False  # when its typing is approved
        self.typed = 0
        self.dropped = 0
        self.offset = console.history.end
        self._refusal: Refusal | None = None
        attachment.account.on_change = self._account_changed

    def begin(self, types: bool = True) -> None:
        """Print what the operator has to be warned of, and take the pen if that is allowed. What
        never `types` may have a lease of a VM that is away.
        """
        for caution in cautions(self._call.context, self._console):
            self._call.remark(caution)
        self._types = types
        self._refusal = self._take_pen()

    def _take_pen(self) -> Refusal | None:
        """Now, or when the typing is approved; why not, if that fails."""
        attachment, pen, refusal = self._attachment, self._console.pen, None
        if self._lease is not None:
            refusal = self._lease.take(self._force)
        elif self._force and (pen.holder or pen.lock) and _may_force(attachment):
            refusal = attachment.take_pen(force=True)
        self._begins_later = attachment.waits_for_approval
        if self._begins_later or refusal is not None:
            return None if self._begins_later else refusal
        return attachment.may_type() if self._types else None

    def _lease_over(self, why: str, status: int) -> None:
        self._over = why, status
        self._changed()

    def type(self, data: bytes) -> None:
        """Type `data` behind what is still to be typed."""
        self._pending += data
        self.pump()

    def pump(self) -> None:
        """Hand on as much as the console takes."""
        if self._pumping:
            return
        self._pumping = True
        if self._begins_later and self._refusal is None:
            self._refusal = self._take_pen()
        while self._pending and self._refusal is None and self._over is None:
            piece = bytes(self._pending[:PIECE])
            typed = self._attachment.type(piece)
            self._refusal = typed.refusal
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
        if self._lease is not None:
            self._lease.close()
        self.dropped += len(self._pending)
        self._pending.clear()  # first: what is taken back makes room, and the rest would go there
        self.dropped += self._attachment.withdraw()
        return self.dropped

    def _account_changed(self, delivered: int, dropped: int) -> None:
        self.typed += delivered
        self.dropped += dropped
        if delivered:
            self.offset = self._console.history.end
        self._changed()

    # How it fails

    def give_up(self) -> str:
        """Stop; what became of what was to be typed: "3 bytes were sent, 2 were not"."""
        dropped, typed = self.stop(), self.typed
        if not typed:
            return "nothing was sent"
        was = "1 byte was" if typed == 1 else f"{typed} bytes were"
        if not dropped:
            return f"{was} sent"
        return f"{was} sent, {dropped} {'was' if dropped == 1 else 'were'} not"

    def failure(self, status: int, detail: str, why: str) -> VerbExit:
        """The end of the verb, which says what became of what was to be typed."""
        text = f"{why}; {self.give_up()}"
        return VerbExit(status, text, console=self._console, detail=detail)

    def check(self) -> None:
        """Raises `VerbExit` if not all can be typed."""
        refusal, console = self._refusal, self._console
        if self._over is not None:
            why, status = self._over
            raise self.failure(status, "lease", why)
        if refusal is not None:
            why = refusal_text(self._call.session, console, refusal)
            if refusal is Refusal.PEN and self._force and "force" not in self._attachment.rights:
                why += ", and you have no right `force` there"
            raise self.failure(refused_status(refusal), refusal.value, why)
        if self.dropped:
            why = f"{self._attachment.title} is {console.state.value}"
            raise self.failure(FAILED, "dropped", why)


def _may_force(attachment: Attachment) -> bool:
    return "force" in attachment.rights or is_admin(attachment.session, attachment.rights)


def refused_status(refusal: Refusal) -> int:
    """The exit status of a verb that may not type."""
    if refusal in LAPSED:
        return TIMED_OUT
    return FAILED if refusal in NOT_DENIED else DENIED


def pen_refused(call: Call, console: Console, refusal: Refusal) -> VerbExit:
    """The end of a verb that does not get the pen, or may not lock it."""
    text = refusal_text(call.session, console, refusal)
    return VerbExit(refused_status(refusal), text, console=console, detail=refusal.value)


def moved_without_proof(console: Console, old: str, new: str) -> str:
    """Why an attachment has ended with a change of host."""
    return f"{console.title} is on {new} now; it was on {old}, and this was not a vMotion"

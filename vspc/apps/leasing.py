"""Leases of pens, as programs ask for them: `--lease` for one of its own, `--lease ID` to type
under one that another command of the same operator holds.
"""

from collections.abc import Callable

from attrs import frozen

from vspc.apps.verbs.context import FAILED, TIMED_OUT, Call
from vspc.apps.verbs.grammar import Option, Parsed
from vspc.apps.verbs.kinds import DURATION, UsageError, ValueKind
from vspc.common.values import written_duration
from vspc.console.attachment import Attachment, Refusal
from vspc.console.console import Console
from vspc.console.events import Event
from vspc.console.pen_events import LeaseEnded, LockEnd, PenLock
from vspc.console.pen_locking import LEASE_PREFIX, LEASE_TIME, LOCK_LONGEST, why_over


def _lease_id(label: str, value: str, _now: float) -> str:
    if not value:
        raise UsageError(f"{label} takes the id that `lease` has printed, or no value")
    return value


def _time(label: str, value: str, now: float) -> float:
    seconds = DURATION.read(label, value, now)
    if seconds > LOCK_LONGEST:
        raise UsageError(f"{label} is at most {LOCK_LONGEST / 3600:g}h")
    return seconds


LEASE = Option(
    "--lease",
    "hold the pen alone, or use the lease that has ID",
    ValueKind("ID", _lease_id),
    begins=LEASE_PREFIX,
)
FOR = Option(
    "--for",
    f"end the lease after this time ({written_duration(LEASE_TIME)})",
    ValueKind(DURATION.name, _time),
)


@frozen
class LeaseWish:
    """What is asked for: a lease for `seconds`, or what is typed under that with the id `under`."""

    under: str
    seconds: float
    label: str = ""


def lease_wish(parsed: Parsed, label: str) -> LeaseWish | None:
    """What `--lease` and `--for` say; None without them. Raises `UsageError`."""
    under, seconds = parsed.get(LEASE), parsed.get(FOR)
    if seconds is not None and under != "":
        raise UsageError("--for is for a lease of its own: --lease without an ID")
    return None if under is None else LeaseWish(under, seconds or LEASE_TIME, label)


class ProgramLease:
    """A lease that `attachment` has, or types under. `over` is called once when it has ended before
    `close`: why, and the exit status. A change of host is told by `Sink.host_changed`, and why the
    attachment itself has left by `Sink.ended`.
    """

    def __init__(
        self,
        call: Call,
        console: Console,
        attachment: Attachment,
        wish: LeaseWish,
        over: Callable[[str, int], None],
    ) -> None:
        self._console = console
        self._attachment = attachment
        self._wish = wish
        self._over = over
        self._unsubscribe = call.context.events.subscribe(self._happened)
        self.lease: PenLock | None = None

    def take(self, force: bool = False) -> Refusal | None:
        """Have it from now on; why not, if that fails."""
        locking, wish = self._console.pen.locking, self._wish
        if wish.under:
            refusal = locking.use_lease(self._attachment, wish.under)
            self.lease = None if refusal else locking.lock
            return refusal
        taken = locking.lease(self._attachment, wish.seconds, wish.label, force)
        if isinstance(taken, Refusal):
            return taken
        self.lease = taken
        return None

    def _happened(self, event: Event) -> None:
        if self.lease is None or not isinstance(event, LeaseEnded) or event.lease != self.lease:
            return
        self.close()
        has_left = event.end is LockEnd.CHANNEL and not self._wish.under
        if event.end is not LockEnd.HOST and not has_left:
            why = why_over(event.lease, event.end, event.by, self._attachment.session)
            status = TIMED_OUT if event.end is LockEnd.EXPIRED else FAILED
            self._over(f"{self._attachment.title}: {why}", status)

    def close(self) -> None:
        """What becomes of it is of no interest any more."""
        self._unsubscribe()

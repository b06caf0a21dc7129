"""Events of consoles in the server's own log, a bounded number of lines."""

from twisted.logger import Logger

from vspc.common.clock import Clock, rfc3339
from vspc.console.events import (
    AnswersAgain,
    Attached,
    AttachmentRef,
    BreakSignal,
    ConsoleRef,
    Detached,
    Event,
    Forgotten,
    HandoverIncomplete,
    HostChanged,
    PenTaken,
    Stalled,
    Suspicion,
)
from vspc.console.pen_events import Leased, LeaseEnded, PenLock, PenLocked, PenUnlocked
from vspc.console.session import Session
from vspc.net.endpoints import DescriptorWatch
from vspc.net.limits import Refusals


def record(log: Logger, event: Event) -> None:
    """One line, or none where the line's session has logged it already."""
    match event:
        case Attached(attachment):
            _about(log, "attached", attachment)
        case Detached(attachment):
            _about(log, "detached", attachment)
        case PenTaken(attachment, former):
            _about(log, "pen-taken", attachment, taken_from=former)
        case PenLocked(console, by, lock):
            _about_lock(log, "pen-locked", console, by, lock)
        case PenUnlocked(console, by, lock, end):
            _about_lock(log, "pen-unlocked", console, by, lock, end=end.value)
        case Leased(console, by, lease):
            _about_lock(log, "pen-leased", console, by, lease)
        case LeaseEnded(console, by, lease, end):
            _about_lock(log, "lease-ended", console, by, lease, end=end.value)
        case BreakSignal(console, operator):
            log.info("break", console=console.title, operator=operator or "the VM")
        case Stalled(console, waiting):
            address = console.address
            log.warn("vm-not-reading", console=console.title, address=address, waiting=waiting)
        case AnswersAgain(console, waiting):
            address = console.address
            log.info("vm-reading-again", console=console.title, address=address, waiting=waiting)
        case HandoverIncomplete(console, what):
            log.warn("handover-incomplete", console=console.title, id=console.id, what=what)
        case Forgotten(console):
            log.info("forgotten", console=console.title, id=console.id)


def suspicion(event: Event) -> Suspicion | None:
    """The security event in `event`, if it is one (docs/identity.md has the kinds)."""
    match event:
        case Suspicion():
            return event
        case HostChanged(console, old, new, how):
            return Suspicion(how.value, console, new, old, "no vMotion has proved it")
    return None


def record_suspicion(log: Logger, event: Suspicion) -> None:
    """One line for a security event: the claimant, the console, its present holder."""
    console = event.console
    log.error(
        "security",
        kind=event.kind,
        console=console.title if console is not None else None,
        id=console.id if console is not None else None,
        claimant=event.claimant,
        holder=event.holder or None,
        detail=event.detail,
    )


def _about(log: Logger, event: str, attachment: AttachmentRef, **facts: object) -> None:
    log.info(
        event,
        console=attachment.console.title,
        operator=attachment.session.operator.name,
        address=attachment.session.address,
        **facts,
    )


def _about_lock(
    log: Logger,
    event: str,
    console: ConsoleRef,
    by: Session | None,
    lock: PenLock,
    **facts: object,
) -> None:
    """A lock or a lease; `by` ended it, or made it."""
    log.info(
        event,
        console=console.title,
        owner=lock.operator.name,
        operator=None if by is None else by.operator.name,
        until=rfc3339(lock.until, "seconds"),
        reason=lock.reason or None,
        **facts,
    )


class EventLog:
    """Each address, and each claimant of a security event, has a few lines a minute.

    `refusals` counts refused connections and logins.
    """

    def __init__(self, log: Logger, clock: Clock, refusals: Refusals) -> None:
        self._log = log
        self._clock = clock
        self._refusals = refusals
        self._suspicions = Refusals()
        self._descriptors = DescriptorWatch()

    EVENTS = (
        *(Attached, Detached, PenTaken, PenLocked, PenUnlocked, Leased, LeaseEnded),
        *(BreakSignal, Stalled, AnswersAgain, HandoverIncomplete, Forgotten),
        *(Suspicion, HostChanged),
    )
    """Those that have a line."""

    def on_event(self, event: Event) -> None:
        """Log one event."""
        record(self._log, event)
        found = suspicion(event)
        if found is None:
            return
        if self._suspicions.worth_a_line(found.claimant, self._clock.seconds()):
            record_suspicion(self._log, found)

    def tick(self) -> None:
        """Call it every second or so: what had no line of its own is counted in one."""
        now = self._clock.seconds()
        for host, count in self._refusals.over(now):
            self._log.warn("refused-more", address=host, count=count, seconds=60)
        for host, count in self._suspicions.over(now):
            self._log.error("security-more", claimant=host, count=count, seconds=60)
        if self._descriptors.ran_out(now):
            self._log.error("out-of-descriptors", what="connections are refused; see LimitNOFILE")

"""What happens, in the server's own log: lines that nobody can flood it with."""

from twisted.logger import Logger

from vspc.common.clock import Clock
from vspc.console.attachment import Attachment
from vspc.console.events import (
    AnswersAgain,
    Attached,
    Broke,
    Detached,
    Event,
    Forgotten,
    HostChanged,
    PenTaken,
    Stalled,
    Suspicion,
)
from vspc.net.endpoints import DescriptorWatch
from vspc.net.limits import Refusals


def record(log: Logger, happening: Event) -> None:
    """One line, or none where the VM's door has said it already."""
    match happening:
        case Attached(attachment):
            _about(log, "attached", attachment)
        case Detached(attachment):
            _about(log, "detached", attachment)
        case PenTaken(attachment, former):
            _about(log, "pen-taken", attachment, taken_from=former)
        case Broke(console, operator):
            log.info("break", console=console.title, operator=operator or "the VM")
        case Stalled(console, waiting):
            address = console.last_address
            log.warn("vm-not-reading", console=console.title, address=address, waiting=waiting)
        case AnswersAgain(console, waiting):
            address = console.last_address
            log.info("vm-reading-again", console=console.title, address=address, waiting=waiting)
        case Forgotten(console):
            log.info("forgotten", console=console.title, id=console.id)


def suspicion(happening: Event) -> Suspicion | None:
    """The security event that `happening` is, if it is one (docs/identity.md has the kinds)."""
    match happening:
        case Suspicion():
            return happening
        case HostChanged(console, old, new, how):
            return Suspicion(how.value, console, new, old, "no vMotion has proved it")
    return None


def record_suspicion(log: Logger, event: Suspicion) -> None:
    """One line for a security event: who, about whose console, and where that one is."""
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


def _about(log: Logger, event: str, attachment: Attachment, **facts: object) -> None:
    log.info(
        event,
        console=attachment.console.title,
        operator=attachment.operator.name,
        address=attachment.address,
        **facts,
    )


class EventLog:
    """`refusals` counts who was turned away: each address has a few lines a minute."""

    def __init__(self, log: Logger, clock: Clock, refusals: Refusals) -> None:
        self._log = log
        self._clock = clock
        self._refusals = refusals
        self._suspicions = Refusals()
        self._descriptors = DescriptorWatch()

    def heard(self, happening: Event) -> None:
        """One line, or none; a security event has a few a minute for each claimant."""
        record(self._log, happening)
        event = suspicion(happening)
        if event is None:
            return
        if self._suspicions.worth_a_line(event.claimant, self._clock.seconds()):
            record_suspicion(self._log, event)

    def tick(self) -> None:
        """Call it every second or so: what had no line of its own is summed up."""
        now = self._clock.seconds()
        for host, count in self._refusals.over(now):
            self._log.warn("refused-more", address=host, count=count, seconds=60)
        for host, count in self._suspicions.over(now):
            self._log.error("security-more", claimant=host, count=count, seconds=60)
        if self._descriptors.ran_out(now):
            self._log.error("out-of-descriptors", what="newcomers are closed; see LimitNOFILE")

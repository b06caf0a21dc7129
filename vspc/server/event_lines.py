"""What happens on consoles, as lines of the server's log: who came, typed, left, and lied."""

from twisted.logger import Logger

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

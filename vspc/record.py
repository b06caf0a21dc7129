"""What happens on consoles, as lines of the server's log: who came, who typed, who left."""

from twisted.logger import Logger

from vspc.console.attachment import Attachment
from vspc.console.happenings import Attached, Broke, Detached, Forgotten, Happening, PenTaken


def record(log: Logger, happening: Happening) -> None:
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
        case Forgotten(console):
            log.info("forgotten", console=console.title, id=console.id)


def _about(log: Logger, event: str, attachment: Attachment, **facts: object) -> None:
    log.info(
        event,
        console=attachment.console.title,
        operator=attachment.operator.name,
        address=attachment.address,
        **facts,
    )

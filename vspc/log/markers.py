"""What happens on consoles, as markers of their logs."""

from collections.abc import Iterator

from vspc.common.text import safe
from vspc.console import events
from vspc.console.events import ConsoleRef, Event
from vspc.console.logs import MarkerKind


def markers(happening: Event) -> Iterator[tuple[ConsoleRef, MarkerKind, str]]:
    """The markers of a happening, each with whose log it belongs to; one safe line."""
    match happening:
        case events.Connected(console):
            yield console, MarkerKind.CONNECTED, f"{console.title} at {console.address}"
        case events.Replaced(console, old, new, why):
            yield console, MarkerKind.CONNECTED, f"{console.title} at {new}, was {old} ({why})"
        case events.Moved(console, source, target, seconds):
            text = f"{console.title} moved from {source} to {target} in {seconds:.1f} s"
            yield console, MarkerKind.MOVED, text
        case events.WentAway(console, reason, unsent):
            if unsent:
                yield console, MarkerKind.DROPPED, f"{unsent} bytes were not sent"
            yield console, MarkerKind.AWAY, reason
        case events.Renamed(console, old):
            yield console, MarkerKind.RENAMED, f"{safe(old)} is {console.title}"
        case events.Attached(attachment):
            who = f"{attachment.session.operator.name} from {attachment.session.address}"
            yield attachment.console, MarkerKind.ATTACHED, who
        case events.Detached(attachment):
            yield attachment.console, MarkerKind.LEFT, attachment.session.operator.name
        case events.PenTaken(attachment, former):
            from_whom = f", taken from {former}" if former else ""
            yield (
                attachment.console,
                MarkerKind.PEN,
                f"{attachment.session.operator.name} types{from_whom}",
            )
        case events.PenLaid(console):
            yield console, MarkerKind.PEN, "nobody types"
        case events.Broke(console, operator):
            yield console, MarkerKind.BREAK, f"by {operator or 'the VM'}"

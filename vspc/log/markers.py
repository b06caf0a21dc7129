"""What happens on consoles, as markers of their logs."""

from collections.abc import Iterator

from vspc.console import happenings
from vspc.console.console import Console
from vspc.console.happenings import Happening
from vspc.console.past import Kind
from vspc.text import safe


def markers(happening: Happening) -> Iterator[tuple[Console, Kind, str]]:
    """The markers of a happening, each with whose log it belongs to; one safe line."""
    match happening:
        case happenings.Connected(console):
            yield console, Kind.CONNECTED, f"{console.title} at {console.last_address}"
        case happenings.Replaced(console, old, new, why):
            yield console, Kind.CONNECTED, f"{console.title} at {new}, was {old} ({why})"
        case happenings.Moved(console, source, target, seconds):
            text = f"{console.title} moved from {source} to {target} in {seconds:.1f} s"
            yield console, Kind.MOVED, text
        case happenings.WentAway(console, reason, unsent):
            if unsent:
                yield console, Kind.DROPPED, f"{unsent} bytes were not sent"
            yield console, Kind.AWAY, reason
        case happenings.Renamed(console, old):
            yield console, Kind.RENAMED, f"{safe(old)} is {console.title}"
        case happenings.Attached(attachment):
            who = f"{attachment.operator.name} from {attachment.address}"
            yield attachment.console, Kind.ATTACHED, who
        case happenings.Detached(attachment):
            yield attachment.console, Kind.LEFT, attachment.operator.name
        case happenings.PenTaken(attachment, former):
            from_whom = f", taken from {former}" if former else ""
            yield attachment.console, Kind.PEN, f"{attachment.operator.name} types{from_whom}"
        case happenings.PenLaid(console):
            yield console, Kind.PEN, "nobody types"
        case happenings.Broke(console, operator):
            yield console, Kind.BREAK, f"by {operator or 'the VM'}"

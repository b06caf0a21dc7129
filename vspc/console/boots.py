"""Boots of a VM, from the markers of its console's log."""

from collections.abc import Sequence

from attrs import frozen

from vspc.common.text import safe
from vspc.console.logs import LogView, Marker, MarkerKind

SAME = 600.0
"""Seconds within which a later stage belongs to the boot that began before it."""

NEAR = 4096
"""Bytes after the line of a VM that reconnected within which a boot began with that line."""

SOON = 60.0
"""Seconds after the line of a VM whose connection was lost within which the same is so: some hosts
close no connection in order when a VM is switched off."""

NEW_LINE = "new line"

RESTARTED = "after a restart of the server"
LOST = "after its connection was lost"
"""How the marker of a new line ends whose VM has been on all the time, as far as is known."""

LINE = 120
"""Characters of a line that are shown."""


@frozen
class Boot:
    """One boot: where it begins, when, and what was seen of it, in order."""

    offset: int
    at: float
    signs: tuple[str, ...]


def text(stage: int, line: bytes) -> str:
    """What the marker says of a line with which the stage number `stage` of a boot begins."""
    return f"stage {stage}: {safe(line, LINE)}"


def _read(marker: Marker) -> tuple[int, str]:
    """Stage and sign."""
    word, _, sign = marker.text.partition(": ")
    number = word.removeprefix("stage ")
    return (int(number) if number.isdecimal() else 1), sign


def boots(kept: LogView) -> list[Boot]:
    """The boots that are kept, oldest first."""
    return gather(
        kept.markers((MarkerKind.CONNECTED, MarkerKind.RECONNECTED, MarkerKind.BOOT)), kept.booted
    )


def gather(markers: Sequence[Marker], booted: bool = False) -> list[Boot]:
    """Boots from markers of new lines and of what looks like the beginning of a boot.

    A new line, then firmware, then a kernel are one boot; a stage that is not behind the one
    before it begins the next boot. A new line alone is a boot only of a VM that never shows what
    its boots look like: one that does (`booted`: it did before what is kept) has reconnected.
    """
    shows = booted or any(marker.kind is MarkerKind.BOOT for marker in markers)
    found: list[Boot] = []
    reached = 0
    line: Marker | None = None  # the last one, with which the next boot may have begun
    for marker in markers:
        if marker.kind is not MarkerKind.BOOT:
            line = marker
            if marker.kind is MarkerKind.CONNECTED and not shows:
                found.append(Boot(marker.offset, marker.at, (NEW_LINE,)))
            continue
        stage, sign = _read(marker)
        last = found[-1] if found else None
        if line is not None and _is_of(marker, line):
            found.append(Boot(line.offset, line.at, (NEW_LINE, sign)))
        elif last is not None and stage > reached and 0 <= marker.at - last.at < SAME:
            found[-1] = Boot(last.offset, last.at, (*last.signs, sign))
        else:
            found.append(Boot(marker.offset, marker.at, (sign,)))
        reached, line = stage, None
    return found


def _is_of(boot: Marker, line: Marker) -> bool:
    """Whether the VM was switched on when it got that line.

    If not, what it said between the two, a prompt perhaps, was said before that boot.
    """
    if line.text.endswith(RESTARTED):
        return False
    if not 0 <= boot.at - line.at < (SOON if line.text.endswith(LOST) else SAME):
        return False
    return line.kind is MarkerKind.CONNECTED or boot.offset - line.offset <= NEAR

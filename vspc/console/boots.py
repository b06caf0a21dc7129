"""Boots of a VM, from the markers of its console's log."""

from collections.abc import Sequence

from attrs import frozen

from vspc.console.past import Kept, Kind, Marker
from vspc.text import safe

SAME = 600.0
"""Seconds within which a later stage belongs to the boot that began before it."""

NEW_LINE = "new line"

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
    """Stage and sign; a new line is stage 0."""
    if marker.kind is Kind.CONNECTED:
        return 0, NEW_LINE
    word, _, sign = marker.text.partition(": ")
    number = word.removeprefix("stage ")
    return (int(number) if number.isdecimal() else 1), sign


def boots(kept: Kept) -> list[Boot]:
    """The boots that are kept, oldest first."""
    return gather(kept.markers((Kind.CONNECTED, Kind.BOOT)))


def gather(markers: Sequence[Marker]) -> list[Boot]:
    """Boots from markers of new lines and of what looks like the beginning of a boot.

    A new line, then firmware, then a kernel are one boot; a stage that is not behind the one
    before it begins the next boot.
    """
    found: list[Boot] = []
    reached = 0
    for marker in markers:
        stage, sign = _read(marker)
        last = found[-1] if found else None
        if last is not None and stage > reached and 0 <= marker.at - last.at < SAME:
            found[-1] = Boot(last.offset, last.at, (*last.signs, sign))
        else:
            found.append(Boot(marker.offset, marker.at, (sign,)))
        reached = stage
    return found

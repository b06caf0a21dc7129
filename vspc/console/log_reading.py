"""What a log holds, read from it: lines, each with the offset and the time of its first byte, and
the boots of the VM, from markers.
"""

import re
from collections.abc import Iterator, Sequence

from attrs import define, field, frozen

from vspc.common.text import safe
from vspc.console.logs import LogView, Marker, MarkerKind, Output

LONGEST = 16 * 1024
"""Bytes after which an unfinished line is given out as if it had ended."""

_LF = re.compile(rb"\n")
_ENDS = re.compile(rb"[\r\n]+")


@frozen
class OutputLine:
    """One line without its line end. `offset` and `at` are of its first byte, `end` of what
    follows. `whole` is False for one that goes on: it was too long, or nothing came for it yet.
    """

    offset: int
    at: float
    text: bytes
    end: int
    whole: bool = True


@define(eq=False)
class OutputLines:
    """Puts pieces together; LF ends a line, and CRs before it are no part of it. With `returns` a
    CR alone ends one, too, as progress bars have it; CRs in front of a line are no part of it then.
    """

    returns: bool = False
    _held: bytearray = field(factory=bytearray, init=False)
    _offset: int = field(default=0, init=False)
    _at: float = field(default=0.0, init=False)

    def feed(self, output: Output) -> Iterator[OutputLine]:
        """The lines that `output` completes. What does not join what came before ends that."""
        if self._held and output.offset != self._offset + len(self._held):
            yield from self.flush()
        before = len(self._held)
        if not before:
            self._offset, self._at = output.offset, output.at
        self._held += output.data
        # Nothing but CRs: they may be an end, or a part of one, when something else has come.
        if not self.returns or output.data.strip(b"\r"):
            yield from self._ended(before, output.at)
        if len(self._held) >= LONGEST:
            yield from self.flush()

    def _ended(self, before: int, at: float) -> Iterator[OutputLine]:
        """Lines that end in what is held, of which all behind `before` arrived `at`."""
        searched = len(self._held[:before].rstrip(b"\r")) if self.returns else before
        start = 0
        for end in self._ends(searched):
            yield self._line(start, end, self._at if start < before else at)
            start = end
        if start:
            del self._held[:start]
            self._offset, self._at = self._offset + start, at

    def _ends(self, searched: int) -> list[int]:
        """Where lines end behind `searched`, as it is held."""
        held = self._held
        crs = held.count(b"\r", searched) if self.returns else 0
        if crs == 0 or crs == held.count(b"\r\n", searched):
            return [match.end() for match in _LF.finditer(held, searched)]
        ends = list[int]()
        for match in _ENDS.finditer(held, searched):
            begin, stop = match.span()
            line_feeds = [begin + m.end() for m in _LF.finditer(match[0])]
            # CRs in front of a line move nowhere: they end none. An LF may follow the last byte.
            if not line_feeds and (ends[-1] if ends else 0) < begin and stop < len(held):
                line_feeds = [stop]
            ends += line_feeds
        return ends

    def flush(self) -> Iterator[OutputLine]:
        """What is there of an unfinished line."""
        line = self.unfinished
        self._held.clear()
        if line is not None:
            yield line

    @property
    def unfinished(self) -> OutputLine | None:
        """What there is of a line that has not ended. It stays."""
        if not self._held:
            return None
        ended = self.returns and self._held.endswith(b"\r")
        line = self._line(0, len(self._held), self._at, ended)
        return None if self.returns and not line.text else line

    @property
    def pending(self) -> int:
        """Bytes of an unfinished line."""
        return len(self._held)

    def _line(self, start: int, end: int, at: float, whole: bool = True) -> OutputLine:
        text = bytes(self._held[start:end])
        if whole:
            text = text.rstrip(b"\r\n")
        if self.returns:
            text = text.lstrip(b"\r")
        return OutputLine(self._offset + start, at, text, self._offset + end, whole)


PIECE = 64 * 1024
"""Bytes that are read at once."""


def line_start(view: LogView, offset: int, first: int) -> int:
    """Where the line begins that goes on at `offset`, at most `LONGEST` back, and not before
    `first`; `offset` itself if a line begins there.
    """
    lines = OutputLines(returns=True)
    # With the byte there: whether a CR before it was the end is not known without.
    for output in _outputs(view, max(first, offset - LONGEST), offset + 1):
        for _ in lines.feed(output):
            pass
    held = lines.unfinished
    return offset if held is None else min(offset, held.offset)


def last_lines(view: LogView, wanted: int, limit: int) -> int:
    """The offset at which the last `wanted` lines begin, at most `limit` bytes back."""
    # Lines that a CR alone ends are parts of these.
    start = view.last_lines(wanted, limit)
    count = sum(1 for _ in _beginnings(view, start))
    if count <= wanted:
        return start
    for number, offset in enumerate(_beginnings(view, start)):
        if number == count - wanted:
            return offset
    return view.end


def _beginnings(view: LogView, start: int) -> Iterator[int]:
    """Where lines begin from `start` to the end, `start` included."""
    lines, whole = OutputLines(returns=True), True
    for output in _outputs(view, start, view.end):
        for line in lines.feed(output):
            if whole:
                yield line.offset
            whole = line.whole  # what is too long comes in pieces
    if whole and lines.unfinished is not None:
        yield lines.unfinished.offset


def _outputs(view: LogView, start: int, end: int) -> Iterator[Output]:
    """The output between `start` and `end`."""
    at = start
    while at < end and not view.cancelled:
        page = view.read(at, PIECE, end)
        yield from (item for item in page.items if isinstance(item, Output))
        if page.next <= at:
            return
        at = page.next


SAME_BOOT = 600.0
"""Seconds within which a later stage is part of the boot that began before it."""

BOOT_NEAR = 4096
"""Bytes after the line of a VM that reconnected within which a boot began with that line."""

BOOT_SOON = 60.0
"""Seconds after the line of a VM whose connection was lost within which the same is so: some hosts
close no connection in order when a VM is switched off."""

NEW_LINE = "new line"

RESTARTED = "after a restart of the server"
LOST = "after its connection was lost"
"""How the marker of a new line ends whose VM has been on all the time, as far as is known."""

SIGN_LIMIT = 120
"""Characters of a line that are shown."""


@frozen
class Boot:
    """One boot: where it begins, when, and what was seen of it, in order."""

    offset: int
    at: float
    signs: tuple[str, ...]


def boot_text(stage: int, line: bytes) -> str:
    """The text of the marker for a line with which the stage number `stage` of a boot begins."""
    return f"stage {stage}: {safe(line, SIGN_LIMIT)}"


def _read(marker: Marker) -> tuple[int, str]:
    """Stage and sign."""
    word, _, sign = marker.text.partition(": ")
    number = word.removeprefix("stage ")
    return (int(number) if number.isdecimal() else 1), sign


def boots(view: LogView) -> list[Boot]:
    """The boots that are kept, oldest first."""
    return gather_boots(
        view.markers((MarkerKind.CONNECTED, MarkerKind.RECONNECTED, MarkerKind.BOOT)), view.booted
    )


def gather_boots(markers: Sequence[Marker], booted: bool = False) -> list[Boot]:
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
        elif last is not None and stage > reached and 0 <= marker.at - last.at < SAME_BOOT:
            found[-1] = Boot(last.offset, last.at, (*last.signs, sign))
        else:
            found.append(Boot(marker.offset, marker.at, (sign,)))
        reached, line = stage, None
    return found


def _is_of(boot: Marker, line: Marker) -> bool:
    """Whether the VM was switched on when it got that line.

    If not, its output between the two, a prompt perhaps, is from before that boot.
    """
    if line.text.endswith(RESTARTED):
        return False
    if not 0 <= boot.at - line.at < (BOOT_SOON if line.text.endswith(LOST) else SAME_BOOT):
        return False
    return line.kind is MarkerKind.CONNECTED or boot.offset - line.offset <= BOOT_NEAR

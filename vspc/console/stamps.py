"""Where in a VM's output a stamp may stand: in front of the first character of a line. Pure.

Any chunking of the same output gives the same places, which are never within a sequence. Nothing is
stamped where a program moves the cursor about: not on a line that begins with a movement, and not
on those that follow a placed cursor, a screenful of them.
"""

import re
from datetime import datetime

from attrs import define, field

from vspc.console.control_sequences import CSI_LIMIT, HELD_LIMIT

# What may stand in front of a line's first character: colours, modes, erasures, titles; not longer
# than what is held of one that comes in pieces, and not beyond the line.
_BEFORE = re.compile(
    rb"(?:[\x00\x07\r\x0e\x0f]"
    rb"|\x1b\[[0-9;:?]{0,%d}[mhlKJ]"
    rb"|\x1b\][^\x07\n\x18\x1a\x1b]{0,%d}(?:\x07|\x1b\\)"
    rb"|\x1b[()][0-~]|\x1b[=>])+" % (CSI_LIMIT, HELD_LIMIT - 3)
)
_CUT = re.compile(rb"\x1b(?:\[[ -?]*|\][^\x07\n\x18\x1a\x1b]*\x1b?|[()])?\Z")
_LINES = re.compile(rb"(?P<end>\n)|\x1b\[(?:[0-9;]*[Hfr]|[0-9]+d)")


@define(eq=False)
class LineStamper:
    """Finds the places. `rows` are those of the terminal; `is_start`: a line begins now."""

    rows: int = 24
    _is_start: bool = True  # nothing of the line was shown yet
    _quiet: int = field(default=0, init=False)  # lines that get no stamp
    _held: bytes = field(default=b"", init=False)  # the beginning of a sequence

    def feed(self, data: bytes) -> list[int]:
        """The places in `data`: each in front of the byte there."""
        had = len(self._held)
        data, self._held = self._held + data, b""
        places, at = list[int](), 0
        while at < len(data):
            if self._is_start:
                before = _BEFORE.match(data, at)
                at = at if before is None else before.end()
                cut = _CUT.match(data, at)
                if at == len(data) or (cut is not None and len(data) - at <= HELD_LIMIT):
                    self._held = data[at:]
                    return places
                if data[at] >= 0x20 and not self._quiet:
                    places.append(max(0, at - had))
                self._is_start = data[at : at + 1] == b"\n"
            at = self._to_next_line(data, at)
        self._held = self._begun(data)
        return places

    def _to_next_line(self, data: bytes, at: int) -> int:
        """Where the line behind `at` begins, or the end."""
        for found in _LINES.finditer(data, at):
            if found["end"]:
                self._quiet = max(0, self._quiet - 1)
                self._is_start = True
                return found.end()
            self._quiet = self.rows
            self._is_start = False
        return len(data)

    def _begun(self, data: bytes) -> bytes:
        """A sequence that has begun, within a line or not."""
        last = data.rfind(b"\x1b", max(0, len(data) - HELD_LIMIT))
        return data[last:] if last >= 0 and _CUT.match(data, last) else b""


def stamp(at: datetime, now: datetime) -> str:
    """The time of a line: with its date, if that is not the one of `now`."""
    time = at.strftime("%H:%M:%S ")
    return time if at.date() == now.date() else at.strftime("%Y-%m-%d ") + time

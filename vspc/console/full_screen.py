"""Whether a VM's output is that of a program which uses the whole screen, and what that shows to
somebody who joins late. Pure, and bounded by `OUTPUT` and by the emulation's limits.
"""

import re
from collections import deque

from attrs import frozen

from vspc.console.control_sequences import whole_length
from vspc.console.emulated_screen import MOST_COLUMNS, MOST_ROWS, EmulatedScreen, TooMuchWork
from vspc.console.emulation import emulate
from vspc.console.modes import TerminalModes
from vspc.console.screen_image import ScreenImage

OUTPUT = 64 * 1024
"""Bytes of output, the last ones, that are looked at."""

PAINTED = 512 * 1024
"""Bytes that are painted: each cell of a large screen may have colours of its own."""

COLUMNS, ROWS = 80, 24
"""The smallest screen of a VM: what a serial line has unless somebody tells it otherwise."""

CUT = 256
"""Bytes of the beginning in which a whole sequence or line has to begin, else all is taken."""

# Where a program puts the cursor: row and column, home, a row, margins. Home in front of an
# erasure is `clear`, unless the cursor is hidden. Rows from 200 on are questions for the size of
# the terminal.
_HOME = re.compile(rb"\x1b\[(?:1?;1?)?H")
_HIDDEN = b"\x1b[?25l"
_ADDRESS = re.compile(
    rb"\x1b\[(?:"
    rb"(?P<row>[01]?[0-9]{0,2})(?:;(?P<column>[0-9]{0,3}))?[Hf](?!\x1b\[[023]?J)"
    rb"|(?P<line>[01]?[0-9]{1,2})d"
    rb"|[0-9]{1,2};(?P<bottom>[01]?[0-9]{1,2})r"
    rb")"
)
_LEFT = re.compile(rb"(?:\x1b[=>]|\x1b\[[?0-9;]*[A-Za-z])*[\r\n]")
"""What a program that leaves the screen sends behind its last row: no text."""

_ALTERNATE_ON = re.compile(rb"\x1b\[\?[0-9;]*(?:47|1047|1049)h")


@frozen
class Size:
    """Of a VM's terminal."""

    columns: int
    rows: int


@frozen
class Snapshot:
    """What shows the screen of now, and how many bytes at the end of the output are not in it: the
    beginning of a sequence or of a character.
    """

    image: ScreenImage
    modes: bytes
    left_over: int

    def paint(self, columns: int, rows: int) -> bytes:
        """For a terminal of that size on which no mode is set."""
        return self.image.paint(columns, rows) + self.modes


@frozen
class Painted:
    """A snapshot for one terminal, and the modes that it has behind it."""

    data: bytes
    modes: TerminalModes
    left_over: int


def painted(output: bytes, is_cut: bool, size: Size | None, window: Size) -> Painted | None:
    """What shows the screen after `output` on a terminal of the size `window`; None as `snapshot`,
    and where it would be more than `PAINTED` bytes.
    """
    found = snapshot(output, is_cut, size)
    data = b"" if found is None else found.paint(window.columns, window.rows)
    if found is None or len(data) > PAINTED:
        return None
    modes = TerminalModes()
    modes.feed(data)
    return Painted(data, modes, found.left_over)


def may_be_full_screen(output: bytes) -> bool:
    """Whether `snapshot` is worth its time: a quick look."""
    is_hidden = _HIDDEN in output and _HOME.search(output)
    return bool(_ADDRESS.search(output) or _ALTERNATE_ON.search(output) or is_hidden)


def snapshot(output: bytes, is_cut: bool = False, size: Size | None = None) -> Snapshot | None:
    """The screen after `output`, of which the last `OUTPUT` bytes count. `is_cut`: there was more
    in front of it. `size` is the VM's terminal, if that is known.

    None: nothing uses the screen, or it would be too much work.
    """
    if len(output) > OUTPUT:
        output, is_cut = output[-OUTPUT:], True
    if is_cut:
        output = _from_a_beginning(output)
    whole = output[: whole_length(output)]
    modes = TerminalModes()
    modes.feed(whole)
    size = size or addressed_size(whole)
    is_hidden = _HIDDEN in modes.set_up and _has_homed(whole, size.rows)
    if not (modes.is_alternate or is_hidden or _is_addressed(whole, size.rows)):
        return None
    screen = EmulatedScreen(size.columns, size.rows)
    try:
        emulate(screen, whole)
    except TooMuchWork:
        return None
    return Snapshot(screen.image, modes.set_up, len(output) - len(whole))


def _from_a_beginning(output: bytes) -> bytes:
    found = re.compile(rb"\x1b|\n").search(output, 0, CUT)
    return output if found is None else output[found.start() :]


def _is_addressed(output: bytes, rows: int) -> bool:
    """Whether the cursor was placed, and less than a screenful of lines has followed."""
    last = next(iter(deque(_ADDRESS.finditer(output), maxlen=1)), None)
    if last is None or output.count(b"\n", last.end()) >= rows:
        return False
    row = last["row"] or last["line"] or b"0"
    return int(row) < rows or not _LEFT.match(output, last.end())


def _has_homed(output: bytes, rows: int) -> bool:
    """Whether the cursor was in the first row, and less than a screenful of lines has followed."""
    last = next(iter(deque(_HOME.finditer(output), maxlen=1)), None)
    return last is not None and output.count(b"\n", last.end()) < rows


def addressed_size(output: bytes) -> Size:
    """The size that a program takes the terminal for: at least 80x24, more where it goes there."""
    columns, rows = COLUMNS, ROWS
    for found in _ADDRESS.finditer(output):
        columns = max(columns, int(found["column"] or 0))
        rows = max(rows, int(found["row"] or found["line"] or found["bottom"] or 0))
    return Size(min(columns, MOST_COLUMNS), min(rows, MOST_ROWS))

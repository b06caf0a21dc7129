"""The two views of the chooser: for a terminal with a cursor, keys to the choice and frames to the
channel; for one that can only print, a numbered list and a prompt.
"""

from collections.abc import Callable, Sequence

from vspc.apps.chooser.frame import (
    NAME_COLUMNS,
    ChooserFrame,
    ListWidths,
    lay_out,
    measure,
    row_text,
)
from vspc.apps.chooser.model import (
    FILTER_LIMIT,
    Choice,
    Left,
    Outcome,
    Row,
    Visit,
    matching,
)
from vspc.apps.keyboard import Key, Pressed
from vspc.common.columns import cells, clip, pad, shorten
from vspc.console.ports import Channel, Terminal

# The alternate screen, cursor hidden, no wrapping (a character may be wider than we think), and
# pastes marked, so that the line end in one attaches to nothing.
_OPEN = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h\x1b[m\x1b[H\x1b[2J"
_CLEAR = b"\x1b[m\x1b[2J"
# Cleared first: a terminal without an alternate screen has only this one.
_CLOSE = b"\x1b[m\x1b[H\x1b[2J\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l"


class Painter:
    """Brings frames to a terminal, only the lines that differ, and only as there is room."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._shown: dict[int, bytes] = {}
        self._prefix = _OPEN
        self.is_open = False

    def forget(self) -> None:
        """The terminal no longer shows what it did."""
        self._shown.clear()
        self._prefix = _CLEAR if self.is_open else _OPEN

    def paint(self, frame: Sequence[bytes]) -> None:
        """Write what differs. Out of room, the rest stays for the paint after `drained`."""
        while changed := [i for i, line in enumerate(frame) if self._shown.get(i) != line]:
            room = self._channel.room()
            if room <= 0:
                return
            self._channel.write(self._piece(frame, changed, room))

    def _piece(self, frame: Sequence[bytes], changed: Sequence[int], room: int) -> bytes:
        """Whole lines within `room`, and at least one of anything."""
        piece, self._prefix = self._prefix, b""
        self.is_open = True
        for i in changed:
            if piece and len(piece) + len(frame[i]) > room:
                break
            piece += frame[i]
            self._shown[i] = frame[i]
        return piece

    def close(self) -> bool:
        """Give the terminal back as it was; whether anything was to be done."""
        was_open, self.is_open = self.is_open, False
        if was_open:
            self._channel.write(_CLOSE)
        return was_open


class ScreenView:
    """A list to move in and a filter to type, on the whole of a terminal.

    Only `paint` and `close` write.
    """

    def __init__(
        self, channel: Channel, title: str, remark: str = "", visit: Visit | None = None
    ) -> None:
        """`remark` is shown until Enter: keys that were meant for a console select nothing."""
        self._channel = channel
        self._title = title
        self._remark = remark
        self._choice = Choice.after(visit)
        self._widths: ListWidths = measure(())
        self._help = False
        self._painter = Painter(channel)

    def replace(self, rows: Sequence[Row]) -> None:
        """The list has changed."""
        self._choice.replace(rows)
        self._widths = measure(self._choice.entries)

    def press(self, key: Pressed) -> Outcome:
        """What `key` decides."""
        if key in (Key.CTRL_C, Key.CTRL_D):
            return Left.LEFT
        if self._help:
            self._help = False
            return None
        if key is Key.ENTER and self._remark:
            self._remark = ""
            self._choice.begin_again()
            return None
        if key is Key.ENTER:
            return self._take()
        if key is Key.ESCAPE and not self._choice.text:
            return Left.LEFT
        self._turn(key)
        return None

    def _take(self) -> Outcome:
        # Typed before anything was shown: only what is alone, or was chosen, can have been meant.
        unseen = not self._painter.is_open and len(self._choice.shown) > 1
        return None if unseen and not self._choice.is_deliberate else self._choice.take()

    @property
    def filter(self) -> str:
        """What was typed to find a console."""
        return self._choice.text

    def _turn(self, key: Pressed) -> None:
        """Keys that change the view."""
        if key is Key.CTRL_L:
            self._painter.forget()
        elif key == "?" and not self._choice.text:
            self._help = True
        elif isinstance(key, str):
            self._choice.type(key)
        elif key in _KEYS:
            _KEYS[key](self._choice)

    def paint(self) -> None:
        """Show the present state, as far as the channel has room."""
        terminal = self._channel.terminal or Terminal("", 80, 24)
        frame = ChooserFrame(
            self._choice,
            self._widths,
            terminal.columns,
            terminal.rows,
            self._title,
            self._help,
            self._remark,
        )
        self._painter.paint(frame.encoded())

    def resized(self) -> None:
        """The terminal's size has changed: what it shows now is unknown."""
        self._painter.forget()

    def close(self) -> bool:
        """Give the terminal back; whether anything was written."""
        return self._painter.close()


_KEYS: dict[Key, Callable[[Choice], None]] = {
    Key.UP: lambda choice: choice.move(-1),
    Key.CTRL_P: lambda choice: choice.move(-1),
    Key.DOWN: lambda choice: choice.move(1),
    Key.CTRL_N: lambda choice: choice.move(1),
    Key.TAB: lambda choice: choice.move(1),
    Key.PAGE_UP: lambda choice: choice.page(-1),
    Key.PAGE_DOWN: lambda choice: choice.page(1),
    Key.HOME: Choice.first,
    Key.END: Choice.last,
    Key.BACKSPACE: Choice.erase,
    Key.DELETE: Choice.erase,  # what some terminals send for Backspace
    Key.CTRL_W: Choice.erase_word,
    Key.CTRL_U: Choice.clear,
    Key.ESCAPE: Choice.clear,
}


LIST_LIMIT = 100
"""Consoles that one list has; the others are found by a part of their name."""

OUTPUT_LIMIT = 16 * 1024
"""Characters kept for a terminal that takes nothing; over it the list is begun again."""

_PROMPT = "number or name"
_COLUMNS = 100  # of a list, so that it stays within the limit
_ERASED = "\b \b"
_NO_CONSOLES = "no consoles yet; they are listed here when they appear. Ctrl-D leaves"


class PlainView:
    """As `ScreenView`: a numbered list, `number or name: `, and what is typed after it.

    A number is that of the last list. A name is the name or handle itself, else words of which
    all must match; several matches are listed. Enter alone, or `?`, lists them all; after a visit
    Enter alone goes to the same console. Ctrl-C, Ctrl-D and Escape leave.
    """

    filter = ""
    """There is none that would be kept."""

    def __init__(
        self, channel: Channel, title: str, remark: str = "", visit: Visit | None = None
    ) -> None:
        """With a `remark` the first line typed is dropped: it was meant for a console."""
        self._channel = channel
        self._title = title
        self._remark = remark
        self._visited = None if visit is None else visit.row
        self._entries: Sequence[Row] = ()
        self._listed: Sequence[Row] | None = None
        self._line = ""
        self._output = ""

    def replace(self, rows: Sequence[Row]) -> None:
        before, self._entries = self._listed, rows
        if before is None or (not before and self._entries):
            self._list(self._entries, *filter(None, (self._title, self._remark)))

    def press(self, key: Pressed) -> Outcome:
        match key:
            case Key.CTRL_C | Key.CTRL_D | Key.ESCAPE:
                return Left.LEFT
            case Key.ENTER:
                return self._enter()
            case Key.BACKSPACE | Key.DELETE:
                self._erase(self._line[:-1])
            case Key.CTRL_U:
                self._erase("")
            case Key.CTRL_W:
                kept = self._line.rstrip()
                self._erase(kept[: kept.rfind(" ") + 1])
            case str() if len(self._line) < FILTER_LIMIT:
                self._line += key
                self._echo(key)
        return None

    def paint(self) -> None:
        if self._output and self._channel.room() > 0:
            output, self._output = self._output, ""
            self._channel.write(output.encode())

    def resized(self) -> None:
        """What is printed stays."""

    def close(self) -> bool:
        """What comes next begins on a line of its own."""
        self._channel.write((self._output + "\r\n").encode())
        return True

    def _echo(self, text: str) -> None:
        self._output += text
        if len(self._output) > OUTPUT_LIMIT:
            self._list(self._listed or ())

    def _erase(self, kept: str) -> None:
        erased, self._line = self._line[len(kept) :], kept
        self._echo(_ERASED * cells(erased))

    def _enter(self) -> Outcome:
        typed, self._line = self._line.strip(), ""
        if self._remark:
            self._remark = ""
            self._list(self._entries)
            return None
        if not typed and self._visited is not None:
            return self._still_there(self._visited)
        if not typed or typed == "?":
            self._list(self._entries)
            return None
        self._visited = None
        if typed.isdecimal() and 0 < int(typed) <= len(self._listed or ()):
            return self._numbered(int(typed))
        exact = [e for e in self._entries if e.is_named(typed.casefold())]
        found = exact or matching(self._entries, typed)
        if len(found) == 1:
            return found[0]
        self._list(found or self._entries, *([] if found else [f"no console matches {typed}"]))
        return None

    def _numbered(self, number: int) -> Outcome:
        """The console that had `number`, if it is still there."""
        assert self._listed is not None
        return self._still_there(self._listed[number - 1])

    def _still_there(self, meant: Row) -> Outcome:
        for each in self._entries:
            if each.key == meant.key:
                return each
        self._visited = None
        self._list(self._entries, f"{meant.name} is gone")
        return None

    def _list(self, entries: Sequence[Row], *remarks: str) -> None:
        self._listed = entries[:LIST_LIMIT]
        lines = ["", *remarks, *_numbered_lines(self._listed, self._width())]
        more = len(entries) - len(self._listed)
        if more:
            lines.append(f"and {more} more: type a part of the name")
        text = "\r\n".join([*lines, self._prompt() + self._line])
        if len(self._output) + len(text) > OUTPUT_LIMIT:
            self._output = ""
        self._output += text

    def _prompt(self) -> str:
        if self._visited is None or self._remark:
            return f"{_PROMPT}: "
        return f"{_PROMPT} [{shorten(self._visited.name, NAME_COLUMNS)}]: "

    def _width(self) -> int:
        terminal = self._channel.terminal
        return min(_COLUMNS, terminal.columns if terminal else _COLUMNS)


def _numbered_lines(entries: Sequence[Row], columns: int) -> list[str]:
    if not entries:
        return [_NO_CONSOLES]
    digits = len(str(len(entries)))
    wanted = measure(entries)
    layout = lay_out(wanted, max(1, columns - digits - len("  ")))
    return [
        clip(f"{pad(str(number), digits, right=True)}  {row_text(wanted, layout, each)}", columns)
        for number, each in enumerate(entries, 1)
    ]

"""The chooser of a terminal with a cursor: keys to the choice, frames to the channel."""

from collections.abc import Callable, Sequence

from vspc.apps.chooser.frame import ChooserFrame, ListWidths, measure
from vspc.apps.chooser.keyboard import Key, Pressed
from vspc.apps.chooser.model import Choice, Left, Outcome, Row, Visit
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

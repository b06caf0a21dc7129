"""The chooser of a terminal that can only print: a numbered list and a prompt."""

from collections.abc import Sequence

from vspc.apps.chooser.frame import NAME_COLUMNS, lay_out, measure, row_text
from vspc.apps.chooser.keyboard import Key, Pressed
from vspc.apps.chooser.model import (
    FILTER_LIMIT,
    ChooserEntry,
    Left,
    Outcome,
    Row,
    Visit,
    entry,
    matching,
)
from vspc.common.columns import cells, clip, pad, shorten
from vspc.console.ports import Channel

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
        self._visited = None if visit is None else entry(visit.row)
        self._entries: Sequence[ChooserEntry] = ()
        self._listed: Sequence[ChooserEntry] | None = None
        self._line = ""
        self._output = ""

    def replace(self, rows: Sequence[Row]) -> None:
        before, self._entries = self._listed, [entry(row) for row in rows]
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
        exact = [e for e in self._entries if typed.casefold() in _names(e)]
        found = exact or matching(self._entries, typed)
        if len(found) == 1:
            return found[0].row
        self._list(found or self._entries, *([] if found else [f"no console matches {typed}"]))
        return None

    def _numbered(self, number: int) -> Outcome:
        """The console that had `number`, if it is still there."""
        assert self._listed is not None
        return self._still_there(self._listed[number - 1])

    def _still_there(self, meant: ChooserEntry) -> Outcome:
        for each in self._entries:
            if each.row.key == meant.row.key:
                return each.row
        self._visited = None
        self._list(self._entries, f"{meant.name} is gone")
        return None

    def _list(self, entries: Sequence[ChooserEntry], *remarks: str) -> None:
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


def _names(each: ChooserEntry) -> tuple[str, str]:
    return each.folded, each.row.handle.casefold()


def _numbered_lines(entries: Sequence[ChooserEntry], columns: int) -> list[str]:
    if not entries:
        return [_NO_CONSOLES]
    digits = len(str(len(entries)))
    wanted = measure(entries)
    layout = lay_out(wanted, max(1, columns - digits - len("  ")))
    return [
        clip(f"{pad(str(number), digits, right=True)}  {row_text(wanted, layout, each)}", columns)
        for number, each in enumerate(entries, 1)
    ]

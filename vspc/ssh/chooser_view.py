"""A chooser's list as lines of a terminal: measuring, columns, the frame. Pure.

A frame is one encoded line for each row of the terminal, at most `FRAME_LIMIT` bytes in all: on a
terminal that is too high for that, the last rows stay empty.
"""

import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from attrs import frozen

from vspc.ssh.chooser_model import Choice, Entry
from vspc.text import safe

FRAME_LIMIT = 60_000
"""Bytes of a frame."""

NAME_COLUMNS = 24
"""Columns that a name is given, if it wants them, before another column is shown."""

_GAP = 2
_GUTTER = 2
_GUTTER_FROM = 20  # columns of a terminal that has room to mark the selected row twice
_OCTETS = 4  # of UTF-8 that a cell is allowed: more are piled accents
_BOLD, _PLAIN, _REVERSE = "1", "", "7"

_KEYS = (
    "up/down move  Enter attach  Esc clear/leave  ? help",
    "Enter attach  Esc clear/leave  ? help",
    "Enter attach  Esc leave",
    "? help",
)
_HELP = (
    "Up, Down     one console (^P, ^N)",
    "PgUp, PgDn   one page",
    "Home, End    first, last",
    "text         filter: name, address",
    "             (every word must match)",
    "Backspace    erase; ^W word, ^U all",
    "Enter        attach",
    "Esc          clear filter, or leave",
    "^C, ^D       leave      ^L redraw",
)
_BACK = "any key goes back"
_NOBODY = ("no consoles yet", "They appear here by themselves as virtual machines connect.")
_NO_MATCH = ("no console matches", "Backspace or Esc widens the filter.")


# Measuring


def cells(text: str) -> int:
    """Columns that `text` takes on a terminal: 2 for a wide character, 0 for a combining one."""
    return len(text) if text.isascii() else sum(map(_cell, text))


def _cell(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me") or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def clip(text: str, width: int) -> str:
    """`text` in at most `width` columns and four bytes for each; what is cut ends in `..`."""
    if cells(text) <= width and (text.isascii() or len(text.encode()) <= width * _OCTETS):
        return text
    mark = ".." if width > len("..") else ""
    return _start(text, width - len(mark)) + mark


def _start(text: str, width: int) -> str:
    octets = width * _OCTETS
    for i, character in enumerate(text):
        width -= _cell(character)
        octets -= len(character.encode())
        if width < 0 or octets < 0:
            return text[:i]
    return text


def pad(text: str, width: int, right: bool = False) -> str:
    """`text` in exactly `width` columns."""
    short = clip(text, width)
    blank = " " * (width - cells(short))
    return blank + short if right else short + blank


def age(seconds: float | None) -> str:
    """How long ago, in at most five characters for 27 years; "-" for never."""
    if seconds is None:
        return "-"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


# Columns


@frozen
class Column:
    """One column: what it shows of an entry, and how wide it may get."""

    heading: str
    show: Callable[[Entry], str]
    limit: int
    right: bool = False


def _name(each: Entry) -> str:
    return each.name


def _state(each: Entry) -> str:
    return safe(each.row.state)


def _writer(each: Entry) -> str:
    return "-" if each.row.writer is None else safe(each.row.writer)


def _readers(each: Entry) -> str:
    return str(each.row.readers)


def _idle(each: Entry) -> str:
    return age(each.row.idle)


def _address(each: Entry) -> str:
    return safe(each.row.address)


# The most important first: a narrow terminal drops them from the right.
_COLUMNS = (
    Column("NAME", _name, 80),
    Column("STATE", _state, 11),
    Column("WRITER", _writer, 16),
    Column("READERS", _readers, 7, right=True),
    Column("OUTPUT", _idle, 6, right=True),
    Column("ADDRESS", _address, 39),
)

Layout = Sequence[tuple[Column, int]]
"""Columns and their widths."""


@frozen
class Wishes:
    """How wide each column would like to be for all of a list, and bytes that a cell may take."""

    widths: Sequence[int]
    octets: int


def wishes(entries: Sequence[Entry]) -> Wishes:
    """Made once for each list, not for each key."""
    texts = [set() if column.right else set(map(column.show, entries)) for column in _COLUMNS]
    plain = all(text.isascii() for different in texts for text in different)
    widths = [_wish(column, different) for column, different in zip(_COLUMNS, texts, strict=True)]
    return Wishes(widths, 1 if plain else _OCTETS)


def _wish(column: Column, different: set[str]) -> int:
    if column.right:  # numbers: a list that breathes every five seconds is no pleasure
        return column.limit
    widest = max(map(cells, different), default=0)
    return max(len(column.heading), min(widest, column.limit))


def lay_out(wished: Wishes, columns: int) -> Layout:
    """As many columns as fit beside a name of `NAME_COLUMNS`."""
    name, *others = wished.widths
    left = columns - _gutter(columns)
    count = taken = 0
    for width in others:
        if min(name, NAME_COLUMNS) + taken + _GAP + width > left:
            break
        taken += _GAP + width
        count += 1
    widths = [max(0, min(name, left - taken)), *others[:count]]
    return list(zip(_COLUMNS, widths, strict=False))


def row_text(layout: Layout, each: Entry) -> str:
    """One entry in its columns."""
    return _beside(pad(column.show(each), width, column.right) for column, width in layout)


def heading_text(layout: Layout) -> str:
    """The headings of the columns."""
    return _beside(pad(column.heading, width, column.right) for column, width in layout)


def _beside(texts: Iterable[str]) -> str:
    return (" " * _GAP).join(texts).rstrip()


def _gutter(columns: int) -> int:
    return _GUTTER if columns >= _GUTTER_FROM else 0


# The frame

_LINE_OCTETS = 40  # of a line of the list, besides its cells


@frozen
class Line:
    """Text on one row of the terminal, all of it in one style (SGR)."""

    text: str = ""
    style: str = ""

    def encode(self, row: int, columns: int) -> bytes:
        """Put it on `row`, over what was there."""
        text = pad(self.text, columns) if self.style == _REVERSE else clip(self.text, columns)
        styled = f"\x1b[{self.style}m{text}\x1b[m" if self.style else text
        # After a character in the last column the cursor is still on it: erasing would take it.
        erase = "\x1b[K" if cells(text) < columns else ""
        return f"\x1b[{row};1H{styled}{erase}".encode()


@frozen
class Sight:
    """What a terminal shows: `frame` is its lines from the top."""

    choice: Choice
    wished: Wishes
    columns: int
    rows: int
    title: str
    help: bool = False

    def frame(self) -> list[bytes]:
        """Encoded; a low terminal keeps the list longest, then the filter, then the count."""
        layout = lay_out(self.wished, self.columns)
        rows = min(self.rows, self._highest(layout))
        above = [] if self.help else self._above(layout, rows)
        below = [self._footer()] if rows >= 6 else []
        height = rows - len(above) - len(below)
        body = self._body(layout, height)[:height]
        lines = [*above, *body, *[Line()] * (height - len(body)), *below]
        return [line.encode(row, self.columns) for row, line in enumerate(lines, 1)]

    def _above(self, layout: Layout, rows: int) -> list[Line]:
        header = [self._header()] if rows >= 4 else []
        narrowing = [self._filter()] if rows >= 2 else []
        headings = [self._headings(layout)] if rows >= 8 else []
        return [*header, *narrowing, *headings]

    def _highest(self, layout: Layout) -> int:
        width = sum(width + _GAP for _, width in layout)
        return FRAME_LIMIT // (width * self.wished.octets + _LINE_OCTETS)

    def _header(self) -> Line:
        count = f"{len(self.choice.shown)} of {len(self.choice.entries)}"
        left = self.columns - len(count) - _GAP
        if left < cells(self.title):
            return Line(count, _BOLD)
        return Line(pad(self.title, left) + " " * _GAP + count, _BOLD)

    def _filter(self) -> Line:
        text = self.choice.text
        if not text:
            return Line("type to filter")
        shown = f"filter: {text}_"
        while shown and cells(shown) > self.columns:
            shown = shown[1:]
        return Line(shown)

    def _headings(self, layout: Layout) -> Line:
        if not self.choice.shown:
            return Line()
        return Line(" " * _gutter(self.columns) + heading_text(layout), _BOLD)

    def _body(self, layout: Layout, height: int) -> list[Line]:
        if self.help:
            return [Line(text) for text in _HELP]
        if not self.choice.shown:
            return self._paragraphs(_NO_MATCH if self.choice.entries else _NOBODY)
        selected = self.choice.selected
        return [self._row(layout, e, e is selected) for e in self.choice.window(height)]

    def _row(self, layout: Layout, each: Entry, selected: bool) -> Line:
        mark = (">" if selected else "").ljust(_gutter(self.columns))
        return Line(mark + row_text(layout, each), _REVERSE if selected else _PLAIN)

    def _paragraphs(self, texts: Sequence[str]) -> list[Line]:
        return [Line(line) for text in texts for line in textwrap.wrap(text, self.columns)]

    def _footer(self) -> Line:
        if self.help:
            return Line(_BACK)
        if self.choice.gone is not None:
            return Line(
                f"{clip(self.choice.gone, NAME_COLUMNS)} has gone; Enter is for another now"
            )
        return Line(next((keys for keys in _KEYS if len(keys) <= self.columns), _KEYS[-1]))

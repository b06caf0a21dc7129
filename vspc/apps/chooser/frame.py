"""What a chooser shows: a list of consoles in columns, as lines of a terminal. Pure.

A frame is one encoded line for each row of the terminal, at most `FRAME_LIMIT` bytes in all: on a
terminal that is too high for that, the last rows stay empty.
"""

from collections.abc import Callable, Mapping, Sequence
from textwrap import wrap

from attrs import frozen

from vspc.apps.chooser.model import Choice, Row
from vspc.common.columns import GAP, OCTETS, cells, clip, pad, pad_name, shared_beginnings, shorten
from vspc.common.values import age_text

FRAME_LIMIT = 60_000
"""Bytes of the list in a frame; its other lines are a few thousand at most."""

_BOLD, _PLAIN, _REVERSE = "1", "", "7"

_KEYS = (
    "up/down move  Enter attach  Esc clear/leave  ? help",
    "Enter attach  Esc clear/leave  ? help",
    "Enter attach  Esc leave",
    "? help",
)
_HELP = (
    "Up, Down     one console (^P, ^N)",
    "PgUp, PgDn   a page; Home, End the ends",
    "text         filter: name, address,",
    "             state, writer; state:away",
    "             (every word must match)",
    "Backspace    erase; ^W word, ^U all",
    "Enter        attach",
    "Esc          clear filter, or leave",
    "^C, ^D       leave      ^L redraw",
)
_MORE = "  ? help"
_BACK = "any key goes back"
_GO_ON = "; Enter goes on"
_FOOTER_FROM = 6  # rows of a terminal that has a last line about keys
_NO_CONSOLES = ("no consoles yet", "Each appears here when its virtual machine connects.")
_NO_MATCH = ("no console matches", "Backspace or Esc widens the filter.")

_LINE_OCTETS = 40  # of a line of the list, besides its cells

NAME_COLUMNS = 24
"""Columns that a name may take before another column is shown."""

_GUTTER = 2
_GUTTER_FROM = 20  # columns of a terminal that has room to mark the selected row twice


@frozen
class Column:
    """One column: what it shows of an entry, and its greatest width."""

    heading: str
    show: Callable[[Row], str]
    limit: int
    right: bool = False


# The most important first: a narrow terminal drops them from the right.
_COLUMNS = (
    Column("NAME", lambda each: each.name, 80),
    Column("STATE", lambda each: each.state, 11),
    Column("WRITER", lambda each: each.writer, 16),
    Column("READERS", lambda each: str(each.readers), 7, right=True),
    Column("OUTPUT", lambda each: age_text(each.idle), 6, right=True),
    Column("ADDRESS", lambda each: each.address, 39),
)

Layout = Sequence[tuple[Column, int]]
"""Columns and their widths."""


@frozen
class ListWidths:
    """The width that each column needs for all of a list, the bytes that a cell may take, and for
    long names how many characters they share with a neighbour.
    """

    widths: Sequence[int]
    octets: int
    shared: Mapping[str, int]


def measure(entries: Sequence[Row]) -> ListWidths:
    """Measure a list. Once for each list, not for each key."""
    texts = [set() if column.right else set(map(column.show, entries)) for column in _COLUMNS]
    plain = all(text.isascii() for different in texts for text in different)
    widths = [
        _wanted_width(column, different) for column, different in zip(_COLUMNS, texts, strict=True)
    ]
    long = [each.name for each in entries if len(each.name) > NAME_COLUMNS]
    shared = dict(zip(long, shared_beginnings(long), strict=True))
    return ListWidths(widths, 1 if plain else OCTETS, shared)


def _wanted_width(column: Column, different: set[str]) -> int:
    if column.right:  # numbers change all the time, and the columns beside them must not move
        return column.limit
    widest = max(map(cells, different), default=0)
    return max(len(column.heading), min(widest, column.limit))


def lay_out(wanted: ListWidths, columns: int) -> Layout:
    """As many columns as fit beside a name of `NAME_COLUMNS`."""
    name, *others = wanted.widths
    left = columns - gutter(columns)
    count = taken = 0
    for width in others:
        if min(name, NAME_COLUMNS) + taken + GAP + width > left:
            break
        taken += GAP + width
        count += 1
    widths = [max(0, min(name, left - taken)), *others[:count]]
    return list(zip(_COLUMNS, widths, strict=False))


def row_text(wanted: ListWidths, layout: Layout, each: Row) -> str:
    """One entry in its columns."""
    (_, wide), *others = layout
    name = pad_name(each.name, wide, wanted.shared.get(each.name, 0))
    cut = [pad(column.show(each), width, column.right) for column, width in others]
    return (" " * GAP).join([name, *cut]).rstrip()


def heading_text(layout: Layout) -> str:
    """The headings of the columns."""
    return (" " * GAP).join(pad(c.heading, width, c.right) for c, width in layout).rstrip()


def gutter(columns: int) -> int:
    """Columns before the first, for the mark of the selected row."""
    return _GUTTER if columns >= _GUTTER_FROM else 0


@frozen
class ScreenLine:
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
class ChooserFrame:
    """What a terminal shows: `encoded` has its lines from the top."""

    choice: Choice
    wanted: ListWidths
    columns: int
    rows: int
    title: str
    help: bool = False
    remark: str = ""

    def encoded(self) -> list[bytes]:
        """The lines; a low terminal keeps the list longest, then the filter, then the count."""
        layout = lay_out(self.wanted, self.columns)
        rows = min(self.rows, self._highest(layout))
        above = [] if self.help else self._above(layout, rows)
        below = [self._footer(layout)] if rows >= _FOOTER_FROM else []
        height = rows - len(above) - len(below)
        body = self._body(layout, height)[:height]
        lines = [*above, *body, *[ScreenLine()] * (height - len(body)), *below]
        return [line.encode(row, self.columns) for row, line in enumerate(lines, 1)]

    def _above(self, layout: Layout, rows: int) -> list[ScreenLine]:
        header = [self._header()] if rows >= 4 else []
        narrowing = [self._filter()] if rows >= 2 else []
        headings = [self._headings(layout)] if rows >= 8 else []
        return [*header, *narrowing, *headings]

    def _highest(self, layout: Layout) -> int:
        width = sum(width + GAP for _, width in layout)
        return FRAME_LIMIT // (width * self.wanted.octets + _LINE_OCTETS)

    def _header(self) -> ScreenLine:
        count = f"{len(self.choice.shown)} of {len(self.choice.entries)}"
        left = self.columns - len(count) - GAP
        if left < cells(self.title):
            return ScreenLine(count, _BOLD)
        return ScreenLine(pad(self.title, left) + " " * GAP + count, _BOLD)

    def _filter(self) -> ScreenLine:
        text = self.choice.text
        if self.remark and self.rows < _FOOTER_FROM:
            return ScreenLine(self._remark(), _BOLD)
        if not text:
            return ScreenLine("type to filter")
        shown = f"filter: {text}_"
        while shown and cells(shown) > self.columns:
            shown = shown[1:]
        return ScreenLine(shown)

    def _headings(self, layout: Layout) -> ScreenLine:
        if not self.choice.shown:
            return ScreenLine()
        return ScreenLine(" " * gutter(self.columns) + heading_text(layout), _BOLD)

    def _body(self, layout: Layout, height: int) -> list[ScreenLine]:
        if self.help:
            return [ScreenLine(text) for text in _HELP]
        if not self.choice.shown:
            texts = _NO_MATCH if self.choice.entries else _NO_CONSOLES
            return [ScreenLine(line) for text in texts for line in wrap(text, self.columns)]
        selected = self.choice.selected
        return [self._row(layout, e, e is selected) for e in self.choice.window(height)]

    def _row(self, layout: Layout, each: Row, selected: bool) -> ScreenLine:
        mark = (">" if selected else "").ljust(gutter(self.columns))[: gutter(self.columns)]
        return ScreenLine(
            mark + row_text(self.wanted, layout, each), _REVERSE if selected else _PLAIN
        )

    def _remark(self) -> str:
        """Its end is cut, if need be: what Enter does is always shown."""
        return clip(self.remark, max(0, self.columns - len(_GO_ON))) + _GO_ON

    def _footer(self, layout: Layout) -> ScreenLine:
        if self.help:
            return ScreenLine(_BACK)
        if self.remark:
            return ScreenLine(self._remark(), _REVERSE)
        if self.choice.gone is not None:
            return ScreenLine(f"{shorten(self.choice.gone, NAME_COLUMNS)} is gone{_GO_ON}")
        selected = self.choice.selected
        if selected is not None and cells(selected.name) > layout[0][1]:
            return ScreenLine(shorten(selected.name, self.columns - len(_MORE)) + _MORE)
        return ScreenLine(next((keys for keys in _KEYS if len(keys) <= self.columns), _KEYS[-1]))

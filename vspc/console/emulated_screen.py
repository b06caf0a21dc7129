"""A screen of cells, by pyte: typed, its work counted, and like terminals where pyte is not:
one saved cursor, erasure in the background of now, rows below the margins, two screens. Pure. What
reaches pyte is text that it can show and numbers within the screen; nothing is ever answered.
"""

import unicodedata
from typing import Any

import pyte
from attrs import define, field
from wcwidth import wcwidth

from vspc.console.control_sequences import Rendition
from vspc.console.screen_image import Cell, ScreenImage

STEPS = 8_000_000
"""Cells that are erased or moved for one emulation, at most: about a second."""

WRITTEN = 16
"""Steps of a character that is written."""

MOST_COLUMNS = 300
MOST_ROWS = 100
"""The largest screen that is emulated."""

ACCENTS = 3
"""Combining characters of a cell; more are left out."""

INSERT, NEWLINE = 4, 20
"""Modes of ECMA-48."""

ORIGIN, WRAP = 6, 7
"""Private modes."""

_PLAIN = pyte.screens.Char(" ", fg="", bg="")
_HIDDEN = "\ufffd"


class TooMuchWork(Exception):
    """More than `STEPS`."""


class _Screen(pyte.Screen):
    """pyte's, with a cursor that stays outside of the margins where it is there.

    `fg` of a cell is the sequence that colours it, `bg` that of what is erased with its colours.
    """

    @property
    def default_char(self) -> pyte.screens.Char:
        """A cell without colours."""
        return _PLAIN

    def cursor_up(self, count: int | None = None) -> None:
        """By rows, to the top margin or from above it to the first row."""
        top = self.margins.top if self.margins and self.cursor.y >= self.margins.top else 0
        self.cursor.y = max(self.cursor.y - (count or 1), top)

    def cursor_down(self, count: int | None = None) -> None:
        """By rows, to the bottom margin or from below it to the last row."""
        is_within = self.margins is not None and self.cursor.y <= self.margins.bottom
        bottom = self.margins.bottom if self.margins and is_within else self.lines - 1
        self.cursor.y = min(self.cursor.y + (count or 1), bottom)


@define
class _Saved:
    """What DECSC keeps: one place, as terminals have it."""

    x: int
    y: int
    rendition: Rendition
    charset: int
    sets: tuple[str, str]
    origin: bool


@define(eq=False)
class EmulatedScreen:
    """Of so many columns and rows, at most `MOST_COLUMNS` and `MOST_ROWS`. Counts may be anything.

    All that is done to it may raise `TooMuchWork`. `steps` are left.
    """

    columns: int
    rows: int
    steps: int = STEPS
    rendition: Rendition = field(factory=Rendition, init=False)
    _screen: _Screen = field(init=False)
    _saved: _Saved | None = field(default=None, init=False)
    _main: ScreenImage | None = field(default=None, init=False)  # behind the alternate screen
    _main_buffer: dict[int, Any] = field(factory=dict, init=False)
    _last: str = field(default="", init=False)  # the character that `repeat` repeats

    def __attrs_post_init__(self) -> None:
        self.columns = min(max(2, self.columns), MOST_COLUMNS)
        self.rows = min(max(2, self.rows), MOST_ROWS)
        self._screen = _Screen(self.columns, self.rows)
        self._show_rendition()

    @property
    def image(self) -> ScreenImage:
        """What is shown now."""
        screen, cursor = self._screen, self._screen.cursor
        margins, saved = screen.margins, self._saved
        return ScreenImage(
            columns=self.columns,
            rows=tuple(self._row(y) for y in range(self.rows)),
            cursor=(cursor.x, cursor.y),
            rendition=self.rendition.on,
            margins=None if margins is None else (margins.top, margins.bottom),
            origin=self._has(ORIGIN << 5),
            inserts=self._has(INSERT),
            saved=None if saved is None else (saved.x, saved.y),
            behind=self._main,
            is_alternate=self._main is not None,
        )

    def _row(self, y: int) -> tuple[Cell, ...]:
        line: dict[int, Any] = self._screen.buffer.get(y, {})
        last = max((x for x in line if x < self.columns), default=-1)
        return tuple(
            Cell(" " if _is_half(line, x) else cell.data, cell.fg.encode())
            for x, cell in ((x, line.get(x, _PLAIN)) for x in range(last + 1))
        )

    # Text

    def write(self, text: str) -> None:
        """Show `text`; what cannot be shown becomes a U+FFFD."""
        self.spend(len(text) * (4 * self.columns if self._has(INSERT) else WRITTEN))
        if text.isascii():
            self._draw(text)
            return
        start = 0
        for at, character in enumerate(text):
            width = wcwidth(character) if _is_shown(character) else -1
            if width > 0:
                continue
            self._draw(text[start:at])
            start = at + 1
            if width == 0:
                self._combine(character)
            else:
                self._draw(_HIDDEN)
        self._draw(text[start:])

    def _draw(self, text: str) -> None:
        if text:
            self.spend(2 * self.rows * (len(text) // self.columns))
            self._screen.draw(text)
            self._last = text[-1]

    def _combine(self, character: str) -> None:
        """`character` belongs to the cell before the cursor, even where that ends its line."""
        if not unicodedata.combining(character) or not self._screen.cursor.x:
            return
        line, x = self._screen.buffer[self._screen.cursor.y], self._screen.cursor.x - 1
        if not line[x].data and x:
            x -= 1
        cell = line[x]
        if cell.data and len(cell.data) <= ACCENTS:
            line[x] = cell._replace(data=cell.data + character)

    def repeat(self, count: int) -> None:
        """Show the last character again (REP)."""
        if self._last:
            self.write(self._last * min(max(1, count), self.columns * self.rows))

    # Modes

    def switch(self, mode: int, on: bool, private: bool = False) -> None:
        """`INSERT` or `NEWLINE`, or private `ORIGIN` or `WRAP`."""
        (self._screen.set_mode if on else self._screen.reset_mode)(mode, private=private)

    def alternate(self, on: bool, saves: bool) -> None:
        """The alternate screen, which is empty at first; `saves`: with the cursor."""
        if on == (self._main is not None):
            return
        screen = self._screen
        self.spend(self.columns * self.rows)
        if on:
            if saves:
                self.save()
            self._main, self._main_buffer = self.image, dict(screen.buffer)
            screen.buffer.clear()
            return
        screen.buffer.clear()
        screen.buffer.update(self._main_buffer)
        self._main, self._main_buffer = None, {}
        if saves:
            self.restore()

    def save(self) -> None:
        """Keep the cursor and what belongs to it (DECSC)."""
        screen = self._screen
        self._saved = _Saved(
            screen.cursor.x,
            screen.cursor.y,
            self.rendition.copy(),
            screen.charset,
            (screen.g0_charset, screen.g1_charset),
            self._has(ORIGIN << 5),
        )

    def restore(self) -> None:
        """What was kept is as it was (DECRC)."""
        screen, saved = self._screen, self._saved
        if saved is None:
            self.switch(ORIGIN, False, private=True)
            self.rendition = Rendition()
        else:
            self.switch(ORIGIN, saved.origin, private=True)
            screen.charset, (screen.g0_charset, screen.g1_charset) = saved.charset, saved.sets
            screen.cursor.x, screen.cursor.y = saved.x, saved.y
            self.rendition = saved.rendition.copy()
        self._show_rendition()

    def reset(self) -> None:
        """As at first (RIS)."""
        self._screen.reset()
        self._saved, self._main, self._main_buffer = None, None, {}
        self.rendition = Rendition()
        self._show_rendition()

    def colour(self, parameters: bytes) -> None:
        """One SGR sequence."""
        self.rendition.apply(parameters)
        self._show_rendition()

    def _show_rendition(self) -> None:
        look, erased = self.rendition.on.decode(), self.rendition.background.decode()
        self._screen.cursor.attrs = _PLAIN._replace(fg=look, bg=erased)

    def charset(self, which: str, name: str) -> None:
        """G0 or G1, "(" or ")", is `name`; what pyte does not have is ASCII."""
        self._screen.define_charset(name if name in ("0", "U", "V") else "B", which)

    def shift(self, is_out: bool) -> None:
        """Use G1, or G0."""
        self._screen.charset = int(is_out)

    def margins(self, top: int, bottom: int) -> None:
        """Rows from 1 between which it scrolls; 0: all."""
        self._screen.set_margins(top or 1, bottom or self.rows)

    # The cursor

    def to(self, row: int, column: int = 0) -> None:
        """Row and column from 1; 0 is 1."""
        self._screen.cursor_position(row, column)

    def to_row(self, row: int) -> None:
        """In the same column."""
        self._screen.cursor_position(row, self._screen.cursor.x + 1)

    def to_column(self, column: int) -> None:
        """In the same row."""
        self._screen.cursor_to_column(column)

    def down(self, count: int) -> None:
        """Upwards, if `count` is below 0; not beyond a margin."""
        (self._screen.cursor_down if count > 0 else self._screen.cursor_up)(abs(count))

    def right(self, count: int) -> None:
        """To the left, if it is below 0."""
        (self._screen.cursor_forward if count > 0 else self._screen.cursor_back)(abs(count))

    def line_feed(self) -> None:
        """To the next row; in the last one all scrolls."""
        self.spend(2 * self.rows)
        self._screen.linefeed()

    def reverse_line_feed(self) -> None:
        """To the row before; in the first one all scrolls down."""
        self.spend(2 * self.rows)
        self._screen.reverse_index()

    def tab(self) -> None:
        """To the next tab stop."""
        self.spend(self.columns)
        self._screen.tab()

    def tab_back(self, count: int) -> None:
        """To one before."""
        cursor = self._screen.cursor
        for _ in range(min(max(1, count), self.columns)):
            self.spend(self.columns)
            cursor.x = max((x for x in self._screen.tabstops if x < cursor.x), default=0)

    def set_tab(self) -> None:
        """A tab stop here."""
        self._screen.set_tab_stop()

    def clear_tab(self, how: int) -> None:
        """None here, or with 3 none at all."""
        self._screen.clear_tab_stop(how)

    # Erasing and moving cells

    def erase_display(self, how: int) -> None:
        """0: from the cursor on, 1: up to it, 2 and 3: all."""
        y = self._screen.cursor.y
        first, end = {0: (y + 1, self.rows), 1: (0, y)}.get(how, (0, self.rows))
        if how <= 3:
            for each in range(first, end):
                self._blank(each, 0, self.columns)
        if how < 2:
            self.erase_line(how)

    def erase_line(self, how: int) -> None:
        """The same in this row."""
        x, y = min(self._screen.cursor.x, self.columns - 1), self._screen.cursor.y
        spans = {0: (x, self.columns), 1: (0, x + 1), 2: (0, self.columns)}
        if how in spans:
            self._blank(y, *spans[how])

    def erase_characters(self, count: int) -> None:
        """From the cursor on."""
        x = self._screen.cursor.x
        self._blank(self._screen.cursor.y, x, min(x + max(1, count), self.columns))

    def _blank(self, y: int, start: int, end: int) -> None:
        """Erased cells have the background of now, and nothing else of its colours."""
        self.spend(1 + end - start)
        erased = self._screen.cursor.attrs.bg
        if not erased and start == 0 and end == self.columns:
            self._screen.buffer.pop(y, None)
            return
        line, blank = self._screen.buffer[y], _PLAIN._replace(fg=erased)
        for x in range(start, end):
            if erased:
                line[x] = blank
            else:
                line.pop(x, None)

    def fill(self) -> None:
        """All of it with E (DECALN)."""
        self.spend(self.columns * self.rows)
        letter = _PLAIN._replace(data="E")
        for y in range(self.rows):
            self._screen.buffer[y].update(dict.fromkeys(range(self.columns), letter))

    def insert_lines(self, count: int) -> None:
        """Above the cursor."""
        self.spend(4 * self.rows)
        self._screen.insert_lines(min(max(1, count), self.rows))

    def delete_lines(self, count: int) -> None:
        """From that of the cursor on."""
        self.spend(4 * self.rows)
        self._screen.delete_lines(min(max(1, count), self.rows))

    def insert_characters(self, count: int) -> None:
        """In front of the cursor."""
        x, y = self._screen.cursor.x, self._screen.cursor.y
        count = min(max(1, count), self.columns)
        self.spend(4 * self.columns)
        self._screen.insert_characters(count)
        line = self._screen.buffer[y]
        for beyond in [each for each in line if each >= self.columns]:
            del line[beyond]
        self._blank(y, x, min(x + count, self.columns))

    def delete_characters(self, count: int) -> None:
        """From the cursor on."""
        count = min(max(1, count), self.columns)
        self.spend(4 * self.columns)
        self._screen.delete_characters(count)
        self._blank(self._screen.cursor.y, self.columns - count, self.columns)

    def scroll(self, count: int) -> None:
        """Up, or down if `count` is below 0; the cursor stays."""
        screen = self._screen
        top, bottom = screen.margins or (0, self.rows - 1)
        y, screen.cursor.y = screen.cursor.y, bottom if count > 0 else top
        for _ in range(min(abs(count), self.rows)):
            (self.line_feed if count > 0 else self.reverse_line_feed)()
        screen.cursor.y = y

    # Limits

    def _has(self, mode: int) -> bool:
        return mode in self._screen.mode

    def spend(self, steps: int) -> None:
        """Count work."""
        self.steps -= steps
        if self.steps < 0:
            raise TooMuchWork


def _is_half(line: dict[int, Any], x: int) -> bool:
    """Whether a cell is half of a wide character whose other half was written over."""
    data = line.get(x, _PLAIN).data
    if not data:
        return not _is_wide(line.get(x - 1, _PLAIN).data)
    return _is_wide(data) and line.get(x + 1, _PLAIN).data != ""


def _is_wide(data: str) -> bool:
    return not data.isascii() and wcwidth(data[0]) > 1


def _is_shown(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"

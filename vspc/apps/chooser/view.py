"""What a chooser shows, as lines of a terminal. Pure.

A frame is one encoded line for each row of the terminal, at most `FRAME_LIMIT` bytes in all: on a
terminal that is too high for that, the last rows stay empty.
"""

import textwrap
from collections.abc import Sequence

from attrs import frozen

from vspc.apps.chooser.columns import (
    NAME_COLUMNS,
    Layout,
    Wishes,
    gutter,
    heading_text,
    lay_out,
    row_text,
)
from vspc.apps.chooser.model import Choice, ChooserEntry
from vspc.common.columns import GAP, cells, clip, pad, shorten

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
_FOOTED = 6
"""Rows from which there is a last line about keys."""
_NOBODY = ("no consoles yet", "They appear here by themselves as virtual machines connect.")
_NO_MATCH = ("no console matches", "Backspace or Esc widens the filter.")

_LINE_OCTETS = 40  # of a line of the list, besides its cells


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
class Sight:
    """What a terminal shows: `frame` is its lines from the top."""

    choice: Choice
    wished: Wishes
    columns: int
    rows: int
    title: str
    help: bool = False
    remark: str = ""

    def frame(self) -> list[bytes]:
        """Encoded; a low terminal keeps the list longest, then the filter, then the count."""
        layout = lay_out(self.wished, self.columns)
        rows = min(self.rows, self._highest(layout))
        above = [] if self.help else self._above(layout, rows)
        below = [self._footer(layout)] if rows >= _FOOTED else []
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
        return FRAME_LIMIT // (width * self.wished.octets + _LINE_OCTETS)

    def _header(self) -> ScreenLine:
        count = f"{len(self.choice.shown)} of {len(self.choice.entries)}"
        left = self.columns - len(count) - GAP
        if left < cells(self.title):
            return ScreenLine(count, _BOLD)
        return ScreenLine(pad(self.title, left) + " " * GAP + count, _BOLD)

    def _filter(self) -> ScreenLine:
        text = self.choice.text
        if self.remark and self.rows < _FOOTED:
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
            return self._paragraphs(_NO_MATCH if self.choice.entries else _NOBODY)
        selected = self.choice.selected
        return [self._row(layout, e, e is selected) for e in self.choice.window(height)]

    def _row(self, layout: Layout, each: ChooserEntry, selected: bool) -> ScreenLine:
        mark = (">" if selected else "").ljust(gutter(self.columns))[: gutter(self.columns)]
        return ScreenLine(
            mark + row_text(self.wished, layout, each), _REVERSE if selected else _PLAIN
        )

    def _paragraphs(self, texts: Sequence[str]) -> list[ScreenLine]:
        return [ScreenLine(line) for text in texts for line in textwrap.wrap(text, self.columns)]

    def _remark(self) -> str:
        """Its end gives way: what Enter does is said in any case."""
        return clip(self.remark, max(0, self.columns - len(_GO_ON))) + _GO_ON

    def _footer(self, layout: Layout) -> ScreenLine:
        if self.help:
            return ScreenLine(_BACK)
        if self.remark:
            return ScreenLine(self._remark(), _REVERSE)
        if self.choice.gone is not None:
            return ScreenLine(
                f"{shorten(self.choice.gone, NAME_COLUMNS)} has gone; Enter is for another now"
            )
        selected = self.choice.selected
        if selected is not None and cells(selected.name) > layout[0][1]:
            return ScreenLine(shorten(selected.name, self.columns - len(_MORE)) + _MORE)
        return ScreenLine(next((keys for keys in _KEYS if len(keys) <= self.columns), _KEYS[-1]))

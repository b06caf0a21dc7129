"""What a chooser shows: a list of consoles in columns, as lines of a terminal. Pure.

A frame is one encoded line for each row of the terminal, at most `FRAME_LIMIT` bytes in all: on a
terminal that is too high for that, the last rows stay empty.
"""

from collections.abc import Container, Sequence
from textwrap import wrap

from attrs import field, frozen

from vspc.apps.chooser.columns import (
    NAME_COLUMNS,
    Layout,
    ListWidths,
    heading_text,
    lay_out,
    row_text,
    shared_names,
)
from vspc.apps.chooser.model import ALL, Choice, Order
from vspc.apps.chooser.row import Row
from vspc.common.columns import GAP, cells, clip, pad, shorten

FRAME_LIMIT = 60_000
"""Bytes of the list in a frame; its other lines are a few thousand at most."""

BESIDE = 120
"""Columns of a terminal that shows a preview beside the list."""

BELOW = 14
"""Rows of one that shows it below the list, if it is not that wide."""

_BOLD, _PLAIN, _REVERSE = "1", "", "7"

_KEYS = (
    "Enter attach  Space mark  ^V preview  left/right lists  Esc clear/leave  ? help",
    "up/down move  Enter attach  Esc clear/leave  ? help",
    "Enter attach  Esc clear/leave  ? help",
    "Enter attach  Esc leave",
    "? help",
)
_MARKED_KEYS = (
    "{}: w watch  b broadcast  u unmark all  ? help",
    "{}: w watch  b broadcast",
    "{}",
)
_TYPED_KEYS = ("{}; up or down, then w or b", "{}")
_MORE = "  ? help"
_BACK, _MORE_PAGES = "any key goes back", "any key goes on, Esc back"
_GO_ON = "; Enter goes on"
_ASKING = "Enter types it with a CR on each, Esc does not"
_FOOTER_FROM = 6  # rows of a terminal that has a last line about keys
_NO_MATCH = ("no console matches", "Backspace or Esc widens the filter.")
_NO_ENTRY = ("no consoles here", "Left and right show other lists.")

_LINE_OCTETS = 40  # of a line of the list, besides its cells

_GUTTER, _MARKS_GUTTER = 2, 4
_GUTTER_FROM = 20  # columns of a terminal that has room to mark the selected row twice

_RULE = " | "


@frozen
class ScreenLine:
    """Text on one row of the terminal, all of it in one style (SGR); where there is a `side`, in
    `width` columns, with that text in plain to the right.
    """

    text: str = ""
    style: str = ""
    side: str | None = None
    width: int = 0

    def encode(self, row: int, columns: int) -> bytes:
        """Put it on `row`, over what was there."""
        if self.side is None:
            text, side = self.text, ""
            text = pad(text, columns) if self.style == _REVERSE else clip(text, columns)
        else:
            text = pad(self.text, self.width)
            side = clip(_RULE + self.side, columns - self.width)
        styled = f"\x1b[{self.style}m{text}\x1b[m" if self.style else text
        # After a character in the last column the cursor is still on it: erasing would take it.
        erase = "\x1b[K" if cells(text) + cells(side) < columns else ""
        return f"\x1b[{row};1H{styled}{side}{erase}".encode()


@frozen
class PreviewText:
    """What the selected console said last: a title, and lines, the last one last."""

    title: str
    lines: Sequence[str] = ()


@frozen
class Pane:
    """Where a preview is: `width` columns beside the list, or `height` rows below it."""

    width: int = 0
    height: int = 0

    @classmethod
    def of(cls, columns: int, rows: int) -> "Pane | None":
        """In a window of that size; None where there is no room for one."""
        if columns >= BESIDE and rows >= _FOOTER_FROM:
            return cls(width=columns // 2 - len(_RULE), height=rows)
        return cls(height=rows // 3 + 1) if rows >= BELOW else None

    @property
    def lines(self) -> int:
        """Lines of text in it, or more."""
        return self.height - 1


@frozen
class ChooserFrame:
    """What a terminal shows: `encoded` has its lines from the top.

    `page` is text in place of the list, of which there may be more, `asked` what was typed of a
    text for the marked consoles; `why_empty` says why there is no console at all, `told` is what
    administrators are told.
    """

    choice: Choice
    wanted: ListWidths
    columns: int
    rows: int
    title: str
    now: float
    favourites: Container[object] = ()
    page: Sequence[str] | None = None
    has_more: bool = False
    remark: str = ""
    asked: str | None = None
    preview: PreviewText | None = None
    is_listing: bool = True
    why_empty: Sequence[str] = ()
    told: str = ""
    _pane: Pane | None = field(init=False)
    _gutter: int = field(init=False)

    @_pane.default
    def _place(self) -> Pane | None:
        if self.preview is None or self.page is not None:
            return None
        return Pane.of(self.columns, self.rows)

    @_gutter.default
    def _mark(self) -> int:
        if self._list_columns < _GUTTER_FROM:
            return 0
        return _MARKS_GUTTER if self.favourites or self.choice.marks else _GUTTER

    @property
    def _list_columns(self) -> int:
        beside = 0 if self._pane is None else self._pane.width
        return self.columns - beside - len(_RULE) if beside else self.columns

    def encoded(self) -> list[bytes]:
        """The lines; a low terminal keeps the list longest, then the filter, then the count."""
        layout = lay_out(self.wanted, self._list_columns - self._gutter)
        rows = min(self.rows, self._highest(layout))
        above = [] if self.page is not None else self._above(layout, rows)
        below = [self._footer(layout)] if rows >= _FOOTER_FROM else []
        height = rows - len(above) - len(below)
        lines = [*above, *self._middle(layout, height), *below]
        return [line.encode(row, self.columns) for row, line in enumerate(lines, 1)]

    def _highest(self, layout: Layout) -> int:
        width = sum(width + GAP for _, width in layout)
        side = self._pane.width if self._pane is not None else 0
        return FRAME_LIMIT // ((width + side) * self.wanted.octets + _LINE_OCTETS)

    # Above the list

    def _above(self, layout: Layout, rows: int) -> list[ScreenLine]:
        header = [self._header()] if rows >= 4 else []
        narrowing = [self._filter()] if rows >= 2 else []
        headings = [self._headings(layout)] if rows >= 8 else []
        return [*header, *narrowing, *headings]

    def _header(self) -> ScreenLine:
        count = f"{len(self.choice.shown)} of {len(self.choice.entries)}"
        left = self.columns - len(count) - GAP
        if left < cells(self.title):
            return ScreenLine(count, _BOLD)
        return ScreenLine(pad(self._about(left), left) + " " * GAP + count, _BOLD)

    def _about(self, room: int) -> str:
        """The title, the section and the order; as much of it as fits."""
        choice, parts = self.choice, [self.title]
        if choice.section != ALL:
            parts.append(f"< {choice.section} >")
        if choice.order is not Order.NAME or choice.is_reversed:
            back = ", reversed" if choice.is_reversed else ""
            parts.append(f"by {choice.order.value}{back}")
        parts += filter(None, (self.told,))
        while len(parts) > 1 and cells((" " * GAP).join(parts)) > room:
            parts.pop()
        return (" " * GAP).join(parts)

    def _filter(self) -> ScreenLine:
        if self.remark and self.rows < _FOOTER_FROM:
            return ScreenLine(self._remark(), _BOLD)
        if self.asked is not None:
            return self._typed(f"type on {_consoles(len(self.choice.marks))}: ", self.asked)
        if not self.choice.text:
            return ScreenLine("type to filter")
        return self._typed("filter: ", self.choice.text)

    def _typed(self, label: str, text: str) -> ScreenLine:
        shown = f"{label}{text}_"
        while shown and cells(shown) > self.columns:
            shown = shown[1:]
        return ScreenLine(shown)

    def _headings(self, layout: Layout) -> ScreenLine:
        if not self.choice.shown:
            return ScreenLine()
        return ScreenLine(" " * self._gutter + heading_text(layout), _BOLD)

    # The list

    def _middle(self, layout: Layout, height: int) -> list[ScreenLine]:
        """The list, or a page, and the preview beside it or below."""
        if self._pane is None or self.preview is None:
            return self._filled(self._body(layout, height), height)
        if self._pane.width:
            left = self._filled(self._body(layout, height), height)
            right = self._lines(self.preview, height)
            width = self._list_columns
            return [
                ScreenLine(line.text, line.style, side, width)
                for line, side in zip(left, right, strict=True)
            ]
        low = min(self._pane.height, height - 1)
        above = self._filled(self._body(layout, height - low), height - low)
        title, *rest = self._lines(self.preview, low)
        return [*above, ScreenLine(title, _BOLD), *(ScreenLine(text) for text in rest)]

    @staticmethod
    def _filled(lines: list[ScreenLine], height: int) -> list[ScreenLine]:
        return (lines + [ScreenLine()] * (height - len(lines)))[: max(0, height)]

    @staticmethod
    def _lines(preview: PreviewText, height: int) -> list[str]:
        """The title, and the last lines that there is room for."""
        last = list(preview.lines[-(height - 1) :]) if height > 1 else []
        return [preview.title, *last, *[""] * (height - 1 - len(last))]

    def _body(self, layout: Layout, height: int) -> list[ScreenLine]:
        if self.page is not None:
            return [ScreenLine(text) for text in self.page]
        if not self.choice.shown:
            texts = self.why_empty or (_NO_MATCH if self.choice.entries else _NO_ENTRY)
            width = max(1, self._list_columns)
            return [ScreenLine(line) for text in texts for line in wrap(text, width)]
        selected, window = self.choice.selected, self.choice.window(height)
        before, behind = self.choice.beside()
        shared = shared_names([row for row in (before, *window, behind) if row is not None])
        return [
            ScreenLine(
                self._signs(row, row is selected) + row_text(layout, row, self.now, shared),
                _REVERSE if row is selected else _PLAIN,
            )
            for row in window
        ]

    def _signs(self, row: Row, is_selected: bool) -> str:
        """What stands before a row: whether it is selected, marked, a favourite."""
        signs = ">" if is_selected else " "
        if self._gutter == _MARKS_GUTTER:
            signs += "+" if row.key in self.choice.marks else " "
            signs += "*" if row.key in self.favourites else " "
        return signs.ljust(self._gutter)[: self._gutter]

    # Below the list

    def _remark(self) -> str:
        """Its end is cut, if need be: what Enter does is always shown."""
        return clip(self.remark, max(0, self.columns - len(_GO_ON))) + _GO_ON

    def _footer(self, layout: Layout) -> ScreenLine:
        if self.page is not None:
            return ScreenLine(_MORE_PAGES if self.has_more else _BACK)
        if self.asked is not None:
            return ScreenLine(_ASKING)
        if self.remark:
            return ScreenLine(self._remark(), _REVERSE)
        if self.choice.gone is not None:
            return ScreenLine(f"{shorten(self.choice.gone, NAME_COLUMNS)} is gone{_GO_ON}")
        if self.preview is not None and self._pane is None:
            return ScreenLine("no room for a preview; ^V turns it off")
        if self.choice.marks:
            keys = _MARKED_KEYS if self.is_listing else _TYPED_KEYS
            return ScreenLine(self._fitting([k.format(self._marks()) for k in keys]))
        selected = self.choice.selected
        if selected is not None and selected.widths.name > layout[0][1]:
            return ScreenLine(shorten(selected.name, self.columns - len(_MORE)) + _MORE)
        return ScreenLine(self._fitting(_KEYS))

    def _marks(self) -> str:
        return f"{len(self.choice.marks)} marked"

    def _fitting(self, texts: Sequence[str]) -> str:
        return next((text for text in texts if len(text) <= self.columns), texts[-1])


def _consoles(count: int) -> str:
    return "1 console" if count == 1 else f"{count} consoles"

"""A screen as a value, and how it is painted on another terminal: text that is safe, colours, the
cursor, the modes that go with it. Pure.
"""

from collections.abc import Iterator

from attrs import evolve, frozen
from wcwidth import wcswidth


@frozen
class Cell:
    """One cell: a character with its accents, empty behind a wide one; how to colour it."""

    text: str
    rendition: bytes = b""


@frozen
class ScreenImage:
    """What a terminal of so many columns shows. Rows have no cells behind their last one.

    `cursor` is column and row from 0; a column of `columns` is behind the last character of a full
    row. `margins` are rows, `saved` is the cursor that DECSC has kept. `behind` is what the other
    screen shows while the alternate one is on.
    """

    columns: int
    rows: tuple[tuple[Cell, ...], ...]
    cursor: tuple[int, int] = (0, 0)
    rendition: bytes = b""
    margins: tuple[int, int] | None = None
    origin: bool = False
    inserts: bool = False
    saved: tuple[int, int] | None = None
    is_alternate: bool = False
    behind: "ScreenImage | None" = None

    @property
    def is_blank(self) -> bool:
        """Whether nothing is on it."""
        return not any(cell.text.strip() or cell.rendition for row in self.rows for cell in row)

    @property
    def text(self) -> list[str]:
        """Its rows without colours and trailing spaces."""
        return ["".join(cell.text for cell in row).rstrip() for row in self.rows]

    def paint(self, columns: int, rows: int) -> bytes:
        """What shows it on a terminal of that size, on which no mode is set: what was there scrolls
        up. Of a larger image as much is shown as fits, the row of the cursor included.
        """
        if not self.is_alternate:
            return b"".join((_scrolled(rows), *self._painted(columns, rows)))
        behind = self.behind
        before = b"" if behind is None or behind.is_blank else behind._behind(columns, rows)
        begin = b"\x1b[?1049h\x1b[m\x1b[H\x1b[2J"  # the rendition is that of what is behind
        return b"".join((before, begin, *self._painted(columns, rows)))

    def _behind(self, columns: int, rows: int) -> bytes:
        """It painted as what is behind another one: without what only its program needs."""
        return evolve(self, margins=None, origin=False, inserts=False).paint(columns, rows)

    def _painted(self, columns: int, rows: int) -> Iterator[bytes]:
        first = max(0, self.cursor[1] - rows + 1)
        for y, row in enumerate(self.rows[first : first + rows]):
            if row:
                yield b"\x1b[%d;1H" % (y + 1)
                yield from _row(row[:columns])
        if self.saved is not None:
            yield _at(self.saved[0], self.saved[1] - first) + b"\x1b7"
        top, bottom = self.margins or (0, len(self.rows) - 1)
        if not first and bottom < rows:  # else they would be about other rows
            yield b"" if self.margins is None else b"\x1b[%d;%dr" % (top + 1, bottom + 1)
            yield b"\x1b[?6h" if self.origin else b""
            first = top if self.origin else 0
        yield from self._cursor(columns, first)
        yield (b"\x1b[4h" if self.inserts else b"") + self.rendition

    def _cursor(self, columns: int, first: int) -> Iterator[bytes]:
        x, y = self.cursor
        last = self.rows[y][x - 1] if 0 < x <= len(self.rows[y]) else Cell(" ")
        if x < self.columns or columns != self.columns or not last.text:
            yield _at(min(x, columns - 1), y - first)
        else:  # the next character begins the next row: only to print here brings it about
            yield _at(x - 1, y - first) + last.rendition + last.text.encode() + b"\x1b[m"


def _at(x: int, y: int) -> bytes:
    return b"\x1b[%d;%dH" % (max(0, y) + 1, x + 1)


def _scrolled(rows: int) -> bytes:
    """What is on the screen goes where the terminal keeps what has scrolled away."""
    return b"\x1b[%d;1H" % rows + b"\n" * rows + b"\x1b[H\x1b[J"


def _row(cells: tuple[Cell, ...]) -> Iterator[bytes]:
    rendition = b""
    for x, cell in enumerate(cells):
        if cell.rendition != rendition:
            rendition = cell.rendition
            yield b"\x1b[m" + rendition
        width = 1 if cell.text.isascii() else wcswidth(cell.text)
        if width > 1 and x + 1 == len(cells):  # cut in two by the window
            yield b" "
            continue
        yield cell.text.encode()
        if width > 1 or len(cell.text) > 1:  # not every terminal finds it as wide
            yield b"\x1b[%dG" % (x + 1 + width)
    yield b"\x1b[m" if rendition else b""

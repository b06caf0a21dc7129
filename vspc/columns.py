"""Text in columns of a terminal: how wide text is, cutting and padding it, tables. Pure.

Text is safe already (`vspc.text`): no control characters, one line.
"""

import unicodedata
from collections.abc import Sequence

from attrs import frozen

GAP = 2
"""Columns between two columns of a table."""

ELLIPSIS = "…"
"""What stands in the middle of text that was cut."""

OCTETS = 4
"""Bytes of UTF-8 that a cell is allowed: more are piled accents."""


def cells(text: str) -> int:
    """Columns that `text` takes on a terminal: 2 for a wide character, 0 for a combining one."""
    return len(text) if text.isascii() else sum(map(_cell, text))


def _cell(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me") or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def fits(text: str, width: int) -> bool:
    """Whether `text` needs at most `width` columns, and four bytes for each."""
    return cells(text) <= width and (text.isascii() or len(text.encode()) <= width * OCTETS)


def clip(text: str, width: int) -> str:
    """`text` in at most `width` columns and four bytes for each; what is cut ends in `..`."""
    if fits(text, width):
        return text
    mark = ".." if width > len("..") else ""
    return _start(text, width - len(mark)) + mark


def shorten(text: str, width: int) -> str:
    """The same with the middle left out: names differ at their ends."""
    if fits(text, width):
        return text
    room = width - len(ELLIPSIS)
    if room < len(ELLIPSIS):
        return _start(text, width)
    end = _end(text, room // 2)
    return _start(text, room - cells(end)) + ELLIPSIS + end


def _start(text: str, width: int) -> str:
    octets = width * OCTETS
    for i, character in enumerate(text):
        width -= _cell(character)
        octets -= len(character.encode())
        if width < 0 or octets < 0:
            return text[:i]
    return text


def _end(text: str, width: int) -> str:
    """The last of it; an accent does not stand without the letter below it."""
    octets = width * OCTETS
    kept = len(text)
    for i in range(len(text) - 1, -1, -1):
        width -= _cell(text[i])
        octets -= len(text[i].encode())
        if width < 0 or octets < 0:
            break
        if _cell(text[i]):
            kept = i
    return text[kept:]


def pad(text: str, width: int, right: bool = False) -> str:
    """`text` in exactly `width` columns."""
    return _filled(clip(text, width), width, right)


def pad_name(text: str, width: int) -> str:
    """A name in exactly `width` columns, cut in the middle."""
    return _filled(shorten(text, width), width, right=False)


def _filled(short: str, width: int, right: bool) -> str:
    blank = " " * (width - cells(short))
    return blank + short if right else short + blank


@frozen
class Heading:
    """A column of a table: its heading; how it is aligned; whether it holds names, which are cut
    in the middle, and may be cut at all; the columns that it keeps in any case.
    """

    text: str
    right: bool = False
    names: bool = False
    least: int = 8


PADDED = 50
"""Columns to which a table without a width pads a cell: one long name does not move all rows."""


def table(
    headings: Sequence[Heading], rows: Sequence[Sequence[str]], width: int | None = None
) -> str:
    """Lines of text. With `width` columns with names give way, the widest first, until it fits;
    without, nothing is cut. The last column is not padded.
    """
    widths = [
        max([cells(heading.text), *(cells(row[i]) for row in rows)])
        for i, heading in enumerate(headings)
    ]
    if width is not None:
        _narrow(widths, headings, width)
    else:
        widths = [min(wide, PADDED) for wide in widths]
    lines = [[heading.text for heading in headings], *rows]
    return "".join(_line(headings, line, widths, width is not None) + "\n" for line in lines)


def _narrow(widths: list[int], headings: Sequence[Heading], width: int) -> None:
    """Take a column off the widest names, again and again, until all of it fits."""
    excess = sum(widths) + GAP * (len(widths) - 1) - width
    for _ in range(excess):
        wide = [i for i, h in enumerate(headings) if h.names and widths[i] > h.least]
        if not wide:
            return
        widths[max(wide, key=lambda i: widths[i])] -= 1


def _line(headings: Sequence[Heading], row: Sequence[str], widths: Sequence[int], cut: bool) -> str:
    shown = []
    for heading, cell, width in zip(headings, row, widths, strict=True):
        short = shorten(cell, width) if cut and heading.names else cell
        shown.append(_filled(short, width, heading.right))
    return (" " * GAP).join(shown).rstrip()

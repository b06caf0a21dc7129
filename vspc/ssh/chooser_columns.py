"""A list of consoles in columns: measuring text, ages, which columns a width has room for. Pure."""

import unicodedata
from collections.abc import Callable, Iterable, Sequence

from attrs import frozen

from vspc.ssh.chooser_model import Entry
from vspc.text import age, safe

NAME_COLUMNS = 24
"""Columns that a name is given, if it wants them, before another column is shown."""

GAP = 2
"""Columns between two columns."""

_GUTTER = 2
_GUTTER_FROM = 20  # columns of a terminal that has room to mark the selected row twice
_OCTETS = 4  # of UTF-8 that a cell is allowed: more are piled accents


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
    left = columns - gutter(columns)
    count = taken = 0
    for width in others:
        if min(name, NAME_COLUMNS) + taken + GAP + width > left:
            break
        taken += GAP + width
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
    return (" " * GAP).join(texts).rstrip()


def gutter(columns: int) -> int:
    """Columns before the first, for the mark of the selected row."""
    return _GUTTER if columns >= _GUTTER_FROM else 0

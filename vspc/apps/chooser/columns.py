"""A list of consoles in columns: what they show, which of them a width has room for. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import frozen

from vspc.apps.chooser.model import ChooserEntry
from vspc.common.columns import GAP, OCTETS, cells, pad, pad_name, shared_beginnings
from vspc.common.text import ensure_safe
from vspc.common.values import age_text

NAME_COLUMNS = 24
"""Columns that a name is given, if it wants them, before another column is shown."""

_GUTTER = 2
_GUTTER_FROM = 20  # columns of a terminal that has room to mark the selected row twice


# Columns


@frozen
class Column:
    """One column: what it shows of an entry, and how wide it may get."""

    heading: str
    show: Callable[[ChooserEntry], str]
    limit: int
    right: bool = False

    def text(self, shown: str, width: int) -> str:
        """`shown` in exactly `width` columns."""
        return pad(shown, width, self.right)


def _name(each: ChooserEntry) -> str:
    return each.name


def _state(each: ChooserEntry) -> str:
    return ensure_safe(each.row.state)


def _writer(each: ChooserEntry) -> str:
    return "-" if each.row.writer is None else ensure_safe(each.row.writer)


def _readers(each: ChooserEntry) -> str:
    return str(each.row.readers)


def _idle(each: ChooserEntry) -> str:
    return age_text(each.row.idle)


def _address(each: ChooserEntry) -> str:
    return ensure_safe(each.row.address)


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
    """How wide each column would like to be for all of a list, bytes that a cell may take, and with
    how many characters long names begin like others.
    """

    widths: Sequence[int]
    octets: int
    shared: Mapping[str, int]


def wishes(entries: Sequence[ChooserEntry]) -> Wishes:
    """Made once for each list, not for each key."""
    texts = [set() if column.right else set(map(column.show, entries)) for column in _COLUMNS]
    plain = all(text.isascii() for different in texts for text in different)
    widths = [_wish(column, different) for column, different in zip(_COLUMNS, texts, strict=True)]
    long = [each.name for each in entries if len(each.name) > NAME_COLUMNS]
    shared = dict(zip(long, shared_beginnings(long), strict=True))
    return Wishes(widths, 1 if plain else OCTETS, shared)


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


def row_text(wished: Wishes, layout: Layout, each: ChooserEntry) -> str:
    """One entry in its columns."""
    (_, wide), *others = layout
    name = pad_name(each.name, wide, wished.shared.get(each.name, 0))
    return _beside([name, *(column.text(column.show(each), width) for column, width in others)])


def heading_text(layout: Layout) -> str:
    """The headings of the columns."""
    return _beside(column.text(column.heading, width) for column, width in layout)


def _beside(texts: Iterable[str]) -> str:
    return (" " * GAP).join(texts).rstrip()


def gutter(columns: int) -> int:
    """Columns before the first, for the mark of the selected row."""
    return _GUTTER if columns >= _GUTTER_FROM else 0

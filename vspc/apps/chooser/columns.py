"""The columns of a list of consoles: which a width has room for, and a row as text. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter

from attrs import frozen

from vspc.apps.chooser.row import Row, RowWidths
from vspc.common.columns import GAP, OCTETS, pad, pad_name, shared_beginnings
from vspc.common.values import age_text

NAME_COLUMNS = 24
"""Columns that a name may take before another column is shown."""

WORDS_COLUMNS = 12
"""Columns that a lock or a description needs; they take more where there is room."""


@frozen(eq=False)
class Column:
    """One column: what it shows of a row at a time (seconds since 1970), and its greatest width."""

    heading: str
    show: Callable[[Row, float], str]
    limit: int
    right: bool = False


def _age(row: Row, now: float) -> str:
    last = row.output.last_output
    return age_text(None if last is None else max(0.0, now - last))


_NAME = Column("NAME", lambda row, _: row.name, 80)
_STATE = Column("STATE", lambda row, _: row.state, 11)
_WRITER = Column("WRITER", lambda row, _: row.writer, 16)
_READERS = Column("READERS", lambda row, _: str(row.readers), 7, right=True)
_OUTPUT = Column("OUTPUT", _age, 6, right=True)
_ADDRESS = Column("ADDRESS", lambda row, _: row.address, 39)
_LOCK = Column("LOCK", lambda row, _: row.lock, 60)
_DESCRIPTION = Column("DESCRIPTION", lambda row, _: row.description, 200)

# The most important first: a narrow terminal drops them from the right.
_FIRST = (_STATE, _WRITER, _READERS, _OUTPUT)

Layout = Sequence[tuple[Column, int]]
"""Columns and their widths, the name first."""


@frozen
class ListWidths:
    """The width that each column needs for all of a list, 0 for one that no row needs, and the
    bytes that a cell may take.
    """

    name: int
    others: Mapping[Column, int]
    octets: int


def measure(rows: Iterable[Row]) -> ListWidths:
    """Measure a list. Once for each list, not for each key."""
    return widest(set(map(attrgetter("widths"), rows)))


def widest(found: Collection[RowWidths]) -> ListWidths:
    """The same of rows with these widths, which are few, however many rows there are."""
    most = RowWidths(*map(max, zip(*found, strict=True))) if found else _NO_WIDTHS
    others = {
        _STATE: _bounded(_STATE, most.state),
        _WRITER: _bounded(_WRITER, most.writer),
        _ADDRESS: _bounded(_ADDRESS, most.address),
        # Numbers change, and what is beside them must not move.
        _READERS: _READERS.limit,
        _OUTPUT: _OUTPUT.limit,
        _LOCK: _bounded(_LOCK, most.lock) if most.lock else 0,
        _DESCRIPTION: _bounded(_DESCRIPTION, most.description) if most.description else 0,
    }
    octets = 1 if all(each.is_plain for each in found) else OCTETS
    return ListWidths(_bounded(_NAME, most.name), others, octets)


_NO_WIDTHS = RowWidths(0, 0, 0, 0, 0, 0, True)


def _bounded(column: Column, width: int) -> int:
    return max(len(column.heading), min(width, column.limit))


def lay_out(wanted: ListWidths, columns: int) -> Layout:
    """As many columns as fit in `columns` beside a name of `NAME_COLUMNS`."""
    least, taken, chosen = min(wanted.name, NAME_COLUMNS), 0, list[tuple[Column, int]]()
    for column in _FIRST:
        width = wanted.others[column]
        if least + taken + GAP + width > columns:
            break
        taken += GAP + width
        chosen.append((column, width))
    else:
        ends = _ends(wanted, columns - least - taken)
        taken += sum(GAP + width for _, width in ends)
        chosen += ends
    return [(_NAME, max(0, min(wanted.name, columns - taken))), *chosen]


def _ends(wanted: ListWidths, room: int) -> list[tuple[Column, int]]:
    """What is shown of locks, descriptions and addresses: first what somebody wrote to be read."""
    widths = dict[Column, int]()
    for column in (_LOCK, _DESCRIPTION, _ADDRESS):
        width = wanted.others[column]
        needed = width if column is _ADDRESS else min(width, WORDS_COLUMNS)
        if width and needed + GAP <= room:
            widths[column] = needed
            room -= needed + GAP
    for column in widths:
        more = min(room, wanted.others[column] - widths[column])
        widths[column] += more
        room -= more
    return [(each, widths[each]) for each in (_ADDRESS, _LOCK, _DESCRIPTION) if each in widths]


def shared_names(rows: Sequence[Row]) -> Mapping[str, int]:
    """For the long names of `rows`, how many characters they share with a neighbour."""
    long = [row.name for row in rows if len(row.name) > NAME_COLUMNS]
    return dict(zip(long, shared_beginnings(long), strict=True))


def row_text(layout: Layout, row: Row, now: float, shared: Mapping[str, int]) -> str:
    """One row in its columns."""
    (_, wide), *others = layout
    name = pad_name(row.name, wide, shared.get(row.name, 0))
    cut = [pad(column.show(row, now), width, column.right) for column, width in others]
    return (" " * GAP).join([name, *cut]).rstrip()


def heading_text(layout: Layout) -> str:
    """The headings of the columns."""
    return (" " * GAP).join(pad(c.heading, width, c.right) for c, width in layout).rstrip()

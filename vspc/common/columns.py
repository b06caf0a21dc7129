"""Text in columns of a terminal: its width, cutting and padding it, tables. Pure.

Text is safe already (`vspc.common.text`): one line, no control or format characters. Widths are
wcwidth's: of graphemes, in which vowel signs and emoji selectors count as terminals show them.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from attrs import frozen
from wcwidth import iter_graphemes, iter_graphemes_reverse, wcswidth

GAP = 2
"""Columns between two columns of a table."""

ELLIPSIS = "…"
"""Replaces the middle of text that was cut."""

BEGINNING = 6
"""Columns of the beginning of a name that is cut in front of the part in which it differs."""

OCTETS = 4
"""Bytes of UTF-8 allowed in a cell: more are stacked accents."""


def cells(text: str) -> int:
    """Columns that `text` takes on a terminal: 2 for a wide character, 0 for a combining one."""
    if text.isascii():
        return len(text)
    width = wcswidth(text)
    return len(text) if width < 0 else width  # below 0: a control character, which is not safe


def fits(text: str, width: int) -> bool:
    """Whether `text` needs at most `width` columns, and four bytes for each."""
    return cells(text) <= width and (text.isascii() or len(text.encode()) <= width * OCTETS)


def clip(text: str, width: int) -> str:
    """`text` in at most `width` columns and four bytes for each; what is cut ends in `..`."""
    if fits(text, width):
        return text
    mark = ".." if width > len("..") else ""
    return _start(text, width - len(mark)) + mark


def shorten(text: str, width: int, shared: int = 0) -> str:
    """The same with the middle left out: names differ at their ends, or after `shared` characters
    that its neighbours begin with as well.
    """
    if fits(text, width):
        return text
    room = width - len(ELLIPSIS)
    if room < len(ELLIPSIS):
        return _start(text, width)
    end = ending(text, room // 2)
    start = _start(text, room - cells(end))
    rest = text[shared:]
    if len(start) < shared and len(rest) > len(end) and room > 2 * BEGINNING:
        end = clip(rest, room - BEGINNING)
        start = _start(text, room - cells(end))
    return start + ELLIPSIS + end


def shared_beginnings(names: Sequence[str]) -> list[int]:
    """For each of the sorted `names`, how many characters it shares with a neighbour, up to the
    word in which they differ.
    """
    common = [0, *(_common(*pair) for pair in pairwise(names)), 0]
    found = []
    for name, before, behind in zip(names, common, common[1:], strict=False):
        shared = max(before, behind)
        while shared and name[shared - 1].isalnum():
            shared -= 1
        found.append(shared)
    return found


def _common(one: str, other: str) -> int:
    """Characters with which both begin; 0 if they are equal."""
    differing = (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return 0 if one == other else next(differing, min(len(one), len(other)))


def _start(text: str, width: int) -> str:
    return "".join(_fitting(iter_graphemes(text), width))


def ending(text: str, width: int) -> str:
    """The end of `text`, as much as fits into `width` columns and four bytes for each."""
    return "".join(reversed(list(_fitting(iter_graphemes_reverse(text), width))))


def _fitting(graphemes: Iterator[str], width: int) -> Iterator[str]:
    """The first of `graphemes`, as many as fit: an accent does not stand without its letter."""
    octets = width * OCTETS
    for grapheme in graphemes:
        width -= cells(grapheme)
        octets -= len(grapheme.encode())
        if width < 0 or octets < 0:
            return
        yield grapheme


def pad(text: str, width: int, right: bool = False) -> str:
    """`text` in exactly `width` columns."""
    if len(text) <= width and text.isascii():  # nearly all is
        return text.rjust(width) if right else text.ljust(width)
    return _filled(clip(text, width), width, right)


def pad_name(text: str, width: int, shared: int = 0) -> str:
    """A name in exactly `width` columns, cut in the middle (`shorten`)."""
    if len(text) <= width and text.isascii():
        return text.ljust(width)
    return _filled(shorten(text, width, shared), width, right=False)


def _filled(short: str, width: int, right: bool) -> str:
    blank = " " * (width - cells(short))
    return blank + short if right else short + blank


def listed(names: Iterable[str], width: int) -> str:
    """As many of `names` as fit, one at least, and the number of the others: `web1, web2, +30`."""
    shown, rest = list[str](), list(names)
    while rest and (not shown or cells(", ".join([*shown, rest[0]])) <= width):
        shown.append(rest.pop(0))
    return ", ".join([*shown, *([f"+{len(rest)}"] if rest else [])]) or "-"


@frozen
class Heading:
    """A column of a table: its heading, its alignment, whether it has names, which may be cut in
    the middle, and its least width.
    """

    text: str
    right: bool = False
    names: bool = False
    least: int = 8


PADDED = 50
"""Columns to which a table without a width pads a cell at most."""


def table(
    headings: Sequence[Heading], rows: Sequence[Sequence[str]], width: int | None = None
) -> str:
    """Lines of text. With `width`, columns of names are narrowed, the widest first, until it fits;
    without, nothing is cut. The last column is not padded.
    """
    widths = [
        max([cells(heading.text), *(cells(row[i]) for row in rows)])
        for i, heading in enumerate(headings)
    ]
    if width is None:
        widths = [min(wide, PADDED) for wide in widths]
    elif _narrow(widths, headings, width):
        columns = zip(*rows, strict=True)
        cut = [
            _cut(column, wide) if heading.names else column
            for heading, column, wide in zip(headings, columns, widths, strict=False)
        ]
        rows = list(zip(*cut, strict=True))
    lines = [[heading.text for heading in headings], *rows]
    return "".join(_line(headings, line, widths) + "\n" for line in lines)


def _cut(names: Sequence[str], width: int) -> list[str]:
    shared = shared_beginnings(names)
    return [shorten(name, width, same) for name, same in zip(names, shared, strict=True)]


def _narrow(widths: list[int], headings: Sequence[Heading], width: int) -> bool:
    """Narrow the widest columns of names until all fits; whether it did not."""
    excess = sum(widths) + GAP * (len(widths) - 1) - width
    for _ in range(excess):
        wide = [i for i, h in enumerate(headings) if h.names and widths[i] > h.least]
        if not wide:
            break
        widths[max(wide, key=lambda i: widths[i])] -= 1
    return excess > 0


def _line(headings: Sequence[Heading], row: Sequence[str], widths: Sequence[int]) -> str:
    shown = [
        _filled(cell, width, heading.right)
        for heading, cell, width in zip(headings, row, widths, strict=True)
    ]
    return (" " * GAP).join(shown).rstrip()

"""The screen of a search: lines of the log with what matches, and a line about the search. Pure."""

from collections.abc import Iterator, Sequence

from wcwidth import wcwidth

from vspc.apps.terminal.search.lines import ShownLine
from vspc.common.columns import clip

MATCH, OTHER, PLAIN = b"\x1b[7m", b"\x1b[4m", b"\x1b[m"
"""Renditions of what matches in the line that was found, and in others."""


def frame(
    lines: Sequence[ShownLine], found: int | None, status: str, size: tuple[int, int]
) -> bytes:
    """What paints all of it on a screen of that many columns and rows: the last row has `status`,
    unless it is the only one.
    """
    columns, rows = size
    out = [b"\x1b[H"]
    room = max(1, rows - 1)
    for row in range(room):
        out.append(b"\x1b[%d;1H\x1b[K" % (row + 1))
        if row < len(lines):
            line = lines[row]
            out += styled(line, columns, MATCH if line.offset == found else OTHER)
    if rows > 1:
        out.append(status_line(status, size))
    return b"".join(out)


def status_line(status: str, size: tuple[int, int]) -> bytes:
    """What paints it in the last row. The last column is left free: no terminal scrolls then."""
    columns, rows = size
    return b"\x1b[%d;1H%s\x1b[K" % (rows, clip(status, max(1, columns - 1)).encode())


def styled(line: ShownLine, columns: int, rendition: bytes) -> Iterator[bytes]:
    """As much of a line as fits; if the first match is further right, the part around it."""
    marked = bytearray(len(line.text))
    for start, end in line.spans:
        marked[start:end] = b"\x01" * (end - start)
    first = _first(line, columns)
    used, is_marked = 0, False
    if first:
        yield "…".encode()
        used = 1
    for at in range(first, len(line.text)):
        width = max(0, wcwidth(line.text[at]))
        if used + width > columns:
            break
        used += width
        if marked[at] != is_marked:
            is_marked = bool(marked[at])
            yield rendition if is_marked else PLAIN
        yield line.text[at].encode()
    if is_marked:
        yield PLAIN


def _first(line: ShownLine, columns: int) -> int:
    """The first character that is shown."""
    if not line.spans:
        return 0
    start, end = line.spans[0]
    if end <= columns:
        return 0
    return max(0, min(start, max(start - columns // 3, end - columns + 1)))


def plain_lines(lines: Sequence[ShownLine], found: int | None, columns: int) -> list[str]:
    """For a terminal without a cursor: a mark before the line that was found."""
    room = max(1, columns - 3)
    return [f"{'>' if each.offset == found else ' '} {clip(each.text, room)}" for each in lines]

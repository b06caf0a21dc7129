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
    at = _first(line, columns)
    if at:
        yield "…".encode()
    last = _last(line.text, at, columns - (at > 0))
    for start, end in line.spans:
        start, end = max(at, start), min(last, end)
        if start < end:
            marked = line.text[start:end].encode()
            yield b"".join((line.text[at:start].encode(), rendition, marked, PLAIN))
            at = end
    yield line.text[at:last].encode()


def _last(text: str, first: int, columns: int) -> int:
    """The character behind those from `first` on that fit into so many columns."""
    part = text[first : first + columns]
    if part.isascii():
        return first + len(part)
    for at in range(first, len(text)):
        columns -= max(0, wcwidth(text[at]))
        if columns < 0:
            return at
    return len(text)


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

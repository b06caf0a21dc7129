"""Where lines begin in what is kept of a console, a CR alone being an end, too.

Asked in a reader's thread; nobody waits any more: it gives up early.
"""

from collections.abc import Iterator

from vspc.console.logs import LogView, Output
from vspc.console.output_lines import LONGEST, OutputLines

PIECE = 64 * 1024
"""Bytes that are read at once."""


def line_start(kept: LogView, offset: int, first: int) -> int:
    """Where the line begins that goes on at `offset`, at most `LONGEST` back, and not before
    `first`; `offset` itself if a line begins there.
    """
    lines = OutputLines(returns=True)
    # With the byte there: whether a CR before it was the end is not known without.
    for said in _said(kept, max(first, offset - LONGEST), offset + 1):
        for _ in lines.feed(said):
            pass
    held = lines.unfinished
    return offset if held is None else min(offset, held.offset)


def last_lines(kept: LogView, wanted: int, limit: int) -> int:
    """The offset at which the last `wanted` lines begin, at most `limit` bytes back."""
    # Lines that a CR alone ends are parts of these.
    start = kept.last_lines(wanted, limit)
    count = sum(1 for _ in _beginnings(kept, start))
    if count <= wanted:
        return start
    for number, offset in enumerate(_beginnings(kept, start)):
        if number == count - wanted:
            return offset
    return kept.end


def _beginnings(kept: LogView, start: int) -> Iterator[int]:
    """Where lines begin from `start` to the end, `start` included."""
    lines, whole = OutputLines(returns=True), True
    for said in _said(kept, start, kept.end):
        for line in lines.feed(said):
            if whole:
                yield line.offset
            whole = line.whole  # what is too long comes in pieces
    if whole and lines.unfinished is not None:
        yield lines.unfinished.offset


def _said(kept: LogView, start: int, end: int) -> Iterator[Output]:
    """What was said between `start` and `end`."""
    at = start
    while at < end and not kept.cancelled:
        passage = kept.read(at, PIECE, end)
        yield from (item for item in passage.items if isinstance(item, Output))
        if passage.next <= at:
            return
        at = passage.next

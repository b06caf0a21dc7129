"""Looking for a line in a console's log, in either direction, and at the lines around it: questions
to a `LogView`, answered in a thread, a bounded piece of the log at a time. Pure.
"""

from collections.abc import Iterator
from enum import Enum
from itertools import islice

from attrs import frozen

from vspc.apps.verbs.stream_search import SearchPattern
from vspc.common.text import plain_output
from vspc.console.log_reading import PIECE, OutputLine, OutputLines, line_start
from vspc.console.logs import LogView, Output

BLOCK = 256 * 1024
"""Bytes that are searched from their beginning when the search goes back."""

SIFTED = 1024 * 1024
"""Bytes that one question searches; another one goes on."""

BACK = 32 * 1024
"""Bytes before a line in which the lines before it are looked for."""

AHEAD = 64 * 1024
"""The same behind it."""

SPANS = 100
"""Matches of a line that are shown as such."""

TAB = 8


class Direction(Enum):
    """Where to look from an offset."""

    EARLIER = "earlier"
    LATER = "later"


@frozen
class Find:
    """The next line that matches before `offset`, or from there on."""

    pattern: SearchPattern
    direction: Direction
    offset: int


@frozen
class Show:
    """The lines from that at `offset` on, or around it, or from a line `moved` by so many."""

    pattern: SearchPattern | None
    offset: int
    is_around: bool = False
    moved: int = 0


@frozen
class ShownLine:
    """A line as it is shown, tabs as spaces, and which characters of it match."""

    offset: int
    at: float
    text: str
    spans: tuple[tuple[int, int], ...] = ()


@frozen
class SearchAnswer:
    """`found` is a line that matches, or the one to show; `lines` are those around it.

    Without `found` the search `goes_on` at `offset`, or nothing was found. `first` and `end` are
    the offsets between which the operator may look.
    """

    first: int
    end: int
    found: int | None = None
    lines: tuple[ShownLine, ...] = ()
    offset: int = 0
    goes_on: bool = False


@frozen
class SearchQuestion:
    """What is asked: for `rows` lines, a match with so many `before` it; nothing from before the
    time `earliest`.
    """

    request: Find | Show
    rows: int
    before: int
    earliest: float | None = None

    def answer(self, kept: LogView) -> SearchAnswer:
        """In a thread."""
        first = kept.start if self.earliest is None else kept.since(self.earliest)
        first, end, request = max(kept.start, first), kept.end, self.request
        if isinstance(request, Show):
            top = _moved(kept, request.offset, request.moved, first)
            before = self.before if request.is_around else 0
            around = _around(kept, top, before, self.rows, first)
            return SearchAnswer(first, end, top, _shown(around, request.pattern))
        if request.direction is Direction.EARLIER:
            line, at, is_over = _earlier(kept, request, first)
        else:
            line, at, is_over = _later(kept, request, first)
        if line is None:
            return SearchAnswer(first, end, offset=at, goes_on=not is_over and not kept.cancelled)
        around = _around(kept, line.offset, self.before, self.rows, first)
        return SearchAnswer(first, end, line.offset, _shown(around, request.pattern))


def _earlier(kept: LogView, find: Find, first: int) -> tuple[OutputLine | None, int, bool]:
    """The line, how far it was searched, and whether that is all."""
    begun = until = min(find.offset, kept.end)
    while until > first and begun - until < SIFTED and not kept.cancelled:
        start = line_start(kept, max(first, until - BLOCK), first)
        found = [each for each in _lines(kept, start, until) if _matches(find.pattern, each)]
        if found:
            return found[-1], until, True
        until = start
    return None, until, until <= first


def _later(kept: LogView, find: Find, first: int) -> tuple[OutputLine | None, int, bool]:
    start = at = max(find.offset, first)
    for line in _lines(kept, start, kept.end):
        if _matches(find.pattern, line):
            return line, at, True
        at = line.end
        if at - start >= SIFTED or kept.cancelled:
            return None, at, False
    return None, kept.end, True


def _matches(pattern: SearchPattern, line: OutputLine) -> bool:
    return pattern.pattern.search(plain_output(line.text)) is not None


def _lines(kept: LogView, start: int, end: int) -> Iterator[OutputLine]:
    """The lines from `start`, where one begins, to `end`."""
    lines, at = OutputLines(returns=True), start
    while at < end and not kept.cancelled:
        page = kept.read(at, PIECE, end)
        for item in page.items:
            if isinstance(item, Output):
                yield from lines.feed(item)
        if page.next <= at:
            break
        at = page.next
    yield from lines.flush()


def _around(kept: LogView, offset: int, before: int, rows: int, first: int) -> list[OutputLine]:
    """`rows` lines, that at `offset` with at most so many `before` it."""
    found = _before(kept, offset, first)[-before:] if before else []
    found += islice(_lines(kept, offset, min(kept.end, offset + AHEAD)), rows - len(found))
    if len(found) < rows:
        found = (
            _before(kept, found[0].offset if found else offset, first)[len(found) - rows :] + found
        )
    return found


def _before(kept: LogView, offset: int, first: int) -> list[OutputLine]:
    """The lines before the one at `offset`, some of them."""
    offset = min(offset, kept.end)
    start = line_start(kept, max(first, offset - BACK), first) if offset > first else offset
    return list(_lines(kept, start, offset))


def _moved(kept: LogView, offset: int, count: int, first: int) -> int:
    """The offset of the line that is so many further down, or up if `count` is below 0."""
    if count < 0:
        lines = _before(kept, offset, first)[count:]
        return lines[0].offset if lines else max(first, min(offset, kept.end))
    following = list(islice(_lines(kept, offset, min(kept.end, offset + AHEAD)), count + 1))
    return following[-1].offset if following else offset


def _shown(lines: list[OutputLine], pattern: SearchPattern | None) -> tuple[ShownLine, ...]:
    return tuple(_shown_line(each, pattern) for each in lines)


def _shown_line(line: OutputLine, pattern: SearchPattern | None) -> ShownLine:
    plain = plain_output(line.text)
    spans = list[tuple[int, int]]()
    for match in islice(pattern.pattern.finditer(plain), SPANS) if pattern is not None else ():
        if match.end() > match.start():
            ends = (_column(plain[: match.start()]), _column(plain[: match.end()]))
            spans.append(ends)
    return ShownLine(line.offset, line.at, _expanded(plain), tuple(spans))


def _expanded(plain: bytes) -> str:
    return plain.decode("utf-8", "replace").expandtabs(TAB)


def _column(plain: bytes) -> int:
    return len(_expanded(plain))

"""Finding lines that match, in the output of all consoles: one pass of RE2 for all patterns.

Pieces may be cut anywhere: what has no end of a line yet is kept, up to `LINE_LIMIT`, and looked at
with what follows. A line is text as people read it, without colours and escape sequences; CR ends
one as LF does.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import re2
from attrs import define, field, frozen

from vspc.common.text import plain_lines

LINE_LIMIT = 4 * 1024
"""Bytes of a line that has not ended; what is longer is looked at in parts."""

MEMORY = 32 << 20
"""Bytes that RE2 may use for all patterns together."""

BLOCK = 16 * 1024
"""Bytes that are looked at in one go: the reactor's thread waits so long at most."""

BINARY = 1024
"""Bytes from which a block may be no text: patterns are looked for in its ASCII then."""

_END = re.compile(rb"[\r\n]")


def options(memory: int = MEMORY) -> "re2.Options":
    """Of each pattern: bytes are UTF-8, as far as they are."""
    made = re2.Options()
    made.log_errors = False
    made.max_mem = memory
    return made


_CANARY = b"\0canary\0"


class PatternSet:
    """Patterns, by their places. A line is looked at only where a whole block has a match.

    A set of RE2 that is too large for its memory matches nothing and does not tell: one that does
    not find a pattern of ours is not used, and each pattern is searched by itself.
    """

    def __init__(self, patterns: Sequence[str], memory: int = MEMORY) -> None:
        self._each = [re2.compile(b"(?m)" + pattern.encode(), options()) for pattern in patterns]
        self._all = re2.Set.SearchSet(options(memory))
        for pattern in (*patterns, _CANARY.decode()):
            self._all.Add(b"(?m)" + pattern.encode())
        self.is_one_pass = self._is_compiled() and self._all.Match(_CANARY) is not None

    def _is_compiled(self) -> bool:
        try:
            self._all.Compile()
        except re2.error:
            return False
        return True

    def of_block(self, text: bytes) -> list[int]:
        """Patterns that some line of `text` may match."""
        if self.is_one_pass:
            return self._all.Match(text) or []
        return [at for at, each in enumerate(self._each) if each.search(text) is not None]

    def of_lines(self, text: bytes, which: Iterable[int]) -> dict[tuple[int, int], frozenset[int]]:
        """The lines of `text` that match any of `which`, by where they begin and end, in order."""
        found = dict[tuple[int, int], frozenset[int]]()
        for each in which:
            for place in _matching(text, self._each[each]):
                found[place] = found.get(place, frozenset()) | {each}
        return dict(sorted(found.items()))


def _matching(text: bytes, pattern: Any) -> Iterator[tuple[int, int]]:
    """Where the lines begin and end that match by themselves; lines between them cost little."""
    at = 0
    while at < len(text) and (match := pattern.search(text, at)) is not None:
        start = text.rfind(b"\n", 0, match.start()) + 1
        end = text.find(b"\n", match.start())
        end = len(text) if end < 0 else end
        if pattern.search(text[start:end]) is not None:
            yield start, end
        at = end + 1


@frozen
class Piece:
    """Output of one console from `offset`, and the places of the patterns that count there."""

    console_id: str
    offset: int
    data: bytes = field(repr=False)
    wanted: frozenset[int]

    @property
    def end(self) -> int:
        """The offset of what follows."""
        return self.offset + len(self.data)


@frozen
class FoundLine:
    """A line that matches the patterns at `which`; `text` is plain. `offset` and `end` are where it
    is in the output, its end of a line not included.
    """

    console_id: str
    offset: int
    end: int
    text: bytes
    which: frozenset[int]


@define
class _Unfinished:
    """A line that has not ended, and what was found in it so far."""

    offset: int
    data: bytes
    wanted: frozenset[int]
    found: frozenset[int] = frozenset()
    is_new: bool = True  # something came since it was looked at as it is


@define(eq=False)
class LineMatcher:
    """For one thread. `patterns` may be replaced at any time."""

    patterns: PatternSet
    _unfinished: dict[str, _Unfinished] = field(factory=dict, init=False)

    @property
    def waits(self) -> bool:
        """Whether there are lines that have not ended, and were not looked at as they are."""
        return any(each.is_new for each in self._unfinished.values())

    def feed(self, piece: Piece) -> list[FoundLine]:
        """What `piece` completes."""
        console_id, offset, data, wanted = piece.console_id, piece.offset, piece.data, piece.wanted
        if len(data) <= BLOCK:
            return self._feed(piece)
        found = list[FoundLine]()
        for start in range(0, len(data), BLOCK):
            block = data[start : start + BLOCK]
            found += self._feed(Piece(console_id, offset + start, block, wanted))
        return found

    def _feed(self, piece: Piece) -> list[FoundLine]:
        held = self._unfinished.pop(piece.console_id, None)
        found = list[FoundLine]()
        if held is not None and held.offset + len(held.data) != piece.offset:
            found += self._ended(piece.console_id, held)
            held = None
        start = piece.offset if held is None else held.offset
        data = piece.data if held is None else held.data + piece.data
        seen = frozenset[int]() if held is None else held.found
        cut = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if cut:
            is_all = data is piece.data and cut == len(data)
            block = piece if is_all else Piece(piece.console_id, start, data[:cut], piece.wanted)
            found += self._look(block, seen)
            seen = frozenset()
        if len(data) - cut >= LINE_LIMIT:
            rest = Piece(piece.console_id, start + cut, data[cut:], piece.wanted)
            found += self._look(rest, seen)
        elif cut < len(data):
            line = _Unfinished(start + cut, data[cut:], piece.wanted, seen)
            self._unfinished[piece.console_id] = line
        return found

    def late(self) -> list[FoundLine]:
        """Nothing more may come to unfinished lines: look at them as they are. They stay."""
        found = list[FoundLine]()
        for console_id, line in self._unfinished.items():
            if line.is_new:
                line.is_new = False
                lines = self._ended(console_id, line)
                found += lines
                line.found = line.found.union(*(each.which for each in lines))
        return found

    def end(self, console_id: str) -> list[FoundLine]:
        """Nothing more comes to the unfinished line of a console that is gone."""
        line = self._unfinished.pop(console_id, None)
        return [] if line is None or not line.is_new else self._ended(console_id, line)

    def replace(self, patterns: PatternSet) -> None:
        """Other patterns: unfinished lines are looked for them from the beginning."""
        self.patterns = patterns
        self._unfinished.clear()

    def _ended(self, console_id: str, line: _Unfinished) -> list[FoundLine]:
        return self._look(Piece(console_id, line.offset, line.data, line.wanted), line.found)

    def _look(self, block: Piece, seen: frozenset[int]) -> list[FoundLine]:
        """Lines of `block` that match; of the first one `seen` is known already."""
        text = plain_lines(block.data, roughly=len(block.data) >= BINARY)
        which = block.wanted.intersection(self.patterns.of_block(text))
        if not which:
            return []
        found, spans = list[FoundLine](), list(_lines(block.data))
        number = counted = 0
        for (start, _), matched in self.patterns.of_lines(text, which).items():
            number += text.count(b"\n", counted, start)
            counted = start
            new = matched - (frozenset() if start else seen)
            if new:
                first, last = spans[number]
                shown = plain_lines(block.data[first:last])
                first, last = block.offset + first, block.offset + last
                found.append(FoundLine(block.console_id, first, last, shown, new))
        return found


def _lines(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each line begins and ends."""
    start = 0
    for match in _END.finditer(data):
        yield start, match.start()
        start = match.end()
    yield start, len(data)

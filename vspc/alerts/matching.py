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
_OF_TEXT = re.compile(r"\\[Az]|\(\?[a-zA-Z]*-")  # what looks for the end of a text, or may


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
        # Whether each line matches among those of other consoles as it does alone.
        self.may_join = not any(map(_OF_TEXT.search, patterns))
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


_Block = tuple[Piece, frozenset[int]]
"""Lines, and what was found in the first of them before the others came."""

_NOTHING: frozenset[int] = frozenset()


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

    def feed(self, *pieces: Piece) -> list[FoundLine]:
        """What `pieces` complete, of one console or of many."""
        blocks = [block for piece in pieces for block in self._blocks(piece)]
        return [line for group in _groups(blocks) for line in self._look_at(group)]

    def _blocks(self, piece: Piece) -> Iterator[_Block]:
        if len(piece.data) <= BLOCK:
            yield from self._completed(piece)
            return
        for start in range(0, len(piece.data), BLOCK):
            data = piece.data[start : start + BLOCK]
            part = Piece(piece.console_id, piece.offset + start, data, piece.wanted)
            yield from self._completed(part)

    def _completed(self, piece: Piece) -> Iterator[_Block]:
        """Whole lines, which are to be looked at; of the rest what is too long to wait."""
        console_id, wanted = piece.console_id, piece.wanted
        held = self._unfinished.pop(console_id, None)
        if held is not None and held.offset + len(held.data) != piece.offset:
            yield Piece(console_id, held.offset, held.data, held.wanted), held.found
            held = None
        start = piece.offset if held is None else held.offset
        data = piece.data if held is None else held.data + piece.data
        seen = _NOTHING if held is None else held.found
        cut = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if cut:
            is_all = held is None and cut == len(data)
            yield piece if is_all else Piece(console_id, start, data[:cut], wanted), seen
            seen = _NOTHING
        if len(data) - cut >= LINE_LIMIT:
            yield Piece(console_id, start + cut, data[cut:], wanted), seen
        elif cut < len(data):
            self._unfinished[console_id] = _Unfinished(start + cut, data[cut:], wanted, seen)

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

    def _look_at(self, blocks: list[_Block]) -> list[FoundLine]:
        """Most have nothing: all are looked at in one go, and each only if there is something."""
        if len(blocks) > 1 and self.patterns.may_join:
            together = b"\n".join([_plain(block) for block, _ in blocks])
            if not self.patterns.of_block(together):
                return []
        return [line for block, seen in blocks for line in self._look(block, seen)]

    def _look(self, block: Piece, seen: frozenset[int]) -> list[FoundLine]:
        """Lines of `block` that match; of the first one `seen` is known already."""
        text = _plain(block)
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


def _plain(block: Piece) -> bytes:
    return plain_lines(block.data, roughly=len(block.data) >= BINARY)


def _groups(blocks: list[_Block]) -> Iterator[list[_Block]]:
    """As many at a time as have `BLOCK` bytes together, one at least."""
    group, size = list[_Block](), 0
    for block in blocks:
        size += len(block[0].data)
        if group and size > BLOCK:
            yield group
            group, size = [], len(block[0].data)
        group.append(block)
    if group:
        yield group


def _lines(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each line begins and ends."""
    start = 0
    for match in _END.finditer(data):
        yield start, match.start()
        start = match.end()
    yield start, len(data)

"""Whether a numbered stream arrived: each byte once and in order, or in a gap that was told.

Pure. What a VM said is a list of `SentLine`, one for each of its connections: a line that was cut
may end at any byte, one that is `whole` has to be there to its end. What somebody saw is a list of
`Seen` and `Gap`, with offsets of the console. The check walks over both at once: after a gap, or
where a line may have been cut, there can be several places at which the stream goes on, and all of
them are followed.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise

from attrs import frozen

from tests.chaos.streams import TOKEN, NumberedStream, token

PROBE = 24
"""Bytes by which the place is found at which a stream goes on: less than any two places share."""

COINCIDENCE = 64
"""Bytes that two places may have in common by chance, at most."""

STATES = 4096
"""Places that are followed at once, at most."""


@frozen
class SentLine:
    """One connection of a VM: positions of its stream. `whole`: all of it must have arrived."""

    start: int
    end: int
    whole: bool = False


@frozen
class Seen:
    """Bytes at an offset of the console."""

    offset: int
    data: bytes

    @property
    def end(self) -> int:
        """The offset behind them."""
        return self.offset + len(self.data)


@frozen
class Gap:
    """Offsets that were told as missing, and how many bytes of the VM they may stand for.

    After a kill offsets go on behind a range of which only a part was used: there `least` is 0 and
    `most` is what was told. Otherwise both are its length.
    """

    offset: int
    end: int
    least: int
    most: int


def told(offset: int, end: int, most: int | None = None) -> Gap:
    """A gap; with `most` one of a kill, of which at most so many bytes were output."""
    length = end - offset
    return Gap(offset, end, length, length) if most is None else Gap(offset, end, 0, most)


Item = Seen | Gap


@frozen
class _Place:
    """A line by its number, and the next position in it."""

    line: int
    position: int


@frozen
class _Span:
    """Places from `low` to `high`, inclusive, in one line."""

    line: int
    low: int
    high: int


class OutputCheck:
    """Walks along what somebody saw of one console. `problems` are sentences."""

    def __init__(self, stream: NumberedStream, lines: Sequence[SentLine]) -> None:
        self._stream = stream
        self._lines = lines
        self._content = stream.content(0, max((line.end for line in lines), default=0))
        self._firsts = [self._content[line.start : min(line.end, line.start + 1)] for line in lines]
        self._farthest = 0, _Place(0, 0)
        self.problems: list[str] = []

    # The whole of it

    def check(self, items: Iterable[Item], complete: bool) -> list[str]:
        """What is wrong with `items`, which begin with the console. `complete`: to its end."""
        spans = [_Span(line, at, at) for line in self._next(-1) for at in [self._lines[line].start]]
        return self._walk(joined(items), spans, complete, begins=0)

    def check_part(self, items: Iterable[Item]) -> list[str]:
        """The same of a part: it may begin anywhere and end anywhere. A short one fits always."""
        items = joined(items)
        if sum(len(item.data) for item in items if isinstance(item, Seen)) < PROBE:
            return []
        spans = [_Span(n, line.start, line.end) for n, line in enumerate(self._lines)]
        return self._walk(items, spans, complete=False, begins=None)

    def _walk(
        self, items: Sequence[Item], spans: list[_Span], complete: bool, begins: int | None
    ) -> list[str]:
        at = begins
        for item in items:
            if at is not None and item.offset != at:
                kind = "are missing, and no gap was told" if item.offset > at else "came twice"
                self.problems.append(f"{self._name}: offsets {at} to {item.offset} {kind}")
                return self.problems
            at = item.end
            if isinstance(item, Gap):
                spans = list(self._behind(spans, item))
                continue
            self._farthest = 0, _Place(0, 0)
            places = {place for span in spans for place in self._begin(span, item.data)}
            if not places:
                self._mismatch(item, spans)
                return self.problems
            spans = [_Span(p.line, p.position, p.position) for p in list(places)[:STATES]]
        if complete and not any(self._is_end(span) for span in spans):
            missing = ", ".join(
                f"line {span.line} from position {span.low} of {self._lines[span.line].end}"
                for span in spans[:3]
            )
            self.problems.append(f"{self._name}: the end is missing at offset {at}: {missing}")
        return self.problems

    @property
    def _name(self) -> str:
        return self._stream.name

    def _is_end(self, span: _Span) -> bool:
        line = self._lines[span.line]
        reached = span.high >= line.end or not line.whole
        later = self._lines[span.line + 1 :]
        return reached and not any(each.whole and each.end > each.start for each in later)

    # Where it may go on

    def _next(self, line: int) -> Iterator[int]:
        """The lines that may follow `line`: behind those of which perhaps nothing arrived."""
        for number in range(line + 1, len(self._lines)):
            yield number
            each = self._lines[number]
            if each.whole and each.end > each.start:
                return

    def _behind(self, spans: Iterable[_Span], gap: Gap) -> Iterator[_Span]:
        """The places behind `gap`."""
        for span in spans:
            line = self._lines[span.line]
            high = min(line.end, span.high + gap.most)
            if span.low + gap.least <= high:
                yield _Span(span.line, span.low + gap.least, high)
            # Lost of the lines before: at least and at most.
            least = line.end - span.high if line.whole else 0
            most = line.end - span.low
            for number in range(span.line + 1, len(self._lines)):
                following = self._lines[number]
                length = following.end - following.start
                low, high = max(0, gap.least - most), min(length, gap.most - least)
                if low <= high:
                    yield _Span(number, following.start + low, following.start + high)
                least += length if following.whole else 0
                most += length
                if least > gap.most:
                    break

    def _begin(self, span: _Span, data: bytes) -> Iterator[_Place]:
        """Where the stream stands after `data`, which begins at one of `span`."""
        if span.low == span.high:
            yield from self._consume(_Place(span.line, span.low), data)
            return
        for probe in (PROBE, 8, 1):
            found = list(self._find(span, data[:probe]))
            for position in found:
                yield from self._consume(_Place(span.line, position), data)
            if found:
                return

    def _find(self, span: _Span, probe: bytes) -> Iterator[int]:
        line = self._lines[span.line]
        content = self._content[span.low : min(line.end, span.high + len(probe))]
        at = content.find(probe)
        count = 0
        while 0 <= at <= span.high - span.low and count < STATES:
            yield span.low + at
            at = content.find(probe, at + 1)
            count += 1

    def _consume(self, place: _Place, data: bytes) -> set[_Place]:
        """All places at which the stream may stand when `data` has come from `place` on."""
        found: set[_Place] = set()
        tried: set[tuple[_Place, int]] = set()
        waiting = [(place, 0)]
        while waiting and len(tried) < STATES:
            place, used = waiting.pop()
            if (place, used) in tried:
                continue
            tried.add((place, used))
            line = self._lines[place.line]
            size = min(line.end - place.position, len(data) - used)
            same = self._same(place.position, data, used, min(size, PROBE))
            if same == PROBE:
                same = self._same(place.position, data, used, size)
            if used + same >= self._farthest[0]:
                self._farthest = used + same, _Place(place.line, place.position + same)
            if used + same == len(data):
                found.add(_Place(place.line, place.position + same))
            waiting += self._turns(place, data, used, same)
        return found

    def _same(self, position: int, data: bytes, used: int, size: int) -> int:
        return common(self._content[position : position + size], data[used : used + size])

    def _turns(
        self, place: _Place, data: bytes, used: int, same: int
    ) -> Iterator[tuple[_Place, int]]:
        """Where another line may have gone on, at one of the last of `same` bytes."""
        line = self._lines[place.line]
        following = list(self._next(place.line))
        for count in range(same, max(-1, same - COINCIDENCE), -1):
            at = used + count
            if at == len(data) or (line.whole and place.position + count != line.end):
                continue
            for number in following:
                if self._firsts[number] == data[at : at + 1]:
                    yield _Place(number, self._lines[number].start), at

    def _mismatch(self, item: Seen, spans: Sequence[_Span]) -> None:
        """Say where the first byte is that nobody sent."""
        used, place = self._farthest
        line = self._lines[place.line]
        came = item.data[used : used + 60]
        wanted = self._content[place.position : min(line.end, place.position + 60)]
        elsewhere = self._content.find(came[:PROBE])
        where = [
            f"line {number} ({each.start} to {each.end}, {'whole' if each.whole else 'cut'})"
            for number, each in enumerate(self._lines)
            if each.start <= elsewhere <= each.end or number == place.line
        ]
        self.problems.append(
            f"{self._name}: the output from offset {item.offset} to {item.end} is not what the VM"
            f" sent. It went on at line {spans[0].line if spans else '?'}; up to offset"
            f" {item.offset + used} it is line {place.line} up to position {place.position}; then"
            f" came {came!r} instead of {wanted!r}; what came is at position {elsewhere};"
            f" {', '.join(where)}"
        )


def joined(items: Iterable[Item]) -> list[Item]:
    """Neighbours of one kind as one; empty ones left out."""
    found: list[Item] = []
    data = bytearray()  # of the last of `found`, if that was seen
    for item in items:
        if item.end == item.offset:
            continue
        last = found[-1] if found else None
        if isinstance(item, Seen):
            if isinstance(last, Seen) and last.offset + len(data) == item.offset:
                data += item.data
                continue
            _finish(found, data)
            data += item.data
            found.append(item)
            continue
        _finish(found, data)
        if isinstance(last, Gap) and last.end == item.offset:
            found[-1] = Gap(last.offset, item.end, last.least + item.least, last.most + item.most)
        else:
            found.append(item)
    _finish(found, data)
    return found


def _finish(found: list[Item], data: bytearray) -> None:
    if data:
        found[-1] = Seen(found[-1].offset, bytes(data))
        data.clear()


def common(one: bytes, other: bytes) -> int:
    """How many bytes they begin with together."""
    size = min(len(one), len(other))
    if one[:size] == other[:size]:
        return size
    low, high = 0, size  # the first `low` are equal, the first `high` are not
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def disagreements(name: str, one: Sequence[Item], other: Sequence[Item]) -> list[str]:
    """Where two saw different bytes at one offset: an offset is used once."""
    pieces = [item for item in other if isinstance(item, Seen) and item.data]
    pieces.sort(key=lambda piece: piece.offset)
    starts = [piece.offset for piece in pieces]
    for item in one:
        if not isinstance(item, Seen):
            continue
        for piece in pieces[max(0, bisect_left(starts, item.offset) - 1) :]:
            if piece.offset >= item.end:
                break
            low, high = max(item.offset, piece.offset), min(item.end, piece.end)
            mine = item.data[low - item.offset : high - item.offset]
            theirs = piece.data[low - piece.offset : high - piece.offset]
            if low < high and mine != theirs:
                at = common(mine, theirs)
                shown = f"{mine[at : at + 20]!r} and as {theirs[at : at + 20]!r}"
                return [f"{name}: offset {low + at} was shown as {shown}"]
    return []


@frozen
class Typed:
    """A token that an operator typed at a moment."""

    number: int
    at: float


@frozen
class Trouble:
    """A time in which input may be lost on its way without a word: a line or a client was cut, the
    server was killed, or it told that input was refused.
    """

    start: float
    end: float


@frozen
class Typist:
    """What one operator typed, and the troubles that only he had.

    `is_told`: he reads what is said of his input, in `troubles`, and nothing else explains a loss.
    """

    typed: Sequence[Typed]
    troubles: Sequence[Trouble] = ()
    is_told: bool = False


SAID = 6.0
"""Seconds after a loss until the operator has read of it, where his connection is slow."""

REACTION = 1.5
"""Seconds after a trouble in which somebody may type who has not been told of it."""


class InputCheck:
    """Whether what was typed at a VM arrived in order, once, and what is missing is explained."""

    def __init__(self, name: str, troubles: Sequence[Trouble]) -> None:
        self._name = name
        self._troubles = troubles

    def check(
        self,
        received: Sequence[tuple[float, bytes]],
        typed: Mapping[str, Typist],
        ended: float,
    ) -> list[str]:
        """What is wrong; `received` has the moments at which the VM read what."""
        data = b"".join(piece for _, piece in received)
        when = self._moments(received)
        arrived: dict[str, list[tuple[int, float]]] = {name: [] for name in typed}
        problems = []
        for match in TOKEN.finditer(data):
            name, number = match[1].decode(), int(match[2])
            if match[0] != token(name, number) or name not in arrived:
                problems.append(f"{self._name}: nobody typed {match[0]!r}")
            else:
                arrived[name].append((number, when(match.end() - 1)))
        lost = 0
        for name, sent in typed.items():
            problems += self._order(name, [number for number, _ in arrived[name]])
            missing = self._missing(sent, arrived[name], ended)
            lost += sum(len(each) for each in missing)
            if missing[0]:
                problems.append(
                    f"{self._name}: {name} was not told that input is lost:"
                    f" {[(each.number, round(each.at, 3)) for each in missing[0][:5]]}"
                )
        return problems + self._fragments(data, lost)

    def _moments(self, received: Sequence[tuple[float, bytes]]) -> Callable[[int], float]:
        ends = list(accumulate(len(piece) for _, piece in received))
        return lambda at: received[bisect_right(ends, at)][0]

    def _order(self, name: str, numbers: Sequence[int]) -> list[str]:
        for before, after in pairwise(numbers):
            if after <= before:
                what = "twice" if after == before else f"after {before}"
                return [f"{self._name}: {name}'s input {after} came {what}"]
        return []

    def _missing(
        self, sent: Typist, arrived: Sequence[tuple[int, float]], ended: float
    ) -> tuple[list[Typed], list[Typed]]:
        """What did not arrive: without a reason, and with one."""
        numbers = {number for number, _ in arrived}
        silent: list[Typed] = []
        explained: list[Typed] = []
        until = ended
        times = dict(arrived)
        troubles = sent.troubles if sent.is_told else [*self._troubles, *sent.troubles]
        late = SAID if sent.is_told else 0.0
        for each in reversed(sent.typed):
            if each.number in numbers:
                until = times[each.number]
            elif _explained(troubles, each.at, until + late):
                explained.append(each)
            else:
                silent.append(each)
        return silent[::-1], explained

    def _fragments(self, data: bytes, lost: int) -> list[str]:
        """What is left of the tokens that did not arrive whole: their beginnings or ends."""
        rest = [piece for piece in TOKEN.split(data)[::4] if piece]
        if len(rest) > lost:
            return [f"{self._name}: {len(rest)} pieces of input that nobody typed: {rest[:3]!r}"]
        strange = [piece for piece in rest if not _FRAGMENT.fullmatch(piece)]
        return [f"{self._name}: input that nobody typed: {strange[:3]!r}"] if strange else []


def _explained(troubles: Iterable[Trouble], start: float, end: float) -> bool:
    return any(each.start <= end and each.end + REACTION >= start for each in troubles)


_FRAGMENT = re.compile(rb"[0-9a-f]*>?(?:<[\w:]*)?|[\w:]*>?(?:<[\w:]*)?")


_NOTICE = re.compile(rb"(?:\x1b\[[0-9;]*m|\x1b\(B|\x0f|[\r\n])*\[[^\]\n]*\]|[\r\n]+")
"""A notice, which may stand in the middle of a record, on a line of its own; and line ends."""


class TerminalCheck:
    """Whether a terminal showed the records of a VM's text in order, and all of those between two
    lines, or told that some are missing.
    """

    def __init__(self, stream: NumberedStream, lines: Sequence[SentLine]) -> None:
        self._stream = stream
        self._lines = lines

    def check(self, shown: bytes) -> list[str]:
        """What is wrong with `shown`: what one login saw, notices included."""
        numbers = self._stream.numbers(_NOTICE.sub(b"", shown))
        told_lost = b"output lost" in shown
        for before, after in pairwise(numbers):
            if after <= before:
                return [f"{self._stream.name}: a terminal showed record {after} after {before}"]
            if after > before + 1 and not told_lost and not self._cut(before + 1, after):
                which = f"{before + 1} to {after - 1}"
                return [f"{self._stream.name}: a terminal missed {which}, and was not told"]
        return []

    def _cut(self, first: int, end: int) -> bool:
        """Whether a line ended among these records."""
        size = self._stream.size
        return any(
            first * size <= line.end <= end * size or first * size <= line.start <= end * size
            for line in self._lines
        )

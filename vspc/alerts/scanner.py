"""The output of all consoles on its way to a thread that looks for patterns: no line waits for it.

What it may use is bounded. Between two batches the thread rests, so that it takes a part of one
processor at most; of a console that sends more than that the latest is looked at, and what is left
out is counted.
"""

import time
from collections.abc import Callable
from functools import partial

from attrs import frozen

from vspc.alerts.matching import FoundLine, LineMatcher, PatternSet, Piece
from vspc.common.clock import Clock, Timer
from vspc.console.context import OutputObserver

BATCH_TIME = 0.2
"""Seconds in which output is gathered: to wake the thread costs more than to look at some lines."""

BATCH_SIZE = 256 * 1024
"""Bytes that are looked at once they are there, unless the thread rests."""

EACH = 1024 * 1024
"""Bytes of one console that wait to be looked at."""

TOTAL = 32 * 1024 * 1024
"""Bytes of all consoles that wait."""

REST = 3.0
"""Rests after a batch, as multiples of the time that it took: a quarter of a processor is used."""

TURN = 50
"""Lines that match which are told in one turn of the reactor."""

LATE = 2.0
"""Seconds after which an unfinished line is looked at as it is."""


@frozen
class PatternMatch:
    """A line, the place of the pattern that it matches, and how many lines of its batch do too."""

    line: FoundLine
    which: int
    more: int = 0


Reaction = Callable[[list[PatternMatch]], None]
"""What is called in the reactor's thread with what a batch has."""


@frozen
class Search:
    """What is looked for: patterns, those of a console by its id, and who hears of them."""

    patterns: PatternSet
    select: Callable[[str], frozenset[int]]
    found: Reaction


class _Waiting:
    """Output of one console that was not looked at yet, and which patterns count there."""

    __slots__ = ("pieces", "size", "wanted")

    def __init__(self, wanted: frozenset[int]) -> None:
        self.wanted = wanted
        self.pieces: list[tuple[int, bytes]] = []
        self.size = 0


class OutputScanner(OutputObserver):
    """Stands before `inner`, which gets all of it first. `submit` makes a call in one thread, in
    order; `in_reactor` makes one in the reactor's.
    """

    def __init__(
        self,
        inner: OutputObserver,
        clock: Clock,
        submit: Callable[[Callable[[], None]], None],
        in_reactor: Callable[[Callable[[], None]], None],
        failed: Callable[[], None],
        each: int = EACH,
        total: int = TOTAL,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._submit = submit
        self._in_reactor = in_reactor
        self._failed = failed
        self._each, self._total = each, total
        self._search = Search(PatternSet(()), lambda _id: frozenset(), lambda _found: None)
        self._matcher = LineMatcher(self._search.patterns)  # the thread's
        self._wanted: dict[str, frozenset[int]] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._size = 0
        self._skipped: dict[str, int] = {}
        self._gone: dict[str, None] = {}
        self._is_busy = self._is_stopped = False
        self._timer, self._late = Timer(clock), Timer(clock)
        self._rests_until = 0.0
        self.skipped = 0
        """Bytes that were not looked at."""

    def use(self, search: Search) -> None:
        """Look for something else from now on."""
        self._search = search
        self._wanted.clear()
        for console_id, waiting in self._waiting.items():
            waiting.wanted = search.select(console_id)
        self._submit(partial(self._matcher.replace, search.patterns))

    def changed(self, console_id: str) -> None:
        """Other patterns may count for that console: it has another name."""
        self._wanted.pop(console_id, None)

    def gone(self, console_id: str) -> None:
        """That console has no line: what it sent last is looked at as it is, and forgotten."""
        if self._wanted.pop(console_id, None):
            self._gone[console_id] = None
            self._begin_soon()

    def take_skipped(self) -> dict[str, int]:
        """Bytes that were not looked at since the last call, by the ids of consoles."""
        skipped, self._skipped = self._skipped, {}
        return skipped

    def stop(self) -> None:
        """Nothing more is looked at."""
        self._waiting.clear()
        self._timer.stop()
        self._late.stop()
        self._is_busy = self._is_stopped = True

    # `OutputObserver`

    def next_offset(self, console_id: str) -> int:
        """Of the inner one, as what follows."""
        return self._inner.next_offset(console_id)

    def last_output(self, console_id: str) -> float | None:
        return self._inner.last_output(console_id)

    def last_name(self, console_id: str) -> str | None:
        return self._inner.last_name(console_id)

    def when_written(self, console_id: str, call: Callable[[int, int], None]) -> None:
        self._inner.when_written(console_id, call)

    def input(self, console_id: str, data: bytes) -> None:
        self._inner.input(console_id, data)

    def output(self, console_id: str, offset: int, data: bytes, at: float) -> None:
        """`data` came from the VM."""
        self._inner.output(console_id, offset, data, at)
        wanted = self._wanted.get(console_id)
        if wanted is None:
            wanted = self._wanted[console_id] = self._search.select(console_id)
        if wanted:
            self._keep(console_id, offset, data, wanted)

    def lost(self, console_id: str, start: int, end: int, why: str) -> None:
        self._inner.lost(console_id, start, end, why)

    # Batches

    def _keep(self, console_id: str, offset: int, data: bytes, wanted: frozenset[int]) -> None:
        waiting = self._waiting.get(console_id)
        if waiting is None:
            if not self._waiting:
                self._begin_soon()
            waiting = self._waiting[console_id] = _Waiting(wanted)
        size = len(data)
        waiting.wanted = wanted
        waiting.pieces.append((offset, data))
        waiting.size += size
        self._size += size
        while waiting.size > self._each or (self._size > self._total and waiting.size):
            self._skip(console_id, waiting)
        if self._size >= BATCH_SIZE and not (self._is_busy or self._rests):
            self._timer.stop()
            self._begin()

    @property
    def _rests(self) -> bool:
        return self._clock.seconds() < self._rests_until

    def _skip(self, console_id: str, waiting: _Waiting) -> None:
        """The oldest goes: before a VM falls silent comes what is worth reading."""
        size = len(waiting.pieces.pop(0)[1])
        waiting.size -= size
        self._size -= size
        self.skipped += size
        self._skipped[console_id] = self._skipped.get(console_id, 0) + size

    def _begin_soon(self) -> None:
        if not self._is_busy and self._timer.left is None:
            self._timer.start(BATCH_TIME, self._begin)

    def _begin(self) -> None:
        """Hand over what waits."""
        waiting, self._waiting, self._size = self._waiting, {}, 0
        gone, self._gone = self._gone, {}
        self._late.stop()
        self._run(partial(self._feed, waiting, list(gone)))

    def _run(self, work: Callable[[], list[FoundLine]]) -> None:
        self._is_busy = True
        try:
            self._submit(partial(self._work, work, self._search.found))
        except Exception:  # no thread, or no memory: output goes its way without being looked at
            self._is_busy = False
            self._failed()

    # In its thread

    def _feed(self, waiting: dict[str, _Waiting], gone: list[str]) -> list[FoundLine]:
        pieces = [
            Piece(console_id, offset, data, each.wanted)
            for console_id, each in waiting.items()
            for offset, data in _joined(each.pieces)
        ]
        found = self._matcher.feed(*pieces)
        for console_id in gone:
            found += self._matcher.end(console_id)
        return found

    def _work(self, work: Callable[[], list[FoundLine]], found: Reaction) -> None:
        began, lines = time.monotonic(), list[FoundLine]()
        try:
            lines = work()
        except Exception:  # a defect: what comes later is looked at all the same
            self._failed()
        matches, waits = _counted(lines), self._matcher.waits
        rest = REST * (time.monotonic() - began)
        self._in_reactor(lambda: self._worked(matches, found, rest, waits))

    # In the reactor's

    def _worked(
        self, matches: list[PatternMatch], found: Reaction, rest: float, waits: bool
    ) -> None:
        """Tell what was found, some in each turn; then the next batch may begin."""
        if matches and not self._is_stopped:
            found(matches[:TURN])
        if len(matches) > TURN:
            left = matches[TURN:]
            self._timer.start(0, lambda: self._worked(left, found, rest, waits))
            return
        self._is_busy = self._is_stopped
        if self._is_stopped:
            return
        self._rests_until = self._clock.seconds() + rest
        if self._waiting or self._gone:
            least = BATCH_TIME if self._size < BATCH_SIZE else 0.0
            self._timer.start(max(least, rest), self._begin)
        elif waits:
            self._late.start(LATE, lambda: self._run(self._matcher.late))


def _joined(pieces: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Pieces that are next to each other as one."""
    if len(pieces) == 1:
        return pieces
    runs = list[tuple[int, list[bytes]]]()
    end = -1
    for offset, data in pieces:
        if offset != end:
            runs.append((offset, []))
        runs[-1][1].append(data)
        end = offset + len(data)
    return [(offset, b"".join(parts)) for offset, parts in runs]


def _counted(lines: list[FoundLine]) -> list[PatternMatch]:
    """The first line of each console for each pattern, with the number of the others."""
    first = dict[tuple[str, int], tuple[FoundLine, int]]()
    for line in lines:
        for which in sorted(line.which):
            key = line.console_id, which
            found, count = first.get(key, (line, -1))
            first[key] = found, count + 1
    return [PatternMatch(line, which, more) for (_, which), (line, more) in first.items()]

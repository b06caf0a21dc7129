"""Reading what consoles said before: from their logs, or from memory where there is none."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar

from attrs import evolve, frozen

from vspc.apps.coroutines import RunningCoroutine
from vspc.apps.verbs.context import VerbContext
from vspc.common.clock import Cancellable
from vspc.console.console import Console
from vspc.console.history import History
from vspc.console.logs import Item, LogPage, LogView, Marker, MarkerKind, Output

NOT_LOGGED = "not logged, and no longer in memory"
UNREADABLE = "no longer in memory, and the log cannot be read now"


@frozen
class Memory:
    """`vspc.console.logs.Kept` over a ring. Nobody knows when each byte came: it is `last`.

    `why` is said of what is missing.
    """

    history: History
    last: float
    why: str = NOT_LOGGED

    @property
    def start(self) -> int:
        """The oldest offset that is kept."""
        return self.history.start

    @property
    def end(self) -> int:
        """The offset after the last byte."""
        return self.history.end

    @property
    def booted(self) -> bool:
        """Nobody looked."""
        return False

    @property
    def unwritten(self) -> int:
        """Nothing: it is not to be written."""
        return 0

    @property
    def cancelled(self) -> bool:
        """It takes no time."""
        return False

    def read(self, offset: int, limit: int, until: int | None = None) -> LogPage:
        """At most `limit` bytes from `offset`."""
        stop = self.end if until is None else min(until, self.end)
        items: list[Item] = []
        at = min(offset, stop)
        if at < min(self.start, stop):
            end = min(self.start, stop)
            items.append(Marker(at, self.last, MarkerKind.GAP, self.why, end))
            at = end
        data = self.history.read(at, min(limit, stop - at))
        if data:
            items.append(Output(at, self.last, data))
            at += len(data)
        return LogPage(tuple(items), at, at >= stop)

    def since(self, at: float) -> int:
        """Nothing: nobody knows when each byte came, and it may decide what one may see."""
        del at
        return self.end

    def last_lines(self, lines: int, limit: int) -> int:
        """The offset at which the last `lines` lines begin, at most `limit` bytes back."""
        return self.history.last_lines(lines, limit)

    def markers(self, kinds: Sequence[MarkerKind]) -> list[Marker]:
        """None are kept."""
        del kinds
        return []


T = TypeVar("T")

PIECE = 64 * 1024
"""Bytes that are read at once."""

AGAIN = 0.1
"""Seconds between two looks at a log that has not got yet what the ring has lost."""

PATIENCE = 30.0
"""Seconds after which such a log is not waited for any more."""


class Answered:
    """A question that had its answer at once."""

    def cancel(self) -> None:
        """Too late."""

    def active(self) -> bool:
        """It is over."""
        return False


def ask(
    context: VerbContext,
    console: Console,
    question: Callable[[LogView], T],
    answer: Callable[[T | None], Any],
) -> Cancellable:
    """Ask the log of `console`, or its ring where there is none: then `answer` hears at once."""
    if context.logs is not None and context.logs.keeps(console.id):
        return RunningCoroutine(_answered(context.logs.query(console.id, question), answer))
    answer(question(Memory(console.history, console.last_output or 0.0)))
    return Answered()


async def _answered(query: Awaitable[T | None], answer: Callable[[T | None], Any]) -> None:
    answer(await query)


def remembered(console: Console) -> Memory:
    """What memory has of a console whose log cannot be read now."""
    return Memory(console.history, console.last_output or 0.0, UNREADABLE)


def from_memory(title: str) -> str:
    """What is said of a log that is shown from memory."""
    return f"the log of {title} cannot be read now: this is from memory"


def not_written(count: int) -> str:
    """What is said of a log whose last `count` bytes the disk does not take."""
    return f"the last {count} bytes are from memory: the disk does not take them now"


class LogCursor:
    """Reads on from an offset, as fast as its reader takes it, until `reached` says so.

    What the log cannot give now comes from memory, with a gap where that does not reach.
    """

    def __init__(
        self,
        context: VerbContext,
        console: Console,
        offset: int,
        room: Callable[[], int],
        give: Callable[[Item], None],
        reached: Callable[[int, bool], bool],
        failed: Callable[[], None],
    ) -> None:
        """`give` gets each item, once and in order. After each piece `reached` is asked, with the
        offset and whether that is the end for now; False there means to wait for more. `failed`:
        the log does not answer, or nothing more has come for `PATIENCE` seconds.
        """
        self._context = context
        self._console = console
        self.offset = offset
        self._room = room
        self._give = give
        self._reached = reached
        self._failed = failed
        self._asked: Cancellable | None = None
        self._timer: Cancellable | None = None
        self._waited = 0.0
        self._seen: list[Marker] = []  # markers at `offset` that were given already
        self._pumping = False
        self.over = False

    def pump(self, until: int | None = None) -> None:
        """Read on if there is room; nothing if that is under way."""
        if self.over or self._pumping or (self._asked is not None and self._asked.active()):
            return
        if self._timer is not None and self._timer.active():
            return
        room = min(self._room(), PIECE)
        if room <= 0:
            return
        offset = self.offset
        self._pumping = True
        self._asked = ask(
            self._context,
            self._console,
            lambda kept: kept.read(offset, room, until),
            lambda passage: self._arrived(passage, until),
        )
        self._pumping = False

    def _arrived(self, passage: LogPage | None, until: int | None) -> None:
        self._asked = None
        if self.over:
            return
        if passage is None or self._is_short(passage, until):
            # The disk is full, or stands still: memory may have more.
            passage = remembered(self._console).read(self.offset, PIECE, until)
        passage = self._filled(passage)
        moved = passage.next > self.offset
        for item in list(self._unseen(passage)):
            self._give(item)
            if self.over:
                return
        if self._reached(self.offset, passage.ended):
            self.over = True
        elif not passage.ended:
            self._soon(0.0, until)
        else:
            self._waited = 0.0 if moved else self._waited + AGAIN
            if self._waited >= PATIENCE:
                self._end(self._failed)
            else:
                self._soon(AGAIN, until)

    def _is_short(self, passage: LogPage, until: int | None) -> bool:
        """Whether it ends before `until`, which was said."""
        if until is None or passage.items or not passage.ended:
            return False
        return self.offset < min(until, self._console.history.end)

    def _filled(self, passage: LogPage) -> LogPage:
        """`passage`, up to the first gap of which memory has something, and what that is."""
        history, said = self._console.history, 0
        for number, item in enumerate(passage.items):
            start = max(item.offset, history.start)
            if isinstance(item, Output):
                said += len(item.data)
            elif item.kind is MarkerKind.GAP and start < item.end <= history.end:
                room = max(1, min(self._room(), PIECE) - said)
                data = history.read(start, min(item.end - start, room))
                missing = (evolve(item, end=start),) if start > item.offset else ()
                items = (*passage.items[:number], *missing, Output(start, item.at, data))
                return LogPage(items, start + len(data), ended=False)
        return passage

    def _unseen(self, passage: LogPage) -> Iterator[Item]:
        for item in passage.items:
            if isinstance(item, Marker) and item.end == item.offset:
                if item.offset == self.offset:
                    if item in self._seen:
                        continue
                else:
                    self._seen = []
                self._seen.append(item)
                self.offset = item.offset
            else:
                self.offset = item.end
                self._seen = []
            yield item
        if passage.next > self.offset:
            self.offset, self._seen = passage.next, []

    def _soon(self, delay: float, until: int | None) -> None:
        def again() -> None:
            self._timer = None
            self.pump(until)

        self._timer = self._context.clock.call_later(delay, again)

    def _end(self, call: Callable[[], None]) -> None:
        self.over = True
        call()

    def stop(self) -> None:
        """Nothing more is wanted."""
        self.over = True
        for waiting in (self._asked, self._timer):
            if waiting is not None and waiting.active():
                waiting.cancel()

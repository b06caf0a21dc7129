"""Reading output of a console from any offset: from its log, or from memory where there is none or
it cannot be read (`LogCursor`); and on from there, as it comes (`Following`).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from attrs import define, evolve, field, frozen

from vspc.apps.verbs.context import FAILED, Call, VerbContext, VerbExit
from vspc.console.attachment import Attachment
from vspc.console.console import Console
from vspc.console.history import History
from vspc.console.logs import Item, LogPage, LogView, Marker, MarkerKind, Output
from vspc.console.notices import Notice
from vspc.console.output_cursor import Ended, Lost, OutputChunk
from vspc.net.waiting import RunningCoroutine, Wakeup, sleep

TOO_MUCH = "too much output meanwhile"
NOT_LOGGED = "not logged, and no longer in memory"
UNREADABLE = "no longer in memory, and the log cannot be read now"


@frozen
class Memory:
    """`vspc.console.logs.LogView` over the history of a console. When each byte came is not kept:
    `last` is given for all of them. `why` explains what is missing.
    """

    history: History
    last: float
    why: str = NOT_LOGGED

    booted = False  # unknown
    unwritten = 0
    cancelled = False  # reading takes no time

    @property
    def start(self) -> int:
        """The oldest offset that is kept."""
        return self.history.start

    @property
    def end(self) -> int:
        """The offset after the last byte."""
        return self.history.end

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
        """`end`: when each byte came is unknown, and rights may depend on it."""
        del at
        return self.end

    def last_lines(self, lines: int, limit: int) -> int:
        """The offset at which the last `lines` lines begin, at most `limit` bytes back."""
        return self.history.last_lines(lines, limit)

    def markers(self, kinds: Sequence[MarkerKind]) -> list[Marker]:
        """None."""
        del kinds
        return []


T = TypeVar("T")

PIECE = 64 * 1024
"""Bytes that are read from memory at once."""

AHEAD = 256 * 1024
"""Bytes that are read from a log at once: to ask its threads costs more than to read so much."""

AGAIN = 0.1
"""Seconds between two looks at a log that does not have yet what the history has lost."""

PATIENCE = 30.0
"""Seconds after which such a log is given up."""


async def ask(context: VerbContext, console: Console, question: Callable[[LogView], T]) -> T | None:
    """The answer of the log of `console`, or of its history where there is no log. None: the log
    cannot be read.
    """
    logs = context.logs
    if logs is None or not logs.keeps(console.id):
        return question(Memory(console.history, console.link.last_output or 0.0))
    return await logs.query(console.id, question)


async def read_log(call: Call, console: Console, question: Callable[[LogView], T]) -> T:
    """The same for a verb: raises `VerbExit` where the log cannot be read, or where the operator
    can no longer read the console when the answer comes.
    """
    title = console.title
    found = await ask(call.context, console, lambda kept: (question(kept),))
    call.require_readable(console, title)
    if found is None:
        raise VerbExit(FAILED, f"the log of {title} cannot be read now")
    return found[0]


async def look_up(
    call: Call, console: Console, title: str, question: Callable[[LogView], T], needs_log: bool
) -> tuple[T, bool]:
    """What `question` finds in the log of `console`, or in memory where the log cannot be read; and
    whether it is the former. What is not from the log is remarked on.

    Raises `VerbExit` where the log cannot be read and is needed or memory has nothing, and as
    `Call.require_readable`, which `title` is for.
    """
    found = await ask(call.context, console, lambda kept: (question(kept), kept.unwritten))
    call.require_readable(console, title, FAILED)
    if found is None:
        if needs_log or console.history.start == console.history.end:
            raise VerbExit(FAILED, f"the log of {title} cannot be read now")
        call.remark(f"the log of {title} cannot be read now: this is from memory")
        return question(remembered(console)), False
    answer, count = found
    if count:
        call.remark(f"the last {count} bytes are from memory: they cannot be written to disk now")
    return answer, True


async def look_back_denial(call: Call, console: Console, offset: int) -> str:
    """Why the operator may not look back as far as `offset`; empty if that is allowed."""
    limit, earliest = call.history_limit(console), call.earliest(console)
    if limit is None or earliest is None or offset >= console.history.end:
        return ""
    first = await ask(call.context, console, lambda kept: kept.since(earliest))
    if first is not None and offset >= first:
        return ""
    since = "" if first is None else f", offset {first}"
    return f"you may look back {limit:g} seconds on {console.title}{since}"


def remembered(console: Console) -> Memory:
    """What memory has of a console whose log cannot be read now."""
    return Memory(console.history, console.link.last_output or 0.0, UNREADABLE)


class LogStalled(Exception):
    """Nothing more has come into a log for `PATIENCE` seconds."""


@define(eq=False)
class LogCursor:
    """Reads on from `offset`, up to `until` where that is given; each item once and in order. It
    reads `AHEAD`.

    What the log cannot give now comes from memory, with a gap where memory does not reach.
    `ended`: nothing more was there at the last `read`.
    """

    _context: VerbContext
    _console: Console
    offset: int
    until: int | None = None
    ended: bool = field(default=False, init=False)
    _waits_since: float | None = field(default=None, init=False)
    _is_first: bool = field(default=True, init=False)
    _ahead: deque[Item] = field(factory=deque, init=False)  # what was read and not given
    _next: int = field(default=0, init=False)  # where that ends
    _is_last: bool = field(default=False, init=False)  # whether nothing more was behind it
    _seen: list[Marker] = field(factory=list, init=False)  # those at `offset` that were given

    async def read(self, room: int) -> list[Item]:
        """The next items, about `room` bytes; each call but the first in a new turn of the reactor.

        At the end of the log it waits for a moment. Raises `LogStalled`.
        """
        clock = self._context.clock
        if self._waits_since is not None and clock.seconds() - self._waits_since >= PATIENCE:
            raise LogStalled
        if not self._is_first:
            await sleep(clock, AGAIN if self.ended else 0.0)
        self._is_first = False
        if not self._ahead:
            await self._read_ahead()
        items = list(self._unseen(self._take(min(room, PIECE))))
        self.ended = self._is_last and not self._ahead
        return items

    async def _read_ahead(self) -> None:
        offset, until = self.offset, self.until
        page = await ask(self._context, self._console, lambda kept: kept.read(offset, AHEAD, until))
        if page is None or self._is_short(page):
            # The disk is full, or does not answer: memory may have more.
            page = remembered(self._console).read(offset, PIECE, until)
        page = self._filled(page, AHEAD)
        if page.next > offset or not page.ended:
            self._waits_since = None
        elif self._waits_since is None:
            self._waits_since = self._context.clock.seconds()
        self._ahead.extend(page.items)
        self._next, self._is_last = page.next, page.ended

    def _take(self, room: int) -> Iterator[Item]:
        """About `room` bytes of what was read; markers come with the byte that follows them."""
        while self._ahead and room > 0:
            item = self._ahead.popleft()
            if isinstance(item, Output):
                if len(item.data) > room:
                    self._ahead.appendleft(Output(item.offset + room, item.at, item.data[room:]))
                    item = evolve(item, data=item.data[:room])
                room -= len(item.data)
            yield item

    def _is_short(self, page: LogPage) -> bool:
        """Whether it ends before `until` although there is more output."""
        if self.until is None or page.items or not page.ended:
            return False
        return self.offset < min(self.until, self._console.history.end)

    def _filled(self, page: LogPage, room: int) -> LogPage:
        """`page` up to the first gap of which memory has something, and what memory has."""
        history, before = self._console.history, 0
        for number, item in enumerate(page.items):
            start = max(item.offset, history.start)
            if isinstance(item, Output):
                before += len(item.data)
            elif item.kind is MarkerKind.GAP and start < item.end <= history.end:
                data = history.read(start, min(item.end - start, max(1, room - before)))
                missing = (evolve(item, end=start),) if start > item.offset else ()
                items = (*page.items[:number], *missing, Output(start, item.at, data))
                return LogPage(items, start + len(data), ended=False)
        return page

    def _unseen(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
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
        if not self._ahead and self._next > self.offset:
            self.offset, self._seen = self._next, []


class FollowReader(Protocol):
    """Takes what `Following` reads. No method may raise."""

    def room(self) -> int:
        """Bytes that it takes now; call `Following.go_on` when that grows."""

    def take_output(self, offset: int, data: bytes) -> None:
        """Output of the VM."""

    def missing(self, start: int, end: int, why: str) -> None:
        """`start` to `end` (exclusive) are kept nowhere; `why` may be empty."""

    def notice(self, notice: Notice) -> None:
        """One line about the console."""

    def output_ended(self, reason: str) -> None:
        """Nothing more comes."""


class Following:
    """What an attachment shows to a reader, which may be behind what is kept in memory: what the
    history has lost is read from the console's log, at the same offsets (law 1).
    """

    def __init__(
        self,
        context: VerbContext,
        attachment: Attachment,
        reader: FollowReader,
        from_log: bool = True,
    ) -> None:
        """Without `from_log` what the history has lost is missing, whether it is logged or not."""
        self._context = context
        self._attachment = attachment
        self._reader = reader
        logs = context.logs
        is_logged = logs is not None and logs.keeps(attachment.console.id)
        self._is_logged = is_logged
        self._from_log = from_log and is_logged
        self._until = 0  # what is lost before that offset is read from the log in any case
        self._most = 0  # bytes of that
        self._catching_up: RunningCoroutine | None = None
        self._more_room = Wakeup(context.clock)
        self._is_reading = False
        self._is_over = False
        self.at: float | None = None  # when what is shown now came, if it is from the log

    def go_on(self) -> None:
        """Read on, as much as there is room for."""
        if self._is_reading or self._is_over:
            return
        if self._is_behind:
            self._more_room.set()
            return
        self._is_reading = True
        while not (self._is_over or self._is_behind) and (room := self._reader.room()) > 0:
            if not self._show(room):
                break
        self._is_reading = False

    @property
    def _is_behind(self) -> bool:
        return self._catching_up is not None and self._catching_up.active()

    def _show(self, room: int) -> bool:
        """The next thing; False: there is none."""
        match self._attachment.cursor.next(min(room, PIECE)):
            case OutputChunk(offset, data):
                self.at = None
                self._reader.take_output(offset, data)
            case Lost(start, end, why) if why:
                self._reader.missing(start, end, why)
            case Lost(start, end) if self._from_log or start < self._until:
                if not self._from_log and end - start > self._most:
                    self._miss(start, end - self._most, TOO_MUCH)
                    start = end - self._most
                self._attachment.cursor.offset = start
                self._catching_up = RunningCoroutine(self._catch_up(start))
            case Lost(start, end):
                self._miss(start, end, "")
            case Notice() as notice:
                self._reader.notice(notice)
            case Ended(reason):
                self._is_over = True
                self._reader.output_ended(reason)
            case None:
                return False
        return True

    def _miss(self, start: int, end: int, why: str) -> None:
        self._attachment.console.missed(end - start)
        self._reader.missing(start, end, why)

    async def _catch_up(self, offset: int) -> None:
        """Show the log from `offset` to where the history begins."""
        history = self._attachment.console.history
        cursor = LogCursor(self._context, self._context.console_of(self._attachment), offset)
        while not (self._is_over or self._has_caught_up(cursor.offset)):
            while (room := self._reader.room()) <= 0:
                await self._more_room.wait()
            try:
                items = await cursor.read(room)
            except LogStalled:
                self._miss(cursor.offset, history.start, "")
                cursor.offset = history.start
                break
            for item in items:
                if not self._is_over:
                    self._show_logged(item)
        self._attachment.cursor.offset = cursor.offset
        self._context.clock.call_later(0, self.go_on)

    def _has_caught_up(self, offset: int) -> bool:
        last = self._attachment.cursor.last
        starts = self._attachment.console.history.start
        return offset >= starts or (last is not None and offset >= last)

    def _show_logged(self, item: Item) -> None:
        if isinstance(item, Output):
            last = self._attachment.cursor.last
            data = item.data if last is None else item.data[: max(0, last - item.offset)]
            if data:
                self.at = item.at
                self._reader.take_output(item.offset, data)
        elif item.kind is MarkerKind.GAP:
            self._reader.missing(item.offset, item.end, item.text)

    def recover(self, most: int) -> None:
        """What the history has lost until now is read from the log, at most so many bytes of it."""
        if self._is_logged:
            self._until, self._most = self._attachment.console.history.start, most

    def skip(self) -> None:
        """Go on from now; what has not been read is not wanted."""
        if self._catching_up is not None:
            self._catching_up.cancel()
        self._attachment.cursor.skip()

    def stop(self) -> None:
        """Read nothing more."""
        self._is_over = True
        if self._catching_up is not None:
            self._catching_up.cancel()

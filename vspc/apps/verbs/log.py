"""`log NAME`: the log of a console; with `-f` also its output from now on. `log 'web*' --grep
REGEX` searches the logs of many consoles, one after the other.
"""

from collections.abc import Callable, Iterable
from contextlib import nullcontext

from attrs import define, field
from twisted.internet.defer import CancelledError

from vspc.apps.following import PIECE, LogCursor, LogStalled, ask, remembered
from vspc.apps.verbs.context import (
    DONE,
    FAILED,
    NOT_FOUND,
    USAGE,
    Call,
    Verb,
    VerbContext,
    VerbExit,
    handle_of,
    no_console,
)
from vspc.apps.verbs.grammar import JSON, Parsed
from vspc.apps.verbs.log_options import (
    FOLLOW,
    FROM,
    GRAMMAR,
    GREP,
    NAME,
    PANIC,
    LogFormat,
    NoSuchBoot,
    Span,
    check,
    find_span,
    matches,
)
from vspc.apps.verbs.panics import about_panic
from vspc.apps.verbs.stream_search import SearchPattern
from vspc.console.attachment import Sink
from vspc.console.console import Console
from vspc.console.log_reading import OutputLines
from vspc.console.logs import Item, LogView, Marker, MarkerKind, Output
from vspc.console.names import reading_order
from vspc.console.notices import Notice
from vspc.console.output_cursor import Ended, Lost, OutputChunk
from vspc.net.waiting import Wakeup, sleep

IDLE = 2.0
"""Seconds after which an unfinished line is shown as it is, where lines are shown one by one."""


async def run(call: Call, parsed: Parsed) -> None:
    """Print it. Control-C ends it with status 0."""
    check(parsed)
    try:
        if parsed.get(GREP) is not None and call.means_many(parsed[NAME]):
            await _search_many(call, parsed)
            return
        console = call.find(parsed[NAME])
        if (number := parsed.get(PANIC)) is not None:
            call = about_panic(call, console, number)
        with call.following(console) if parsed.has(FOLLOW) else nullcontext():
            reader = _Reader(call, console, console.title, parsed)
            await reader.find()
            await reader.print()
    except CancelledError:
        raise VerbExit(DONE) from None
    if parsed.get(GREP) is not None and not reader.matches:
        raise VerbExit(FAILED)


async def _search_many(call: Call, parsed: Parsed) -> None:
    """Search the logs of all consoles that match NAME, in the order of `list`. A log that cannot be
    read is reported and the others are searched; the status is 1 then, as without match.
    """
    if parsed.has(FOLLOW) or parsed.get(FROM) is not None or parsed.get(PANIC) is not None:
        raise VerbExit(USAGE, "-f, --from and --panic are for one console, not for a pattern")
    consoles = sorted(call.matching(parsed[NAME]), key=reading_order)
    if not consoles:
        raise VerbExit(NOT_FOUND, no_console(parsed[NAME]))
    # With the names of now: the operator may not learn later ones.
    named = [(console, console.title) for console in consoles]
    searched, matches, failed = 0, 0, False
    for number, (console, title) in enumerate(named):
        if searched >= SEARCHED:
            left = len(named) - number
            more = f"{left} console{'' if left == 1 else 's'} not searched"
            raise VerbExit(FAILED, f"limit reached: {searched} bytes searched; {more}")
        reader = _Reader(call, console, title, parsed, searched, is_one_of_many=True)
        why = await _search_one(reader) if call.may_read(console) else ()
        for line in why if call.may_read(console) else ():
            call.remark(line)
            failed = True
        failed = failed or reader.is_remembered
        searched, matches = reader.searched, matches + reader.matches
    if failed or not matches:
        raise VerbExit(FAILED)


async def _search_one(reader: "_Reader") -> tuple[str, ...]:
    """Search a log, and print what matches; why not all of it was searched."""
    try:
        await reader.find()
        if not reader.is_empty:
            await reader.print()
    except NoSuchBoot:
        return ()
    except VerbExit as end:
        return end.lines
    return ()


@define(eq=False)
class _Reader:
    """Prints the log of one console, that of one of many with its name before each line.

    `searched` are the bytes that were searched, in other logs before this one, too.
    """

    _call: Call
    _console: Console
    _title: str  # when it began: the operator may not learn a later one
    _parsed: Parsed
    searched: int = 0
    _is_one_of_many: bool = False
    _format: LogFormat = field(init=False)
    _span: Span = field(default=Span(0, 0), init=False)
    _before: int = field(init=False)  # bytes that were printed before it
    _piece: int = field(default=0, init=False)  # where the last one begins that was printed

    def __attrs_post_init__(self) -> None:
        about = {"console": self._title, "handle": handle_of(self._console)}
        many = (about, f"{self._title}: ".encode()) if self._is_one_of_many else ({}, b"")
        self._format = LogFormat(self._parsed, self._call.channel.terminal is not None, *many)
        self._before = self._call.output.written

    @property
    def matches(self) -> int:
        """Lines that matched `--grep`."""
        return self._format.matches

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to read."""
        return self._span.start >= self._span.end

    @property
    def is_remembered(self) -> bool:
        """Whether it is read from memory, because the log cannot be read."""
        return self._span.remembered

    async def find(self) -> None:
        """Find the part of the log that is asked for. Raises `VerbExit`, as does `print`."""
        call, offset, end = self._call, self._parsed.get(FROM), self._console.history.end
        span = await find_span(call, self._console, self._title, self._parsed)
        if offset is not None and offset > end:
            raise VerbExit(FAILED, f"offset {offset} does not exist yet; the output ends at {end}")
        self._span = span
        if span.late:
            call.remark(f"the log begins at offset {span.start}: nothing older is kept")

    async def print(self) -> None:
        """Print it, and follow the console where that was asked for."""
        follow, output, start = self._parsed.has(FOLLOW), self._call.output, self._span.start
        if follow:
            self._record("begun")
        try:
            is_search = self._parsed.get(GREP) is not None
            offset = await (self._search(start) if is_search else self._read(start))
            while follow:
                offset = await self._read(await self._follow(offset))
            output.put(*self._format.end())
            await output.flush()
        finally:
            self._record("ok" if self._call.may_read(self._console) else "failed")

    # From the log

    async def _read(self, start: int) -> int:
        """Print the log from `start` to its end, or to where the history begins; that offset."""
        call, history, follow = self._call, self._console.history, self._parsed.has(FOLLOW)
        end = self._span.end
        cursor = LogCursor(call.context, self._console, start, None if follow else end)
        while True:
            try:
                items = await cursor.read(await call.output.room())
            except LogStalled:
                why = f"the log of {self._title} cannot be read any further"
                raise VerbExit(FAILED, why) from None
            for item in items:
                self._put(item)
            call.require_readable(self._console, self._title, FAILED)
            if follow and cursor.ended and cursor.offset >= history.start:
                return cursor.offset
            if not follow and cursor.ended:
                return cursor.offset

    async def _search(self, start: int) -> int:
        call, end = self._call, self._span.end
        search = LogSearch(call.context, self._console, self._parsed, start, end, self.searched)
        while not search.ended:
            await call.output.room()
            found = await search.next()
            self.searched = search.searched
            call.require_readable(self._console, self._title, FAILED)
            for item in found:
                self._put(item)
            call.output.put(*self._format.end())
        if search.is_over_limit:
            why = f"limit reached: the log of {self._title} is searched up to offset"
            raise VerbExit(FAILED, f"{why} {search.offset}; --from {search.offset} continues")
        return search.offset

    def _put(self, item: Item) -> None:
        is_shown = self._parsed.has(JSON) and self._parsed.get(GREP) is None
        if isinstance(item, Marker) and item.kind is MarkerKind.GAP and not is_shown:
            lost = f"output lost: offsets {item.offset} to {item.end} of {self._title}"
            self._call.remark(f"{lost}: {item.text}")
        self._piece = item.offset
        self._call.output.put(*self._format.feed(item))

    # From the console

    async def _follow(self, offset: int) -> int:
        """Print output from `offset` on, until the history has lost some; the offset of that."""
        call, console, output = self._call, self._console, self._call.output
        call.require_readable(console, self._title, FAILED)
        output.put(*self._format.pause())
        events = _FollowSink(self._title, lambda: self._reached(attachment.cursor.offset), call)
        attachment = console.attach(call.session, call.rights(console), events, offset)
        try:
            while True:
                match attachment.cursor.next(min(await output.room(), PIECE)):
                    case OutputChunk(start, data):
                        self._put(Output(start, call.context.clock.wall(), data))
                    case Lost(start):
                        return start
                    case Notice(text):
                        if self._parsed.get(GREP) is None:
                            call.remark(text)
                    case Ended(reason):
                        raise VerbExit(FAILED, reason)
                    case None:
                        await self._pause(events.wakeup)
        finally:
            attachment.detach()

    def _reached(self, offset: int) -> int:
        """Up to where the client has all of what was read up to `offset`."""
        reached = offset if self._call.output.is_taken else min(self._piece, offset)
        held = self._format.held
        return reached if held is None else min(held, reached)

    async def _pause(self, more: Wakeup) -> None:
        """Wait for more. An unfinished line is shown after a while."""
        output, line = self._call.output, self._format
        output.put(*line.pause())
        if not await more.wait(IDLE if line.waits else None):
            output.put(*line.late())
            await more.wait()

    def _record(self, result: str) -> None:
        self._call.record(
            "log-read",
            self._console,
            verb="log",
            offset=self._span.start,
            end=self._span.end,
            bytes=self._call.output.written - self._before,
            follow=self._parsed.has(FOLLOW),
            panic=self._parsed.get(PANIC),
            result=result,
        )


def _matching(expression: SearchPattern, items: Iterable[Item], lines: OutputLines) -> list[Item]:
    """The lines of `items` that match, each as the VM sent it, and gaps; runs in a thread."""
    found: list[Item] = []
    for item in items:
        if isinstance(item, Marker):
            found += [item] if item.kind is MarkerKind.GAP else []
            continue
        found.extend(
            Output(line.offset, line.at, line.text + b"\n")
            for line in lines.feed(item)
            if matches(expression, line)
        )
    return found


SIFTED = 1024 * 1024
"""Bytes that are searched in one go."""

FOUND = 1000
"""Lines after which one go ends."""

SEARCHED = 4 * 1024 * 1024 * 1024
"""Bytes that one command searches."""


@define(eq=False)
class LogSearch:
    """Searches the log of one console piece by piece, in the thread that reads it; what the log
    cannot give now is searched in memory.

    `searched` are bytes that this command has searched, in other logs too; `offset` is how far it
    is. `ended`: all of it was searched, or `is_over_limit`: more than `SEARCHED` would be. With
    `follow` an unfinished line at the end is left for what follows.
    """

    _context: VerbContext
    _console: Console
    _parsed: Parsed
    offset: int
    _end: int
    searched: int = 0
    ended: bool = field(default=False, init=False)
    is_over_limit: bool = field(default=False, init=False)

    async def next(self) -> list[Item]:
        """The lines of the next piece that match, and gaps; in a new turn of the reactor."""
        await sleep(self._context.clock, 0)
        answer = await ask(self._context, self._console, self._look)
        if answer is None:  # the disk does not answer: memory may have it
            answer = self._look(remembered(self._console))
        found, at, self.ended = answer
        self.searched += at - self.offset
        self.offset = at
        self.is_over_limit = not self.ended and self.searched >= SEARCHED
        self.ended = self.ended or self.is_over_limit
        return found

    def _look(self, kept: LogView) -> tuple[list[Item], int, bool]:
        """What was found, where to go on, and whether that is the end."""
        expression = self._parsed.get(GREP)
        assert expression is not None
        at, ended, found, lines = self.offset, False, list[Item](), OutputLines(returns=True)
        while not (ended or kept.cancelled) and at - self.offset < SIFTED and len(found) < FOUND:
            page = kept.read(at, PIECE, self._end)
            found += _matching(expression, page.items, lines)
            at, ended = page.next, page.ended
        if self._parsed.has(FOLLOW) if ended else at > self.offset + lines.pending:
            at -= lines.pending  # an unfinished line is read again
        else:
            found += [
                Output(line.offset, line.at, line.text)
                for line in lines.flush()
                if matches(expression, line)
            ]
        return found, at, ended


@define(eq=False)
class _FollowSink(Sink):
    """The sink of a console that is followed. `wakeup` is set when there is more; `reached` says up
    to which offset the client has it.
    """

    _title: str
    _reached: Callable[[], int]
    _call: Call
    wakeup: Wakeup = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.wakeup = Wakeup(self._call.context.clock)

    def ready(self) -> None:
        self.wakeup.set()

    def writable(self) -> None:
        """Nothing is typed."""

    def host_changed(self, old: str, new: str) -> None:
        """A notice is shown."""

    def ended(self, reason: str) -> None:
        error = VerbExit(FAILED, f"{self._title}: {reason}; --from {self._reached()} continues")
        self._call.output.throw(error)
        self.wakeup.throw(error)


VERB = Verb(GRAMMAR, run, audits_itself=True)

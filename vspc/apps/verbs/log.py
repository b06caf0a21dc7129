"""`log NAME`: the log of a console; with `-f` also its output from now on. `log 'web*' --grep
REGEX` searches the logs of many consoles, one after the other.
"""

from contextlib import nullcontext

from attrs import define, field
from twisted.internet.defer import CancelledError

from vspc.apps.verbs.context import (
    DONE,
    FAILED,
    NOT_FOUND,
    USAGE,
    Call,
    Verb,
    VerbExit,
    handle_of,
    no_console,
)
from vspc.apps.verbs.grammar import Parsed
from vspc.apps.verbs.log_cursor import PIECE, LogCursor, LogStalled, from_memory, not_written
from vspc.apps.verbs.log_lines import SEARCHED, LogFormat, LogSearch
from vspc.apps.verbs.log_options import (
    GRAMMAR,
    NAME,
    LogOptions,
    NoSuchBoot,
    Span,
    find_span,
    log_options,
)
from vspc.console.attachment import Ended, Lost, OutputChunk, Sink
from vspc.console.console import Console
from vspc.console.logs import Item, Marker, MarkerKind, Output
from vspc.console.names import reading_order
from vspc.console.notices import Notice
from vspc.net.waiting import Wakeup

IDLE = 2.0
"""Seconds after which an unfinished line is shown as it is, where lines are shown one by one."""


async def run(call: Call, parsed: Parsed) -> None:
    """Print it. Control-C ends it with status 0."""
    options = log_options(parsed)
    try:
        if options.grep is not None and call.means_many(parsed[NAME]):
            await _search_many(call, parsed[NAME], options)
            return
        console = call.find(parsed[NAME])
        with call.following(console) if options.follow else nullcontext():
            await _Reader(call, console, options).run()
    except CancelledError:
        raise VerbExit(DONE) from None


@define(eq=False)
class _Reader:
    """Prints the log of one console."""

    _call: Call
    _console: Console
    _options: LogOptions
    _title: str = field(init=False)  # when it began: the operator may not learn a later one
    _format: LogFormat = field(init=False)
    _span: Span = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._title = self._console.title
        self._format = LogFormat(self._options, self._call.channel.terminal is not None)

    async def run(self) -> None:
        """Print it, and follow the console where that was asked for."""
        self._span = await self._find_span()
        if self._options.follow:
            self._record("begun")
        if self._span.late:
            self._call.remark(f"the log begins at offset {self._span.start}: nothing older is kept")
        try:
            await self._print()
        finally:
            self._record("ok")

    async def _find_span(self) -> Span:
        call, options, console = self._call, self._options, self._console
        found = await find_span(call, console, options)
        call.require_readable(console, self._title, FAILED)
        if found is None:
            raise VerbExit(FAILED, f"the log of {self._title} cannot be read now")
        if isinstance(found, NoSuchBoot):
            raise VerbExit(FAILED, str(found))
        if found.remembered:
            call.remark(from_memory(self._title))
        if found.unwritten:
            call.remark(not_written(found.unwritten))
        end = console.history.end
        if options.offset is not None and options.offset > end:
            raise VerbExit(
                FAILED, f"offset {options.offset} does not exist yet; the output ends at {end}"
            )
        return found

    async def _print(self) -> None:
        start = self._span.start
        offset = await (self._read(start) if self._options.grep is None else self._search(start))
        while self._options.follow:
            offset = await self._read(await self._follow(offset))
        output = self._call.output
        output.put(*self._format.end())
        await output.flush()
        if self._options.grep is not None and not self._format.matches:
            raise VerbExit(FAILED)

    # From the log

    async def _read(self, start: int) -> int:
        """Print the log from `start` to its end, or to where the history begins; that offset."""
        call, history, follow = self._call, self._console.history, self._options.follow
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
            if not follow and (cursor.ended or cursor.offset >= end):
                return cursor.offset

    async def _search(self, start: int) -> int:
        call, end = self._call, self._span.end
        search = LogSearch(call.context, self._console, self._options, start, end)
        while not search.ended:
            await call.output.room()
            found = await search.next()
            call.require_readable(self._console, self._title, FAILED)
            for item in found:
                self._put(item)
            call.output.put(*self._format.end())
        if search.is_over_limit:
            more = f"--from {search.offset} continues"
            raise VerbExit(FAILED, f"limit reached: {search.searched} bytes searched; {more}")
        return search.offset

    def _put(self, item: Item) -> None:
        is_shown = self._options.json and self._options.grep is None
        if isinstance(item, Marker) and item.kind is MarkerKind.GAP and not is_shown:
            self._call.remark(f"output lost: offsets {item.offset} to {item.end}: {item.text}")
        self._call.output.put(*self._format.feed(item))

    # From the console

    async def _follow(self, offset: int) -> int:
        """Print output from `offset` on, until the history has lost some; the offset of that."""
        call, console, output = self._call, self._console, self._call.output
        call.require_readable(console, self._title, FAILED)
        output.put(*self._format.pause())
        events = _FollowSink(self._title, console, call)
        attachment = console.attach(call.session, call.rights(console), events, offset)
        try:
            while True:
                match attachment.next(min(await output.room(), PIECE)):
                    case OutputChunk(start, data):
                        self._put(Output(start, call.context.clock.wall(), data))
                    case Lost(start):
                        return start
                    case Notice(text):
                        if self._options.grep is None:
                            call.remark(text)
                    case Ended(reason):
                        raise VerbExit(FAILED, reason)
                    case None:
                        await self._pause(events.wakeup)
        finally:
            attachment.detach()

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
            bytes=self._call.output.written,
            follow=self._options.follow,
            result=result,
        )


@define(eq=False)
class _FollowSink(Sink):
    """The sink of a console that is followed. `wakeup` is set when there is more."""

    _title: str
    _console: Console
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
        end = self._console.history.end
        error = VerbExit(FAILED, f"{self._title}: {reason}; --from {end} continues")
        self._call.output.throw(error)
        self.wakeup.throw(error)


async def _search_many(call: Call, pattern: str, options: LogOptions) -> None:
    """Search the logs of all consoles that match `pattern`, in the order of `list`. A log that
    cannot be read is reported and the others are searched; the status is 1 then, as without match.
    """
    if options.follow or options.offset is not None:
        raise VerbExit(USAGE, "-f and --from are for one console, not for a pattern")
    consoles = sorted(call.matching(pattern), key=reading_order)
    if not consoles:
        raise VerbExit(NOT_FOUND, no_console(pattern))
    search = _SearchOfMany(call, options)
    # With the names of now: the operator may not learn later ones.
    named = [(console, console.title) for console in consoles]
    for number, (console, title) in enumerate(named):
        if search.searched >= SEARCHED:
            left = len(named) - number
            more = f"{left} console{'' if left == 1 else 's'} not searched"
            raise VerbExit(FAILED, f"limit reached: {search.searched} bytes searched; {more}")
        if call.may_read(console):
            await search.one(console, title)
    await call.output.flush()
    if search.failed or not search.matches:
        raise VerbExit(FAILED)


@define(eq=False)
class _SearchOfMany:
    """`failed`: some of it was not searched."""

    _call: Call
    _options: LogOptions
    searched: int = 0
    matches: int = 0
    failed: bool = False

    async def one(self, console: Console, title: str) -> None:
        """Search one log, and print what matches with the name before it."""
        call = self._call
        found = await find_span(call, console, self._options)
        if not call.may_read(console) or isinstance(found, NoSuchBoot):
            return
        if found is None:
            self._fail(f"the log of {title} cannot be read now")
            return
        if found.remembered:
            self._fail(from_memory(title))
        if found.start < found.end:
            await self._print(console, title, found)

    def _fail(self, why: str) -> None:
        self.failed = True
        self._call.remark(why)

    async def _print(self, console: Console, title: str, found: Span) -> None:
        call, output, before = self._call, self._call.output, self._call.output.written
        about = {"console": title, "handle": handle_of(console)}
        lines = LogFormat(self._options, call.channel.terminal is not None, about)
        search = LogSearch(
            call.context, console, self._options, found.start, found.end, self.searched
        )
        result = "ok"
        try:
            while not search.ended:
                await output.room()
                items = await search.next()
                if not call.may_read(console):
                    result = "failed"
                    return
                for item in items:
                    if isinstance(item, Marker) and item.kind is MarkerKind.GAP:
                        lost = f"output lost: offsets {item.offset} to {item.end}: {item.text}"
                        call.remark(f"{title}: {lost}")
                    output.put(*lines.feed(item))
                output.put(*lines.end())
        finally:
            self.searched, self.matches = search.searched, self.matches + lines.matches
            call.record(
                "log-read",
                console,
                verb="log",
                offset=found.start,
                end=search.offset,
                bytes=output.written - before,
                follow=False,
                result=result,
            )
        if search.is_over_limit:
            self._fail(f"limit reached: {title} is searched up to offset {search.offset}")


VERB = Verb(GRAMMAR, run, audits_itself=True)

"""`watch GLOB...`: the output of many consoles as it comes, in whole lines, each behind the name of
its console.

Lines are gathered, and one turn of the reactor does little of it, however many VMs talk. A client
that takes less than they say is told for each console what was left out.
"""

from collections.abc import Callable, Iterable, Mapping
from math import inf
from zlib import crc32

from attrs import define, evolve, field
from twisted.internet.defer import CancelledError

from vspc.apps.verbs.context import DONE, Call, Verb, VerbExit, complain, fitting, handle_of
from vspc.apps.verbs.grammar import JSON, Argument, Grammar, Parsed
from vspc.apps.verbs.help_text import VALUES
from vspc.apps.verbs.kinds import GLOBS, UsageError
from vspc.apps.verbs.limits import WorkPoolFull
from vspc.apps.verbs.log_options import GREP, TIMESTAMPS, LogFormat
from vspc.apps.verbs.stream_search import SearchPattern
from vspc.common.text import plain_output, safe_output
from vspc.console.attachment import Attachment, AttachmentKind, Sink
from vspc.console.console import Console
from vspc.console.events import Appeared, Connected, Event, Renamed
from vspc.console.logs import Item, Marker, MarkerKind, Output
from vspc.console.names import NotFound, reading_order
from vspc.console.notices import Notice
from vspc.console.output_cursor import Ended, Lost, OutputChunk
from vspc.net.waiting import Wakeup, sleep

WATCHED = 2048
"""Consoles that one command watches."""

GATHER, GATHER_MOST = 0.2, 1.0
"""Seconds in which lines of all consoles are gathered: the longer, the more of them talk."""

MANY = 100
"""Consoles that talk in such a time; with more it is longer, since nobody reads as fast."""

SHARE = 4096
"""Bytes that one console shows before others have their turn, and that one turn of the reactor
works on."""

BATCH = 64
"""Consoles that are attached to in one turn of the reactor."""

IDLE = 2.0
"""Seconds after which an unfinished line is shown as it is."""

LATE = 5.0
"""Seconds that output of a console waits for the client; then all but its end is left out."""

TAIL_LINES, TAIL = 3, 512
"""What is not left out: so many lines, of so many bytes together."""

AGAIN = 1.0
"""Seconds after which it tries again where too many search."""

COLOURS = 6
"""Colours of names, from red (31) on."""

SLOW = "left out, the client is too slow"

CONSOLES = Argument("GLOB", "a console, or a glob of several", GLOBS, many=True)

GRAMMAR = Grammar(
    "watch",
    "the output of many consoles from now on, line by line",
    arguments=(CONSOLES,),
    options=(GREP, TIMESTAMPS, JSON),
    examples=("watch 'web*' db1", "watch '*' --grep 'panic|Oops'"),
    notes=("Consoles that appear later are watched, too. Control-C ends it.", "", *VALUES),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Print it. Control-C ends it with status 0."""
    if parsed.has(JSON) and parsed.has(TIMESTAMPS):
        raise UsageError("--json and --timestamps exclude each other")
    wanted = _Wanted(call, parsed[CONSOLES])
    try:
        with call.following():
            await _Watch(call, parsed, wanted).run()
    except CancelledError:
        raise VerbExit(DONE) from None


class _Wanted:
    """Which consoles are watched. A word that is no pattern, and that names a console now, means
    that one, whatever its name becomes.
    """

    def __init__(self, call: Call, words: tuple[str, ...]) -> None:
        """Raises `VerbExit` where a word is ambiguous."""
        self._fits: list[Callable[[Console], bool]] = []
        self._ids: set[str] = set()
        for word in words:
            is_one = not call.means_many(word)
            if is_one and call.context.roster.resolve(word, call.may_read) != NotFound():
                self._ids.add(call.find(word).id)
            else:
                self._fits.append(fitting(word))

    @property
    def is_open(self) -> bool:
        """Whether a console that appears may be one of them."""
        return bool(self._fits)

    def has(self, console: Console) -> bool:
        """Whether `console` is one of them."""
        return console.id in self._ids or any(fits(console) for fits in self._fits)


def _naming(console: Console, is_coloured: bool) -> tuple[Mapping[str, str], bytes]:
    """What JSON says of a console, and what comes before its lines."""
    title = shown = console.title
    if is_coloured:
        shown = f"\x1b[{31 + crc32(console.id.encode()) % COLOURS}m{title}\x1b[m"
    return {"console": title, "handle": handle_of(console)}, f"{shown}: ".encode()


def _coloured(data: bytes) -> bytes:
    """A line in its colours, which end with it."""
    text = safe_output(data).replace(b"\r", b"").replace(b"\b", b"")
    return text + b"\x1b[m" if b"\x1b" in text else text


@define(eq=False)
class _Source(Sink):
    """One console that is watched. `changed` is called when it has something to show; `over` is why
    it is not watched any longer.
    """

    console: Console
    format: LogFormat
    _changed: "Callable[[_Source], None]"
    attachment: Attachment = field(init=False)
    over: str = field(default="", init=False)

    @property
    def title(self) -> str:
        """As it was when the operator might still read it."""
        return self.format.about["console"]

    def rename(self, is_coloured: bool) -> None:
        """Take up what its console is called now."""
        if self.title != self.console.title:
            self.format.about, self.format.name = _naming(self.console, is_coloured)

    def ready(self) -> None:
        self._changed(self)

    def writable(self) -> None:
        """Nothing is typed."""

    def host_changed(self, old: str, new: str) -> None:
        """A notice is shown."""

    def ended(self, reason: str) -> None:
        self.over = reason
        self._changed(self)

    def skip(self) -> Marker:
        """Go on with the last lines; what is left out."""
        attachment, history = self.attachment, self.console.history
        start = attachment.cursor.offset
        attachment.cursor.offset = max(start, history.last_lines(TAIL_LINES, TAIL))
        return _left_out(start, attachment.cursor.offset)


def _left_out(start: int, end: int, why: str = SLOW) -> Marker:
    return Marker(start, 0.0, MarkerKind.GAP, why, end)


class _Watch:
    """All that are watched. `_ready` are those that have something to show, and since when."""

    def __init__(self, call: Call, parsed: Parsed, wanted: _Wanted) -> None:
        self._call, self._context, self._clock = call, call.context, call.context.clock
        self._parsed, self._grep = parsed, parsed.get(GREP)
        self._wanted = wanted
        terminal = call.channel.terminal
        self._is_coloured = terminal is not None and terminal.has_cursor
        self._sources: dict[Console, _Source] = {}
        self._ready: dict[_Source, float] = {}
        self._unfinished: dict[_Source, float] = {}  # when each is shown as it is, in order
        self._joining: dict[str, int | None] = {}  # ids, and where each begins; None: now
        self._is_full = False
        self._is_behind = False  # whether the last round did not show everything
        self._gather = GATHER  # seconds, by how many consoles the last round showed
        self._budget = SHARE
        self._lines: list[bytes] = []  # that are printed together
        self._changed = Wakeup(self._clock)

    async def run(self) -> None:
        """Until it is cancelled."""
        unsubscribe = self._context.events.subscribe(self._happened)
        try:
            found = sorted(filter(self._wanted.has, self._call.readable()), key=reading_order)
            self._joining = dict.fromkeys((console.id for console in found), None)
            await self._join()
            count = len(self._sources)
            those = "1 console" if count == 1 else f"{count} consoles"
            later = ", and those that appear" if self._wanted.is_open else ""
            self._call.remark(f"watching {those}{later}; Control-C ends it")
            while True:
                await self._round()
        finally:
            unsubscribe()
            for source in self._sources.values():
                source.attachment.detach()

    # Which consoles

    def _happened(self, event: Event) -> None:
        match event:
            case Appeared(console):
                found = self._context.roster.get(console.id)
                self._joining[console.id] = None if found is None else found.history.end
            case Connected(console) | Renamed(console):
                self._joining.setdefault(console.id, None)
            case _:
                return
        self._wake()

    async def _join(self) -> None:
        """Attach to what has come, as far as it is wanted."""
        joining, self._joining = self._joining, {}
        for number, (console_id, offset) in enumerate(joining.items(), 1):
            if number % BATCH == 0:
                await sleep(self._clock, 0)
            console = self._context.roster.get(console_id)
            if console is None or console in self._sources or not self._call.may_read(console):
                continue
            if self._wanted.has(console):
                self._watch(console, offset)

    def _watch(self, console: Console, offset: int | None) -> None:
        if len(self._sources) >= WATCHED:
            if not self._is_full:
                self._is_full = True
                self._call.record("limit", limit="watched", value=WATCHED)
                self._call.remark(f"limit reached: {WATCHED} consoles are watched, and no more")
            return
        call = self._call
        naming = _naming(console, self._is_coloured)
        shown = _coloured if self._is_coloured else plain_output
        lines = LogFormat(self._parsed, call.channel.terminal is not None, *naming, shown)
        source = self._sources[console] = _Source(console, lines, self._mark)
        begin = console.history.end if offset is None else offset
        kind = AttachmentKind.WATCH
        source.attachment = console.attach(
            call.session, call.rights(console), source, begin, kind, reads_only=True
        )
        if source.attachment.cursor.pending:
            self._mark(source)

    def _leave(self, source: _Source) -> None:
        self._complain(source, source.over)
        del self._sources[source.console]
        source.attachment.detach()

    # What they show

    def _mark(self, source: _Source) -> None:
        self._ready.setdefault(source, self._clock.seconds())
        self._wake()

    def _wake(self) -> None:
        if self._changed.is_awaited:
            self._changed.set()

    async def _round(self) -> None:
        """Wait until some have something to show, and show a share of each."""
        if not (self._ready or self._joining):
            late = next(iter(self._unfinished.values()), None)
            await self._changed.wait(None if late is None else late - self._clock.seconds())
        await self._call.output.room()
        await sleep(self._clock, 0 if self._is_behind else self._gather)
        self._budget, self._is_behind = SHARE, False
        await self._join()
        now, showing, self._ready = self._clock.seconds(), self._ready, {}
        self._gather = min(GATHER_MOST, GATHER * max(1.0, len(showing) / MANY))
        for source, late in self._unfinished.items():
            if late > now:
                break
            showing.setdefault(source, now)
        for source, since in showing.items():
            await self._show(source, since)
        self._print()

    async def _show(self, source: _Source, since: float) -> None:
        if self._sources.get(source.console) is not source:
            return  # it has left
        late = self._unfinished.pop(source, inf)
        if self._budget <= 0:
            await self._next_turn()
        now = self._clock.seconds()
        if not source.over:
            source.rename(self._is_coloured)
            if now - since > LATE:
                since = now
                await self._lose(source, source.skip())
            if not await self._read(source) and late <= now:
                await self._work(source, 0, source.format.late)
        if source.over:
            self._leave(source)
            return
        if source.attachment.cursor.pending:
            self._is_behind = True
            self._ready[source] = since
        if source.format.waits:
            self._unfinished[source] = now + IDLE

    async def _read(self, source: _Source) -> int:
        """Show one share of what a console has; how many bytes."""
        count, attachment = 0, source.attachment
        while count < SHARE and not source.over and attachment.cursor.pending:
            match attachment.cursor.next(SHARE - count):
                case OutputChunk(start, data):
                    count += len(data)
                    await self._feed(source, Output(start, self._clock.wall(), data))
                case Lost(start, end, why):
                    await self._lose(source, _left_out(start, end, why or SLOW))
                case Notice(text):
                    if self._grep is None:
                        self._complain(source, text)
                case Ended(reason):
                    await self._work(source, 0, source.format.end)
                    source.over = reason
        return count

    async def _lose(self, source: _Source, gap: Marker) -> None:
        if gap.end > gap.offset:
            count = f"{gap.end - gap.offset} bytes {gap.text}"
            self._complain(source, f"{count} (offsets {gap.offset} to {gap.end})")
            await self._feed(source, evolve(gap, at=self._clock.wall()))

    async def _feed(self, source: _Source, item: Item) -> None:
        held = None if self._grep is None else source.format.held
        size = item.end - (item.offset if held is None else min(held, item.offset))
        await self._work(source, size, lambda: source.format.feed(item))

    async def _work(self, source: _Source, size: int, lines: Callable[[], Iterable[bytes]]) -> None:
        """Print `lines`, for which `size` bytes are searched: where that is much, in a thread."""
        found = lines() if self._grep is None else await self._search(self._grep, size, lines)
        if not source.over:  # else it may not be read any more, since it was searched
            self._lines.extend(found)
        self._budget -= max(size, 1)

    async def _search(
        self, grep: SearchPattern, size: int, lines: Callable[[], Iterable[bytes]]
    ) -> list[bytes]:
        cost = size * grep.pattern.programsize
        while True:
            try:
                return await self._context.work_pool.do(cost, lambda: list(lines())) or []
            except WorkPoolFull:
                await sleep(self._clock, AGAIN)

    async def _next_turn(self) -> None:
        """Print what was gathered, and go on when the client takes more, in another turn."""
        self._print()
        await self._call.output.room()
        await sleep(self._clock, 0)
        self._budget = SHARE

    def _print(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self._call.output.put(*lines)

    def _complain(self, source: _Source, text: str) -> None:
        self._print()  # what came before it
        line = f"{source.title}: [{text}]"
        complain(self._call.channel, line)
        self._budget -= len(line)


VERB = Verb(GRAMMAR, run)
"""It is recorded as a command; what was read on which console by `attach` and `detach`."""

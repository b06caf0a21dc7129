"""`export NAME`: a piece of a log as a file: an asciicast to play, text to read, exact bytes."""

from collections.abc import Iterator
from typing import Protocol

from attrs import frozen

from vspc.apps.verbs.asciicast import Cast
from vspc.apps.verbs.context import DONE, FAILED, Call, Spool, complain
from vspc.apps.verbs.grammar import Argument, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import CONSOLE, MOMENT, NUMBER, UsageError, ValueKind, choice, is_number
from vspc.apps.verbs.log_cursor import LogCursor, ask, from_memory, not_written, remembered
from vspc.apps.verbs.record import recordings
from vspc.common.text import safe, safe_output
from vspc.console.console import Console
from vspc.console.logs import Item, LogView, Marker, Output
from vspc.console.output_lines import OutputLines
from vspc.console.ports import Program

TERMINAL = (80, 24)
"""Columns and rows of an asciicast: a serial line does not say how large its terminal is."""

SIZE_LIMIT = 1000
"""Columns, and rows, that can be asked for."""


@frozen
class ExportPosition:
    """An offset in a log, or a time (seconds since 1970)."""

    at: int | None = None
    time: float = 0.0

    def offset(self, kept: LogView) -> int:
        """Where it is in `kept`."""
        return kept.since(self.time) if self.at is None else self.at


def _place(label: str, value: str, now: float) -> ExportPosition:
    if is_number(value):
        return ExportPosition(int(value))
    return ExportPosition(time=MOMENT.read(label, value, now))


def _size(label: str, word: str, _now: float) -> tuple[int, int]:
    columns, times, rows = word.partition("x")
    if times and is_number(columns) and is_number(rows):
        size = int(columns), int(rows)
        if all(1 <= each <= SIZE_LIMIT for each in size):
            return size
    raise UsageError(
        f"{label} takes columns and rows, each from 1 to {SIZE_LIMIT}, as in 120x40, not "
        f"'{safe(word)}'"
    )


FORMATS = ("asciicast", "text", "raw")
PLACE = ValueKind("TIME|OFFSET", _place)

NAME = Argument("NAME", "the console", CONSOLE)
FROM = Option("--from", "begin there (the beginning of the log)", PLACE)
TO = Option("--to", "end there (the end of the log)", PLACE)
RECORDING = Option("--recording", "this one of `record list`", NUMBER)
FORMAT = Option("--format", f"what is printed ({FORMATS[0]})", choice(*FORMATS))

SIZE = Option(
    "--size",
    "that of an asciicast's terminal (80x24)",
    ValueKind("COLUMNSxROWS", _size),
)

GRAMMAR = Grammar(
    "export",
    "a piece of a console's log: asciicast (asciinema), text, raw bytes",
    arguments=(NAME,),
    options=(FROM, TO, RECORDING, FORMAT, SIZE),
    examples=("export web1 --from 2h --format text",),
)


class Format(Protocol):
    """How items become bytes."""

    def feed(self, item: Item) -> Iterator[bytes]:
        """What `item` adds."""

    def end(self) -> Iterator[bytes]:
        """The last of it."""


class RawFormat:
    """Exactly what the VM said."""

    def feed(self, item: Item) -> Iterator[bytes]:
        """Markers say nothing here."""
        if isinstance(item, Output):
            yield item.data

    def end(self) -> Iterator[bytes]:
        """Nothing is held back."""
        yield from ()


class TextFormat:
    """Text and colours, with what happened in brackets on lines of their own."""

    def __init__(self) -> None:
        self._lines = OutputLines()

    def feed(self, item: Item) -> Iterator[bytes]:
        """Whole lines."""
        if isinstance(item, Marker):
            yield from self.end()
            yield f"[{item.kind.value}: {item.text}]\n".encode()
            return
        for line in self._lines.feed(item):
            yield safe_output(line.text) + b"\n"

    def end(self) -> Iterator[bytes]:
        """The unfinished line."""
        for line in self._lines.flush():
            yield safe_output(line.text) + b"\n"


class CastFormat:
    """asciicast, version 2."""

    def __init__(self, title: str, started: float, size: tuple[int, int]) -> None:
        self._title = title
        self._started = started
        self._size = size
        self._cast: Cast | None = None

    def feed(self, item: Item) -> Iterator[bytes]:
        """The header comes before the first."""
        cast = self._cast
        if cast is None:
            yield self._begin(item.at or self._started)
            cast = self._cast
            assert cast is not None
        for line in cast.feed(item):
            yield line.encode()

    def _begin(self, at: float) -> bytes:
        self._cast = Cast(*self._size, self._title, at)
        return self._cast.header().encode()

    def end(self) -> Iterator[bytes]:
        """A log without a byte is a cast, too."""
        if self._cast is None:
            yield self._begin(self._started)
        assert self._cast is not None
        for line in self._cast.end():
            yield line.encode()


def _format(wanted: "ExportOptions", title: str, started: float) -> Format:
    if wanted.form == "raw":
        return RawFormat()
    return TextFormat() if wanted.form == "text" else CastFormat(title, started, wanted.size)


@frozen
class ExportPiece:
    """What is exported: from `start` to `end` (exclusive), and of the markers there none before
    `first` and none after `last`.
    """

    start: int
    end: int
    first: Marker | None = None
    last: Marker | None = None


@frozen
class ExportOptions:
    """From where to where, None for the beginning and the end."""

    start: ExportPosition | None
    end: ExportPosition | None
    recording: int | None
    form: str
    size: tuple[int, int]

    @property
    def timed(self) -> bool:
        """Whether only a log can tell what is meant."""
        places = (self.start, self.end)
        return self.recording is not None or any(p is not None and p.at is None for p in places)


def wanted_of(parsed: Parsed) -> ExportOptions:
    """What was said. Raises `UsageError`."""
    start, end, number = parsed.get(FROM), parsed.get(TO), parsed.get(RECORDING)
    if number is not None and (start is not None or end is not None):
        raise UsageError("--recording says from where to where: --from and --to do not go with it")
    form, size = parsed.get(FORMAT, FORMATS[0]), parsed.get(SIZE)
    if size is not None and form != FORMATS[0]:
        raise UsageError(f"--size is that of an asciicast: it does not go with --format {form}")
    return ExportOptions(start, end, number, form, size or TERMINAL)


def run(call: Call, parsed: Parsed) -> None:
    """Print it."""
    wanted, now = wanted_of(parsed), call.context.clock.wall()
    console = call.find(parsed[NAME])
    if console is None:
        return
    limit = call.history_limit(console)
    earliest = None if limit is None else now - limit

    def found(answer: tuple[ExportPiece | str, int] | None) -> None:
        if answer is None and (wanted.timed or console.history.start == console.history.end):
            call.fail(FAILED, f"the log of {console.title} cannot be read now")
            return
        if answer is None:
            complain(call.channel, f"[{from_memory(console.title)}]")
            answer = _span(remembered(console), wanted, earliest), 0
        span, unwritten = answer
        if unwritten:
            complain(call.channel, f"[{not_written(unwritten)}]")
        if isinstance(span, str):
            call.fail(FAILED, span)
        else:
            Exporter(call, console, wanted, span).begin()

    ask(
        call.context,
        console,
        lambda kept: (_span(kept, wanted, earliest), kept.unwritten),
        found,
    )


def _span(kept: LogView, wanted: ExportOptions, earliest: float | None) -> ExportPiece | str:
    first = kept.start if earliest is None else max(kept.start, kept.since(earliest))
    start, end = first, kept.end
    begun: Marker | None = None
    ended: Marker | None = None
    if wanted.recording is not None:
        known = recordings(kept)
        if not 1 <= wanted.recording <= len(known):
            return f"there is no recording {wanted.recording}; there are {len(known)}"
        one = known[wanted.recording - 1]
        start, end = one.start, end if one.end is None else one.end
        begun, ended = one.first if start >= first else None, one.last
    if wanted.start is not None:
        start = wanted.start.offset(kept)
    if wanted.end is not None:
        end = wanted.end.offset(kept)
    start = max(start, first)
    return ExportPiece(start, max(start, min(end, kept.end)), begun, ended)


class Exporter(Program):
    """A `Program` that prints a piece of a log in one format."""

    def __init__(
        self, call: Call, console: Console, wanted: ExportOptions, piece: ExportPiece
    ) -> None:
        self._call = call
        self._channel = call.channel
        self._console = console
        self._title = console.title  # as he knows it: he may not learn the name it has then
        self._form = wanted.form
        self._start, self._end = piece.start, piece.end
        self._first, self._last = piece.first, piece.last
        self._recorded = False
        self._closed = False  # whether the end of the recording has come
        self._spool = Spool(call.channel)
        self._done = False
        self._format = _format(wanted, console.title, call.context.clock.wall())
        self._reel = LogCursor(
            call.context,
            console,
            piece.start,
            self._spool.room,
            self._give,
            self._reached,
            self._fail,
        )

    def begin(self) -> None:
        """Print what the channel takes."""
        self._channel.start(self)
        self._reel.pump(self._end)

    def _give(self, item: Item) -> None:
        if self._first is not None:
            if isinstance(item, Marker) and item.offset == self._start and item != self._first:
                return  # it happened before the recording began
            self._first = None
        if not self._closed:
            self._spool.print(self._format.feed(item))
            self._closed = item == self._last

    def _reached(self, offset: int, ended: bool) -> bool:
        if not self._call.may_read(self._console):  # the rules have changed since it began
            complain(self._channel, f"[{self._title}: you may no longer read this console]")
            self._leave(FAILED, "failed")
            return True
        if not ended and offset < self._end:
            return False
        self._done = True
        self._spool.print(self._format.end())
        self._leave_if_done()
        return True

    def _fail(self) -> None:
        complain(self._channel, f"[the log of {self._console.title} cannot be read any further]")
        self._leave(FAILED, "failed")

    def _leave_if_done(self) -> None:
        if self._done and not self._spool:
            self._leave(DONE, "ok")

    def _leave(self, status: int, result: str) -> None:
        self._record(result)
        self._channel.finish(status)

    def _record(self, result: str) -> None:
        """Once, whatever ends it first."""
        if not self._recorded:
            self._recorded = True
            self._call.record(
                "export",
                self._console,
                format=self._form,
                offset=self._start,
                end=self._end,
                bytes=self._spool.written,
                result=result,
            )

    # Program

    def drained(self) -> None:
        """There is room again."""
        self._spool.drain()
        self._leave_if_done()
        if not self._done:
            self._reel.pump(self._end)

    def received(self, data: bytes) -> None:
        """Control-C ends it where a terminal sends it as a key."""
        self._channel.consumed(len(data))
        if b"\x03" in data and self._channel.terminal is not None:
            self.closed()
            self._channel.finish(FAILED)

    def closed(self) -> None:
        """The operator has gone."""
        self._record("ended")
        self._reel.stop()
